"""How strongly and how lately the person must have signed in: read off what is asked, checked in what is answered.

An IdP need not enforce what it was asked for, so every request for assurance that leaves the bridge is remembered and
compared, and a missing answer is a refusal.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fedbridge.claims.requested import (
    MAX_AGE,
    UncheckableParameter,
    identity_confidence,
    max_age,
    requested_claims,
    unchecked_values,
    vectors,
)
from fedbridge.errors import OAuthError
from fedbridge.rp.errors import assurance_not_met

if TYPE_CHECKING:
    from fedbridge.model.identity import Identity
    from fedbridge.model.policies import AssurancePolicy

__all__ = ["UncheckableParameter", "check_assurance", "narrow", "requested_assurance", "with_acr_of_app"]


def narrow(policy: AssurancePolicy, fixed: Mapping[str, str], asked: Mapping[str, str]) -> dict[str, str]:
    """Return what an app may choose within what the connection demands: `acr_values` in the IdP's words, `max_age`.

    Raises OAuthError invalid_request where no `acr` of the app's can be had: what it asks for would be silently lost.
    """
    narrowed = {}
    if "acr_values" in asked:
        chosen = _offered(policy, fixed.get("acr_values", "").split(), asked["acr_values"].split())
        if not chosen:
            raise OAuthError(
                "invalid_request",
                "acr_values asks for nothing that this connection offers",
                reason="acr_values_not_offered",
            )
        narrowed["acr_values"] = " ".join(chosen)
    ages = [parameters["max_age"] for parameters in (fixed, asked) if "max_age" in parameters]
    if len(ages) == 2 and all(map(MAX_AGE.fullmatch, ages)):
        narrowed["max_age"] = min(ages, key=int)
    return narrowed


def _offered(policy: AssurancePolicy, demanded: list[str], asked: list[str]) -> list[str]:
    """Return the IdP's values that are at or above both what the connection demands and what the app asks for.

    With `acr_map` the connection knows the IdP's words, and a word that is neither the IdP's nor the app's is dropped,
    as one that the connection does not demand always was.
    """
    order = policy.acr_order
    wanted = [policy.acr_map.get(acr, acr) for acr in asked]
    if policy.acr_map:
        known = {*policy.acr_map.values(), *order, *demanded}
        wanted = [acr for acr in wanted if acr in known]
    if demanded:
        stronger = [acr for acr in demanded if _reaches(order, acr, wanted)]
        wanted = [acr for acr in wanted if _reaches(order, acr, demanded)] + stronger
    return list(dict.fromkeys(wanted))


def requested_assurance(
    policy: AssurancePolicy, parameters: Mapping[str, str], *, asked: Mapping[str, str], now: float
) -> dict[str, str]:
    """Return what to remember of an authorization request's parameters; `asked` are those that came from the app.

    `acr_values`, `vtr` and `max_age` as they leave; `acr_claim`, a JSON list, and `auth_time_claim`, from the `claims`
    parameter (OpenID Connect Core §5.5.1.1); `acr_asked`, the app's own words, where they are mapped; `prompt_login`,
    when a new sign-in was asked for, in seconds since the epoch. Raises UncheckableParameter.
    """
    remembered = {name: value for name in ("acr_values", "vtr", "max_age") if (value := parameters.get(name))}
    if "max_age" in remembered:
        max_age(remembered["max_age"])
    if "vtr" in remembered:
        vectors(remembered["vtr"])
    if "claims" in parameters:
        acr, auth_time = requested_claims(parameters["claims"])
        if unchecked_values(parameters["claims"], policy):
            raise UncheckableParameter("claims")
        remembered |= {"acr_claim": json.dumps(acr)} if acr is not None else {}
        remembered |= {"auth_time_claim": "essential"} if auth_time else {}
    if policy.acr_map and "acr_values" in asked:
        remembered["acr_asked"] = asked["acr_values"]
    if "login" in parameters.get("prompt", "").split(" "):
        remembered["prompt_login"] = str(int(now))
    return remembered


def check_assurance(
    policy: AssurancePolicy,
    asked: Mapping[str, str],
    claims: Mapping[str, Any],
    *,
    now: float,
    clock_skew: int,
) -> None:
    """Compare an ID token's claims with the policy and what was asked; raises UpstreamError `assurance_not_met`.

    What the policy demands (`vtm`, `claims`, `amr`) must hold whatever was asked. All of it is access_denied.
    """
    _check_acr(policy, asked, claims.get("acr"))
    if "vtr" in asked:
        _check_vot(policy, asked["vtr"], claims.get("vot"))
    if policy.vtm is not None and claims.get("vtm") != policy.vtm:
        raise assurance_not_met("id_token_vtm_unmet")
    for name, accepted in policy.claims.items():
        if _as_text(claims.get(name)) not in accepted:
            raise assurance_not_met("id_token_assurance_claim_unmet")
    if policy.amr and not _used_together(policy.amr, claims.get("amr")):
        raise assurance_not_met("id_token_amr_unmet")
    _check_auth_time(asked, claims.get("auth_time"), now, clock_skew)


def with_acr_of_app(policy: AssurancePolicy, asked: Mapping[str, str], identity: Identity) -> Identity:
    """Return the identity with its `acr` in the app's words: the one whose value in `acr_map` is exactly what was reached.

    Where several mean the same, the one that the app asked for, else the first in the alphabet: files lose their order
    when they are published. A value that no word stands for stays the IdP's; but for one that reads like a word of
    the app's for another level: that is left out rather than misread.
    """
    if not policy.acr_map:
        return identity
    words = [*asked.get("acr_asked", "").split(), *sorted(policy.acr_map)]
    otherwise = None if identity.acr in policy.acr_map else identity.acr
    same = (word for word in words if policy.acr_map.get(word, word) == identity.acr)
    return replace(identity, acr=next(same, otherwise))


def _check_acr(policy: AssurancePolicy, asked: Mapping[str, str], acr: Any) -> None:
    """`acr` is one of `acr_values` (Core §3.1.2.1) or above one in the order; one asked for as a claim is met exactly.

    Core §5.5.1.1 knows no order: whoever names values in the `claims` parameter gets one of them or nothing.
    """
    if "acr_values" in asked and not _reaches(policy.acr_order, acr, asked["acr_values"].split()):
        raise assurance_not_met("id_token_acr_unmet")
    if "acr_claim" in asked and acr not in json.loads(asked["acr_claim"]):
        raise assurance_not_met("id_token_acr_unmet")


def _reaches(order: tuple[str, ...], acr: Any, wanted: Collection[str]) -> bool:
    """Tell whether `acr` is one of the values, or at or above one in the order; outside of it nothing is above anything."""
    if acr in wanted:
        return True
    lowest = min((order.index(value) for value in wanted if value in order), default=len(order))
    return acr in order[lowest:]


def _check_vot(policy: AssurancePolicy, vtr: str, vot: Any) -> None:
    """`vot` has the very components of one of the vectors (RFC 8485 §2).

    GOV.UK (`credential`) leaves the P component out of `vot` and states it in the core identity alone. One that is
    there nevertheless must be the one asked for.
    """
    accepted = vectors(vtr)
    if policy.vot == "credential":
        accepted |= {vector - identity_confidence(vector) for vector in accepted}
    if not isinstance(vot, str) or not vot or frozenset(vot.split(".")) not in accepted:
        raise assurance_not_met("id_token_vot_unmet")


def _as_text(value: Any) -> str | None:
    """Return a level as it is written in configuration: a string as it is, a whole number or a boolean as in JSON.

    Nothing else is a level: 4.0 is not 4, and a list says several things at once.
    """
    if isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, int) else None


def _used_together(alternatives: tuple[str, ...], amr: Any) -> bool:
    """Tell whether all methods of one alternative are among those used (RFC 8176), which are a list of strings."""
    if not isinstance(amr, list) or not all(isinstance(method, str) for method in amr):
        return False
    return any(set(alternative.split()) <= set(amr) for alternative in alternatives)


def _check_auth_time(asked: Mapping[str, str], auth_time: Any, now: float, clock_skew: int) -> None:
    """`auth_time` is there if it was asked for, and not more than `max_age` seconds back.

    An IdP that was told to sign the person in anew (`prompt=login`) need not tell when it did (Core §2). If it does, that
    must have been during this trip: the person can take the parameter out of the URL that leads to the IdP.
    """
    if not asked.keys() & {"max_age", "auth_time_claim"} and (
        "prompt_login" not in asked or auth_time is None
    ):
        return
    if not isinstance(auth_time, (int, float)) or isinstance(auth_time, bool):
        raise assurance_not_met("id_token_auth_time_missing")
    if auth_time > now + clock_skew:
        raise assurance_not_met("id_token_auth_time_unmet")
    if "max_age" in asked and auth_time < now - int(asked["max_age"]) - clock_skew:
        raise assurance_not_met("id_token_auth_time_unmet")
    if "prompt_login" in asked and auth_time < int(asked["prompt_login"]) - clock_skew:
        raise assurance_not_met("id_token_prompt_login_unmet")
