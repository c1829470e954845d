"""One suite for the `Decrypter` port: local keys in every form, KMS behind the SDK's client, and KMS on ministack.

ministack has no DeriveSharedSecret, and neither has any other emulator: EC keys in KMS are held to botocore's model of
the service alone, which is what `tests.fakes.kms.wire` does.
"""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from joserfc.jwk import ECKey, RSAKey

from fedbridge.aws import sdk_client
from fedbridge.keys.provider import CachedKeys
from fedbridge.keys.secrets import CachedSecrets
from fedbridge.model.deadline import Deadline
from fedbridge.ports import Decrypter
from tests.fakes.kms import FakeKms, KmsKey, wire
from tests.fakes.telemetry import NullTelemetry
from tests.support.keys import CURVES, ec_key, jwk_text, private_pem, rsa_key
from tests.support.kms import create_key, running_ministack

PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
HASHES: dict[str, hashes.HashAlgorithm] = {"RSA-OAEP": hashes.SHA1(), "RSA-OAEP-256": hashes.SHA256()}
CEK = bytes(range(32))


@dataclass(frozen=True)
class Case:
    """A key, where it lives."""

    backend: str
    key: str

    def __str__(self) -> str:
        return f"{self.backend}-{self.key}"


RSA_CASES = [
    Case("pem", "RSA-2048"),
    Case("jwk", "RSA-3072"),
    Case("kms", "RSA-2048"),
    *(pytest.param(Case("ministack", f"RSA-{bits}"), marks=pytest.mark.ministack) for bits in (2048, 3072)),
]
EC_CASES = [Case(backend, curve) for backend in ("pem", "jwk", "kms") for curve in CURVES]


@pytest.fixture(scope="module")
def ministack() -> Iterator[Callable[[Case], Decrypter]]:
    with running_ministack() as account:
        keys = CachedKeys(_no_secrets(), sdk_client)
        arn = cache(lambda spec: create_key(account, spec, "ENCRYPT_DECRYPT"))
        yield lambda case: keys.decrypter(f"kms:{arn(case.key.replace('-', '_'))}", Deadline.after(20))


@pytest.fixture(scope="module")
def made() -> dict[Case, Decrypter]:
    """Decrypters by case: none of the tests changes one, and RSA keys take long to check."""
    return {}


@pytest.fixture
def decrypter(request, made, tmp_path) -> Decrypter:
    case: Case = request.param
    backends: dict[str, Callable[[], Decrypter]] = {
        "pem": lambda: _local(private_pem(_private_key(case)), tmp_path),
        "jwk": lambda: _local(jwk_text(_private_key(case), use="enc"), tmp_path),
        "kms": lambda: _fake_kms(case, request.getfixturevalue("monkeypatch")),
        "ministack": lambda: request.getfixturevalue("ministack")(case),
    }
    if case not in made:
        made[case] = backends[case.backend]()
    found: Decrypter = made[case]
    return found


@pytest.fixture
def deadline() -> Deadline:
    return Deadline.after(20)


of_rsa = pytest.mark.parametrize("decrypter", RSA_CASES, indirect=True, ids=str)
of_ec = pytest.mark.parametrize("decrypter", EC_CASES, indirect=True, ids=str)
of_either = pytest.mark.parametrize("decrypter", [*RSA_CASES, *EC_CASES], indirect=True, ids=str)


@of_rsa
@pytest.mark.parametrize("algorithm", HASHES)
@pytest.mark.parametrize("size", [16, 64])
def test_it_unwraps_what_was_wrapped_for_it(decrypter, deadline, algorithm, size):
    key = bytes(range(size))

    assert decrypter.unwrap(algorithm, wrapped(decrypter, algorithm, key), deadline) == key


@of_rsa
@pytest.mark.parametrize("algorithm", HASHES)
def test_it_unwraps_nothing_else(decrypter, deadline, algorithm):
    good = wrapped(decrypter, algorithm, CEK)
    (other,) = HASHES.keys() - {algorithm}
    for bad in (
        bytes([good[0] ^ 1]) + good[1:],
        good[:-1] + bytes([good[-1] ^ 1]),
        good[:-1],
        good + b"\0",
        b"",
        bytes(len(good)),
        b"\xff" * len(good),
        wrapped(decrypter, other, CEK),
        wrapped_for(rsa_key(len(good) * 8, 1).public_key(), algorithm, CEK),
    ):
        with pytest.raises(ValueError):  # noqa: PT011  whatever the text, it is that one reason
            decrypter.unwrap(algorithm, bad, deadline)
    assert decrypter.unwrap(algorithm, good, deadline) == CEK


@of_rsa
def test_an_rsa_key_does_nothing_but_oaep(decrypter, deadline):
    encrypted = native(decrypter).encrypt(CEK, padding.PKCS1v15())
    for algorithm in ("RSA1_5", "RSA-OAEP-384", "ECDH-ES", "dir", ""):
        with pytest.raises(ValueError, match="not an algorithm of RSA keys"):
            decrypter.unwrap(algorithm, encrypted, deadline)
    with pytest.raises(ValueError, match="not an EC key"):
        decrypter.agree(ECKey.generate_key("P-256").as_dict(private=False), deadline)


@of_ec
def test_it_agrees_with_the_other_party(decrypter, deadline):
    for _ in range(3):
        other = ECKey.generate_key(decrypter.public_jwk["crv"])
        secret = decrypter.agree(other.as_dict(private=False), deadline)

        assert secret == other.exchange_derive_key(ECKey.import_key(dict(decrypter.public_jwk)))
        assert len(secret) == {"P-256": 32, "P-384": 48, "P-521": 66}[decrypter.public_jwk["crv"]]


@of_ec
def test_it_agrees_with_nobody_else(decrypter, deadline):
    curve = decrypter.public_jwk["crv"]
    good: dict[str, Any] = {**ECKey.generate_key(curve).as_dict(private=False)}
    another_curve = next(name for name in CURVES if name != curve)
    for bad in (
        ECKey.generate_key(another_curve).as_dict(private=False),
        {**good, "crv": another_curve},
        {**good, "y": good["x"]},  # a point off the curve
        {**good, "x": "A" * len(good["x"]), "y": "A" * len(good["y"])},
        {**good, "x": good["x"][:-4]},
        {**good, "x": "AAAA" + good["x"]},
        {**good, "x": "*" + good["x"][1:]},
        {**good, "x": 5},
        {name: value for name, value in good.items() if name != "y"},
        {**good, "kty": "OKP"},
        RSAKey.import_key(rsa_key()).as_dict(private=False),
        {},
    ):
        with pytest.raises(ValueError):  # noqa: PT011
            decrypter.agree(bad, deadline)
    assert decrypter.agree(good, deadline)
    with pytest.raises(ValueError, match="not an RSA key"):
        decrypter.unwrap("RSA-OAEP", bytes(256), deadline)


@of_either
def test_its_kid_is_the_thumbprint(decrypter):
    assert decrypter.kid == public(decrypter).thumbprint()


@of_either
def test_its_public_jwk_says_what_it_is_for_and_holds_nothing_private(decrypter):
    jwk = decrypter.public_jwk

    assert (jwk["use"], jwk["kid"], "alg" in jwk) == ("enc", decrypter.kid, False)
    assert PRIVATE_MEMBERS.isdisjoint(jwk)
    assert json.loads(json.dumps(jwk)) == jwk


@of_either
def test_threads_share_it(decrypter, deadline):
    if decrypter.public_jwk["kty"] == "RSA":
        keys = [bytes([number]) * 16 for number in range(8)]
        sent: list[Any] = [wrapped(decrypter, "RSA-OAEP-256", key) for key in keys]

        def use(encrypted):
            return decrypter.unwrap("RSA-OAEP-256", encrypted, deadline)
    else:
        others = [ECKey.generate_key(decrypter.public_jwk["crv"]) for _ in range(8)]
        keys = [other.exchange_derive_key(ECKey.import_key(dict(decrypter.public_jwk))) for other in others]
        sent = [other.as_dict(private=False) for other in others]

        def use(encrypted):
            return decrypter.agree(encrypted, deadline)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(use, sent)) == keys


def test_a_jwk_that_names_its_algorithm_keeps_it(tmp_path):
    decrypter = _local(jwk_text(ec_key(), use="enc", alg="ECDH-ES+A128KW"), tmp_path)

    assert decrypter.public_jwk["alg"] == "ECDH-ES+A128KW"


def wrapped(decrypter: Decrypter, algorithm: str, key: bytes) -> bytes:
    return wrapped_for(native(decrypter), algorithm, key)


def wrapped_for(public_key: Any, algorithm: str, key: bytes) -> bytes:
    digest = HASHES[algorithm]
    ciphertext: bytes = public_key.encrypt(key, padding.OAEP(padding.MGF1(digest), digest, None))
    return ciphertext


def public(decrypter: Decrypter) -> RSAKey | ECKey:
    jwk = dict(decrypter.public_jwk)
    return RSAKey.import_key(jwk) if jwk["kty"] == "RSA" else ECKey.import_key(jwk)


def native(decrypter: Decrypter) -> Any:
    return public(decrypter).public_key


def _private_key(case: Case) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    return ec_key(case.key) if case.key in CURVES else rsa_key(int(case.key.removeprefix("RSA-")))


def _local(text: str, folder: Path) -> Decrypter:
    (folder / "key").write_text(text)
    secrets = CachedSecrets(_no_client, allow_local=True, telemetry=NullTelemetry(), folder=folder)
    return CachedKeys(secrets, _no_client).decrypter("file:key", Deadline.after(20))


def _fake_kms(case: Case, monkeypatch: pytest.MonkeyPatch) -> Decrypter:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    kms = FakeKms()
    usage = "KEY_AGREEMENT" if case.key in CURVES else "ENCRYPT_DECRYPT"
    arn = kms.add(KmsKey(_private_key(case), usage=usage))
    client = wire(kms, sdk_client("kms", endpoint_url="http://127.0.0.1:9"))  # where nobody listens
    return CachedKeys(_no_secrets(), lambda _service: client).decrypter(f"kms:{arn}", Deadline.after(20))


def _no_client(service: str) -> None:
    raise AssertionError(f"a client of {service} was asked for")


def _no_secrets() -> CachedSecrets:
    return CachedSecrets(_no_client, allow_local=False, telemetry=NullTelemetry())
