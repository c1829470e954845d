"""What the demo checks in the emulator's place, it really checks."""

import contextlib
import time
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwk, jwt

from demo.cognito import STAND_IN_HEADER, VERIFIED, StrictFront, identity_provider
from demo.kinds import Party
from demo.messages import Answer, Request, json_answer, redirect
from demo.recorder import Recorder
from demo.server import Site
from tests.counterparts.federated_pool import FederatedPool

APP = "http://localhost:9/callback"
RELAY = "relay-state-1234567890"
KEY = jwk.RSAKey.generate_key(2048, {"kid": "k", "use": "sig", "alg": "RS256"})
STRANGERS_KEY = jwk.RSAKey.generate_key(2048, {"kid": "k", "use": "sig", "alg": "RS256"})


class Bridge:
    """A bridge of canned answers, and an emulator that asks it and believes whatever it hears."""

    def __init__(self, site, recorder):
        self.site, self.recorder = site, recorder
        self.issuer = f"{site.url}/bank"
        self.userinfo = {"sub": "alice"}
        self.key = KEY
        self.claims = {"iss": self.issuer, "aud": "cognito", "sub": "alice", "exp": time.time() + 60}
        self.token_answer = None

    def answer(self, request):
        if request.path.endswith("jwks.json"):
            return json_answer({"keys": [KEY.as_dict(private=False)]})
        if request.path.endswith("userinfo"):
            return json_answer(self.userinfo)
        id_token = jwt.encode({"alg": "RS256", "kid": "k"}, self.claims, self.key)
        return self.token_answer or json_answer({"id_token": id_token, "access_token": "t" * 43})

    def emulator(self, request):
        if "error" in request.parameters:
            return json_answer({"message": "missing code"}, 400)
        form = (("content-type", "application/x-www-form-urlencoded"),)
        asked = Request(method="POST", target="/bank/token", headers=form, body=f"state={RELAY}".encode())
        answer = self.recorder.record(Party.BRIDGE, asked, self.answer)
        return redirect(f"{APP}?code=pool-code") if answer.status == 200 else json_answer({}, 400)


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def trip(recorder):
    trip = recorder.new_trip("browser")
    sent_on = redirect(f"http://localhost:9/bank/authorize?state={RELAY}")
    request = Request(method="GET", target=f"/oauth2/authorize?state={trip.state}")
    recorder.record(Party.COGNITO, request, lambda _: sent_on)
    return trip


@pytest.fixture
def bridge(recorder):
    site = Site(Party.BRIDGE, "localhost", recorder)
    bridge = Bridge(site, recorder)
    site.respond = bridge.answer
    with site.served():
        yield bridge


@pytest.fixture
def idpresponse(bridge, recorder, trip):
    """Come back to Cognito; returns the answer and what the app is told."""
    pool = FederatedPool(
        pool_id="pool",
        provider=identity_provider(client_id="cognito", client_secret="s", issuer=bridge.issuer),
        app_client_id="app",
        app_client_secret="s",
        app_callback=APP,
        base_url="http://localhost:9",
        local_url="http://localhost:9",
        issuer="https://pool",
    )
    metadata = {
        "jwks_uri": f"{bridge.issuer}/.well-known/jwks.json",
        "userinfo_endpoint": f"{bridge.issuer}/userinfo",
    }
    front = StrictFront(emulator=bridge.emulator, pool=pool, metadata=metadata, recorder=recorder)
    with contextlib.closing(front):

        def come_back(query="code=c"):
            request = Request(method="GET", target=f"/oauth2/idpresponse?state={RELAY}&{query}")
            answer = recorder.record(Party.COGNITO, request, front)
            told = parse_qs(urlsplit(answer.location).query)
            return answer, {name: values[0] for name, values in told.items()}

        yield come_back


def test_what_is_right_passes_and_is_noted(idpresponse, trip):
    answer, told = idpresponse()
    assert told == {"code": "pool-code"}
    assert answer.header(STAND_IN_HEADER) is None
    assert trip.verified == VERIFIED


@pytest.mark.parametrize(
    "wrong, told",
    [
        ({"key": STRANGERS_KEY}, "invalid_token_signature"),
        ({"claims": {"iss": "http://localhost:9/other"}}, "Bad id_token issuer"),
        ({"claims": {"aud": "another"}}, "Bad id_token audience"),
        ({"claims": {"exp": 1}}, "expired"),
        ({"claims": {"sub": "a" * 200}, "userinfo": {"sub": "a" * 200}}, "less than or equal to 128"),
        ({"userinfo": {"sub": "mallory"}}, "sub of userinfo"),
        ({"token_answer": json_answer({"id_token": "e30.e30.", "access_token": "t"})}, "unsupported algorithm"),
        ({"token_answer": json_answer({"error": "invalid_grant", "error_description": "no"}, 400)}, "400 invalid_grant no"),
        ({"token_answer": Answer(status=503)}, "503 error getting token"),
    ],
    ids=["signature", "iss", "aud", "exp", "user name", "userinfo", "alg none", "OAuth error", "outage"],
)  # fmt: skip
def test_what_the_emulator_would_take_is_refused_and_the_app_is_told(bridge, idpresponse, trip, wrong, told):
    for name, value in wrong.items():
        setattr(bridge, name, {**bridge.claims, **value} if name == "claims" else value)
    answer, query = idpresponse()
    assert query["error"] == "invalid_request"
    assert told in query["error_description"]
    assert query["state"] == trip.state
    assert answer.header(STAND_IN_HEADER) is not None
    assert trip.verified == ()


def test_an_error_of_the_provider_is_relayed(idpresponse, trip):
    _, query = idpresponse("error=access_denied&error_description=cancelled%20(ref%20X)")
    assert query["error_description"] == "Nordbank Error - access_denied cancelled (ref X)"
    assert query["state"] == trip.state
