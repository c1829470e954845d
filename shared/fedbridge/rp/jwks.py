"""An IdP's signing keys: fetched, cached, and fetched anew when a token names one that is not among them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from fedbridge.errors import ConfigurationError, UpstreamError
from fedbridge.model.connection import Connection
from fedbridge.model.deadline import Deadline
from fedbridge.model.snapshot import Seed
from fedbridge.ports import Clock, OutboundRequest, Telemetry
from fedbridge.rp.cache import StaleCache
from fedbridge.rp.calls import Calls
from fedbridge.rp.context import Context
from fedbridge.rp.errors import upstream_error
from fedbridge.rp.jwk_set import JwkSet, VerificationKey, parse_jwk_set, usable_keys

FRESH = 600.0
STALE = 3600.0
"""Seconds since the fetch: used without a question, used when a refresh fails."""

REFETCH_COOLDOWN = 30.0
"""Seconds between fetches that an unknown `kid` causes, per connection and sandbox."""

STRAIGHT_FROM_IDP = frozenset({"id_token", "userinfo"})
"""Kinds of token that come from the IdP's own endpoint over verified TLS. The keys of a snapshot stand in for a fetch for
these alone: whatever else is signed may come from a stranger who has a key that was withdrawn (ADR 0023)."""

MAX_BYTES = 256 * 1024
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyDocument:
    """How keys are published. `name` is the kind of endpoint in the log, and begins the reason of an outage."""

    name: str
    accept: str
    read: Callable[[bytes], JwkSet]


JWK_SET = KeyDocument(name="jwks", accept="application/jwk-set+json, application/json", read=parse_jwk_set)


class JwksSource:
    """Signing keys by connection, cached per connection, configuration version and address."""

    def __init__(self, calls: Calls, telemetry: Telemetry, clock: Clock) -> None:
        self._calls = calls
        self._telemetry = telemetry
        self._cache = StaleCache[JwkSet](
            fresh=FRESH,
            stale=STALE,
            clock=clock,
            on_stale=lambda key, failure: telemetry.event(
                "keys_stale",
                connection=key[0],
                reason=failure.reason,
                upstream_status=failure.upstream_status,
            ),
        )

    def of(self, context: Context, kind: str) -> Callable[..., VerificationKey]:
        """Return the keys of one sign-in's IdP, as `verify_jwt` asks for them."""
        return self.at(context, context.metadata.jwks_uri, kind)

    def at(
        self, context: Context, url: str | None, kind: str, document: KeyDocument | None = None
    ) -> Callable[..., VerificationKey]:
        """Return the keys at another address than the IdP's own, maybe in another document than a JWK Set."""
        return functools.partial(
            self.key, context.connection, url, kind=kind, document=document, deadline=context.deadline
        )

    def key(
        self,
        connection: Connection,
        url: str | None,
        *,
        kid: str | None,
        algorithm: str,
        deadline: Deadline,
        kind: str = "id_token",
        document: KeyDocument | None = None,
    ) -> VerificationKey:
        """Return the key that a token of this kind names; an unknown one is looked for anew at most once in 30 s.

        Raises UpstreamError (`{kind}_key_unknown`, `{kind}_kid_ambiguous`, `jwks_…`, `upstream_…`), DeadlineExceeded, and
        ConfigurationError where the metadata name no `jwks_uri`.
        """
        found = self._find(
            connection,
            url,
            lambda keys: keys.find(kid, algorithm, kind),
            deadline,
            kid=kid,
            document=document,
            straight=kind in STRAIGHT_FROM_IDP,
        )
        if found is None:
            raise UpstreamError(f"{kind}_key_unknown")
        return found

    def encryption_key(
        self, context: Context, choose: Callable[[tuple[Mapping[str, Any], ...]], Found | None]
    ) -> Found:
        """Return what `choose` finds among the JWKs that one may encrypt to, with the same caching.

        Raises UpstreamError `request_encryption_key_missing` where it finds nothing, and otherwise as `key` does.
        """
        found = self._find(
            context.connection,
            context.metadata.jwks_uri,
            lambda keys: choose(keys.encryption),
            context.deadline,
        )
        if found is None:
            raise UpstreamError("request_encryption_key_missing")
        return found

    def _find(
        self,
        connection: Connection,
        url: str | None,
        choose: Callable[[JwkSet], Found | None],
        deadline: Deadline,
        *,
        kid: str | None = None,
        document: KeyDocument | None = None,
        straight: bool = False,
    ) -> Found | None:
        """Return what `choose` finds, if need be in a document that is fetched anew, at most once in 30 s."""
        if url is None:
            raise ConfigurationError(f"connection {connection.name}: endpoints.jwks_uri is missing")
        cache_key = (connection.name, connection.version, url)

        def fetch(_last_good: JwkSet | None, within: Deadline) -> JwkSet:
            return self._fetch(connection, url, document or JWK_SET, within)

        def refetch(_last_good: JwkSet | None, within: Deadline) -> JwkSet:
            self._telemetry.event(
                "jwks_refetched",
                connection=connection.name,
                correlation_id=deadline.correlation_id,
                kid=kid,
            )
            return fetch(_last_good, within)

        seed = _seed(connection, url, stands_in=straight)
        keys, fetched_now = self._cache.get(cache_key, fetch, deadline, seed=seed)
        found = choose(keys)
        if found is None and not fetched_now:
            refetched = self._cache.refetch(
                cache_key, refetch, deadline, cooldown=REFETCH_COOLDOWN, seed=seed
            )
            found = choose(refetched) if refetched else None
        return found

    def _fetch(self, connection: Connection, url: str, document: KeyDocument, deadline: Deadline) -> JwkSet:
        headers = {"accept": document.accept}
        request = OutboundRequest(method="GET", url=url, headers=headers, max_bytes=MAX_BYTES)
        response = self._calls.get(connection, document.name, request, deadline)
        if response.status != 200:
            raise upstream_error(f"{document.name}_unavailable", status=response.status)
        return document.read(response.body)


def _seed(connection: Connection, url: str, *, stands_in: bool) -> Seed[JwkSet] | None:
    """Return the keys in the connection's snapshot, if they are those at this address."""
    snapshot = connection.snapshot
    if snapshot is None:
        return None

    def read() -> JwkSet | None:
        published = snapshot.part("jwks")
        return usable_keys(published["keys"]) if published and published["uri"] == url else None

    return Seed(taken_at=snapshot.taken_at, read=read, stands_in=stands_in)
