"""A sign-in from the relying party's authorization URL to its end, and what the IdP saw of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.counterparts.browser import Trip, travel
from tests.counterparts.cognito import FederatedUser, UserPool
from tests.counterparts.oidc_provider import Received
from tests.counterparts.openid_client import OpenidClient, RelyingParty, SignedIn
from tests.interop.bridge import RunningBridge
from tests.support import canaries


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """How a browser got through the bridge: its trip, and every request that the IdP saw meanwhile."""

    trip: Trip
    upstream: Sequence[Received] = field(repr=False)

    @property
    def calls(self) -> Counter[str]:
        """The requests that the bridge itself made, by kind."""
        return Counter(str(entry.route) for entry in made_by_bridge(self.upstream))

    def only(self, route: str) -> Received:
        (entry,) = [entry for entry in made_by_bridge(self.upstream) if entry.route == route]
        return entry

    def all(self, route: str) -> list[Received]:
        return [entry for entry in made_by_bridge(self.upstream) if entry.route == route]

    @property
    def authorization(self) -> Received:
        """The authorization request as the browser brought it, before any sign-in page."""
        return next(entry for entry in self.upstream if entry.path.endswith("/authorize"))


COLD = Counter(discovery=1, token=1, jwks=1, userinfo=1)
WARM = Counter(token=1, userinfo=1)


def made_by_bridge(entries: Sequence[Received]) -> list[Received]:
    """Browsers and Cognito call the IdP as well."""
    return [entry for entry in entries if entry.headers.get("user-agent") == "fedbridge"]


def pass_through(
    bridge: RunningBridge, browser: httpx.Client, start: str, *, until: str, user: str = "alice"
) -> Passage:
    """Sign in from the relying party's authorization URL until the browser is back at `until`."""
    bridge.op.clear_journal()
    trip = travel(browser, start, until=lambda request: str(request.url).startswith(until), user=user)
    upstream = bridge.op.journal()
    for entry in upstream:
        watch_received(entry)
    bridge.op.clear_journal()
    return Passage(trip=trip, upstream=upstream)


def watch_received(entry: Received) -> None:
    """Let the canary watch know what went to the IdP and came back."""
    # An assertion has the very `iat` and `exp` of an ID token that is made in the same second: its signature will do.
    canaries.watch(entry.form.get("client_assertion", "").rpartition(".")[2], "client_assertion")
    rest = httpx.QueryParams([pair for pair in entry.form_pairs if pair[0] != "client_assertion"])
    canaries.watch_upstream(str(rest).encode(), entry.headers, (entry.answer or "").encode())


@contextmanager
def user_pool(bridge: RunningBridge, name: str, **provider: Any) -> Iterator[UserPool]:
    """A strict user pool that is federated to the connection, by its issuer unless `provider` has other endpoints."""
    with UserPool() as pool:
        pool.create_identity_provider(bridge.identity_provider(name, **provider))
        yield pool


def sign_in_at_pool(
    bridge: RunningBridge, pool: UserPool, browser: httpx.Client, user: str = "alice", **asked: Any
) -> tuple[FederatedUser, Passage]:
    """A whole sign-in at the strict user pool, whose back channel must not make the bridge call its IdP."""
    start = pool.authorize("Bank", **asked)
    passage = pass_through(bridge, browser, start, until=pool.redirect_uri, user=user)
    signed_in = pool.redeem(pool.idpresponse(passage.trip.url).code)
    assert made_by_bridge(bridge.op.journal()) == []
    return signed_in, passage


def sign_in_at_openid_client(
    bridge: RunningBridge, client: OpenidClient, browser: httpx.Client, rp: RelyingParty, **parameters: str
) -> tuple[SignedIn, Passage]:
    """A whole sign-in with openid-client in Cognito's place, whose back channel must not reach the IdP either."""
    request = client.authorization_url(rp, **parameters)
    passage = pass_through(bridge, browser, request.url, until=rp.redirect_uri)
    signed_in = client.callback(rp, request, passage.trip.next_request)
    assert made_by_bridge(bridge.op.journal()) == []
    return signed_in, passage


def sign_in_twice(
    bridge: RunningBridge, client: OpenidClient, browser: httpx.Client, name: str
) -> tuple[Passage, Passage]:
    """Sign in at the strict user pool, when the bridge knows nothing of the IdP, and with openid-client, when it does."""
    with user_pool(bridge, name) as pool:
        user, first = sign_in_at_pool(bridge, pool, browser)
    rp = bridge.relying_party(name, pkce=True, nonce=True)
    signed_in, second = sign_in_at_openid_client(bridge, client, browser, rp)
    assert user.attributes == {"email": "alice@example.com", "email_verified": "true"}
    assert signed_in.userinfo["email"] == "alice@example.com"
    assert user.username == f"bank_{signed_in.claims['sub']}"
    return first, second
