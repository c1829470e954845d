"""Claims of the verified ID token and userinfo → the identity that Cognito gets."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jmespath
from jmespath.exceptions import JMESPathError

from fedbridge.claims.names import AGGREGATION, STANDARD_CLAIMS, is_protected
from fedbridge.claims.normalize import EXACT_FLOAT, Unusable, normalize
from fedbridge.claims.subject import subject_parts, to_subject
from fedbridge.errors import UpstreamError
from fedbridge.model.connection import ClaimRule
from fedbridge.model.identity import Identity

if TYPE_CHECKING:
    from jmespath.parser import ParsedResult

    from fedbridge.model.connection import Connection
    from fedbridge.model.deadline import Deadline
    from fedbridge.model.identity import ClaimValue
    from fedbridge.ports import Telemetry

DEFAULT_RULES: Mapping[str, ClaimRule] = {
    **{name: ClaimRule(value=name) for name in STANDARD_CLAIMS},
    "address": ClaimRule(value="address.formatted"),
}
"""What a connection without `claims` maps: the standard claims, under their own names, and nothing else."""

VERIFIED = {"email": "email_verified", "phone_number": "phone_number_verified"}
"""A value and the flag that vouches for it; the flag is decided here, never just copied."""

EVALUATION_ERRORS = (JMESPathError, ArithmeticError, ValueError, TypeError, RecursionError)
"""What an expression can stumble over besides its own errors: huge numbers, mixed types, deep documents."""

_DESCRIPTIONS = {
    "required_claim_missing": "A required claim is missing: {}",
    "claim_too_long": "A claim is longer than Cognito takes: {}",
    "claim_unusable": "A required claim has an unusable value: {}",
}


class MappingResult(NamedTuple):
    """The identity, and the names of mapped claims that were dropped as too long or unusable (names only, for logs)."""

    identity: Identity
    dropped: tuple[str, ...]

    def noted(self, telemetry: Telemetry, connection: Connection, deadline: Deadline) -> Identity:
        """Return the identity, once the event `claims_dropped` says what it lacks, if anything."""
        if self.dropped:
            telemetry.event(
                "claims_dropped",
                connection=connection.name,
                correlation_id=deadline.correlation_id,
                claims=",".join(self.dropped),
            )
        return self.identity


def to_identity(
    connection: Connection,
    *,
    upstream_issuer: str,
    upstream_subject: str,
    id_token: Mapping[str, Any],
    userinfo: Mapping[str, Any] | None,
    upstream_id_token: str | None,
) -> MappingResult:
    """Return who signed in. The ID token is verified, and userinfo has the same `sub`, before this is called.

    Raises UpstreamError: `required_claim_missing`, `claim_unusable` (a required claim), `claim_too_long` (a required
    claim, or a rule that says `refuse`), all as `access_denied` with the claim's configured name in the description;
    `subject_not_representable`, `subject_claim_missing`; `id_token_missing` where tokens are relayed and there is none.
    """
    relayed = connection.tokens == "relay"
    if relayed and not upstream_id_token:
        raise UpstreamError("id_token_missing")
    mapper = mapper_of(
        connection,
        upstream_issuer=upstream_issuer,
        upstream_subject=upstream_subject,
        id_token=id_token,
        userinfo=userinfo,
    )
    claims = mapper.claims(rules_of(connection), connection.verified_email_domains)
    identity = Identity(
        subject=to_subject(
            connection, upstream_issuer, *subject_parts(connection, upstream_subject, id_token)
        ),
        claims=mapper.beside_the_id_token(claims) if relayed else claims,
        acr=mapper.acr(),
        amr=mapper.amr(),
        auth_time=mapper.auth_time(),
        upstream_id_token=upstream_id_token if relayed else None,
    )
    return MappingResult(identity, tuple(mapper.dropped))


def mapper_of(
    connection: Connection,
    *,
    upstream_issuer: str,
    upstream_subject: str,
    id_token: Mapping[str, Any],
    userinfo: Mapping[str, Any] | None,
) -> Mapper:
    """Return what the rules of a connection see of a sign-in's documents."""
    # A claim that its own issuer signs counts where it was verified: in userinfo. The IdP cannot state it by itself.
    own = {name: value for name, value in id_token.items() if name not in connection.userinfo.nested}
    return Mapper(
        _without_aggregation(own),
        _without_aggregation(userinfo or {}),
        {"upstream_sub": upstream_subject, "upstream_iss": upstream_issuer},
    )


@functools.lru_cache(maxsize=4096)
def compiled(expression: str) -> ParsedResult:
    """Return the parsed JMESPath expression; raises jmespath's ParseError and its kin."""
    return jmespath.compile(expression)


def search(expression: str, view: Mapping[str, Any]) -> Any:
    """Return what the expression finds; raises Unusable where it stumbles."""
    try:
        return compiled(expression).search(view)
    except EVALUATION_ERRORS:
        raise Unusable from None


def rules_of(connection: Connection) -> Mapping[str, ClaimRule]:
    """Return the connection's rules, a bare expression written out as a rule."""
    if connection.claims is None:
        return DEFAULT_RULES
    return {
        name: rule if isinstance(rule, ClaimRule) else ClaimRule(value=rule)
        for name, rule in connection.claims.items()
    }


def _without_aggregation(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in AGGREGATION}


class Mapper:
    """One sign-in's documents, and what had to be dropped of them."""

    view: Mapping[str, Any]

    def __init__(self, id_token: dict[str, Any], userinfo: dict[str, Any], upstream: dict[str, str]) -> None:
        # Userinfo over the ID token; but what belongs to the protocol is the ID token's alone.
        additional = {name: value for name, value in userinfo.items() if not is_protected(name)}
        self.view = {**id_token, **additional, "id_token": id_token, "userinfo": userinfo, **upstream}
        self.id_token = id_token
        self.documents = (id_token, userinfo)
        self.dropped: list[str] = []

    def claims(
        self, rules: Mapping[str, ClaimRule], verified_email_domains: tuple[str, ...]
    ) -> dict[str, ClaimValue]:
        """Return what the rules make of the documents, flags decided; raises UpstreamError."""
        claims: dict[str, ClaimValue] = {}
        for name, rule in rules.items():
            if name not in VERIFIED.values() and (value := self.claim(name, rule)) is not None:
                claims[name] = value
        for name, flag in VERIFIED.items():
            rule = rules.get(flag, ClaimRule(value=flag))
            if name in claims:
                claims[flag] = self.verified(name, claims[name], flag, rule)
            elif rule.required:
                raise refused("required_claim_missing", flag)
        if verified_email_domains and claims.get("email_verified"):
            _, at, domain = str(claims["email"]).rpartition("@")
            # ASCII alone, because other letters turn into it: the Kelvin sign is a k in lower case.
            claims["email_verified"] = (
                bool(at) and domain.isascii() and domain.lower() in verified_email_domains
            )
        return claims

    def beside_the_id_token(self, claims: dict[str, ClaimValue]) -> dict[str, ClaimValue]:
        """Leave out an address that is not the one of the ID token, where Cognito reads that token too.

        It takes the token's word where both documents have one: an address of one would meet the flag of the other.
        """
        foreign = set()
        for name, flag in VERIFIED.items():
            spoken_of = name in self.id_token or flag in self.id_token
            if name in claims and spoken_of and claims[name] != self.id_token.get(name):
                foreign |= {name, flag}
                self.dropped.append(name)
        return {name: value for name, value in claims.items() if name not in foreign}

    def claim(self, name: str, rule: ClaimRule) -> ClaimValue | None:
        """Return one claim, None where it is empty or was dropped; raises UpstreamError."""
        try:
            value = normalize(self.evaluated(rule), rule, lines=name == "address")
        except Unusable as unusable:
            if rule.required or (unusable.reason == "claim_too_long" and rule.too_long == "refuse"):
                raise refused(unusable.reason, name) from None
            self.dropped.append(name)
            return None
        if value is None and rule.required:
            raise refused("required_claim_missing", name)
        return value

    def evaluated(self, rule: ClaimRule) -> Any:
        """Return what the rule says, unshaped; raises Unusable."""
        return rule.constant if rule.value is None else search(rule.value, self.view)

    def verified(self, name: str, value: ClaimValue, flag: str, rule: ClaimRule) -> bool:
        """Decide whether the address is verified: `email_verified` for `email`, likewise the phone number.

        A list or a boolean is no address. A constant speaks for itself. An expression can only take away: what verifies
        an address is a document that holds this very address and, beside it, the flag as JSON true or exactly "true".
        Another document's flag is nothing, and a document that holds the address and denies it counts against it.
        """
        said = self.claim(flag, rule) in (True, "true") and isinstance(value, str)
        if rule.value is None:
            return said
        words = [
            document[flag] for document in self.documents if document.get(name) == value and flag in document
        ]
        return said and bool(words) and all(word is True or word == "true" for word in words)

    def acr(self) -> str | None:
        """Return the ID token's `acr`, None if it cannot be used."""
        value = self.id_token.get("acr")
        if not isinstance(value, str | None):
            self.dropped.append("acr")
            return None
        text = self.claim("acr", ClaimRule(constant=value, type="string"))
        return text if isinstance(text, str) else None

    def amr(self) -> tuple[str, ...]:
        """Return the ID token's `amr`."""
        items = self.claim("amr", ClaimRule(value="id_token.amr", type="list"))
        return tuple(items) if isinstance(items, list) else ()

    def auth_time(self) -> int | None:
        """Return the ID token's `auth_time` in whole seconds since the epoch."""
        value = self.id_token.get("auth_time")
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if value is None or (type(value) is int and 0 <= value < EXACT_FLOAT):
            return value
        self.dropped.append("auth_time")
        return None


def refused(reason: str, name: str) -> UpstreamError:
    """Return the error of a claim that the sign-in cannot do without."""
    return UpstreamError(reason, error="access_denied", description=_DESCRIPTIONS[reason].format(name))
