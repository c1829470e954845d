"""An IdP that encrypts its ID tokens, and how what is wrong with them is expected to be refused."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from fedbridge.errors import UpstreamError
from fedbridge.jws import b64url
from fedbridge.model.connection import Connection
from tests.unit.rp.encryption import decrypting, decryption_key, encrypt, encrypted_connection
from tests.unit.rp.idp import FakeIdp, KeyDecrypter, PrivateKey

RSA, EC = decryption_key("RSA"), decryption_key("P-256")
POLICY = decrypting("file:ec", "file:rsa")


@dataclass
class Encrypting:
    """An IdP that encrypts its ID tokens, and the connection that takes no others."""

    idp: FakeIdp = field(default_factory=FakeIdp)
    at: Connection = field(default_factory=lambda: encrypted_connection(POLICY))

    def __post_init__(self) -> None:
        self.keys: dict[str, KeyDecrypter] = {"file:ec": KeyDecrypter(EC), "file:rsa": KeyDecrypter(RSA)}
        self.idp.keys.decrypters = self.keys

    def encrypted(
        self, key: PrivateKey = EC, alg: str = "ECDH-ES", enc: str = "A256GCM", **header: Any
    ) -> str:
        return encrypt(self.idp.id_token(), key, alg, enc, **header)

    def refuse(self, reason: str, make: Any, *, used: int = 0) -> UpstreamError:
        """Expect this very reason and nothing else outside, so many uses of a key, and that the next sign-in passes."""
        redirect = self.idp.begin(self.at)
        token = make() if callable(make) else make
        self.idp.answer_token(self.idp.token_answer(id_token=token))
        before = self.used
        with pytest.raises(UpstreamError) as failure:
            self.idp.finish(redirect, self.at)
        assert failure.value.reason == f"id_token_{reason}"
        assert (failure.value.error, failure.value.description) == (
            "server_error",
            "The sign-in could not be completed.",
        )
        assert self.used - before == used
        self.passes()
        return failure.value

    def passes(self, make: Any = None) -> None:
        self.idp.answer_token(lambda _: self.idp.token_answer(id_token=(make or self.encrypted)()))
        assert self.idp.sign_in(self.at).subject == "ana"

    @property
    def used(self) -> int:
        return sum(key.used for key in self.keys.values())


def with_part(token: str, part: int, octets: bytes) -> str:
    segments = token.split(".")
    segments[part] = b64url(octets)
    return ".".join(segments)
