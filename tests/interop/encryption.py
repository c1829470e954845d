"""Connections whose IdP encrypts, and what is seen of it."""

import json
from typing import Any

import httpx

from fedbridge.rp.base64url import decode_base64url
from tests.interop.bridge import Declared, RunningBridge
from tests.interop.passage import Passage

ENCRYPTIONS = {
    "rsa-oaep": ("RSA-OAEP", "A128CBC-HS256", "RSA"),
    "rsa-oaep-256": ("RSA-OAEP-256", "A256GCM", "RSA"),
    "ecdh-es": ("ECDH-ES", "A128GCM", "P-256"),
    "ecdh-es-cbc": ("ECDH-ES", "A256CBC-HS512", "P-384"),
    "ecdh-es-a128kw": ("ECDH-ES+A128KW", "A256CBC-HS512", "P-256"),
    "ecdh-es-a192kw": ("ECDH-ES+A192KW", "A128CBC-HS256", "P-521"),
    "ecdh-es-a256kw": ("ECDH-ES+A256KW", "A256GCM", "P-256"),
}
"""By name of the connection: what the IdP encrypts ID tokens with, and the kind of our key."""

SETTINGS = {
    "features": {"encryption": {"enabled": True}, "jwtUserinfo": {"enabled": True}},
    "enabledJWA": {
        f"{kind}Encryption{what}Values": values
        for kind in ("idToken", "userinfo")
        for what, values in {
            "Alg": sorted({alg for alg, _, _ in ENCRYPTIONS.values()}),
            "Enc": sorted({enc for _, enc, _ in ENCRYPTIONS.values()}),
        }.items()
    },
}


def connection(
    name: str, reference: str, alg: str, enc: str, *, policy: str = "", userinfo: bool = False
) -> Declared:
    """Say what the IdP encrypts, and with what; `policy` is what the connection adds to its keys."""
    keys = f'keys: ["{reference}"]{policy}'
    encrypted = {"id_token_encrypted_response_alg": alg, "id_token_encrypted_response_enc": enc}
    if userinfo:
        encrypted |= {
            "userinfo_signed_response_alg": "RS256",
            "userinfo_encrypted_response_alg": alg,
            "userinfo_encrypted_response_enc": enc,
        }
    return Declared(
        name=name,
        key="P-256",
        yaml="client_authentication: {key: $key}\nid_token: {encryption: required}\n"
        + ("userinfo: {format: jwe}\n" if userinfo else "")
        + f"token_decryption: {{{keys}}}",
        client={"token_endpoint_auth_signing_alg": "ES256", "metadata": encrypted},
    )


def id_token_header(passage: Passage) -> dict[str, Any]:
    """Return the header of the ID token that the IdP sent, which must be a JWE."""
    answer = json.loads(passage.only("token").answer or "")
    segments = answer["id_token"].split(".")
    assert len(segments) == 5, "not encrypted"
    header: dict[str, Any] = json.loads(decode_base64url(segments[0]))
    return header


def published(bridge: RunningBridge, browser: httpx.Client, name: str) -> list[dict[str, Any]]:
    """Return the public keys that the IdP may fetch."""
    keys: list[dict[str, Any]] = browser.get(f"{bridge.issuer(name)}/client-jwks.json").json()["keys"]
    return keys
