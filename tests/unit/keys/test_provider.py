"""Signers by reference."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from fedbridge.errors import ConfigurationError, KeyUnavailable
from fedbridge.keys.provider import CachedKeys
from fedbridge.keys.secrets import FRESH, STALE, CachedSecrets
from fedbridge.model.deadline import Deadline
from tests.fakes.kms import FakeKms, KmsKey, client_error
from tests.fakes.secrets_manager import FakeSecretsManager
from tests.fakes.telemetry import NullTelemetry
from tests.support.bridge import SettableClock
from tests.support.keys import ec_key, jwk_text, private_jwk, private_pem, rsa_key, thumbprint_of

NAME = "fedbridge/test/key"
REFERENCE = f"secretsmanager:{NAME}"


@pytest.fixture
def manager() -> FakeSecretsManager:
    return FakeSecretsManager(values={NAME: private_pem(rsa_key())})


@pytest.fixture
def kms() -> FakeKms:
    return FakeKms()


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def secrets(manager, clock) -> CachedSecrets:
    return CachedSecrets(
        manager.clients, allow_local=True, telemetry=NullTelemetry(), clock=clock, sleep=lambda _: None
    )


@pytest.fixture
def keys(secrets, kms) -> CachedKeys:
    return CachedKeys(secrets, kms.clients, sleep=lambda _: None)


@pytest.fixture
def deadline() -> Deadline:
    return Deadline.after(20)


@pytest.mark.parametrize(
    "make,algorithm",
    [
        (rsa_key, "RS256"),
        (ec_key, "ES256"),
        (lambda: ec_key("P-384"), "ES384"),
        (lambda: ec_key("P-521"), "ES512"),
    ],
)
def test_the_default_algorithm_is_that_of_the_key(keys, manager, deadline, make, algorithm):
    manager.values[NAME] = private_pem(make())

    assert keys.signer(REFERENCE, None, deadline).algorithm == algorithm


def test_a_jwk_brings_its_algorithm(keys, manager, deadline):
    manager.values[NAME] = jwk_text(rsa_key(), alg="PS384")

    assert keys.signer(REFERENCE, None, deadline).algorithm == "PS384"
    with pytest.raises(ConfigurationError, match="the JWK is for PS384, RS256 is configured"):
        keys.signer(REFERENCE, "RS256", deadline)


def test_keys_by_fragment(keys, manager, deadline):
    first, second = ec_key("P-256", 1), ec_key("P-256", 2)
    manager.values[NAME] = json.dumps(
        {"keys": [private_jwk(first, kid="one"), private_jwk(second, kid="two")]}
    )

    kids = [keys.signer(REFERENCE + fragment, None, deadline).kid for fragment in ("", "#one", "#two")]

    assert kids == [thumbprint_of(first), thumbprint_of(first), thumbprint_of(second)]
    assert manager.calls[NAME] == 1


def test_a_key_is_imported_once(keys, clock, deadline):
    signer = keys.signer(REFERENCE, None, deadline)
    clock.now += FRESH

    assert keys.signer(REFERENCE, None, deadline) is signer
    assert keys.signer(REFERENCE, "PS256", deadline) is not signer


def test_a_herd_imports_it_once(keys, deadline):
    with ThreadPoolExecutor(8) as pool:
        signers = set(map(id, pool.map(lambda _: keys.signer(REFERENCE, None, deadline), range(64))))

    assert len(signers) <= 8  # who asks while it is imported shares it, who comes later finds it
    assert len({id(keys.signer(REFERENCE, None, deadline)) for _ in range(9)}) == 1


def test_a_document_that_was_replaced_is_seen_after_five_minutes(keys, manager, clock, deadline):
    before = keys.signer(REFERENCE, None, deadline)
    manager.values[NAME] = private_pem(ec_key())
    assert keys.signer(REFERENCE, None, deadline) is before

    clock.now += FRESH

    assert keys.signer(REFERENCE, None, deadline).kid == thumbprint_of(ec_key())


def test_a_key_signs_on_for_an_hour_while_its_store_is_down(keys, manager, clock, deadline):
    signer = keys.signer(REFERENCE, None, deadline)
    manager.outage = client_error("InternalServiceError", "GetSecretValue", 500)
    clock.now += STALE - 1
    assert keys.signer(REFERENCE, None, deadline) is signer

    clock.now += 1
    with pytest.raises(KeyUnavailable):
        keys.signer(REFERENCE, None, deadline)


def test_a_kms_key_is_asked_for_its_public_part_once(keys, kms, deadline):
    arn = kms.add(rsa_key())
    signers = {id(keys.signer(f"kms:{arn}", "RS256", deadline)) for _ in range(9)}

    assert len(signers) == 1
    assert kms.calls == {"GetPublicKey": 1}
    assert kms.created == {"kms": 1}


def test_one_client_serves_all_kms_keys(keys, kms, deadline):
    for name in ("a", "b"):
        keys.signer(f"kms:{kms.add(ec_key(), name)}", None, deadline)

    assert kms.created == {"kms": 1}


def test_local_keys_need_no_client(secrets, deadline, monkeypatch):
    monkeypatch.setenv("BRIDGE_KEY", private_pem(ec_key()))

    def clients(service):
        raise AssertionError(service)

    assert CachedKeys(secrets, clients).signer("env:BRIDGE_KEY", None, deadline).algorithm == "ES256"


class TestTrust:
    @pytest.fixture
    def composite(self) -> str:
        """A key of whose factors one is not prime, though all its numbers agree."""
        numbers = rsa_key(2048, 1).private_numbers()
        p, q = numbers.p, numbers.q * 0x10001
        d = rsa.rsa_recover_private_exponent(65537, p, q)
        key = rsa.RSAPrivateNumbers(
            p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q),
            rsa.RSAPublicNumbers(65537, p * q),
        ).private_key(unsafe_skip_rsa_key_validation=True)  # fmt: skip
        return private_pem(key)

    def test_primes_are_tested_where_a_key_enters(self, secrets, manager, deadline, monkeypatch, composite):
        manager.values[NAME] = composite
        monkeypatch.setenv("BRIDGE_KEY", composite)
        publishing, serving = (
            CachedKeys(secrets, FakeKms().clients, trust_stored=trust) for trust in (False, True)
        )

        for keys, reference in (
            (publishing, REFERENCE),
            (publishing, "env:BRIDGE_KEY"),
            (serving, "env:BRIDGE_KEY"),
        ):
            with pytest.raises(ConfigurationError, match="not prime"):
                keys.signer(reference, None, deadline)

    def test_the_stored_copy_is_not_tested_at_every_cold_start(self, keys, manager, deadline, composite):
        manager.values[NAME] = composite

        assert keys.signer(REFERENCE, None, deadline).algorithm == "RS256"


class TestDecrypters:
    def test_one_is_made_once_and_anew_from_another_document(self, keys, manager, clock, deadline):
        manager.values[NAME] = jwk_text(ec_key(), use="enc")
        first = keys.decrypter(REFERENCE, deadline)
        assert keys.decrypter(REFERENCE, deadline) is first

        manager.values[NAME] = private_pem(ec_key("P-384"))
        assert keys.decrypter(REFERENCE, deadline) is first
        clock.now += FRESH
        assert keys.decrypter(REFERENCE, deadline).kid == thumbprint_of(ec_key("P-384"))

    def test_a_jwks_holds_keys_of_both_uses(self, keys, manager, deadline):
        both = [private_jwk(ec_key(), use="sig", kid="s"), private_jwk(rsa_key(), use="enc", kid="e")]
        manager.values[NAME] = json.dumps({"keys": both})

        assert keys.signer(f"{REFERENCE}#s", None, deadline).kid == thumbprint_of(ec_key())
        assert keys.decrypter(f"{REFERENCE}#e", deadline).kid == thumbprint_of(rsa_key())
        with pytest.raises(ConfigurationError, match="not for decryption"):
            keys.decrypter(REFERENCE, deadline)
        with pytest.raises(ConfigurationError, match="not for signing"):
            keys.signer(f"{REFERENCE}#e", None, deadline)

    def test_threads_share_one_reading_of_a_key_in_kms(self, keys, kms):
        reference = f"kms:{kms.add(KmsKey(rsa_key(), usage='ENCRYPT_DECRYPT'))}"

        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda _: keys.decrypter(reference, Deadline.after(20)), range(16)))
        assert len(set(map(id, found))) == 1
        assert kms.calls == {"GetPublicKey": 1}

    def test_a_failure_is_not_kept(self, keys, kms, deadline):
        reference = f"kms:{kms.add(KmsKey(ec_key(), usage='KEY_AGREEMENT'))}"
        kms.faults = [client_error("AccessDeniedException", "GetPublicKey")]

        with pytest.raises(KeyUnavailable):
            keys.decrypter(reference, deadline)
        assert keys.decrypter(reference, deadline).kid == thumbprint_of(ec_key())
