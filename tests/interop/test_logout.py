"""Signing out, observed at an IdP that nobody here wrote, in an emulated user pool, and in the browser."""

import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from tests.counterparts.browser import forms_of, new_browser, travel
from tests.counterparts.federated_pool import FederatedPool
from tests.counterparts.ministack import MiniStack
from tests.counterparts.oidc_provider import OidcProvider
from tests.interop.bridge import Declared, RunningBridge, running_bridge
from tests.support import canaries

pytestmark = [pytest.mark.interop, pytest.mark.ministack]

APP = "https://app.example/signed-out"
UNKNOWN_POOL = "eu-west-1_Unknown"
ENDS_AT = f"post_logout_redirect_uris: [{APP}]"
POOL = f"user_pool: {{id: {UNKNOWN_POOL}, identity_provider: Bank}}"


def connection(name, logout, *, relying_party=ENDS_AT, **metadata):
    return Declared(
        name=name,
        yaml=f"client_authentication: {{key: $key}}\nlogout: {{{logout}}}",
        key="P-256",
        relying_party=relying_party,
        client={"token_endpoint_auth_signing_alg": "ES256", "metadata": metadata},
    )


CONNECTIONS = [
    connection(
        "by-session",
        "mode: id_token_hint, sessions: true, back_channel: true, require_typ: true",
        relying_party=f"{ENDS_AT}\n{POOL}",
        backchannel_logout_session_required=True,
    ),
    connection("by-subject", "mode: client_id, back_channel: true", relying_party=f"{ENDS_AT}\n{POOL}"),
    connection("by-client", "mode: client_id"),
    connection("revoking", "revoke_tokens: true"),
]


@pytest.fixture(scope="module")
def emulator():
    with MiniStack() as emulator:
        yield emulator


@pytest.fixture(scope="module")
def bridge(tmp_path_factory, emulator):
    features = {"backchannelLogout": {"enabled": True}, "revocation": {"enabled": True}}
    with (
        pytest.MonkeyPatch.context() as environment,
        OidcProvider(oidc_provider={"features": features}) as op,
    ):
        for name, value in emulator.aws_environment.items():
            environment.setenv(name, value)
        redirect_uris = [emulator.redirect_uri()]
        folder = tmp_path_factory.mktemp("bridge")
        with running_bridge(op, folder, CONNECTIONS, redirect_uris=redirect_uris) as bridge:
            yield bridge


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody at a browser, signed in at an app behind a user pool."""

    bridge: RunningBridge
    browser: httpx.Client
    pool: FederatedPool
    cognito: Any
    tokens: Any

    def refreshes(self) -> bool:
        """Whether the app's session at the pool goes on: its refresh token is good for new tokens."""
        form = {"grant_type": "refresh_token", "refresh_token": self.tokens["refresh_token"]}
        with httpx.Client(trust_env=False) as app:
            answer = app.post(
                f"{self.pool.local_url}/oauth2/token",
                data=form,
                auth=(self.pool.app_client_id, self.pool.app_client_secret),
            )
        return answer.status_code == 200

    def is_signed_out(self) -> bool:
        """Whether the app's session ends. The IdP waits 2.5 s for our answer; a first logout on a busy machine takes longer."""
        give_up_at = time.monotonic() + 20
        while self.refreshes():
            if time.monotonic() > give_up_at:
                return False
            time.sleep(0.1)
        return True

    def is_known_at_the_idp(self) -> bool:
        """Whether the IdP would sign this browser in without asking."""
        start = self.pool.sign_in_url()
        at_idp = travel(
            self.browser,
            start,
            until=lambda request: (
                request.url.path.endswith("/authorize") and str(request.url).startswith(self.bridge.op.origin)
            ),
        )
        answer = self.browser.send(at_idp.next_request)
        return "/callback" in answer.headers.get("location", "")


@pytest.fixture
def person(bridge, emulator):
    """Signs somebody in through a connection whose pool is a new one."""
    browsers, written = [], bridge.file.read_text()

    def sign_in(name):
        pool = emulator.create_federated_pool(bridge.identity_provider(name))
        bridge.file.write_text(written.replace(UNKNOWN_POOL, pool.pool_id))
        browser = new_browser()
        browsers.append(browser)
        bridge.op.clear_journal()
        signed_in = pool.sign_in(browser)
        time.sleep(1.0 - time.time() % 1.0)  # The emulator ends what was issued in an earlier second.
        return Person(
            bridge=bridge,
            browser=browser,
            pool=pool,
            cognito=emulator.client("cognito-idp"),
            tokens=signed_in.tokens,
        )

    yield sign_in
    for browser in browsers:
        browser.close()
    bridge.file.write_text(written)
    bridge.op.clear_journal()


def leave(person, name, **parameters):
    """Sign out at Cognito with the bridge as its logout_uri; confirm at the IdP; return where it ends and what was asked."""
    browser, op, pool = person.browser, person.bridge.op, person.pool
    ours = str(httpx.URL(f"{person.bridge.url}/{name}/logout", params=parameters or None))
    cognitos = {"client_id": pool.app_client_id, "logout_uri": ours}
    trip = travel(
        browser,
        str(httpx.URL(f"{pool.base_url}/logout", params=cognitos)),
        until=lambda request: str(request.url).startswith(op.origin),
    )
    asked = dict(parse_qsl(urlsplit(trip.url).query, strict_parsing=True))
    page = browser.send(trip.next_request)
    (form,) = forms_of(page)
    confirmed = browser.build_request(form.method, form.action, data={**form.fields, "logout": "yes"})
    end = travel(browser, confirmed, until=lambda request: request.url.host == "app.example")
    return end.url, asked


def test_a_person_signs_out_of_app_idp_and_pool(person):
    """RP-initiated, by the ID token that was kept; the IdP then tells us by the session's name."""
    alice = person("by-session")
    assert alice.refreshes()
    assert alice.is_known_at_the_idp()
    where, asked = leave(alice, "by-session")
    canaries.canary(asked["id_token_hint"], "upstream_id_token")
    assert where == APP
    assert asked.keys() == {"id_token_hint", "post_logout_redirect_uri", "state"}
    assert not alice.is_known_at_the_idp()
    assert alice.is_signed_out()


def test_a_person_signs_out_at_the_idp_itself(person):
    """Nobody asked the bridge: a logout token of the IdP's own making does it."""
    alice = person("by-session")
    page = alice.browser.get(f"{alice.bridge.op.issuer}/logout")
    (form,) = forms_of(page)
    answer = alice.browser.post(form.action, data={**form.fields, "logout": "yes"})
    assert answer.status_code == 303
    assert alice.is_signed_out()


def test_by_subject_alone_and_without_any_store(person):
    alice = person("by-subject")
    assert alice.refreshes()
    where, asked = leave(
        alice, "by-subject", client_id="cognito", post_logout_redirect_uri=APP, state="of the app"
    )
    assert where == f"{APP}?state=of%20the%20app"
    assert asked.keys() == {"client_id", "post_logout_redirect_uri", "state"}
    assert alice.is_signed_out()


def test_an_idp_that_tells_nobody_leaves_the_pool_alone(person):
    alice = person("by-client")
    where, _ = leave(alice, "by-client")
    assert where == APP
    assert not alice.is_known_at_the_idp()
    assert alice.refreshes()


def test_another_persons_session_goes_on(person):
    other, alice = person("by-client"), person("by-session")
    leave(alice, "by-session")
    assert alice.is_signed_out()
    assert other.refreshes()


def test_tokens_are_revoked_where_the_idp_revokes(person):
    bob = person("revoking")
    journal = bob.bridge.op.journal()
    (revocation,) = [entry for entry in journal if entry.path.endswith("/revoke")]
    assert revocation.status == 200
    assert revocation.form["token_type_hint"] == "access_token"
    assert revocation.assertion is not None
    token = canaries.canary(revocation.form["token"], "upstream_token")
    answer = httpx.get(
        f"{bob.bridge.op.issuer}/userinfo", headers={"authorization": f"Bearer {token}"}, trust_env=False
    )
    assert answer.status_code == 401
    paths = [entry.path.rpartition("/")[2] for entry in journal]
    assert paths.index("userinfo") < paths.index("revoke")
