"""E, the documents that Cognito and the IdP fetch (cases 39 to 43), as events through the edge."""

import json
from dataclasses import replace

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from fedbridge.keys.client import client_jwks
from fedbridge.keys.provider import CachedKeys
from fedbridge.keys.ring import STALE, IdTokenKeyRing
from fedbridge.keys.secrets import CachedSecrets
from fedbridge.model.connection import ClientAuthentication
from fedbridge.model.deadline import Deadline
from fedbridge.store.registry import CachingConnectionRegistry, Published
from tests.fakes.kms import FakeKms, client_error
from tests.fakes.registry import FakeRegistry
from tests.fakes.secrets_manager import FakeSecretsManager
from tests.fakes.telemetry import NullTelemetry
from tests.support.bridge import Bridge, SettableClock, connection
from tests.support.counting import Counted
from tests.support.gateway import (
    CLIENT_JWKS,
    DISCOVERY,
    JWKS,
    Gateway,
    Visitor,
    assert_json_error,
    assert_page,
    assert_refused,
)
from tests.support.keys import ec_key, jwk_text, private_pem, rsa_key

PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
BACK_CHANNEL = {
    DISCOVERY: "GET",
    JWKS: "GET",
    CLIENT_JWKS: "GET",
    "token": "POST",
    "userinfo": "GET",
}


class KeyHolder:
    """Key services in this process, and gateways whose bridges sign with keys from them."""

    def __init__(self):
        self.kms, self.manager, self.clock = FakeKms(), FakeSecretsManager(), SettableClock()
        self.manager.values.update({
            "rsa-pem": private_pem(rsa_key()),
            "ec-jwk": jwk_text(ec_key(), note="d"),
            "ec-384": private_pem(ec_key("P-384")),
            "ec-jwks": json.dumps({"keys": [json.loads(jwk_text(ec_key("P-521")))]}),
            "old": private_pem(ec_key("P-256", 1)),
            "new": private_pem(ec_key("P-256", 2)),
            "a": private_pem(ec_key("P-256", 3)),
            "a-next": private_pem(ec_key("P-256", 4)),
            "b": private_pem(ec_key("P-256", 5)),
        })  # fmt: skip
        self.arn = self.kms.add(rsa_key(2048, 1))
        self.secrets = CachedSecrets(
            self.manager.clients,
            allow_local=False,
            telemetry=NullTelemetry(),
            clock=self.clock,
            sleep=lambda _: None,
        )
        self.keys = CachedKeys(self.secrets, self.kms.clients, sleep=lambda _: None)

    def gateway(self, *references, connections=(), **bridge):
        ring = IdTokenKeyRing(references, self.keys, telemetry=NullTelemetry(), clock=self.clock)
        registry = FakeRegistry(*(connections or [connection()]))
        return Gateway(Bridge(keys=ring, registry=registry, clock=self.clock, **bridge))

    def with_client_keys(self, name, **references):
        authentication = ClientAuthentication(**references)
        jwks = client_jwks(authentication, keys=self.keys, secrets=self.secrets, deadline=Deadline.after(20))
        return connection(name, client_authentication=authentication, client_jwks=jwks)


@pytest.fixture
def holder():
    return KeyHolder()


def members(value):
    """Every member name in a JSON document, at any depth."""
    if isinstance(value, dict):
        return set(value) | {name for inner in value.values() for name in members(inner)}
    return {name for inner in value for name in members(inner)} if isinstance(value, list) else set()


KEY_STATES = {
    "one key": (["secretsmanager:rsa-pem"], {}),
    "one key in KMS": (["kms:{arn}"], {"key": "kms:{arn}"}),
    "every kind": (
        ["kms:{arn}", "secretsmanager:rsa-pem", "secretsmanager:ec-jwk", "secretsmanager:ec-384",
         "secretsmanager:ec-jwks"],
        {"key": "secretsmanager:a", "next_key": "secretsmanager:a-next", "retired_keys": ("secretsmanager:old",)},
    ),
    "a key that is gone": (["secretsmanager:ec-jwk", "secretsmanager:gone"], {"secret": "secretsmanager:x"}),
}  # fmt: skip


@pytest.mark.parametrize("state", KEY_STATES)
def test_case_39_no_document_holds_a_private_member(holder, state):
    references, authentication = json.loads(json.dumps(KEY_STATES[state]).replace("{arn}", holder.arn))
    gateway = holder.gateway(*references, connections=[holder.with_client_keys("acme", **authentication)])
    for path in (DISCOVERY, JWKS, CLIENT_JWKS):
        answer = gateway.send("GET", path)
        assert answer.status == 200
        assert members(answer.json).isdisjoint(PRIVATE_MEMBERS)
        for secret in holder.manager.values.values():
            assert secret not in answer.body
    published = gateway.send("GET", JWKS).json["keys"]
    assert {jwk["use"] for jwk in published} == {"sig"}
    assert all(jwk["kid"] and jwk["alg"] for jwk in published)


@pytest.mark.parametrize("state", KEY_STATES)
def test_case_39_the_documents_hold_what_they_are_for(holder, state):
    """The good twin: every key that is there is published, and discovery names what they sign."""
    references, authentication = json.loads(json.dumps(KEY_STATES[state]).replace("{arn}", holder.arn))
    gateway = holder.gateway(*references, connections=[holder.with_client_keys("acme", **authentication)])
    expected = [reference for reference in references if not reference.endswith("gone")]
    keys = gateway.send("GET", JWKS).json["keys"]
    assert len(keys) == len(expected)
    algorithms = gateway.send("GET", DISCOVERY).json["id_token_signing_alg_values_supported"]
    assert set(algorithms) == {jwk["alg"] for jwk in keys}
    owned = {name: value for name, value in authentication.items() if "key" in name}
    count = sum(1 if isinstance(value, str) else len(value) for value in owned.values())
    assert len(gateway.send("GET", CLIENT_JWKS).json["keys"]) == count


def verified(token, jwks):
    return jwt.decode(token, KeySet.import_key_set(jwks), algorithms=["ES256"]).claims["iss"]


def test_case_40_a_key_is_published_before_it_signs_and_after_it_has(holder):
    """Next, active, retired, revoked: four deployments; the kid of each token is in the documents around it."""
    stages = [("old", "new"), ("new", "old"), ("new",)]
    gateways = [holder.gateway(*(f"secretsmanager:{name}" for name in names)) for names in stages]
    documents = [gateway.send("GET", JWKS).json for gateway in gateways]
    tokens = [gateway.redeem(Visitor(gateway).sign_in()).json["id_token"] for gateway in gateways]
    old, new = (key["kid"] for key in documents[0]["keys"])
    assert [{key["kid"] for key in document["keys"]} for document in documents] == [
        {old, new},
        {old, new},
        {new},
    ]
    assert [jwt.decode(token, KeySet.import_key_set(documents[0])).header["kid"] for token in tokens] == [
        old,
        new,
        new,
    ]
    # Cognito may hold the document of the deployment before.
    for token, document in ((tokens[0], documents[1]), (tokens[1], documents[0]), (tokens[2], documents[1])):
        assert verified(token, document) == "https://bridge.example/acme"


def test_case_40_a_document_may_be_kept_no_longer_than_a_key_is_known_before_it_signs(holder):
    answer = holder.gateway("secretsmanager:old").send("GET", JWKS)
    assert answer.headers["cache-control"] == "public, max-age=300"


def test_case_40_no_client_key_is_published_for_two_connections(holder):
    a = holder.with_client_keys("acme", key="secretsmanager:a", next_key="secretsmanager:a-next")
    b = holder.with_client_keys("bank", key="secretsmanager:b")
    gateway = holder.gateway("secretsmanager:old", connections=[a, b])
    documents = {name: gateway.send("GET", CLIENT_JWKS, name=name).json["keys"] for name in ("acme", "bank")}
    kids = {name: {jwk["kid"] for jwk in jwks} for name, jwks in documents.items()}
    assert len(kids["acme"]) == 2
    assert len(kids["bank"]) == 1
    assert kids["acme"].isdisjoint(kids["bank"])
    id_token_kids = {jwk["kid"] for jwk in gateway.send("GET", JWKS).json["keys"]}
    assert id_token_kids.isdisjoint(kids["acme"] | kids["bank"])


SPOOFED = [
    [("host", "evil.example")],
    [("x-forwarded-host", "evil.example")],
    [("x-forwarded-proto", "http"), ("x-forwarded-port", "8080")],
    [("x-forwarded-prefix", "/evil")],
    [("forwarded", "host=evil.example;proto=http")],
    [("x-original-url", "/evil"), ("x-rewrite-url", "/evil")],
    [("host", "evil.example"), ("x-forwarded-host", "evil.example"), ("x-host", "evil.example")],
]


@pytest.mark.parametrize("headers", SPOOFED, ids=lambda headers: headers[0][0])
@pytest.mark.parametrize("path", [DISCOVERY, JWKS, CLIENT_JWKS])
def test_case_41_no_header_changes_a_document(holder, path, headers):
    gateway = holder.gateway("secretsmanager:old", connections=[holder.with_client_keys("acme")])
    plain = gateway.send("GET", path)
    spoofed = gateway.send(
        "GET",
        path,
        headers=headers,
        members={
            "requestContext": {"http": {"method": "GET"}, "domainName": "evil.example", "stage": "evil"}
        },
    )
    assert (spoofed.status, spoofed.body, spoofed.headers) == (200, plain.body, plain.headers)
    assert "evil" not in plain.body


def test_case_41_the_issuer_is_the_configured_one_everywhere(holder):
    document = holder.gateway("secretsmanager:old").send("GET", DISCOVERY).json
    assert document["issuer"] == "https://bridge.example/acme"
    urls = [
        value
        for value in document.values()
        if isinstance(value, str) and value.startswith(("http:", "https:"))
    ]
    assert len(urls) == 5
    assert all(url.startswith("https://bridge.example/acme") for url in urls)


NAMES = {
    "unknown": "nobody",
    "disabled": "retired",
    "parent": "..",
    "parent with a slash": "../acme",
    "into the parent": "acme/../acme",
    "encoded dots": "%2e%2e",
    "encoded slash": "acme%2Fx",
    "encoded NUL": "acme%00",
    "NUL": "acme\x00",
    "upper case": "ACME",
    "one upper case letter": "aCme",
    "a trailing dot": "acme.",
    "a leading dot": ".acme",
    "a blank": "acme ",
    "a line end": "acme\n",
    "full-width": "\uff41cme",
    "Cyrillic": "\u0430cme",
    "combining": "acme\u0301",
    "a long s": "acme\u017f",
    "a wildcard": "*",
    "a prefix and a wildcard": "ac*",
    "SQL": "acme' OR '1'='1",
    "a key delimiter": "acme#v1",
    "another delimiter": "connection:acme",
    "a pipe": "acme|bank",
    "underscore": "ac_me",
    "a leading hyphen": "-acme",
    "4 kB": "a" * 4096,
    "64": "a" * 64,
    "empty": "",
    "a proto": "__proto__",
    "HTML": "<script>alert(1)</script>",
}
REACHING = {"unknown", "disabled"}
"""Shaped like a name, so that the registry has to ask."""


class Source:
    """A `ConnectionSource` that says what it was asked for."""

    def __init__(self):
        self.asked = []
        self.known = {"acme": connection(), "retired": replace(connection("retired"), disabled=True)}

    def find(self, name, deadline):
        self.asked.append(name)
        return Published(current=self.known[name]) if name in self.known else None


@pytest.fixture
def source():
    return Source()


@pytest.fixture
def gateway(source):
    gateway = Gateway()
    gateway.serve_with(connections=CachingConnectionRegistry(source, clock=gateway.bridge.clock))
    return gateway


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("path", BACK_CHANNEL)
def test_case_42_no_such_connection_at_the_back_channel(gateway, source, path, kind):
    counted = Counted(gateway)
    answer = gateway.send(BACK_CHANNEL[path], path, name=NAMES[kind])
    counted.assert_nothing()
    assert source.asked == ([NAMES[kind]] if kind in REACHING else [])
    assert_json_error(gateway, answer, "invalid_request", "unknown_connection", status=404)
    reference = gateway.send(BACK_CHANNEL[path], path, name="nobody-either")
    assert answer.without_correlation_id() == reference.without_correlation_id()
    assert answer.headers == reference.headers


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("path", ["authorize", "callback"])
def test_case_42_no_such_connection_at_the_front_channel(gateway, source, path, kind):
    counted = Counted(gateway)
    answer = gateway.send("GET", path, name=NAMES[kind], query={"client_id": "cognito", "state": "A" * 43})
    counted.assert_nothing()
    assert set(source.asked) == ({NAMES[kind]} if kind in REACHING else set())
    assert "href" not in answer.body
    assert_page(gateway, answer, "unknown_connection", status=404)
    reference = gateway.send("GET", path, name="nobody-either")
    assert answer.without_correlation_id() == reference.without_correlation_id()


@pytest.mark.parametrize("path", [DISCOVERY, JWKS])
def test_case_42_a_connection_that_relays_has_no_documents_of_ours(path):
    gateway = Gateway(Bridge(registry=FakeRegistry(connection(), connection("relaying", tokens="relay"))))
    answer = gateway.send("GET", path, name="relaying")
    assert_json_error(gateway, answer, "invalid_request", "tokens_are_relayed", status=404)
    unknown = gateway.send("GET", path, name="nobody")
    assert answer.without_correlation_id() == unknown.without_correlation_id()
    assert gateway.send("GET", CLIENT_JWKS, name="relaying").status == 200


OUTAGES = {
    "throttled": client_error("ThrottlingException", "GetSecretValue"),
    "down": client_error("InternalServiceError", "GetSecretValue", 500),
}


@pytest.mark.parametrize("path", [DISCOVERY, JWKS])
@pytest.mark.parametrize("outage", OUTAGES)
def test_case_43_while_the_keys_cannot_be_had_the_last_good_ones_are_published(holder, path, outage):
    gateway = holder.gateway("secretsmanager:old", "secretsmanager:new")
    good = gateway.send("GET", path)
    holder.manager.outage = OUTAGES[outage]
    holder.clock.now += STALE - 1
    assert gateway.send("GET", path).body == good.body


@pytest.mark.parametrize("path", [DISCOVERY, JWKS])
@pytest.mark.parametrize("outage", OUTAGES)
def test_case_43_without_good_ones_the_answer_is_503_and_never_an_empty_set(holder, path, outage):
    holder.manager.outage = OUTAGES[outage]
    cold = holder.gateway("secretsmanager:old", "secretsmanager:new")
    answer = cold.send("GET", path)
    assert answer.status == 503
    assert answer.json["error"] == "temporarily_unavailable"
    assert answer.headers["retry-after"] == "2"
    assert answer.headers["cache-control"] == "no-store"
    assert "keys" not in answer.json
    (reason,) = answer.reasons
    assert_refused(answer, reason)
    assert reason.startswith("secret_")

    holder.manager.outage = None
    good = cold.send("GET", path)
    assert good.status == 200
    holder.manager.outage = OUTAGES[outage]
    holder.clock.now += 2 * STALE
    assert cold.send("GET", path).status == 503
    holder.manager.outage = None
    assert cold.send("GET", path).body == good.body


def test_case_43_the_keys_of_the_idp_do_not_hang_on_the_key_service(holder):
    gateway = holder.gateway(
        "secretsmanager:old", connections=[holder.with_client_keys("acme", key="secretsmanager:a")]
    )
    holder.manager.outage = OUTAGES["down"]
    assert gateway.send("GET", CLIENT_JWKS).json["keys"]


@pytest.mark.parametrize("path", [DISCOVERY, JWKS, CLIENT_JWKS])
@pytest.mark.parametrize("method", ["POST", "PUT", "HEAD", "OPTIONS", "DELETE"])
def test_another_method_of_a_document(gateway, path, method):
    answer = gateway.send(method, path)
    assert answer.headers["allow"] == "GET"
    assert_json_error(gateway, answer, "invalid_request", "method_not_allowed", status=405)
