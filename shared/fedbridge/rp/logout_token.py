"""Logout tokens: what an IdP posts when a session there has ended (OpenID Connect Back-Channel Logout 1.0 §2.4, §2.6)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from fedbridge.errors import UpstreamError
from fedbridge.model.connection import Connection
from fedbridge.model.deadline import Deadline
from fedbridge.model.session import EndedSession
from fedbridge.ports import Clock, HttpClient, Keys, Secrets, Telemetry
from fedbridge.rp.calls import Calls
from fedbridge.rp.claim_checks import check_lifetime, check_parties
from fedbridge.rp.context import Context
from fedbridge.rp.jwks import JwksSource
from fedbridge.rp.jwt import Accepted, VerifiedJwt, keys_for, verify_jwt
from fedbridge.rp.metadata import MetadataSource
from fedbridge.rp.tenants import token_issuer

EVENT = "http://schemas.openid.net/event/backchannel-logout"
TYPE = "logout+jwt"

MAX_AGE = 300
"""Seconds since `iat`, before clock skew: longer ago, and it was kept rather than sent."""

MAX_TEXT = 255
"""Characters of `sub` (OpenID Connect Core §2), `sid` and `jti`."""

KIND = "logout_token"


class LogoutTokenVerifier:
    """Verifies the logout tokens of any number of connections; one for a sandbox's life, safe under threads."""

    def __init__(
        self,
        *,
        http: HttpClient,
        keys: Keys,
        secrets: Secrets,
        telemetry: Telemetry,
        clock: Clock = time.time,
    ) -> None:
        self._keys = keys
        self._secrets = secrets
        self._clock = clock
        self._calls = Calls(http, telemetry, keys=keys, clock=clock)
        self._metadata = MetadataSource(self._calls, telemetry, clock)
        self._jwks = JwksSource(self._calls, telemetry, clock)

    def verify(self, connection: Connection, token: str, deadline: Deadline) -> EndedSession:
        """Return what the token says has ended; calls the IdP for metadata and keys that are not cached.

        Raises UpstreamError (`logout_token_…`, one reason a rule, and what `verify_jwt` and finding keys raises),
        ConfigurationError, DeadlineExceeded.
        """
        context = Context(
            connection=connection,
            metadata=self._metadata.get(connection, deadline),
            deadline=deadline,
            calls=self._calls,
            keys=self._keys,
            secrets=self._secrets,
            clock=self._clock,
        )
        accepted = Accepted(
            kind=KIND, algorithms=connection.id_token.algorithms, types=frozenset({TYPE}), encryption="none"
        )
        verified = verify_jwt(context, token, accepted, keys_for(context, self._jwks, accepted))
        return _ended(context, verified)


def _ended(context: Context, verified: VerifiedJwt) -> EndedSession:
    connection, claims, now = context.connection, verified.claims, context.clock()
    skew = connection.id_token.clock_skew
    if connection.logout.require_typ and str(verified.header.get("typ", "")).lower() != TYPE:
        raise UpstreamError("logout_token_type_refused")
    _check_event(claims)
    issuer = token_issuer(connection, claims, key_issuer=verified.key_issuer)
    check_parties(KIND, claims, issuer=issuer, audience=connection.client_id)
    check_lifetime(KIND, claims, now=now, clock_skew=skew, required=("iat", "exp"))
    if claims["iat"] < now - MAX_AGE - skew:
        raise UpstreamError("logout_token_too_old")
    subject, sid, jti = (_text(claims, name) for name in ("sub", "sid", "jti"))
    if subject is None and sid is None:
        raise UpstreamError("logout_token_names_nobody")
    if jti is None:
        raise UpstreamError("logout_token_jti_malformed")
    until = int(claims["iat"]) + MAX_AGE + 2 * skew + 1
    return EndedSession(issuer=issuer, subject=subject, sid=sid, jti=jti, until=until)


def _check_event(claims: Mapping[str, Any]) -> None:
    """Tell a logout token from every other JWT of the IdP's: it has this event, and never a nonce (§2.4, §2.6)."""
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
        raise UpstreamError("logout_token_event_missing")
    if "nonce" in claims:
        raise UpstreamError("logout_token_is_id_token")


def _text(claims: Mapping[str, Any], name: str) -> str | None:
    """Return a claim that is text, None without it."""
    value = claims.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_TEXT or not value.isprintable():
        raise UpstreamError(f"logout_token_{name}_malformed")
    return value
