"""Cases 1, 2, 8, 10, 79, 82, 83, 100, 115 to 123, 135, 136, 141 and 160 at pushed and signed authorization requests.

Pushing makes /authorize call the IdP: nothing is called before client and redirect URI are proven, nothing is stored
when the call fails, and Cognito is told by a registered error.
"""

from dataclasses import replace
from typing import Any

import pytest

from fedbridge.errors import ConfigurationError, DeadlineExceeded, KeyUnavailable, UpstreamError
from fedbridge.model.connection import AuthorizationRequestProfile, ClientAuthentication
from fedbridge.model.deadline import Deadline
from fedbridge.model.policies import RequestObject
from fedbridge.ports import OutboundResponse
from tests.fakes.http import json_answer
from tests.support.bridge import id_token_claims
from tests.support.counting import Counted
from tests.support.gateway import Gateway, Visitor, assert_refused, assert_sent_back
from tests.unit.rp.idp import (
    ISSUER,
    KEY_REFERENCE,
    REQUEST_URI,
    FakeIdp,
    KeySigner,
    form,
    private_key,
    pushed,
)

PUSHING = AuthorizationRequestProfile(par="required")
SIGNING = AuthorizationRequestProfile(request_object=RequestObject())
BOTH = AuthorizationRequestProfile(par="required", request_object=RequestObject())
PAR = f"{ISSUER}/par"


def connected(*answers, profile=PUSHING, **fields):
    """A gateway whose IdP takes pushed requests, and answers so until the test mends it."""
    gateway, idp = Gateway(), FakeIdp()
    idp.keys.signers[KEY_REFERENCE] = KeySigner(private_key("ES256", 7), "ES256")
    idp.serve_par(*answers)
    authentication = ClientAuthentication(method="private_key_jwt", key=KEY_REFERENCE)
    gateway.connect(idp, **{"client_authentication": authentication, "authorization": profile, **fields})
    gateway.mend = idp.serve_par
    return gateway


def pushes(gateway):
    return gateway.idp.http.calls(PAR)


def sent_back(gateway, error, reason, *, times=1, **parameters):
    """The authorization request ends in this error: nothing is stored, and the IdP was asked so often."""
    counted = Counted(gateway)
    before = len(pushes(gateway))
    answer = Visitor(gateway).authorize(**parameters)
    assert len(pushes(gateway)) - before == times
    assert "store.put" not in counted.calls
    assert_sent_back(gateway, answer, error, reason)
    return answer


# --- 1, 2, 10, 160: nothing before client and redirect URI are proven -------------------------------------------------------


UNPROVEN = [
    {"client_id": None},
    {"client_id": "other"},
    {"redirect_uri": None},
    {"redirect_uri": "https://evil.example/"},
    {"redirect_uri": "https://acme.auth.eu-west-1.amazoncognito.com/oauth2/idpresponse/"},
    {"state": "x" * 5000},
    {"scope": "openid " + "x" * 5000},
]


@pytest.mark.parametrize("profile", [PUSHING, SIGNING, BOTH], ids=["pushed", "signed", "both"])
@pytest.mark.parametrize("parameters", UNPROVEN, ids=range(len(UNPROVEN)))
def test_case_2_an_unproven_request_pushes_and_signs_nothing(parameters, profile):
    gateway = connected(profile=profile)
    gateway.idp.keys.failure = AssertionError("a key was touched")
    answer = Visitor(gateway).authorize(**parameters)
    assert answer.status == 400
    assert "location" not in answer.headers
    assert gateway.idp.http.sent == []
    gateway.idp.keys.failure = None
    assert Visitor(gateway).authorize().status == 302


def test_case_160_ten_thousand_characters_of_junk_push_nothing():
    gateway = connected(profile=BOTH)
    gateway.idp.keys.failure = AssertionError("a key was touched")
    for query in ("", "x", "&" * 10_000, "client_id=cognito&client_id=cognito", "a=%FF", "%00", "=" * 7000):
        assert Visitor(gateway).authorize_raw(query).status in {400, 413}
    assert gateway.idp.http.sent == []


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"request": "a.b.c"}, "request_not_supported"),
        ({"request_uri": REQUEST_URI}, "request_uri_not_supported"),
        ({"request_uri": "https://evil.example/request.jwt"}, "request_uri_not_supported"),
    ],
    ids=str,
)
def test_case_8_what_is_refused_here_is_not_pushed_on(parameters, error):
    gateway = connected(profile=BOTH)
    answer = Visitor(gateway).authorize(**parameters)
    assert answer.location["error"] == error
    assert gateway.idp.http.sent == []


# --- 79, 82: client authentication ------------------------------------------------------------------------------------------


def test_case_79_a_hostile_discovery_does_not_choose_the_audience():
    gateway = connected()
    gateway.idp.serve_metadata(
        token_endpoint=f"{ISSUER}/evil-token", pushed_authorization_request_endpoint=PAR
    )
    Visitor(gateway).authorize()
    (request,) = pushes(gateway)
    assert id_token_claims(form(request)["client_assertion"])["aud"] == ISSUER


def test_case_82_every_push_has_an_assertion_of_its_own():
    gateway = connected(profile=BOTH)
    for _ in range(20):
        Visitor(gateway).authorize()
    forms = [form(request) for request in pushes(gateway)]
    identifiers = {
        id_token_claims(sent[name])["jti"] for sent in forms for name in ("client_assertion", "request")
    }
    assert len(identifiers) == 40


def test_case_80_a_request_object_is_no_client_assertion_and_the_reverse():
    gateway = connected(profile=BOTH)
    Visitor(gateway).authorize()
    (request,) = pushes(gateway)
    assertion, request_object = (
        form(request)[name].split(".")[1] for name in ("client_assertion", "request")
    )
    assert assertion != request_object
    assert "sub" not in id_token_claims(form(request)["request"])
    assert "redirect_uri" not in id_token_claims(form(request)["client_assertion"])


# --- 83, 115 to 123: faults of the endpoint -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", ["https://evil.example/par", "http://idp.example/par", PAR])
def test_case_83_a_redirect_is_not_followed(status, location):
    redirect = OutboundResponse(status=status, headers={"location": location}, body=b"")
    gateway = connected(redirect)
    sent_back(gateway, "server_error", "pushed_authorization_request_endpoint_redirected")
    assert {request.url for request in gateway.idp.http.sent} <= {
        gateway.idp.discovery_url, PAR, gateway.idp.url("/token"), gateway.idp.url("/jwks"), gateway.idp.url("/userinfo"),
    }  # fmt: skip


@pytest.mark.parametrize(
    "reason", ["upstream_unreachable", "upstream_timeout", "upstream_tls_failed", "upstream_response_invalid"]
)
def test_cases_115_to_119_and_122_a_push_that_failed_is_not_sent_again(reason):
    gateway = connected(UpstreamError(reason, error="temporarily_unavailable"))
    sent_back(gateway, "temporarily_unavailable", reason)
    assert gateway.idp.slept == []


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@pytest.mark.parametrize("body", [b"", b"<html>busy</html>", b'{"error":"invalid_request"}'])
def test_case_123_an_outage_is_worth_another_try(status, body):
    busy = OutboundResponse(status=status, headers={"retry-after": "86400"}, body=body)
    sent_back(connected(busy), "temporarily_unavailable", "pushed_authorization_request_endpoint_unavailable")


def test_case_123_an_endpoint_that_nobody_reaches_is_left_alone_for_a_while():
    gateway = connected(UpstreamError("upstream_unreachable", error="temporarily_unavailable"))
    for _ in range(5):
        Visitor(gateway).authorize()
    before = len(pushes(gateway))
    answer = Visitor(gateway).authorize()
    assert_refused(answer, "upstream_circuit_open")
    assert answer.location["error"] == "temporarily_unavailable"
    assert len(pushes(gateway)) == before


@pytest.mark.parametrize(
    ("code", "error", "reason"),
    [
        ("invalid_request", "server_error", "refused"),
        ("invalid_request_object", "server_error", "refused"),
        ("invalid_request_uri", "server_error", "refused"),
        ("invalid_scope", "server_error", "refused"),
        ("request_not_supported", "server_error", "refused"),
        ("Y000400", "server_error", "refused"),
        ("Request vtr not valid", "server_error", "refused"),
        ("unauthorized_client", "unauthorized_client", "refused"),
        ("access_denied", "access_denied", "refused"),
        ("temporarily_unavailable", "temporarily_unavailable", "refused"),
        ("invalid_client", "server_error", "client_authentication_refused"),
    ],
)
@pytest.mark.parametrize("status", [200, 201, 400, 401, 403])
def test_errors_of_the_endpoint_become_registered_ones(status, code, error, reason):
    answer = json_answer({"error": code, "error_description": "Nothing of this\r\n\x00is passed on"}, status)
    expected = "pushed_authorization_request_endpoint_refused" if reason == "refused" else reason
    back = sent_back(connected(answer), error, expected)
    (told,) = [fields["upstream_code"] for name, fields in back.events if name == "sign_in_failed"]
    assert told == (code if " " not in code else "free_text")
    assert "Nothing" not in back.headers["location"]


@pytest.mark.parametrize("status", [200, 201])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>signed in</html>",
        b"[]",
        b"null",
        b'"urn:x"',
        b"{",
        b'\xef\xbb\xbf{"request_uri":"urn:x","expires_in":60}',
        '{"request_uri":"urn:x","expires_in":60}'.encode("utf-16"),
        b'{"request_uri":"urn:x","request_uri":"urn:y","expires_in":60}',
        b'{"request_uri":"urn:x","expires_in":NaN}',
        b'{"request_uri":"urn:x","expires_in":' + b"9" * 5000 + b"}",
        b"[" * 500,
    ],
    ids=range(12),
)
def test_cases_100_and_121_an_answer_that_is_no_document(status, body):
    answer = OutboundResponse(status=status, headers={"content-type": "application/json"}, body=body)
    sent_back(connected(answer), "server_error", "pushed_authorization_request_endpoint_answer_invalid")


def test_case_118_an_endless_answer_stops_at_the_cap():
    endless = OutboundResponse(status=201, headers={}, body=b" " * (64 * 1024 + 1))
    answer = Visitor(connected(endless)).authorize()
    assert_refused(answer, "upstream_response_invalid")


@pytest.mark.parametrize("status", [100, 204, 206, 304, 400, 401, 403, 404, 405, 418])
def test_another_status_is_a_refusal_whatever_the_body_says(status):
    answer = Visitor(connected(pushed(status))).authorize()
    assert answer.location["error"] == "server_error"
    assert answer.reasons[0].startswith("pushed_authorization_request_endpoint_")


MALFORMED = {
    "absent": {"request_uri": None},
    "empty": {"request_uri": ""},
    "a number": {"request_uri": 7},
    "a list": {"request_uri": [REQUEST_URI]},
    "with a blank": {"request_uri": "urn:a b"},
    "with a line end": {"request_uri": "urn:x\r\nSet-Cookie: a=b"},
    "not ASCII": {"request_uri": "urn:é"},
    "too long": {"request_uri": "u" * 2049},
}
EXPIRED: list[Any] = [None, 0, -1, "60", 60.5, True, [60], {}]


@pytest.mark.parametrize("members", MALFORMED.values(), ids=MALFORMED)
def test_a_reference_that_could_not_travel(members):
    sent_back(connected(pushed(**members)), "server_error", "request_uri_malformed")


@pytest.mark.parametrize("expires_in", EXPIRED, ids=str)
def test_a_reference_that_has_no_lifetime(expires_in):
    """RFC 9126 §2.2: a positive whole number of seconds."""
    sent_back(connected(pushed(expires_in=expires_in)), "server_error", "request_uri_expired")


def test_a_reference_cannot_add_parameters():
    gateway = connected(pushed(request_uri="urn:x&client_id=evil#fragment"))
    answer = Visitor(gateway).authorize()
    assert answer.location == {"client_id": "bridge", "request_uri": "urn:x&client_id=evil#fragment"}
    assert "#" not in answer.headers["location"]


# --- 135, 136, 141 --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failure", "error", "reason"),
    [
        (KeyUnavailable(reason="kms_throttled", transient=True), "temporarily_unavailable", "kms_throttled"),
        (KeyUnavailable(reason="kms_key_disabled"), "server_error", "kms_key_disabled"),
        (
            ConfigurationError("file:key: RS256 does not go with this key"),
            "server_error",
            "configuration_error",
        ),
    ],
)
@pytest.mark.parametrize("profile", [PUSHING, BOTH], ids=["pushed", "both"])
def test_cases_135_and_136_without_the_key_the_idp_is_not_called(failure, error, reason, profile):
    gateway = connected(profile=profile)
    gateway.idp.keys.failure = failure
    counted = Counted(gateway)
    answer = Visitor(gateway).authorize()
    assert pushes(gateway) == []
    assert "store.put" not in counted.calls
    assert answer.location["error"] == error
    assert answer.reasons == [reason]
    gateway.idp.keys.failure = None
    assert Visitor(gateway).authorize().status == 302


def test_case_141_a_reference_is_used_at_the_idp_that_gave_it_and_nowhere_else():
    gateway = connected()
    other = FakeIdp(issuer="https://bank.example")
    other.keys = gateway.idp.keys
    reference = "urn:ietf:params:oauth:request_uri:of-the-bank"
    other.serve_par(pushed(request_uri=reference))
    at = gateway.bridge.registry.get("acme", Deadline.after(9))
    bank = replace(at, name="bank", version="bank", issuer=other.issuer)
    gateway.bridge.registry.put(bank)
    upstreams = {"acme": gateway.idp.upstream, "bank": other.new_upstream()}
    gateway.bridge.front = replace(gateway.bridge.front, upstream=lambda of: upstreams[of.name])
    at_acme, at_bank = Visitor(gateway).authorize(), Visitor(gateway, "bank").authorize()
    assert at_acme.headers["location"].startswith(f"{ISSUER}/authorize?")
    assert at_acme.location["request_uri"] == REQUEST_URI
    assert at_bank.headers["location"].startswith("https://bank.example/authorize?")
    assert at_bank.location["request_uri"] == reference


def test_a_time_that_is_spent_pushes_nothing():
    idp = connected().idp
    at = replace(FakeIdp().context().connection, authorization=PUSHING)
    idp.begin(at)
    before = len(idp.http.sent)
    with pytest.raises(DeadlineExceeded) as failure:
        idp.upstream.begin(
            at,
            state="S" * 43,
            callback_url="https://bridge.example/acme/callback",
            parameters={},
            deadline=Deadline(0.0),
        )
    assert failure.value.reason == "deadline_exceeded"
    assert len(idp.http.sent) == before


# --- the allow-list and the cap, as an app meets them -------------------------------------------------------------------------


LISTED = ("response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "prompt", "bail")


def listed(**profile):
    return AuthorizationRequestProfile(pkce="off", allowed_parameters=LISTED, **profile)


def authorized(gateway, **parameters):
    answer = Visitor(gateway).authorize(**parameters)
    assert answer.status == 302
    assert gateway.idp.http.calls(PAR) == []
    return answer


def test_what_the_idp_does_not_know_never_leaves():
    """ProConnect and FranceConnect refuse every parameter that they do not know."""
    gateway = connected(profile=listed(par="off", pass_through=("login_hint", "prompt", "ui_locales")))
    answer = authorized(gateway, login_hint="ana", prompt="login", ui_locales="fr", claims="{}")
    assert set(answer.location) == set(LISTED) - {"bail"}


def test_what_could_not_travel_is_refused_rather_than_lost():
    """`prompt=none` and `max_age` are promises: named in pass_through, but not on the IdP's list."""
    gateway = connected(profile=listed(par="off", pass_through=("max_age", "prompt")))
    assert_sent_back(
        gateway, Visitor(gateway).authorize(max_age="60"), "invalid_request", "max_age_unsupported"
    )
    silent = AuthorizationRequestProfile(
        pkce="off", par="off", allowed_parameters=LISTED[:6], pass_through=("prompt",)
    )
    gateway = connected(profile=silent)
    assert_sent_back(gateway, Visitor(gateway).authorize(prompt="none"), "login_required", "prompt_none")


@pytest.mark.parametrize(
    "profile",
    [listed(par="off", response_mode="form_post"), listed(parameters={"ui_locales": "en"}), listed(par="required", acr_values=("high",))],
)  # fmt: skip
def test_a_list_that_lacks_what_is_needed_sends_nothing(profile):
    """Configuration refuses it already; a preset that is combined with other keys must not slip through either."""
    gateway = connected(profile=profile)
    answer = Visitor(gateway).authorize()
    assert answer.location["error"] == "server_error"
    assert answer.reasons == ["configuration_error"]
    assert pushes(gateway) == []


@pytest.mark.parametrize("request_object", [None, RequestObject()], ids=["plain", "signed"])
def test_a_query_above_the_cap_is_the_apps_fault_where_its_parameters_are_in_it(request_object):
    profile = AuthorizationRequestProfile(par="off", max_query=1500, request_object=request_object)
    gateway = connected(profile=profile)
    authorized(gateway, login_hint="a" * 20)
    counted = Counted(gateway)
    answer = Visitor(gateway).authorize(login_hint="a" * 1500)
    assert "store.put" not in counted.calls
    assert answer.location["error"] == "invalid_request"
    assert_refused(answer, "authorization_query_too_long")


def test_a_query_above_the_cap_is_ours_where_they_are_not():
    gateway = connected(profile=AuthorizationRequestProfile(par="off", max_query=128))
    counted = Counted(gateway)
    answer = Visitor(gateway).authorize()
    assert "store.put" not in counted.calls
    assert answer.location["error"] == "server_error"
    assert answer.reasons == ["authorization_query_too_long"]
    signed = connected(
        profile=AuthorizationRequestProfile(par="off", max_query=128, request_object=RequestObject())
    )
    assert Visitor(signed).authorize().reasons == ["authorization_query_too_long"]
    # A pushed request that is still too long can only be the reference's fault.
    pushing = connected(
        profile=AuthorizationRequestProfile(par="required", max_query=128), client_id="b" * 100
    )
    assert Visitor(pushing).authorize(login_hint="ana").location["error"] == "server_error"
