"""The hook that puts the logs of running counterparts into the report of a failed test.

A folder whose tests drive counterparts imports it into its conftest.py.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.counterparts.process import running_logs


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        report.sections.extend((f"Log of {name}", text) for name, text in running_logs().items() if text)
    return report
