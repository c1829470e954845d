"""The front channel of SAML, put together: what towards OpenID providers caches and calls serves here, too.

A module of its own beside wiring, because lxml and xmlsec come with it, and because fixtures mode needs the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fedbridge.flows.services import FrontChannel
from fedbridge.rp.cache import StaleCache
from fedbridge.rp.calls import Calls
from fedbridge.sp import idp_metadata
from fedbridge.sp import snapshot as saml_snapshot
from fedbridge.sp.artifact import ArtifactResolver
from fedbridge.sp.idp import IdentityProvider
from fedbridge.sp.saml import SamlUpstream
from fedbridge.sp.single_logout import SamlSingleLogout

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fedbridge.errors import UpstreamError
    from fedbridge.model.connection import Connection
    from fedbridge.model.deadline import Deadline
    from fedbridge.ports import Clock, HttpClient, Keys, ReplayGuard, Secrets

MAX_SAML_FORM = 320 * 1024
"""Bytes of the form that brings a Response: 100,000 characters of base64, each of which may be percent-encoded, and more."""


def saml_routes(
    shared: dict[str, Any],
    *,
    http: HttpClient,
    keys: Keys,
    secrets: Secrets,
    replays: Callable[[], ReplayGuard],
) -> FrontChannel:
    """Return the front channel of SAML over these ports; `shared` are the fields of `Services`."""
    telemetry, clock = shared["telemetry"], shared["clock"]

    def on_stale(key: tuple[str, ...], failure: UpstreamError) -> None:
        telemetry.event(
            "metadata_stale",
            connection=key[0],
            reason=failure.reason,
            upstream_status=failure.upstream_status,
        )

    calls = Calls(http, telemetry, keys=keys, clock=clock)
    providers = _providers(calls, secrets, clock, on_stale)
    upstream = SamlUpstream(
        providers=providers,
        keys=keys,
        telemetry=telemetry,
        artifacts=ArtifactResolver(calls=calls, clock=clock),
        clock=clock,
    )
    return FrontChannel(
        **shared,
        upstream=lambda _connection: upstream,
        protocols=frozenset({"saml"}),
        return_path="/saml/acs",
        state_parameter="RelayState",
        unsolicited=upstream,
        single_logout=SamlSingleLogout(providers=providers, keys=keys, clock=clock),
        replays=replays,
        max_form=MAX_SAML_FORM,
    )


def snapshot_parts(
    connection: Connection,
    before: Mapping[str, Any],
    *,
    calls: Calls,
    secrets: Secrets,
    clock: Clock,
    deadline: Deadline,
) -> dict[str, Any]:
    """Return what a snapshot holds of the IdP, nothing where its metadata do not come from it.

    Raises as `IdentityProviders.get` does, and UpstreamError for what an operator has to look at after `before`.
    """
    metadata = connection.saml.metadata if connection.saml is not None else None
    if metadata is None or not metadata.source.startswith(("https:", "http:")):
        return {}

    def nothing_is_stale(_key: tuple[str, ...], failure: UpstreamError) -> None:
        raise failure

    provider = _providers(calls, secrets, clock, nothing_is_stale).fetch(connection, metadata, deadline)
    if saml_snapshot.PART in before:
        last_good = saml_snapshot.from_part(connection, before[saml_snapshot.PART])
        idp_metadata.refuse_moved(connection, last_good, provider)
    return {saml_snapshot.PART: saml_snapshot.to_part(provider)}


def _providers(
    calls: Calls,
    secrets: Secrets,
    clock: Clock,
    on_stale: Callable[[tuple[str, ...], UpstreamError], None],
) -> idp_metadata.IdentityProviders:
    cache: StaleCache[IdentityProvider] = StaleCache(
        fresh=idp_metadata.FRESH, stale=idp_metadata.STALE, clock=clock, on_stale=on_stale
    )
    return idp_metadata.IdentityProviders(
        calls=calls, secrets=secrets, cache=cache, clock=clock, on_stale=on_stale
    )
