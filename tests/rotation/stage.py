"""What a simulation plays on: AWS, the clock, the bridge and its scheduled function, and what operators do."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fedbridge.configuration.document import encode
from fedbridge.configuration.rings import filled, rings_in
from fedbridge.flows.ring_publication import Rotation, note
from fedbridge.flows.rotation import rotate, stage
from fedbridge.keys.provider import CachedKeys
from fedbridge.keys.ring_keys import RingKeyMaker
from fedbridge.keys.secrets import CachedSecrets
from fedbridge.model.connection import Connection, ManagedSecret, RelyingParty
from fedbridge.model.deadline import Deadline
from fedbridge.model.key_ring import KeyRing, RingState, StoredRing
from fedbridge.model.logout import UserPool
from fedbridge.op.client_authentication import secret_hash
from fedbridge.publishing import publishable
from fedbridge.store.connections_dynamodb import ConnectionPublisher
from fedbridge.wiring import key_rings
from tests.conformance.transactions import soon
from tests.rotation.aws import Aws
from tests.rotation.bridge import ENVIRONMENT, TABLE, Bridge
from tests.rotation.pools import FakeIdentityProviders
from tests.rotation.timeline import Kept, Timeline
from tests.rotation.world import (
    COGNITO,
    NAME,
    OTHER,
    OTHER_REDIRECT_URI,
    PROVIDER,
    CachingRelyingParty,
    CognitoPool,
    Upstream,
    World,
)
from tests.support.keys import ec_key, private_pem

POOL = UserPool(id="eu-north-1_EXAMPLE01", identity_provider=PROVIDER)
ID_TOKEN_KEY = "secretsmanager:fedbridge/test/id-token/key"
FIRST = "the-secret-that-cognito-has-at-the-beginning"
OTHERS = "the-secret-of-the-load-balancer-which-stays-as-it-is"


def parties() -> tuple[RelyingParty, ...]:
    """Return Cognito, whose secret is managed, and another relying party, whose secret stays."""
    cognito = RelyingParty(
        client_id=COGNITO,
        secret_hashes=(secret_hash(FIRST),),
        managed_secret=ManagedSecret(),
        user_pool=POOL,
        redirect_uris=("https://acme.auth.eu-west-1.amazoncognito.com/oauth2/idpresponse",),
        restart_url="https://app.example/",
    )
    other = RelyingParty(
        client_id=OTHER,
        secret_hashes=(secret_hash(OTHERS),),
        redirect_uris=(OTHER_REDIRECT_URI,),
        restart_url="https://app.example/",
    )
    return cognito, other


@dataclass
class Stage:
    """`idp` is the bridge's way out. A ring of ID tokens signs once it has an active key."""

    aws: Aws
    timeline: Timeline
    idp: Any = None
    id_token_ring: str | None = None
    pool: FakeIdentityProviders = field(init=False)

    def __post_init__(self) -> None:
        self.put_secret(ID_TOKEN_KEY, private_pem(ec_key("P-256", 4_000_000)))
        self.publisher = ConnectionPublisher(self.aws.clients("dynamodb"), TABLE, clock=self.timeline)
        self.bridge = Bridge(
            self.timeline, self.aws.clients, self.idp, (ID_TOKEN_KEY,), id_token_ring=self.id_token_ring
        )
        details = {
            "oidc_issuer": f"https://bridge.example/{NAME}",
            "client_id": COGNITO,
            "client_secret": FIRST,
        }
        self.pool = FakeIdentityProviders(self.timeline, details)
        self._turn = 0

    # --- what operators do ---

    def put_secret(self, reference: str, value: str) -> None:
        """Store a value in Secrets Manager."""
        client, name = self.aws.clients("secretsmanager"), reference.removeprefix("secretsmanager:")
        known = {each["Name"] for each in client.list_secrets()["SecretList"]}
        if name in known:
            client.put_secret_value(SecretId=name, SecretString=value)
        else:
            client.create_secret(Name=name, SecretString=value)

    def apply(self, connection: Connection, rings: Mapping[str, KeyRing] | None = None) -> None:
        """Declare rings, let each have its first key, and publish the connection with them."""
        states: dict[str, RingState] = {}
        for name, policy in (rings or {}).items():
            ring = self.rotation.rings.put(
                StoredRing(name=name, policy=policy, state=RingState(), revision=0), soon()
            )
            states[name] = stage(self.rotation, ring, soon()).state
        used = {name for names in rings_in(connection).values() for name in names}
        ready = self._publishable(filled(connection, {name: states[name] for name in used}))
        self.publisher.publish(NAME, encode(ready), ready.version, soon())
        for name in states:
            stored = self.rotation.rings.get(name, soon())
            assert stored is not None
            note(self.rotation, stored, soon())

    # --- what the scheduled function does ---

    @functools.cached_property
    def rotation(self) -> Rotation:
        """What `fedbridge.operations` puts together, with the clock of the simulation."""
        return Rotation(
            rings=key_rings(TABLE, self.aws.clients),
            maker=RingKeyMaker(environment=ENVIRONMENT, clients=self.aws.clients, sleep=self.timeline.sleep),
            connections=self.publisher,
            publishable=self._publishable,
            telemetry=self.bridge.telemetry,
            clock=self.timeline,
            id_token_ring=self.id_token_ring,
        )

    def tick(self) -> None:
        """Run it once."""
        assert rotate(self.rotation, Deadline.after(60)) == 0, self.bridge.telemetry.failed

    def _publishable(self, connection: Connection) -> Connection:
        secrets = CachedSecrets(
            self.aws.clients, allow_local=False, telemetry=self.bridge.telemetry, clock=self.timeline
        )
        keys = CachedKeys(secrets, self.aws.clients, trust_stored=False, clock=self.timeline)
        return publishable(connection, keys, secrets)

    # --- who takes part ---

    def bridge_keys(self) -> Kept[dict[str, Any]]:
        """Return somebody's copy of the connection's client-jwks.json."""

        def fetch() -> dict[str, Any]:
            keys: dict[str, Any] = json.loads(self.bridge.get(f"/{NAME}/client-jwks.json").body)
            return keys

        return Kept(fetch)

    def cognitos_secret(self) -> str:
        """Return a secret that Cognito may send now: while a new one spreads, now this one and now that."""
        in_use = self.pool.in_use()
        self._turn += 1
        return in_use[self._turn % len(in_use)]

    def world(self, upstream: Upstream) -> World:
        """Return everybody: two of three sign-ins are Cognito's."""
        pool = CognitoPool(self.bridge, self.timeline, self.cognitos_secret)
        other = CachingRelyingParty(self.bridge, self.timeline, OTHERS)
        return World(self.timeline, self.bridge, upstream, [pool, pool, other])
