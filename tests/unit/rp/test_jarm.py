"""JWT-secured authorization responses (JARM): good ones; what is refused is in tests/negative/test_b_signed_responses.py."""

import json

import pytest

from fedbridge.errors import KeyUnavailable, UpstreamError
from fedbridge.model.connection import AuthorizationRequestProfile
from fedbridge.model.deadline import Deadline
from fedbridge.model.http import Parameters
from fedbridge.model.policies import AuthorizationResponsePolicy
from tests.unit.rp.encryption import decrypting, decryption_key, encrypt, key_for
from tests.unit.rp.idp import (
    CLIENT_ID,
    STATE,
    FakeIdp,
    KeyDecrypter,
    connection,
    private_key,
    public_jwk,
    sign,
)

MODES = ["jwt", "query.jwt", "form_post.jwt"]


def signed(mode="jwt", **fields):
    return connection(authorization=AuthorizationRequestProfile(response_mode=mode), **fields)


def encrypted(encryption="required"):
    return signed(
        authorization_response=AuthorizationResponsePolicy(encryption=encryption),
        token_decryption=decrypting(),
    )


def with_key(idp, key):
    idp.keys.decrypters["file:key"] = KeyDecrypter(key)
    return idp


@pytest.mark.parametrize("mode", MODES)
def test_the_code_is_in_the_jwt(mode):
    idp, at = FakeIdp(), signed(mode)
    redirect = idp.begin(at)
    assert f"response_mode={mode}&" in redirect.url
    assert redirect.remembered["state"] == STATE
    assert idp.finish(redirect, at, response=idp.response_jwt()).subject == "ana"


def test_a_plain_connection_remembers_no_state():
    assert "state" not in FakeIdp().begin().remembered


def test_the_audience_may_be_a_list_of_one_and_other_claims_are_ignored():
    idp, at = FakeIdp(), signed()
    response = idp.response_jwt(aud=[CLIENT_ID], iat=1, jti="x", expires_in=7, session_state="y", nbf=1)
    assert idp.finish(idp.begin(at), at, response=response).subject == "ana"


def test_clocks_may_differ_by_the_skew_of_the_connection():
    idp, at = FakeIdp(), signed()
    response = idp.response_jwt(exp=idp.clock.now - 59, nbf=idp.clock.now + 60)
    assert idp.finish(idp.begin(at), at, response=response).subject == "ana"


def test_the_metadatas_promise_of_iss_is_kept_inside():
    idp, at = FakeIdp(metadata={"authorization_response_iss_parameter_supported": True}), signed()
    assert idp.finish(idp.begin(at), at, response=idp.response_jwt()).subject == "ana"


def test_the_hash_of_the_state_is_compared_with_the_one_inside():
    idp, at = FakeIdp(), signed()
    idp.claims["s_hash"] = "wrong"
    with pytest.raises(UpstreamError) as failure:
        idp.finish(idp.begin(at), at, response=idp.response_jwt())
    assert failure.value.reason == "id_token_s_hash_mismatch"


def test_the_algorithms_are_those_of_id_tokens_unless_they_are_named():
    """An IdP may sign both with different keys."""
    other = private_key("RS256")
    idp = FakeIdp()
    idp.serve_keys(public_jwk(idp.key), public_jwk(other))
    by_other = sign({"alg": "RS256", "kid": other.kid}, json_of(idp.response_claims()), other)
    with pytest.raises(UpstreamError) as failure:
        idp.finish(idp.begin(signed()), signed(), response=by_other)
    assert failure.value.reason == "authorization_response_algorithm_refused"
    named = signed(authorization_response=AuthorizationResponsePolicy(algorithms=("RS256",)))
    assert idp.finish(idp.begin(named), named, response=by_other).subject == "ana"


def json_of(claims):

    return json.dumps(claims).encode()


def test_an_error_is_read_from_the_jwt():
    idp, at = FakeIdp(), signed()
    with pytest.raises(UpstreamError) as failure:
        idp.finish(idp.begin(at), at, response=idp.response_jwt(code=None, error="access_denied"))
    assert (failure.value.reason, failure.value.error) == ("authorization_response_error", "access_denied")


# --- encrypted --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A256KW"])
@pytest.mark.parametrize("encryption", ["required", "optional"])
def test_an_encrypted_response_is_opened_with_the_connections_key(algorithm, encryption):
    key, at = key_for(algorithm), encrypted(encryption)
    idp = with_key(FakeIdp(), key)
    response = encrypt(idp.response_jwt(), key, algorithm)
    assert state_of(idp, at, response=response) == STATE
    assert idp.finish(idp.begin(at), at, response=response).subject == "ana"


def test_optional_encryption_takes_a_signed_response_too():
    idp, at = FakeIdp(), encrypted("optional")
    assert idp.finish(idp.begin(at), at, response=idp.response_jwt()).subject == "ana"


# --- the state that a response carries ----------------------------------------------------------------------------------


def state_of(idp, at, **response):
    return idp.upstream.state_of(at, Parameters(response), Deadline.after(20))


def test_a_plain_response_carries_its_state_in_a_parameter():
    assert state_of(FakeIdp(), connection(), state="x", code="y") == "x"
    assert state_of(FakeIdp(), connection(), state="") is None
    assert state_of(FakeIdp(), connection()) is None


def test_a_signed_response_carries_it_inside_and_nobody_is_called():
    idp = FakeIdp()
    assert state_of(idp, signed(), response=idp.response_jwt(state="inside"), state="beside") == "inside"
    assert state_of(idp, signed(), state="x") == "x"  # the reloading page of our own
    assert idp.http.sent == []


@pytest.mark.parametrize(
    "response",
    [
        "",
        "x",
        "a.b.c",
        "..",
        "e30.e30",
        "e30.e30.e30.e30",
        "e30.e30.",
        "e30.e30=.",
        "e30.W10.",
        "e30.bnVsbA.",
        "e30.eyJzdGF0ZSI6N30.",
        "e30.eyJzdGF0ZSI6IngiLCJzdGF0ZSI6InkifQ.",
        "e30." + "A" * 70_000 + ".",
        "e30.é.",
        "a.b.c.d.e",
    ],
)
@pytest.mark.parametrize("at", [signed(), encrypted(), connection()], ids=["signed", "encrypted", "plain"])
def test_what_carries_none_leads_nowhere(at, response):
    idp = with_key(FakeIdp(), decryption_key())
    assert state_of(idp, at, response=response) is None
    assert idp.http.sent == []


def test_an_encrypted_response_that_is_not_for_us_leads_nowhere():
    idp = with_key(FakeIdp(), decryption_key())
    stranger = encrypt(idp.response_jwt(), decryption_key("P-256", 5))
    assert state_of(idp, encrypted(), response=stranger) is None
    assert idp.keys.decrypters["file:key"].used == 0
    ours = encrypt(idp.response_jwt(), decryption_key())
    assert state_of(idp, signed(), response=ours) is None, "nothing is opened that was not to be encrypted"
    assert idp.keys.decrypters["file:key"].used == 0
    assert state_of(idp, encrypted(), response=ours) == STATE


def test_a_key_that_cannot_be_had_is_an_outage_and_no_stranger():
    idp = with_key(FakeIdp(), decryption_key())
    idp.keys.failure = KeyUnavailable(reason="secret_store_unavailable", transient=True)
    with pytest.raises(KeyUnavailable):
        state_of(idp, encrypted(), response=encrypt(idp.response_jwt(), decryption_key()))
