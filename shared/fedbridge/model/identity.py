"""Who signed in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fedbridge.model.session import UpstreamSession

ClaimValue = str | bool | list[str]
"""What Cognito can map: a string of at most 2,048 characters, a boolean, or a list of strings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The only thing that the upstream side hands to the Cognito side.

    `subject` is what Cognito gets as `sub` (already hashed or raw, as the connection says). `claims` are normalized
    and hold no protocol claim. `auth_time` is in seconds since the epoch. `upstream_id_token` is the compact
    serialization of the verified upstream token, set for `relay` connections alone. `session` is what signing out takes, set
    for connections that keep sessions; it never reaches Cognito.
    """

    subject: str
    claims: Mapping[str, ClaimValue]
    acr: str | None = None
    amr: tuple[str, ...] = ()
    auth_time: int | None = None
    upstream_id_token: str | None = None
    session: UpstreamSession | None = None
