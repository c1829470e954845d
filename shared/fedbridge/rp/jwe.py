"""JWEs that an IdP sends (RFC 7516), opened with the connection's keys, wherever these live.

joserfc decrypts with a private key that it holds, and one in KMS is never held. So the two ways to the content
encryption key (RFC 7518 §4.3, §4.6) are put together here, once for all keys: the private operation is the
`Decrypter`'s, Concat KDF and AES key unwrap are those of `cryptography`, content decryption is joserfc's.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap
from joserfc.errors import JoseError
from joserfc.jwa import JWEEncModel
from joserfc.jwe import JWERegistry

from fedbridge.errors import ConfigurationError, KeyUnavailable, UpstreamError
from fedbridge.model.connection import Connection
from fedbridge.model.policies import (
    CONTENT_ENCRYPTION_ALGORITHMS,
    KEY_ENCRYPTION_ALGORITHMS,
    TokenDecryption,
)
from fedbridge.ports import Decrypter
from fedbridge.rp.base64url import decode_base64url
from fedbridge.rp.context import KeyContext
from fedbridge.rp.jwt import MAX_HEADER, MAX_KID, MAX_TOKEN
from fedbridge.strict_json import decode_object

MAX_PARTY_INFO = 1024
"""Characters of `apu` and `apv`, which RFC 7518 §4.6.1 leaves unbounded; 43 are usual."""

MAX_ATTEMPTS = 4
"""Keys that are tried on a token that names none; each may be a call to KMS."""

_RSA_OCTETS = range(256, 1024 + 1)
"""A key that RSA encrypted is as long as the modulus: 2,048 to 8,192 bits."""

_TAG_OCTETS = {"A128CBC-HS256": 16, "A256CBC-HS512": 32, "A128GCM": 16, "A256GCM": 16}
_CURVES = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
_REFUSED_MEMBERS = frozenset({"zip", "crit", "b64", "p2s", "p2c"})
_REPLICATED_CLAIMS = ("iss", "sub", "aud")
_COMPACT_JWS = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Agreement:
    """What ECDH-ES agrees on a key with (RFC 7518 §4.6.1): the sender's public key and both parties' names."""

    public_jwk: Mapping[str, str]
    party_u: bytes
    party_v: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Jwe:
    """A JWE whose header and lengths are right; `aad` is the header as it was sent."""

    algorithm: str
    encryption: JWEEncModel
    header: Mapping[str, Any]
    agreement: _Agreement | None
    encrypted_key: bytes = field(repr=False)
    iv: bytes = field(repr=False)
    ciphertext: bytes = field(repr=False)
    tag: bytes = field(repr=False)
    aad: bytes = field(repr=False)


def decrypt_compact(context: KeyContext, token: str, *, kind: str) -> str:
    """Return the compact JWS in a JWE of compact serialization; what it signs is not verified yet.

    `iss`, `sub` and `aud` in the header (RFC 7519 §5.3) must be those of the claims. Raises what `decrypt` raises, and
    UpstreamError `{kind}_not_signed` (claims that nobody signed, or another JWE), `{kind}_encryption_claims_differ` and
    `{kind}_malformed` (claims to compare that are none).
    """
    header, plaintext = decrypt(context, token, kind=kind)
    if not _COMPACT_JWS.fullmatch(plaintext):
        raise UpstreamError(f"{kind}_not_signed")
    compact = plaintext.decode("ascii")
    _check_replicated_claims(context.connection, header, compact, kind)
    return compact


def decrypt(context: KeyContext, token: str, *, kind: str) -> tuple[Mapping[str, Any], bytes]:
    """Return header and plaintext of a JWE that was encrypted to one of the connection's keys.

    Everything that the header and the lengths tell is decided before any key is touched. From there on there is one
    reason, `{kind}_decryption_failed`, whether the wrong key, a bad key or a bad tag was at fault. `cty` must be JWT
    where it stands, but need not stand there although RFC 7519 §5.2 says so: Corppass documents headers without it, and
    Keycloak sent such tokens for years. Nothing rests on it, since a signed JWT is demanded inside in any case.

    Raises UpstreamError (`{kind}_encryption_malformed`, `{kind}_encryption_algorithm_refused`,
    `{kind}_encryption_header_refused`, `{kind}_decryption_key_unknown`, `{kind}_decryption_failed`); KeyUnavailable,
    ConfigurationError and DeadlineExceeded where the keys cannot be used at all.
    """
    policy = context.connection.token_decryption
    if policy is None:
        raise ConfigurationError(
            f"connection {context.connection.name}: encrypted tokens need token_decryption",
            reason="token_decryption_missing",
        )
    jwe = _parse(token, policy, kind)
    return jwe.header, _open(context, policy, jwe, kind)


def _parse(token: str, policy: TokenDecryption, kind: str) -> _Jwe:
    segments = token.split(".")
    if len(segments) != 5 or len(token) > MAX_TOKEN or len(segments[0]) > MAX_HEADER:
        raise UpstreamError(f"{kind}_encryption_malformed")
    try:
        header = decode_object(decode_base64url(segments[0]))
        algorithm, encryption = _algorithms(header, policy, kind)
        encrypted_key, iv, ciphertext, tag = (decode_base64url(segment) for segment in segments[1:])
        jwe = _Jwe(
            algorithm=algorithm,
            encryption=encryption,
            header=header,
            agreement=_agreement(header) if algorithm.startswith("ECDH-ES") else None,
            encrypted_key=encrypted_key,
            iv=iv,
            ciphertext=ciphertext,
            tag=tag,
            aad=segments[0].encode("ascii"),
        )
        _check_kid(header)
        _check_lengths(jwe)
    except ValueError as failure:
        raise UpstreamError(f"{kind}_encryption_malformed") from failure
    return jwe


def _algorithms(header: Mapping[str, Any], policy: TokenDecryption, kind: str) -> tuple[str, JWEEncModel]:
    """Return `alg` and `enc` if the connection accepts both, and the header nothing that would change their meaning."""
    algorithm, encryption = header.get("alg"), header.get("enc")
    algorithms = [name for name in KEY_ENCRYPTION_ALGORITHMS if name in policy.algorithms]
    encryptions = [name for name in CONTENT_ENCRYPTION_ALGORITHMS if name in policy.content_encryption]
    if algorithm not in algorithms or encryption not in encryptions:
        raise UpstreamError(f"{kind}_encryption_algorithm_refused")
    content_type = header.get("cty", "JWT")
    is_nested = isinstance(content_type, str) and content_type.lower() in {"jwt", "application/jwt"}
    if header.keys() & _REFUSED_MEMBERS or not is_nested:
        raise UpstreamError(f"{kind}_encryption_header_refused")
    return algorithm, JWERegistry(algorithms=[encryption]).get_enc(encryption)


def _agreement(header: Mapping[str, Any]) -> _Agreement:
    """Return what the header brings to ECDH-ES; raises ValueError, for a point that is off its curve, too."""
    epk = header.get("epk")
    if not isinstance(epk, dict) or epk.get("kty") != "EC" or "d" in epk:
        raise ValueError("no public EC key in epk")
    public_jwk = {name: _text(epk, name) for name in ("kty", "crv", "x", "y")}
    curve = _CURVES.get(public_jwk["crv"])
    x, y = (decode_base64url(public_jwk[name]) for name in ("x", "y"))
    if curve is None or not len(x) == len(y) == (curve.key_size + 7) // 8:
        raise ValueError("an unknown curve, or a coordinate that is not as long as it demands")
    ec.EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), curve).public_key()
    party_u, party_v = (_text(header, name) if name in header else "" for name in ("apu", "apv"))
    if max(len(party_u), len(party_v)) > MAX_PARTY_INFO:
        raise ValueError("party information above its cap")
    return _Agreement(
        public_jwk=public_jwk, party_u=decode_base64url(party_u), party_v=decode_base64url(party_v)
    )


def _text(members: Mapping[str, Any], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} is not text")  # noqa: TRY004  one kind of error for whatever is malformed
    return value


def _check_kid(header: Mapping[str, Any]) -> None:
    kid = _text(header, "kid") if "kid" in header else "-"
    if not 1 <= len(kid) <= MAX_KID or not kid.isprintable():
        raise ValueError("kid")


def _check_lengths(jwe: _Jwe) -> None:
    """Check what RFC 7518 fixes: §4.3 and §4.6 the encrypted key, §5.2.2.1 and §5.3 IV and tag.

    A short tag would be a forger's: some libraries compare only what is there.
    """
    wrapped = jwe.encryption.cek_size // 8 + 8  # RFC 3394 §2.2.1 adds 64 bits
    allowed = {"RSA-OAEP": _RSA_OCTETS, "RSA-OAEP-256": _RSA_OCTETS, "ECDH-ES": (0,)}
    if len(jwe.encrypted_key) not in allowed.get(jwe.algorithm, (wrapped,)):
        raise ValueError("encrypted key")
    if len(jwe.iv) != jwe.encryption.iv_size // 8 or len(jwe.tag) != _TAG_OCTETS[jwe.encryption.name]:
        raise ValueError("initialization vector or tag")


def _open(context: KeyContext, policy: TokenDecryption, jwe: _Jwe, kind: str) -> bytes:
    """Return the plaintext under the key that `kid` names, or the first of the suitable ones that opens it."""
    decrypters, failure = _suitable(context, policy, jwe)
    if not decrypters:
        raise failure or UpstreamError(f"{kind}_decryption_key_unknown")
    for decrypter in decrypters[:MAX_ATTEMPTS]:
        key = _content_encryption_key(context, decrypter, jwe)
        try:
            return jwe.encryption.decrypt(jwe.ciphertext, jwe.tag, key, jwe.iv, jwe.aad)
        except (JoseError, ValueError):
            continue  # another key, or one reason for all of them
    raise failure or UpstreamError(f"{kind}_decryption_failed")


def _suitable(
    context: KeyContext, policy: TokenDecryption, jwe: _Jwe
) -> tuple[list[Decrypter], KeyUnavailable | ConfigurationError | None]:
    """Return the keys that the token may be encrypted to, published ones first, and why another cannot be had.

    That one key is out of reach matters only to tokens that no other key opens.
    """
    found: list[Decrypter] = []
    failure: KeyUnavailable | ConfigurationError | None = None
    kid = jwe.header.get("kid")
    for reference in (*policy.keys, *policy.retired_keys):
        try:
            decrypter = context.keys.decrypter(reference, context.deadline)
        except (KeyUnavailable, ConfigurationError) as error:
            failure = failure or error
            continue
        if kid not in {None, decrypter.kid} or not _suits(decrypter.public_jwk, jwe):
            continue
        found.append(decrypter)
        if kid is not None:
            return found, None
    return found, failure


def _suits(public_jwk: Mapping[str, Any], jwe: _Jwe) -> bool:
    if public_jwk.get("alg", jwe.algorithm) != jwe.algorithm:
        return False
    if jwe.agreement is None:
        return bool(public_jwk["kty"] == "RSA")
    return bool(public_jwk["kty"] == "EC" and public_jwk["crv"] == jwe.agreement.public_jwk["crv"])


def _content_encryption_key(context: KeyContext, decrypter: Decrypter, jwe: _Jwe) -> bytes:
    """Return the content encryption key, or a random one where there is none.

    RFC 7516 §11.5: with that, a key that cannot be unwrapped takes the way of one that is merely wrong.
    """
    size = jwe.encryption.cek_size // 8
    substitute = secrets.token_bytes(size)
    try:
        if jwe.agreement is None:
            key = decrypter.unwrap(jwe.algorithm, jwe.encrypted_key, context.deadline)
        else:
            secret = decrypter.agree(jwe.agreement.public_jwk, context.deadline)
            key = _agreed_key(secret, jwe.agreement, jwe)
    except (ValueError, InvalidUnwrap):
        return substitute
    return key if len(key) == size else substitute


def _agreed_key(secret: bytes, agreement: _Agreement, jwe: _Jwe) -> bytes:
    """Derive the key (RFC 7518 §4.6.2): the content's own, or the one that wraps it (+A128KW, +A192KW, +A256KW)."""
    _, wraps, name = jwe.algorithm.partition("+")
    bits = int(name[1:4]) if wraps else jwe.encryption.cek_size
    identifier = (jwe.algorithm if wraps else jwe.encryption.name).encode("ascii")
    parts = b"".join(_prefixed(part) for part in (identifier, agreement.party_u, agreement.party_v))
    kdf = ConcatKDFHash(SHA256(), length=bits // 8, otherinfo=parts + bits.to_bytes(4, "big"))
    derived = kdf.derive(secret)
    return aes_key_unwrap(derived, jwe.encrypted_key) if wraps else derived


def _prefixed(octets: bytes) -> bytes:
    return len(octets).to_bytes(4, "big") + octets


def _check_replicated_claims(
    connection: Connection, header: Mapping[str, Any], compact: str, kind: str
) -> None:
    """Compare claims in the header with those inside (RFC 7519 §5.3), or with whom we talk to where these are not there.

    The claims inside stand under a signature that is verified next, so that equality is all that is left to check.
    """
    replicated = [name for name in _REPLICATED_CLAIMS if name in header]
    if not replicated:
        return
    try:
        claims = decode_object(decode_base64url(compact.split(".")[1]))
    except ValueError:
        raise UpstreamError(f"{kind}_malformed") from None
    expected = {"iss": connection.issuer, "aud": connection.client_id, **claims}
    if any(_listed(header[name]) != _listed(expected.get(name)) for name in replicated):
        raise UpstreamError(f"{kind}_encryption_claims_differ")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
