"""Case 98 at an IdP that writes at_hash in plain Base64, as TARA does."""

import base64
import hashlib

import pytest

from fedbridge.errors import UpstreamError
from fedbridge.jws import b64url
from fedbridge.model.connection import IdTokenPolicy
from tests.unit.rp.idp import FakeIdp, connection

# One whose hash has + or / in it, so that both alphabets differ in more than the padding.
TOKEN = next(
    token
    for token in (f"access-token-{i}" for i in range(1000))
    if {"+", "/"} & set(base64.b64encode(hashlib.sha256(token.encode()).digest()[:16]).decode())
)
HALF = hashlib.sha256(TOKEN.encode()).digest()[:16]
PLAIN = base64.b64encode(HALF).decode()


def sign_in(encoding, **claims):
    idp = FakeIdp(claims=claims)
    idp.answer_token(lambda _: idp.token_answer(access_token=TOKEN))
    policy = IdTokenPolicy(algorithms=("ES256",), at_hash_encoding=encoding)
    return idp.sign_in(connection(id_token=policy))


@pytest.mark.parametrize(("encoding", "value"), [("base64", PLAIN), ("base64url", b64url(HALF))])
def test_each_encoding_where_it_is_configured(encoding, value):
    assert sign_in(encoding, at_hash=value).subject == "ana"
    assert sign_in(encoding).subject == "ana"


@pytest.mark.parametrize(
    ("encoding", "value"),
    [
        ("base64", b64url(HALF)),
        ("base64url", PLAIN),
        ("base64", PLAIN.rstrip("=")),
        ("base64", base64.b64encode(hashlib.sha256(TOKEN.encode()).digest()).decode()),
        ("base64", base64.b64encode(hashlib.sha256(b"other").digest()[:16]).decode()),
        ("base64", ""),
        ("base64", None),
        ("base64", [PLAIN]),
    ],
)
def test_case_98_and_nothing_else(encoding, value):
    claims = {"at_hash": value} if value is not None else {"at_hash": False}
    with pytest.raises(UpstreamError, match="id_token_at_hash_mismatch"):
        sign_in(encoding, **claims)


def test_case_98_the_other_hashes_keep_their_encoding():
    half = hashlib.sha256(b"the-code").digest()[:16]
    assert sign_in("base64", c_hash=b64url(half)).subject == "ana"
    with pytest.raises(UpstreamError, match="id_token_c_hash_mismatch"):
        sign_in("base64", c_hash=base64.b64encode(half).decode())
