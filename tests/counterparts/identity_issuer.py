"""Who proves identities beside an IdP, as GOV.UK's identity service does: a DID document, and JWTs under its keys.

    with IdentityIssuer() as issuer:
        issuer.token(sub="Nb-4711.Alice", aud="bridge")     # what userinfo has in coreIdentityJWT

Keys and signatures are PyJWT's and the standard library's; nothing of the bridge is used.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from tests.counterparts.loopback import LoopbackServer, Reply, json_reply
from tests.counterparts.oidc_provider import Received

CREDENTIAL = {
    "type": ["VerifiableCredential", "IdentityCheckCredential"],
    "credentialSubject": {
        "name": [
            {
                "nameParts": [
                    {"value": "Alice", "type": "GivenName"},
                    {"value": "Möller", "type": "FamilyName"},
                ]
            }
        ],
        "birthDate": [{"value": "1985-02-01"}],
    },
}


@dataclass(slots=True)
class IdentityIssuer:
    """Entering starts it. `rotate` makes a new key, whose method is published beside the old ones."""

    issuer: str = field(init=False, default="")
    did: str = field(init=False, default="")
    document_url: str = field(init=False, default="")
    _keys: list[ec.EllipticCurvePrivateKey] = field(init=False, default_factory=list)
    _server: LoopbackServer = field(init=False, repr=False)

    def __enter__(self) -> Self:
        self._server = LoopbackServer(self._answer)
        self._server.__enter__()
        self.issuer = f"{self._server.origin}/"
        self.did = f"did:web:{urlsplit(self._server.origin).netloc.replace(':', '%3A')}"
        self.document_url = f"{self.issuer}.well-known/did.json"
        self.rotate()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.__exit__(kind, error, trace)

    @property
    def host(self) -> str:
        """`host:port`, as it is allowed to the bridge."""
        return urlsplit(self._server.origin).netloc

    def rotate(self) -> None:
        self._keys.append(ec.generate_private_key(ec.SECP256R1()))

    def fetched(self) -> list[Received]:
        """Return the requests for the document."""
        return self._server.journal("did_document")

    def token(self, *, key: ec.EllipticCurvePrivateKey | None = None, **claims: Any) -> str:
        """Return a token under the newest key, for half an hour, with the level P2 unless `claims` say otherwise."""
        now = int(time.time())
        defaults = {
            "iss": self.issuer, "iat": now, "nbf": now, "exp": now + 1800, "vot": "P2", "vc": CREDENTIAL,
        }  # fmt: skip
        return jwt.encode(
            {**defaults, **claims},
            key or self._keys[-1],
            algorithm="ES256",
            headers={"kid": self._method_id(len(self._keys) - 1)},
        )

    def _method_id(self, number: int) -> str:
        return f"{self.did}#key-{number}"

    def _answer(self, received: Received) -> Reply:
        if received.path != "/.well-known/did.json":
            return Reply(status=404)
        return json_reply(self._document(), route="did_document")

    def _document(self) -> dict[str, Any]:
        return {
            "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/jwk/v1"],
            "id": self.did,
            "assertionMethod": [
                {
                    "type": "JsonWebKey",
                    "id": self._method_id(number),
                    "controller": self.did,
                    "publicKeyJwk": json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key())),
                }
                for number, key in enumerate(self._keys)
            ],
        }
