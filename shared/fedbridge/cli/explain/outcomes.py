"""How a sign-in ended, as far as its records tell, and what that means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fedbridge.cli.explain.causes import cause_of
from fedbridge.cli.explain.records import time_of
from fedbridge.flows.services import CODE_LIFETIME, TRIP_LIFETIME

if TYPE_CHECKING:
    from fedbridge.cli.explain.story import Outcome, Whose

LATE = 15
"""Seconds beyond a lifetime: the clocks of log lines, and Cognito's own time-out."""

MOST_NEIGHBOURS = 5

_FATAL = ("token_refused", "request_failed", "configuration_error", "internal_error")
_REFUSED = ("request_refused", "callback_repeated", "sign_out_failed")
_AT_THE_POOL = ("trigger_refused", "trigger_failed")

Records = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How it ended. `means` and `todo` are Markdown; `neighbours` are records that are likely of the same sign-in."""

    outcome: Outcome
    summary: str
    reason: str | None = None
    means: str = ""
    todo: str = ""
    whose: tuple[Whose, ...] = ()
    neighbours: tuple[Mapping[str, Any], ...] = ()


def ending_of(own: Records, known: Records, *, now: float) -> Ending:
    """Return how the sign-in of the records `own` ended; `known` are all records that there are, in the order of time."""
    if ended := _last(own, *_AT_THE_POOL):
        return _because(ended, "refused", "A trigger of the user pool ended the sign-in, behind fedbridge.")
    if done := _last(own, "userinfo_read"):
        return _complete(own, done)
    failed = _last(own, "sign_in_failed")
    if failed:
        return _because(failed, "failed", f"The sign-in failed {_where(own, failed)}.")
    if refused := _last(own, *_FATAL):
        return _refused_by_us(own, known, refused)
    if redeemed := _last(own, "sign_in_redeemed"):
        return _unread(redeemed, now)
    if authorized := _last(own, "sign_in_authorized"):
        return _unredeemed(known, authorized, now)
    refused = _last(own, *_REFUSED)
    if refused and refused.get("reason"):
        return _because(refused, "refused", "The request was answered with a page, and nobody was signed in.")
    return _unreturned(own, now)


def _complete(own: Records, done: Mapping[str, Any]) -> Ending:
    """It went well; what was refused afterwards, a reload or the code once more, is what somebody may have seen."""
    after = _last(own, "token_refused", *_REFUSED)
    if after is not None and after.get("reason") and time_of(after) >= time_of(done):
        seen = "The sign-in went well. What was shown came after it, and changed nothing."
        return _of_code(own, after, "complete") or _because(after, "complete", seen)
    return Ending(
        outcome="complete",
        summary="The sign-in went well: Cognito has tokens and claims. What failed, failed after fedbridge.",
        means="the attribute mapping of the user pool, a trigger, or the application",
        todo="Cognito's side: `fedbridge check`, the logs of the triggers and of the application",
        whose=("configuration",),
    )


def _of_code(own: Records, refused: Mapping[str, Any], outcome: Outcome) -> Ending | None:
    """Return what the sign-in's own times tell about a refused code, None where they tell nothing."""
    authorized, redeemed = _last(own, "sign_in_authorized"), _last(own, "sign_in_redeemed")
    if refused.get("reason") != "code_refused" or authorized is None:
        return None
    if redeemed is not None:
        return Ending(
            outcome=outcome,
            summary="The code was redeemed already, and came a second time.",
            reason="code_refused",
            means=f"the code was redeemed {_ago(refused, redeemed)} before; the first tokens stay valid",
            todo="nothing, if Cognito repeated its request; if it is frequent, treat it as an attack",
            whose=("caller", "attack"),
        )
    if time_of(refused) - time_of(authorized) < CODE_LIFETIME:
        return None
    return Ending(
        outcome=outcome,
        summary="The sign-in was authorized, and its code came too late.",
        reason="code_refused",
        means=f"the code came {_ago(refused, authorized)} after it was issued, and lives {CODE_LIFETIME} seconds",
        todo="what is slow between the browser and Cognito's token request: the person's network, a proxy, something that"
        " keeps addresses and opens them later",
        whose=("caller", "user"),
    )


def _ago(later: Mapping[str, Any], earlier: Mapping[str, Any]) -> str:
    return f"{time_of(later) - time_of(earlier):,.0f} seconds"


def _because(
    record: Mapping[str, Any], outcome: Outcome, summary: str, neighbours: tuple[Mapping[str, Any], ...] = ()
) -> Ending:
    reason = str(
        record.get("reason", record["message"])
    )  # Every failure has one; the log may be another release's.
    cause = cause_of(reason, record.get("upstream_code"))
    return Ending(
        outcome=outcome,
        summary=summary,
        reason=reason,
        means=cause.means,
        todo=cause.todo,
        whose=cause.whose,
        neighbours=neighbours,
    )


def _where(own: Records, failed: Mapping[str, Any]) -> str:
    if _last(own, "sign_in_started") is None and not str(failed.get("route", "")).endswith("/acs"):
        return "before the browser was sent to the provider"
    return "after the browser came back from the provider"


def _refused_by_us(own: Records, known: Records, refused: Mapping[str, Any]) -> Ending:
    """A request that failed for itself: at the back channel the sign-in is a neighbour, if the two were not tied."""
    if ending := _of_code(own, refused, "refused"):
        return ending
    at_token = str(refused.get("route", "")).endswith("/token")
    neighbours = () if _last(own, "sign_in_authorized") or not at_token else _waiting(known, refused)
    where = "at the token endpoint" if at_token else "at fedbridge"
    return _because(refused, "refused", f"The request was refused {where}.", neighbours)


def _waiting(known: Records, refused: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Return the one sign-in that waited for its code to be redeemed, if it is clear which."""
    redeemed = {record.get("correlation_id") for record in known if record["message"] == "sign_in_redeemed"}
    found = tuple(
        record
        for record in known
        if record["message"] == "sign_in_authorized"
        and record.get("connection") == refused.get("connection")
        and 0 <= time_of(refused) - time_of(record) <= CODE_LIFETIME + LATE
        and record.get("correlation_id") not in redeemed
    )
    return found if len(found) == 1 else ()


def _unread(redeemed: Mapping[str, Any], now: float) -> Ending:
    if now - time_of(redeemed) <= LATE:
        return Ending(outcome="under_way", summary="Cognito has its tokens, and will ask for the claims.")
    return Ending(
        outcome="not_read",
        summary="Cognito got its tokens, and never asked for the claims: it did not take the ID token.",
        means="issuer, client id or keys of the ID token are not what Cognito expects, or it could not fetch the keys",
        todo="`oidc_issuer`, `client_id` and `jwks_uri` of the pool's identity provider, compared with the connection",
        whose=("configuration",),
    )


def _unredeemed(known: Records, authorized: Mapping[str, Any], now: float) -> Ending:
    """Authorized, and Cognito has no tokens: what was refused at the same connection meanwhile is the likely cause.

    Anybody may have requests refused there. So it is none where the same client redeemed another sign-in's code meanwhile,
    nor where there are several to choose from.
    """
    if now - time_of(authorized) <= CODE_LIFETIME:
        return Ending(
            outcome="under_way", summary="The sign-in is authorized; Cognito has a minute for the code."
        )
    refusals = tuple(
        record
        for record in known
        if record["message"] in _FATAL
        and record.get("connection") == authorized.get("connection")
        and str(record.get("route", "")).endswith("/token")
        and 0 <= time_of(record) - time_of(authorized) <= CODE_LIFETIME + LATE
    )
    reasons = {record.get("reason") for record in refusals}
    if len(reasons) == 1 and not _redeems(known, authorized):
        return _because(
            refusals[0],
            "not_redeemed",
            "The sign-in was authorized, and never redeemed. Who came for tokens meanwhile, likely Cognito, was refused.",
            refusals[:1],
        )
    others = " Requests that were refused meanwhile may be anybody's." if refusals else ""
    return Ending(
        outcome="not_redeemed",
        summary=f"The sign-in was authorized, and nobody came to redeem the code.{others}",
        neighbours=refusals[:MOST_NEIGHBOURS],
        means="the browser never arrived at Cognito, or Cognito does not call this token endpoint",
        todo="`token_url` of the pool's identity provider, and the pool's domain; else the person closed the page, or"
        " Cognito gave up on a sign-in that took more than five minutes",
        whose=("configuration", "user"),
    )


def _redeems(known: Records, authorized: Mapping[str, Any]) -> bool:
    """Tell whether this client of the connection redeemed another code at that time: it has the right secret and address."""
    return any(
        record["message"] == "sign_in_redeemed"
        and all(record.get(name) == authorized.get(name) for name in ("connection", "client_id"))
        and 0 <= time_of(record) - time_of(authorized) <= CODE_LIFETIME + LATE
        for record in known
    )


def _unreturned(own: Records, now: float) -> Ending:
    began = own[-1]
    if _last(own, "sign_in_started", "sign_in_initiated") is None:
        return Ending(outcome="under_way", summary="Nothing failed under this reference.")
    if now - time_of(began) <= TRIP_LIFETIME:
        return Ending(outcome="under_way", summary="The person is at the provider, or on the way back.")
    return Ending(
        outcome="not_returned",
        summary="The browser was sent on and did not come back within five minutes.",
        means="the person gave up, or the provider showed an error of its own and sent nobody back",
        todo="what the provider shows: redirect URI, client id, scope as registered there; rarely the function was cut"
        " off: the platform's lines",
        whose=("user", "provider", "configuration"),
    )


def _last(records: Records, *names: str) -> Mapping[str, Any] | None:
    return next((record for record in reversed(records) if record["message"] in names), None)
