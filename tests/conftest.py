import os

import pytest

from tests.support.canary_watch import CanaryWatch
from tests.support.scheduling import SchedulingPlugin
from tests.support.skips import SkipRefusal


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(CanaryWatch())
    config.pluginmanager.register(SchedulingPlugin())
    if os.environ.get("FEDBRIDGE_REFUSE_SKIPS"):
        config.pluginmanager.register(SkipRefusal())
