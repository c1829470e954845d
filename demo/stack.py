"""Starts everything on loopback, in the order in which one needs the other, and ends it again."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from demo.app import App
from demo.bank import bank
from demo.bridge import CONNECTION, RELYING_PARTY, Bridge, connections_yaml, running_bridge
from demo.cognito import Cognito, StrictFront, identity_provider
from demo.kinds import Party
from demo.proofs import Setting
from demo.recorder import Recorder
from demo.server import Site, forward_to
from demo.simulated_pool import SimulatedPool
from demo.views import Scene
from fedbridge.cli.secrets import new_client_secret
from fedbridge.op.client_authentication import secret_hash
from tests.counterparts.cognito_configuration import OidcIdentityProvider
from tests.counterparts.ministack import MiniStack, ministack_or_skip_reason

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sites:
    """The addresses that browsers see, each recorded. The bank alone is on 127.0.0.1: cookies know hosts, not ports."""

    app: Site
    cognito: Site
    bridge: Site
    bank: Site

    def all(self) -> tuple[Site, ...]:
        """Return all of them."""
        return self.app, self.cognito, self.bridge, self.bank


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """The running demo. `client_secret` is what Cognito has for the bridge."""

    url: str
    scene: Scene
    recorder: Recorder
    bridge: Bridge
    cognito: Cognito
    client_secret: str


@contextmanager
def running(say: Say, *, simulate_pool: bool = False) -> Iterator[Demo]:
    """Run the demo while the context lasts; raises ProgramFailedError when a part does not come up.

    `simulate_pool` leaves ministack out even where it is installed.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fedbridge-demo-")))
        recorder = Recorder()
        sites = Sites(
            app=Site(Party.APP, "localhost", recorder),
            cognito=Site(Party.COGNITO, "localhost", recorder),
            bridge=Site(Party.BRIDGE, "localhost", recorder),
            bank=Site(Party.IDP, "127.0.0.1", recorder),
        )
        for site in sites.all():
            stack.enter_context(site.served())
        secret = new_client_secret()
        bridge_issuer = f"{sites.bridge.url}/{CONNECTION}"

        say("Starting the bank, npm oidc-provider …")
        provider = stack.enter_context(bank(front=sites.bank.url, bridge_issuer=bridge_issuer))
        sites.bank.respond = forward_to(provider.origin)

        say("Starting the bridge, fedbridge dev …")
        configuration = connections_yaml(
            idp=sites.bank.url,
            secret_hash=secret_hash(secret),
            redirect_uri=f"{sites.cognito.url}/oauth2/idpresponse",
            restart_url=f"{sites.app.url}/sign-in",
        )
        bridge = stack.enter_context(running_bridge(folder, configuration, base_url=sites.bridge.url))
        sites.bridge.respond = forward_to(bridge.url)

        known = identity_provider(client_id=RELYING_PARTY, client_secret=secret, issuer=bridge_issuer)
        missing = "it was asked for" if simulate_pool else ministack_or_skip_reason()
        if isinstance(missing, str):
            say(f"Simulating the Cognito user pool ({missing}) …")
            cognito = _simulated_cognito(stack, sites, known, recorder, because=missing)
        else:
            say("Starting the Cognito user pool, ministack …")
            cognito = _emulated_cognito(stack, sites, known, recorder)
        sites.cognito.respond = cognito.respond
        scene = Scene(
            app_url=sites.app.url,
            bridge_url=sites.bridge.url,
            setting=Setting(
                bank_issuer=provider.issuer,
                bridge_issuer=bridge_issuer,
                client_keys=_read(f"{bridge_issuer}/client-jwks.json"),
                id_token_keys=_read(f"{bridge_issuer}/.well-known/jwks.json"),
            ),
            origins={site.url: site.party for site in sites.all()},
            recorder=recorder,
            configuration=configuration,
            simulated_because=cognito.simulated_because,
            bridge=bridge,
        )
        sites.app.respond = App(url=sites.app.url, pool=cognito.pool, recorder=recorder, scene=scene)
        yield Demo(
            url=sites.app.url,
            scene=scene,
            recorder=recorder,
            bridge=bridge,
            cognito=cognito,
            client_secret=secret,
        )


def _simulated_cognito(
    stack: ExitStack, sites: Sites, provider: OidcIdentityProvider, recorder: Recorder, *, because: str
) -> Cognito:
    callback = f"{sites.app.url}/callback"
    simulated = SimulatedPool(
        url=sites.cognito.url, provider=provider, app_callback=callback, recorder=recorder
    )
    stack.enter_context(contextlib.closing(simulated))
    return Cognito(pool=simulated.pool, respond=simulated, simulated_because=because)


def _emulated_cognito(
    stack: ExitStack, sites: Sites, provider: OidcIdentityProvider, recorder: Recorder
) -> Cognito:
    emulator = stack.enter_context(MiniStack(front=sites.cognito.url))
    pool = emulator.create_federated_pool(provider, app_callback=f"{sites.app.url}/callback")
    pool = replace(pool, local_url=sites.cognito.url)
    metadata = _read(f"{provider.oidc_issuer}/.well-known/openid-configuration")
    front = StrictFront(emulator=forward_to(emulator.url), pool=pool, metadata=metadata, recorder=recorder)
    stack.enter_context(contextlib.closing(front))
    return Cognito(pool=pool, respond=front)


def _read(url: str) -> dict[str, Any]:
    document: dict[str, Any] = httpx.get(url, trust_env=False).raise_for_status().json()
    return document
