"""The IdP's signing keys: what the runtime takes of them, and why it leaves the others."""

from __future__ import annotations

import base64
import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING, Any

from cryptography.x509 import InvalidVersion, load_der_x509_certificate

from fedbridge.cli.check.codes import found
from fedbridge.cli.check.network import DIAGNOSED, why
from fedbridge.cli.check.observed import one_line
from fedbridge.errors import DeadlineExceeded, FedbridgeError, UpstreamError
from fedbridge.ports import OutboundRequest
from fedbridge.rp.base64url import decode_base64url
from fedbridge.rp.jwk_set import MAX_KEYS, MIN_RSA_BITS, parse_jwk_set
from fedbridge.rp.jwks import JWK_SET, MAX_BYTES
from fedbridge.rp.request_encryption import choose_key
from fedbridge.strict_json import InvalidJson, decode_object

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fedbridge.cli.check.context import CheckContext
    from fedbridge.cli.check.discovery import Provider
    from fedbridge.cli.check.finding import Finding
    from fedbridge.model.connection import Connection
    from fedbridge.rp.jwk_set import JwkSet

_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})


def jwks_findings(context: CheckContext, provider: Provider) -> Iterator[Finding]:
    """Fetch the keys as the runtime does, and yield what is wrong with them."""
    url = provider.metadata.jwks_uri
    if url is None:
        return
    request = OutboundRequest(method="GET", url=url, headers={"accept": JWK_SET.accept}, max_bytes=MAX_BYTES)
    try:
        response = context.calls().get(context.connection, "jwks", request, context.deadline())
    except UpstreamError as failure:
        if failure.reason in DIAGNOSED:
            yield from why(context, url, failure)
        return
    except DeadlineExceeded:
        yield found("host_slow", f"{url} did not answer in time.")
        return
    except FedbridgeError:
        return  # Our own certificate, which is a finding about our keys.
    if response.status != 200:
        yield found("jwks_unavailable", f"{url} answered {response.status}.")
        return
    yield from _judged(context, url, response.body)


def _judged(context: CheckContext, url: str, body: bytes) -> Iterator[Finding]:
    try:
        members = decode_object(body).get("keys")
    except InvalidJson:
        members = None
    if not isinstance(members, list) or len(members) > MAX_KEYS:
        yield found("jwks_malformed", f"{url} is no JWK Set of at most {MAX_KEYS} keys.")
        return
    for member in members:
        yield from _member(member, context.clock())
    yield from _names(members)
    try:
        usable = parse_jwk_set(body)
    except UpstreamError:
        usable = None
    yield from _suiting(context.connection, members, usable)


def _member(member: Any, now: float) -> Iterator[Finding]:
    if not isinstance(member, dict):
        yield found("jwks_malformed", "An entry of the JWK Set is no object.")
        return
    key = f"The key {one_line(member.get('kid')) or 'without a kid'}"
    if member.get("kty") == "oct":
        yield found("jwks_key_symmetric", f"{key} is a symmetric one (kty: oct).")
    elif _PRIVATE & member.keys():
        yield found("jwks_key_private", f"{key} is a private one.")
    elif (bits := _rsa_bits(member)) is not None and bits < MIN_RSA_BITS:
        yield found("jwks_key_weak", f"{key} is an RSA key of {bits} bits.")
    ends = _certificate_ends(member)
    if ends is not None and ends.timestamp() < now:
        yield found("jwks_certificate_expired", f"{key} has a certificate that ended on {ends:%Y-%m-%d}.")


def _names(members: Sequence[Any]) -> Iterator[Finding]:
    """Yield keys that verify and cannot be told apart."""
    signing = [each for each in members if _may_verify(each)]
    unnamed = sum(1 for each in signing if not isinstance(each.get("kid"), str))
    if unnamed:
        yield found("jwks_kid_missing", f"{unnamed} of {len(signing)} signing keys have no `kid`.")
    counted = Counter(each["kid"] for each in signing if isinstance(each.get("kid"), str))
    for kid, count in counted.items():
        if count > 1:
            yield found("jwks_kid_duplicate", f"{count} keys are called {one_line(kid)}.")


def _suiting(connection: Connection, members: Sequence[Any], usable: JwkSet | None) -> Iterator[Finding]:
    """Yield whether anything can verify an ID token, and be encrypted to where the connection does that."""
    wanted = connection.id_token.algorithms
    keys = usable.keys if usable is not None else ()
    if connection.protocol == "oidc" and not connection.id_token.symmetric:
        if members and not any(_may_verify(each) for each in members):
            yield found("jwks_encryption_keys_only", "No key of the JWK Set is for signatures.")
        elif not any(key.suits(algorithm) for key in keys for algorithm in wanted):
            yield found(
                "jwks_no_key_for_algorithms", f"No key that can be used goes with {', '.join(wanted)}."
            )
    profile = connection.authorization.request_object
    algorithm = profile.encryption_algorithm if profile is not None else None
    if algorithm is not None and (usable is None or choose_key(usable.encryption, algorithm) is None):
        yield found("jwks_encryption_key_missing", f"No key with `use: enc` goes with {algorithm}.")


def _may_verify(member: Any) -> bool:
    return isinstance(member, dict) and member.get("use", "sig") == "sig" and member.get("kty") != "oct"


def _rsa_bits(member: dict[str, Any]) -> int | None:
    try:
        return int.from_bytes(decode_base64url(member["n"]), "big").bit_length()
    except (KeyError, ValueError, TypeError, AttributeError):
        return None


def _certificate_ends(member: dict[str, Any]) -> dt.datetime | None:
    """Return until when the key's certificate (RFC 7517 §4.7) is valid, None where there is none that can be read."""
    chain = member.get("x5c")
    if not isinstance(chain, list) or not chain or not isinstance(chain[0], str):
        return None
    try:
        return load_der_x509_certificate(base64.b64decode(chain[0], validate=True)).not_valid_after_utc
    except (ValueError, InvalidVersion):
        return None
