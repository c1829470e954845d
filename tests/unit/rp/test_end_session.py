"""What the browser brings to the IdP's end_session_endpoint, and what is given back after userinfo."""

from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest

from fedbridge.errors import UpstreamError
from fedbridge.model.connection import Endpoints
from fedbridge.model.deadline import Deadline
from fedbridge.model.http import Parameters
from fedbridge.model.logout import Logout
from tests.fakes.http import json_answer
from tests.unit.rp.idp import CALLBACK, STATE, FakeIdp, connection, form

RETURN = "https://bridge.example/acme/logout/callback"
HINT = {"id_token_hint": "e30.e30.c2lnbmF0dXJl"}


def leaving(idp, policy, remembered=HINT, **fields):
    """Return where the browser goes, and what it brings."""
    url = idp.upstream.logout(
        connection(logout=policy, **fields),
        state=STATE,
        return_url=RETURN,
        remembered=remembered,
        deadline=Deadline.after(5),
    )
    if url is None:
        return None, None
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}", dict(parse_qsl(parts.query, strict_parsing=True))


@pytest.fixture
def idp():
    idp = FakeIdp()
    idp.serve_metadata(end_session_endpoint=idp.url("/logout"), revocation_endpoint=idp.url("/revoke"))
    return idp


def test_an_id_token_goes_alone(idp):
    where, sent = leaving(idp, Logout(mode="id_token_hint"))
    assert where == idp.url("/logout")
    assert sent == {**HINT, "post_logout_redirect_uri": RETURN, "state": STATE}


@pytest.mark.parametrize("mode, remembered", [("client_id", HINT), ("client_id", {}), ("id_token_hint", {})])
def test_without_one_or_where_it_is_not_wanted_the_client_id_goes(idp, mode, remembered):
    _, sent = leaving(idp, Logout(mode=mode), remembered)
    assert sent == {"client_id": "bridge", "post_logout_redirect_uri": RETURN, "state": STATE}


def test_an_idp_that_demands_the_token_is_not_visited_without_it(idp):
    policy = Logout(mode="id_token_hint", hint_required=True)
    assert leaving(idp, policy, {}) == (None, None)
    assert leaving(idp, policy)[1]["id_token_hint"] == HINT["id_token_hint"]


def test_a_token_that_does_not_fit_stays_here(idp):
    long = {"id_token_hint": "x" * 600}
    assert "client_id" in leaving(idp, Logout(mode="id_token_hint", max_query=512), long)[1]
    assert "id_token_hint" in leaving(idp, Logout(mode="id_token_hint", max_query=2048), long)[1]
    strict = Logout(mode="id_token_hint", max_query=512, hint_required=True)
    assert leaving(idp, strict, long) == (None, None)


def test_a_connection_that_does_not_sign_out_calls_nobody(idp):
    assert leaving(idp, Logout()) == (None, None)
    assert idp.http.sent == []


def test_an_idp_without_the_endpoint_is_said_to_have_none(idp):
    idp.serve_metadata()
    with pytest.raises(UpstreamError) as failure:
        leaving(idp, Logout(mode="client_id"))
    assert failure.value.reason == "end_session_endpoint_missing"


def test_metadata_cannot_send_browsers_elsewhere(idp):
    idp.serve_metadata(end_session_endpoint="https://evil.example/logout")
    with pytest.raises(UpstreamError) as failure:
        leaving(idp, Logout(mode="client_id"))
    assert failure.value.reason == "metadata_host_refused"


def test_where_nobody_signs_out_the_endpoint_is_not_looked_at(idp):
    idp.serve_metadata(end_session_endpoint="https://evil.example/logout", revocation_endpoint="nonsense")
    assert idp.sign_in().subject == "ana"


def test_an_endpoint_by_hand_keeps_its_query(idp):
    by_hand = Endpoints(
        authorization_endpoint=idp.url("/authorize"),
        token_endpoint=idp.url("/token"),
        jwks_uri=idp.url("/jwks"),
        end_session_endpoint="https://idp.example/logout?realm=a",
    )
    _, sent = leaving(idp, Logout(mode="client_id"), endpoints=by_hand)
    assert sent["realm"] == "a"
    assert sent["client_id"] == "bridge"


# --- what is remembered for it ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["id_token_hint", "client_id"])
def test_what_is_kept_is_what_will_be_asked_for(idp, mode):
    idp.claims = {"sid": "the-session-at-the-idp"}
    at = connection(logout=Logout(mode=mode, sessions=True, back_channel=True))
    session = idp.sign_in(at).session
    assert session is not None
    assert (session.issuer, session.sid) == (idp.issuer, "the-session-at-the-idp")
    assert set(session.remembered) == ({"id_token_hint"} if mode == "id_token_hint" else set())


def test_nothing_is_remembered_for_a_connection_that_keeps_nothing(idp):
    idp.claims = {"sid": "the-session-at-the-idp"}
    at = connection(logout=Logout(mode="id_token_hint"))
    assert idp.sign_in(at).session is None


@pytest.mark.parametrize("sid", [7, ["s"], None])
def test_a_session_without_a_name_has_none(idp, sid):
    idp.claims = {"sid": sid}
    at = connection(logout=Logout(mode="id_token_hint", sessions=True))
    session = idp.sign_in(at).session
    assert session is not None
    assert session.sid is None


# --- revocation (RFC 7009) -------------------------------------------------------------------------------------------

REVOKING = connection(logout=Logout(revoke_tokens=True))


def revoked(idp):
    return [
        (form(request)["token_type_hint"], form(request)["token"])
        for request in idp.http.calls(idp.url("/revoke"))
    ]


def test_tokens_are_revoked_after_userinfo_the_refresh_token_first(idp):
    idp.http.answer("POST", idp.url("/revoke"), replace(json_answer({}), body=b""))
    idp.answer_token(lambda _: idp.token_answer(refresh_token="rt"))
    assert idp.sign_in(REVOKING).subject == "ana"
    assert revoked(idp) == [("refresh_token", "rt"), ("access_token", "at")]
    urls = [request.url for request in idp.http.sent]
    assert urls.index(idp.url("/userinfo")) < urls.index(idp.url("/revoke"))
    assert all("authorization" in request.headers for request in idp.http.calls(idp.url("/revoke")))
    assert "tokens_not_revoked" not in idp.telemetry.names()


def test_nobody_else_revokes(idp):
    idp.sign_in()
    assert idp.http.calls(idp.url("/revoke")) == []


FAILURES = {
    "refused": (json_answer({"error": "unsupported_token_type"}, status=400), "revocation_endpoint_refused"),
    "wrong client": (json_answer({"error": "invalid_client"}, status=401), "client_authentication_refused"),
    "outage": (json_answer({}, status=503), "revocation_endpoint_unavailable"),
    "redirected": (json_answer({}, status=302), "revocation_endpoint_redirected"),
    "slow": (UpstreamError("upstream_timeout", error="temporarily_unavailable"), "upstream_timeout"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_to_revoke_fails_no_sign_in(idp, name):
    answer, reason = FAILURES[name]
    idp.http.answer("POST", idp.url("/revoke"), answer)
    assert idp.sign_in(REVOKING).subject == "ana"
    assert idp.telemetry.fields("tokens_not_revoked")["reason"] == reason


def test_an_idp_without_the_endpoint_fails_no_sign_in(idp):
    idp.serve_metadata()
    assert idp.sign_in(REVOKING).subject == "ana"
    assert idp.telemetry.fields("tokens_not_revoked")["reason"] == "revocation_endpoint_missing"


def test_revoking_takes_none_of_the_time_that_the_sign_in_needs(idp):
    """With less than a second left nothing is revoked; before that, what hangs is given up after two."""
    redirect = idp.begin(REVOKING)
    identity = idp.upstream.finish(
        REVOKING,
        remembered=redirect.remembered,
        callback_url=CALLBACK,
        response=Parameters({"code": "the-code", "state": STATE}),
        deadline=Deadline.after(0.9),
    )
    assert identity.subject == "ana"
    assert idp.http.calls(idp.url("/revoke")) == []
    assert idp.telemetry.fields("tokens_not_revoked")["reason"] == "deadline_exceeded"
