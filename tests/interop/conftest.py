"""What the sign-ins share; a failed one shows what the programs that it drove have logged."""

from collections.abc import Iterator

import httpx
import pytest

from tests.counterparts.browser import new_browser
from tests.counterparts.openid_client import OpenidClient
from tests.counterparts.reporting import pytest_runtest_makereport

__all__ = ["pytest_runtest_makereport"]


@pytest.fixture
def browser() -> Iterator[httpx.Client]:
    with new_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def openid_client() -> Iterator[OpenidClient]:
    with OpenidClient() as client:
        yield client
