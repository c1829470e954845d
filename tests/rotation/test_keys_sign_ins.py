"""A thousand sign-ins while keys rotate by themselves, at IdPs that keep their copy of the bridge's keys for a day.

The scheduled function runs every hour, with the clock of the simulation. Cognito reads the bridge's keys at every sign-in, another
relying party keeps them for twelve hours, the IdP for twenty-four: whatever it does not find in its copy it refuses, and it
encrypts to what is in there. Some sign-ins begin right before each run and end after it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from fedbridge.model.connection import ClientAuthentication, Connection, IdTokenPolicy
from fedbridge.model.key_ring import SPREAD, KeyRing, Kind, Use
from fedbridge.model.policies import TokenDecryption
from fedbridge.model.saml import AssertionPolicy, Saml, SamlKey, SamlProvider
from tests.rotation.aws import Aws, running_aws
from tests.rotation.bridge import TABLE
from tests.rotation.openid_idp import CLIENT_ID, ISSUER, OpenidIdp, OpenidPage
from tests.rotation.saml_idp import SP, SamlIdp
from tests.rotation.stage import Stage, parties
from tests.rotation.timeline import DAY, HOUR, MINUTE, Kept, Timeline
from tests.rotation.world import NAME, CachingRelyingParty, World
from tests.unit.sp.idp import IDP, SSO

pytestmark = pytest.mark.timeout(300)  # On a machine that does something else besides.

SIGN_INS = 1_000
DAYS = 13
EVERY, SOON = int(4 * DAY), int(2 * DAY)
BRIEF = {"retire_after": int(25 * HOUR)}
"""In the place of 14 days, which SAML rings have by default."""

P256: Kind = "secretsmanager:P-256"
RSA: Kind = "secretsmanager:RSA-2048"


@pytest.fixture
def aws() -> Iterator[Aws]:
    with running_aws(TABLE) as aws:
        yield aws


Policies = dict[str, dict[str, int]]
"""Name of a ring → what it is told beside the usual."""


def ring(
    use: Use, kind: Kind, every: int, publish_for: int | None = None, retire_after: int | None = None
) -> KeyRing:
    """Return a ring that rotates every few days; the rest is by default."""
    return KeyRing(
        use=use,
        kind=kind,
        rotate_every=every,
        confirmation="automatic",
        publish_for=publish_for,
        retire_after=retire_after,
    )


def openid_stage(aws: Aws, policies: Policies, every: int = EVERY) -> tuple[Stage, OpenidIdp, World]:
    """Three rings at one connection: of client assertions, of decryption keys, and of ID tokens."""
    timeline = Timeline(1_800_000_000.0)
    idp = OpenidIdp(timeline, encrypts=True)
    made = Stage(aws, timeline, idp, id_token_ring="id-token")
    idp.bridge_keys = made.bridge_keys()
    made.apply(
        Connection(
            name=NAME,
            issuer=ISSUER,
            client_id=CLIENT_ID,
            relying_parties=parties(),
            client_authentication=ClientAuthentication(method="private_key_jwt", key="ring:assertion"),
            token_decryption=TokenDecryption(keys=("ring:decryption",)),
            id_token=IdTokenPolicy(algorithms=("ES256",), encryption="required"),
        ),
        {
            "assertion": ring("client-assertion", P256, every, **policies.get("assertion", {})),
            "decryption": ring("token-decryption", P256, every, **policies.get("decryption", {})),
            "id-token": ring("id-token", P256, every, **policies.get("id_token", {})),
        },
    )
    return made, idp, made.world(OpenidPage(idp))


def saml_stage(aws: Aws, policies: Policies, every: int = EVERY) -> tuple[Stage, SamlIdp, World]:
    """Two rings at one connection: of certificates that sign AuthnRequests, and of those that IdPs encrypt to."""
    # python3-saml looks at the real clock, and takes assertions that are good for longer.
    timeline = Timeline(time.time())
    made = Stage(aws, timeline)
    metadata = Kept(lambda: made.bridge.get(f"/{NAME}/saml/metadata").body)
    idp = SamlIdp(timeline, time.time, metadata)
    made.put_secret("secretsmanager:fedbridge/test/idp", idp.pem)
    made.apply(
        Connection(
            name=NAME,
            protocol="saml",
            issuer=IDP,
            client_id=SP,
            relying_parties=parties(),
            saml=Saml(
                provider=SamlProvider(
                    single_sign_on_service=SSO, certificates=("secretsmanager:fedbridge/test/idp",)
                ),
                signing_keys=(SamlKey(key="ring:signing"),),
                decryption_keys=(SamlKey(key="ring:decryption"),),
                assertion=AssertionPolicy(encryption="required"),
            ),
        ),
        {
            "signing": ring("saml-signing", P256, every, **BRIEF | policies.get("signing", {})),
            "decryption": ring("saml-decryption", RSA, every, **BRIEF | policies.get("decryption", {})),
        },
    )
    return made, idp, made.world(idp)


def play(made: Stage, world: World, copy: Kept[Any], *, days: int, sign_ins: int) -> None:
    """Run the scheduled function every hour; people sign in around each run, and evenly in between.

    Copies are fetched anew once or twice a day, a minute before a run: what it publishes they miss for as long as they can.
    """
    began, end = made.timeline.now, made.timeline.now + days * DAY
    made.timeline.every(DAY, copy.refresh, first=began + 23 * HOUR - MINUTE, until=end)
    for others in {
        id(each): each for each in world.parties if isinstance(each, CachingRelyingParty)
    }.values():
        made.timeline.every(DAY / 2, others.keys.refresh, first=began + 11 * HOUR - MINUTE, until=end)
    made.timeline.every(HOUR, made.tick, until=end)
    runs = days * 24 - 1
    for i in range(runs):
        world.sign_in(began + (i + 1) * HOUR - (10, 100, 280)[i % 3], 285)
    left = sign_ins - runs
    for i in range(left):
        world.sign_in(began + days * DAY * (i + 0.5) / left, (1, 20, 45, 90, 180, 285)[i % 6])
    made.timeline.run()
    assert world.begun == sign_ins


def kids_of_id_tokens(world: World) -> list[str]:
    return [kid for party in world.parties if isinstance(party, CachingRelyingParty) for kid in party.kids]


def test_the_keys_of_an_openid_connection(aws):
    made, idp, world = openid_stage(aws, {})
    assert idp.bridge_keys is not None
    play(made, world, idp.bridge_keys, days=DAYS, sign_ins=SIGN_INS)
    assert world.failures == []
    assert world.ended == SIGN_INS
    assert idp.refusals == []
    # Each ring has rotated three times, and the IdP has read the keys once a day.
    assert len(set(idp.kids)) == 4
    assert len(set(idp.encrypted_to)) == 4
    assert len(set(kids_of_id_tokens(world))) == 4  # The first was there before the ring.
    assert idp.bridge_keys.fetched == DAYS + 1


def test_the_certificates_of_a_saml_connection(aws):
    made, idp, world = saml_stage(aws, {})
    play(made, world, idp.metadata, days=DAYS, sign_ins=SIGN_INS)
    assert world.failures == []
    assert world.ended == SIGN_INS
    assert len(set(idp.verified)) == 4
    assert len(set(idp.encrypted_to)) == 4
    assert idp.metadata.fetched == DAYS + 1


HASTY = {"publish_for": SPREAD}
FORGETFUL = {"retire_after": 2 * 3600}


@pytest.mark.parametrize(
    "policies",
    [{"assertion": HASTY}, {"decryption": FORGETFUL}, {"id_token": HASTY}],
    ids=min,
)
def test_without_waiting_out_the_copies_sign_ins_fail(aws, policies):
    """That the simulation sees failures where there are some: keys used, or forgotten, before the copies are old."""
    made, idp, world = openid_stage(aws, policies, every=SOON)
    assert idp.bridge_keys is not None
    play(made, world, idp.bridge_keys, days=3, sign_ins=90)
    assert 0 < len(world.failures) < 45
    reasons = {told["reason"] for told in made.bridge.telemetry.failed}
    assert ("invalid_client" in idp.refusals) == ("assertion" in policies)
    assert ("id_token_decryption_key_unknown" in reasons) == ("decryption" in policies)
    assert any("0 keys with kid" in failure for failure in world.failures) == ("id_token" in policies)


@pytest.mark.parametrize("policies", [{"signing": HASTY}, {"decryption": FORGETFUL}], ids=min)
def test_without_waiting_out_the_copies_saml_sign_ins_fail(aws, policies):
    made, idp, world = saml_stage(aws, policies, every=SOON)
    play(made, world, idp.metadata, days=3, sign_ins=90)
    assert 0 < len(world.failures) < 45
    reasons = {told["reason"] for told in made.bridge.telemetry.failed}
    assert any("the IdP refuses the AuthnRequest" in failure for failure in world.failures) == (
        "signing" in policies
    )
    assert ("saml_decryption_failed" in reasons) == ("decryption" in policies)
