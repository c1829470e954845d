"""Pushed authorization requests (RFC 9126): when, with what, and what becomes of the answer."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from fedbridge.errors import UpstreamError
from fedbridge.model.connection import AuthorizationRequestProfile, ClientAuthentication, Endpoints
from tests.fakes.http import json_answer
from tests.support.bridge import id_token_claims
from tests.unit.rp.idp import (
    CALLBACK,
    CLIENT_ID,
    ISSUER,
    KEY_REFERENCE,
    REQUEST_URI,
    STATE,
    FakeIdp,
    KeySigner,
    connection,
    form,
    private_key,
    pushed,
)


def query(redirect):
    pairs = parse_qsl(urlsplit(redirect.url).query, keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def pushing(par="required", **profile):
    return connection(authorization=AuthorizationRequestProfile(par=par, **profile))


def signing(idp, **authentication):
    idp.keys.signers[KEY_REFERENCE] = KeySigner(private_key("ES256", 7), "ES256")
    return ClientAuthentication(method="private_key_jwt", key=KEY_REFERENCE, **authentication)


def test_the_request_is_pushed_and_the_browser_carries_the_reference_alone():
    idp = FakeIdp()
    par = idp.serve_par()
    redirect = idp.begin(pushing(acr_values=("high",)), login_hint="ana")
    assert redirect.url.startswith(f"{ISSUER}/authorize?client_id=bridge&request_uri=urn%3Aietf%3A")
    assert query(redirect) == {"client_id": CLIENT_ID, "request_uri": REQUEST_URI}
    (request,) = idp.http.calls(par)
    sent = form(request)
    assert request.method == "POST"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert sent.pop("code_challenge")
    assert sent == {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": CALLBACK,
        "scope": "openid",
        "state": STATE,
        "nonce": redirect.remembered["nonce"],
        "code_challenge_method": "S256",
        "acr_values": "high",
        "login_hint": "ana",
    }
    idp.claims["acr"] = "high"
    assert idp.finish(redirect, pushing(acr_values=("high",))).subject == "ana"


def test_the_client_authenticates_as_at_the_token_endpoint():
    idp = FakeIdp()
    par = idp.serve_par()
    idp.begin(pushing())
    (request,) = idp.http.calls(par)
    assert request.headers["authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    ("audience", "expected"),
    [
        ("issuer", ISSUER),
        ("token_endpoint", f"{ISSUER}/token"),
        ("endpoint", f"{ISSUER}/par"),
        ("https://idp.example/", "https://idp.example/"),
    ],
)
def test_the_audience_of_the_assertion_follows_the_connections_rule(audience, expected):
    """RFC 9126 §2 has servers accept issuer, token endpoint and the endpoint itself; which one is for us to pin."""
    idp = FakeIdp()
    par = idp.serve_par()
    idp.begin(
        connection(
            client_authentication=signing(idp, audience=audience),
            authorization=AuthorizationRequestProfile(par="required"),
        )
    )
    (request,) = idp.http.calls(par)
    sent = form(request)
    assert id_token_claims(sent["client_assertion"])["aud"] == expected
    assert sent["client_id"] == CLIENT_ID


@pytest.mark.parametrize(
    ("par", "demanded", "is_pushed"),
    [
        ("auto", True, True),
        ("auto", False, False),
        ("auto", None, False),
        ("required", False, True),
        ("off", True, False),
    ],
)
def test_auto_pushes_where_the_metadata_demand_it(par, demanded, is_pushed):
    idp = FakeIdp()
    endpoint = idp.serve_par(required=demanded)
    redirect = idp.begin(pushing(par))
    assert len(idp.http.calls(endpoint)) == is_pushed
    assert ("request_uri" in query(redirect)) == is_pushed
    assert ("state" in query(redirect)) != is_pushed


def test_by_hand_the_operator_says_where():
    idp = FakeIdp()
    endpoints = Endpoints(
        authorization_endpoint=f"{ISSUER}/authorize",
        token_endpoint=f"{ISSUER}/token",
        jwks_uri=f"{ISSUER}/jwks",
        pushed_authorization_request_endpoint="https://par.example/push",
    )
    idp.http.answer("POST", "https://par.example/push", pushed())
    at = connection(endpoints=endpoints, authorization=AuthorizationRequestProfile(par="required"))
    assert query(idp.begin(at))["request_uri"] == REQUEST_URI
    assert [request.url for request in idp.http.sent] == ["https://par.example/push"]


@pytest.mark.parametrize("demanded", [True, False])
def test_nowhere_to_push_to_is_said_and_nothing_else_is_tried(demanded):
    idp = FakeIdp(metadata={"require_pushed_authorization_requests": demanded})
    with pytest.raises(UpstreamError) as failure:
        idp.begin(pushing("auto" if demanded else "required"))
    assert failure.value.reason == "pushed_authorization_request_endpoint_missing"
    assert failure.value.error == "server_error"
    assert [request.url for request in idp.http.sent] == [idp.discovery_url]


def test_200_is_as_good_as_201():
    """RFC 9126 §2.2 has 201; what counts is in the body, and that is the same."""
    idp = FakeIdp()
    idp.serve_par(pushed(200))
    assert query(idp.begin(pushing()))["request_uri"] == REQUEST_URI


@pytest.mark.parametrize("request_uri", ["urn:example:abc", "https://idp.example/r?a=b&c=d#e", "x" * 2048])
@pytest.mark.parametrize("expires_in", [1, 5, 600, 86_400])
def test_any_reference_travels_whole_for_as_long_as_the_idp_keeps_it(request_uri, expires_in):
    idp = FakeIdp()
    idp.serve_par(pushed(request_uri=request_uri, expires_in=expires_in))
    assert query(idp.begin(pushing())) == {"client_id": CLIENT_ID, "request_uri": request_uri}


def test_the_endpoints_own_query_is_kept_beside_the_reference():
    idp = FakeIdp(metadata={"authorization_endpoint": f"{ISSUER}/authorize?p=policy"})
    idp.serve_par()
    assert query(idp.begin(pushing())).keys() == {"p", "client_id", "request_uri"}


def test_the_cap_of_the_query_is_the_urls_alone():
    idp = FakeIdp()
    idp.serve_par()
    redirect = idp.begin(pushing(max_query=150), login_hint="a" * 2000)
    assert len(urlsplit(redirect.url).query) <= 150


def test_every_request_is_pushed_anew():
    idp = FakeIdp()
    par = idp.serve_par()
    first, second = idp.begin(pushing()), idp.begin(pushing())
    assert first.remembered["nonce"] != second.remembered["nonce"]
    assert len(idp.http.calls(par)) == 2
    assert len({form(request)["code_challenge"] for request in idp.http.calls(par)}) == 2


def test_a_secret_that_was_changed_meanwhile_is_tried_once():
    idp = FakeIdp()
    idp.secrets.rotated = {"env:CLIENT_SECRET": "the-new-one"}
    par = idp.serve_par(json_answer({"error": "invalid_client"}, 401), pushed())
    assert query(idp.begin(pushing()))["request_uri"] == REQUEST_URI
    assert len(idp.http.calls(par)) == 2
