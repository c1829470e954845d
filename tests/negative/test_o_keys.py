"""Keys that fail or lie: cases 39, 84, 85 and 135 to 140. What the routes make of it is the flows' to test."""

import json
import secrets as random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from botocore.exceptions import ReadTimeoutError
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jws, jwt
from joserfc.errors import BadSignatureError
from joserfc.jwk import ECKey, KeySet

from fedbridge.errors import ConfigurationError, KeyUnavailable
from fedbridge.jws import b64url, encode_json, sign_compact
from fedbridge.keys.algorithms import ALGORITHMS
from fedbridge.keys.provider import CachedKeys
from fedbridge.keys.ring import IdTokenKeyRing
from fedbridge.keys.secrets import COOL_DOWN, STALE, CachedSecrets
from fedbridge.model.deadline import Deadline
from fedbridge.ports import Signer
from tests.fakes.kms import FakeKms, KmsKey, client_error
from tests.fakes.secrets_manager import FakeSecretsManager
from tests.fakes.telemetry import NullTelemetry
from tests.support.bridge import SettableClock
from tests.support.keys import ec_key, jwk_text, private_jwk, private_pem, public_pem, rsa_key, thumbprint_of
from tests.unit.keys.refusals import assert_quotes_nothing

PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
UPSTREAM_SECRET = "secretsmanager:fedbridge/test/client-secret"


class Backends:
    """KMS, Secrets Manager, variables and a clock, and the adapters over them."""

    def __init__(self) -> None:
        self.kms, self.manager, self.clock = FakeKms(), FakeSecretsManager(), SettableClock()
        self.environ: dict[str, str] = {}
        self.restart()

    def restart(self) -> None:
        """Begin with a sandbox that remembers nothing."""
        self.secrets = CachedSecrets(
            self.manager.clients,
            allow_local=True,
            telemetry=NullTelemetry(),
            environ=self.environ,
            clock=self.clock,
            sleep=self._sleep,
        )
        self.keys = CachedKeys(self.secrets, self.kms.clients, sleep=self._sleep)

    def signer(self, reference: str, algorithm: str | None = None) -> Signer:
        return self.keys.signer(reference, algorithm, unhurried())

    def ring(self, *references: str) -> IdTokenKeyRing:
        return IdTokenKeyRing(references, self.keys, telemetry=NullTelemetry(), clock=self.clock)

    def _sleep(self, seconds: float) -> None:
        self.clock.now += seconds


@pytest.fixture
def backends() -> Backends:
    return Backends()


def unhurried() -> Deadline:
    return Deadline.after(60)


@given(
    keys=st.lists(st.sampled_from(["pem", "jwk", "jwks", "kms", "gone", "broken"]), min_size=1, max_size=4),
    is_down=st.booleans(),
    hours=st.integers(0, 2),
)
@settings(max_examples=60, deadline=None)
def test_case_039_no_answer_holds_a_private_member(keys, is_down, hours):
    backends = Backends()
    backends.environ["pem0"] = private_pem(ec_key("P-384"))
    stored = {
        "pem": private_pem(rsa_key()),
        "jwk": jwk_text(rsa_key(2048, 1), oth_note="d"),
        "jwks": json.dumps({"keys": [private_jwk(ec_key())]}),
        "broken": "{}",
    }
    backends.manager.values.update({f"{kind}{n}": text for kind, text in stored.items() for n in range(4)})
    arn = backends.kms.add(ec_key("P-256", 1))
    references = {
        f"kms:{arn}" if kind == "kms" else f"secretsmanager:{kind}{n}" for n, kind in enumerate(keys)
    }
    ring = backends.ring("env:pem0", *references)

    ring.public_jwks(unhurried())
    if is_down:
        backends.manager.outage = client_error("InternalServiceError", "GetSecretValue", 500)
    backends.clock.now += hours * STALE
    jwks = ring.public_jwks(unhurried())

    assert [jwk for jwk in jwks if PRIVATE_MEMBERS & set(jwk)] == []
    assert len(jwks) >= 1


class TestCase084:
    """A key and an algorithm that disagree are refused when the key is loaded, not when somebody signs in."""

    @pytest.mark.parametrize("algorithm", ["ES256", "ES384", "HS256", "none", "EdDSA", "RS1", "rs256", ""])
    def test_case_084_rsa(self, backends, algorithm):
        backends.environ["KEY"] = private_pem(rsa_key())
        arn = backends.kms.add(rsa_key())

        for reference in ("env:KEY", f"kms:{arn}"):
            with pytest.raises(ConfigurationError):
                backends.signer(reference, algorithm)

    @pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES384", "ES512", "ES256K", "HS256"])
    def test_case_084_ec(self, backends, algorithm):
        backends.environ["KEY"] = private_pem(ec_key())
        arn = backends.kms.add(ec_key())

        for reference in ("env:KEY", f"kms:{arn}"):
            with pytest.raises(ConfigurationError):
                backends.signer(reference, algorithm)

    def test_case_084_1024_bits(self, backends):
        weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
        backends.environ["KEY"] = backends.manager.values["KEY"] = private_pem(weak)
        arn = backends.kms.add(weak)

        for reference in ("env:KEY", "secretsmanager:KEY", f"kms:{arn}"):
            with pytest.raises(ConfigurationError, match="1024 bits"):
                backends.signer(reference, "RS256")

    @pytest.mark.parametrize("algorithm", ["PS256", "PS384", "PS512"])
    def test_case_084_pss_that_the_kms_key_does_not_support(self, backends, algorithm):
        arn = backends.kms.add(KmsKey(rsa_key(), algorithms=["RSASSA_PKCS1_V1_5_SHA_256"]))

        with pytest.raises(ConfigurationError, match=f"does not support {algorithm}"):
            backends.signer(f"kms:{arn}", algorithm)
        assert backends.signer(f"kms:{arn}", "RS256").algorithm == "RS256"
        assert backends.kms.calls["Sign"] == 0


class TestCase085:
    """KMS signs ECDSA as DER; JWS wants R ‖ S at full length, leading zeros included."""

    def test_case_085_ten_thousand_signatures(self, backends):
        signer = backends.signer(f"kms:{backends.kms.add(ec_key())}")
        public, deadline, signing_input = ec_key().public_key(), unhurried(), b"header.payload"

        signatures = [signer.sign(signing_input, deadline) for _ in range(10_000)]

        short = {"r": 0, "s": 0}
        for signature in signatures:
            assert len(signature) == 64
            r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
            public.verify(encode_dss_signature(r, s), signing_input, ec.ECDSA(SHA256()))
            short["r"] += r < 1 << 248
            short["s"] += s < 1 << 248
        assert short["r"] > 0
        assert short["s"] > 0

    @pytest.mark.parametrize("curve,size", [("P-256", 32), ("P-384", 48), ("P-521", 66)])
    @pytest.mark.parametrize("r,s", [(1, 1), (1, 2**255), (2**247, 1), (0x80, 0x7F)])
    def test_case_085_leading_zeros(self, curve, size, r, s):
        public = ec_key(curve).public_key()

        converted = ALGORITHMS["ES256"].to_jws(public, encode_dss_signature(r, s))

        assert converted == r.to_bytes(size, "big") + s.to_bytes(size, "big")

    def test_case_085_a_der_signature_is_none(self, backends):
        """What a build would send that passes on what KMS answered."""
        key, signing_input = ec_key(), f"{b64url(encode_json({'alg': 'ES256'}))}.{b64url(b'payload')}"
        der = key.sign(signing_input.encode(), ec.ECDSA(SHA256()))
        right = backends.signer(f"kms:{backends.kms.add(key)}").sign(signing_input.encode(), unhurried())
        public = ECKey.import_key(key)

        jws.deserialize_compact(f"{signing_input}.{b64url(right)}", public, algorithms=["ES256"])
        with pytest.raises(BadSignatureError):
            jws.deserialize_compact(f"{signing_input}.{b64url(der)}", public, algorithms=["ES256"])


OUTAGES = {
    "kms_throttled": client_error("ThrottlingException", "Sign"),
    "kms_unavailable": client_error("KMSInternalException", "Sign", 500),
    "kms_timeout": ReadTimeoutError(endpoint_url="https://kms.eu-west-1.amazonaws.com/"),
}


@pytest.mark.parametrize("reason", OUTAGES)
def test_case_135_an_outage_is_tried_again_twice(backends, reason):
    arn = backends.kms.add(rsa_key())
    signer = backends.signer(f"kms:{arn}")

    backends.kms.faults = [OUTAGES[reason]] * 2
    assert len(signer.sign(b"x", unhurried())) == 256

    backends.kms.calls.clear()
    backends.kms.faults = [OUTAGES[reason]] * 100
    with pytest.raises(KeyUnavailable) as caught:
        signer.sign(b"x", unhurried())
    assert (caught.value.reason, caught.value.transient) == (reason, True)
    assert backends.kms.calls["Sign"] == 3

    backends.kms.faults = []
    assert len(signer.sign(b"x", unhurried())) == 256


@pytest.mark.parametrize("reason", OUTAGES)
def test_case_135_an_outage_while_the_key_is_loaded(backends, reason):
    arn = backends.kms.add(rsa_key())
    backends.kms.faults = [OUTAGES[reason]] * 3

    with pytest.raises(KeyUnavailable) as caught:
        backends.signer(f"kms:{arn}")

    assert (caught.value.reason, caught.value.transient) == (reason, True)
    assert backends.kms.calls == {"GetPublicKey": 3}
    assert backends.signer(f"kms:{arn}").algorithm == "RS256"


def test_case_135_a_hung_service_is_not_tried_beyond_the_deadline(backends):
    arn = backends.kms.add(rsa_key())
    signer = backends.signer(f"kms:{arn}")
    now = 100.0

    class Hung(FakeKms):
        def sign(self, **_parameters):
            nonlocal now
            self.calls["Sign"] += 1
            now += 2.0
            raise OUTAGES["kms_timeout"]

    hung = Hung()
    with pytest.raises(KeyUnavailable):
        replace(signer, client=hung).sign(b"x", Deadline.after(5.0, lambda: now))

    assert hung.calls["Sign"] == 1
    assert now <= 105.0


FAULTS: dict[str, Callable[[FakeKms, str], object]] = {
    "kms_key_disabled": lambda kms, arn: setattr(kms.keys[arn], "state", "Disabled"),
    "kms_key_invalid_state": lambda kms, arn: setattr(kms.keys[arn], "state", "PendingDeletion"),
    "kms_key_not_found": lambda kms, arn: kms.keys.pop(arn),
    "kms_access_denied": lambda kms, _arn: kms.faults.append(client_error("AccessDeniedException", "Sign")),
}


@pytest.mark.parametrize("reason", FAULTS)
def test_case_136_a_key_that_may_not_be_used_fails_at_once_and_alone(backends, reason):
    mine, other = backends.kms.add(rsa_key(), "mine"), backends.kms.add(ec_key(), "other")
    signer, neighbour = backends.signer(f"kms:{mine}"), backends.signer(f"kms:{other}")
    FAULTS[reason](backends.kms, mine)

    with pytest.raises(KeyUnavailable) as caught:
        signer.sign(b"x", unhurried())

    assert (caught.value.reason, caught.value.transient) == (reason, False)
    assert backends.kms.calls["Sign"] == 1
    assert len(neighbour.sign(b"x", unhurried())) == 64


@pytest.mark.parametrize("code", ["NotFoundException", "AccessDeniedException", "DisabledException"])
def test_case_136_a_key_that_may_not_be_loaded_fails_at_once(backends, code):
    arn = backends.kms.add(rsa_key())
    backends.kms.faults = [client_error(code, "GetPublicKey")]

    with pytest.raises(KeyUnavailable) as caught:
        backends.signer(f"kms:{arn}")

    assert not caught.value.transient
    assert backends.kms.calls == {"GetPublicKey": 1}


class TestCase137:
    """A signature that does not verify never leaves."""

    @pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256"])
    @pytest.mark.parametrize("forgery", ["another key", "another message", "raw", "empty", "noise", "cut"])
    def test_case_137_a_signature_that_does_not_verify(self, backends, algorithm, forgery):
        make = ec_key if algorithm == "ES256" else rsa_key
        arguments = "P-256" if algorithm == "ES256" else 2048
        signer = backends.signer(f"kms:{backends.kms.add(make(arguments))}", algorithm)
        honest = self.signature(make(arguments), algorithm, b"x")
        backends.kms.forged = {
            "another key": self.signature(make(arguments, 1), algorithm, b"x"),
            "another message": self.signature(make(arguments), algorithm, b"y"),
            "raw": b"\x01" * 64,
            "empty": b"\x00",
            "noise": random.token_bytes(256),
            "cut": honest[:-1],
        }[forgery]

        with pytest.raises(KeyUnavailable) as caught:
            signer.sign(b"x", unhurried())

        assert (caught.value.reason, caught.value.transient) == ("kms_signature_invalid", False)
        assert backends.kms.calls["Sign"] == 1

    @pytest.mark.parametrize("asked,answered", [("RS256", "PS256"), ("PS256", "RS256"), ("PS256", "PS384")])
    def test_case_137_a_signature_by_another_algorithm_of_the_same_key(self, backends, asked, answered):
        signer = backends.signer(f"kms:{backends.kms.add(rsa_key())}", asked)
        backends.kms.forged = self.signature(rsa_key(), answered, b"x")

        with pytest.raises(KeyUnavailable, match="does not verify"):
            signer.sign(b"x", unhurried())

    def test_case_137_the_key_behind_the_arn_was_exchanged(self, backends):
        arn = backends.kms.add(ec_key())
        signer = backends.signer(f"kms:{arn}")
        backends.kms.keys[arn] = KmsKey(ec_key("P-256", 1))

        with pytest.raises(KeyUnavailable, match="does not verify"):
            signer.sign(b"x", unhurried())

    @staticmethod
    def signature(key, algorithm: str, data: bytes) -> bytes:
        if isinstance(key, ec.EllipticCurvePrivateKey):
            return key.sign(data, ec.ECDSA(SHA256()))
        return ALGORITHMS[algorithm].sign(key, data)


def test_case_138_a_thousand_tokens_across_a_rotation(backends):
    """Three deployments: the new key is published, then it signs, then the old one goes.

    Sandboxes of two deployments answer side by side: whichever signed, whichever Cognito asks for the keys.
    """
    backends.environ |= {"OLD": private_pem(ec_key()), "NEW": private_pem(ec_key("P-256", 1))}
    references = (["env:OLD", "env:NEW"], ["env:NEW", "env:OLD"], ["env:NEW"])
    rings = [backends.ring(*names) for names in references]
    sets = [
        KeySet.import_key_set({"keys": [dict(jwk) for jwk in ring.public_jwks(unhurried())]})
        for ring in rings
    ]
    signed_by = []

    for number in range(1000):
        together = (0, 1) if number < 500 else (1, 2)
        signer = rings[together[number % 2]].active(unhurried())
        token = sign_compact(signer, {"kid": signer.kid}, {"n": number}, unhurried())
        for deployment in together:
            assert jwt.decode(token, sets[deployment], algorithms=["ES256"]).claims == {"n": number}
        signed_by.append(signer.kid)

    assert list(dict.fromkeys(signed_by)) == [thumbprint_of(ec_key()), thumbprint_of(ec_key("P-256", 1))]


LOCAL_KEYS = {
    "malformed": lambda: private_pem(rsa_key()).replace("MII", "M", 1),
    "text": lambda: "a client secret by mistake",
    "public": lambda: public_pem(rsa_key()),
    "public JWK": lambda: json.dumps(ECKey.import_key(ec_key()).as_dict(private=False)),
    "encrypted": lambda: private_pem(rsa_key(), password="secret"),
    "RSA-1024": lambda: private_pem(rsa.generate_private_key(public_exponent=65537, key_size=1024)),
    "wrong curve": lambda: private_pem(ec.generate_private_key(ec.SECP256K1())),
    "part of another key": lambda: jwk_text(rsa_key(), d=private_jwk(rsa_key(2048, 1))["d"]),
}


@pytest.mark.parametrize("kind", LOCAL_KEYS)
@pytest.mark.parametrize("scheme", ["env", "secretsmanager"])
def test_case_139_a_key_that_cannot_sign_is_refused_without_quoting_it(backends, kind, scheme):
    text = LOCAL_KEYS[kind]()
    backends.environ["KEY"] = backends.manager.values["KEY"] = text

    for attempt in (backends.signer, lambda reference: backends.ring(reference).active(unhurried())):
        with pytest.raises(ConfigurationError) as caught:
            attempt(f"{scheme}:KEY")
        assert str(caught.value).startswith(f"{scheme}:KEY: ")
        assert_quotes_nothing(caught.value, text)


def test_case_139_a_key_that_is_missing(backends):
    for reference in ("env:KEY", "file:/nonexistent/key.pem"):
        with pytest.raises(ConfigurationError, match=reference):
            backends.signer(reference)


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=200, deadline=None)
def test_case_139_no_damage_to_a_key_is_anything_but_refused(data):
    """Whatever is cut out of a key or put into it: the same key, or a refusal that quotes nothing."""
    key = ec_key()
    text = data.draw(
        st.sampled_from([private_pem(key), jwk_text(key), json.dumps({"keys": [private_jwk(key)]})])
    )
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 8)))
    damaged = text[:start] + data.draw(st.text(max_size=8)) + text[end:]
    backends = Backends()
    backends.environ["KEY"] = damaged

    try:
        signer = backends.signer("env:KEY")
    except ConfigurationError as refused:
        assert_quotes_nothing(refused, damaged)
    else:
        signed = sign_compact(signer, {}, {}, unhurried())
        assert jwt.decode(signed, ECKey.import_key(key), algorithms=["ES256"]).claims == {}


class TestCase140:
    """The secret store is down, or the secret is not the current one any more."""

    @pytest.fixture(autouse=True)
    def secret(self, backends):
        backends.manager.values[UPSTREAM_SECRET.partition(":")[2]] = "current"

    def read(self, backends, **options) -> str:
        found: str = backends.secrets.get(UPSTREAM_SECRET, unhurried(), **options)
        return found

    @pytest.mark.parametrize("outage", OUTAGES)
    def test_case_140_down_at_a_cold_start(self, backends, outage):
        backends.manager.outage = OUTAGES[outage]

        with pytest.raises(KeyUnavailable) as caught:
            self.read(backends)

        assert (caught.value.reason, caught.value.transient) == (outage.replace("kms", "secret"), True)
        backends.manager.outage = None
        assert self.read(backends) == "current"

    def test_case_140_down_in_a_warm_sandbox(self, backends):
        self.read(backends)
        backends.manager.outage = OUTAGES["kms_unavailable"]
        backends.clock.now += STALE - 2
        assert self.read(backends) == "current"

        backends.clock.now += 2
        with pytest.raises(KeyUnavailable):
            self.read(backends)

        backends.restart()
        with pytest.raises(KeyUnavailable):
            self.read(backends)

    def test_case_140_a_storm_of_invalid_client_is_one_read(self, backends):
        self.read(backends)
        backends.manager.values[UPSTREAM_SECRET.partition(":")[2]] = "rotated"
        backends.clock.now += COOL_DOWN
        backends.manager.calls.clear()

        with ThreadPoolExecutor(8) as pool:
            answers = set(pool.map(lambda _: self.read(backends, refresh=True), range(200)))

        assert answers == {"rotated"}
        assert sum(backends.manager.calls.values()) == 1

    def test_case_140_an_id_token_key_whose_store_is_down(self, backends):
        backends.manager.values["key"] = private_pem(ec_key())
        ring = backends.ring("secretsmanager:key")
        (published,) = ring.public_jwks(unhurried())
        backends.manager.outage = OUTAGES["kms_unavailable"]

        backends.clock.now += STALE - 2
        assert ring.public_jwks(unhurried()) == [published]
        signature = ring.active(unhurried()).sign(b"x", unhurried())
        assert len(signature) == 64

        backends.clock.now += 2 * STALE
        for attempt in (ring.public_jwks, ring.active):
            with pytest.raises(KeyUnavailable):
                attempt(unhurried())
