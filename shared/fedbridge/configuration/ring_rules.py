"""Rules of `key_rings`, and of `ring:NAME` where it stands in place of a key's reference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from fedbridge.configuration.rings import BESIDE, USES, references_at, ring_of
from fedbridge.configuration.structure import Problem
from fedbridge.model.key_ring import CERTIFIED, DAY, RING_NAME, SPREAD

if TYPE_CHECKING:
    from fedbridge.model.connection import Connection
    from fedbridge.model.key_ring import KeyRing

SECTION = "key_rings"
"""The key of the file, beside `connections`."""

ROTATE_EVERY = range(DAY, 3650 * DAY + 1)
"""Seconds."""

MIN_RETIRE_AFTER = 2 * 3600
"""Seconds: what rotates runs every hour, and what it published must have spread."""

_CERTIFICATES_FOR = (*CERTIFIED, "client-assertion")
_PAIRS = {
    "client_authentication.certificate": "client_authentication.key",
    "mutual_tls.certificate": "mutual_tls.key",
}
"""A certificate's path → that of its key: one ring fills both."""


def ring_problems(rings: Mapping[str, KeyRing]) -> Iterator[Problem]:
    """Yield what is wrong with the rings by themselves, paths below `key_rings`."""
    for name, ring in rings.items():
        if not RING_NAME.fullmatch(name):
            yield Problem(
                name, "a name must be 1 to 63 of a-z, 0-9 and -, and begin with a letter or a digit"
            )
        for field, message in (*_times(ring), *_suitable(ring), *_certificates(ring)):
            yield Problem(f"{name}.{field}", message)


def ring_use_problems(
    connections: Mapping[str, Connection], rings: Mapping[str, KeyRing]
) -> Iterator[tuple[str, Problem]]:
    """Yield what is wrong with where rings stand, each with the connection's name, or SECTION and the ring's path."""
    used: set[str] = set()
    for name, connection in connections.items():
        for path in USES:
            for problem in _place(connection, path, rings):
                yield name, problem
            used |= set(filter(None, map(ring_of, references_at(connection, path))))
        yield from ((name, problem) for problem in _twice(connection))
    for ring_name, ring in rings.items():
        if ring_name not in used and ring.use != "id-token":
            yield (
                SECTION,
                Problem(ring_name, "fills no key: name it as ring:… in a connection, or leave it out"),
            )


def _times(ring: KeyRing) -> Iterator[tuple[str, str]]:
    if ring.rotate_every not in ROTATE_EVERY:
        yield "rotate_every", f"must be between {ROTATE_EVERY.start} and {ROTATE_EVERY.stop - 1} seconds"
    elif ring.rotate_every < ring.published_for + ring.retired_for:
        yield "rotate_every", "must be no shorter than publish_for and retire_after together"
    if ring.published_for < SPREAD:
        yield "publish_for", f"must be at least {SPREAD} seconds: every function must know the key"
    if ring.retired_for < MIN_RETIRE_AFTER:
        yield "retire_after", f"must be at least {MIN_RETIRE_AFTER} seconds: sign-ins under way need the key"
    if ring.use == "id-token" and ring.needs_confirmation:
        yield "confirmation", "is for keys that an IdP must be given: nobody uploads those of ID tokens"


def _suitable(ring: KeyRing) -> Iterator[tuple[str, str]]:
    if ring.use == "saml-decryption" and not ring.is_rsa:
        yield "kind", "must be RSA: SAML encrypts to RSA keys alone"
    if ring.use == "client-tls" and ring.store == "kms":
        yield "kind", "must not be in KMS, which gives OpenSSL no key"


def _certificates(ring: KeyRing) -> Iterator[tuple[str, str]]:
    if ring.certified_for is None:
        if ring.certificate_subject is not None:
            yield "certificate_subject", "needs certificate_lifetime: there is no certificate"
        return
    if ring.use not in _CERTIFICATES_FOR:
        yield "certificate_lifetime", f"does not apply to {ring.use}"
    elif ring.certified_for not in ROTATE_EVERY:
        yield (
            "certificate_lifetime",
            f"must be between {ROTATE_EVERY.start} and {ROTATE_EVERY.stop - 1} seconds",
        )
    elif ring.certified_for < ring.rotate_every + ring.published_for + ring.retired_for:
        yield (
            "certificate_lifetime",
            "must be no shorter than rotate_every, publish_for and retire_after together",
        )
    subject = ring.certificate_subject
    if subject is not None and ("=" not in subject or len(subject) > 256 or not subject.isprintable()):
        yield "certificate_subject", "must be a distinguished name such as CN=bridge,O=Acme,C=SE"


def _place(connection: Connection, path: str, rings: Mapping[str, KeyRing]) -> Iterator[Problem]:
    """Yield what is wrong with the rings at one path."""
    references = references_at(connection, path)
    names = [ring_of(reference) for reference in references]
    if not any(names):
        return
    if not all(names):
        yield Problem(path, "must be all rings or none: what a ring fills is its alone")
    for reference in filter(None, names):
        ring = rings.get(reference)
        if ring is None:
            yield Problem(path, f"there is no such ring below {SECTION}: {_known(rings)}")
        elif ring.use != USES[path]:
            yield Problem(path, f"the ring is for {ring.use}, and this key for {USES[path]}")
        else:
            yield from (Problem(f"{where}", message) for where, message in _fits(connection, path, ring))
    parent = path.rpartition(".")[0]
    for field in BESIDE.get(path, ()):
        if references_at(connection, f"{parent}.{field}"):
            yield Problem(f"{parent}.{field}", "is filled in by the key ring: leave it out")


def _fits(connection: Connection, path: str, ring: KeyRing) -> Iterator[tuple[str, str]]:
    """Yield where a ring of the right use does not go with the rest of the connection."""
    authentication = connection.client_authentication
    match path:
        case "client_authentication.key":
            if authentication.method == "apple_client_secret":
                yield path, "cannot be a ring: Apple makes the key"
            if authentication.kid not in {"thumbprint", "omit"}:
                yield (
                    "client_authentication.kid",
                    "must be thumbprint or omit: each key of a ring has its own",
                )
            if authentication.certificate is not None and ring_of(authentication.certificate) is None:
                yield "client_authentication.certificate", "must be the ring as well: each key has its own"
            yield from _algorithm("client_authentication.algorithm", authentication.algorithm, ring)
        case "client_authentication.certificate" | "mutual_tls.certificate":
            if references_at(connection, path) != references_at(connection, _PAIRS[path]):
                yield path, f"must be the ring of {_PAIRS[path]}"
            elif ring.certified_for is None:
                yield path, "needs certificate_lifetime of the ring, which else makes no certificates"
        case "mutual_tls.key":
            if references_at(connection, "mutual_tls.certificate") != references_at(connection, path):
                yield "mutual_tls.certificate", "must be the ring as well: a ring makes both"
            if authentication.method != "self_signed_tls_client_auth":
                yield path, "a ring makes self-signed certificates: for self_signed_tls_client_auth"
        case "token_decryption.keys":
            if connection.authorization_response.encryption != "none" and ring.store == "kms":
                yield (
                    path,
                    "must not be in KMS: whoever sends an encrypted authorization response would cause a call",
                )
        case "authorization.request_object.key":
            request = connection.authorization.request_object
            algorithm = None if request is None else request.algorithm
            yield from _algorithm("authorization.request_object.algorithm", algorithm, ring)
        case "saml.signing_keys" if connection.saml is not None:
            yield from _algorithm(
                "saml.request.signature_algorithm", connection.saml.request.signature_algorithm, ring
            )


def _algorithm(path: str, algorithm: str | None, ring: KeyRing) -> Iterator[tuple[str, str]]:
    if algorithm is not None and (algorithm[:2] == "ES") == ring.is_rsa:
        yield path, f"does not go with the ring's keys ({ring.kind})"


def _twice(connection: Connection) -> Iterator[Problem]:
    """Yield the paths whose ring fills another path, too; a certificate has the ring of its key."""
    owners: dict[str, str] = {}
    for path in USES:
        if path in _PAIRS:
            continue
        for reference in references_at(connection, path):
            if ring_of(reference) and owners.setdefault(reference, path) != path:
                yield Problem(path, f"is the ring of {owners[reference]} as well: one key, one use")


def _known(rings: Mapping[str, KeyRing]) -> str:
    return f"there are {', '.join(rings)}" if rings else "there is none"
