"""The bridge as its neighbours see it: its discovery and keys, and the keys or metadata that it publishes to the IdP."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from fedbridge.cli.check.codes import found
from fedbridge.cli.check.observed import one_line
from fedbridge.errors import FedbridgeError, UpstreamError
from fedbridge.ports import OutboundRequest
from fedbridge.publishing import publishable
from fedbridge.strict_json import InvalidJson, decode_object

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fedbridge.cli.check.context import CheckContext
    from fedbridge.cli.check.finding import Finding

_CERTIFICATE = re.compile(rb"<(?:\w+:)?X509Certificate>([^<]*)<")


def bridge_findings(context: CheckContext) -> Iterator[Finding]:
    """Fetch what the bridge publishes about this connection; nothing where nobody has said where it is."""
    if context.base_url is None:
        return
    issuer = f"{context.base_url}/{context.connection.name}"
    try:
        if context.connection.tokens == "reissue":
            yield from _discovery(context, issuer)
        if context.connection.protocol == "saml":
            yield from _sp_metadata(context, f"{issuer}/saml/metadata")
        else:
            yield from _client_jwks(context, f"{issuer}/client-jwks.json")
    except UpstreamError as failure:
        yield found("bridge_unreachable", f"{context.base_url} cannot be reached ({failure.reason}).")
    except FedbridgeError as failure:
        yield found("bridge_unreachable", f"{context.base_url} was not called: {failure}.")


def _discovery(context: CheckContext, issuer: str) -> Iterator[Finding]:
    url = f"{issuer}/.well-known/openid-configuration"
    status, document = _json(context, url)
    if document is None:
        yield found("bridge_discovery_missing", f"{url} answered {status}.")
        return
    if document.get("issuer") != issuer:
        yield found(
            "bridge_issuer_mismatch",
            f"The bridge calls itself {one_line(document.get('issuer')) or 'nothing'}, not {issuer}.",
        )
    keys_url = f"{issuer}/.well-known/jwks.json"
    status, keys = _json(context, keys_url)
    if keys is None or not keys.get("keys"):
        yield found("bridge_keys_missing", f"{keys_url} answered {status}, without keys.")


def _client_jwks(context: CheckContext, url: str) -> Iterator[Finding]:
    expected = _published(context)
    if expected is None:
        return
    status, document = _json(context, url)
    if document is None or not isinstance(document.get("keys"), list):
        yield found("client_jwks_unavailable", f"{url} answered {status}.")
        return
    shown = document["keys"]
    if _canonical(shown) != _canonical(expected):
        differ = _kids(expected) ^ _kids(shown)
        what = (
            f"the keys {one_line(', '.join(sorted(differ)))} differ"
            if differ
            else "the same keys are described differently"
        )
        yield found("client_jwks_outdated", f"{url} is not what would be published now: {what}.")


def _sp_metadata(context: CheckContext, url: str) -> Iterator[Finding]:
    expected = _published(context)
    response = _send(context, url)
    if response.status != 200:
        yield found("sp_metadata_unavailable", f"{url} answered {response.status}.")
        return
    if expected is None:
        return
    shown = {b"".join(text.split()) for text in _CERTIFICATE.findall(response.body)}
    wanted = {jwk["x5c"][0].encode() for jwk in expected if "x5c" in jwk}
    if shown != wanted:
        yield found("sp_metadata_outdated", f"{url} shows other certificates than would be published now.")


def _published(context: CheckContext) -> tuple[dict[str, Any], ...] | None:
    """Return the public keys as they would be published, None where they cannot be had: a finding of its own."""
    try:
        return publishable(context.connection, context.keys, context.secrets).client_jwks
    except FedbridgeError:
        return None


def _json(context: CheckContext, url: str) -> tuple[int, dict[str, Any] | None]:
    response = _send(context, url)
    try:
        return response.status, decode_object(response.body) if response.status == 200 else None
    except InvalidJson:
        return response.status, None


def _send(context: CheckContext, url: str) -> Any:
    request = OutboundRequest(method="GET", url=url, max_bytes=256 * 1024)
    return context.observed.send(request, context.deadline())


def _kids(jwks: Any) -> set[str]:
    return {str(jwk.get("kid")) for jwk in jwks if isinstance(jwk, dict)}


def _canonical(jwks: Any) -> Any:
    return sorted((sorted(jwk.items(), key=str) for jwk in jwks if isinstance(jwk, dict)), key=str)
