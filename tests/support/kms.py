"""KMS on ministack, for the tests of signatures: a real client of ours against an emulator that nobody here wrote."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest

from fedbridge.aws import sdk_client
from tests.counterparts.ministack import MiniStack


@contextmanager
def running_ministack() -> Iterator[Callable[[str], Any]]:
    """Run ministack and yield a factory of the product's own clients for it; skips where it is not installed."""
    with MiniStack(host="127.0.0.1") as account, pytest.MonkeyPatch.context() as patch:
        for name, value in account.aws_environment.items():
            patch.setenv(name, value)
        yield cache(sdk_client)


def create_key(kms: Any, spec: str) -> str:
    """Create an asymmetric signing key and return its ARN."""
    arn: str = kms.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    return arn
