"""What outlives a sign-in, where a connection opts in: enough to sign out by, and nothing that opens by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamSession:
    """The IdP's session of a sign-in, as the upstream side knows it.

    `sid` is the IdP's name for it, None where it has none. `remembered` is what ending it takes.
    """

    issuer: str
    sid: str | None
    remembered: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The stored item, times in whole seconds since the epoch.

    `id` is a hash of the IdP's session and the relying party, or random where the IdP names none. `sealed_subject`, who it is to Cognito, opens
    with the IdP's `sid`, `sealed_logout` with the secret in the browser's cookie.
    """

    id: str
    connection: str
    expires_at: int
    sealed_logout: bytes = field(repr=False)
    sealed_subject: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedSession:
    """What the IdP says has ended: everything of a `subject`, or the session `sid`, or both in one.

    `known_subject` is what Cognito got as `sub`, where the upstream side can tell. `jti` is the message's own id, and `until` when it would be refused as too old: seconds since the epoch.
    """

    issuer: str
    subject: str | None
    sid: str | None
    jti: str
    until: int
    known_subject: str | None = None
