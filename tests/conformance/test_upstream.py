"""The port `Upstream`: what both protocols promise the flows, whatever happens in between."""

from dataclasses import replace

import pytest

from fedbridge.errors import DeadlineExceeded, IssuerMismatch, UpstreamError
from fedbridge.model.connection import AuthorizationRequestProfile
from fedbridge.model.deadline import Deadline
from fedbridge.model.http import Parameters
from tests.fakes.http import json_answer
from tests.unit.rp import idp, social


class Oidc:
    token = f"{idp.ISSUER}/token"
    claims_from = f"{idp.ISSUER}/userinfo"
    scope = "openid"

    def __init__(self):
        self.side = idp.FakeIdp()
        self.connection = idp.connection()


class OAuth2:
    token = social.TOKEN
    claims_from = social.USER
    scope = "read:user"

    def __init__(self):
        self.side = social.FakeSocial()
        self.connection = social.connection()


@pytest.fixture(params=[Oidc, OAuth2])
def peer(request):
    return request.param()


def refused(peer, **response):
    redirect = peer.side.begin()
    peer.side.http.sent.clear()
    with pytest.raises(UpstreamError) as failure:
        peer.side.finish(redirect, **response)
    return failure.value


def test_begin_sends_the_state_and_remembers_text(peer):
    redirect = peer.side.begin()
    asked = social.query(redirect)
    assert (asked["state"], asked["redirect_uri"], asked["response_type"]) == (
        idp.STATE,
        idp.CALLBACK,
        "code",
    )
    assert all(isinstance(text, str) for pair in redirect.remembered.items() for text in pair)


def test_every_sign_in_is_its_own(peer):
    first, second = peer.side.begin().remembered, peer.side.begin().remembered
    assert first.keys() == second.keys()
    assert not set(first.values()) & set(second.values())


def test_the_connection_says_what_may_pass(peer):
    profile = AuthorizationRequestProfile(scope=peer.scope, pass_through=())
    at = replace(peer.connection, authorization=profile)
    assert "login_hint" in social.query(peer.side.begin(login_hint="ana"))
    assert "login_hint" not in social.query(peer.side.begin(at, login_hint="ana"))


def test_finish_says_who_signed_in(peer):
    identity = peer.side.sign_in()
    assert identity.subject
    assert identity.claims["email"].endswith("@example.com")
    assert identity.upstream_id_token is None


def test_the_state_is_found_where_it_is(peer):
    def state_of(**response):
        return peer.side.upstream.state_of(peer.connection, Parameters(response), Deadline.after(5))

    assert state_of(code="c", state=idp.STATE) == idp.STATE
    assert state_of(code="c") is None


@pytest.mark.parametrize(
    "response, reason, error",
    [
        ({"error": "access_denied"}, "authorization_response_error", "access_denied"),
        ({"error": "temporarily_unavailable"}, "authorization_response_error", "temporarily_unavailable"),
        ({"error": "made_up"}, "authorization_response_error", "server_error"),
        ({"state": idp.STATE}, "authorization_response_empty", "server_error"),
        ({"code": "c", "error": "access_denied"}, "authorization_response_ambiguous", "server_error"),
        ({"code": "c\n"}, "authorization_code_malformed", "server_error"),
    ],
)
def test_a_response_that_grants_nothing_ends_before_anybody_is_called(peer, response, reason, error):
    failure = refused(peer, **response)
    assert (failure.reason, failure.error) == (reason, error)
    assert peer.side.http.calls(peer.token) == []


def test_another_issuers_response_ends_on_a_page(peer):
    failure = refused(peer, code="c", iss="https://other.example")
    assert isinstance(failure, IssuerMismatch)
    assert peer.side.http.calls(peer.token) == []


def test_a_code_is_sent_once_whatever_becomes_of_it(peer):
    lost = UpstreamError("upstream_unreachable", error="temporarily_unavailable")
    peer.side.http.answer("POST", peer.token, lost)
    assert refused(peer).reason == "upstream_unreachable"
    assert len(peer.side.http.calls(peer.token)) == 1


@pytest.mark.parametrize("status", [200, 400])
def test_a_spent_code_is_worth_another_try(peer, status):
    peer.side.http.answer("POST", peer.token, json_answer({"error": "invalid_grant"}, status=status))
    failure = refused(peer)
    assert (failure.reason, failure.error) == ("authorization_code_refused", "temporarily_unavailable")


def test_what_says_who_it_is_is_fetched_again_once(peer):
    lost = UpstreamError("upstream_unreachable", error="temporarily_unavailable")
    peer.side.http.answer("GET", peer.claims_from, lost, lost)
    assert refused(peer).reason == "upstream_unreachable"
    assert len(peer.side.http.calls(peer.claims_from)) == 2


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_outage_is_told_as_one(peer, status):
    for method, url in (("GET", peer.claims_from), ("POST", peer.token)):
        peer.side.http.answer(method, url, json_answer({}, status=status))
        failure = refused(peer)
        assert (failure.error, failure.upstream_status) == ("temporarily_unavailable", status)


def test_time_that_is_spent_is_told(peer):
    redirect = peer.side.begin()
    with pytest.raises((DeadlineExceeded, UpstreamError)):
        peer.side.upstream.finish(
            peer.connection,
            remembered=redirect.remembered,
            callback_url=idp.CALLBACK,
            response=Parameters({"code": "the-code"}),
            deadline=Deadline.after(0),
        )


def test_where_nobody_signs_out_the_browser_stays_and_nobody_is_called(peer):
    assert (
        peer.side.upstream.logout(
            peer.connection,
            state=idp.STATE,
            return_url=f"{idp.CALLBACK}/logout",
            remembered={},
            deadline=Deadline.after(5),
        )
        is None
    )
    assert peer.side.http.sent == []
