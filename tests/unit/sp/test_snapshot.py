"""What a snapshot of a SAML IdP stands in for, and what it does not (ADR 0023)."""

import json
import math
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest

from fedbridge.configuration.document import encode
from fedbridge.errors import ConfigurationError, UpstreamError
from fedbridge.flows.services import Services
from fedbridge.model.deadline import Deadline
from fedbridge.model.saml import Saml, SamlKey, SamlMetadata
from fedbridge.model.snapshot import Snapshot
from fedbridge.ports import OutboundResponse
from fedbridge.saml_routes import saml_routes
from fedbridge.snapshots import MAX_BYTES, Snapshots, refresh_snapshot
from fedbridge.sp.snapshot import from_part, to_part
from fedbridge.sp.times import to_text
from fedbridge.store.connections_dynamodb import ConnectionPublisher, PublishedItem, Revision
from fedbridge.store.sessions_memory import MemoryReplayGuard
from tests.fakes.http import FakeHttpClient
from tests.fakes.telemetry import RecordingTelemetry
from tests.negative.test_h_saml_federation import aggregate, entity
from tests.negative.test_h_saml_metadata import SIGNER, key, leaving, metadata, parsed, service, signed
from tests.support.bridge import Bridge
from tests.unit.sp.idp import ACS, IDP, REQUEST_ID, FakePorts, Message, SamlIdp, certificate

URL = "https://idp.example/metadata"
HOUR, DAY = 3600, 24 * 3600
DOWN = UpstreamError("upstream_unreachable")


class World:
    """An IdP with metadata at a URL, and the SAML function's upstream in a sandbox that is as new as it gets."""

    def __init__(self, document=None, **source):
        self.http, self.telemetry = FakeHttpClient(), RecordingTelemetry()
        self.serve(document or metadata())
        self.ports, self.idp = FakePorts({"env:SIGNER": SIGNER, "env:METADATA": metadata()}), SamlIdp()
        saml = Saml(
            metadata=SamlMetadata(**{"source": URL, **source}), signing_keys=(SamlKey(key="env:SIGN"),)
        )
        self.connection = replace(self.idp.connection, saml=saml)
        self.new_sandbox()

    def serve(self, document):
        answer = document
        if isinstance(document, str):
            answer = OutboundResponse(status=200, headers={}, body=document.encode())
        self.http.answer("GET", URL, answer)

    def new_sandbox(self):
        bridge = Bridge()
        shared = {name: getattr(bridge.front, name) for name in Services.__dataclass_fields__}
        shared |= {"telemetry": self.telemetry, "clock": time.time}
        self.upstream = saml_routes(
            shared, http=self.http, keys=self.ports, secrets=self.ports, replays=MemoryReplayGuard
        ).upstream(self.connection)

    def take(self, **options):
        snapshots = Snapshots(http=self.http, keys=self.ports, secrets=self.ports, telemetry=self.telemetry)
        return snapshots.take(self.connection, Deadline.after(20), **options)

    def publish(self, *, age):
        """Publish with a snapshot of this age in seconds, and forget that anything was called."""
        taken = self.take()
        assert taken is not None
        self.hold(replace(taken, taken_at=taken.taken_at - age))
        self.http.sent.clear()

    def hold(self, snapshot):
        self.connection = replace(self.connection, snapshot=snapshot)

    def hold_with(self, **changes):
        """Hold a snapshot in which something else is written."""
        document = json.dumps({"saml": self.snapshot.part("saml") | changes})
        self.hold(replace(self.snapshot, document=document))

    @property
    def snapshot(self) -> Snapshot:
        assert self.connection.snapshot is not None
        return self.connection.snapshot

    def begin(self):
        return self.upstream.begin(
            self.connection, state="S" * 43, callback_url=ACS, parameters={}, deadline=Deadline.after(20)
        )

    def finish(self):
        return self.upstream.finish(
            self.connection,
            remembered={"request_id": REQUEST_ID, "asked_at": repr(time.time() - 10)},
            callback_url=ACS,
            response=self.idp.form(Message()),
            deadline=Deadline.after(20),
        )

    @property
    def fetched(self):
        return len(self.http.sent)

    def told(self):
        return [fields["reason"] for name, fields in self.telemetry.events if name == "metadata_stale"]


@contextmanager
def refused(reason):
    with pytest.raises(UpstreamError) as failure:
        yield
    assert failure.value.reason == reason


def test_a_cold_login_calls_nobody():
    world = World()
    world.publish(age=23 * HOUR)
    assert world.begin().url.startswith("https://idp.example/sso?SAMLRequest=")
    assert world.fetched == 0


def test_a_whole_sign_in_soon_after_publishing_calls_nobody():
    world = World()
    world.publish(age=HOUR - 60)
    world.begin()
    assert world.finish().subject
    assert world.fetched == 0


def test_a_response_is_verified_by_certificates_that_were_there_within_the_hour():
    """A browser brings it: a certificate that was withdrawn must not count for a day."""
    world = World()
    world.publish(age=HOUR)
    world.begin()
    assert world.fetched == 0
    _, other = certificate(3)
    world.serve(metadata(keys=key(other)))
    with pytest.raises(UpstreamError) as failure:
        world.finish()
    assert failure.value.reason.startswith("saml_")
    assert world.fetched == 1


def test_while_metadata_cannot_be_had_a_snapshot_verifies_for_a_day():
    world = World()
    world.publish(age=23 * HOUR)
    world.serve(DOWN)
    assert world.finish().subject
    assert world.told() == ["upstream_unreachable"]
    world.hold(replace(world.snapshot, taken_at=int(time.time()) - DAY))
    world.new_sandbox()
    with refused("upstream_unreachable"):
        world.begin()


def test_metadata_that_ask_to_be_read_anew_are():
    soon = f' cacheDuration="PT30M" validUntil="{to_text(time.time() + DAY)}"'
    world = World(metadata(attributes=soon))
    world.publish(age=0)
    world.hold_with(refresh_at=time.time() - 1)
    world.begin()
    assert world.fetched == 1


def test_metadata_that_have_ended_end_the_snapshot():
    world = World(metadata(attributes=f' validUntil="{to_text(time.time() + DAY)}"'))
    world.publish(age=0)
    world.hold_with(refresh_at=time.time() - 1, valid_until=time.time() - 1)
    world.serve(DOWN)
    with refused("saml_metadata_expired"):
        world.begin()


def test_of_a_federation_the_one_entity_is_kept_and_its_signature_was_verified():
    source = {"signer": "env:SIGNER", "kind": "aggregate"}
    ends = f' validUntil="{to_text(time.time() + 7 * DAY)}"'
    many = [entity(f"https://{number}.example", number) for number in range(50)]
    world = World(aggregate(*many, entity(IDP, 50), attributes=ends), **source)
    world.publish(age=0)
    assert len(world.snapshot.document) < 3000
    world.begin()
    assert world.fetched == 0

    world.serve(aggregate(entity(IDP), attributes=ends, number=3))
    with refused("saml_metadata_signature_invalid"):
        world.take()


def test_what_an_operator_has_to_look_at_is_not_taken_by_itself():
    world = World()
    world.publish(age=0)
    world.serve(metadata(services=service("https://elsewhere.example/sso")))
    with refused("saml_metadata_host_changed"):
        world.take(last_good=world.snapshot)
    moved = world.take()
    assert moved is not None
    assert moved.part("saml")["endpoints"] == {"redirect": "https://elsewhere.example/sso"}


def test_metadata_by_reference_are_the_operators_own_and_not_kept():
    world = World(source="env:METADATA")
    assert world.take() is None
    assert World().take() is not None


def test_an_idp_by_hand_has_nothing_to_take():
    world = World()
    world.connection = world.idp.connection
    assert world.take() is None


def test_a_snapshot_of_another_idp_is_told_and_not_used():
    world = World()
    world.publish(age=0)
    world.hold_with(entity_id="https://other.example")
    world.begin()
    assert world.told() == ["saml_metadata_entity_mismatch"]
    assert world.fetched == 1


@pytest.mark.parametrize(
    "document",
    [
        metadata(),
        metadata(attributes=' validUntil="2030-01-01T00:00:00Z" cacheDuration="PT1H"'),
        metadata(services=service() + leaving("https://idp.example/slo", "https://idp.example/answers")),
        metadata(keys=key() + key(certificate(3)[1])),
        signed(metadata()),
    ],
)
def test_what_was_kept_is_what_was_read(document):
    provider = parsed(document)
    stored = json.loads(json.dumps(to_part(provider)))
    assert from_part(SamlIdp().connection, stored) == provider
    assert math.isinf(provider.refresh_at) == (stored["refresh_at"] is None)
    assert from_part(SamlIdp().connection, {**stored, "of a newer release": 1}) == provider


def test_the_scheduled_function_parses_no_xml():
    """It holds the keys to the kingdom: what strangers write in XML is none of its business."""
    world = World()
    document = encode(world.connection)
    item = PublishedItem(name="acme", current=Revision(version="v1", document=document))
    snapshots = Snapshots(http=world.http, keys=world.ports, secrets=world.ports, telemetry=world.telemetry)
    assert refresh_snapshot(Unasked(), item, snapshots, Deadline.after(20)) == "nothing_to_take"
    assert world.fetched == 0


class Unasked(ConnectionPublisher):
    """A table that nobody writes to."""

    def __init__(self) -> None:
        pass


def test_an_entity_with_too_much_in_it_is_not_kept():
    certificates = "".join(key(certificate(number)[1]) for number in range(1, 4))
    world = World(
        metadata(keys=certificates, services=service() + service("https://idp.example/" + "x" * 2000))
    )
    assert world.take() is not None
    services = "".join(
        f'<md:ArtifactResolutionService Binding="urn:oasis:names:tc:SAML:2.0:bindings:SOAP" index="{index}"'
        f' Location="https://idp.example/{"x" * 1900}"/>'
        for index in range(MAX_BYTES // 1900)
    )
    world.serve(metadata(services=service() + services))
    with pytest.raises(ConfigurationError, match="too large"):
        world.take()
