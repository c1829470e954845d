"""Fails every test in which a canary (tests/support/canaries.py) came out, whatever else the test looked at.

Looked at are: standard output and error of each test, log records of the libraries under the product's own logging
set-up with their levels at DEBUG, and what fakes and helpers hand to `canaries.observe…`.
"""

import logging
import sys
from collections.abc import Generator
from typing import Any

import pytest

from tests.support import canaries

LIBRARIES = ("boto3", "botocore", "h11", "httpcore", "httpx", "joserfc", "urllib3")


class CanaryWatch:
    """The plugin; tests/conftest.py registers it."""

    def pytest_configure(self) -> None:
        for name in LIBRARIES:
            logging.getLogger(name).setLevel(logging.DEBUG)
        logging.getLogger().addHandler(_Tap())

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        canaries.begin_test()
        if "fedbridge" in sys.modules:
            from fedbridge.telemetry.powertools import PowertoolsTelemetry

            PowertoolsTelemetry(
                service="canary-watch"
            )  # Silences whatever else logs, as it does in a function.

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        for name, content in report.sections:
            if name.endswith(f" {call.when}"):
                canaries.observe_output(content, name)
        hits = canaries.take_hits()
        if hits:
            text = "What must not come out came out:\n" + "\n".join(hits)
            if report.passed:
                report.outcome, report.longrepr = "failed", text
            else:
                report.sections.append(("Canaries", text))
        return report

    # What a test reads from its capture fixture never reaches its report.
    @pytest.fixture
    def capsys(self, capsys: pytest.CaptureFixture[str]) -> "_Observed":
        return _Observed(capsys)

    @pytest.fixture
    def capfd(self, capfd: pytest.CaptureFixture[str]) -> "_Observed":
        return _Observed(capfd)


class _Tap(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        canaries.observe(f"{record.getMessage()} {record.exc_info or ''}", f"a record of {record.name}")


class _Observed:
    """A capture fixture whose reader is not alone."""

    def __init__(self, inner: pytest.CaptureFixture[str]) -> None:
        self._inner = inner

    def readouterr(self) -> Any:
        captured = self._inner.readouterr()
        canaries.observe_output(captured.out, "standard output")
        canaries.observe_output(captured.err, "standard error")
        return captured

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
