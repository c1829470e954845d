"""What strict IdPs demand beyond a plain code flow, and what their answers must satisfy.

Part of the schema of `connections.yaml`, like `fedbridge.model.connection`. Lifetimes in seconds. References
(`secretsmanager:`, `ssm:`, `kms:`, `env:`, `file:`) stand where a secret or a key belongs, never values.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

KEY_ENCRYPTION_ALGORITHMS = (
    "RSA-OAEP", "RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256KW",
)  # fmt: skip
"""JWE key management algorithms (RFC 7518 §4.1) that are accepted; RSA1_5, dir, symmetric and password ones never are."""

CONTENT_ENCRYPTION_ALGORITHMS = ("A128CBC-HS256", "A256CBC-HS512", "A128GCM", "A256GCM")
"""JWE content encryption algorithms (RFC 7518 §5.1) that are accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestObject:
    """Send the authorization request as a signed JWT (JAR, RFC 9101), by value or pushed.

    `key` defaults to the key of client assertions; `next_key` and `retired_keys` are published beside it. `audience` is `issuer`, `authorization_endpoint` or a literal. `echo`
    names parameters that also stand beside `request` in the URL; `client_id` always does. With `encryption_algorithm`
    the signed object is encrypted to the IdP's key.
    """

    key: str | None = None
    next_key: str | None = None
    retired_keys: tuple[str, ...] = ()
    algorithm: str | None = None
    audience: str = "issuer"
    lifetime: int = 300
    typ: str | None = "oauth-authz-req+jwt"
    echo: tuple[str, ...] = ()
    encryption_algorithm: str | None = None
    content_encryption: str = "A128CBC-HS256"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationResponsePolicy:
    """What a JWT-secured authorization response must satisfy (JARM). No `algorithms` means those of ID tokens."""

    algorithms: tuple[str, ...] = ()
    encryption: Literal["none", "required", "optional"] = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class DPoP:
    """Bind the upstream tokens to a key made for each sign-in (RFC 9449).

    `at_authorization` says how the authorization code is bound: a proof at the pushed request (`proof`), the parameter
    `dpop_jkt`, or not at all (`none`). `lifetime` adds `exp` to proofs, for IdPs that demand it.
    """

    algorithm: Literal["ES256", "ES384", "ES512"] = "ES256"
    at_authorization: Literal["proof", "dpop_jkt", "none"] = "dpop_jkt"
    lifetime: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MutualTls:
    """The client certificate (PEM chain) and its private key, for every back-channel call to the IdP (RFC 8705).

    `next_certificate` is published beside a self-signed one, so that the IdP knows it before it is used, and
    `retired_certificates` for sign-ins that began before it was.
    """

    certificate: str
    key: str
    next_certificate: str | None = None
    retired_certificates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenDecryption:
    """Keys that the IdP encrypts to (JWE, RFC 7516). `keys` are published; `retired_keys` only decrypt."""

    keys: tuple[str, ...]
    retired_keys: tuple[str, ...] = ()
    algorithms: tuple[str, ...] = KEY_ENCRYPTION_ALGORITHMS
    content_encryption: tuple[str, ...] = CONTENT_ENCRYPTION_ALGORITHMS


@dataclass(frozen=True, slots=True, kw_only=True)
class NestedToken:
    """A claim of userinfo that is itself a signed JWT, such as GOV.UK's `coreIdentityJWT`.

    Its keys are in the DID document `did` (did:web, resolved over https) or at `jwks_uri`. It is made out to our client
    id and about the subject of the ID token; `claims` are values it must hold. Its claims take the place of the JWT.
    """

    issuer: str
    did: str | None = None
    jwks_uri: str | None = None
    algorithms: tuple[str, ...] = ("ES256",)
    required: bool = False
    claims: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssurancePolicy:
    """How the assurance that was asked for is recognised in the answer; what is missing or too weak is refused.

    `acr_order` lists `acr` values from the weakest to the strongest: an answer at or above one that was asked for will
    do. `acr_map` maps what apps ask for through Cognito to the IdP's values, and exactly what was reached back. `vot`
    compares whole vectors (`vector`) or leaves out the identity component P, as GOV.UK does (`credential`). Whatever was
    asked for, `vtm` is the trustmark, `claims` are ID-token claims that have one of the values (strings; whole numbers
    and booleans as JSON writes them; nothing else), and `amr` lists alternatives, each one or more methods with blanks
    between them that have all been used.
    """

    acr_order: tuple[str, ...] = ()
    acr_map: dict[str, str] = field(default_factory=dict)
    vot: Literal["vector", "credential"] = "vector"
    vtm: str | None = None
    claims: dict[str, tuple[str, ...]] = field(default_factory=dict)
    amr: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantPolicy:
    """One connection for several tenants of an IdP, whose ID tokens differ in issuer (Microsoft Entra ID).

    `issuer_template` holds the placeholder `{tenantid}`; it stands in the IdP's metadata as it is written here, and in a
    token with the value of `claim`, which must be among `allowed`.
    """

    issuer_template: str
    allowed: tuple[str, ...]
    claim: str = "tid"

    def issuer(self, tenant: str) -> str:
        """Return the issuer of a tenant's ID tokens."""
        return self.issuer_template.replace("{tenantid}", tenant)

    def issuers(self) -> frozenset[str]:
        """Return the issuers of all tenants whose people may sign in."""
        return frozenset(map(self.issuer, self.allowed))


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth2Document:
    """A document that says who signed in; expressions see it under `name`. An absent one fails unless not `required`."""

    name: str
    url: str
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth2Profile:
    """An IdP without OpenID Connect: who signed in is read from `documents`, each fetched with the access token.

    `subject` is a JMESPath expression for the IdP's stable identifier of the person, a string or a whole number.
    """

    documents: tuple[OAuth2Document, ...]
    subject: str
    accept: str = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """Dynamic client registration (RFC 7591, RFC 7592): what `fedbridge register` works with.

    `endpoint` defaults to the metadata's. `initial_access_token` is what the IdP gave for registering.
    `client_uri` and `access_token` are the registration's own, for reading and updating it.
    """

    endpoint: str | None = None
    initial_access_token: str | None = None
    client_uri: str | None = None
    access_token: str | None = None
