"""A context over fakes: what no IdP that anybody runs would do on demand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fedbridge.cli.check.context import CheckContext, CheckOptions
from tests.fakes.http import FakeHttpClient
from tests.support.bridge import connection

NOW = 1_800_000_000.0


class Keys:
    """The `Keys` and `Secrets` ports; every call is answered by what was prepared, or raises it."""

    def __init__(self) -> None:
        self.signers: dict[str, Any] = {}
        self.decrypters: dict[str, Any] = {}
        self.values: dict[str, Any] = {}

    def signer(self, reference: str, _algorithm: str | None, _deadline: Any) -> Any:
        return _given(self.signers[reference])

    def decrypter(self, reference: str, _deadline: Any) -> Any:
        return _given(self.decrypters[reference])

    def client_certificate(self, _policy: Any, _deadline: Any) -> Any:
        raise AssertionError

    def get(self, reference: str, _deadline: Any, *, refresh: bool = False) -> str:
        return str(_given(self.values[reference]))


def _given(value: Any) -> Any:
    if isinstance(value, Exception):
        raise value
    return value


@pytest.fixture
def http() -> FakeHttpClient:
    return FakeHttpClient()


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
def context(http: FakeHttpClient, keys: Keys) -> Callable[..., CheckContext]:
    def make(
        *, base_url: str | None = None, options: CheckOptions | None = None, **fields: Any
    ) -> CheckContext:
        return CheckContext(
            connection=connection("bank", **fields),
            base_url=base_url,
            clients=lambda service: pytest.fail(f"{service} was called"),
            http=http,
            keys=keys,
            secrets=keys,
            clock=lambda: NOW,
            options=options or CheckOptions(),
        )

    return make
