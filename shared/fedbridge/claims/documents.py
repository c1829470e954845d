"""Documents of an IdP without OpenID Connect → the identity that Cognito gets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fedbridge.claims.mapping import Mapper, MappingResult, refused, rules_of, search
from fedbridge.claims.normalize import Unusable
from fedbridge.claims.subject import to_subject
from fedbridge.model.identity import Identity

if TYPE_CHECKING:
    from fedbridge.model.connection import ClaimRule, Connection
    from fedbridge.model.identity import ClaimValue


def identity_of_documents(
    connection: Connection,
    *,
    upstream_issuer: str,
    upstream_subject: str,
    documents: Mapping[str, Any],
) -> MappingResult:
    """Return who signed in; expressions see each of `documents` under its name, `upstream_sub` and `upstream_iss`.

    Raises UpstreamError: `required_claim_missing`, `claim_unusable`, `claim_too_long`, `subject_not_representable`, as
    `to_identity` does.
    """
    mapper = DocumentMapper(documents, {"upstream_sub": upstream_subject, "upstream_iss": upstream_issuer})
    identity = Identity(
        subject=to_subject(connection, upstream_issuer, upstream_subject),
        claims=mapper.claims(rules_of(connection), connection.verified_email_domains),
    )
    return MappingResult(identity, tuple(mapper.dropped))


class DocumentMapper(Mapper):
    """The documents of one sign-in, and what had to be dropped of them."""

    def __init__(self, documents: Mapping[str, Any], upstream: Mapping[str, str]) -> None:
        super().__init__({}, {}, {})
        self.view = {**documents, **upstream}
        self.sources = documents

    def verified(self, name: str, value: ClaimValue, flag: str, rule: ClaimRule) -> bool:
        """Decide whether the address is verified. A constant speaks for itself.

        An expression is asked about one object at a time that holds this very address, in a view of nothing else: what
        it finds can only stand beside the address, whatever the flag is called there. Every word must be JSON true or
        exactly "true", and there must be one.
        """
        if rule.value is None:
            return super().verified(name, value, flag, rule)
        words = [] if not isinstance(value, str) else self.words(name, value, flag, rule.value)
        if rule.required and not words:
            raise refused("required_claim_missing", flag)
        return bool(words) and all(word is True or word == "true" for word in words)

    def words(self, name: str, address: str, flag: str, expression: str) -> list[Any]:
        """Return what is said of this address, one word for each object that holds it."""
        try:
            found = [search(expression, view) for view in sightings(self.sources, name, address)]
        except Unusable:
            self.dropped.append(flag)
            return [None]
        return [word for word in found if word is not None]


def sightings(value: Any, name: str, address: str) -> Iterator[Any]:
    """Yield, for each object that holds the address as its member `name`, the documents without anything else.

    What leads to the object stays, so that expressions find their way; of the object itself what is neither object nor
    list, because these may speak of other addresses.
    """
    if isinstance(value, Mapping):
        if value.get(name) == address:
            yield {key: item for key, item in value.items() if not isinstance(item, Mapping | list)}
        for key, item in value.items():
            yield from ({key: seen} for seen in sightings(item, name, address))
    elif isinstance(value, list):
        for item in value:
            yield from ([seen] for seen in sightings(item, name, address))
