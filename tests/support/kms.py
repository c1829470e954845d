"""KMS on ministack, for the tests of signatures and decryption: a real client of ours against an emulator that nobody here wrote."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.counterparts.ministack import MiniStack


@contextmanager
def running_ministack() -> Iterator[MiniStack]:
    """Run ministack, with `fedbridge.aws.sdk_client` pointed at it; skips where it is not installed."""
    with MiniStack(host="127.0.0.1") as account, pytest.MonkeyPatch.context() as patch:
        for name, value in account.aws_environment.items():
            patch.setenv(name, value)
        yield account


def create_key(account: MiniStack, spec: str, usage: str = "SIGN_VERIFY") -> str:
    """Create an asymmetric key, for signing unless `usage` says otherwise, and return its ARN.

    By the account's own client, which waits: a large RSA key takes longer than the two seconds that ours allows.
    """
    kms = account.client("kms")
    arn: str = kms.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]["Arn"]
    return arn
