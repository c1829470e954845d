"""K. Case 102: every JWE of Wycheproof, through our own decryption, under the keys that its vectors bring."""

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from fedbridge.errors import ConfigurationError, UpstreamError
from fedbridge.keys.decrypter import LocalDecrypter
from fedbridge.keys.jwk import import_private_key
from fedbridge.model.policies import CONTENT_ENCRYPTION_ALGORITHMS, KEY_ENCRYPTION_ALGORITHMS
from fedbridge.ports import Decrypter
from fedbridge.rp.base64url import decode_base64url
from fedbridge.rp.jwe import decrypt, decrypt_compact
from tests.support.wycheproof import wycheproof
from tests.unit.rp.encryption import context, decrypting, encrypted_connection
from tests.unit.rp.idp import FakeKeys

Outcome = bytes | str
"""What was decrypted, or why it was not."""


def vectors(name: str) -> Any:
    """Yield (vector, token, its keys): JSON serializations as text, which is how they would arrive."""
    for group in wycheproof(name):
        published = group["private"]
        for vector in group["tests"]:
            if "jwe" in vector:
                token = vector["jwe"]
                yield (
                    vector,
                    token if isinstance(token, str) else json.dumps(token),
                    published.get("keys", [published]),
                )


def imported(jwk: dict[str, Any]) -> Decrypter | None:
    """Return the decrypter of a JWK under the vectors' own `kid`; None for one that we would not take."""
    try:
        key = import_private_key(json.dumps(jwk), source="a vector's key", trusted=True, use="enc")
    except ConfigurationError:
        return None
    decrypter = LocalDecrypter.of(key)
    return replace(decrypter, kid=jwk.get("kid", decrypter.kid))


def outcome(token: str, jwks: list[dict[str, Any]], work: Any = decrypt) -> Outcome:
    decrypters = [decrypter for jwk in jwks if (decrypter := imported(jwk)) is not None]
    by_name: dict[str, Any] = {f"file:{i}": decrypter for i, decrypter in enumerate(decrypters)}
    at = encrypted_connection(decrypting(*by_name) if by_name else replace(decrypting(), keys=()))
    try:
        opened = work(context(at, FakeKeys(decrypters=by_name)), token, kind="id_token")
    except UpstreamError as failure:
        return failure.reason
    return opened if isinstance(opened, str) else opened[1]


@pytest.mark.parametrize("name,invalid", [("encryption", 74), ("crypto", 32)])
def test_case_102_every_invalid_wycheproof_jwe_is_refused_for_a_reason(name, invalid):
    refused = Counter(
        outcome(token, jwks) for vector, token, jwks in vectors(name) if vector["result"] == "invalid"
    )
    assert all(isinstance(reason, str) for reason in refused), refused
    assert refused.total() == invalid


FOO = b"foo".hex()
"""What the vectors without a plaintext hold."""


def is_accepted(token: str) -> bool:
    header = json.loads(decode_base64url(token.split(".", maxsplit=1)[0])) if token.count(".") == 4 else {}
    return (
        header.get("alg") in KEY_ENCRYPTION_ALGORITHMS and header.get("enc") in CONTENT_ENCRYPTION_ALGORITHMS
    )


@pytest.mark.parametrize("name,accepted", [("encryption", 29), ("crypto", 1)])
def test_case_102_every_valid_wycheproof_jwe_of_our_algorithms_is_opened(name, accepted):
    """The good twins. All others are refused by their header."""
    opened = 0
    for vector, token, jwks in vectors(name):
        if vector["result"] != "valid":
            continue
        if is_accepted(token):
            assert outcome(token, jwks) == bytes.fromhex(vector.get("pt", FOO)), vector
            assert outcome(token, jwks, decrypt_compact) == "id_token_not_signed"
            opened += 1
        else:
            assert outcome(token, jwks) == "id_token_encryption_algorithm_refused", vector
    assert opened == accepted
