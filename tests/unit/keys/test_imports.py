"""What importing the package costs: the back channel signs, and must not load what only other routes need."""

import json
import subprocess
import sys

import pytest

from tests.support.machine import ROOT

HEAVY = ("joserfc", "httpx", "boto3", "botocore", "yaml", "cryptography.x509")


def loaded_after(statements: str) -> set[str]:
    """Return which of the heavy packages a new interpreter has after it ran `statements`."""
    program = f"{statements}\nimport json, sys\nprint(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    answer = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(ROOT / "shared")},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return set(json.loads(answer.stdout))


def test_the_adapters_of_the_back_channel_load_none_of_it():
    assert (
        loaded_after("import fedbridge.keys.provider, fedbridge.keys.ring, fedbridge.keys.secrets") == set()
    )


@pytest.mark.parametrize(
    "module",
    [
        "fedbridge.keys.client", "fedbridge.keys.client_decryption", "fedbridge.keys.decrypter", "fedbridge.keys.jwk",
        "fedbridge.keys.kms", "fedbridge.keys.kms_decrypter",
    ],
)  # fmt: skip
def test_neither_does_any_other_module(module):
    assert loaded_after(f"import {module}") == set()


def test_a_signer_is_had_without_the_code_of_decrypters():
    program = (
        "import fedbridge.keys.provider, sys; print([name for name in sys.modules if 'decrypter' in name])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(ROOT / "shared")},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == "[]"


def test_signing_with_a_local_key_loads_none_of_it():
    statements = """
from cryptography.hazmat.primitives.asymmetric import ec
from fedbridge.jws import b64url
from fedbridge.keys.provider import CachedKeys
from fedbridge.model.deadline import Deadline
import json
key = ec.generate_private_key(ec.SECP256R1())
numbers = key.private_numbers()
members = {"d": numbers.private_value, "x": numbers.public_numbers.x, "y": numbers.public_numbers.y}
jwk = {"kty": "EC", "crv": "P-256"} | {name: b64url(value.to_bytes(32, "big")) for name, value in members.items()}
class Secrets:
    def get(self, reference, deadline, *, refresh=False):
        return json.dumps(jwk)
assert len(CachedKeys(Secrets(), dict).signer("env:KEY", None, Deadline.after(9)).sign(b"x", Deadline.after(9))) == 64
import sys
assert "cryptography.hazmat.primitives.serialization" not in sys.modules
"""
    assert loaded_after(statements) == set()
