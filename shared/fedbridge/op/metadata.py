"""The discovery document of a connection (OpenID Connect Discovery 1.0 §3): only what is true."""

from __future__ import annotations

from typing import Any


def discovery_document(
    issuer: str, signing_algorithms: list[str], *, authorization_path: str = "/authorize"
) -> dict[str, Any]:
    """Return the metadata; the issuer is configuration, and every endpoint hangs below it."""
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}{authorization_path}",
        "token_endpoint": f"{issuer}/token",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code"],
        "subject_types_supported": ["public"],
        "scopes_supported": ["openid"],
        # Not those that are mapped, which are the relying party's to know; IAM asks for the list to be there.
        "claims_supported": ["sub", "iss", "aud", "iat", "exp", "nonce", "auth_time", "acr", "amr"],
        "id_token_signing_alg_values_supported": signing_algorithms,
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        "code_challenge_methods_supported": ["S256"],
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }
