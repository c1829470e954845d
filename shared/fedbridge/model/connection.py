"""One upstream identity provider and how to talk to it; and Cognito's side of it.

These classes are the schema of `connections.yaml`: the JSON Schema is generated from them, and unknown keys are refused.
References (`secretsmanager:`, `ssm:`, `kms:`, `env:`, `file:`) stand where a secret or a key belongs, never values.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from fedbridge.model.logout import Logout, UserPool
from fedbridge.model.policies import (
    AssurancePolicy,
    AuthorizationResponsePolicy,
    DPoP,
    MutualTls,
    NestedToken,
    OAuth2Profile,
    Registration,
    RequestObject,
    TenantPolicy,
    TokenDecryption,
)
from fedbridge.model.snapshot import Snapshot

if TYPE_CHECKING:
    from fedbridge.model.saml import Saml

DEFERRED = {"Saml": "fedbridge.model.saml"}
"""Classes of the schema, by module, that are loaded when a connection has such a key: every cold start would pay."""

SIGNATURE_ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
)  # fmt: skip
"""Asymmetric JWS algorithms (RFC 7518 §3.1) for assertions and ID tokens; HMAC is never among them."""

HMAC_ALGORITHMS = ("HS256", "HS384", "HS512")
"""Algorithms keyed with the client secret: for client_secret_jwt, and for ID tokens where a preset says so."""

CONNECTION_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
"""What a connection may be called: one path segment that reads the same in every case, encoding and normal form."""

ClientAuthenticationMethod = Literal[
    "auto",
    "private_key_jwt",
    "client_secret_basic",
    "client_secret_post",
    "client_secret_jwt",
    "tls_client_auth",
    "self_signed_tls_client_auth",
    "apple_client_secret",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientAuthentication:
    """How the bridge authenticates to the IdP's token endpoint (OpenID Connect Core §9, RFC 7523, RFC 6749 §2.3.1).

    `auto` takes the strongest method that the IdP's metadata names and that `key` or `secret` allow. `audience` is
    `issuer`, `token_endpoint`, `endpoint` (the one called) or a literal URL; it is sent as one string. `lifetime` is in
    seconds. `kid` is the key's RFC 7638 thumbprint (`thumbprint`), absent (`omit`) or a literal. `algorithm` defaults
    to RS256, ES256, ES384 or ES512 by the key's type, and to HS256 for client_secret_jwt. `assertion_issuer` stands for
    the client id in `iss` (Apple's team id). The certificate of the TLS methods is the connection's `mutual_tls`.
    `secret_expires` is the day (`2027-05-31`) from which the IdP refuses the secret, as its console or its answer says.
    """

    method: ClientAuthenticationMethod = "auto"
    key: str | None = None
    next_key: str | None = None
    retired_keys: tuple[str, ...] = ()
    secret: str | None = None
    secret_expires: str | None = None
    algorithm: str | None = None
    audience: str = "issuer"
    lifetime: int = 60
    typ: str | None = "JWT"
    kid: str = "thumbprint"
    certificate: str | None = None
    x5t: bool = False
    x5t_s256: bool = False
    x5c: bool = False
    not_before: bool = False
    assertion_issuer: str | None = None
    basic_encoding: Literal["form", "raw"] = "form"

    @property
    def secret_expires_at(self) -> float | None:
        """The moment (seconds since the epoch) from which the secret may be refused: that day's first in UTC."""
        if self.secret_expires is None:
            return None
        from datetime import UTC, datetime  # noqa: PLC0415  asked by operators' tools, never by a sign-in

        return datetime.fromisoformat(self.secret_expires).replace(tzinfo=UTC).timestamp()


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Manual endpoints, for an IdP without (usable) discovery; the same four that Cognito asks for, and for PAR.

    Only an IdP without OpenID Connect has no `jwks_uri`.
    """

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str | None = None
    userinfo_endpoint: str | None = None
    pushed_authorization_request_endpoint: str | None = None
    end_session_endpoint: str | None = None
    revocation_endpoint: str | None = None
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequestProfile:
    """What the authorization request carries. `pass_through` names what Cognito may add; all else is dropped.

    `allowed_parameters` are all that may leave, for IdPs that refuse what they do not know; one that the connection
    needs and the list lacks is an error. `max_query` caps the query of the URL, in characters. `par` pushes the request
    first (RFC 9126): `auto` where the IdP's metadata demand it.
    """

    scope: str = "openid"
    pkce: Literal["S256", "off"] = "S256"
    response_mode: Literal["query", "form_post", "jwt", "query.jwt", "form_post.jwt"] | None = None
    acr_values: tuple[str, ...] = ()
    parameters: dict[str, str] = field(default_factory=dict)
    pass_through: tuple[str, ...] = ("login_hint", "prompt", "max_age")
    allowed_parameters: tuple[str, ...] | None = None
    max_query: int | None = None
    par: Literal["auto", "required", "off"] = "auto"
    request_object: RequestObject | None = None

    @property
    def travelling(self) -> tuple[str, ...]:
        """What Cognito may add: the names in `pass_through`, as far as they may leave at all."""
        if self.allowed_parameters is None:
            return self.pass_through
        return tuple(name for name in self.pass_through if name in self.allowed_parameters)

    @property
    def response_method(self) -> Literal["GET", "POST"]:
        """The HTTP method by which the browser brings the response."""
        return "POST" if self.response_mode in {"form_post", "form_post.jwt"} else "GET"

    @property
    def signed_response(self) -> bool:
        """Whether the response is a JWT (JARM); `jwt` is `query.jwt` for the code flow (JARM §2.3.4)."""
        return self.response_mode in {"jwt", "query.jwt", "form_post.jwt"}


@dataclass(frozen=True, slots=True, kw_only=True)
class IdTokenPolicy:
    """What an upstream ID token must satisfy. `clock_skew` in seconds, at most 300.

    `symmetric` lets `algorithms` be HMAC ones, keyed with the client secret; only a preset may say so. `encryption` says
    whether the token comes as a JWE around the JWS (`token_decryption`). `at_hash_encoding` is for TARA.
    """

    algorithms: tuple[str, ...] = ("RS256",)
    clock_skew: int = 60
    trusted_audiences: tuple[str, ...] = ()
    encryption: Literal["none", "required", "optional"] = "none"
    symmetric: bool = False
    at_hash_encoding: Literal["base64url", "base64"] = "base64url"


@dataclass(frozen=True, slots=True, kw_only=True)
class UserinfoPolicy:
    """Whether and how the UserInfo endpoint is called, and what it answers (OpenID Connect Core §5.3).

    `format` is plain JSON, a signed JWT (`jws`), a JWE around one (`jwe`), or either of the latter. No `algorithms` means
    those of ID tokens. Signed userinfo names its issuer and us unless `require_iss_and_aud` is off; what it names must be
    right in any case. `nested` are claims that are signed JWTs of their own.
    """

    method: Literal["GET", "POST", "none"] = "GET"
    format: Literal["json", "jws", "jwe", "jws_or_jwe"] = "json"
    algorithms: tuple[str, ...] = ()
    require_iss_and_aud: bool = True
    nested: dict[str, NestedToken] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRule:
    """One claim for Cognito: a JMESPath expression (`value`) or a `constant`, and how it is shaped.

    Expressions see the merged claims of the ID token and userinfo, and both documents as `id_token` and `userinfo`,
    plus `upstream_sub` and `upstream_iss`. `type` is what Cognito gets: `auto` keeps booleans and lists of strings and
    turns numbers into strings; `joined` joins a list with `separator`. A value above 2,048 characters is dropped or
    refused, never cut.
    """

    value: str | None = None
    constant: str | bool | None = None
    required: bool = False
    type: Literal["auto", "string", "boolean", "list", "joined"] = "auto"
    separator: str = ","
    too_long: Literal["drop", "refuse"] = "drop"


ClaimMapping = dict[str, str | ClaimRule]
"""Claim name for Cognito → a JMESPath expression, or a whole rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedSecret:
    """The bridge makes the client secret, gives it to the `user_pool` and keeps the hash (`fedbridge secrets rotate`).

    The scheduled function replaces it every so many seconds; without `rotate_every` an operator does.
    """

    rotate_every: int | None = None


ID_TOKEN_LIFETIME = 300
"""Seconds. Cognito verifies the token once, at once; a gateway that takes it as a bearer token does so until it ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelyingParty:
    """Cognito's side of a connection.

    `secret_hashes` are one or two of `sha256:<64 hex digits>` over the generated client secret; with `managed_secret` they
    are filled in when the connection is published, and there are none before the first. `redirect_uris` are
    compared byte for byte, and so are `post_logout_redirect_uris`, the first of which is where a sign-out ends that names
    none. `restart_url` is where a person begins again. `name` is what pages call the application. `user_pool` is whose
    sessions end when the IdP says so. `id_token_lifetime` is in seconds.
    """

    client_id: str
    secret_hashes: tuple[str, ...] = ()
    managed_secret: ManagedSecret | None = None
    redirect_uris: tuple[str, ...]
    restart_url: str
    post_logout_redirect_uris: tuple[str, ...] = ()
    user_pool: UserPool | None = None
    name: str | None = None
    require_pkce: bool = False
    id_token_lifetime: int = ID_TOKEN_LIFETIME


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One upstream IdP (`issuer`, `client_id` as registered there) and the relying parties that sign in through it.

    With SAML, `issuer` is the IdP's entityID and `client_id` the bridge's own.
    `subject_claims` are the ID-token claims that together name a person, for IdPs whose `sub` does not; dots lead into
    objects (`act.sub`).
    `version` names the published revision (a digest of the configuration). `client_jwks` are the public keys that the
    IdP may fetch, filled in when the connection is published or loaded; never written by hand. So are `rings`: which key
    rings fill which path (`fedbridge.configuration.rings`). `snapshot` is what the IdP published when it was last asked, kept
    beside the document and no part of it. `endpoint_hosts` are
    hosts beside the issuer's own that metadata may name. `timeouts`: see `fedbridge.model.deadline`.
    """

    name: str
    issuer: str
    client_id: str
    relying_parties: tuple[RelyingParty, ...]
    version: str = ""
    protocol: Literal["oidc", "oauth2", "saml"] = "oidc"
    preset: str | None = None
    disabled: bool = False
    endpoints: Endpoints | None = None
    endpoint_hosts: tuple[str, ...] = ()
    client_authentication: ClientAuthentication = field(default_factory=ClientAuthentication)
    mutual_tls: MutualTls | None = None
    dpop: DPoP | None = None
    token_decryption: TokenDecryption | None = None
    authorization: AuthorizationRequestProfile = field(default_factory=AuthorizationRequestProfile)
    authorization_response: AuthorizationResponsePolicy = field(default_factory=AuthorizationResponsePolicy)
    assurance: AssurancePolicy = field(default_factory=AssurancePolicy)
    tenants: TenantPolicy | None = None
    oauth2: OAuth2Profile | None = None
    saml: Saml | None = None
    registration: Registration | None = None
    id_token: IdTokenPolicy = field(default_factory=IdTokenPolicy)
    userinfo: UserinfoPolicy = field(default_factory=UserinfoPolicy)
    logout: Logout = field(default_factory=Logout)
    claims: ClaimMapping | None = None
    verified_email_domains: tuple[str, ...] = ()
    tokens: Literal["reissue", "relay"] = "reissue"
    subject: Literal["hashed", "raw"] = "hashed"
    subject_namespace: str | None = None
    subject_claims: tuple[str, ...] = ()
    case_sensitive_pool: bool = False
    user_agent: str = "fedbridge"
    client_jwks: tuple[dict[str, Any], ...] = ()
    rings: dict[str, tuple[str, ...]] = field(default_factory=dict)
    snapshot: Snapshot | None = field(default=None, compare=False, repr=False)

    def relying_party(self, client_id: str) -> RelyingParty | None:
        """Return the relying party that is registered under this client id, if any."""
        return next((party for party in self.relying_parties if party.client_id == client_id), None)
