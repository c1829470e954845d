"""The JSON Schema of `connections.yaml`, for editors: generated from the model, with what each key means beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from fedbridge.configuration.authentication_rules import HMAC_ALGORITHMS, LIFETIME
from fedbridge.configuration.file import FILLED_IN
from fedbridge.configuration.presets import preset_names
from fedbridge.configuration.rules import MAX_CLOCK_SKEW
from fedbridge.model.connection import CONNECTION_NAME, SIGNATURE_ALGORITHMS, Connection

_HTTPS = {"format": "uri"}
_SOME = {"minItems": 1}

# Class.field → what it means, and what JSON Schema can hold of its rules.
DESCRIPTIONS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "Connection.issuer": ("The IdP's issuer, byte for byte as in its discovery document and its ID tokens.", _HTTPS),
    "Connection.client_id": ("The client id that the IdP gave to the bridge.", {"minLength": 1}),
    "Connection.relying_parties": ("The user pools that sign in through this connection.", _SOME),
    "Connection.protocol": ("The protocol that the IdP speaks.", {}),
    "Connection.preset": ("What is known of an IdP; the connection's own keys go over it.", {}),
    "Connection.disabled": ("Refuse every sign-in, those under way too.", {}),
    "Connection.endpoints": ("Endpoints by hand, in place of discovery.", {}),
    "Connection.endpoint_hosts": ("Hosts besides the issuer's that the IdP's metadata may name.", {}),
    "Connection.client_authentication": ("How the bridge authenticates to the IdP's token endpoint.", {}),
    "Connection.authorization": ("What the authorization request carries.", {}),
    "Connection.id_token": ("What an ID token of the IdP must satisfy.", {}),
    "Connection.userinfo": ("Whether and how the UserInfo endpoint is called.", {}),
    "Connection.claims": (
        "Claim for Cognito → JMESPath expression or rule. Without it the standard claims pass under their own names.",
        {},
    ),
    "Connection.verified_email_domains": (
        "Domains whose addresses the IdP may call verified; all others are unverified.", {},
    ),
    "Connection.tokens": ("Sign an ID token for Cognito (reissue), or hand the IdP's own through (relay).", {}),
    "Connection.subject": ("What Cognito gets as sub: a hash of namespace, issuer and subject, or the IdP's own.", {}),
    "Connection.subject_namespace": ("Stands for the connection's name in hashed subjects; keeps them when it is renamed.", {}),
    "Connection.case_sensitive_pool": ("The user pool tells capitals from small letters, so raw subjects may hold them.", {}),
    "Connection.user_agent": ("User-Agent of the bridge's requests to the IdP.", {}),
    "RelyingParty.client_id": ("The client id that Cognito is configured with.", {"minLength": 1}),
    "RelyingParty.secret_hashes": (
        "SHA-256 of the client secret that `fedbridge secrets new` printed; two while it is changed.",
        {"minItems": 1, "maxItems": 2},
    ),
    "RelyingParty.redirect_uris": ("https://<user pool domain>/oauth2/idpresponse, once for every domain of the pool.", _SOME),
    "RelyingParty.restart_url": ("Where a person begins again after a sign-in that went wrong.", _HTTPS),
    "RelyingParty.name": ("What pages call the application.", {}),
    "RelyingParty.require_pkce": ("Refuse requests without PKCE; Cognito sends none.", {}),
    "Endpoints.authorization_endpoint": ("Where browsers are sent.", _HTTPS),
    "Endpoints.token_endpoint": ("Where codes are redeemed.", _HTTPS),
    "Endpoints.jwks_uri": ("Where the IdP's keys are.", _HTTPS),
    "Endpoints.userinfo_endpoint": ("Where claims are fetched, if there is such an endpoint.", {}),
    "Endpoints.token_endpoint_auth_methods_supported": ("The client authentication methods that `auto` chooses from.", _SOME),
    "Endpoints.authorization_response_iss_parameter_supported": ("The IdP sends iss with its answers (RFC 9207).", {}),
    "ClientAuthentication.method": ("The method; auto takes the strongest that metadata and credentials allow.", {}),
    "ClientAuthentication.key": ("Reference to the private key that signs client assertions.", {}),
    "ClientAuthentication.next_key": ("Reference to the key that comes next: published, not used.", {}),
    "ClientAuthentication.retired_keys": ("References to former keys: published, not used.", {}),
    "ClientAuthentication.secret": ("Reference to the client secret that the IdP gave.", {}),
    "ClientAuthentication.algorithm": (
        "JWS algorithm of assertions; by the key's type if left out.",
        {"examples": [*SIGNATURE_ALGORITHMS, *HMAC_ALGORITHMS]},
    ),
    "ClientAuthentication.audience": (
        "aud of assertions: issuer, token_endpoint, endpoint (the one called) or a literal URL.",
        {"examples": ["issuer", "token_endpoint", "endpoint"]},
    ),
    "ClientAuthentication.lifetime": (
        "Seconds from iat to exp.", {"minimum": LIFETIME.start, "maximum": LIFETIME.stop - 1},
    ),
    "ClientAuthentication.typ": ("typ of the assertion's header; empty for none.", {}),
    "ClientAuthentication.kid": ("kid of the assertion's header: thumbprint, omit or a literal.", {}),
    "ClientAuthentication.certificate": ("Reference to the key's X.509 certificate, PEM.", {}),
    "ClientAuthentication.x5t": ("Put the certificate's SHA-1 thumbprint into the header.", {}),
    "ClientAuthentication.x5t_s256": ("Put the certificate's SHA-256 thumbprint into the header.", {}),
    "ClientAuthentication.x5c": ("Put the certificate chain into the header.", {}),
    "ClientAuthentication.not_before": ("Put nbf into assertions.", {}),
    "ClientAuthentication.basic_encoding": ("Form-encode id and secret (RFC 6749 §2.3.1), or send them raw.", {}),
    "AuthorizationRequestProfile.scope": ("Scopes with blanks between them; openid is one.", {}),
    "AuthorizationRequestProfile.pkce": ("Send a PKCE challenge, unless the IdP refuses it.", {}),
    "AuthorizationRequestProfile.response_mode": ("How the IdP sends its answer.", {}),
    "AuthorizationRequestProfile.acr_values": ("Assurance levels asked for; the answer must be one of them.", {}),
    "AuthorizationRequestProfile.parameters": ("Fixed parameters.", {}),
    "AuthorizationRequestProfile.pass_through": ("Parameters that pass from Cognito to the IdP; all else is dropped.", {}),
    "IdTokenPolicy.algorithms": (
        "JWS algorithms that are accepted, by name.",
        {"minItems": 1, "items": {"enum": list(SIGNATURE_ALGORITHMS)}},
    ),
    "IdTokenPolicy.clock_skew": ("Seconds that clocks may differ.", {"minimum": 0, "maximum": MAX_CLOCK_SKEW}),
    "IdTokenPolicy.trusted_audiences": ("Audiences that may stand beside the client id.", {}),
    "UserinfoPolicy.method": ("HTTP method, or none.", {}),
    "ClaimRule.value": ("JMESPath expression over the claims, id_token, userinfo, upstream_sub and upstream_iss.", {}),
    "ClaimRule.constant": ("A fixed value in place of an expression.", {}),
    "ClaimRule.required": ("Without this claim the sign-in fails.", {}),
    "ClaimRule.type": ("What Cognito gets.", {}),
    "ClaimRule.separator": ("What stands between the items of type joined.", {}),
    "ClaimRule.too_long": ("What happens to a value above 2,048 bytes.", {}),
}  # fmt: skip


def schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the file, as plain data."""
    _, definitions = msgspec.json.schema_components((Connection,), ref_template="#/$defs/{name}")
    for name, definition in definitions.items():
        definition["additionalProperties"] = False
        for field, member in definition["properties"].items():
            description, more = DESCRIPTIONS.get(f"{name}.{field}", ("", {}))
            member.update({"description": description, **more})
    connection = definitions["Connection"]
    for field in FILLED_IN:
        del connection["properties"][field]
    # A preset may bring any of them.
    connection["required"] = []
    connection["anyOf"] = [{"required": ["issuer", "client_id", "relying_parties"]}, {"required": ["preset"]}]
    connection["properties"]["preset"] = {
        "enum": preset_names(),
        "description": DESCRIPTIONS["Connection.preset"][0],
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "fedbridge connections",
        "type": "object",
        "properties": {
            "connections": {
                "type": "object",
                "description": "Connections by name, which is the first segment of their URLs.",
                "minProperties": 1,
                "propertyNames": {"pattern": f"^{CONNECTION_NAME.pattern}$"},
                "additionalProperties": {"$ref": "#/$defs/Connection"},
            }
        },
        "required": ["connections"],
        "additionalProperties": False,
        "$defs": definitions,
    }
