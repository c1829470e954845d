"""One suite for the `Signer` port: local keys in every form, KMS in this process, and KMS on ministack."""

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from joserfc import jws, jwt
from joserfc.errors import BadSignatureError
from joserfc.jwk import ECKey, RSAKey

from fedbridge.aws import sdk_client
from fedbridge.jws import b64url, sign_compact
from fedbridge.keys.provider import CachedKeys
from fedbridge.keys.secrets import CachedSecrets
from fedbridge.model.deadline import Deadline
from fedbridge.ports import Signer
from tests.fakes.kms import FakeKms
from tests.fakes.telemetry import NullTelemetry
from tests.support.keys import CURVES, ec_key, jwk_text, private_pem, rsa_key
from tests.support.kms import create_key, running_ministack

RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
EC_ALGORITHMS = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
SIGNATURE_LENGTHS = {"ES256": 64, "ES384": 96, "ES512": 132}
PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


@dataclass(frozen=True)
class Case:
    """A key where it lives, and the algorithm that it signs with."""

    backend: str
    key: str
    algorithm: str

    def __str__(self) -> str:
        return f"{self.backend}-{self.key}-{self.algorithm}"


CASES = [
    *(Case("pem", "RSA-2048", algorithm) for algorithm in RSA_ALGORITHMS),
    *(Case("jwk", "RSA-3072", algorithm) for algorithm in RSA_ALGORITHMS),
    *(Case(form, curve, algorithm) for form in ("pem", "jwk") for curve, algorithm in EC_ALGORITHMS.items()),
    *(Case("kms", "RSA-2048", algorithm) for algorithm in RSA_ALGORITHMS),
    *(Case("kms", curve, algorithm) for curve, algorithm in EC_ALGORITHMS.items()),
]
MINISTACK_CASES = [
    *(Case("ministack", key, algorithm) for key in ("RSA-2048", "RSA-3072") for algorithm in ("RS256", "PS256", "RS512")),
    *(Case("ministack", curve, algorithm) for curve, algorithm in EC_ALGORITHMS.items()),
]  # fmt: skip
KMS_SPECS = {
    "RSA-2048": "RSA_2048", "RSA-3072": "RSA_3072",
    "P-256": "ECC_NIST_P256", "P-384": "ECC_NIST_P384", "P-521": "ECC_NIST_P521",
}  # fmt: skip


@pytest.fixture(scope="module")
def ministack() -> Iterator[Callable[[Case], Signer]]:
    with running_ministack() as account:
        keys = CachedKeys(_no_secrets(), sdk_client)
        arn = cache(lambda spec: create_key(account, spec))
        yield lambda case: keys.signer(f"kms:{arn(KMS_SPECS[case.key])}", case.algorithm, Deadline.after(20))


@pytest.fixture(
    params=[*CASES, *(pytest.param(case, marks=pytest.mark.ministack) for case in MINISTACK_CASES)], ids=str
)
def case(request) -> Case:
    found: Case = request.param
    return found


@pytest.fixture(scope="module")
def made() -> dict[Case, Signer]:
    """Signers by case: none of the tests changes one, and RSA keys take long to check."""
    return {}


@pytest.fixture
def signer(case, request, made, tmp_path) -> Signer:
    backends: dict[str, Callable[[], Signer]] = {
        "pem": lambda: _local(private_pem(_private_key(case)), case, tmp_path),
        "jwk": lambda: _local(jwk_text(_private_key(case)), case, tmp_path),
        "kms": lambda: _fake_kms(case),
        "ministack": lambda: request.getfixturevalue("ministack")(case),
    }
    if case not in made:
        made[case] = backends[case.backend]()
    found: Signer = made[case]
    return found


def test_its_signature_verifies(signer, case, deadline):
    signing_input = f"{b64url(json.dumps({'alg': case.algorithm}).encode())}.{b64url(b'payload')}".encode()

    signature = signer.sign(signing_input, deadline)

    token = f"{signing_input.decode()}.{b64url(signature)}"
    assert jws.deserialize_compact(token, _public(signer), algorithms=[case.algorithm]).payload == b"payload"


def test_its_signature_is_of_what_was_signed_alone(signer, case, deadline):
    token = sign_compact(signer, {"typ": "JWT"}, {"sub": "alice"}, deadline)
    header, _, signature = token.split(".")

    with pytest.raises(BadSignatureError):
        jwt.decode(f"{header}.{b64url(b'{}')}.{signature}", _public(signer), algorithms=[case.algorithm])


def test_a_token_longer_than_what_kms_takes_raw_is_signed(signer, case, deadline):
    claims = {"groups": ["x" * 100] * 100}

    token = sign_compact(signer, {}, claims, deadline)

    assert jwt.decode(token, _public(signer), algorithms=[case.algorithm]).claims == claims


def test_its_signature_has_the_length_that_jws_wants(signer, case, deadline):
    length = SIGNATURE_LENGTHS.get(case.algorithm) or int(case.key.removeprefix("RSA-")) // 8

    assert {len(signer.sign(bytes([number]), deadline)) for number in range(5)} == {length}


def test_its_kid_is_the_thumbprint(signer):
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", signer.kid)
    assert signer.kid == _public(signer).thumbprint()


def test_its_public_jwk_says_what_it_is_for_and_holds_nothing_private(signer, case):
    jwk = signer.public_jwk

    assert (signer.algorithm, jwk["alg"], jwk["use"], jwk["kid"]) == (
        case.algorithm,
        case.algorithm,
        "sig",
        signer.kid,
    )
    assert PRIVATE_MEMBERS.isdisjoint(jwk)
    assert json.loads(json.dumps(jwk)) == jwk


def test_threads_share_it(signer, case):
    with ThreadPoolExecutor(4) as pool:
        tokens = list(
            pool.map(lambda number: sign_compact(signer, {}, {"n": number}, Deadline.after(20)), range(8))
        )

    key = _public(signer)
    assert [jwt.decode(token, key, algorithms=[case.algorithm]).claims["n"] for token in tokens] == list(
        range(8)
    )


@pytest.fixture
def deadline() -> Deadline:
    return Deadline.after(20)


def _private_key(case: Case):
    return ec_key(case.key) if case.key in CURVES else rsa_key(int(case.key.removeprefix("RSA-")))


def _local(text: str, case: Case, folder: Path) -> Signer:
    (folder / "key").write_text(text)
    secrets = CachedSecrets(_no_client, allow_local=True, telemetry=NullTelemetry(), folder=folder)
    return CachedKeys(secrets, _no_client).signer("file:key", case.algorithm, Deadline.after(20))


def _fake_kms(case: Case) -> Signer:
    kms = FakeKms()
    arn = kms.add(_private_key(case))
    return CachedKeys(_no_secrets(), kms.clients).signer(f"kms:{arn}", case.algorithm, Deadline.after(20))


def _no_client(service: str) -> None:
    raise AssertionError(f"a client of {service} was asked for")


def _no_secrets() -> CachedSecrets:
    return CachedSecrets(_no_client, allow_local=False, telemetry=NullTelemetry())


def _public(signer: Signer) -> RSAKey | ECKey:
    jwk = dict(signer.public_jwk)
    return RSAKey.import_key(jwk) if jwk["kty"] == "RSA" else ECKey.import_key(jwk)
