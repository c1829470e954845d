"""Connections whose IdP takes requests pushed and signed alone, or signs what it answers."""

from typing import Any

from tests.counterparts.oidc_provider import Jwt
from tests.interop.bridge import Declared

KEY_ALGORITHMS = ["RSA-OAEP", "RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256KW"]
CONTENT_ALGORITHMS = ["A128CBC-HS256", "A256CBC-HS512", "A128GCM", "A256GCM"]
SETTINGS = {
    "features": {
        "encryption": {"enabled": True},
        "jwtResponseModes": {"enabled": True},
        "pushedAuthorizationRequests": {"enabled": True},
        "requestObjects": {"enabled": True},
    },
    "enabledJWA": {
        f"{kind}Encryption{what}Values": values
        for kind in ("requestObject", "authorization")
        for what, values in {"Alg": KEY_ALGORITHMS, "Enc": CONTENT_ALGORITHMS}.items()
    },
}

SIGNS_WITH_KEY = "client_authentication: {method: private_key_jwt, key: $key}"
PUSHED: dict[str, Any] = {"require_pushed_authorization_requests": True}
SIGNED: dict[str, Any] = {"require_signed_request_object": True}


def connection(
    name: str, authorization: str = "", *lines: str, authentication: str = SIGNS_WITH_KEY, **metadata: Any
) -> Declared:
    """Return a connection by its `authorization`, with what the IdP has registered in `metadata`."""
    more = f", {authorization}" if authorization else ""
    return Declared(
        name=name,
        key="P-256" if "$key" in authentication else None,
        yaml="\n".join([authentication, *lines]),
        authorization=f"{{scope: openid email groups{more}}}",
        client={"token_endpoint_auth_signing_alg": "ES256", "metadata": metadata},
    )


def received(jwt: Jwt | None) -> Jwt:
    """Return a JWT that the IdP received; fails where there was none."""
    assert jwt is not None
    return jwt
