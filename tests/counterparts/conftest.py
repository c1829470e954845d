"""A failed test shows what the programs that it drove have logged."""

from tests.counterparts.reporting import pytest_runtest_makereport

__all__ = ["pytest_runtest_makereport"]
