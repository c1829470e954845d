"""KMS on ministack, for the tests of signatures: a real client of ours against an emulator that nobody here wrote."""

import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fedbridge.aws import sdk_client
from tests.counterparts.process import Program, clean_environment, free_port
from tests.support.machine import require_ministack


@contextmanager
def running_ministack() -> Iterator[Callable[[str], Any]]:
    """Run ministack on loopback and yield a factory of the product's clients for it.

    Skips where .venv-ministack is missing.
    """
    python, port = require_ministack(), free_port()
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"{url}/_ministack/health", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    with tempfile.TemporaryDirectory() as folder:
        environment = clean_environment(BIND_HOST="127.0.0.1", GATEWAY_PORT=str(port), SERVICES="kms")
        command: list[str | Path] = [python, "-c", "from ministack.app import main; main()"]
        with Program("ministack", command, env=environment, cwd=Path(folder), talks=False) as program:
            program.wait_until(answers)
            with pytest.MonkeyPatch.context() as patch:
                for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
                    patch.setenv(name, "test")
                patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
                yield cache(lambda service: sdk_client(service, endpoint_url=url))


def create_key(kms: Any, spec: str) -> str:
    """Create an asymmetric signing key and return its ARN."""
    arn: str = kms.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    return arn
