"""How strongly and how lately the person must have signed in: read off what is asked, checked in what is answered.

An IdP need not enforce what it was asked for, so every request for assurance that leaves the bridge is remembered and
compared, and a missing answer is a refusal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from fedbridge.errors import OAuthError
from fedbridge.rp.errors import assurance_not_met
from fedbridge.rp.strict_json import InvalidJson, decode

_MAX_AGE = re.compile(r"[0-9]{1,9}")


class UncheckableParameter(ValueError):
    """A parameter that asks for assurance in a way that cannot be checked afterwards; the only argument is its name."""


def narrow(fixed: Mapping[str, str], asked: Mapping[str, str]) -> dict[str, str]:
    """Return what an app may choose within what the connection demands: fewer `acr_values`, a shorter `max_age`.

    Raises OAuthError invalid_request where no `acr` of the app's is among the connection's: what it asks for would
    be silently lost.
    """
    narrowed = {}
    if "acr_values" in fixed and "acr_values" in asked:
        chosen = [acr for acr in asked["acr_values"].split() if acr in fixed["acr_values"].split()]
        if not chosen:
            raise OAuthError(
                "invalid_request",
                "acr_values asks for nothing that this connection offers",
                reason="acr_values_not_offered",
            )
        narrowed["acr_values"] = " ".join(chosen)
    ages = [parameters["max_age"] for parameters in (fixed, asked) if "max_age" in parameters]
    if len(ages) == 2 and all(map(_MAX_AGE.fullmatch, ages)):
        narrowed["max_age"] = min(ages, key=int)
    return narrowed


def requested_assurance(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return what to remember of an authorization request's parameters: `acr_values`, `acr_claim`, `vtr`, `max_age`.

    `acr_claim` is a JSON list, from the `claims` parameter (OpenID Connect Core §5.5.1.1). Raises UncheckableParameter.
    """
    asked = {name: value for name in ("acr_values", "vtr", "max_age") if (value := parameters.get(name))}
    if "max_age" in asked and not _MAX_AGE.fullmatch(asked["max_age"]):
        raise UncheckableParameter("max_age")
    if "vtr" in asked:
        _vectors(asked["vtr"])
    acr = _acr_claim(parameters["claims"]) if "claims" in parameters else None
    if acr is not None:
        asked["acr_claim"] = json.dumps(acr)
    return asked


def check_assurance(
    asked: Mapping[str, str], claims: Mapping[str, Any], *, now: float, clock_skew: int
) -> None:
    """Compare an ID token's claims with what was asked; raises UpstreamError access_denied `assurance_not_met`.

    `acr` must be one of `acr_values` (Core §3.1.2.1) and of the values asked for as a claim; `vot` must have the very
    components of one of the vectors in `vtr` (RFC 8485 §2); `auth_time` must not lie more than `max_age` seconds back.
    """
    acr = claims.get("acr")
    if "acr_values" in asked and acr not in asked["acr_values"].split():
        raise assurance_not_met("id_token_acr_unmet")
    if "acr_claim" in asked and acr not in json.loads(asked["acr_claim"]):
        raise assurance_not_met("id_token_acr_unmet")
    if "vtr" in asked:
        vot = claims.get("vot")
        if not isinstance(vot, str) or frozenset(vot.split(".")) not in _vectors(asked["vtr"]):
            raise assurance_not_met("id_token_vot_unmet")
    if "max_age" in asked:
        auth_time = claims.get("auth_time")
        if not isinstance(auth_time, (int, float)) or isinstance(auth_time, bool):
            raise assurance_not_met("id_token_auth_time_missing")
        if not now - int(asked["max_age"]) - clock_skew <= auth_time <= now + clock_skew:
            raise assurance_not_met("id_token_auth_time_unmet")


def _vectors(vtr: str) -> set[frozenset[str]]:
    """Return the vectors of trust as sets of components: their order means nothing (RFC 8485 §2)."""
    vectors = _decode(vtr, "vtr")
    if not isinstance(vectors, list) or not vectors or not all(isinstance(v, str) and v for v in vectors):
        raise UncheckableParameter("vtr")
    return {frozenset(vector.split(".")) for vector in vectors}


def _acr_claim(parameter: str) -> list[str] | None:
    """Return the `acr` values that the `claims` parameter asks for, None if it asks for none in particular."""
    acr = _member(_member(_decode(parameter, "claims"), "id_token"), "acr")
    if "value" not in acr and "values" not in acr:
        return None
    values = acr.get("values", [acr.get("value")])
    if not isinstance(values, list) or not values or not all(isinstance(value, str) for value in values):
        raise UncheckableParameter("claims")
    return values


def _member(document: Any, name: str) -> dict[str, Any]:
    """Return the object under `name`, an empty one where it is absent or null (Core §5.5.1)."""
    value = document.get(name, {}) if isinstance(document, dict) else document
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UncheckableParameter("claims")
    return value


def _decode(parameter: str, name: str) -> Any:
    try:
        return decode(parameter.encode("utf-8"))
    except InvalidJson:
        raise UncheckableParameter(name) from None
