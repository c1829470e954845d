"""What the triggers may do: one JSON document in Parameter Store, strictly read.

{"linking": {"providers": {"Bank": {"domains": ["example.com"]}}},
 "groups": {"providers": {"Bank": {"attribute": "custom:groups", "rules": [{"group": "treasury", "becomes": "finance"}]}}}}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from fedbridge.errors import ConfigurationError
from fedbridge.strict_json import InvalidJson, decode_object
from fedbridge.triggers.groups import GROUP_NAME, MAX_GROUPS

MAX_BYTES = 8192
"""Of an advanced parameter; a standard one holds 4,096."""

MAX_PROVIDERS = 300
"""As many as a user pool has by default."""

_PROVIDER = re.compile(r"[^_\s][^\s][^_\s]{1,30}")
"""ProviderNameTypeV2 of the API, less blanks."""

_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9][a-z0-9-]{0,61}[a-z0-9]")
_ATTRIBUTE = re.compile(r"custom:[A-Za-z0-9_-]{1,20}")
_CLAIM = re.compile(r"[A-Za-z][A-Za-z0-9_:/.-]{0,63}")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]{1,512}")

# What Cognito or OpenID Connect says with it is not for a group to change.
_PROTOCOL_CLAIMS = frozenset({
    "acr", "address", "amr", "at_hash", "aud", "auth_time", "azp", "client_id", "email", "email_verified", "event_id", "exp", "iat",
    "identities", "iss", "jti", "nbf", "nonce", "origin_jti", "phone_number", "phone_number_verified", "scope", "sub", "token_use",
    "username", "version",
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Linking:
    """When a federated user becomes a native one. `providers` are identity providers of the pool → trusted domains.

    `unlinkable`: the provider vouches for no address of a listed domain. `native_profile_missing`: nobody has it.
    `native_profile_unfit`: a profile has it that is not CONFIRMED, or whose address proves nothing.
    """

    providers: Mapping[str, frozenset[str]]
    unlinkable: Literal["allow", "refuse"] = "allow"
    native_profile_missing: Literal["allow", "refuse", "create"] = "allow"
    native_profile_unfit: Literal["refuse", "allow"] = "refuse"
    after_linking: Literal["sign_in_again", "continue"] = "sign_in_again"
    created_username: Literal["email", "uuid"] = "email"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRule:
    """One `group` of the IdP by name, or those that begin with `prefix`; `becomes` is its name, or their new prefix."""

    becomes: str
    group: str | None = None
    prefix: str | None = None
    role: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSource:
    """Where a provider's groups are, how they are written there, and what becomes of them, in order of precedence."""

    attribute: str
    rules: tuple[GroupRule, ...]
    form: Literal["list", "joined"] = "list"
    separator: str = ","
    existing: Literal["keep", "replace"] = "keep"
    claim: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """Identity providers of the pool → their groups; `linked_profiles` lets native profiles that are linked to one have them."""

    providers: Mapping[str, GroupSource]
    linked_profiles: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """The document; a part that is missing is for a trigger that is not attached."""

    linking: Linking | None = None
    groups: Groups | None = None


def decode_configuration(text: str) -> Configuration:
    """Return the configuration; raises ConfigurationError with every problem, each with its path."""
    document = text.encode("utf-8")
    if len(document) > MAX_BYTES:
        raise ConfigurationError(f"the triggers' configuration is larger than {MAX_BYTES} bytes")
    try:
        value = decode_object(document)
    except InvalidJson as error:
        raise ConfigurationError(f"the triggers' configuration is no JSON object: {error}") from None
    problems: list[str] = []
    root = _Object(value, "", problems)
    linking, groups = root.optional("linking"), root.optional("groups")
    found = Configuration(
        linking=None if linking is None else _linking(linking),
        groups=None if groups is None else _groups(groups),
    )
    root.done()
    if not value:
        problems.append("neither linking nor groups is configured")
    if problems:
        raise ConfigurationError(problems=tuple(problems))
    return found


class _Object:
    """A JSON object that is taken apart, member by member; what is left in the end is unknown."""

    def __init__(self, value: Any, path: str, problems: list[str]) -> None:
        self.path, self.problems = path, problems
        self.rest: dict[str, Any] = dict(value) if isinstance(value, dict) else {}
        if not isinstance(value, dict):
            self.problem("", "must be an object")

    def at(self, name: str) -> str:
        return f"{self.path}.{name}".strip(".")

    def problem(self, name: str, message: str) -> None:
        self.problems.append(f"{self.at(name)}: {message}")

    def optional(self, name: str) -> _Object | None:
        return _Object(self.rest.pop(name), self.at(name), self.problems) if name in self.rest else None

    def members(self, name: str, most: int) -> dict[str, Any]:
        """Return a member that maps names of identity providers."""
        value = self.rest.pop(name, None)
        if not isinstance(value, dict) or not 1 <= len(value) <= most:
            self.problem(name, f"must be an object of 1 to {most} identity providers")
            return {}
        folded = [provider.lower() for provider in value]
        for provider in value:
            if not _PROVIDER.fullmatch(provider):
                self.problem(name, f"{provider!r} is no name of an identity provider")
            elif folded.count(provider.lower()) > 1:
                self.problem(name, f"{provider!r} is there twice but for its letters' case")
        return value

    def choice(self, name: str, choices: tuple[str, ...]) -> Any:
        """Return one of the choices, of which the first is the default."""
        value = self.rest.pop(name, choices[0])
        if value not in choices or not isinstance(value, str):
            self.problem(name, f"must be one of {', '.join(choices)}")
            return choices[0]
        return value

    def flag(self, name: str) -> bool:
        value = self.rest.pop(name, False)
        if not isinstance(value, bool):
            self.problem(name, "must be true or false")
        return value is True

    def text(self, name: str, pattern: re.Pattern[str], what: str, *, default: str | None = None) -> str:
        value = self.rest.pop(name, default)
        if not isinstance(value, str) or not pattern.fullmatch(value):
            self.problem(name, f"is missing: {what}" if value is None else f"must be {what}")
            return ""
        return value

    def list(self, name: str, most: int) -> list[Any]:
        value = self.rest.pop(name, None)
        if not isinstance(value, list) or not 1 <= len(value) <= most:
            self.problem(name, f"must be a list of 1 to {most}")
            return []
        return value

    def done(self) -> None:
        for name in self.rest:
            self.problem(name, "is no key that exists here")


def _linking(section: _Object) -> Linking:
    providers = {
        provider: _domains(_Object(body, f"{section.path}.providers.{provider}", section.problems))
        for provider, body in section.members("providers", MAX_PROVIDERS).items()
    }
    linking = Linking(
        providers=providers,
        unlinkable=section.choice("unlinkable", ("allow", "refuse")),
        native_profile_missing=section.choice("native_profile_missing", ("allow", "refuse", "create")),
        native_profile_unfit=section.choice("native_profile_unfit", ("refuse", "allow")),
        after_linking=section.choice("after_linking", ("sign_in_again", "continue")),
        created_username=section.choice("created_username", ("email", "uuid")),
    )
    section.done()
    return linking


def _domains(body: _Object) -> frozenset[str]:
    domains = body.list("domains", 100)
    for domain in domains:
        if not isinstance(domain, str) or not _DOMAIN.fullmatch(domain):
            body.problem("domains", f"{domain!r} is no domain in lower case; wildcards are not taken")
    body.done()
    return frozenset(each for each in domains if isinstance(each, str))


def _groups(section: _Object) -> Groups:
    providers = {
        provider: _source(_Object(body, f"{section.path}.providers.{provider}", section.problems))
        for provider, body in section.members("providers", MAX_PROVIDERS).items()
    }
    groups = Groups(providers=providers, linked_profiles=section.flag("linked_profiles"))
    section.done()
    return groups


def _source(body: _Object) -> GroupSource:
    rules = tuple(
        _rule(_Object(rule, f"{body.path}.rules[{at}]", body.problems))
        for at, rule in enumerate(body.list("rules", MAX_GROUPS))
    )
    claim = body.text("claim", _CLAIM, "the name of a claim") if "claim" in body.rest else None
    if claim and (claim in _PROTOCOL_CLAIMS or claim.startswith(("cognito:", "custom:", "dev:"))):
        body.problem("claim", f"{claim} is Cognito's or the protocol's own")
    source = GroupSource(
        attribute=body.text("attribute", _ATTRIBUTE, "a custom attribute of the pool, such as custom:groups"),
        rules=rules,
        form=body.choice("form", ("list", "joined")),
        separator=body.text("separator", re.compile(r"[^\w\s]"), "one sign that is no letter", default=","),
        existing=body.choice("existing", ("keep", "replace")),
        claim=claim,
    )
    body.done()
    return source


def _rule(body: _Object) -> GroupRule:
    anything = re.compile(r"[^\x00-\x1f\x7f]{1,256}")
    named = {name: body.text(name, anything, "a text") for name in ("group", "prefix") if name in body.rest}
    if len(named) != 1:
        body.problem("", "has either group or prefix")
    rule = GroupRule(
        becomes=body.text("becomes", GROUP_NAME, "the name of a group, or a prefix of names, without blanks"),
        group=named.get("group"),
        prefix=named.get("prefix"),
        role=body.text("role", _ROLE, "the ARN of an IAM role") if "role" in body.rest else None,
    )
    body.done()
    return rule
