"""Which tests pytest-xdist keeps in one worker: those that share a program that takes seconds to come up.

Marks (`xdist_group`) would say it beside the tests, but pytest-xdist 3.8 writes groups where pytest 9.2 no longer reads
them: `--dist loadgroup` then keeps nothing together, and two workers deploy the stack at the same time.
"""

from __future__ import annotations

import pytest
from xdist.remote import Producer  # type: ignore[import-untyped]
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

TOGETHER = ("tests/counterparts/", "tests/infra/", "tests/interop/")
"""Folders whose files each stay in one worker."""

DEPLOYMENT = (
    "tests/infra/test_deploy.py",
    "tests/infra/test_deployed_sign_in.py",
    "tests/infra/test_quickstart.py",
)
"""Files that share one deployed stack."""


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """One test at a time to whoever is free, but for those that belong together. The largest group comes first."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, _ = nodeid.partition("::")
        if file in DEPLOYMENT:
            return "deployment"
        return file if file.startswith(TOGETHER) else nodeid


class SchedulingPlugin:
    """Takes the place of `--dist load`, which is what `-n` means by itself; tests/conftest.py registers it."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Producer) -> Scheduling | None:
        return Scheduling(config, log) if config.getvalue("dist") == "load" else None
