"""Rules of artifacts, of sign-ins that the IdP begins, and of federations."""

import pytest

from fedbridge.configuration.document import decode, encode
from fedbridge.configuration.file import load
from tests.support.machine import ROOT
from tests.unit.configuration.files import REMOVED, changed, loaded, problems
from tests.unit.configuration.test_saml import KEY, SAML

FETCHED = changed(SAML, saml__artifact={"services": ["https://idp.acme.example/artifact"]})
TLS = {"certificate": "ssm:/fedbridge/prod/acme-tls", "key": "secretsmanager:fedbridge/prod/acme-tls"}
TARGET = {"client_id": "cognito", "initiate_login_uri": "https://app.example.com/sso"}
AUTHORIZE = (
    "https://pool.auth.eu-north-1.amazoncognito.com/oauth2/authorize?client_id=app&response_type=code"
    "&redirect_uri=https%3A%2F%2Fapp.example.com%2Fback&identity_provider=Acme"
)
DECRYPTION = {
    "key": "secretsmanager:fedbridge/prod/dec",
    "certificate": "ssm:/fedbridge/prod/dec-certificate",
}


def initiated(target=None, **policy):
    return {"saml__initiated": {"targets": {"app": TARGET if target is None else target}, **policy}}


def metadata(**fields):
    given = {
        "source": "https://federation.example.com/all.xml",
        "signer": "ssm:/fedbridge/prod/federation",
        **fields,
    }
    return {
        "saml__provider": REMOVED,
        "saml__metadata": {name: value for name, value in given.items() if value},
    }


def test_the_example_survives_being_published():
    connections = load(ROOT / "tests/unit/configuration/examples/everything.yaml")
    for name in ("federated", "fetched"):
        assert decode(encode(connections[name])) == connections[name]


@pytest.mark.parametrize(
    "changes",
    [
        {"saml__artifact": {"services": ["https://idp.acme.example/artifact"]}},
        {"saml__artifact": {"services": ["https://idp.acme.example/artifact"], "signed": True}, "mutual_tls": TLS},
        {
            "saml__artifact": {"services": ["https://idp.acme.example/artifact"]}, "mutual_tls": TLS,
            "saml__signing_keys": REMOVED, "saml__request": {"signed": False},
        },
        {**metadata(), "saml__artifact": {}},
        metadata(kind="aggregate"),
        metadata(kind="mdq", source="https://mdq.example.com"),
        initiated(),
        initiated(default_target="app", require_login_hint=True),
        initiated({**TARGET, "target_link_uri": "https://app.example.com/x?y=1", "issuer": "https://pool.example.com/1"}),
        initiated({"client_id": "cognito", "cognito_authorize_url": AUTHORIZE}),
        {
            **initiated(), "saml__decryption_keys": [DECRYPTION],
            "saml__assertion": {"encryption": "required", "signed": "response"},
        },
    ],
)  # fmt: skip
def test_it_loads(tmp_path, changes):
    assert loaded(tmp_path, changed(SAML, **changes)).saml is not None


@pytest.mark.parametrize(
    "changes,path",
    [
        ({"saml__artifact": {}}, "saml.artifact.services"),
        ({"saml__artifact": {"services": ["http://idp.acme.example/a"]}}, "saml.artifact.services[0]"),
        ({"saml__artifact": {"services": ["https://10.0.0.1/a"]}}, "saml.artifact.services[0]"),
        ({**metadata(), "saml__artifact": {"services": ["https://idp.acme.example/a"]}}, "saml.artifact.services"),
        (
            {
                "saml__artifact": {"services": ["https://idp.acme.example/a"]}, "saml__signing_keys": REMOVED,
                "saml__request": {"signed": False},
            },
            "saml.artifact",
        ),
        ({"saml__artifact": {"services": ["https://idp.acme.example/a"]}, **initiated()}, "saml.initiated"),
        ({"mutual_tls": TLS}, "mutual_tls"),
        ({"mutual_tls": {**TLS, "key": KEY["key"]}, "saml__artifact": {"services": ["https://idp.acme.example/a"]}}, "mutual_tls.key"),
        ({"mutual_tls": {**TLS, "key": "kms:x"}, "saml__artifact": {"services": ["https://idp.acme.example/a"]}}, "mutual_tls.key"),
        (metadata(kind="aggregate", signer=None), "saml.metadata.signer"),
        (metadata(kind="mdq", signer=None), "saml.metadata.signer"),
        (metadata(kind="mdq", source="https://mdq.example.com/?x=y"), "saml.metadata.source"),
        (metadata(kind="mdq", source="ssm:/fedbridge/prod/metadata"), "saml.metadata.source"),
        (metadata(kind="everything"), "saml.metadata.kind"),
        ({"saml__initiated": {}}, "saml.initiated.targets"),
        (initiated(default_target="other"), "saml.initiated.default_target"),
        (
            {**initiated(), "saml__decryption_keys": [DECRYPTION], "saml__assertion": {"encryption": "optional"}},
            "saml.initiated",
        ),
        ({"saml__initiated": {"targets": {"a b": TARGET}}}, "saml.initiated.targets.a b"),
        ({"saml__initiated": {"targets": {"": TARGET}}}, "saml.initiated.targets."),
        ({"saml__initiated": {"targets": {"x" * 81: TARGET}}}, f"saml.initiated.targets.{'x' * 81}"),
        ({"saml__initiated": {"targets": {"Z" * 43: TARGET}}}, f"saml.initiated.targets.{'Z' * 43}"),
        (initiated({**TARGET, "client_id": "somebody"}), "saml.initiated.targets.app.client_id"),
        (initiated({"client_id": "cognito"}), "saml.initiated.targets.app.initiate_login_uri"),
        (initiated({**TARGET, "cognito_authorize_url": AUTHORIZE}), "saml.initiated.targets.app.initiate_login_uri"),
        (initiated({**TARGET, "initiate_login_uri": "http://app.example.com"}), "saml.initiated.targets.app.initiate_login_uri"),
        (initiated({**TARGET, "initiate_login_uri": "javascript:alert(1)"}), "saml.initiated.targets.app.initiate_login_uri"),
        (initiated({**TARGET, "initiate_login_uri": "https://app.example.com/#x"}), "saml.initiated.targets.app.initiate_login_uri"),
        (initiated({**TARGET, "initiate_login_uri": "https://app.example.com/?iss=x"}), "saml.initiated.targets.app.initiate_login_uri"),
        (initiated({**TARGET, "target_link_uri": "//app.example.com"}), "saml.initiated.targets.app.target_link_uri"),
        (initiated({**TARGET, "issuer": "pool"}), "saml.initiated.targets.app.issuer"),
        (
            initiated({"client_id": "cognito", "cognito_authorize_url": AUTHORIZE, "issuer": "https://x.example.com"}),
            "saml.initiated.targets.app.issuer",
        ),
        *(
            (initiated({"client_id": "cognito", "cognito_authorize_url": url}), "saml.initiated.targets.app.cognito_authorize_url")
            for url in (
                AUTHORIZE.replace("/oauth2/authorize", "/login"), AUTHORIZE.replace("=code", "=token"),
                AUTHORIZE.replace("&identity_provider=Acme", ""), AUTHORIZE + "&login_hint=x", "https://x.example.com/",
            )
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(tmp_path, changes, path):
    found = problems(tmp_path, {"acme": changed(SAML, **changes)})
    assert any(f"acme: {path}: " in line for line in found), found


def test_a_key_of_mutual_tls_belongs_to_one_connection(tmp_path):
    one = {**FETCHED, "mutual_tls": TLS}
    other = changed(
        one,
        client_id="https://bridge.example.com/other/saml/metadata",
        saml__signing_keys=[{**KEY, "key": "secretsmanager:fedbridge/prod/x"}],
    )
    found = problems(tmp_path, {"acme": one, "other": other})
    assert any("other: mutual_tls.key: is the same key as in acme" in line for line in found), found
