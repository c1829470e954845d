"""What strict-idps facts are made of: literals that a preset is held to, written down apart from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

KEY = "secretsmanager:fedbridge/prod/idp/signing"
SECRET = "secretsmanager:fedbridge/prod/idp/secret"
CERTIFICATE = "secretsmanager:fedbridge/prod/idp/certificate"
RSA_ENCRYPTION = "secretsmanager:fedbridge/prod/idp/encryption-rsa"
EC_ENCRYPTION = "secretsmanager:fedbridge/prod/idp/encryption-ec"

KID = "<thumbprint of the signing key>"
X5T_S256 = "<SHA-256 of the certificate>"
X5T = "<SHA-1 of the certificate>"
X5C = "<the certificate>"
"""Stand in literals for what depends on the keys of a run."""

CLIENT = "our-client"


@dataclass(frozen=True, kw_only=True)
class Assertion:
    """A client assertion: its whole header, `aud`, and seconds from `iat` to `exp`. `iss` None is the client id."""

    header: Mapping[str, str]
    aud: str
    lifetime: int
    nbf: bool = False
    iss: str | None = None
    jti: bool = True


@dataclass(frozen=True, kw_only=True)
class RequestObject:
    """A signed request: its whole header, `aud`, lifetime, and what stands beside it in the URL."""

    header: Mapping[str, str]
    aud: str
    lifetime: int
    beside: frozenset[str] = frozenset({"client_id"})


@dataclass(frozen=True, kw_only=True)
class Proof:
    """DPoP: at the pushed request or as a parameter; seconds until `exp`, None for no `exp`."""

    code_bound_by: Literal["proof", "dpop_jkt"]
    lifetime: int | None = None


@dataclass(frozen=True, kw_only=True)
class Weaker:
    """ID-token claims that are below what was asked for, and the reason for which they are refused."""

    claims: Mapping[str, Any]
    reason: str = "id_token_acr_unmet"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """One identity provider, as the reference has it.

    `own` is what the operator writes beside preset, client id and relying parties. `request` are all parameters of the
    authorization request but the random ones, the redirect URI and PKCE's. `at` are the endpoints, by their names in
    metadata. `encryption` are all accepted pairs of `alg` and `enc`. `id_token` and `userinfo` are what the IdP says of the person, `received` what Cognito gets. `random` are the
    least and the most characters of `state` and `nonce`, and their alphabet.
    """

    preset: str
    own: Mapping[str, Any]
    issuer: str
    at: Mapping[str, str]
    discovered_issuer: str | None = None
    token_issuer: str | None = None
    method: Literal["assertion", "basic", "post", "apple"] = "assertion"
    assertion: Assertion | None = None
    request: Mapping[str, Any]
    pkce: bool = True
    request_object: RequestObject | None = None
    allowed: frozenset[str] | None = None
    random: tuple[int, int, str] = (1, 2048, r"[A-Za-z0-9]")
    max_query: int | None = None
    proof: Proof | None = None
    algorithms: tuple[str, ...] = ("RS256",)
    encryption: tuple[tuple[str, str], ...] = ()
    userinfo_format: tuple[Literal["json", "jws", "jwe"], ...] = ("json",)
    userinfo_algorithms: tuple[str, ...] = ()
    id_token: Mapping[str, Any] = field(default_factory=dict)
    userinfo: Mapping[str, Any] = field(default_factory=dict)
    received: Mapping[str, Any] = field(default_factory=dict)
    weaker: tuple[Weaker, ...] = ()
    stronger: tuple[Mapping[str, Any], ...] = ()

    @property
    def pushed(self) -> bool:
        return "pushed_authorization_request_endpoint" in self.at

    def __str__(self) -> str:
        return self.preset


def endpoints(base: str, **paths: str | None) -> dict[str, str]:
    """Return metadata's endpoints below one address; where a preset does not set them, their paths are of no account."""
    named: dict[str, str | None] = {
        "authorization": "/authorize",
        "token": "/token",
        "userinfo": "/userinfo",
        **paths,
    }
    named["pushed_authorization_request"] = named.pop("par", None)
    found = {f"{name}_endpoint": base + path for name, path in named.items() if path is not None}
    return {**found, "jwks_uri": f"{base}/jwks"}
