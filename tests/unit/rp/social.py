"""A social network with OAuth 2.0 and nothing else, made of canned answers shaped as GitHub's."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from fedbridge.model.connection import (
    AuthorizationRequestProfile,
    ClientAuthentication,
    Connection,
    Endpoints,
)
from fedbridge.model.deadline import Deadline
from fedbridge.model.http import Parameters
from fedbridge.model.identity import Identity
from fedbridge.model.policies import OAuth2Document, OAuth2Profile
from fedbridge.ports import UpstreamRedirect
from fedbridge.rp.oauth2 import OAuth2Upstream
from tests.fakes.http import FakeHttpClient, json_answer
from tests.fakes.telemetry import RecordingTelemetry
from tests.support.canaries import canary
from tests.unit.rp import idp

ISSUER = "https://social.example"
AUTHORIZE = f"{ISSUER}/login/oauth/authorize"
TOKEN = f"{ISSUER}/login/oauth/access_token"
USER = "https://api.social.example/user"
EMAILS = f"{USER}/emails"
ACCESS_TOKEN = canary("an-access-token-of-the-social-network", "upstream access token")
CLAIMS = {
    "name": "user.name",
    "preferred_username": "user.login",
    "email": "emails[?primary] | [0].email",
    "email_verified": "emails[?primary] | [0].verified",
}


def profile(**fields: Any) -> OAuth2Profile:
    documents = (
        OAuth2Document(name="user", url=USER),
        OAuth2Document(name="emails", url=EMAILS, required=False),
    )
    return OAuth2Profile(**{"documents": documents, "subject": "user.id", **fields})


def connection(**fields: Any) -> Connection:
    """Return the connection, with raw subjects."""
    return idp.connection(
        **{
            "protocol": "oauth2",
            "issuer": ISSUER,
            "endpoints": Endpoints(authorization_endpoint=AUTHORIZE, token_endpoint=TOKEN),
            "client_authentication": ClientAuthentication(
                method="client_secret_post", secret=idp.SECRET_REFERENCE
            ),
            "authorization": AuthorizationRequestProfile(scope="read:user user:email"),
            "oauth2": profile(),
            "claims": CLAIMS,
            **fields,
        }
    )


@dataclass
class FakeSocial:
    """The network, and the bridge's side that talks to it. Answers are set anew on `http`."""

    http: FakeHttpClient = field(default_factory=FakeHttpClient)
    clock: idp.FakeClock = field(default_factory=idp.FakeClock)
    keys: idp.FakeKeys = field(default_factory=idp.FakeKeys)
    secrets: idp.FakeSecrets = field(default_factory=idp.FakeSecrets)
    telemetry: RecordingTelemetry = field(default_factory=RecordingTelemetry)
    slept: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.upstream = OAuth2Upstream(
            http=self.http,
            keys=self.keys,
            secrets=self.secrets,
            telemetry=self.telemetry,
            clock=self.clock,
            sleep=self.slept.append,
        )
        self.answer_token(access_token=ACCESS_TOKEN, token_type="bearer", scope="read:user,user:email")
        self.answer_user({"id": 583231, "login": "octocat", "name": "Octo Cat", "email": None})
        self.answer_emails([{"email": "octo@example.com", "primary": True, "verified": True}])

    def answer_token(self, **members: Any) -> None:
        self.http.answer("POST", TOKEN, json_answer(members))

    def answer_user(self, document: Any, **answer: Any) -> None:
        self.http.answer("GET", USER, json_answer(document, **answer))

    def answer_emails(self, document: Any, **answer: Any) -> None:
        self.http.answer("GET", EMAILS, json_answer(document, **answer))

    def begin(self, at: Connection | None = None, **parameters: str) -> UpstreamRedirect:
        return self.upstream.begin(
            at or connection(),
            state=idp.STATE,
            callback_url=idp.CALLBACK,
            parameters=parameters,
            deadline=Deadline.after(20),
        )

    def finish(self, redirect: UpstreamRedirect, at: Connection | None = None, **response: str) -> Identity:
        return self.upstream.finish(
            at or connection(),
            remembered=redirect.remembered,
            callback_url=idp.CALLBACK,
            response=Parameters(response or {"code": "the-code", "state": idp.STATE}),
            deadline=Deadline.after(20),
        )

    def sign_in(self, at: Connection | None = None, **parameters: str) -> Identity:
        return self.finish(self.begin(at, **parameters), at)


def query(redirect: UpstreamRedirect) -> dict[str, str]:
    """Return the parameters of the authorization request, every name once."""
    pairs = parse_qsl(urlsplit(redirect.url).query, keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)
