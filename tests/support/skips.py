"""Refuses skips: a plugin that turns a run in which a test was skipped into a failed one, and names the tests.

On a laptop that lacks Chromium a skipped test is fine and is reported as such. In CI it would be a check that
nobody notices has stopped; there `FEDBRIDGE_REFUSE_SKIPS` is set and tests/conftest.py registers this plugin.
"""

from typing import Any

import pytest

_WORKER_KEY = "fedbridge_skipped"


class SkipRefusal:
    """Collects what was skipped, in this process and in the workers of pytest-xdist."""

    def __init__(self) -> None:
        self.skipped: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # A test that is expected to fail reports as skipped too, but it ran.
        if report.skipped and not hasattr(report, "wasxfail"):
            self.skipped.add(f"{report.nodeid}: {_reason(report)}")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self.skipped.add(f"{report.nodeid}: {_reason(report)}")

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        # Workers do not pass on the reports of modules that were skipped at collection.
        self.skipped.update(getattr(node, "workeroutput", {}).get(_WORKER_KEY, ()))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput[_WORKER_KEY] = sorted(self.skipped)
        elif self.skipped and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.skipped:
            terminalreporter.section("skipped tests are refused here (FEDBRIDGE_REFUSE_SKIPS)", red=True)
            for line in sorted(self.skipped):
                terminalreporter.line(line)


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    return report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
