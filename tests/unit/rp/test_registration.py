"""Registration requests and answers, as RFC 7591 and RFC 7592 have them."""

import json

import pytest

from fedbridge.errors import UpstreamError
from fedbridge.model.connection import Endpoints
from fedbridge.model.deadline import Deadline
from fedbridge.model.policies import Registration
from fedbridge.ports import OutboundResponse
from fedbridge.rp.calls import Calls
from fedbridge.rp.registration import Answer, Registrar, discover, endpoint_of, problems
from tests.fakes.http import FakeHttpClient, json_answer
from tests.fakes.telemetry import NullTelemetry
from tests.unit.rp.idp import FakeIdp, FakeKeys, connection

ENDPOINT = "https://idp.example/register"
CLIENT_URI = "https://idp.example/register/s6BhdRkq"
TOKEN = "the-token-of-this-registration"
METADATA = {"redirect_uris": ["https://bridge.example/acme/callback"], "client_name": "Bank für Önskan"}
ELSEWHERE = "which is neither the issuer's host nor in endpoint_hosts"
INFORMATION = {
    "client_id": "s6BhdRkq",
    "client_id_issued_at": 1_800_000_000,
    "client_secret": "issued-by-the-provider",
    "client_secret_expires_at": 1_900_000_000,
    "registration_client_uri": CLIENT_URI,
    "registration_access_token": "issued-registration-token",
    "token_endpoint_auth_method": "client_secret_basic",
}


def way_out(http):
    return Calls(http, NullTelemetry(), clock=lambda: 0.0, keys=FakeKeys(), sleep=lambda _: None)


@pytest.fixture
def http():
    return FakeHttpClient()


@pytest.fixture
def registrar(http):
    return Registrar(connection(registration=Registration()), way_out(http), Deadline.after(20))


def test_a_registration_request_and_its_answer(http, registrar):
    http.answer("POST", ENDPOINT, json_answer(INFORMATION, 201))
    answer = registrar.register(ENDPOINT, METADATA, TOKEN)
    assert answer == Answer(
        client_id="s6BhdRkq",
        client_secret="issued-by-the-provider",
        client_secret_expires_at=1_900_000_000,
        client_uri=CLIENT_URI,
        access_token="issued-registration-token",
        metadata={"token_endpoint_auth_method": "client_secret_basic"},
    )
    (sent,) = http.sent
    assert json.loads(sent.body or b"") == METADATA
    assert sent.headers["content-type"] == "application/json"
    assert sent.headers["authorization"] == f"Bearer {TOKEN}"
    assert "issued" not in repr(answer)


def test_open_registration_sends_no_token(http, registrar):
    http.answer("POST", ENDPOINT, json_answer(INFORMATION))
    registrar.register(ENDPOINT, METADATA, None)
    assert "authorization" not in http.sent[0].headers


def test_reading_updating_and_deleting(http, registrar):
    http.answer("GET", CLIENT_URI, json_answer(INFORMATION))
    http.answer("PUT", CLIENT_URI, json_answer({**INFORMATION, "client_secret_expires_at": 0}))
    http.answer("DELETE", CLIENT_URI, OutboundResponse(status=204, headers={}, body=b""))
    assert registrar.read(CLIENT_URI, TOKEN).client_id == "s6BhdRkq"
    assert registrar.update(CLIENT_URI, METADATA, TOKEN).client_secret_expires_at == 0
    registrar.delete(CLIENT_URI, TOKEN)
    assert [(sent.method, sent.body is None) for sent in http.sent] == [
        ("GET", True),
        ("PUT", False),
        ("DELETE", True),
    ]
    assert {sent.headers["authorization"] for sent in http.sent} == {f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    "member,value",
    [
        ("client_id", 7), ("client_id", " padded"), ("client_id", ""), ("client_secret", ["x"]),
        ("client_secret", "line\nend"), ("registration_access_token", "two words"),
        ("registration_client_uri", "https://idp.example/ü"),
    ],
)  # fmt: skip
def test_a_member_of_another_shape_is_none(http, registrar, member, value):
    http.answer("POST", ENDPOINT, json_answer({**INFORMATION, member: value}, 201))
    answer = registrar.register(ENDPOINT, METADATA, None)
    field = {"registration_access_token": "access_token", "registration_client_uri": "client_uri"}
    assert getattr(answer, field.get(member, member)) is None


@pytest.mark.parametrize("value", [True, "1900000000", -1, None, 1.5, 10**12, 10**30])
def test_an_expiry_that_is_none(http, registrar, value):
    http.answer("POST", ENDPOINT, json_answer({**INFORMATION, "client_secret_expires_at": value}, 201))
    assert registrar.register(ENDPOINT, METADATA, None).client_secret_expires_at == 0


@pytest.mark.parametrize(
    "status,body,reason,said",
    [
        (400, {"error": "invalid_redirect_uri", "error_description": "no\x07t here"}, "registration_refused",
         "invalid_redirect_uri: not here"),
        (400, {"error": "invalid_client_metadata"}, "registration_refused", "400, invalid_client_metadata"),
        (200, {"error": "invalid_client_metadata", **INFORMATION}, "registration_refused", "200"),
        (400, INFORMATION, "registration_refused", "400"),
        (400, {"error": "You sent nonsense."}, "registration_refused", "free_text"),
        (401, {}, "registration_unauthorized", "does not accept the initial access token"),
        (403, {}, "registration_unauthorized", "403"),
        (404, {}, "registration_refused", "404"),
        (307, {}, "registration_redirected", "never followed"),
        (429, {}, "registration_unavailable", "not available"),
        (503, {}, "registration_unavailable", "503"),
        (204, None, "registration_refused", "204"),
        (201, None, "registration_answer_invalid", "it may have done"),
        (201, [INFORMATION], "registration_answer_invalid", "it may have done"),
    ],
)  # fmt: skip
def test_what_is_no_registration(  # noqa: PLR0917
    http, registrar, status, body, reason, said
):
    content = b"<html>" if body is None else json.dumps(body).encode()
    http.answer("POST", ENDPOINT, OutboundResponse(status=status, headers={}, body=content))
    with pytest.raises(UpstreamError) as caught:
        registrar.register(ENDPOINT, METADATA, TOKEN)
    assert caught.value.reason == reason
    assert said in str(caught.value)
    assert len(http.sent) == 1


def test_who_refuses_an_anonymous_registration_wants_a_token(http, registrar):
    http.answer("POST", ENDPOINT, json_answer({}, 401))
    with pytest.raises(UpstreamError, match="wants an initial access token"):
        registrar.register(ENDPOINT, METADATA, None)


@pytest.mark.parametrize("status", [200, 204])
def test_a_deletion_is_done(http, registrar, status):
    http.answer("DELETE", CLIENT_URI, OutboundResponse(status=status, headers={}, body=b""))
    registrar.delete(CLIENT_URI, TOKEN)


def test_a_deletion_that_is_not_offered(http, registrar):
    http.answer("DELETE", CLIENT_URI, json_answer({}, 405))
    with pytest.raises(UpstreamError, match="405"):
        registrar.delete(CLIENT_URI, TOKEN)


# --- where ----------------------------------------------------------------------------------------------------------


def discovered(http, **members):
    idp = FakeIdp()
    http.answer("GET", idp.discovery_url, json_answer(idp.document(**members)))
    return discover(connection(registration=Registration()), way_out(http), Deadline.after(20))


def test_the_endpoint_is_the_metadatas(http):
    found = discovered(http, registration_endpoint=ENDPOINT)
    assert endpoint_of(connection(registration=Registration()), found) == ENDPOINT
    assert endpoint_of(connection(registration=Registration(endpoint="https://idp.example/own")), found) == (
        "https://idp.example/own"
    )


def test_the_lists_of_the_metadata(http):
    found = discovered(
        http,
        id_token_signing_alg_values_supported=["RS256"],
        scopes_supported="openid",
        acr_values_supported=[1],
    )
    assert found.supported["id_token_signing_alg_values_supported"] == ("RS256",)
    assert found.supported.keys().isdisjoint({"scopes_supported", "acr_values_supported"})


def test_an_idp_without_registration(http):
    with pytest.raises(UpstreamError) as caught:
        endpoint_of(connection(), discovered(http))
    assert caught.value.reason == "registration_unsupported"


def test_what_the_operator_wrote_down_goes_before_discovery(http):
    endpoints = Endpoints(
        authorization_endpoint="https://idp.example/a", token_endpoint="https://idp.example/t"
    )
    at = connection(registration=Registration(endpoint=ENDPOINT), endpoints=endpoints)
    found = discover(at, way_out(http), Deadline.after(20))
    assert (found.supported, endpoint_of(at, found)) == ({}, ENDPOINT)
    assert http.sent == []


def test_only_a_connection_that_registers_is_refused_for_where_the_endpoint_lies(http):
    elsewhere = {"registration_endpoint": "https://elsewhere.example/register"}
    with pytest.raises(UpstreamError) as caught:
        discovered(http, **elsewhere)
    assert caught.value.reason == "metadata_host_refused"
    idp = FakeIdp(metadata=elsewhere)
    assert idp.sign_in().subject == "ana"


@pytest.mark.parametrize(
    "answer,lines",
    [
        (Answer(client_id="a", client_uri=CLIENT_URI), []),
        (Answer(), ["client_id: the IdP's answer has none"]),
        (Answer(client_id="a", client_uri="https://elsewhere.example/a"), [
            f"registration_client_uri names https://elsewhere.example, {ELSEWHERE}",
        ]),
        (Answer(client_id="a", client_uri="http://idp.example/a"), [
            f"registration_client_uri names http://idp.example, {ELSEWHERE}",
        ]),
    ],
)  # fmt: skip
def test_what_is_wrong_beside_the_metadata(answer, lines):
    assert problems(connection(), answer) == lines
