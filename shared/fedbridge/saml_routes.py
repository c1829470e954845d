"""The front channel of SAML, put together: what towards OpenID providers caches and calls serves here, too.

A module of its own beside wiring, because lxml and xmlsec come with it, and because fixtures mode needs the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fedbridge.flows.services import FrontChannel
from fedbridge.rp.cache import StaleCache
from fedbridge.rp.calls import Calls
from fedbridge.sp import idp_metadata
from fedbridge.sp.artifact import ArtifactResolver
from fedbridge.sp.idp import IdentityProvider
from fedbridge.sp.saml import SamlUpstream
from fedbridge.sp.single_logout import SamlSingleLogout

if TYPE_CHECKING:
    from collections.abc import Callable

    from fedbridge.errors import UpstreamError
    from fedbridge.ports import HttpClient, Keys, ReplayGuard, Secrets

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
    cache: StaleCache[IdentityProvider] = StaleCache(
        fresh=idp_metadata.FRESH, stale=idp_metadata.STALE, clock=clock, on_stale=on_stale
    )
    providers = idp_metadata.IdentityProviders(
        calls=calls, secrets=secrets, cache=cache, clock=clock, on_stale=on_stale
    )
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
