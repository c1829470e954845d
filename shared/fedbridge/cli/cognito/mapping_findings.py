"""AttributeMapping against the pool's schema and the connection's claims."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedbridge.claims.mapping import rules_of
from fedbridge.claims.normalize import LIMIT
from fedbridge.cli.cognito.codes import found
from fedbridge.cli.cognito.mapping import UNMAPPABLE, USERNAME, emitted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fedbridge.cli.check.finding import Finding
    from fedbridge.cli.cognito.pool import Attribute, Pool
    from fedbridge.model.connection import Connection

HASHED = 64
"""Characters of a hashed subject."""


def mapping_findings(connection: Connection, pool: Pool, mapping: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what is wrong with a pool's mapping, attribute by attribute."""
    if mapping.get(USERNAME, "sub") != "sub":
        yield found("username_claim", f"{USERNAME} is made of {mapping[USERNAME]}.")
    required = {each.name for each in pool.schema.values() if each.required} - UNMAPPABLE
    for name, claim in mapping.items():
        if name == USERNAME:
            continue
        attribute = pool.schema.get(name)
        if attribute is None:
            yield _unknown(pool, name)
            continue
        yield from _attribute(connection, attribute, claim)
        yield from _claim(connection, name, claim, required=name in required)
    for name in sorted(required - mapping.keys()):
        yield found("attribute_required", f"{name} is required in the pool, and no claim is mapped to it.")
    if "email" in mapping and "email_verified" not in mapping:
        yield found("email_verified_unmapped", "email is mapped, and email_verified is not.")


def _unknown(pool: Pool, name: str) -> Finding:
    bare = name.removeprefix("custom:").casefold()
    close = [each for each in pool.schema if each.removeprefix("custom:").casefold() == bare]
    hint = f"; it has {close[0]}" if close else ""
    return found("attribute_unknown", f"{name} is no attribute of the pool{hint}.")


def _attribute(connection: Connection, attribute: Attribute, claim: str) -> Iterator[Finding]:
    name = attribute.name
    if attribute.developer_only:
        yield found("attribute_developer_only", f"{name} is a developer-only attribute.")
    if not attribute.mutable:
        yield found("attribute_immutable", f"{name} is immutable, and the claim {claim} is mapped to it.")
    room = attribute.max_length
    if room is None or room >= LIMIT:
        return
    needs = _length(connection, claim)
    if needs is not None and needs > room:
        yield found("attribute_too_short", f"{name} takes {room} characters; the claim {claim} has {needs}.")
    elif _is_list(connection, claim):
        yield found(
            "attribute_may_be_short", f"{name} takes {room} characters; the list {claim} may have {LIMIT:,}."
        )


def _length(connection: Connection, claim: str) -> int | None:
    """Return how long a claim is, or can be for certain; None where its values are the IdP's business."""
    if claim == "sub":
        return HASHED if connection.subject == "hashed" and connection.tokens == "reissue" else None
    rule = rules_of(connection).get(claim)
    return len(rule.constant) if rule is not None and isinstance(rule.constant, str) else None


def _is_list(connection: Connection, claim: str) -> bool:
    rule = rules_of(connection).get(claim)
    return rule is not None and rule.type in {"list", "joined"}


def _claim(connection: Connection, name: str, claim: str, *, required: bool) -> Iterator[Finding]:
    """Tell of claims that never come; of a relayed token only the IdP knows what is in it."""
    claims = emitted(connection)
    if claim in claims or connection.tokens == "relay":
        return
    close = [each for each in claims if each.casefold() == claim.casefold()]
    if close:
        yield found("claim_case", f"{name} is filled from {claim}; the connection emits {close[0]}.")
        return
    what = f"{name} is filled from {claim}, which the connection does not emit."
    yield found("required_claim_not_emitted" if required else "claim_not_emitted", what)
