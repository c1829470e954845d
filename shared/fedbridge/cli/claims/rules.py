"""One rule of a mapping at one sample: what it finds, what Cognito gets of it, and why not the rest.

What is decided here is decided by the very functions that a sign-in runs; only the words are this module's own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote_plus

from fedbridge.claims.documents import DocumentMapper
from fedbridge.claims.mapping import VERIFIED, Mapper, rules_of
from fedbridge.claims.normalize import LIMIT, Unusable, normalize
from fedbridge.errors import UpstreamError
from fedbridge.model.connection import ClaimRule

if TYPE_CHECKING:
    from fedbridge.model.connection import Connection

Outcome = Literal["sent", "absent", "dropped", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """`found` is what the rule finds, as JSON has it; `sent` what Cognito gets, `stored` how it keeps a list.

    `why` says what happened to the value on the way, None where nothing did; `todo` what to change, where something is.
    """

    claim: str
    rule: str
    outcome: Outcome
    found: Any = None
    sent: Any = None
    stored: str | None = None
    why: str | None = None
    todo: str | None = None


def tried(connection: Connection, mapper: Mapper) -> list[Tried]:
    """Return what became of each rule; flags that no rule names stand behind their address, as a sign-in decides them."""
    rules = rules_of(connection)
    values = [_tried(mapper, name, rule) for name, rule in rules.items() if name not in VERIFIED.values()]
    sent = {each.claim: each.sent for each in values if each.outcome == "sent"}
    flags = [
        _flag(connection, mapper, name, rules.get(flag, ClaimRule(value=flag)), sent)
        for name, flag in VERIFIED.items()
        if name in sent or flag in rules
    ]
    return [each for each in [*values, *flags] if each.outcome != "absent" or connection.claims is not None]


def _tried(mapper: Mapper, name: str, rule: ClaimRule) -> Tried:
    text = _text(rule)
    try:
        found = mapper.evaluated(rule)
    except Unusable:
        return _unusable(
            name, rule, None, "the expression stumbles over this sample", "try it at https://jmespath.org"
        )
    try:
        sent = normalize(found, rule, lines=name == "address")
    except Unusable as unusable:
        why, todo = _too_long(found) if unusable.reason == "claim_too_long" else _unfit(found, rule)
        refused = unusable.reason == "claim_too_long" and rule.too_long == "refuse"
        return _unusable(name, rule, found, why, todo, refused=refused)
    if sent is None:
        return _absent(name, rule, found)
    return Tried(
        claim=name,
        rule=text,
        outcome="sent",
        found=found,
        sent=sent,
        stored=_stored(sent),
        why=_changed(found, sent),
    )


def _absent(name: str, rule: ClaimRule, found: Any) -> Tried:
    why = "the expression finds nothing" if found is None else "what it finds is empty"
    if rule.required:
        return Tried(
            claim=name, rule=_text(rule), outcome="refused", found=found,
            why=f"{why}, and the claim is required: the sign-in ends with required_claim_missing",
            todo="ask for the scope that brings it, correct the expression, or take required away",
        )  # fmt: skip
    return Tried(claim=name, rule=_text(rule), outcome="absent", found=found, why=why)


def _unusable(name: str, rule: ClaimRule, found: Any, why: str, todo: str, *, refused: bool = False) -> Tried:
    ends = refused or rule.required
    return Tried(
        claim=name,
        rule=_text(rule),
        outcome="refused" if ends else "dropped",
        found=found,
        why=f"{why}: {'the sign-in is refused' if ends else 'it is left out'}",
        todo=todo,
    )


def _too_long(found: Any) -> tuple[str, str]:
    if isinstance(found, list):
        return f"the list is longer than {LIMIT} bytes as Cognito keeps it", (
            "send fewer items: filter them in the expression, for example groups[?starts_with(@, 'app-')]"
        )
    size = f"{len(found.encode())} bytes" if isinstance(found, str) else "too much"
    return (
        f"{size}, and Cognito takes {LIMIT}; nothing is ever cut",
        "take a shorter claim, or a part of it by the expression",
    )


def _unfit(found: Any, rule: ClaimRule) -> tuple[str, str]:
    if rule.type == "boolean":
        return "neither true nor false", "compare in the expression, for example status == 'active'"
    if isinstance(found, dict):
        return (
            "an object, and Cognito takes text",
            "name one of its members, or say type: string for JSON text",
        )
    if isinstance(found, list) and any(isinstance(item, dict | list) for item in found):
        return "a list of objects, and Cognito takes text", "name a member of each, for example roles[].name"
    if isinstance(found, list) and rule.type == "joined":
        return f"an item has the separator {rule.separator!r} in it", "choose a separator that no item has"
    if isinstance(found, list) and rule.type == "string":
        return "it cannot be written as text", "take its items one by one"
    if isinstance(found, int | float):
        return "a number that JSON readers do not agree on", "have the provider send it as text"
    return "it has characters that are not text: control, line or direction characters", (
        "clean it at the provider"
    )


def _flag(
    connection: Connection, mapper: Mapper, name: str, rule: ClaimRule, sent: Mapping[str, Any]
) -> Tried:
    """Return what is decided about a flag that vouches for an address, and by which document."""
    flag = VERIFIED[name]
    if name not in sent:
        outcome: Outcome = "refused" if rule.required else "absent"
        return Tried(
            claim=flag, rule=_text(rule), outcome=outcome,
            why=f"there is no {name} that it could vouch for", todo=f"map {name}" if rule.required else None,
        )  # fmt: skip
    try:
        verified = mapper.verified(name, sent[name], flag, rule)
    except UpstreamError as failure:
        return Tried(
            claim=flag, rule=_text(rule), outcome="refused", why=f"{failure.reason}: nothing is said of this {name}",
            todo="have the provider send it beside the address, or take required away",
        )  # fmt: skip
    if verified and not _domain_counts(connection, name, sent[name]):
        return Tried(
            claim=flag, rule=_text(rule), outcome="sent", sent=False,
            why="the provider may not vouch for this domain: it is not in verified_email_domains",
            todo="name the domain there, if the provider owns it",
        )  # fmt: skip
    why, todo = _vouched(mapper, name, sent[name], flag, rule, verified=verified)
    return Tried(claim=flag, rule=_text(rule), outcome="sent", sent=verified, why=why, todo=todo)


def _domain_counts(connection: Connection, name: str, address: Any) -> bool:
    domains = connection.verified_email_domains
    _, at, domain = str(address).rpartition("@")
    if name != "email" or not domains:
        return True
    return bool(at) and domain.isascii() and domain.lower() in domains


def _vouched(
    mapper: Mapper, name: str, address: Any, flag: str, rule: ClaimRule, *, verified: bool
) -> tuple[str, str | None]:
    if rule.value is None:
        return "a constant of the mapping says so", None
    if verified:
        return f"a document holds this very {name}, and beside it that it is verified", None
    if not isinstance(address, str):
        return f"{name} is no address: it is no single text", f"map one text to {name}"
    if isinstance(mapper, DocumentMapper):
        return (
            f"no object that holds this very {name} says that it is verified",
            f"let {flag} find the member that stands beside {name}",
        )
    words = [
        document[flag] for document in mapper.documents if document.get(name) == address and flag in document
    ]
    if not words:
        return (
            f"no document holds this very {name} and {flag} beside it",
            f"have the provider send {flag} with {name}, or map {flag} to a constant: true at your word",
        )
    if not all(word is True or word == "true" for word in words):
        return f"a document says {json.dumps(words[0])} of this very {name}", None
    return "the expression takes it away", None


def _changed(found: Any, sent: Any) -> str | None:
    """Return what a value became on its way, None where it stayed what it was."""
    if isinstance(found, list):
        return _changed_list(found, sent)
    if isinstance(sent, list):
        return "a list of one is made of it"
    if type(found) is type(sent):
        return None
    kinds = {bool: "true or false", int: "a number", float: "a number", dict: "an object", str: "text"}
    return f"{kinds[type(found)]} becomes {'JSON text' if isinstance(found, dict) else _kind(sent)}"


def _changed_list(found: list[Any], sent: Any) -> str | None:
    if isinstance(sent, bool):
        return None
    if isinstance(sent, str):
        return "the list becomes one text"
    notes = list(_about_items(found, sent))
    return ", ".join(notes) or None


def _about_items(found: list[Any], sent: list[str]) -> Iterator[str]:
    if len(sent) < len(found):
        yield f"{len(found) - len(sent)} empty of {len(found)} items are left out"
    if any(not isinstance(item, str) for item in found if item is not None):
        yield "items become text"


def _kind(sent: Any) -> str:
    return "true or false" if isinstance(sent, bool) else "text"


def _stored(sent: Any) -> str | None:
    """Return how Cognito keeps a list: flattened, its items form-encoded."""
    if not isinstance(sent, list):
        return None
    return f"[{','.join(quote_plus(item, safe='*') for item in sent)}]"


def _text(rule: ClaimRule) -> str:
    """Return a rule as it is written, on one line."""
    text = rule.value if rule.value is not None else f"constant {json.dumps(rule.constant)}"
    beside: list[str] = [] if rule.type == "auto" else [rule.type]
    beside += ["required"] if rule.required else []
    beside += ["too_long: refuse"] if rule.too_long == "refuse" else []
    return f"{text} ({', '.join(beside)})" if beside else text
