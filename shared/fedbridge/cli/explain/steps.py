"""The steps of a sign-in, from its records, each with what it took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fedbridge.cli.explain.records import time_of
from fedbridge.cli.explain.story import Step

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_WORDS: Mapping[str, tuple[str, bool | None]] = {
    "sign_in_started": ("authorize: the browser was sent to the provider", True),
    "sign_in_initiated": ("the provider began a sign-in; the browser was sent to the application", True),
    "sign_in_authorized": ("callback: the provider's answer is good, the browser was sent to Cognito", True),
    "sign_in_redeemed": ("token: Cognito got its tokens", True),
    "userinfo_read": ("userinfo: Cognito got the claims", True),
    "callback_repeated": ("the browser came back again: a reload or a double click", None),
    "code_replayed": ("token: the code came again and was refused", None),
    "claims_dropped": ("claims were left out", None),
    "store_failed": ("the failure could not be marked in the table", None),
    "jwks_refetched": ("the provider's keys were read anew, for an unknown kid", None),
    "metadata_stale": ("older metadata of the provider serve", None),
    "keys_stale": ("an older key or secret serves", None),
    "connection_stale": ("an older version of the connection serves", None),
    "session_not_kept": ("what signing out will need was not kept", None),
    "tokens_not_revoked": ("the provider's tokens were not revoked", None),
    "profile_linked": ("pre sign-up: the person's native profile is linked", True),
    "profile_not_linked": ("pre sign-up: Cognito makes a profile of its own", None),
    "groups_dropped": ("pre token generation: groups were left out", None),
}
_FAILED = {
    "sign_in_failed": "the sign-in failed",
    "request_refused": "the request was refused",
    "request_failed": "the request failed",
    "token_refused": "the back channel refused the request",
    "configuration_error": "a configuration cannot be right",
    "internal_error": "a defect of fedbridge",
    "sign_out_failed": "the sign-out failed",
    "trigger_refused": "a trigger of the user pool ended the sign-in",
    "trigger_failed": "a trigger of the user pool could not do its work",
}
_CALLED = {
    "discovery": "metadata", "jwks": "keys", "pushed_authorization_request": "endpoint for pushed requests",
    "token": "token endpoint", "userinfo": "userinfo endpoint", "document": "document", "did_document": "DID document",
    "revocation": "revocation endpoint", "saml_metadata": "SAML metadata", "artifact": "artifact service",
}  # fmt: skip
_OURS = {"store": "the tables", "kms": "KMS", "secret": "secrets"}
_DETAILS = (
    "reason",
    "error",
    "upstream_status",
    "upstream_code",
    "status",
    "phase",
    "claims",
    "exception",
    "location",
    "provider",
    "trigger",
    "count",
)
_BACK = frozenset({"sign_in_authorized", "sign_in_failed", "request_refused", "callback_repeated"})


def steps_of(
    own: Sequence[Mapping[str, Any]], neighbours: Sequence[Mapping[str, Any]] = ()
) -> tuple[Step, ...]:
    """Return the steps of these records and of their neighbours, in the order of time."""
    called = {record.get("upstream_endpoint") for record in own if _is_call(record)}
    steps = [step for record in own for step in _steps(record, called)]
    steps += [_neighbour(record) for record in neighbours]
    return tuple(sorted([*steps, *_absence(own)], key=lambda step: step.at))


def _is_call(record: Mapping[str, Any]) -> bool:
    return record["message"] in {"upstream_call", "upstream_failed"}


def _steps(record: Mapping[str, Any], called: set[Any]) -> Iterator[Step]:
    """Yield the calls that a record sums up, then the record itself."""
    name, at = record["message"], time_of(record)
    if _is_call(record):
        yield _call(record)
        return
    waits = _waits(record)
    before = began = _began(record)
    for what, took in waits.items():
        if what in _OURS:
            continue
        before = min(at, before + took / 1000)
        if what not in called:
            yield Step(
                at=before,
                what=f"the provider's {_CALLED.get(what, what)} answered",
                went_well=True,
                duration_ms=took,
            )
    text, went_well = _WORDS.get(
        name, (_FAILED.get(name, name.replace("_", " ")), False if name in _FAILED else None)
    )
    ours = ", ".join(f"{_OURS[what]} took {took:.0f} ms" for what, took in waits.items() if what in _OURS)
    yield Step(
        at=at,
        what=text,
        went_well=went_well,
        duration_ms=record.get("duration_ms", (at - began) * 1000 if began < at else None),
        detail="; ".join(part for part in (_details(record), ours) if part),
    )


def _call(record: Mapping[str, Any]) -> Step:
    endpoint = str(record.get("upstream_endpoint", ""))
    went_well = record["message"] == "upstream_call"
    answered = "answered" if went_well else "answered an error" if "upstream_status" in record else "failed"
    return Step(
        at=time_of(record),
        what=f"the provider's {_CALLED.get(endpoint, endpoint)} {answered}",
        went_well=went_well,
        duration_ms=record.get("duration_ms"),
        detail=_details(record),
    )


def _neighbour(record: Mapping[str, Any]) -> Step:
    (step,) = (step for step in _steps(record, {*_CALLED}) if step.at == time_of(record))
    return Step(
        at=step.at,
        what=f"likely of this sign-in: {step.what}",
        went_well=step.went_well,
        detail="; ".join(part for part in (f"ref {record.get('correlation_id')}", step.detail) if part),
    )


def _absence(own: Sequence[Mapping[str, Any]]) -> Iterator[Step]:
    """Yield the time between the way there and the way back, which is the person's and the provider's."""
    started = next((record for record in own if record["message"] == "sign_in_started"), None)
    if started is None:
        return
    left = time_of(started)
    back = next((record for record in own if record["message"] in _BACK and time_of(record) >= left), None)
    if back is not None:
        took = max(0.0, _began(back) - left)
        yield Step(
            at=left + took, what="the person was at the provider", went_well=None, duration_ms=took * 1000
        )


def _began(record: Mapping[str, Any]) -> float:
    took: float = record.get("duration_ms", sum(_waits(record).values()))
    return time_of(record) - took / 1000


def _waits(record: Mapping[str, Any]) -> dict[str, float]:
    """Return milliseconds by what was waited for, from `calls` (`token=118 store=9`)."""
    pairs = (piece.partition("=") for piece in str(record.get("calls", "")).split())
    return {what: float(took) for what, _, took in pairs if took.isdigit()}


def _details(record: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {record[name]}" for name in _DETAILS if name in record)
