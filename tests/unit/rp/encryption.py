"""Tokens that an IdP encrypts, by joserfc, and the bridge that opens them."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from joserfc import jwe
from joserfc.jwe import JWERegistry
from joserfc.jwk import ECKey, RSAKey

from fedbridge.jws import b64url, encode_json
from fedbridge.model.connection import Connection, IdTokenPolicy
from fedbridge.model.deadline import Deadline
from fedbridge.model.metadata import ProviderMetadata
from fedbridge.model.policies import TokenDecryption
from fedbridge.rp.calls import Calls
from fedbridge.rp.context import Context
from tests.support.canaries import watch_private_jwk
from tests.unit.rp.idp import FakeIdp, FakeKeys, KeyDecrypter, PrivateKey, connection

RSA = ("RSA-OAEP", "RSA-OAEP-256")
ECDH = ("ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256KW")
CONTENT = ("A128CBC-HS256", "A256CBC-HS512", "A128GCM", "A256GCM")
SIGNED = ".".join(
    b64url(part) for part in (b'{"alg":"ES256"}', encode_json({"iss": "i", "sub": "ana"}), b"\0" * 64)
)
"""What looks like a JWS; whether it is one is not the business of who decrypts."""


def decryption_key(kind: str = "P-256", number: int = 0) -> PrivateKey:
    """Return an RSA key (`RSA`), or one on the curve; the same one for the same number."""
    return _made(kind, number)


@cache
def _made(kind: str, number: int) -> PrivateKey:
    key: PrivateKey = RSAKey.generate_key(2048) if kind == "RSA" else ECKey.generate_key(kind)
    watch_private_jwk(key.as_dict(private=True))
    return key


def key_for(algorithm: str) -> PrivateKey:
    return decryption_key("RSA" if algorithm in RSA else "P-256")


def encrypt(
    plaintext: str | bytes, key: PrivateKey, alg: str = "ECDH-ES", enc: str = "A256GCM", **header: Any
) -> str:
    """Return a compact JWE with `cty` and `kid`; a member of the header that is None is left out."""
    protected = {"alg": alg, "enc": enc, "cty": "JWT", "kid": key.thumbprint(), **header}
    protected = {name: value for name, value in protected.items() if value is not None}
    registry = JWERegistry(algorithms=[alg, enc, "DEF"], strict_check_header=False)
    return jwe.encrypt_compact(protected, plaintext, key, registry=registry)


def reheaded(token: str, header: Mapping[str, Any]) -> str:
    """Return the token under another header, which its tag does not cover."""
    return ".".join([b64url(encode_json(header)), *token.split(".")[1:]])


def decrypting(*references: str, retired: tuple[str, ...] = (), **policy: Any) -> TokenDecryption:
    return TokenDecryption(keys=references or ("file:key",), retired_keys=retired, **policy)


def encrypted_connection(policy: TokenDecryption | None = None, **fields: Any) -> Connection:
    """Return a connection whose ID tokens must be encrypted."""
    id_token = IdTokenPolicy(algorithms=("ES256",), encryption="required")
    return connection(**{"id_token": id_token, "token_decryption": policy or decrypting(), **fields})


def context(at: Connection, keys: FakeKeys) -> Context:
    """Return what a sign-in at the connection has when a token arrives."""
    idp = FakeIdp()
    return Context(
        connection=at,
        metadata=ProviderMetadata(
            issuer=at.issuer,
            authorization_endpoint=idp.url("/authorize"),
            token_endpoint=idp.url("/token"),
            jwks_uri=idp.url("/jwks"),
        ),
        deadline=Deadline.after(20),
        calls=Calls(idp.http, idp.telemetry, keys=idp.keys, clock=idp.clock, sleep=idp.slept.append),
        keys=keys,
        secrets=idp.secrets,
        clock=idp.clock,
    )


def holding(**keys: PrivateKey) -> FakeKeys:
    """Return decrypters by the names of files."""
    return FakeKeys(decrypters={f"file:{name}": KeyDecrypter(key) for name, key in keys.items()})


def with_policy(at: Connection, **policy: Any) -> Connection:
    assert at.token_decryption is not None
    return replace(at, token_decryption=replace(at.token_decryption, **policy))
