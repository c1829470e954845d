"""Rules of `claims`: expressions that parse, constants that Cognito takes, names that are not the protocol's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from jmespath.exceptions import JMESPathError

from fedbridge.claims.mapping import VERIFIED, compiled, rules_of
from fedbridge.claims.names import is_protected
from fedbridge.claims.normalize import Unusable, normalize
from fedbridge.configuration.structure import Problem

if TYPE_CHECKING:
    from fedbridge.model.connection import ClaimRule, Connection

MAX_CLAIMS = 100
"""Cognito maps about 70 at most: 50 custom attributes and the standard ones."""

# What may stand in an OAuth error description (RFC 6749 §4.1.2.1) without blanks; URIs are names as well.
_NAME = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,256}")


def claim_problems(connection: Connection) -> Iterator[Problem]:
    """Yield what is wrong with a connection's mapping, paths below `claims`."""
    if connection.claims is None:
        return
    if len(connection.claims) > MAX_CLAIMS:
        yield Problem("claims", f"must not name more than {MAX_CLAIMS} claims")
    for name, rule in rules_of(connection).items():
        if is_protected(name):
            yield Problem(f"claims.{name}", "belongs to the protocol and cannot be mapped")
        elif not _NAME.fullmatch(name):
            yield Problem(
                "claims", "a claim's name must be printable ASCII without blanks, quotes and backslashes"
            )
        else:
            yield from (Problem(f"claims.{name}", message) for message in _rule(name, rule))


def _rule(name: str, rule: ClaimRule) -> Iterator[str]:
    if (rule.value is None) == (rule.constant is None):
        yield "must have exactly one of value and constant"
    if rule.value is not None:
        yield from _expression(rule.value)
    if rule.type == "joined" and not rule.separator:
        yield "must have a separator that is not empty"
    if rule.type != "joined" and rule.separator != ",":
        yield "has a separator, which type joined alone uses"
    flag = name in VERIFIED.values()
    if flag and rule.type not in {"auto", "boolean"}:
        yield "is always a boolean: leave type out"
    if rule.constant is not None:
        yield from _constant(rule, flag=flag)


def _expression(expression: str) -> Iterator[str]:
    try:
        compiled(expression)
    except (JMESPathError, RecursionError) as error:
        position = getattr(error, "lex_position", None)
        at = "" if position is None else f" (at character {position + 1})"
        yield f"must be a JMESPath expression{at}; put names with other than letters, digits and _ into double quotes"


def _constant(rule: ClaimRule, *, flag: bool) -> Iterator[str]:
    if flag and not isinstance(rule.constant, bool):
        yield "must have true or false as constant"
        return
    try:
        value = normalize(rule.constant, replace(rule, required=False))
    except Unusable as unusable:
        said = {"claim_too_long": "is longer than 2,048 bytes"}
        yield f"has a constant that {said.get(unusable.reason, 'does not fit its type')}"
    else:
        if value is None:
            yield "has a constant that is empty"
