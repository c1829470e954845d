"""Genuine tokens that a strict reader must not refuse; what it must refuse is in tests/negative/test_j_id_token.py."""

import base64

import pytest

from fedbridge.errors import ConfigurationError
from fedbridge.model.connection import SIGNATURE_ALGORITHMS, AuthorizationRequestProfile, IdTokenPolicy
from fedbridge.rp.id_token import left_half_hash
from fedbridge.rp.jwt import MAX_HEADER
from tests.unit.rp.idp import CLIENT_ID, NOW, STATE, FakeIdp, connection, private_key, public_jwk


def accepted(idp, at=None, **parameters):
    return idp.sign_in(at, **parameters).subject == "ana"


@pytest.mark.parametrize("algorithm", SIGNATURE_ALGORITHMS)
def test_every_asymmetric_algorithm(algorithm):
    idp = FakeIdp(key=private_key(algorithm), algorithm=algorithm)
    assert accepted(idp, connection(id_token=IdTokenPolicy(algorithms=(algorithm,))))


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "JWT"},
        {"typ": "jwt"},
        {"typ": "application/jwt"},
        {"x5t": "AAAA", "x5t#S256": "AAAA"},
        {"x5c": [base64.b64encode(b"x" * 1200).decode()] * 3},
        {"jku": "https://idp.example/jwks", "x5u": "https://idp.example/chain"},
        {"jwk": {"kty": "EC"}},
        {"vendor": {"nested": [1, 2]}, "zip": "NONE"},
        {"kid": None},
    ],
)
def test_headers_of_real_idps(header):
    assert accepted(FakeIdp(header=header))


def test_a_header_up_to_the_cap():
    idp = FakeIdp(header={"vendor": "x" * (MAX_HEADER * 3 // 4 - 200)})
    assert len(idp.id_token().split(".")[0]) > MAX_HEADER - 300
    assert accepted(idp)


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": [CLIENT_ID]},
        {"aud": [CLIENT_ID, CLIENT_ID]},
        {"azp": CLIENT_ID},
        {"exp": NOW + 0.5},
        {"iat": NOW - 3600.25, "exp": NOW + 1},
        {"exp": NOW - 59, "iat": NOW - 100},
        {"iat": NOW + 60, "exp": NOW + 100},
        {"exp": NOW + 24 * 3600},
        {"nbf": NOW + 60},
        {"nbf": 0},
        {"sub": "ana"},
        {"auth_time": "yesterday"},
        {"acr": "anything", "amr": ["x"]},
        {"vendor": {"deep": [[{}]]}},
    ],
)
def test_claims_of_real_idps(claims):
    assert accepted(FakeIdp(claims=claims))


@pytest.mark.parametrize("subject", ["a", "x" * 255, "ana@example.com", "a b", "Ünal", "{uuid}", "0"])
def test_subjects_of_real_idps(subject):
    idp = FakeIdp(claims={"sub": subject}, userinfo={"sub": subject})
    assert idp.sign_in(connection(subject="hashed")).subject


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "ES512"])
def test_hashes_that_are_right(algorithm):
    idp = FakeIdp(key=private_key(algorithm), algorithm=algorithm)
    idp.claims = {
        "at_hash": left_half_hash(algorithm, "at"),
        "c_hash": left_half_hash(algorithm, "the-code"),
        "s_hash": left_half_hash(algorithm, STATE),
    }
    assert accepted(idp, connection(id_token=IdTokenPolicy(algorithms=(algorithm,))))


def test_the_hash_is_openid_connects():
    """The example of OpenID Connect Core, appendix A.3."""
    access_token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"
    assert left_half_hash("RS256", access_token) == "77QmUPtjPfzWtF2AnpK9RQ"


def test_a_trusted_audience_beside_ours():
    policy = IdTokenPolicy(algorithms=("ES256",), trusted_audiences=("api",))
    idp = FakeIdp(claims={"aud": ["api", CLIENT_ID], "azp": CLIENT_ID})
    assert accepted(idp, connection(id_token=policy))


def test_assurance_that_was_asked_for_and_met():
    idp = FakeIdp(claims={"acr": "high", "auth_time": NOW - 10})
    at = connection(authorization=AuthorizationRequestProfile(acr_values=("substantial", "high")))
    assert accepted(idp, at, max_age="60")


@pytest.mark.parametrize(
    "algorithms", [(), ("none",), ("HS256",), ("RS256", "HS256"), ("ES256K",), ("RS256 ",)]
)
def test_an_unusable_list_of_algorithms_is_a_configuration_error(algorithms):
    with pytest.raises(ConfigurationError) as failure:
        FakeIdp().sign_in(connection(id_token=IdTokenPolicy(algorithms=algorithms)))
    assert failure.value.reason == "id_token_algorithms_unusable"


def test_without_kid_the_only_key_that_suits_is_taken():
    idp = FakeIdp(header={"kid": None})
    idp.serve_keys(
        public_jwk(idp.key),
        public_jwk(private_key("RS256")),
        public_jwk(private_key("ES384")),
        public_jwk(private_key("ES256", 1), alg="ES512"),
        public_jwk(private_key("ES256", 2), use="enc"),
    )
    assert accepted(idp)


def test_a_key_without_kid_serves_a_token_without_kid():
    idp = FakeIdp(header={"kid": None})
    idp.serve_keys(public_jwk(idp.key, kid=None))
    assert accepted(idp)
