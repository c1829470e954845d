"""`ring:NAME` in connections.yaml: where it may stand, what fills it, and how it is filled anew."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fedbridge.cli import main
from fedbridge.configuration.document import decode, encode
from fedbridge.configuration.file import read
from fedbridge.configuration.rings import emptied, filled, rings_in
from fedbridge.errors import ConfigurationError
from fedbridge.keys.reference import parse_reference
from fedbridge.model.connection import Connection
from fedbridge.model.key_ring import RingKey, RingState
from tests.unit.configuration.files import changed

ASSERTION = {"use": "client-assertion", "kind": "secretsmanager:P-256"}
SAML_IDP = "https://idp.acme.example/saml"


def state(name: str, **states: int) -> RingState:
    """Return a ring's state with so many keys of each state, numbered on."""
    keys: list[RingKey] = []
    for in_state in ("active", "next", "retired", "removed"):
        for _ in range(states.get(in_state, 0)):
            reference = f"secretsmanager:{name}-{len(keys) + 1}"
            keys.append(
                RingKey(
                    kid=reference,
                    reference=f"{reference}#key",
                    certificate=f"{reference}#certificate",
                    state=in_state,
                    created_at=0,
                )
            )
    return RingState(keys=tuple(keys))


FULL = {"active": 1, "next": 1, "retired": 2, "removed": 1}


def declared(folder: Path, body: dict[str, Any], rings: Any, **more: Any) -> Connection:
    return read(written(folder, {"acme": body}, rings), **more).connections["acme"]


def written(folder: Path, connections: dict[str, Any], rings: Any) -> Path:
    path = folder / "connections.yaml"
    path.write_text(json.dumps({"connections": connections, "key_rings": rings}), "utf-8")
    return path


def problems(folder: Path, body: dict[str, Any], rings: Any, **others: Any) -> list[str]:
    path = written(folder, {"acme": body, **others}, rings)
    with pytest.raises(ConfigurationError) as refused:
        read(path)
    return [problem.removeprefix(f"{path}: ") for problem in refused.value.problems]


def signing(**changes: Any) -> dict[str, Any]:
    return changed(changed(client_authentication__key="ring:bank"), **changes)


def decrypting(*references: str) -> dict[str, Any]:
    return changed(id_token={"encryption": "required"}, token_decryption={"keys": list(references)})


def saml(**saml: Any) -> dict[str, Any]:
    body = changed(
        protocol="saml", issuer=SAML_IDP, client_id="https://bridge.example.com/acme/saml/metadata"
    )
    del body["client_authentication"]
    return {**body, "saml": {"metadata": {"source": f"{SAML_IDP}/metadata"}, **saml}}


def mutual_tls() -> dict[str, Any]:
    body = changed(client_authentication={"method": "self_signed_tls_client_auth"})
    return {**body, "mutual_tls": {"certificate": "ring:tls", "key": "ring:tls"}}


def test_a_ring_fills_the_active_the_next_and_the_retired_keys(tmp_path):
    connection = declared(tmp_path, signing(), {"bank": ASSERTION})
    published = filled(connection, {"bank": state("bank", **FULL)})
    authentication = published.client_authentication
    assert authentication.key == "secretsmanager:bank-1#key"
    assert authentication.next_key == "secretsmanager:bank-2#key"
    assert authentication.retired_keys == ("secretsmanager:bank-3#key", "secretsmanager:bank-4#key")
    assert published.rings == {"client_authentication.key": ("bank",)}
    assert decode(encode(published)) == replace(published, version=published.version)


def test_its_certificate_is_the_active_keys(tmp_path):
    ring = {**ASSERTION, "certificate_lifetime": 31_536_000}
    body = signing(client_authentication__certificate="ring:bank", client_authentication__x5t_s256=True)
    published = filled(declared(tmp_path, body, {"bank": ring}), {"bank": state("bank", **FULL)})
    assert published.client_authentication.certificate == "secretsmanager:bank-1#certificate"
    assert set(published.rings) == {"client_authentication.key", "client_authentication.certificate"}


def test_a_request_object_has_its_ring(tmp_path):
    body = changed(authorization={"request_object": {"key": "ring:jar"}})
    rings = {"jar": {"use": "request-object", "kind": "kms:ECC_NIST_P256"}}
    request = filled(
        declared(tmp_path, body, rings), {"jar": state("jar", **FULL)}
    ).authorization.request_object
    assert request is not None
    assert request.key == "secretsmanager:jar-1#key"
    assert request.next_key == "secretsmanager:jar-2#key"
    assert request.retired_keys == ("secretsmanager:jar-3#key", "secretsmanager:jar-4#key")


def test_rings_of_two_types_decrypt_side_by_side_and_the_next_ones_unpublished(tmp_path):
    rings = {
        name: {"use": "token-decryption", "kind": f"secretsmanager:{kind}"}
        for name, kind in (("rsa", "RSA-2048"), ("ec", "P-256"))
    }
    connection = declared(tmp_path, decrypting("ring:rsa", "ring:ec"), rings)
    policy = filled(
        connection, {"rsa": state("rsa", active=1, next=1), "ec": state("ec", active=1, retired=1)}
    ).token_decryption
    assert policy is not None
    assert policy.keys == ("secretsmanager:rsa-1#key", "secretsmanager:ec-1#key")
    assert policy.retired_keys == ("secretsmanager:rsa-2#key", "secretsmanager:ec-2#key")


def test_saml_metadata_publish_next_and_retired_signing_certificates(tmp_path):
    body = saml(
        signing_keys=[{"key": "ring:sign"}],
        decryption_keys=[{"key": "ring:open"}],
        assertion={"encryption": "required"},
    )
    rings = {
        "sign": {"use": "saml-signing", "kind": "kms:RSA_2048"},
        "open": {"use": "saml-decryption", "kind": "kms:RSA_2048"},
    }
    published = filled(
        declared(tmp_path, body, rings),
        {"sign": state("sign", **FULL), "open": state("open", active=1, next=1, retired=1)},
    )
    assert published.saml is not None
    assert [key.key for key in published.saml.signing_keys] == [
        f"secretsmanager:sign-{number}#key" for number in (1, 2, 3, 4)
    ]
    assert published.saml.signing_keys[1].certificate == "secretsmanager:sign-2#certificate"
    assert [key.key for key in published.saml.decryption_keys] == ["secretsmanager:open-1#key"]
    assert published.saml.retired_decryption_keys == (
        "secretsmanager:open-2#key",
        "secretsmanager:open-3#key",
    )


def test_a_ring_makes_self_signed_client_certificates(tmp_path):
    rings = {"tls": {"use": "client-tls", "kind": "secretsmanager:P-256"}}
    policy = filled(declared(tmp_path, mutual_tls(), rings), {"tls": state("tls", **FULL)}).mutual_tls
    assert policy is not None
    assert (policy.key, policy.certificate) == (
        "secretsmanager:tls-1#key",
        "secretsmanager:tls-1#certificate",
    )
    assert policy.next_certificate == "secretsmanager:tls-2#certificate"
    assert policy.retired_certificates == (
        "secretsmanager:tls-3#certificate",
        "secretsmanager:tls-4#certificate",
    )


EVERYTHING = read(Path(__file__).parent / "examples" / "everything.yaml")


@pytest.mark.parametrize("name", ["rotating", "acme", "federated"])
def test_what_was_filled_can_be_filled_anew_and_emptied(name):
    connection = EVERYTHING.connections[name]
    before = {ring: state(ring, active=1, next=1) for ring in EVERYTHING.key_rings}
    after = {ring: state(f"{ring}-later", active=1, retired=1) for ring in EVERYTHING.key_rings}
    published = filled(connection, before)
    assert filled(published, after) == filled(connection, after)
    assert filled(published, before) == published
    assert emptied(published) == connection
    assert rings_in(published) == rings_in(connection) == published.rings


@pytest.mark.parametrize(
    ("rings", "says"),
    [
        ({}, "acme: client_authentication.key: ring:bank is filled in from the Connections table only"),
        ({"bank": RingState()}, "acme: client_authentication.key: ring:bank has no active key"),
    ],
)
def test_a_ring_that_is_not_there_fills_nothing(tmp_path, rings, says):
    connection = declared(tmp_path, signing(), {"bank": ASSERTION})
    with pytest.raises(ConfigurationError, match=says):
        filled(connection, rings)


def test_a_ring_is_no_reference_to_load_a_key_from():
    with pytest.raises(ConfigurationError, match="ring:bank: a key ring is filled in"):
        parse_reference("ring:bank")


WRONG_USES: list[tuple[dict[str, Any], Any, str]] = [
    (signing(), {}, "acme: client_authentication.key: there is no such ring below key_rings: there is none"),
    (
        signing(),
        {"bnak": ASSERTION},
        "acme: client_authentication.key: there is no such ring below key_rings: there are bnak",
    ),
    (
        signing(),
        {"bank": {**ASSERTION, "use": "token-decryption"}},
        "acme: client_authentication.key: the ring is for token-decryption, and this key for client-assertion",
    ),
    (
        signing(client_authentication__next_key="secretsmanager:other"),
        {"bank": ASSERTION},
        "acme: client_authentication.next_key: is filled in by the key ring: leave it out",
    ),
    (
        signing(client_authentication__next_key="ring:bank"),
        {"bank": ASSERTION},
        "acme: client_authentication.next_key: cannot be filled by a key ring",
    ),
    (
        signing(client_authentication__kid="ours"),
        {"bank": ASSERTION},
        "acme: client_authentication.kid: must be thumbprint or omit: each key of a ring has its own",
    ),
    (
        signing(client_authentication__algorithm="RS256"),
        {"bank": ASSERTION},
        "acme: client_authentication.algorithm: does not go with the ring's keys (secretsmanager:P-256)",
    ),
    (
        signing(client_authentication__certificate="ssm:/c", client_authentication__x5c=True),
        {"bank": ASSERTION},
        "acme: client_authentication.certificate: must be the ring as well: each key has its own",
    ),
    (
        signing(client_authentication__certificate="ring:bank", client_authentication__x5c=True),
        {"bank": ASSERTION},
        "acme: client_authentication.certificate: needs certificate_lifetime of the ring, which else makes no certificates",
    ),
    (
        decrypting("ring:bank", "secretsmanager:other"),
        {"bank": {"use": "token-decryption", "kind": "kms:RSA_2048"}},
        "acme: token_decryption.keys: must be all rings or none: what a ring fills is its alone",
    ),
    (
        signing(authorization={"request_object": {"key": "ring:bank"}}),
        {"bank": ASSERTION},
        "acme: authorization.request_object.key: the ring is for client-assertion, and this key for request-object",
    ),
    (
        signing(client_authentication__key="ring:Bank!"),
        {"bank": ASSERTION},
        "acme: client_authentication.key: must be ring: and the name of a key ring",
    ),
    (
        {**mutual_tls(), "client_authentication": {"method": "tls_client_auth"}},
        {"tls": {"use": "client-tls", "kind": "secretsmanager:P-256"}},
        "acme: mutual_tls.key: a ring makes self-signed certificates: for self_signed_tls_client_auth",
    ),
    (
        {**mutual_tls(), "mutual_tls": {"certificate": "ssm:/c", "key": "ring:tls"}},
        {"tls": {"use": "client-tls", "kind": "secretsmanager:P-256"}},
        "acme: mutual_tls.certificate: must be the ring as well: a ring makes both",
    ),
    (
        saml(signing_keys=[{"key": "ring:sign", "certificate": "ssm:/c"}]),
        {"sign": {"use": "saml-signing", "kind": "kms:RSA_2048"}},
        "acme: saml.signing_keys[0].certificate: comes with the key ring: leave it out",
    ),
    (
        saml(signing_keys=[{"key": "secretsmanager:k"}]),
        {},
        "acme: saml.signing_keys[0].certificate: is missing",
    ),
    (
        changed(client_authentication={"method": "client_secret_post", "secret": "ring:bank"}),
        {"bank": ASSERTION},
        "acme: client_authentication.secret: cannot be filled by a key ring",
    ),
    (
        changed(),
        {"bank": ASSERTION},
        "key_rings: bank: fills no key: name it as ring:… in a connection, or leave it out",
    ),
]


@pytest.mark.parametrize(("body", "rings", "problem"), WRONG_USES)
def test_where_a_ring_cannot_stand(tmp_path, body, rings, problem):
    assert problem in problems(tmp_path, body, rings)


def test_no_call_to_kms_by_whoever_sends_an_encrypted_response(tmp_path):
    body = {
        **decrypting("ring:bank"),
        "authorization": {"response_mode": "jwt"},
        "authorization_response": {"encryption": "required"},
    }
    assert problems(tmp_path, body, {"bank": {"use": "token-decryption", "kind": "kms:RSA_2048"}}) == [
        "acme: token_decryption.keys: must not be in KMS: whoever sends an encrypted authorization response would cause a call"
    ]


def test_154_connections_share_no_ring(tmp_path):
    other = signing(issuer="https://login.beta.example", client_id="beta")
    other["relying_parties"][0]["secret_hashes"] = ["sha256:" + "b2" * 32]
    assert problems(tmp_path, signing(), {"bank": ASSERTION}, beta=other) == [
        "beta: client_authentication.key: is the same key as in acme: connections share none"
    ]


WRONG_RINGS: list[tuple[Any, str]] = [
    ({"use": "client-assertion"}, "bank.kind: is missing"),
    ({**ASSERTION, "use": "magic"}, "bank.use: must be one of client-assertion, request-object, token-decryption, saml-signing, saml-decryption, client-tls, id-token"),
    ({**ASSERTION, "every": 1}, "bank.every: is not known"),
    ({**ASSERTION, "rotate_every": 60}, "bank.rotate_every: must be between 86400 and 315360000 seconds"),
    ({**ASSERTION, "rotate_every": 86_400}, "bank.rotate_every: must be no shorter than publish_for and retire_after together"),
    ({**ASSERTION, "publish_for": 1799}, "bank.publish_for: must be at least 1800 seconds: every function must know the key"),
    ({**ASSERTION, "retire_after": 7199}, "bank.retire_after: must be at least 7200 seconds: sign-ins under way need the key"),
    ({**ASSERTION, "certificate_subject": "CN=x"}, "bank.certificate_subject: needs certificate_lifetime: there is no certificate"),
    ({**ASSERTION, "certificate_lifetime": 86_400}, "bank.certificate_lifetime: must be no shorter than rotate_every, publish_for and retire_after together"),
    ({**ASSERTION, "certificate_lifetime": 1}, "bank.certificate_lifetime: must be between 86400 and 315360000 seconds"),
    ({**ASSERTION, "certificate_lifetime": 31_536_000, "certificate_subject": "bridge"}, "bank.certificate_subject: must be a distinguished name such as CN=bridge,O=Acme,C=SE"),
    ({**ASSERTION, "use": "id-token", "confirmation": "required"}, "bank.confirmation: is for keys that an IdP must be given: nobody uploads those of ID tokens"),
    ({**ASSERTION, "use": "id-token", "certificate_lifetime": 31_536_000}, "bank.certificate_lifetime: does not apply to id-token"),
    ({**ASSERTION, "use": "saml-decryption"}, "bank.kind: must be RSA: SAML encrypts to RSA keys alone"),
    ({**ASSERTION, "use": "client-tls", "kind": "kms:RSA_2048"}, "bank.kind: must not be in KMS, which gives OpenSSL no key"),
    (5, "bank: must be a mapping"),
]  # fmt: skip


@pytest.mark.parametrize(("ring", "problem"), WRONG_RINGS)
def test_what_is_wrong_with_a_ring_is_named(tmp_path, ring, problem):
    assert f"key_rings: {problem}" in problems(tmp_path, signing(), {"bank": ring})


def test_a_ring_is_called_as_a_connection_may_be(tmp_path):
    says = "key_rings: Bank: a name must be 1 to 63 of a-z, 0-9 and -, and begin with a letter or a digit"
    assert says in problems(tmp_path, signing(), {"Bank": ASSERTION})


def test_the_rings_are_a_mapping(tmp_path):
    assert "key_rings: must be a mapping of names to key rings" in problems(tmp_path, changed(), [])


def test_nobody_writes_down_what_fedbridge_fills_in(tmp_path):
    assert "acme: rings: is filled in by fedbridge: leave it out" in problems(
        tmp_path, changed(rings={"client_authentication.key": ["bank"]}), {}
    )


def test_a_local_run_refuses_rings_and_says_what_to_do(tmp_path, capsys):
    path = written(tmp_path, {"acme": signing()}, {"bank": ASSERTION})
    assert main(["dev", "--connections", str(path), "--state", str(tmp_path), "--port", "0"]) == 1
    says = (
        "acme: client_authentication.key: ring:bank rotates in a deployed stack; for a local run name a key"
    )
    assert says in capsys.readouterr().err
