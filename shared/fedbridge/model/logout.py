"""Signing out: what an IdP takes and sends when somebody leaves.

Part of the schema of `connections.yaml`, like `fedbridge.model.policies`. Lifetimes in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Logout:
    """How a session at the IdP is ended, and how the IdP ends ours.

    `mode` says what the browser brings to the IdP's end_session_endpoint (OpenID Connect RP-Initiated Logout 1.0 §2): the
    ID token of the sign-in, our client id alone, or that it is not sent there at all. `sessions` keeps what a logout
    needs, for `session_lifetime`; without it there is no ID token to bring, and the browser goes with the client id unless
    `hint_required`. `max_query` caps the query of the URL, in characters: an ID token that does not fit stays here.
    `back_channel` and `front_channel` are the IdP's own ways of telling us; they end the user's sessions in the pools of
    relying parties that name a `user_pool`. `revoke_tokens` revokes the IdP's tokens once userinfo was read (RFC 7009).
    """

    mode: Literal["id_token_hint", "client_id", "none"] = "none"
    hint_required: bool = False
    max_query: int | None = None
    sessions: bool = False
    session_lifetime: int = 30 * 24 * 3600
    back_channel: bool = False
    require_typ: bool = False
    front_channel: bool = False
    revoke_tokens: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UserPool:
    """The Cognito user pool behind a relying party: its id, and what the bridge is called there as identity provider."""

    id: str
    identity_provider: str

    def username(self, subject: str) -> str:
        """Return what Cognito calls the user whose `sub` this is (Cognito Developer Guide, "mapping IdP attributes")."""
        return f"{self.identity_provider}_{subject}"
