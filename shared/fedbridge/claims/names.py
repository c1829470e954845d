"""Claim names: those that belong to the protocol, and those of OpenID Connect Core §5.1 that pass by default."""

from __future__ import annotations

PROTECTED = frozenset(
    {
        "iss", "sub", "aud", "exp", "nbf", "iat", "jti", "nonce", "azp", "sid", "typ", "cnf", "events",
        "at_hash", "c_hash", "s_hash", "auth_time", "acr", "amr",
        "token_use", "identities", "origin_jti", "event_id",
        "_claim_names", "_claim_sources",
    }
)  # fmt: skip
"""Names that carry the protocol between the bridge and Cognito, or that Cognito itself puts into its tokens."""

PROTECTED_PREFIXES = ("cognito:", "custom:")
"""Cognito's own name spaces: `cognito:groups` from an IdP would be read as Cognito's word."""

AGGREGATION = ("_claim_names", "_claim_sources")
"""Aggregated and distributed claims (OpenID Connect Core §5.6.2): never fetched, never read."""

STANDARD_CLAIMS = (
    "name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture",
    "website", "email", "email_verified", "gender", "birthdate", "zoneinfo", "locale", "phone_number",
    "phone_number_verified", "updated_at",
)  # fmt: skip
"""OpenID Connect Core §5.1, without `sub` and `address`, which is an object."""


def is_protected(name: str) -> bool:
    """Return whether no mapping may set this claim and no userinfo may change it."""
    return name in PROTECTED or name.startswith(PROTECTED_PREFIXES)
