"""What an authorization request asks of the ID token, read off its parameters: `max_age`, `vtr`, `claims`.

Read strictly, because what is asked must be checkable in the answer; a connection's own parameters are read when it is
validated, an app's when it begins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fedbridge.strict_json import InvalidJson, decode

if TYPE_CHECKING:
    from fedbridge.model.policies import AssurancePolicy

MAX_AGE = re.compile(r"[0-9]{1,9}")

Vector = frozenset[str]
"""The components of a vector of trust: their order means nothing (RFC 8485 §2)."""


class UncheckableParameter(ValueError):
    """A parameter that asks for assurance in a way that cannot be checked afterwards; the only argument is its name."""


def check_parameters(parameters: Mapping[str, str]) -> None:
    """Read each of `max_age`, `vtr` and `claims` that is there; raises UncheckableParameter."""
    if "max_age" in parameters:
        max_age(parameters["max_age"])
    if "vtr" in parameters:
        vectors(parameters["vtr"])
    if "claims" in parameters:
        requested_claims(parameters["claims"])


def max_age(parameter: str) -> int:
    """Return `max_age` in seconds (OpenID Connect Core §3.1.2.1); raises UncheckableParameter."""
    if not MAX_AGE.fullmatch(parameter):
        raise UncheckableParameter("max_age")
    return int(parameter)


def vectors(parameter: str) -> frozenset[Vector]:
    """Return the vectors of trust that `vtr` lists, a JSON array of strings (RFC 8485 §4); raises UncheckableParameter."""
    listed = _decode(parameter, "vtr")
    if not isinstance(listed, list) or not listed:
        raise UncheckableParameter("vtr")
    if not all(isinstance(vector, str) and all(vector.split(".")) for vector in listed):
        raise UncheckableParameter("vtr")
    return frozenset(frozenset(vector.split(".")) for vector in listed)


def identity_confidence(vector: Vector) -> Vector:
    """Return the components that speak of the person's identity: the P ones (RFC 8485 §A.1)."""
    return frozenset(component for component in vector if component.startswith("P"))


def requested_claims(parameter: str) -> tuple[list[str] | None, bool]:
    """Return the `acr` values that the `claims` parameter asks for in the ID token, and whether `auth_time` is essential.

    None where it asks for no value in particular (Core §5.5.1, §5.5.1.1). Raises UncheckableParameter.
    """
    document = _decode(parameter, "claims")
    asked, _ = _member(document, "id_token"), _member(document, "userinfo")
    acr, auth_time = _member(asked, "acr"), _member(asked, "auth_time")
    values = None
    if "value" in acr or "values" in acr:
        values = acr.get("values", [acr.get("value")])
        if not isinstance(values, list) or not values or not all(isinstance(value, str) for value in values):
            raise UncheckableParameter("claims")
    return values, auth_time.get("essential") is True


def unchecked_values(parameter: str, policy: AssurancePolicy) -> frozenset[str]:
    """Return the names of claims that the `claims` parameter demands a value of, and that nothing compares.

    An essential claim with a value (Core §5.5.1) is held to `assurance.claims` or `assurance.amr`; the ID token's `acr` to
    what is asked for; userinfo's is read by nobody. Raises UncheckableParameter.
    """
    document, found = _decode(parameter, "claims"), set()
    for where in ("id_token", "userinfo"):
        for name, asked in _member(document, where).items():
            if not isinstance(asked, dict) or not asked.keys() & {"value", "values"}:
                continue
            unread = where == "userinfo" if name == "acr" else asked.get("essential") is True
            if unread:
                found.add(name)
    return frozenset(found - policy.claims.keys() - ({"amr"} if policy.amr else set()))


def _member(document: Any, name: str) -> dict[str, Any]:
    """Return the object under `name`, an empty one where it is absent or null (Core §5.5.1)."""
    if not isinstance(document, dict):
        raise UncheckableParameter("claims")
    value = document.get(name)
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
