"""What is said of SAML identity providers."""

from __future__ import annotations

from fedbridge.cli.check.advice import Advice

_REFUSED = "the bridge refuses the metadata as they are, and no sign-in begins."
_READS = _REFUSED.capitalize()

SAML = {
    "saml_metadata_unavailable": Advice(
        "error", "SAML metadata", "No sign-in begins while the bridge has no metadata.",
        "Open the address; with MDQ the entityID must be known to the service.",
    ),
    "saml_metadata_malformed": Advice(
        "error", "SAML metadata", _READS, "Open the document: is it the metadata of this IdP, and the right `kind`?",
    ),
    "saml_metadata_signature_invalid": Advice(
        "error", "SAML metadata", "Somebody else may have written the document; " + _REFUSED,
        "Set saml.metadata.signer to the certificate that the federation or the IdP publishes for this.",
    ),
    "saml_metadata_entity_mismatch": Advice(
        "error", "SAML metadata", _READS, "Set `issuer` to the entityID that stands in the document.",
    ),
    "saml_metadata_expired": Advice(
        "error", "SAML metadata", _READS, "Fetch the document anew where it is published; if that has ended too, tell the IdP.",
    ),
    "saml_metadata_expires_soon": Advice(
        "warning", "SAML metadata", "From then on no sign-in begins.",
        "Give the URL rather than a copy, so that the bridge reads what is new; tell the IdP if it is the URL.",
    ),
    "saml_metadata_unlimited": Advice(
        "error", "SAML metadata", "A federation's metadata that never end could be played back for ever.",
        "Ask the federation for metadata with a validUntil of at most a month.",
    ),
    "saml_metadata_incomplete": Advice(
        "error", "SAML metadata", _READS, "Ask the IdP for complete metadata, or write `saml.provider` by hand.",
    ),
    "saml_certificate_expired": Advice(
        "error", "the IdP's certificates", "The bridge refuses whatever is signed with them.",
        "Ask the IdP for its new certificate: in its metadata, or under saml.provider.certificates.",
    ),
    "saml_certificate_old": Advice(
        "warning", "the IdP's certificates", "Another one is valid, so sign-ins work if the IdP has changed over.",
        "Ask the IdP to remove it.",
    ),
    "saml_certificate_expires_soon": Advice(
        "warning", "the IdP's certificates", "There is none that lasts longer; then every sign-in fails.",
        "Ask the IdP when the next one comes, and where it will be published.",
    ),
    "saml_certificate_weak": Advice(
        "error", "the IdP's certificates", "The bridge trusts no signature of such a key, nor the document that names it.",
        "Ask the IdP for an RSA key of 2,048 bits or more, or an EC key.",
    ),
    "saml_certificate_sha1": Advice(
        "warning", "the IdP's certificates", "The bridge does not mind: nobody vouches for it. It speaks of old software.",
        "Ask the IdP whether its messages are signed with SHA-256: the bridge refuses SHA-1 there.",
    ),
    "saml_binding_not_offered": Advice(
        "error", "SAML bindings", "No sign-in begins.", "Leave saml.request.binding out, or set it to what the IdP offers.",
    ),
    "saml_logout_not_offered": Advice(
        "error", "SAML bindings", "Signing out leaves the session at the IdP alive.",
        "Remove saml.logout, or ask the IdP for a SingleLogoutService.",
    ),
    "saml_signed_requests_wanted": Advice(
        "error", "SAML bindings", "The IdP refuses requests that are not signed.",
        "Set saml.request.signed to true and give saml.signing_keys.",
    ),
    "saml_artifact_not_offered": Advice(
        "error", "SAML bindings", "No artifact can be resolved, so no sign-in finishes.",
        "Remove saml.artifact, or ask the IdP for an ArtifactResolutionService.",
    ),
    "saml_signature_algorithm_not_offered": Advice(
        "error", "SAML bindings", "The IdP refuses the bridge's requests.",
        "Set saml.request.signature_algorithm to one of those, with a key that goes with it.",
    ),
}  # fmt: skip
