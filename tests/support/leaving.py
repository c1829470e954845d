"""A bridge whose connection signs out in every way, and what its user pools saw."""

import itertools
from dataclasses import replace
from typing import Any

from fedbridge.model.connection import Connection, RelyingParty
from fedbridge.model.identity import Identity
from fedbridge.model.logout import Logout, UserPool
from fedbridge.model.session import UpstreamSession
from tests.fakes.registry import FakeRegistry
from tests.fakes.upstream import IDENTITY, FakeUpstream
from tests.support.bridge import Bridge, connection
from tests.support.gateway import Gateway

APP = "https://app.example/signed-out"
OTHER_APP = "https://other.example/bye?from=bridge"
POOL = UserPool(id="eu-west-1_AcmeStaff", identity_provider="Acme")
SID = "session-of-ana-0001"
HINT = "e30.eyJzdWIiOiJhbmEifQ.c2lnbmF0dXJl"
EVERYTHING = Logout(mode="id_token_hint", sessions=True, back_channel=True, front_channel=True)


def leaving(
    name: str = "acme", *, logout: Logout = EVERYTHING, pool: UserPool | None = POOL, **fields: Any
) -> Connection:
    """Return a connection like `tests.support.bridge.connection`, whose relying party can be signed out of."""
    at = connection(name, logout=logout, **fields)
    (party,) = at.relying_parties
    return replace(at, relying_parties=(with_ways_out(party, pool),))


def with_ways_out(party: RelyingParty, pool: UserPool | None = POOL) -> RelyingParty:
    return replace(party, post_logout_redirect_uris=(APP, OTHER_APP), user_pool=pool)


def identity(at: str = "acme", *, sid: str | None = SID, subject: str = IDENTITY.subject) -> Identity:
    """Return who signed in, with the session that the IdP of this connection has for it."""
    session = UpstreamSession(issuer=f"https://{at}.idp.example", sid=sid, remembered={"id_token_hint": HINT})
    return replace(IDENTITY, subject=subject, session=session)


def gateway_of(*connections: Connection) -> Gateway:
    """Return a gateway over these, whose IdP has a session for everybody; the first one is SID."""
    found = connections or (leaving(), leaving("bank"))
    sids = itertools.chain([SID], (f"session-of-others-{number}" for number in itertools.count()))
    upstream = FakeUpstream(outcome=lambda: identity(sid=next(sids)))
    return Gateway(Bridge(registry=FakeRegistry(*found), upstream=upstream))
