"""The public keys that an IdP encrypts to."""

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc.jwk import ECKey, KeySet

from fedbridge.errors import ConfigurationError, KeyUnavailable
from fedbridge.keys.client_decryption import decryption_jwks
from fedbridge.keys.provider import CachedKeys
from fedbridge.keys.secrets import CachedSecrets
from fedbridge.model.deadline import Deadline
from fedbridge.model.policies import TokenDecryption
from tests.fakes.kms import FakeKms, KmsKey
from tests.fakes.telemetry import NullTelemetry
from tests.support.keys import ec_key, jwk_text, private_pem, public_pem, rsa_key, thumbprint_of


@pytest.fixture
def kms() -> FakeKms:
    return FakeKms()


@pytest.fixture
def published(kms):
    """Return the JWKs of the policy with these members."""
    environ = {
        "RSA": private_pem(rsa_key()),
        "EC": private_pem(ec_key()),
        "EC2": private_pem(ec_key("P-384")),
        "AGAIN": jwk_text(ec_key()),
        "DECLARED": jwk_text(ec_key("P-521"), use="enc", alg="ECDH-ES+A128KW"),
        "SIGNING": jwk_text(ec_key("P-256", 1), use="sig"),
        "OPERATIONS": jwk_text(ec_key("P-256", 1), key_ops=["sign"]),
        "WRONG": jwk_text(ec_key("P-256", 1), use="enc", alg="RSA-OAEP"),
        "UNKNOWN": jwk_text(ec_key("P-256", 1), use="enc", alg="ES256"),
        "PUBLIC": public_pem(rsa_key()),
        "WEAK": private_pem(rsa.generate_private_key(65537, 1024)),
    }
    secrets = CachedSecrets(kms.clients, allow_local=True, telemetry=NullTelemetry(), environ=environ)
    keys = CachedKeys(secrets, kms.clients, sleep=lambda _: None)

    def published(*references, signing=(), **members):
        policy = TokenDecryption(keys=references, **members)
        return decryption_jwks(policy, signing=signing, keys=keys, deadline=Deadline.after(20))

    return published


def test_published_keys_and_no_retired_one(published):
    jwks = published("env:EC", "env:RSA", retired_keys=("env:EC2",))

    assert [(jwk["kid"], jwk["use"], "alg" in jwk) for jwk in jwks] == [
        (thumbprint_of(ec_key()), "enc", False),
        (thumbprint_of(rsa_key()), "enc", False),
    ]
    assert set(jwks[0]) == {"kty", "crv", "x", "y", "kid", "use"}
    assert len(KeySet.import_key_set({"keys": list(jwks)}).keys) == 2


def test_an_algorithm_that_is_the_only_one_for_the_type(published):
    agreeing, unwrapping = published(
        "env:EC", "env:RSA", algorithms=("RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A256KW")
    )

    assert (agreeing.get("alg"), unwrapping["alg"]) == (None, "RSA-OAEP-256")


def test_the_algorithm_of_the_keys_own_jwk(published):
    assert published("env:DECLARED")[0]["alg"] == "ECDH-ES+A128KW"
    with pytest.raises(ConfigurationError, match="serves none"):
        published("env:DECLARED", algorithms=("ECDH-ES+A256KW",))


@pytest.mark.parametrize("usage,key", [("ENCRYPT_DECRYPT", rsa_key), ("KEY_AGREEMENT", ec_key)])
def test_a_key_in_kms(published, kms, usage, key):
    arn = kms.add(KmsKey(key(), usage=usage))

    assert published(f"kms:{arn}")[0]["kid"] == thumbprint_of(key())


@pytest.mark.parametrize(
    "references,message",
    [
        (("env:EC", "env:AGAIN"), "twice"),
        (("env:SIGNING",), "not for decryption"),
        (("env:OPERATIONS",), "not for decryption"),
        (("env:WRONG",), "no key encryption algorithm of its type"),
        (("env:UNKNOWN",), "no key encryption algorithm of its type"),
        (("env:PUBLIC",), "no private key"),
        (("env:WEAK",), "2048 to 8192 are needed"),
        (("env:MISSING",), "not set"),
        (("env:RSA",), "serves none of token_decryption.algorithms"),
    ],
)
def test_keys_that_cannot_decrypt_are_found_when_they_are_published(published, references, message):
    algorithms = ("ECDH-ES",)
    with pytest.raises(ConfigurationError, match=message):
        published(*references, algorithms=algorithms)
    with pytest.raises(ConfigurationError, match=message):
        published("env:EC", retired_keys=references, algorithms=algorithms)


def test_a_key_that_signs_does_not_decrypt_whatever_its_kid(published):
    signing = [{**joserfc_jwk(ec_key()), "use": "sig", "kid": "bridge-2026"}]

    assert published("env:RSA", retired_keys=("env:EC2",), signing=signing)
    with pytest.raises(ConfigurationError, match="env:EC: this key signs as well"):
        published("env:EC", signing=signing)
    with pytest.raises(ConfigurationError, match="env:AGAIN: this key signs as well"):
        published("env:RSA", retired_keys=("env:AGAIN",), signing=signing)


def joserfc_jwk(key):
    return ECKey.import_key(key).as_dict(private=False)


@pytest.mark.parametrize(
    "key,usage",
    [
        (rsa_key, "SIGN_VERIFY"),
        (ec_key, "SIGN_VERIFY"),
        (ec_key, "ENCRYPT_DECRYPT"),
        (rsa_key, "KEY_AGREEMENT"),
    ],
)
def test_a_key_in_kms_of_another_usage(published, kms, key, usage):
    arn = kms.add(KmsKey(key(), usage=usage))

    with pytest.raises(ConfigurationError, match="usage is not"):
        published(f"kms:{arn}")


def test_a_key_in_kms_that_is_not_there(published):
    with pytest.raises(KeyUnavailable) as failure:
        published("kms:arn:aws:kms:eu-west-1:111122223333:key/none")
    assert failure.value.reason == "kms_key_not_found"


def test_an_alias_is_no_key(published):
    with pytest.raises(ConfigurationError, match="not of an alias"):
        published("kms:arn:aws:kms:eu-west-1:111122223333:alias/decryption")
