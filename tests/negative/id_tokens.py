"""Genuine ID tokens but for one thing, and how they are expected to be refused."""

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from fedbridge.errors import UpstreamError
from fedbridge.jws import b64url, encode_json
from fedbridge.model.connection import IdTokenPolicy
from tests.unit.rp.idp import connection, public_jwk


def pinned(*algorithms):
    return connection(id_token=IdTokenPolicy(algorithms=algorithms))


def refuse(idp, reason, *, at=None, token=None, error="server_error"):
    """Expect this very reason, an answer without detail, and that the next good sign-in passes."""
    at = at or pinned(idp.algorithm)
    redirect = idp.begin(at)
    if token is not None:
        idp.answer_token(idp.token_answer(id_token=token(idp) if callable(token) else token))
    with pytest.raises(UpstreamError) as failure:
        idp.finish(redirect, at)
    assert (failure.value.reason, failure.value.error) == (reason, error)
    assert failure.value.description in {"The sign-in could not be completed.", "assurance_not_met"}
    return failure.value


def passes(idp, at=None):
    idp.claims, idp.header = {}, {}
    idp.serve_keys(public_jwk(idp.key))
    idp.answer_token(lambda _: idp.token_answer())
    assert idp.sign_in(at or pinned(idp.algorithm)).subject == "ana"


def raw(idp, header, signature=b"", claims=None):
    """Return a token with any header, over claims that are right."""
    parts = [b64url(encode_json(header)), b64url(encode_json(claims or idp.id_token_claims()))]
    octets = signature(".".join(parts).encode()) if callable(signature) else signature
    return ".".join([*parts, b64url(octets)])


def resigned(idp, **header):
    """Return a token whose header says something else, genuinely signed by the IdP's key."""
    protected = {"alg": idp.algorithm, "kid": idp.key.kid, **header}
    native = idp.key.private_key

    def signature(signing_input):
        return sign_raw(native, signing_input)

    return raw(idp, {name: value for name, value in protected.items() if value is not ...}, signature)


def sign_raw(native, signing_input):
    """ES256, without any library's opinion of the header."""
    r, s = decode_dss_signature(native.sign(signing_input, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")
