"""Cases 79 to 86: the client assertion and the client secret, towards the IdP."""

import base64
import json
from dataclasses import replace

import jwt
import pytest

from fedbridge.errors import ConfigurationError, KeyUnavailable, UpstreamError
from fedbridge.model.connection import ClientAuthentication
from fedbridge.rp.client_assertion import assertion_claims
from tests.fakes.http import json_answer
from tests.unit.rp.idp import (
    ISSUER,
    KEY_REFERENCE,
    NOW,
    SECRET_REFERENCE,
    FakeIdp,
    KeySigner,
    connection,
    form,
    private_key,
    with_client_authentication,
)
from tests.unit.rp.test_client_authentication import context

PRIVATE_KEY_JWT = ClientAuthentication(method="private_key_jwt", key=KEY_REFERENCE)


@pytest.fixture
def idp():
    idp = FakeIdp()
    idp.keys.signers[KEY_REFERENCE] = KeySigner(private_key("ES256", 7), "ES256")
    return idp


def posts(idp):
    return [request for request in idp.http.sent if request.method == "POST"]


def assertion(request):
    return form(request)["client_assertion"]


def claims(request):
    return jwt.decode(assertion(request), options={"verify_signature": False})


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"issuer": "https://victim.example"}, "metadata_issuer_mismatch"),
        ({"issuer": f"{ISSUER}/"}, "metadata_issuer_mismatch"),
        ({"token_endpoint": "https://victim.example/token"}, "metadata_host_refused"),
        ({"token_endpoint": "https://idp.example.victim.example/token"}, "metadata_host_refused"),
    ],
)
def test_case_79_hostile_discovery_gets_no_assertion_at_all(idp, members, reason):
    idp.serve_metadata(**members)
    with pytest.raises(UpstreamError) as failure:
        idp.sign_in(connection(client_authentication=PRIVATE_KEY_JWT))
    assert failure.value.reason == reason
    assert posts(idp) == []


@pytest.mark.parametrize(
    "members",
    [{}, {"token_endpoint": f"{ISSUER}/victim/token"}, {"token_endpoint_audience": "https://victim.example"}],
)
def test_case_79_the_audience_is_the_configured_issuer_whatever_discovery_says(idp, members):
    idp.serve_metadata(**members)
    idp.http.answer("POST", f"{ISSUER}/victim/token", lambda _: idp.token_answer())
    idp.sign_in(connection(client_authentication=PRIVATE_KEY_JWT))
    assert claims(posts(idp)[0])["aud"] == ISSUER


def test_case_80_what_a_captures_is_worthless_at_b(idp):
    other = FakeIdp(issuer="https://b.example", claims={"aud": "client-at-b"})
    other.keys.signers["env:KEY_B"] = KeySigner(private_key("ES256", 8), "ES256")
    idp.sign_in(connection(client_authentication=PRIVATE_KEY_JWT))
    other.sign_in(
        connection(
            name="b",
            issuer=other.issuer,
            client_id="client-at-b",
            client_authentication=replace(PRIVATE_KEY_JWT, key="env:KEY_B"),
        )
    )
    at_a, at_b = posts(idp)[0], posts(other)[0]
    for name in ("iss", "sub", "aud", "jti"):
        assert claims(at_a)[name] != claims(at_b)[name]
    assert (
        jwt.get_unverified_header(assertion(at_a))["kid"] != jwt.get_unverified_header(assertion(at_b))["kid"]
    )

    def accepts(request):
        return jwt.decode(
            assertion(request),
            private_key("ES256", 8).public_key,
            algorithms=["ES256"],
            audience=other.issuer,
            options={"verify_exp": False, "verify_iat": False},
        )

    assert accepts(at_b)
    with pytest.raises(jwt.InvalidSignatureError):
        accepts(at_a)


def test_case_81_the_token_endpoint_is_an_audience_only_by_a_named_override(idp):
    idp.sign_in(connection(client_authentication=PRIVATE_KEY_JWT))
    idp.sign_in(connection(client_authentication=replace(PRIVATE_KEY_JWT, audience="token_endpoint")))
    assert [claims(request)["aud"] for request in posts(idp)] == [ISSUER, f"{ISSUER}/token"]


def test_case_82_100_000_assertions_are_100_000_assertions():
    given = context(method="client_secret_jwt", secret=SECRET_REFERENCE)
    seen = set()
    for _ in range(100_000):
        made = assertion_claims(given, f"{ISSUER}/token")
        assert made["iat"] <= NOW
        assert made["exp"] - NOW <= 60
        assert made["iss"] == made["sub"] == "bridge"
        seen.add(made["jti"])
    assert len(seen) == 100_000


def test_case_82_the_type_is_set_and_a_second_try_makes_a_new_assertion(idp):
    idp.secrets.rotated = {SECRET_REFERENCE: "another-client-secret-of-more-than-32-characters"}
    at = with_client_authentication(method="client_secret_jwt", secret=SECRET_REFERENCE)
    idp.answer_token(json_answer({"error": "invalid_client"}, status=401), lambda _: idp.token_answer())
    idp.sign_in(at)
    first, second = posts(idp)
    assert jwt.get_unverified_header(assertion(first))["typ"] == "JWT"
    assert claims(first)["jti"] != claims(second)["jti"]
    assert assertion(first) != assertion(second)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "location", ["https://evil.example/token", f"{ISSUER}/elsewhere", "//evil.example", "/token"]
)
def test_case_83_a_redirect_of_the_token_endpoint_is_not_followed(idp, status, location):
    idp.answer_token(json_answer({}, status=status, headers={"location": location}))
    with pytest.raises(UpstreamError) as failure:
        idp.sign_in(connection(client_authentication=PRIVATE_KEY_JWT))
    assert (failure.value.reason, failure.value.error) == ("token_endpoint_redirected", "server_error")
    assert [request.url for request in posts(idp)] == [f"{ISSUER}/token"]


@pytest.mark.parametrize("algorithm", ["RS256", "ES384", "PS256"])
def test_case_84_a_key_that_does_not_sign_the_algorithm_sends_nothing(idp, algorithm):
    with pytest.raises(ConfigurationError):
        idp.sign_in(connection(client_authentication=replace(PRIVATE_KEY_JWT, algorithm=algorithm)))
    assert posts(idp) == []


@pytest.mark.parametrize(
    "failure", [KeyUnavailable(reason="kms_throttled", transient=True), KeyUnavailable()]
)
def test_case_135_without_client_authentication_the_idp_is_not_called(idp, failure):
    idp.keys.failure = failure
    with pytest.raises(KeyUnavailable) as raised:
        idp.sign_in(connection(client_authentication=PRIVATE_KEY_JWT))
    assert raised.value is failure
    assert posts(idp) == []


@pytest.mark.parametrize(
    ("client_id", "secret", "pair"),
    [
        ("bridge", "a:b", "bridge:a%3Ab"),
        ("bridge", "a+b", "bridge:a%2Bb"),
        ("bridge", "a%b", "bridge:a%25b"),
        ("bridge", "a b", "bridge:a+b"),
        ("bridge", "pässwörd", "bridge:p%C3%A4ssw%C3%B6rd"),
        ("a:b", "secret", "a%3Ab:secret"),
        ("https://bridge.example/", "s", "https%3A%2F%2Fbridge.example%2F:s"),
    ],
)
def test_case_86_basic_credentials_are_form_encoded_before_base64(client_id, secret, pair):
    idp = FakeIdp(claims={"aud": client_id})
    idp.secrets.values[SECRET_REFERENCE] = secret
    at = with_client_authentication(
        connection(client_id=client_id), method="client_secret_basic", secret=SECRET_REFERENCE
    )
    idp.sign_in(at)
    (request,) = posts(idp)
    assert request.headers["authorization"] == f"Basic {base64.b64encode(pair.encode()).decode()}"
    assert "client_secret" not in form(request)
    assert all(secret not in f"{sent.url} {sent!r}" or secret == "s" for sent in idp.http.sent)
    assert json.dumps(idp.telemetry.events).find(secret) == -1 or secret == "s"
