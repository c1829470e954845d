"""GitHub speaks OAuth 2.0 without OpenID Connect: facts from the reference, through the side for such providers."""

import pytest

from fedbridge.errors import UpstreamError
from fedbridge.model.deadline import Deadline
from fedbridge.model.http import Parameters
from fedbridge.rp.oauth2 import OAuth2Upstream
from tests.fakes.http import FakeHttpClient, json_answer
from tests.fakes.telemetry import RecordingTelemetry
from tests.presets.configured import connection_of
from tests.presets.facts import CLIENT, SECRET, Facts
from tests.presets.strict_idp import CALLBACK
from tests.unit.rp.idp import NOW, STATE, FakeKeys, FakeSecrets, form
from tests.unit.rp.idp import SECRET as CLIENT_SECRET

GITHUB = Facts(
    preset="github",
    own={"client_authentication": {"secret": SECRET}},
    issuer="https://github.com",
    at={
        "authorization_endpoint": "https://github.com/login/oauth/authorize",
        "token_endpoint": "https://github.com/login/oauth/access_token",
    },
    method="post",
    request={"scope": "read:user user:email"},
    userinfo_format=(),
)
ANA = {"id": 583231, "login": "ana", "name": "Ana Ek", "avatar_url": "https://avatars.example/1", "email": "public@example.com"}  # fmt: skip
EMAILS = [
    {"email": "old@example.com", "primary": False, "verified": True},
    {"email": "ana@example.com", "primary": True, "verified": True},
]


class GitHub:
    def __init__(self, folder):
        self.connection = connection_of(GITHUB, folder)
        self.http = FakeHttpClient()
        self.upstream = OAuth2Upstream(
            http=self.http,
            keys=FakeKeys(),
            secrets=FakeSecrets(values={SECRET: CLIENT_SECRET}),
            telemetry=RecordingTelemetry(),
            clock=lambda: NOW,
        )
        self.http.answer("POST", GITHUB.at["token_endpoint"], json_answer({"access_token": "at-1", "token_type": "bearer"}))  # fmt: skip
        self.http.answer("GET", "https://api.github.com/user", json_answer(ANA))
        self.http.answer("GET", "https://api.github.com/user/emails", json_answer(EMAILS))

    def begin(self):
        return self.upstream.begin(
            self.connection,
            state=STATE,
            callback_url=CALLBACK,
            parameters={"login_hint": "ana"},
            deadline=Deadline.after(20),
        )

    def finish(self):
        return self.upstream.finish(
            self.connection,
            remembered=self.begin().remembered,
            callback_url=CALLBACK,
            response=Parameters({"code": "the-code", "state": STATE}),
            deadline=Deadline.after(20),
        )


@pytest.fixture
def github(tmp_path):
    return GitHub(tmp_path)


def test_the_authorization_request(github):
    endpoint, _, query = github.begin().url.partition("?")
    sent = dict(pair.split("=") for pair in query.split("&"))
    assert endpoint == "https://github.com/login/oauth/authorize"
    assert sent.keys() == {
        "response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method",
    }  # fmt: skip
    assert (sent["client_id"], sent["state"], sent["scope"]) == (CLIENT, STATE, "read%3Auser%20user%3Aemail")


def test_who_signed_in_is_read_from_the_api(github):
    identity = github.finish()
    assert identity.claims == {
        "name": "Ana Ek",
        "preferred_username": "ana",
        "picture": "https://avatars.example/1",
        "email": "ana@example.com",
        "email_verified": True,
    }
    (token,) = github.http.calls("https://github.com/login/oauth/access_token")
    sent = form(token)
    assert sent.pop("code_verifier")
    assert sent == {
        "grant_type": "authorization_code",
        "code": "the-code",
        "redirect_uri": CALLBACK,
        "client_id": CLIENT,
        "client_secret": CLIENT_SECRET,
    }
    assert token.headers["accept"] == "application/json"
    (user,) = github.http.calls("https://api.github.com/user")
    assert user.headers["authorization"] == "Bearer at-1"
    assert user.headers["accept"] == "application/json"


def test_an_address_that_github_did_not_verify_is_none(github):
    emails = [{"email": "ana@example.com", "primary": True, "verified": False}]
    github.http.answer("GET", "https://api.github.com/user/emails", json_answer(emails))
    assert not {"email", "email_verified"} & github.finish().claims.keys()


@pytest.mark.parametrize(
    "code,error",
    [("bad_verification_code", "access_denied"), ("incorrect_client_credentials", "server_error")],
)
def test_an_error_with_http_200_is_one(github, code, error):
    github.http.answer("POST", GITHUB.at["token_endpoint"], json_answer({"error": code}))
    with pytest.raises(UpstreamError) as failure:
        github.finish()
    assert failure.value.error == error


def test_the_subject_is_the_number_of_the_account(github, tmp_path):
    before = github.finish().subject
    github.http.answer("GET", "https://api.github.com/user", json_answer({**ANA, "login": "other"}))
    assert github.finish().subject == before
    github.http.answer("GET", "https://api.github.com/user", json_answer({**ANA, "id": 583232}))
    assert github.finish().subject != before
