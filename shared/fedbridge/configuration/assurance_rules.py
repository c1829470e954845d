"""Rules of `assurance`, and of the parameters that ask for it.

A level that is asked for in a way that nothing compares would be lost at the first sign-in, and nobody would notice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fedbridge.claims.requested import (
    UncheckableParameter,
    Vector,
    check_parameters,
    identity_confidence,
    unchecked_values,
    vectors,
)
from fedbridge.configuration.structure import Problem
from fedbridge.configuration.urls import Allowed
from fedbridge.model.policies import AssurancePolicy

if TYPE_CHECKING:
    from fedbridge.model.connection import Connection

_VALUE = re.compile(r"[\x21-\x7e]{1,512}")
_TEXT = re.compile(r"[\x20-\x7e]{1,512}")
_METHODS = re.compile(r"[\x21-\x7e]+(?: [\x21-\x7e]+)*")
_A_VALUE = "must be one value, in printable ASCII without blanks"

_PARAMETERS = {
    "max_age": "must be a number of seconds",
    "vtr": 'must be a JSON list of vectors of trust, such as ["P9.Cp.Cd","P9.Cm"]',
    "claims": "must be a JSON object of claims requests (OpenID Connect Core §5.5), acr values as strings",
}


def assurance_problems(connection: Connection, allowed: Allowed) -> Iterator[Problem]:  # noqa: ARG001
    """Yield what is wrong with a connection in this regard."""
    malformed = list(_parameters(connection))
    yield from malformed
    if connection.protocol == "oauth2":
        yield from _without_id_token(connection)
        return
    yield from _order(connection)
    yield from _map(connection)
    yield from _policy(connection.assurance)
    if not malformed:
        yield from _demanded(connection)
    if connection.assurance.vot == "credential" and not malformed:
        yield from _credential(connection)


def _parameters(connection: Connection) -> Iterator[Problem]:
    for name, value in connection.authorization.parameters.items():
        try:
            check_parameters({name: value})
        except UncheckableParameter:
            yield Problem(f"authorization.parameters.{name}", _PARAMETERS[name])


def _demanded(connection: Connection) -> Iterator[Problem]:
    parameter = connection.authorization.parameters.get("claims", "{}")
    unchecked = sorted(unchecked_values(parameter, connection.assurance))
    if unchecked:
        yield Problem(
            "authorization.parameters.claims",
            f"demands values that nothing compares: those of {', '.join(unchecked)} belong into assurance.claims as well",
        )


def _without_id_token(connection: Connection) -> Iterator[Problem]:
    if connection.assurance != AssurancePolicy():
        yield Problem(
            "assurance", "is checked in the ID token, which an identity provider without OpenID Connect lacks"
        )
    if connection.authorization.acr_values:
        yield Problem("authorization.acr_values", "is answered in the ID token, which protocol oauth2 lacks")
    for name in _PARAMETERS.keys() & connection.authorization.parameters.keys():
        yield Problem(
            f"authorization.parameters.{name}", "is answered in the ID token, which protocol oauth2 lacks"
        )


def _order(connection: Connection) -> Iterator[Problem]:
    order, demanded = connection.assurance.acr_order, connection.authorization.acr_values
    for i, value in enumerate(order):
        if not _VALUE.fullmatch(value):
            yield Problem(f"assurance.acr_order[{i}]", _A_VALUE)
        elif value in order[:i]:
            yield Problem(f"assurance.acr_order[{i}]", "is there twice")
    if len(order) == 1:
        yield Problem(
            "assurance.acr_order", "must list at least two values, from the weakest to the strongest"
        )
    if order and demanded and not set(order) & set(demanded):
        yield Problem("assurance.acr_order", "holds none of authorization.acr_values")
    if order and not demanded and "acr_values" not in connection.authorization.travelling:
        yield Problem(
            "assurance.acr_order",
            "has no effect: nothing asks for an acr, neither authorization.acr_values nor an app (pass_through)",
        )


def _map(connection: Connection) -> Iterator[Problem]:
    acr_map, order = connection.assurance.acr_map, connection.assurance.acr_order
    demanded = connection.authorization.acr_values
    if not acr_map:
        return
    if "acr_values" not in connection.authorization.travelling:
        yield Problem(
            "assurance.acr_map",
            "needs acr_values in authorization.pass_through, or no app can ask for a level",
        )
    if connection.tokens == "relay":
        yield Problem("assurance.acr_map", "cannot map the acr of a relayed token back")
    known = {*acr_map.values(), *order, *demanded}
    for word, value in acr_map.items():
        path = f"assurance.acr_map.{word}"
        if not _VALUE.fullmatch(word) or not _VALUE.fullmatch(value):
            yield Problem(path, "must map one value to one, both in printable ASCII without blanks")
        elif word in known and word != value:
            yield Problem(path, "is also a value of the identity provider's, and stands for another one here")
        elif demanded and value not in demanded and not (value in order and set(order) & set(demanded)):
            yield Problem(
                path,
                "can never be had: its value is neither one of authorization.acr_values nor, with one of them, in"
                " acr_order",
            )


def _policy(policy: AssurancePolicy) -> Iterator[Problem]:
    if policy.vtm is not None and not _VALUE.fullmatch(policy.vtm):
        yield Problem("assurance.vtm", "must be the URL of the trustmark")
    for name, values in policy.claims.items():
        if not _TEXT.fullmatch(name):
            yield Problem("assurance.claims", "a claim's name must be printable ASCII")
        elif not values or not all(map(_TEXT.fullmatch, values)):
            yield Problem(f"assurance.claims.{name}", "must list at least one value, in printable ASCII")
    for i, alternative in enumerate(policy.amr):
        methods = alternative.split(" ")
        if not _METHODS.fullmatch(alternative) or len(set(methods)) != len(methods):
            yield Problem(
                f"assurance.amr[{i}]",
                "must be one or more methods with single blanks between them, each once: all of them must be used",
            )


def _credential(connection: Connection) -> Iterator[Problem]:
    """The P component of what is asked is not in `vot`, so it must be demanded where it is: in a nested token."""
    vtr = connection.authorization.parameters.get("vtr")
    if vtr is None:
        yield Problem(
            "assurance.vot", "needs the vectors that are asked for, in authorization.parameters.vtr"
        )
        return
    if "vtr" in connection.authorization.travelling:
        yield Problem("authorization.pass_through", "cannot hold vtr beside assurance.vot: credential")
    asked = vectors(vtr)
    if any(vector == identity_confidence(vector) for vector in asked):
        yield Problem(
            "authorization.parameters.vtr", "must hold a component besides P in each vector, for vot to match"
        )
    confidence = [identity_confidence(vector) - {"P0"} for vector in asked]
    if all(confidence) and not _is_demanded(frozenset().union(*confidence), connection):
        yield Problem(
            "authorization.parameters.vtr",
            "asks for an identity that nothing checks: vot does not tell P here, so userinfo.nested needs a token that"
            " is required and whose claims.vot is what is asked for",
        )


def _is_demanded(confidence: Vector, connection: Connection) -> bool:
    demanded = (
        token.claims.get("vot", ()) for token in connection.userinfo.nested.values() if token.required
    )
    return any(values and confidence.issuperset(values) for values in demanded)
