import os

import pytest

from tests.support.canary_watch import CanaryWatch
from tests.support.skips import SkipRefusal


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(CanaryWatch())
    if os.environ.get("FEDBRIDGE_REFUSE_SKIPS"):
        config.pluginmanager.register(SkipRefusal())
