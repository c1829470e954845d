"""KMS keys as they are loaded: what is asked, once, and what is refused before anyone signs in."""

import pytest

from fedbridge.errors import ConfigurationError, KeyUnavailable
from fedbridge.keys.kms import KmsSigner
from fedbridge.keys.kms_decrypter import KmsDecrypter
from fedbridge.model.deadline import Deadline
from tests.fakes.kms import ARN, FakeKms, KmsKey, client_error
from tests.support.keys import ec_key, rsa_key


@pytest.fixture
def kms() -> FakeKms:
    return FakeKms()


def load(kms: FakeKms, arn: str, algorithm: str | None = None) -> KmsSigner:
    return KmsSigner.load(
        arn, algorithm, client=lambda: kms, deadline=Deadline.after(20), sleep=lambda _: None
    )


@pytest.mark.parametrize(
    "key,algorithm",
    [
        (rsa_key, "RS256"),
        (ec_key, "ES256"),
        (lambda: ec_key("P-384"), "ES384"),
        (lambda: ec_key("P-521"), "ES512"),
    ],
)
def test_the_algorithm_follows_the_key(kms, key, algorithm):
    assert load(kms, kms.add(key())).algorithm == algorithm


def test_one_call_a_signature_after_one_to_load(kms):
    signer = load(kms, kms.add(rsa_key()))
    for number in range(3):
        signer.sign(bytes([number]), Deadline.after(20))

    assert kms.calls == {"GetPublicKey": 1, "Sign": 3}


@pytest.mark.parametrize(
    "arn",
    [
        "",
        "1234abcd-12ab-34cd-56ef-1234567890ab",
        "alias/bridge",
        "arn:aws:kms:eu-west-1:111122223333:alias/bridge",
        "arn:aws:kms:eu-west-1:111122223333:key/",
        "arn:aws:kms:eu-west-1:111122223333:key/a\n",
        "arn:aws:sns:eu-west-1:111122223333:key/a",
    ],
)
def test_only_the_arn_of_a_key_is_one(kms, arn):
    with pytest.raises(ConfigurationError, match="ARN of a key"):
        load(kms, arn)

    assert not kms.calls


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:kms:eu-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab",
        "arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    ],
)
def test_multi_region_keys_and_other_partitions(kms, arn):
    kms.keys[arn] = KmsKey(ec_key())

    assert load(kms, arn).arn == arn


def test_a_key_for_another_use(kms):
    with pytest.raises(ConfigurationError, match="SIGN_VERIFY"):
        load(kms, kms.add(KmsKey(rsa_key(), usage="ENCRYPT_DECRYPT")))


@pytest.mark.parametrize("code", ["UnsupportedOperationException", "InvalidKeyUsageException"])
def test_a_symmetric_key(kms, code):
    kms.faults = [client_error(code, "GetPublicKey")]

    with pytest.raises(ConfigurationError, match="not an asymmetric key for signing"):
        load(kms, kms.add(rsa_key()))


def test_an_outage_while_loading(kms):
    kms.faults = [client_error("ThrottlingException", "GetPublicKey")] * 3

    with pytest.raises(KeyUnavailable, match=ARN.format("1234abcd")):
        load(kms, kms.add(rsa_key()))


def test_its_repr_shows_no_client_and_no_key(kms):
    signer = load(kms, kms.add(rsa_key()))

    assert "FakeKms" not in repr(signer)
    assert "RSAPublicKey" not in repr(signer)


REPLICA = "mrk-1234abcd12ab34cd56ef1234567890ab"


@pytest.mark.parametrize("region", ["eu-north-1", "eu-west-1"])
def test_a_multi_region_key_is_used_in_the_functions_own_region(kms, region):
    """A connection names the key where it was made; published to another region's table, it means the replica there."""
    here = kms.add(ec_key(), REPLICA)

    signer = load(kms, here.replace("eu-west-1", region))
    signer.sign(b"x", Deadline.after(20))

    assert signer.arn == here
    assert kms.calls == {"GetPublicKey": 1, "Sign": 1}


def test_a_multi_region_key_decrypts_in_the_functions_own_region(kms):
    here = kms.add(KmsKey(rsa_key(), usage="ENCRYPT_DECRYPT"), REPLICA)

    decrypter = KmsDecrypter.load(
        here.replace("eu-west-1", "eu-north-1"), client=lambda: kms, deadline=Deadline.after(20)
    )

    assert decrypter.arn == here


def test_a_key_of_one_region_is_looked_for_there_alone(kms):
    """Another key may have its id in another region; only multi-Region keys are the same everywhere."""
    here = kms.add(ec_key())
    with pytest.raises(KeyUnavailable):
        load(kms, here.replace("eu-west-1", "eu-north-1"))
