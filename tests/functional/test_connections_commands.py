"""`fedbridge connections plan`, `apply`, `list`, `show`, `restore` and `remove`, with a table and a provider that answer."""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from fedbridge.cli import main
from fedbridge.cli.keys import write_private_key
from fedbridge.configuration.document import decode, encode
from fedbridge.configuration.schema import schema
from fedbridge.errors import ConfigurationError
from fedbridge.model.connection import Connection
from fedbridge.model.deadline import Deadline
from fedbridge.model.key_ring import KeyRing, RingKey, RingState, StoredRing
from fedbridge.model.snapshot import Snapshot
from fedbridge.net.outbound import OutboundClient
from fedbridge.operations import snapshots
from fedbridge.snapshots import Snapshots, refresh_snapshot, refresh_snapshots
from fedbridge.store.connections_dynamodb import ConnectionPublisher, DynamoDBConnections
from fedbridge.wiring import key_rings
from tests.conformance.transactions import soon
from tests.counterparts.loopback import LoopbackServer, Reply, json_reply
from tests.counterparts.oidc_provider import Received
from tests.fakes.telemetry import NullTelemetry, RecordingTelemetry
from tests.support.dynamodb import DynamoDBServer, running_dynamodb
from tests.unit.configuration.files import changed, write
from tests.unit.rp.idp import FakeKeys, FakeSecrets, public_jwk
from tests.unit.rp.idp import private_key as idp_key


@pytest.fixture(scope="module")
def server() -> Iterator[DynamoDBServer]:
    with running_dynamodb() as server:
        yield server


@dataclass
class Idp:
    """A provider on loopback that publishes metadata and keys; `down` answers 503."""

    origin: str = ""
    members: dict[str, Any] = field(default_factory=dict)
    key: int = 1
    label: str = ""
    down: bool = False
    asked: list[str] = field(default_factory=list)

    def answer(self, received: Received) -> Reply:
        self.asked.append(received.path)
        if self.down:
            return Reply(status=503)
        if received.path == "/jwks":
            return json_reply(
                {"keys": [public_jwk(idp_key("ES256", self.key), kid=f"{self.label}key-{self.key}")]}
            )
        endpoints = {
            f"{name}_endpoint": f"{self.origin}/{name}" for name in ("authorization", "token", "userinfo")
        }
        return json_reply(
            {"issuer": self.origin, "jwks_uri": f"{self.origin}/jwks", **endpoints, **self.members}
        )


@pytest.fixture
def idp() -> Iterator[Idp]:
    idp = Idp()
    with LoopbackServer(idp.answer) as running:
        idp.origin = running.origin
        yield idp


@dataclass
class Operator:
    """Runs commands against a table of the test's own."""

    server: DynamoDBServer
    table: str
    folder: Path
    idp: Idp
    capsys: pytest.CaptureFixture[str]
    keys: dict[str, str] = field(default_factory=dict)

    def body(self, name: str = "acme", **changes: Any) -> dict[str, Any]:
        if name not in self.keys:
            file = self.folder / f"{name}.pem"
            write_private_key(file, "P-256")
            self.keys[name] = f"file:{file}"
        digest = name.encode().hex().ljust(64, "0")
        own = {
            "issuer": self.idp.origin,
            "client_id": f"fedbridge-{name}",
            "client_authentication__key": self.keys[name],
            "relying_parties__0__secret_hashes": [f"sha256:{digest}"],
        }
        return changed(**own | changes)

    def file(self, **connections: Any) -> str:
        return str(write(self.folder, connections or {"acme": self.body()}))

    def run(self, *words: str, code: int = 0) -> str:
        """Run a command of `connections` with this exit code; returns what it printed."""
        action, *rest = words
        table = [] if action == "validate" else ["--table", self.table]
        assert main(["connections", action, *table, *rest]) == code
        said = self.capsys.readouterr()
        return said.out + said.err

    def apply(self, *options: str, code: int = 0, **connections: Any) -> str:
        return self.run("apply", "--local", *options, self.file(**connections), code=code)

    def plan(self, *options: str, **connections: Any) -> str:
        return self.run("plan", "--local", *options, self.file(**connections))

    def plan_json(self, **connections: Any) -> dict[str, Any]:
        plans = json.loads(self.plan("--json", **connections))["connections"]
        return {each["name"]: each for each in plans}

    @property
    def publisher(self) -> ConnectionPublisher:
        return ConnectionPublisher(self.server.client, self.table)

    def published(self, name: str = "acme") -> Connection:
        found = DynamoDBConnections(self.server.client, self.table, decode).find(name, soon())
        assert found is not None
        return found.current

    def snapshot(self, name: str = "acme") -> Snapshot:
        snapshot = self.published(name).snapshot
        assert snapshot is not None
        return snapshot

    def raw(self, name: str = "acme") -> dict[str, Any]:
        item = self.server.client.get_item(TableName=self.table, Key={"name": {"S": name}})
        return dict(item.get("Item", {}))


@pytest.fixture
def operator(server, tmp_path, monkeypatch, capsys, idp) -> Operator:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", server.url)
    return Operator(server, server.create_table("name"), tmp_path, idp, capsys)


# --- plan -----------------------------------------------------------------------------------------------------------


def test_a_plan_says_what_is_new_changed_unchanged_and_only_in_the_table(operator):
    old = operator.body("gamma")
    operator.apply(acme=operator.body(), beta=operator.body("beta"), gamma=old)
    said = operator.plan(
        acme=operator.body(),
        beta=operator.body("beta", id_token__clock_skew=30, authorization__acr_values=["high"]),
        delta=operator.body("delta"),
    )
    assert said.splitlines() == [
        f"acme: unchanged, version {operator.published().version}",
        re.search(r"beta: changed.*", said)[0],  # type: ignore[index]
        '  authorization.acr_values: [] -> ["high"]',
        "  id_token.clock_skew: 60 -> 30",
        re.search(r"delta: new.*", said)[0],  # type: ignore[index]
        "  snapshot: taken",
        "gamma: only in the table: apply leaves it; connections remove takes it out",
        "1 new, 1 changed, 1 unchanged, 1 only in the table",
    ]


def test_a_plan_writes_nothing(operator):
    operator.apply()
    before = operator.raw()
    operator.server.requests.clear()
    operator.plan(acme=operator.body(id_token__clock_skew=30))
    assert {operation for operation, _ in operator.server.requests} == {"Scan"}
    assert operator.raw() == before


def test_after_apply_nothing_is_left_to_plan(operator):
    operator.apply(acme=operator.body(id_token__clock_skew=30))
    planned = operator.plan_json(acme=operator.body(id_token__clock_skew=30))["acme"]
    assert planned["state"] == "unchanged"
    assert planned["version"]["before"] == planned["version"]["after"] == operator.published().version
    assert (planned["changes"], planned["snapshot"]["state"]) == ([], "unchanged")


def test_relying_parties_are_told_apart_and_keys_shown_by_their_kid(operator):
    operator.apply()
    (before,) = operator.published().client_jwks
    body = operator.body(client_authentication__key=f"file:{operator.folder / 'new.pem'}")
    write_private_key(operator.folder / "new.pem", "P-256")
    body["relying_parties"][0]["restart_url"] = "https://app.example.com/again"
    second = {**body["relying_parties"][0], "client_id": "second", "secret_hashes": ["sha256:" + "c3" * 32]}
    body["relying_parties"].append(second)
    changes = {each["path"]: each for each in operator.plan_json(acme=body)["acme"]["changes"]}
    assert changes.keys() == {
        "client_authentication.key",
        "relying_parties[cognito].restart_url",
        "relying_parties[second]",
        "client_jwks",
    }
    assert changes["relying_parties[second]"]["before"] is None
    assert changes["client_jwks"]["before"] == [f"{before['kid']} sig ES256"]


def test_a_plan_says_what_would_make_everybody_a_new_user(operator):
    operator.apply()
    said = operator.plan(acme=operator.body(subject_namespace="another"))
    assert "subject_namespace: (none) -> another" in said
    assert "subjects: CHANGED" in said
    assert (
        operator.plan_json(acme=operator.body(subject_namespace="another"))["acme"]["keeps_subjects"] is False
    )


def test_a_terminal_does_not_obey_what_a_provider_publishes(operator, idp):
    operator.apply()
    idp.label = "\x9b2J\u202e"
    said = operator.plan()
    assert "2J key-1 EC" in said
    assert all(char.isprintable() or char == "\n" for char in said)


def test_a_plan_says_what_the_provider_has_changed(operator, idp):
    operator.apply()
    idp.key = 2
    idp.members = {"token_endpoint": f"{idp.origin}/v2/token"}
    said = operator.plan()
    assert "snapshot: the identity provider has changed what it publishes" in said
    assert f"token_endpoint: {idp.origin}/token -> {idp.origin}/v2/token" in said
    assert 'keys: ["key-1 EC"] -> ["key-2 EC"]' in said
    assert operator.plan_json()["acme"]["snapshot"]["state"] == "moved"


def test_what_another_release_published_is_replaced_as_a_whole(operator):
    operator.publisher.publish("acme", json.dumps({"of": "another release"}).encode(), "v0", soon())
    said = operator.plan()
    assert "was written by another release" in said
    assert "subjects: CHANGED" in said


def test_no_line_is_wider_than_a_terminal_but_for_a_single_value(operator):
    operator.apply()
    addresses = [f"https://pool-{number}.auth.example/oauth2/idpresponse" for number in range(4)]
    operator.apply(acme=operator.body(id_token__clock_skew=30))
    operator.idp.down = True
    body = operator.body(relying_parties__0__redirect_uris=addresses, subject_namespace="another")
    said = operator.plan(acme=body)
    assert said.count("WARNING") == 2
    assert all(len(line) <= 100 or line.startswith("    +") for line in said.splitlines())


def test_a_plan_says_how_long_to_wait_for_people_who_are_signing_in(operator):
    operator.apply()
    assert operator.plan_json(acme=operator.body(id_token__clock_skew=30))["acme"]["wait"] == 0
    operator.apply(acme=operator.body(id_token__clock_skew=30))
    again = operator.body(id_token__clock_skew=20)
    assert 200 < operator.plan_json(acme=again)["acme"]["wait"] <= 300
    assert "WARNING: the current version is younger than 5 minutes" in operator.plan(acme=again)
    assert "WARNING: the current version is younger than 5 minutes" in operator.apply(acme=again)
    operator.server.client.update_item(
        TableName=operator.table,
        Key={"name": {"S": "acme"}},
        UpdateExpression="SET #c.published_at = :then",
        ExpressionAttributeNames={"#c": "current"},
        ExpressionAttributeValues={":then": {"N": str(int(time.time()) - 300)}},
    )
    assert operator.plan_json(acme=operator.body())["acme"]["wait"] == 0


def test_rings_are_no_connections(operator):
    operator.server.client.put_item(TableName=operator.table, Item={"name": {"S": "ring:signing"}})
    assert operator.plan_json().keys() == {"acme"}


# --- apply and snapshots --------------------------------------------------------------------------------------------


def test_what_is_published_has_a_snapshot(operator, idp):
    assert re.search(
        r"acme: published, version \w{32}, with a snapshot of its provider \(0\.\d KB\)", operator.apply()
    )
    assert operator.snapshot().part("metadata")["token_endpoint"] == f"{idp.origin}/token"
    assert [key["kid"] for key in operator.snapshot().part("jwks")["keys"]] == ["key-1"]
    assert int(operator.raw()["current"]["M"]["published_at"]["N"]) >= operator.snapshot().taken_at


def test_applying_again_takes_the_snapshot_again_and_makes_no_version(operator, idp):
    operator.apply()
    previous = operator.raw()["previous"]
    idp.key = 2
    assert "acme: unchanged" in operator.apply()
    assert [key["kid"] for key in operator.snapshot().part("jwks")["keys"]] == ["key-2"]
    assert operator.raw()["previous"] == previous


def test_a_provider_that_is_down_costs_a_warning_and_no_snapshot(operator, idp):
    idp.down = True
    said = operator.apply()
    assert "acme: published" in said
    assert "acme: warning: its provider could not be asked what it publishes: metadata_unavailable" in said
    assert operator.published().snapshot is None
    assert "WARNING: nothing could be taken: metadata_unavailable" in operator.plan()


def test_while_a_provider_is_down_its_older_snapshot_stays(operator, idp):
    operator.apply()
    before = operator.snapshot()
    idp.down = True
    said = operator.apply(acme=operator.body(id_token__clock_skew=30))
    assert "the snapshot that was kept stays" in said
    assert operator.published().id_token.clock_skew == 30
    assert operator.snapshot() == before


def test_the_snapshot_of_another_provider_does_not_stay(operator, idp):
    operator.apply()
    idp.down = True
    operator.apply("--new-subjects", acme=operator.body() | {"issuer": f"{idp.origin}/other"})
    assert operator.published().snapshot is None


def test_offline_nobody_is_asked(operator, idp):
    operator.apply("--offline")
    assert operator.published().snapshot is None
    operator.apply()
    idp.asked.clear()
    operator.apply("--offline", acme=operator.body(id_token__clock_skew=30))
    assert operator.snapshot().taken_at
    assert idp.asked == []


def test_of_several_connections_none_is_written_if_one_is_refused(operator):
    operator.apply(beta=operator.body("beta"))
    operator.apply(acme=operator.body(), beta=operator.body("beta", subject="raw"), code=1)
    assert operator.raw() == {}


def refreshed(operator, *, after):
    """Let the scheduled function's step run so many seconds from now."""
    taken_at = operator.snapshot().taken_at
    http = OutboundClient(private_hosts=[operator.idp.origin.removeprefix("http://")])
    try:
        taking = Snapshots(
            http=http,
            keys=FakeKeys(),
            secrets=FakeSecrets(),
            telemetry=NullTelemetry(),
            clock=lambda: taken_at + after,
        )
        item = operator.publisher.read("acme", soon())
        assert item is not None
        return refresh_snapshot(operator.publisher, item, taking, Deadline.after(10))
    finally:
        http.close()


def test_a_snapshot_is_taken_anew_twice_a_day(operator, idp):
    operator.apply()
    version, taken_at = operator.published().version, operator.snapshot().taken_at
    idp.key = 2
    assert refreshed(operator, after=12 * 3600 - 1) == "not_due"
    assert refreshed(operator, after=12 * 3600) == "refreshed"
    assert operator.published().version == version
    assert operator.snapshot().taken_at == taken_at + 12 * 3600
    assert [key["kid"] for key in operator.snapshot().part("jwks")["keys"]] == ["key-2"]


def run_of_the_schedule(operator, telemetry, *, after, budget=60.0):
    """Let the scheduled function look at the whole table; returns how many failed."""
    http = OutboundClient(private_hosts=[operator.idp.origin.removeprefix("http://")])
    try:
        taking = Snapshots(
            http=http,
            keys=FakeKeys(),
            secrets=FakeSecrets(),
            telemetry=telemetry,
            clock=lambda: time.time() + after,
        )
        return refresh_snapshots(operator.publisher, taking, Deadline.after(budget, correlation_id="RUN"))
    finally:
        http.close()


def test_every_snapshot_of_a_table_is_refreshed_whatever_becomes_of_the_others(operator):
    telemetry = RecordingTelemetry()
    operator.apply(acme=operator.body(), beta=operator.body("beta"))
    operator.publisher.publish("broken", b"{", "v0", soon())
    before = operator.snapshot("acme").taken_at
    assert run_of_the_schedule(operator, telemetry, after=13 * 3600) == 1
    assert telemetry.fields("snapshot_not_taken") == {
        "connection": "broken",
        "correlation_id": "RUN",
        "reason": "configuration_error",
    }
    taken = [str(fields["connection"]) for name, fields in telemetry.events if name == "snapshot_taken"]
    assert sorted(taken) == ["acme", "beta"]
    assert operator.snapshot("acme").taken_at >= before + 13 * 3600

    again = RecordingTelemetry()
    assert run_of_the_schedule(operator, again, after=13 * 3600) == 1
    assert "snapshot_taken" not in again.names()


def test_the_scheduled_function_s_own_wiring_refreshes(operator, idp):
    """By the settings of the function; the snapshot is made old in the table."""
    operator.apply()
    operator.publisher.keep_snapshot(
        "acme", operator.published().version, replace(operator.snapshot(), taken_at=1), soon()
    )
    environ = {
        "FEDBRIDGE_ENVIRONMENT": "test",
        "FEDBRIDGE_BASE_URL": "https://login.example",
        "FEDBRIDGE_TRANSACTIONS": "memory:",
        "FEDBRIDGE_CONNECTIONS": f"dynamodb:{operator.table}",
        "FEDBRIDGE_ID_TOKEN_KEYS": "env:NONE",
        "FEDBRIDGE_PRIVATE_HOSTS": idp.origin.removeprefix("http://"),
    }
    assert snapshots(environ)(Deadline.after(60)) == 0
    assert operator.snapshot().taken_at > 1
    with pytest.raises(ConfigurationError, match="FEDBRIDGE_CONNECTIONS"):
        snapshots(environ | {"FEDBRIDGE_CONNECTIONS": "file:connections.yaml"})


def test_a_provider_that_is_down_keeps_its_older_snapshot_and_is_told(operator, idp):
    telemetry = RecordingTelemetry()
    operator.apply()
    before = operator.snapshot()
    idp.down = True
    assert run_of_the_schedule(operator, telemetry, after=13 * 3600) == 1
    assert operator.snapshot() == before
    assert telemetry.fields("snapshot_not_taken")["reason"] == "metadata_unavailable"


@pytest.mark.parametrize("budget", [9.0, -1.0])
def test_a_run_without_time_leaves_what_is_due_to_the_next(operator, idp, budget):
    """As after a rotation that took all of it."""
    operator.apply()
    idp.asked.clear()
    assert run_of_the_schedule(operator, NullTelemetry(), after=13 * 3600, budget=budget) == 0
    assert idp.asked == []


def test_a_snapshot_for_a_version_that_has_gone_is_not_kept(operator):
    operator.apply()
    item = operator.publisher.read("acme", soon())
    operator.apply(acme=operator.body(id_token__clock_skew=30))
    before = operator.raw()
    assert not operator.publisher.keep_snapshot("acme", item.current.version, operator.snapshot(), soon())
    assert operator.raw() == before


def test_a_connection_that_is_switched_off_is_left_alone(operator, idp):
    operator.apply()
    taken = operator.publisher.read("acme", soon())
    operator.run("disable", "acme")
    idp.asked.clear()
    item = operator.publisher.read("acme", soon())
    assert item.disabled
    assert not taken.disabled
    operator.run("enable", "acme")
    taking = Snapshots(
        http=OutboundClient(),
        keys=FakeKeys(),
        secrets=FakeSecrets(),
        telemetry=NullTelemetry(),
        clock=lambda: 4e9,
    )
    assert refresh_snapshot(operator.publisher, item, taking, soon()) == "not_due"
    assert idp.asked == []


# --- list and show --------------------------------------------------------------------------------------------------


def test_the_list_has_a_line_a_connection(operator, idp):
    operator.apply(beta=operator.body("beta"), acme=operator.body())
    operator.run("disable", "beta")
    operator.publisher.publish("old", b'{"of": "another release"}', "v0", soon())
    header, acme, beta, old = operator.run("list").splitlines()
    assert header.split() == ["name", "protocol", "preset", "version", "published", "issuer"]
    assert re.fullmatch(rf"acme +oidc +- +\w{{8}} +\d{{4}}-.* UTC +{idp.origin}", acme)
    assert re.match(r"beta +oidc, disabled ", beta)
    assert "of another release" in old


def test_the_list_is_one_scan(operator):
    operator.apply(acme=operator.body(), beta=operator.body("beta"))
    operator.server.requests.clear()
    found = json.loads(operator.run("list", "--json"))["connections"]
    assert [each["name"] for each in found] == ["acme", "beta"]
    assert found[0]["version"] == operator.published().version
    assert found[0]["snapshot_taken_at"] == operator.snapshot().taken_at
    assert [operation for operation, _ in operator.server.requests][:1] == ["Scan"]


def test_what_is_shown_is_the_connection_and_a_file_that_loads(operator):
    operator.apply()
    operator.apply(acme=operator.body(id_token__clock_skew=30))
    said = operator.run("show", "acme")
    assert f"# acme: version {operator.published().version}, published " in said
    assert "# previous version " in said
    assert "# snapshot of its provider taken " in said
    document = yaml.safe_load(said)
    body = document["connections"]["acme"]
    assert body.pop("client_jwks") == list(operator.published().client_jwks)
    jsonschema.validate(document, schema())
    (operator.folder / "shown.yaml").write_text(yaml.safe_dump(document))
    operator.run("validate", "--local", str(operator.folder / "shown.yaml"))


OIDC_ADDRESSES = {
    "Cognito oidc_issuer": "https://login.example/acme",
    "Cognito authorize_url": "https://login.example/acme/authorize",
    "Cognito token_url": "https://login.example/acme/token",
    "Cognito attributes_url": "https://login.example/acme/userinfo",
    "Cognito jwks_uri": "https://login.example/acme/.well-known/jwks.json",
    "Cognito sign-out URL (logout_uri)": "https://login.example/acme/logout",
    "provider client_id": "fedbridge-acme",
    "provider redirect_uri": "https://login.example/acme/callback",
    "provider jwks_uri": "https://login.example/acme/client-jwks.json",
    "provider post_logout_redirect_uri": "https://login.example/acme/logout/callback",
    "provider backchannel_logout_uri": "https://login.example/acme/backchannel-logout",
    "provider frontchannel_logout_uri": "https://login.example/acme/frontchannel-logout",
}


def addresses(shown):
    return {f"{each['who']} {each['name']}": each["value"] for each in shown["addresses"]}


def test_what_cognito_and_the_provider_need_is_shown(operator):
    logout = {"mode": "client_id", "back_channel": True, "front_channel": True, "sessions": True}
    body = operator.body(logout=logout)
    pool = {"id": "eu-north-1_Example1", "identity_provider": "Acme"}
    body["relying_parties"][0] |= {
        "user_pool": pool,
        "post_logout_redirect_uris": ["https://app.example.com/bye"],
    }
    operator.apply(acme=body)
    shown = json.loads(operator.run("show", "acme", "--json", "--base-url", "https://login.example/"))
    assert addresses(shown) == OIDC_ADDRESSES
    said = operator.run("show", "acme", "--base-url", "https://login.example")
    assert "#  Cognito  oidc_issuer                 https://login.example/acme" in said
    assert operator.run("show", "acme", "--base-url", "ftp://login.example", code=1)


def test_what_a_relaying_connections_pool_needs_names_the_providers_issuer(operator, idp):
    body = operator.body(tokens="relay", client_id="app", id_token={"algorithms": ["ES256"]})
    body["relying_parties"][0]["client_id"] = "app"
    operator.apply(acme=body)
    shown = json.loads(operator.run("show", "acme", "--json", "--base-url", "https://login.example"))
    assert addresses(shown)["Cognito oidc_issuer"] == idp.origin
    assert "Cognito jwks_uri" not in addresses(shown)


def test_versions_and_snapshots_are_shown_with_their_sizes(operator):
    operator.apply()
    shown = json.loads(operator.run("show", "acme", "--json"))
    current = shown["current"]
    assert current["version"] == operator.published().version
    assert current["snapshot"]["of"] == ["jwks", "metadata"]
    assert current["bytes"] == len(encode(operator.published()))
    assert (shown["previous"], shown["addresses"], shown["disabled"]) == (None, [], False)


@pytest.mark.parametrize("words", [("show", "nobody"), ("restore", "nobody"), ("remove", "--yes", "nobody")])
def test_what_is_not_published_is_said(operator, words):
    assert "no connection 'nobody' is published" in operator.run(*words, code=1)


# --- restore and remove ---------------------------------------------------------------------------------------------


def test_the_previous_version_is_current_again_and_they_change_places(operator):
    operator.apply()
    first = operator.published()
    operator.apply(acme=operator.body(id_token__clock_skew=30))
    second = operator.published()
    said = operator.run("restore", "--local", "acme")
    assert "id_token.clock_skew: 30 -> 60" in said
    assert f"acme: published, version {first.version}" in said
    assert operator.published() == first
    operator.run("restore", "--local", "acme")
    assert operator.published() == second


def ring_of(operator, *files):
    """Put a ring into the table; the first file is its active key."""
    keys = tuple(
        RingKey(kid=f"k{at}", reference=f"file:{file}", created_at=0, state="retired" if at else "active")
        for at, file in enumerate(files)
    )
    rings = key_rings(operator.table, lambda _: operator.server.client)
    stored = rings.get("signing", soon())
    rings.put(
        StoredRing(
            name="signing",
            policy=KeyRing(use="client-assertion", kind="secretsmanager:P-256"),
            state=RingState(keys=keys),
            revision=stored.revision if stored else 0,
        ),
        soon(),
    )


def test_a_ring_that_has_moved_on_is_what_is_restored(operator):
    """Keys that the ring has removed since are nobody's any more: the configuration comes back, and not they."""
    first, second = operator.folder / "first.pem", operator.folder / "second.pem"
    for file in (first, second):
        write_private_key(file, "P-256")
    operator.apply(acme=operator.body(client_authentication__key=f"file:{first}"))
    ringed = replace(operator.published(), rings={"client_authentication.key": ("signing",)})
    operator.publisher.publish("acme", encode(ringed), "v-ringed", soon())
    operator.apply(acme=operator.body(id_token__clock_skew=30))
    ring_of(operator, second)
    first.unlink()
    operator.run("restore", "--local", "acme")
    restored = operator.published()
    assert restored.client_authentication.key == f"file:{second}"
    assert restored.rings == {"client_authentication.key": ("signing",)}
    assert restored.id_token.clock_skew == 60


def test_a_client_secret_that_was_taken_out_does_not_come_back_unnoticed(operator):
    """It may have been taken out because it leaked."""
    kept, leaked = ("sha256:" + each * 32 for each in ("a1", "b2"))
    operator.apply(acme=operator.body(relying_parties__0__secret_hashes=[kept, leaked]))
    operator.apply(acme=operator.body(relying_parties__0__secret_hashes=[kept]))
    assert "is accepted again" in operator.run("restore", "--local", "acme")
    assert operator.published().relying_parties[0].secret_hashes == (kept, leaked)
    assert "is accepted again" not in operator.run("restore", "--local", "acme")


def test_there_is_nothing_to_restore_before_the_second_version(operator):
    operator.apply()
    before = operator.raw()
    assert "there is no previous version" in operator.run("restore", "--local", "acme", code=1)
    assert operator.raw() == before


def test_a_key_that_was_exchanged_behind_its_reference_is_the_one_that_is_restored(operator):
    operator.apply()
    first = operator.published()
    operator.apply(acme=operator.body(id_token__clock_skew=30))
    file = Path(operator.keys["acme"].removeprefix("file:"))
    file.unlink()
    write_private_key(file, "P-256")
    operator.run("restore", "--local", "acme")
    restored = operator.published()
    assert restored.id_token.clock_skew == 60
    assert restored.client_jwks != first.client_jwks
    assert restored.version != first.version


def test_what_could_not_sign_any_more_is_not_restored(operator):
    operator.apply()
    write_private_key(operator.folder / "new.pem", "P-256")
    operator.apply(acme=operator.body(client_authentication__key=f"file:{operator.folder / 'new.pem'}"))
    before = operator.raw()
    (operator.folder / "acme.pem").unlink()
    operator.run("restore", "--local", "acme", code=1)
    assert operator.raw() == before


def test_what_would_make_everybody_a_new_user_is_restored_only_if_that_is_meant(operator):
    operator.apply()
    operator.apply("--new-subjects", acme=operator.body(subject_namespace="another"))
    before = operator.raw()
    assert "makes everybody a new user" in operator.run("restore", "--local", "acme", code=1)
    assert operator.raw() == before
    operator.run("restore", "--local", "--new-subjects", "acme")
    assert operator.published().subject_namespace is None


def test_a_disabled_connection_stays_disabled_when_it_is_restored(operator):
    operator.apply()
    operator.apply(acme=operator.body(id_token__clock_skew=30))
    operator.run("disable", "acme")
    operator.run("restore", "--local", "acme")
    assert operator.raw()["disabled"] == {"BOOL": True}


def test_what_somebody_else_published_meanwhile_is_not_replaced(operator):
    """Between the decision and the write another operator was here."""
    operator.apply()
    operator.apply(acme=operator.body(id_token__clock_skew=30))
    item = operator.publisher.read("acme", soon())
    operator.publisher.publish("acme", item.current.document, "v3", soon())
    operator.server.requests.clear()

    def meanwhile(environ, start_response, carry_out):
        operator.server.client.update_item(
            TableName=operator.table,
            Key={"name": {"S": "acme"}},
            UpdateExpression="SET #c.#v = :v",
            ExpressionAttributeNames={"#c": "current", "#v": "version"},
            ExpressionAttributeValues={":v": {"S": "v4"}},
        )
        return carry_out()

    operator.server.fail(None, meanwhile)  # The command reads, then writes.
    assert "somebody else has published it meanwhile" in operator.run(
        "restore", "--local", "--offline", "acme", code=1
    )
    assert operator.raw()["current"]["M"]["version"] == {"S": "v4"}


def test_a_connection_is_removed_if_that_is_meant(operator):
    operator.apply()
    assert "say --yes" in operator.run("remove", "acme", code=1)
    assert operator.published()
    assert operator.run("remove", "--yes", "acme") == "acme: removed\n"
    assert operator.raw() == {}
