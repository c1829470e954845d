import os

import pytest

from tests.support.skips import SkipRefusal


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get("FEDBRIDGE_REFUSE_SKIPS"):
        config.pluginmanager.register(SkipRefusal())
