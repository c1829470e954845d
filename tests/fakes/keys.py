"""An `IdTokenKeys` on one throw-away P-256 key; tests/conformance/test_signer.py holds real signers to the port."""

from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.jwk import ECKey

from fedbridge.model.deadline import Deadline
from tests.support.canaries import watch_private_jwk


class FakeSigner:
    """Signs ES256."""

    algorithm = "ES256"

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        jwk = ECKey.import_key(self._key)
        watch_private_jwk(jwk.as_dict(private=True))
        self.kid = jwk.thumbprint()
        self.public_jwk: Mapping[str, Any] = {
            **jwk.as_dict(private=False), "kid": self.kid, "alg": "ES256", "use": "sig",
        }  # fmt: skip

    def sign(self, signing_input: bytes, deadline: Deadline) -> bytes:
        r, s = decode_dss_signature(self._key.sign(signing_input, ec.ECDSA(SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


class FakeKeyRing:
    """One active key. `failure` is raised instead of an answer."""

    def __init__(self) -> None:
        self.signer = FakeSigner()
        self.failure: Exception | None = None

    def active(self, deadline: Deadline) -> FakeSigner:
        if self.failure is not None:
            raise self.failure
        return self.signer

    def public_jwks(self, deadline: Deadline) -> list[Mapping[str, Any]]:
        return [self.active(deadline).public_jwk]
