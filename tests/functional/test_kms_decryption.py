"""Tokens that KMS decrypts, over the wire: ministack's key states, servers that misbehave, and EC keys by the SDK's model."""

from collections.abc import Iterator
from typing import Any

import pytest
from joserfc.jwk import ECKey, RSAKey

from fedbridge.aws import sdk_client
from fedbridge.errors import ConfigurationError, KeyUnavailable, UpstreamError
from fedbridge.keys.kms_decrypter import KmsDecrypter
from fedbridge.keys.provider import CachedKeys
from fedbridge.keys.secrets import CachedSecrets
from fedbridge.model.deadline import Deadline
from fedbridge.rp.jwe import decrypt_compact
from tests.counterparts.ministack import MiniStack
from tests.fakes.kms import FakeKms, KmsKey, client_error, wire
from tests.fakes.telemetry import NullTelemetry
from tests.support.keys import ec_key, rsa_key
from tests.support.kms import create_key, running_ministack
from tests.unit.rp.encryption import (
    CONTENT,
    ECDH,
    RSA,
    SIGNED,
    context,
    decrypting,
    encrypt,
    encrypted_connection,
)


def opened(token: str, keys: Any, *references: str) -> str:
    at = encrypted_connection(decrypting(*references))
    return decrypt_compact(context(at, keys), token, kind="id_token")


def cached_keys(client: Any) -> CachedKeys:
    secrets = CachedSecrets(lambda _: None, allow_local=False, telemetry=NullTelemetry())
    return CachedKeys(secrets, lambda _: client, sleep=lambda _: None)


@pytest.fixture
def kms() -> FakeKms:
    return FakeKms()


@pytest.fixture
def client(kms, monkeypatch) -> Any:
    """The SDK's own client, answered by the fake as botocore's model has it."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    return wire(kms, sdk_client("kms", endpoint_url="http://127.0.0.1:9"))  # where nobody listens


def joserfc_key(keys: CachedKeys, reference: str) -> Any:
    jwk = dict(keys.decrypter(reference, Deadline.after(20)).public_jwk)
    return ECKey.import_key(jwk) if jwk["kty"] == "EC" else RSAKey.import_key(jwk)


@pytest.mark.parametrize("enc", CONTENT)
@pytest.mark.parametrize("alg", ECDH)
@pytest.mark.parametrize("curve", ["P-256", "P-384", "P-521"])
def test_a_token_for_an_ec_key_in_kms(kms, client, curve, alg, enc):
    reference = f"kms:{kms.add(KmsKey(ec_key(curve), usage='KEY_AGREEMENT'))}"
    keys = cached_keys(client)
    token = encrypt(SIGNED, joserfc_key(keys, reference), alg, enc)

    assert opened(token, keys, reference) == SIGNED
    assert opened(token, keys, reference) == SIGNED
    assert kms.calls == {"GetPublicKey": 1, "DeriveSharedSecret": 2}


def test_nothing_is_sent_to_kms_that_its_header_forbids(kms, client):
    reference = f"kms:{kms.add(KmsKey(ec_key(), usage='KEY_AGREEMENT'))}"
    keys = cached_keys(client)
    key = joserfc_key(keys, reference)
    for token in (
        encrypt(SIGNED, key, zip="DEF"),
        encrypt(SIGNED, key, enc="A192GCM"),
        encrypt(SIGNED, key, kid="x"),
    ):
        with pytest.raises(UpstreamError):
            opened(token, keys, reference)
    assert kms.calls == {"GetPublicKey": 1}


@pytest.mark.parametrize("length", [31, 33])
def test_a_shared_secret_of_another_length(kms, client, length):
    reference = f"kms:{kms.add(KmsKey(ec_key(), usage='KEY_AGREEMENT'))}"
    keys = cached_keys(client)
    token = encrypt(SIGNED, joserfc_key(keys, reference))
    kms.forged = bytes(length)

    with pytest.raises(KeyUnavailable) as failure:
        opened(token, keys, reference)
    assert failure.value.reason == "kms_error"


@pytest.mark.parametrize(
    "code,reason",
    [
        ("InvalidCiphertextException", None),
        ("IncorrectKeyException", None),
        ("DisabledException", "kms_key_disabled"),
        ("KMSInvalidStateException", "kms_key_invalid_state"),
        ("NotFoundException", "kms_key_not_found"),
        ("InvalidKeyUsageException", "kms_key_unsuitable"),
        ("AccessDeniedException", "kms_access_denied"),
        ("ValidationException", "kms_error"),
    ],
)
def test_refusals_of_kms(kms, client, code, reason):
    """A ciphertext that is not the key's is the token's fault, all else the key's."""
    reference = f"kms:{kms.add(KmsKey(rsa_key(), usage='ENCRYPT_DECRYPT'))}"
    keys = cached_keys(client)
    token = encrypt(SIGNED, joserfc_key(keys, reference), "RSA-OAEP-256")
    kms.faults = [client_error(code, "Decrypt")]
    with pytest.raises(UpstreamError if reason is None else KeyUnavailable) as failure:
        opened(token, keys, reference)
    assert failure.value.reason == (reason or "id_token_decryption_failed")
    assert kms.calls["Decrypt"] == 1
    assert opened(token, keys, reference) == SIGNED


def test_throttling_is_tried_again(kms, client):
    reference = f"kms:{kms.add(KmsKey(rsa_key(), usage='ENCRYPT_DECRYPT'))}"
    keys = cached_keys(client)
    token = encrypt(SIGNED, joserfc_key(keys, reference), "RSA-OAEP")
    kms.faults = [client_error("ThrottlingException", "Decrypt")] * 2

    assert opened(token, keys, reference) == SIGNED
    assert kms.calls["Decrypt"] == 3


def test_a_key_as_long_as_another_modulus_is_not_sent_at_all(kms, client):
    reference = f"kms:{kms.add(KmsKey(rsa_key(), usage='ENCRYPT_DECRYPT'))}"
    decrypter = cached_keys(client).decrypter(reference, Deadline.after(20))

    with pytest.raises(ValueError, match="not as long as the modulus"):
        decrypter.unwrap("RSA-OAEP", bytes(384), Deadline.after(20))
    assert kms.calls["Decrypt"] == 0


@pytest.fixture(scope="module")
def account() -> Iterator[MiniStack]:
    with running_ministack() as account:
        yield account


@pytest.mark.ministack
class TestKeyStates:
    @pytest.fixture
    def keys(self, account) -> CachedKeys:
        return cached_keys(sdk_client("kms"))

    @pytest.mark.parametrize("enc", CONTENT)
    @pytest.mark.parametrize("alg", RSA)
    def test_a_token_for_an_rsa_key_in_kms(self, account, keys, alg, enc):
        reference = f"kms:{create_key(account, 'RSA_2048', 'ENCRYPT_DECRYPT')}"
        token = encrypt(SIGNED, joserfc_key(keys, reference), alg, enc)
        segments = token.split(".")
        segments[1] = segments[1][:-4] + ("AAAA" if segments[1][-4:] != "AAAA" else "BBBB")

        assert opened(token, keys, reference) == SIGNED
        with pytest.raises(UpstreamError) as failure:
            opened(".".join(segments), keys, reference)
        assert failure.value.reason == "id_token_decryption_failed"

    def test_a_disabled_key_decrypts_nothing_until_it_is_enabled(self, account, keys):
        arn = create_key(account, "RSA_2048", "ENCRYPT_DECRYPT")
        token = encrypt(SIGNED, joserfc_key(keys, f"kms:{arn}"), "RSA-OAEP-256")
        admin = account.client("kms")
        admin.disable_key(KeyId=arn)

        with pytest.raises(KeyUnavailable) as failure:
            opened(token, keys, f"kms:{arn}")
        assert (failure.value.reason, failure.value.transient) == ("kms_key_disabled", False)

        admin.enable_key(KeyId=arn)
        assert opened(token, keys, f"kms:{arn}") == SIGNED

    def test_keys_that_cannot_decrypt_tokens(self, account):
        admin = account.client("kms")
        symmetric = admin.create_key()["KeyMetadata"]["Arn"]
        signing = create_key(account, "RSA_2048")
        client = sdk_client("kms")

        for arn in (symmetric, signing):
            with pytest.raises(ConfigurationError, match=arn):
                KmsDecrypter.load(arn, client=lambda: client, deadline=Deadline.after(20))
