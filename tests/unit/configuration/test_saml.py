import copy
import subprocess
import sys

import pytest

from fedbridge.configuration.document import decode, encode
from fedbridge.configuration.file import load
from tests.support.machine import ROOT
from tests.unit.configuration.files import GOOD, REMOVED, changed, loaded, problems

KEY = {"key": "secretsmanager:fedbridge/prod/acme", "certificate": "ssm:/fedbridge/prod/acme-certificate"}
OTHER = {"key": "secretsmanager:fedbridge/prod/other", "certificate": "ssm:/fedbridge/prod/other-certificate"}

SAML = copy.deepcopy(GOOD) | {
    "protocol": "saml",
    "issuer": "https://idp.acme.example/saml",
    "client_id": "https://bridge.example.com/acme/saml/metadata",
    "saml": {
        "provider": {
            "single_sign_on_service": "https://idp.acme.example/sso",
            "certificates": ["ssm:/fedbridge/prod/acme-idp"],
        },
        "signing_keys": [KEY],
    },
}
del SAML["client_authentication"]


def test_the_example_survives_being_published():
    examples = ROOT / "tests/unit/configuration/examples"
    for name, file in (("federated", "everything.yaml"), ("acme", "saml.yaml")):
        connection = load(examples / file)[name]
        assert decode(encode(connection)) == connection
        assert connection.saml is not None


def test_it_loads(tmp_path):
    assert loaded(tmp_path, SAML).protocol == "saml"
    assert loaded(tmp_path, changed(SAML, issuer="urn:example:idp")).issuer == "urn:example:idp"


@pytest.mark.parametrize(
    "changes,path",
    [
        ({"issuer": "idp.acme.example"}, "issuer"),
        ({"issuer": "https://idp acme"}, "issuer"),
        ({"issuer": "https://x/<y>"}, "issuer"),
        ({"client_id": "fedbridge"}, "client_id"),
        ({"client_id": SAML["issuer"]}, "client_id"),
        ({"saml": REMOVED}, "saml"),
        ({"tokens": "relay"}, "tokens"),
        ({"id_token": {"algorithms": ["ES256"]}}, "id_token"),
        ({"client_authentication": {"method": "client_secret_post", "secret": "ssm:x"}}, "client_authentication"),
        ({"authorization": {"scope": "openid email"}}, "authorization.scope"),
        ({"authorization": {"acr_values": ["x"]}}, "authorization.acr_values"),
        ({"authorization": {"pass_through": ["ui_locales"]}}, "authorization.pass_through[0]"),
        ({"subject_claims": ["x"]}, "subject_claims"),
        ({"saml__metadata": {"source": "https://idp.acme.example/m"}}, "saml.metadata"),
        ({"saml__provider": REMOVED}, "saml.metadata"),
        ({"saml__provider__certificates": []}, "saml.provider.certificates"),
        ({"saml__provider__certificates": ["MIIC"]}, "saml.provider.certificates[0]"),
        ({"saml__provider__single_sign_on_service": "http://idp.acme.example"}, "saml.provider.single_sign_on_service"),
        ({"saml__provider__binding": "artifact"}, "saml.provider.binding"),
        ({"saml__signing_keys": []}, "saml.signing_keys"),
        ({"saml__signing_keys__0__key": "file:/key.pem"}, "saml.signing_keys[0].key"),
        ({"saml__signing_keys__0__certificate": "kms:x"}, "saml.signing_keys[0].certificate"),
        ({"saml__signing_keys": [KEY, KEY]}, "saml.signing_keys[1].key"),
        ({"saml__decryption_keys": [OTHER]}, "saml.decryption_keys"),
        ({"saml__assertion": {"encryption": "required"}}, "saml.decryption_keys"),
        (
            {"saml__assertion": {"encryption": "required"}, "saml__decryption_keys": [KEY]},
            "saml.decryption_keys[0].key",
        ),
        ({"saml__request": {"signature_algorithm": "HS256"}}, "saml.request.signature_algorithm"),
        ({"saml__request": {"comparison": "minimum"}}, "saml.request.comparison"),
        ({"saml__request": {"comparison": "minimum", "authn_context": ["a"]}}, "saml.request.authn_context[0]"),
        ({"saml__request": {"authn_context": ["a b"]}}, "saml.request.authn_context[0]"),
        ({"saml__request": {"force_authn": True, "is_passive": True}}, "saml.request.is_passive"),
        ({"saml__request": {"extensions": "<a>"}}, "saml.request.extensions"),
        ({"saml__request": {"extensions": "<!DOCTYPE x><a/>"}}, "saml.request.extensions"),
        ({"saml__request": {"extensions": "<un:bound/>"}}, "saml.request.extensions"),
        ({"saml__request": {"extensions": "text"}}, "saml.request.extensions"),
        ({"saml__request": {"attribute_consuming_service_index": -1}}, "saml.request.attribute_consuming_service_index"),
        ({"saml__assertion": {"algorithms": []}}, "saml.assertion.algorithms"),
        ({"saml__assertion": {"algorithms": ["RS1"]}}, "saml.assertion.algorithms[0]"),
        ({"saml__assertion": {"content_encryption": ["A128CBC"]}}, "saml.assertion.content_encryption[0]"),
        ({"saml__assertion": {"key_transport": ["RSA1_5"]}}, "saml.assertion.key_transport[0]"),
        ({"saml__assertion": {"allow_aes_cbc": True}}, "saml.assertion.allow_aes_cbc"),
        ({"saml__assertion": {"clock_skew": 301}}, "saml.assertion.clock_skew"),
        ({"saml__assertion": {"signed": "none"}}, "saml.assertion.signed"),
        ({"saml__assertion": {"authn_context_order": ["a", "a"]}}, "saml.assertion.authn_context_order"),
        ({"saml__assertion": {"subject_attribute": "a b"}}, "saml.assertion.subject_attribute"),
        ({"saml__published": {"attributes": [{"name": "mail"}]}}, "saml.published.attributes"),
        ({"saml__published": {"logo": "https://a.example/x.png"}}, "saml.published.logo"),
        ({"saml__published": {"contacts": [{"type": "technical", "email": "x"}]}}, "saml.published.contacts[0].email"),
        ({"saml__published": {"contacts": [{"type": "boss", "email": "x@y"}]}}, "saml.published.contacts[0].type"),
        ({"saml__published": {"language": "english please"}}, "saml.published.language"),
        ({"saml__published": {"entity_attributes": {"a": []}}}, "saml.published.entity_attributes.a"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(tmp_path, changes, path):
    found = problems(tmp_path, {"acme": changed(SAML, **changes)})
    assert any(f"acme: {path}: " in line for line in found), found


@pytest.mark.parametrize(
    "source", ["http://idp.acme.example/m", "https://127.0.0.1/m", "file:/m.xml", "secret", "kms:x"]
)
def test_metadata_come_over_tls_or_by_reference(tmp_path, source):
    body = changed(SAML, saml__provider=REMOVED, saml__metadata={"source": source})
    assert any("saml.metadata.source" in line for line in problems(tmp_path, {"acme": body}))


def test_saml_keys_need_the_protocol(tmp_path):
    found = problems(tmp_path, {"acme": changed(saml=SAML["saml"])})
    assert any("acme: saml: needs protocol: saml" in line for line in found)


def test_connections_share_no_saml_key(tmp_path):
    other = changed(SAML, client_id="https://bridge.example.com/other/saml/metadata")
    found = problems(tmp_path, {"acme": SAML, "other": other})
    assert any("other: saml.signing_keys[0].key: is the same key as in acme" in line for line in found)


def test_a_connection_without_saml_does_not_load_its_classes():
    script = (
        "import sys; from fedbridge.configuration.document import decode;"
        'decode(b\'{"name":"a","issuer":"i","client_id":"c","relying_parties":[]}\');'
        "sys.exit('fedbridge.model.saml' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT, env={"PYTHONPATH": "shared"})
