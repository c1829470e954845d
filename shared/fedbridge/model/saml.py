"""A SAML 2.0 identity provider: what the bridge asks of it, and what it accepts from it.

Part of the schema of `connections.yaml`, like `fedbridge.model.policies`; loaded only where a connection speaks SAML.
`issuer` of such a connection is the IdP's entityID, `client_id` the bridge's own. Times in seconds. References
(`secretsmanager:`, `ssm:`, `kms:`, `env:`, `file:`) stand where a secret, a key or a certificate belongs, never values.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fedbridge.model import connection
from fedbridge.model.connection import SIGNATURE_ALGORITHMS
from fedbridge.model.saml_profiles import ArtifactResolution, InitiatedSignIn, SingleLogout

PERSISTENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
TRANSIENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"

CONTENT_ENCRYPTION_ALGORITHMS = ("A128GCM", "A192GCM", "A256GCM")
"""JWA names of the authenticated content encryption (XML Encryption 1.1 §5.2.4); AES-CBC has a switch of its own."""

KEY_TRANSPORT_ALGORITHMS = ("RSA-OAEP", "RSA-OAEP-256")
"""JWA names of the key transport (XML Encryption 1.1 §5.5.2), SHA-1 and SHA-256 within; RSA 1.5 never is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SamlKey:
    """A private key of the bridge, and the X.509 certificate (PEM) that its metadata publish for it; a key ring has both."""

    key: str
    certificate: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SamlMetadata:
    """The IdP's metadata: an https URL, or a reference to the document.

    `signer` refers to PEM certificates of which one must have signed the document. `kind` says what there is: one
    `entity`, an `aggregate` of many, or a service that is asked for one (`mdq`, of which `source` is the base URL).
    """

    source: str
    signer: str | None = None
    kind: Literal["entity", "aggregate", "mdq"] = "entity"


@dataclass(frozen=True, slots=True, kw_only=True)
class SamlProvider:
    """The IdP by hand, in place of metadata. Each of `certificates` refers to PEM, one certificate or more."""

    single_sign_on_service: str
    certificates: tuple[str, ...]
    binding: Literal["redirect", "post"] = "redirect"
    single_logout_service: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthnRequestProfile:
    """What the AuthnRequest carries (SAML core §3.4.1).

    `binding` defaults to what the IdP offers, Redirect before POST. `authn_context` are class references;
    `extensions` is the XML that stands within samlp:Extensions. `force_authn` and `is_passive` are also what `prompt`
    of an app's request turns into.
    """

    binding: Literal["redirect", "post"] | None = None
    signed: bool = True
    signature_algorithm: str | None = None
    authn_context: tuple[str, ...] = ()
    comparison: Literal["exact", "minimum", "maximum", "better"] = "exact"
    force_authn: bool = False
    is_passive: bool = False
    name_id_format: str | None = PERSISTENT
    allow_create: bool = True
    sp_name_qualifier: str | None = None
    provider_name: str | None = None
    attribute_consuming_service_index: int | None = None
    extensions: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AssertionPolicy:
    """What a Response must satisfy.

    `signed` names what must carry a signature. `allow_aes_cbc` takes AES-CBC beside `content_encryption`, and then the
    Response must be signed, so that nobody can try out ciphertexts. `authn_context_order` lists class references from
    the weakest to the strongest, for every `comparison` but exact. `subject_attribute` names the attribute that stands
    for the NameID, such as pairwise-id. `transient_subjects` lets a NameID pass that is another one at every sign-in.
    """

    signed: Literal["assertion", "response", "both"] = "assertion"
    algorithms: tuple[str, ...] = SIGNATURE_ALGORITHMS
    encryption: Literal["none", "required", "optional"] = "none"
    key_transport: tuple[str, ...] = KEY_TRANSPORT_ALGORITHMS
    content_encryption: tuple[str, ...] = CONTENT_ENCRYPTION_ALGORITHMS
    allow_aes_cbc: bool = False
    clock_skew: int = 60
    authn_context_order: tuple[str, ...] = ()
    subject_attribute: str | None = None
    transient_subjects: bool = False
    repeated_attributes: Literal["refuse", "merge"] = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedAttribute:
    """An attribute that the bridge's metadata ask for."""

    name: str
    friendly_name: str | None = None
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SamlContact:
    """Whom the IdP's operators turn to (SAML metadata §2.3.2.2)."""

    type: Literal["technical", "support", "administrative", "billing", "other"]
    email: str
    given_name: str | None = None
    company: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedMetadata:
    """What the bridge's own metadata say for people: names, contacts, links and a logo, in one `language`.

    `attributes` make an AttributeConsumingService, which needs `name`. `logo` is a URL with `logo_width` and
    `logo_height` in pixels (SAML metadata extensions for login and discovery §2.1).
    """

    name: str | None = None
    language: str = "en"
    description: str | None = None
    information_url: str | None = None
    privacy_statement_url: str | None = None
    logo: str | None = None
    logo_width: int = 0
    logo_height: int = 0
    attributes: tuple[RequestedAttribute, ...] = ()
    contacts: tuple[SamlContact, ...] = ()
    entity_attributes: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Saml:
    """One SAML IdP. The first of `signing_keys` signs, all are published; so are the `decryption_keys`, which all decrypt."""

    metadata: SamlMetadata | None = None
    provider: SamlProvider | None = None
    signing_keys: tuple[SamlKey, ...] = ()
    decryption_keys: tuple[SamlKey, ...] = ()
    retired_decryption_keys: tuple[str, ...] = ()
    request: AuthnRequestProfile = field(default_factory=AuthnRequestProfile)
    assertion: AssertionPolicy = field(default_factory=AssertionPolicy)
    published: PublishedMetadata = field(default_factory=PublishedMetadata)
    artifact: ArtifactResolution | None = None
    initiated: InitiatedSignIn | None = None
    logout: SingleLogout | None = None


# Where whoever resolves the annotations of Connection looks for it (see `DEFERRED` there).
vars(connection)["Saml"] = Saml
