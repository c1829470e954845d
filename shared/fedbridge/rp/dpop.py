"""DPoP (RFC 9449): a key for one sign-in, and proofs that whoever uses a code or a token has it."""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from joserfc.jwk import ECKey
from joserfc.jws import JWSRegistry

from fedbridge.errors import UpstreamError
from fedbridge.jws import b64url, sign_compact
from fedbridge.model.connection import Connection
from fedbridge.model.deadline import Deadline
from fedbridge.model.policies import DPoP
from fedbridge.ports import Clock, OutboundResponse
from fedbridge.rp.base64url import decode_base64url
from fedbridge.rp.random_values import random_value
from fedbridge.strict_json import InvalidJson, decode_object

Server = Literal["authorization", "resource"]
"""Who asked for a nonce: each of the two issues its own (RFC 9449 §9)."""

MAX_NONCE = 1024
"""Characters. Nonces that are sealed timestamps have some 200."""

MAX_NONCES = 1024

_NONCE = re.compile(rf"[\x21\x23-\x5b\x5d-\x7e]{{1,{MAX_NONCE}}}")  # RFC 9449 §8.1
_SCHEME = re.compile(r"\bDPoP\b", re.IGNORECASE)
_NONCE_WANTED = re.compile(r'\berror="?use_dpop_nonce\b', re.IGNORECASE)
_CURVES: Mapping[str, ec.EllipticCurve] = {
    "ES256": ec.SECP256R1(),
    "ES384": ec.SECP384R1(),
    "ES512": ec.SECP521R1(),
}
_DEFAULT_PORTS = {"https": 443, "http": 80}

REMEMBERED = "dpop_key"
"""The name of the sealed private key among what `begin` remembers for `finish`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofKey:
    """An EC key, made for one sign-in; a `Signer`. `kid` is its RFC 7638 thumbprint, which is `dpop_jkt`."""

    algorithm: str
    kid: str
    public_jwk: Mapping[str, Any]
    _key: ECKey = field(repr=False)

    @classmethod
    def generate(cls, algorithm: str) -> Self:
        """Return a new key, drawn from `secrets`: a library's own generator may be part of a frozen snapshot."""
        order = _CURVES[algorithm].group_order
        return cls._of(algorithm, 1 + secrets.randbelow(order - 1))

    @classmethod
    def restore(cls, algorithm: str, exported: str) -> Self:
        """Return the key that `export` returned; ValueError for anything else."""
        return cls._of(algorithm, int.from_bytes(decode_base64url(exported), "big"))

    @classmethod
    def _of(cls, algorithm: str, secret: int) -> Self:
        key = ECKey.import_key(ec.derive_private_key(secret, _CURVES[algorithm]))
        public = key.as_dict(private=False)
        members = {name: public[name] for name in ("kty", "crv", "x", "y")}
        return cls(algorithm=algorithm, kid=key.thumbprint(), public_jwk=members, _key=key)

    def export(self) -> str:
        """Return the private value, to be sealed until the browser is back."""
        private = self._key.as_dict(private=True)["d"]
        return str(private)

    def sign(self, signing_input: bytes, deadline: Deadline) -> bytes:  # noqa: ARG002  the port's signature
        """Return the JWS signature octets."""
        return JWSRegistry.algorithms[self.algorithm].sign(signing_input, self._key)


class Nonces:
    """The last nonce of each server, by connection and version; bounded, safe under threads.

    Kept for a sandbox's life, so that a sign-in need not be asked for one: an old nonce costs no more than none.
    """

    def __init__(self) -> None:
        self._nonces: OrderedDict[tuple[str, str, Server], str] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._nonces)

    def get(self, connection: Connection, server: Server) -> str | None:
        """Return the last nonce, None if there was none."""
        with self._lock:
            return self._nonces.get((connection.name, connection.version, server))

    def put(self, connection: Connection, server: Server, nonce: str) -> None:
        """Keep a nonce in the place of the last one."""
        key = (connection.name, connection.version, server)
        with self._lock:
            self._nonces[key] = nonce
            self._nonces.move_to_end(key)
            if len(self._nonces) > MAX_NONCES:
                self._nonces.popitem(last=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prover:
    """Makes the proofs of one sign-in; `clock` is in seconds since the epoch."""

    connection: Connection
    key: ProofKey
    lifetime: int | None
    nonces: Nonces
    clock: Clock

    @classmethod
    def of(
        cls,
        connection: Connection,
        policy: DPoP,
        remembered: Mapping[str, str],
        *,
        nonces: Nonces,
        clock: Clock,
    ) -> Self:
        """Return the prover of the key that `remembered` holds, or of a new one."""
        exported = remembered.get(REMEMBERED)
        key = (
            ProofKey.generate(policy.algorithm)
            if exported is None
            else ProofKey.restore(policy.algorithm, exported)
        )
        return cls(connection=connection, key=key, lifetime=policy.lifetime, nonces=nonces, clock=clock)

    def remembered(self) -> dict[str, str]:
        """Return what `finish` must remember, sealed, of a key that the authorization code is bound to."""
        return {REMEMBERED: self.key.export()}

    def send(
        self,
        method: str,
        url: str,
        make: Callable[[str], OutboundResponse],
        deadline: Deadline,
        *,
        access_token: str | None = None,
    ) -> OutboundResponse:
        """Call `make` with a proof for `DPoP`, and once more with another if the server wants a nonce in it (§8, §9).

        With an `access_token` the server is the resource's. Nothing was done where a nonce is asked for, so that the same
        code, or pushed request, is worth a second try. Raises UpstreamError: `dpop_nonce_missing` (asked for, and none
        given that could be sent), `dpop_nonce_refused` (asked for twice), and what `make` raises.
        """
        server: Server = "authorization" if access_token is None else "resource"

        def attempt(nonce: str | None) -> tuple[OutboundResponse, str | None]:
            proof = self.proof(method, url, deadline, access_token=access_token, nonce=nonce)
            response = make(proof)
            # Any answer may bring the nonce of the next request (§8.2); what cannot be one is as good as none.
            given = response.headers.get("dpop-nonce", "")
            if not _NONCE.fullmatch(given):
                return response, None
            self.nonces.put(self.connection, server, given)
            return response, given

        response, given = attempt(self.nonces.get(self.connection, server))
        if not asks_for_nonce(response):
            return response
        if given is None:
            raise UpstreamError("dpop_nonce_missing", upstream_status=response.status)
        # This very nonce, and not the last one that any sign-in was given: that may be older.
        response, _ = attempt(given)
        if asks_for_nonce(response):
            raise UpstreamError(
                "dpop_nonce_refused", upstream_code="use_dpop_nonce", upstream_status=response.status
            )
        return response

    def proof(
        self, method: str, url: str, deadline: Deadline, *, access_token: str | None, nonce: str | None
    ) -> str:
        """Return a new proof for a request (§4.2)."""
        issued_at = int(self.clock())
        claims: dict[str, Any] = {
            "jti": random_value(),
            "htm": method,
            "htu": target_uri(url),
            "iat": issued_at,
        }
        if self.lifetime is not None:
            claims["exp"] = issued_at + self.lifetime
        if access_token is not None:
            claims["ath"] = b64url(hashlib.sha256(access_token.encode("ascii")).digest())
        if nonce is not None:
            claims["nonce"] = nonce
        return sign_compact(self.key, {"typ": "dpop+jwt", "jwk": self.key.public_jwk}, claims, deadline)


def asks_for_nonce(response: OutboundResponse) -> bool:
    """Tell whether a server wants a nonce: 400 with this error in the body (§8), 401 with it in the challenge (§9)."""
    if response.status == 401 and _challenged(response.headers.get("www-authenticate", "")):
        return True
    if response.status not in {400, 401}:
        return False
    try:
        return decode_object(response.body).get("error") == "use_dpop_nonce"
    except InvalidJson:
        return False


def _challenged(challenge: str) -> bool:
    """Look for the scheme, then for the error behind it: one expression for both takes the square of a long header."""
    scheme = _SCHEME.search(challenge)
    return scheme is not None and _NONCE_WANTED.search(challenge, scheme.end()) is not None


def target_uri(url: str) -> str:
    """Return `htu`: the URL without query and fragment, in the one spelling that RFC 3986 §6.2.2 and §6.2.3 leave it."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = "" if parts.port in {None, _DEFAULT_PORTS.get(parts.scheme)} else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}{parts.path or '/'}"
