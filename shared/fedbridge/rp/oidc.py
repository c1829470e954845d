"""The `Upstream` port for OpenID Connect: the authorization code flow towards one IdP, from begin to finish."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from fedbridge.claims.mapping import to_identity
from fedbridge.model.connection import Connection
from fedbridge.model.deadline import Deadline
from fedbridge.model.http import Parameters
from fedbridge.model.identity import Identity
from fedbridge.ports import Clock, HttpClient, Keys, Secrets, Telemetry, UpstreamRedirect
from fedbridge.rp.assurance import with_acr_of_app
from fedbridge.rp.authorization_request import build_authorization_request
from fedbridge.rp.authorization_response import carried_state, validate_authorization_response
from fedbridge.rp.calls import Calls
from fedbridge.rp.context import Context, KeyContext
from fedbridge.rp.id_token import Expected, verify_id_token
from fedbridge.rp.jwks import JwksSource
from fedbridge.rp.metadata import MetadataSource
from fedbridge.rp.token_endpoint import exchange_code
from fedbridge.rp.userinfo import fetch_userinfo

if TYPE_CHECKING:
    from fedbridge.rp.dpop import Nonces, Prover
    from fedbridge.rp.jwt import VerifiedJwt


class OidcUpstream:
    """Signs in through OpenID Connect IdPs, any number of connections; one for a sandbox's life, safe under threads.

    `clock` is in seconds since the epoch; `sleep` waits before the second try of a GET.
    """

    def __init__(
        self,
        *,
        http: HttpClient,
        keys: Keys,
        secrets: Secrets,
        telemetry: Telemetry,
        clock: Clock = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._telemetry = telemetry
        self._keys = keys
        self._secrets = secrets
        self._clock = clock
        self._calls = Calls(http, telemetry, keys=keys, clock=clock, sleep=sleep)
        self._metadata = MetadataSource(self._calls, telemetry, clock)
        self._jwks = JwksSource(self._calls, telemetry, clock)

    def begin(
        self,
        connection: Connection,
        *,
        state: str,
        callback_url: str,
        parameters: Mapping[str, str],
        deadline: Deadline,
    ) -> UpstreamRedirect:
        """Return the authorization request; calls the IdP to push it, and for metadata and keys that are not cached.

        Raises OAuthError invalid_request (a parameter of the app's), UpstreamError, ConfigurationError, KeyUnavailable,
        DeadlineExceeded.
        """
        bound = connection.dpop.at_authorization if connection.dpop is not None else "none"
        prover = self._prover(connection) if bound != "none" else None
        context = self._context(connection, deadline, dpop=prover if bound == "proof" else None)
        redirect = build_authorization_request(
            context,
            self._jwks,
            state=state,
            callback_url=callback_url,
            parameters=parameters,
            dpop_jkt=prover.key.kid if prover is not None and bound == "dpop_jkt" else None,
        )
        if prover is None:
            return redirect
        return replace(redirect, remembered={**redirect.remembered, **prover.remembered()})

    def state_of(self, connection: Connection, response: Parameters, deadline: Deadline) -> str | None:
        """Return the `state` of a response; raises KeyUnavailable, ConfigurationError (the key of an encrypted one)."""
        return carried_state(KeyContext(connection=connection, deadline=deadline, keys=self._keys), response)

    def finish(
        self,
        connection: Connection,
        *,
        remembered: Mapping[str, str],
        callback_url: str,
        response: Parameters,
        deadline: Deadline,
    ) -> Identity:
        """Redeem the code, verify the ID token, fetch userinfo and normalize the claims.

        Raises UpstreamError, KeyUnavailable, ConfigurationError, DeadlineExceeded.
        """
        context = self._context(connection, deadline, dpop=self._prover(connection, remembered))
        granted = validate_authorization_response(context, self._jwks, response, remembered)
        tokens = exchange_code(
            context,
            code=granted.code,
            callback_url=callback_url,
            code_verifier=remembered.get("code_verifier"),
        )
        expected = Expected(
            remembered=remembered,
            access_token=tokens.access_token,
            code=granted.code,
            state=granted.state,
        )
        id_token = verify_id_token(context, self._jwks, tokens.id_token, expected)
        subject = id_token.claims["sub"]
        userinfo = fetch_userinfo(
            context, self._jwks, access_token=tokens.access_token, id_token=id_token.claims
        )
        if connection.logout.revoke_tokens:
            from fedbridge.rp.revocation import revoke_tokens  # noqa: PLC0415  few IdPs ask for it

            revoke_tokens(context, tokens, self._telemetry)
        mapped = to_identity(
            connection,
            upstream_issuer=id_token.claims["iss"],
            upstream_subject=subject,
            id_token=id_token.claims,
            userinfo=userinfo,
            upstream_id_token=id_token.compact if connection.tokens == "relay" else None,
        )
        identity = mapped.noted(self._telemetry, connection, deadline)
        return with_acr_of_app(
            connection.assurance, remembered, _with_session(connection, identity, id_token)
        )

    def logout(
        self,
        connection: Connection,
        *,
        state: str,
        return_url: str,
        remembered: Mapping[str, str],
        deadline: Deadline,
    ) -> str | None:
        """Return the logout request (RP-Initiated Logout 1.0 §2); calls the IdP for metadata that are not cached.

        Raises UpstreamError (`end_session_endpoint_missing`, `metadata_…`, `upstream_…`), DeadlineExceeded.
        """
        if connection.logout.mode == "none":
            return None
        from fedbridge.rp.end_session import logout_request  # noqa: PLC0415  a sign-in has no use for it

        return logout_request(
            connection,
            self._metadata.get(connection, deadline),
            state=state,
            return_url=return_url,
            id_token_hint=remembered.get("id_token_hint"),
        )

    def _context(self, connection: Connection, deadline: Deadline, *, dpop: Prover | None) -> Context:
        return Context(
            connection=connection,
            metadata=self._metadata.get(connection, deadline),
            deadline=deadline,
            calls=self._calls,
            keys=self._keys,
            secrets=self._secrets,
            clock=self._clock,
            dpop=dpop,
        )

    def _prover(self, connection: Connection, remembered: Mapping[str, str] | None = None) -> Prover | None:
        """Return what makes the proofs of a sign-in, with the key that it remembers or a new one; None without DPoP."""
        if connection.dpop is None:
            return None
        from fedbridge.rp.dpop import Prover  # noqa: PLC0415  few connections bind their tokens

        return Prover.of(
            connection, connection.dpop, remembered or {}, nonces=self._nonces, clock=self._clock
        )

    @functools.cached_property
    def _nonces(self) -> Nonces:
        from fedbridge.rp.dpop import Nonces  # noqa: PLC0415  likewise

        return Nonces()


def _with_session(connection: Connection, identity: Identity, id_token: VerifiedJwt) -> Identity:
    """Return the identity with what signing out will take, for a connection that keeps it."""
    if not connection.logout.sessions:
        return identity
    from fedbridge.model.session import UpstreamSession  # noqa: PLC0415  few connections keep anything

    sid = id_token.claims.get("sid")
    hint = {"id_token_hint": id_token.compact} if connection.logout.mode == "id_token_hint" else {}
    session = UpstreamSession(
        issuer=id_token.claims["iss"], sid=sid if isinstance(sid, str) else None, remembered=hint
    )
    return replace(identity, session=session)
