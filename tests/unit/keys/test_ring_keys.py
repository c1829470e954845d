"""The keys of rings as they are made: in KMS, in Secrets Manager, with certificates and without."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from fedbridge.errors import ConfigurationError, KeyNotMade, KeyUnavailable
from fedbridge.keys.jwk import thumbprint
from fedbridge.keys.provider import CachedKeys
from fedbridge.keys.ring_keys import RingKeyMaker
from fedbridge.keys.secrets import CachedSecrets
from fedbridge.model.key_ring import DAY, KeyRing, RingKey
from tests.conformance.transactions import soon
from tests.fakes.kms import FakeKms, client_error
from tests.fakes.secrets_manager import FakeSecretsManager
from tests.fakes.telemetry import NullTelemetry

NOW = 1_800_000_000
IN_KMS = KeyRing(use="client-assertion", kind="kms:RSA_2048")
IN_SECRETS = KeyRing(use="client-assertion", kind="secretsmanager:P-256")


@dataclass
class Account:
    kms: FakeKms = field(default_factory=FakeKms)
    secrets: FakeSecretsManager = field(default_factory=FakeSecretsManager)
    slept: list[float] = field(default_factory=list)

    def clients(self, service: str) -> Any:
        return self.kms if service == "kms" else self.secrets

    def maker(self) -> RingKeyMaker:
        return RingKeyMaker(environment="prod", clients=self.clients, sleep=self.slept.append)

    def make(self, policy: KeyRing, serial: int = 1, *, again: bool = False) -> RingKey:
        made = self.attempt(policy, serial, again=again)
        assert made is not None
        return made

    def attempt(self, policy: KeyRing, serial: int = 1, *, again: bool = False) -> RingKey | None:
        return self.maker().make("bank", policy, serial, again=again, now=NOW, deadline=soon())

    def loaded(self) -> tuple[CachedKeys, CachedSecrets]:
        secrets = CachedSecrets(self.clients, allow_local=False, telemetry=NullTelemetry())
        return CachedKeys(secrets, self.clients), secrets

    def certificate(self, key: RingKey) -> x509.Certificate:
        _, secrets = self.loaded()
        assert key.certificate is not None
        return x509.load_pem_x509_certificate(secrets.get(key.certificate, soon()).encode())


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.mark.parametrize(
    ("use", "kind", "usage", "tag"),
    [
        ("client-assertion", "kms:RSA_2048", "SIGN_VERIFY", "client-assertion"),
        ("request-object", "kms:ECC_NIST_P256", "SIGN_VERIFY", "client-assertion"),
        ("token-decryption", "kms:RSA_2048", "ENCRYPT_DECRYPT", "token-decryption"),
        ("token-decryption", "kms:ECC_NIST_P384", "KEY_AGREEMENT", "token-decryption"),
        ("saml-decryption", "kms:RSA_2048", "ENCRYPT_DECRYPT", "saml-decryption"),
        ("id-token", "kms:ECC_NIST_P256", "SIGN_VERIFY", "id-token"),
    ],
)
def test_a_key_in_kms_is_tagged_so_that_its_function_alone_reaches_it(account, use, kind, usage, tag):
    made = account.make(KeyRing(use=use, kind=kind), 7)
    key = account.kms.keys[made.reference.removeprefix("kms:")]
    assert key.usage == usage
    assert key.tags == {
        "fedbridge:environment": "prod",
        "fedbridge:use": tag,
        "fedbridge:ring": "bank",
        "fedbridge:serial": "7",
    }
    assert made.kid == thumbprint(key.private.public_key())
    assert (made.made, made.created_at, made.state) == (True, NOW, "next")


@pytest.mark.parametrize(
    ("use", "name"),
    [
        ("client-assertion", "fedbridge/prod/oidc/rings/bank/3"),
        ("client-tls", "fedbridge/prod/oidc/rings/bank/3"),
        ("saml-signing", "fedbridge/prod/saml/rings/bank/3"),
        ("id-token", "fedbridge/prod/id-token/bank-3"),
    ],
)
def test_a_key_in_secrets_manager_is_where_its_function_alone_reads(account, use, name):
    made = account.make(KeyRing(use=use, kind="secretsmanager:P-256"), 3)
    assert made.reference.partition("#")[0] == f"secretsmanager:{name}"
    keys, _ = account.loaded()
    assert keys.signer(made.reference, None, soon()).kid == made.kid


@pytest.mark.parametrize("kind", ["RSA-2048", "P-256", "P-384", "P-521"])
def test_kinds_of_keys(account, kind):
    stored: Any = f"secretsmanager:{kind}"
    made = account.make(replace(IN_SECRETS, kind=stored))
    keys, _ = account.loaded()
    assert keys.signer(made.reference, None, soon()).public_jwk.get("crv", "RSA-2048") == kind


@pytest.mark.parametrize("store", ["kms:RSA_2048", "secretsmanager:RSA-2048"])
def test_a_signing_key_signs_its_own_certificate(account, store):
    policy = KeyRing(
        use="saml-signing", kind=store, certificate_lifetime=100 * DAY, certificate_subject="CN=x,O=y"
    )
    made = account.make(policy)
    certificate = account.certificate(made)
    certificate.verify_directly_issued_by(certificate)
    assert thumbprint(certificate.public_key()) == made.kid
    assert certificate.subject.rfc4514_string() == "CN=x,O=y"
    assert certificate.not_valid_before_utc.timestamp() == NOW
    assert certificate.not_valid_after_utc.timestamp() == made.not_after == NOW + 100 * DAY


@pytest.mark.parametrize("store", ["kms:RSA_2048", "secretsmanager:RSA-2048"])
def test_a_decryption_key_gets_a_certificate_that_says_so(account, store):
    made = account.make(KeyRing(use="saml-decryption", kind=store))
    certificate = account.certificate(made)
    assert isinstance(certificate.public_key(), rsa.RSAPublicKey)
    assert thumbprint(certificate.public_key()) == made.kid
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.key_encipherment
    assert not usage.digital_signature
    keys, _ = account.loaded()
    assert keys.decrypter(made.reference, soon()).kid == made.kid


def test_a_certificate_for_tls_says_so(account):
    certificate = account.certificate(account.make(KeyRing(use="client-tls", kind="secretsmanager:P-256")))
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]


@pytest.mark.parametrize("lifetime", [None, 400 * DAY])
def test_what_was_begun_in_secrets_manager_is_found_again(account, lifetime):
    policy = replace(IN_SECRETS, certificate_lifetime=lifetime)
    assert account.make(policy, again=True) == account.make(policy, again=True)


@pytest.mark.parametrize("lifetime", [None, 400 * DAY])
@pytest.mark.parametrize("changes", [{"kind": "secretsmanager:RSA-2048"}, {"certificate_lifetime": "other"}])
def test_what_was_begun_by_another_policy_is_given_up_and_no_dead_end(account, lifetime, changes):
    policy = replace(IN_SECRETS, certificate_lifetime=lifetime)
    account.make(policy)
    if "certificate_lifetime" in changes:
        changes = {"certificate_lifetime": 400 * DAY if lifetime is None else None}
    assert account.attempt(replace(policy, **changes), again=True) is None


def test_a_certificate_that_is_found_again_ends_when_it_does(account):
    policy = replace(IN_SECRETS, certificate_lifetime=400 * DAY)
    made = account.make(policy)
    found = account.maker().make("bank", policy, 1, again=True, now=NOW + 9 * DAY, deadline=soon())
    assert found == replace(made, created_at=NOW + 9 * DAY)
    assert found.not_after == account.certificate(found).not_valid_after_utc.timestamp()


def test_what_was_begun_in_kms_is_not_found_again(account):
    assert account.attempt(IN_KMS, again=True) is None
    assert account.kms.calls == {}


def test_a_name_that_somebody_else_has_is_left_alone(account):
    account.secrets.values["fedbridge/prod/oidc/rings/bank/1"] = "something"
    assert account.attempt(IN_SECRETS) is None
    assert account.secrets.values == {"fedbridge/prod/oidc/rings/bank/1": "something"}


def test_a_new_key_that_kms_does_not_know_yet_is_asked_for_again(account):
    account.kms.get_public_key = _failing(
        account.kms.get_public_key, [client_error("NotFoundException", "GetPublicKey")] * 2
    )
    assert account.make(IN_KMS)
    assert account.slept == [1.0, 1.0]
    assert account.kms.calls["CreateKey"] == 1


@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException", "LimitExceededException"])
def test_what_kms_refuses_is_not_made_and_not_tried_twice(account, code):
    account.kms.faults = [client_error(code, "CreateKey")]
    with pytest.raises(KeyNotMade):
        account.attempt(IN_KMS)
    assert account.kms.calls["CreateKey"] == 1


@pytest.mark.parametrize(
    "fault",
    [ReadTimeoutError(endpoint_url="https://kms"), client_error("KMSInternalException", "CreateKey", 500)],
)
def test_where_the_answer_is_lost_there_may_be_a_key_and_no_second_one_is_made(account, fault):
    account.kms.faults = [fault]
    with pytest.raises(KeyUnavailable) as failure:
        account.attempt(IN_KMS)
    assert not isinstance(failure.value, KeyNotMade)
    assert account.kms.calls["CreateKey"] == 1


def test_a_subject_that_cannot_be_is_found_before_a_key_is_paid_for(account):
    policy = KeyRing(use="saml-signing", kind="kms:RSA_2048", certificate_subject="CN=x=y,,")
    with pytest.raises(ConfigurationError, match="distinguished name"):
        account.attempt(policy)
    assert account.kms.calls == {}


def test_a_key_in_kms_is_disabled_and_all_others_are_left_to_people(account):
    made = account.make(IN_KMS)
    arn = made.reference.removeprefix("kms:")
    assert account.maker().disable(replace(made, made=False), soon()) is False
    assert account.maker().disable(account.make(IN_SECRETS, 2), soon()) is False
    assert account.kms.keys[arn].state == "Enabled"
    for _ in range(2):
        assert account.maker().disable(made, soon()) is True
    assert account.kms.keys[arn].state == "Disabled"


@pytest.mark.parametrize("code", ["KMSInvalidStateException", "NotFoundException"])
def test_a_key_that_somebody_deleted_does_not_hold_its_ring_up_for_good(account, code):
    made = account.make(IN_KMS)
    account.kms.disable_key = _failing(account.kms.disable_key, [client_error(code, "DisableKey")] * 2)
    assert account.maker().disable(made, soon()) is False
    elsewhere = replace(made, reference=made.reference.replace("eu-west-1", "eu-north-1"))
    with pytest.raises(KeyUnavailable):
        account.maker().disable(elsewhere, soon())


def _failing(operation: Any, faults: list[Exception]) -> Any:
    def call(**request: Any) -> Any:
        if faults:
            raise faults.pop()
        return operation(**request)

    return call
