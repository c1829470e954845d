"""Keys and secrets that cannot be had, each for another reason; and keys that are not what they say."""

import pytest

from fedbridge.cli.check.own_keys import own_key_findings
from fedbridge.errors import ConfigurationError, DeadlineExceeded, KeyUnavailable
from fedbridge.keys.decrypter import LocalDecrypter
from fedbridge.keys.jwk import ImportedKey
from fedbridge.model.connection import ClientAuthentication
from fedbridge.model.policies import TokenDecryption
from tests.fakes.keys import FakeSigner
from tests.support.keys import ec_key, rsa_key

KEY = "secretsmanager:fedbridge/prod/bank/key"


def codes(context):
    return [each.code for each in own_key_findings(context)]


def with_key(context, reference=KEY):
    return context(client_authentication=ClientAuthentication(method="private_key_jwt", key=reference))


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (KeyUnavailable(reason="kms_key_disabled"), "key_disabled"),
        (KeyUnavailable(reason="kms_key_invalid_state"), "key_disabled"),
        (KeyUnavailable(reason="kms_key_not_found"), "key_missing"),
        (KeyUnavailable(reason="secret_not_found"), "key_missing"),
        (KeyUnavailable(reason="secret_deleted"), "key_missing"),
        (KeyUnavailable(reason="kms_access_denied"), "key_access_denied"),
        (KeyUnavailable(reason="secret_access_denied"), "key_access_denied"),
        (KeyUnavailable(reason="kms_throttled", transient=True), "key_unavailable"),
        (DeadlineExceeded(), "key_unavailable"),
        (ConfigurationError("weak"), "key_invalid"),
    ],
)
def test_why_a_key_cannot_be_had(context, keys, failure, code):
    keys.signers[KEY], keys.values[KEY] = failure, "what is stored there"
    assert codes(with_key(context)) == [code]


def test_a_reference_that_brings_nothing(context, keys):
    keys.signers[KEY] = keys.values[KEY] = ConfigurationError("not set, empty, or not text")
    assert codes(with_key(context)) == ["key_missing"]


def test_a_key_of_a_ring_is_in_the_table_alone(context, keys):
    keys.signers["ring:bank"] = ConfigurationError("no such scheme")
    assert codes(with_key(context, "ring:bank")) == ["key_ring_not_filled"]


def test_a_key_that_signs_with_something_else_than_it_publishes(context, keys):
    signer = FakeSigner()
    signer.public_jwk = FakeSigner().public_jwk
    keys.signers[KEY] = signer
    assert codes(with_key(context)) == ["key_does_not_work"]


@pytest.mark.parametrize("key", [rsa_key(number=970), ec_key(number=971)], ids=["RSA", "EC"])
def test_a_key_that_decrypts(context, keys, key):
    decrypting = context(token_decryption=TokenDecryption(keys=(KEY,)))
    keys.decrypters[KEY] = LocalDecrypter.of(ImportedKey(key=key))
    assert codes(decrypting) == []


def test_a_key_that_decrypts_by_one_algorithm_alone(context, keys):
    decrypting = context(token_decryption=TokenDecryption(keys=(KEY,)))
    only = ImportedKey(key=rsa_key(number=970), algorithm="RSA-OAEP-256")
    keys.decrypters[KEY] = LocalDecrypter.of(only)
    assert codes(decrypting) == []


OTHER = "kms:other"


@pytest.mark.parametrize(
    "profile",
    [
        ClientAuthentication(method="private_key_jwt", key=KEY, next_key=OTHER),
        ClientAuthentication(method="private_key_jwt", key=KEY, retired_keys=(OTHER,)),
    ],
    ids=["next_key", "retired_keys"],
)
def test_keys_that_do_not_sign_now_are_tried_too(context, keys, profile):
    keys.signers[KEY], keys.signers[OTHER] = FakeSigner(), KeyUnavailable(reason="kms_key_disabled")
    assert codes(context(client_authentication=profile)) == ["key_disabled"]


@pytest.mark.parametrize(
    ("public", "private"),
    [(rsa_key(number=970), rsa_key(number=972)), (ec_key(number=971), ec_key(number=973))],
    ids=["RSA", "EC"],
)
def test_a_key_that_decrypts_something_else_than_it_publishes(context, keys, public, private):
    class Mixed:
        public_jwk = LocalDecrypter.of(ImportedKey(key=public)).public_jwk
        _other = LocalDecrypter.of(ImportedKey(key=private))
        unwrap, agree = _other.unwrap, _other.agree

    keys.decrypters[KEY] = Mixed()
    assert codes(context(token_decryption=TokenDecryption(keys=(KEY,)))) == ["key_does_not_work"]


def test_a_secret_that_may_not_be_read(context, keys):
    keys.values[KEY] = KeyUnavailable(reason="secret_access_denied")
    profile = ClientAuthentication(method="client_secret_basic", secret=KEY)
    assert codes(context(client_authentication=profile)) == ["key_access_denied"]


def test_a_secret_that_is_not_used_is_not_read(context):
    profile = ClientAuthentication(method="tls_client_auth", secret=KEY)
    assert codes(context(client_authentication=profile)) == []
