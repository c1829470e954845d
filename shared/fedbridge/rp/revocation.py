"""Token revocation (RFC 7009): what nobody will use again is given back as soon as userinfo was read."""

from __future__ import annotations

from dataclasses import replace

from fedbridge.errors import FedbridgeError, UpstreamError
from fedbridge.model.deadline import Deadline
from fedbridge.ports import Telemetry
from fedbridge.rp.context import Context
from fedbridge.rp.token_endpoint import TokenResponse, send_form

BUDGET = 2.0
"""Seconds for all of it: a person waits, and nothing depends on the answer."""

RESERVE = 1.0
"""Seconds that stay for what the sign-in still has to do."""


def revoke_tokens(context: Context, tokens: TokenResponse, telemetry: Telemetry) -> None:
    """Revoke the refresh token, if there is one, and the access token; never fails a sign-in.

    The refresh token goes first, because a server may take the access tokens with it (RFC 7009 §2.1). A failure is the
    event `tokens_not_revoked`: the tokens then live until they expire.
    """
    hurried = replace(context, deadline=_hurried(context.deadline), dpop=None)
    try:
        url = context.metadata.revocation_endpoint
        if url is None:
            raise UpstreamError("revocation_endpoint_missing")
        if tokens.refresh_token is not None:
            _revoke(hurried, url, tokens.refresh_token, "refresh_token")
        _revoke(hurried, url, tokens.access_token, "access_token")
    except FedbridgeError as failure:
        telemetry.event(
            "tokens_not_revoked",
            connection=context.connection.name,
            correlation_id=context.deadline.correlation_id,
            reason=failure.reason,
            upstream_code=getattr(failure, "upstream_code", None),
            upstream_status=getattr(failure, "upstream_status", None),
        )


def _revoke(context: Context, url: str, token: str, hint: str) -> None:
    """Post one token; what a 200 says besides is of no account (RFC 7009 §2.2)."""
    send_form(context, "revocation", url, {"token": token, "token_type_hint": hint})


def _hurried(deadline: Deadline) -> Deadline:
    return replace(deadline, at=min(deadline.at - RESERVE, deadline.monotonic() + BUDGET))
