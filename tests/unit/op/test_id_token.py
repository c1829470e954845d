import base64
import hashlib

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from fedbridge.errors import KeyUnavailable
from fedbridge.keys.local import LocalSigner
from fedbridge.model.connection import ID_TOKEN_LIFETIME
from fedbridge.model.deadline import Deadline
from fedbridge.model.identity import Identity
from fedbridge.op.id_token import at_hash, issue
from fedbridge.op.metadata import discovery_document
from tests.fakes.keys import FakeSigner
from tests.support.keys import ec_key, rsa_key

NOW = 1_800_000_000


def issued(identity, signer=None, **changes):
    signer = signer or FakeSigner()
    token = issue(
        identity,
        **{
            "issuer": "https://bridge.example/acme",
            "client_id": "cognito",
            "nonce": None,
            "access_token": "A" * 43,
            "now": NOW,
            "signer": signer,
            "deadline": Deadline.after(5),
            **changes,
        },
    )
    keys = KeySet.import_key_set({"keys": [dict(signer.public_jwk)]})
    return jwt.decode(token, keys, algorithms=[signer.algorithm])


def test_the_claims_are_what_cognito_checks():
    token = issued(Identity(subject="sub-1", claims={"email": "ana@example.com", "groups": ["a", "b"]}))
    assert token.header["typ"] == "JWT"
    assert token.header["kid"]
    assert token.claims == {
        "iss": "https://bridge.example/acme",
        "sub": "sub-1",
        "aud": "cognito",
        "iat": NOW,
        "exp": NOW + ID_TOKEN_LIFETIME,
        "email": "ana@example.com",
        "groups": ["a", "b"],
        "at_hash": at_hash("A" * 43, "ES256"),
    }


def test_what_the_idp_vouched_for_is_carried():
    identity = Identity(subject="s", claims={}, acr="high", amr=("mfa", "pwd"), auth_time=NOW - 60)
    claims = issued(identity, nonce="n-1").claims
    assert (claims["acr"], claims["amr"], claims["auth_time"], claims["nonce"]) == (
        "high",
        ["mfa", "pwd"],
        NOW - 60,
        "n-1",
    )


@pytest.mark.parametrize("name", ["iss", "sub", "aud", "exp", "iat", "at_hash"])
def test_no_mapped_claim_takes_the_place_of_a_protocol_claim(name):
    plain = issued(Identity(subject="s", claims={})).claims
    assert issued(Identity(subject="s", claims={name: "forged"})).claims == plain


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (rsa_key, "RS256"),
        (rsa_key, "PS512"),
        (lambda: ec_key("P-256"), "ES256"),
        (lambda: ec_key("P-384"), "ES384"),
        (lambda: ec_key("P-521"), "ES512"),
    ],
)
def test_every_algorithm_verifies_and_hashes_with_its_own_length(key, algorithm):
    from fedbridge.keys.jwk import import_private_key
    from tests.support.keys import private_pem

    imported = import_private_key(private_pem(key()), source="test", fragment=None, trusted=True)
    signer = LocalSigner.of(imported, algorithm, source="test")
    token = issued(Identity(subject="s", claims={}), signer)
    assert token.header["alg"] == algorithm
    digest = hashlib.new(f"sha{algorithm[2:]}", b"A" * 43).digest()
    half = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
    assert token.claims["at_hash"] == half


def test_at_hash_is_the_example_of_core():
    """OpenID Connect Core A.3 and A.4: the access token and its at_hash."""
    assert at_hash("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", "RS256") == "77QmUPtjPfzWtF2AnpK9RQ"


def test_a_key_that_cannot_sign_makes_no_token():
    class Broken(FakeSigner):
        def sign(self, signing_input, deadline):
            raise KeyUnavailable(reason="kms_throttled", transient=True)

    with pytest.raises(KeyUnavailable):
        issued(Identity(subject="s", claims={}), Broken())


def test_the_discovery_document_offers_only_what_there_is():
    document = discovery_document("https://bridge.example/acme", ["RS256", "ES256"])
    assert document["issuer"] == "https://bridge.example/acme"
    assert document["jwks_uri"] == "https://bridge.example/acme/.well-known/jwks.json"
    assert document["response_types_supported"] == ["code"]
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["id_token_signing_alg_values_supported"] == ["RS256", "ES256"]
    assert document["request_uri_parameter_supported"] is False
    # Discovery 1.0 §3, REQUIRED.
    assert {"authorization_endpoint", "token_endpoint", "subject_types_supported"} <= set(document)


def test_a_relying_party_may_want_it_longer():
    assert issued(Identity(subject="s", claims={}), lifetime=900).claims["exp"] == NOW + 900
