"""The signature, by keys that the expected issuer publishes: never by an address that stands in the token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedbridge.cli.tokens.codes import found
from fedbridge.errors import DeadlineExceeded, UpstreamError
from fedbridge.model.connection import SIGNATURE_ALGORITHMS
from fedbridge.ports import OutboundRequest
from fedbridge.rp.jwk_set import JwkSet, parse_jwk_set
from fedbridge.rp.jwks import MAX_BYTES
from fedbridge.rp.jwt import Accepted, read_header, verify_signature
from fedbridge.rp.metadata import discovery_url
from fedbridge.strict_json import InvalidJson, decode_object

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fedbridge.cli.check.finding import Finding
    from fedbridge.cli.tokens.judging import Expectation
    from fedbridge.cli.tokens.token import Token
    from fedbridge.model.deadline import Deadline
    from fedbridge.ports import HttpClient

KIND = "token"
COGNITO = ("RS256",)
"""All that user pools sign with."""

TYPES = frozenset({"at+jwt", "id_token+jwt"})


class Unfetched(Exception):
    """A document that could not be had; the argument says which and why."""


def signature_findings(token: Token, expectation: Expectation, keys: JwkSet) -> Iterator[Finding]:
    """Yield why the signature does not hold under these keys, nothing where it does."""
    algorithms = COGNITO if expectation.pool_id is not None else SIGNATURE_ALGORITHMS
    try:
        header = read_header(token.compact, Accepted(kind=KIND, algorithms=algorithms, types=TYPES))
    except UpstreamError as refused:
        what = refused.reason.removeprefix(f"{KIND}_").replace("_", " ")
        code = "algorithm_refused" if refused.reason.endswith("algorithm_refused") else "header_refused"
        yield found(code, f"Its header is refused: {what} ({' or '.join(algorithms[:3])} is expected).")
        return
    try:
        key = keys.find(header.get("kid"), header["alg"], KIND)
    except UpstreamError:
        key = None
    if key is None:
        yield found("key_unknown", "The issuer publishes no key with its kid and algorithm.")
        return
    try:
        verify_signature(token.compact, header["alg"], key, kind=KIND)
    except UpstreamError:
        yield found("signature_invalid", "The signature does not fit the key that it names.")


def fetch_keys(
    http: HttpClient, expectation: Expectation, jwks_uri: str | None, deadline: Deadline
) -> JwkSet:
    """Return the keys of the expected issuer; raises Unfetched."""
    url = jwks_uri or _jwks_uri(http, expectation, deadline)
    try:
        return parse_jwk_set(_get(http, url, deadline))
    except UpstreamError as failure:
        raise Unfetched(f"{url}: {failure.reason}") from None


def _jwks_uri(http: HttpClient, expectation: Expectation, deadline: Deadline) -> str:
    """Return where a pool has its keys, which is documented, or where another issuer's discovery document says."""
    if expectation.pool_id is not None:
        return f"{expectation.issuer}/.well-known/jwks.json"
    url = discovery_url(expectation.issuer)
    try:
        document = decode_object(_get(http, url, deadline))
    except InvalidJson:
        raise Unfetched(f"{url}: no JSON object") from None
    jwks_uri = document.get("jwks_uri")
    if document.get("issuer") != expectation.issuer or not isinstance(jwks_uri, str):
        raise Unfetched(f"{url}: is about another issuer, or names no jwks_uri")
    return jwks_uri


def _get(http: HttpClient, url: str, deadline: Deadline) -> bytes:
    request = OutboundRequest(
        method="GET", url=url, headers={"accept": "application/json"}, max_bytes=MAX_BYTES
    )
    try:
        response = http.send(request, deadline)
    except (UpstreamError, DeadlineExceeded) as failure:
        raise Unfetched(f"{url}: {failure.reason}") from None
    if response.status != 200:
        raise Unfetched(f"{url}: answers {response.status}")
    return response.body
