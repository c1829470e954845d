"""The authorization request, pushed or by an empty-handed browser: what the IdP refuses before anybody signs in."""

from __future__ import annotations

import html
import re
import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from fedbridge.cli.check.codes import found
from fedbridge.cli.check.network import DIAGNOSED, why
from fedbridge.cli.connections import Quiet
from fedbridge.errors import DeadlineExceeded, FedbridgeError, UpstreamError
from fedbridge.ports import OutboundRequest
from fedbridge.rp.base64url import decode_base64url
from fedbridge.rp.errors import clean_code, is_outage
from fedbridge.rp.oauth2 import OAuth2Upstream
from fedbridge.rp.oidc import OidcUpstream
from fedbridge.strict_json import decode_object

if TYPE_CHECKING:
    from fedbridge.cli.check.context import CheckContext
    from fedbridge.cli.check.finding import Finding
    from fedbridge.model.metadata import ProviderMetadata
    from fedbridge.ports import OutboundResponse, Upstream

MAX_BYTES = 1024 * 1024

_FINE = frozenset(
    {"login_required", "interaction_required", "consent_required", "account_selection_required"}
)
"""What an IdP may answer to somebody without a session; nothing is wrong with the request."""

_NAMED = {
    "invalid_redirect_uri": "redirect_uri_not_registered",
    "redirect_uri_mismatch": "redirect_uri_not_registered",
    "invalid_scope": "scope_refused",
    "invalid_client": "client_unknown",
    "unauthorized_client": "client_not_allowed",
    "invalid_request_object": "request_object_refused",
    "invalid_request_uri": "request_object_refused",
}
_KNOWN = frozenset({"request_encryption_key_missing", "pushed_authorization_request_endpoint_missing"})
"""Reasons for which there is a finding already, about the IdP's keys or its metadata."""

_FORM_ERROR = re.compile(r"""name=["']error["']\s+value=["']([a-z_]{1,64})["']""")
_REDIRECT_URI = re.compile(r"redirect[ _-]?ur[il]", re.IGNORECASE)
_CLIENT = re.compile(
    r"(?:unknown|invalid|no such|not found)\W+client|client\W+(?:is )?(?:unknown|invalid|not found)",
    re.IGNORECASE,
)


def request_findings(context: CheckContext, metadata: ProviderMetadata) -> Iterator[Finding]:
    """Begin a sign-in as the runtime does, and look at what the IdP makes of the request.

    A request that was pushed has been judged. Any other goes to the authorization endpoint by GET, once, and no page of
    the IdP's is followed.
    """
    callback_url = context.callback_url
    if callback_url is None:
        return
    try:
        url = _begin(context, callback_url)
    except UpstreamError as failure:
        yield from _push_failed(context, metadata, failure)
    except DeadlineExceeded:
        yield found(
            "host_slow", f"{urlsplit(metadata.authorization_endpoint).netloc} did not answer in time."
        )
    except FedbridgeError as failure:
        yield found("request_not_sent", f"{failure}.")
    else:
        if (
            metadata.require_pushed_authorization_requests
            or context.connection.authorization.par == "required"
        ):
            return
        yield from _visited(context, url)


def knows_client(context: CheckContext) -> bool | None:
    """Return whether the authorization endpoint knows the client, None where that cannot be told."""
    callback_url = context.callback_url
    if callback_url is None:
        return None
    plain = replace(context.connection.authorization, par="off", request_object=None)
    asking = replace(context, connection=replace(context.connection, authorization=plain))
    try:
        url = _begin(asking, callback_url)
        code = _code(_visit(asking, url), callback_url)
    except FedbridgeError:
        return None
    return None if code is None else code != "client_unknown"


def _begin(context: CheckContext, callback_url: str) -> str:
    upstream = OidcUpstream if context.connection.protocol == "oidc" else OAuth2Upstream
    using: Upstream = upstream(
        http=context.observed,
        keys=context.keys,
        secrets=context.secrets,
        telemetry=Quiet(),
        clock=context.clock,
    )
    state = secrets.token_urlsafe(32)
    deadline = context.deadline()
    return using.begin(
        context.connection, state=state, callback_url=callback_url, parameters={}, deadline=deadline
    ).url


def _push_failed(
    context: CheckContext, metadata: ProviderMetadata, failure: UpstreamError
) -> Iterator[Finding]:
    url = metadata.pushed_authorization_request_endpoint or metadata.authorization_endpoint
    error, last = failure.upstream_code, context.seen[-1] if context.seen else None
    description = last.description if last is not None and last.description else ""
    what = f"{url} answered {error or failure.upstream_status or failure.reason}"
    what += f' ("{description}").' if description else "."
    if failure.reason in DIAGNOSED:
        yield from why(context, url, failure)
    elif failure.reason == "client_authentication_refused":
        yield found(
            "client_refused",
            f"{what} The token endpoint takes the same client.",
            subject="authorization request",
        )
    elif failure.reason.endswith(("_unavailable", "_redirected")):
        yield found("pushed_request_failing", what)
    elif error in _NAMED:
        yield _named(context, _NAMED[error], what)
    elif _REDIRECT_URI.search(description):
        yield _named(context, "redirect_uri_not_registered", what)
    elif failure.reason in _KNOWN:
        return
    elif failure.reason.startswith("dpop_"):
        yield found("dpop_refused", what)
    else:
        yield found("authorization_request_refused", what)


def _visited(context: CheckContext, url: str) -> Iterator[Finding]:
    shown = url.partition("?")[0]
    try:
        response = _visit(context, url)
    except UpstreamError as failure:
        if failure.reason != "upstream_response_invalid":  # A page may be as long as it likes.
            what = f"{shown} cannot be reached from here ({failure.reason}); only browsers have to."
            yield found("authorization_request_inconclusive", what)
        return
    except DeadlineExceeded:
        yield found("authorization_request_inconclusive", f"{shown} did not answer in time.")
        return
    except FedbridgeError as failure:
        yield found("request_not_sent", f"{failure}.")
        return
    code = _code(response, context.callback_url or "")
    if code is None:
        yield found(
            "authorization_request_inconclusive", f"{shown} answered {response.status} and named no error."
        )
    elif code:
        error = _error(response, context.callback_url or "")
        yield _named(context, code, f"{shown} answered {response.status}{f' and {error}' if error else ''}.")


def _named(context: CheckContext, code: str, what: str) -> Finding:
    if code == "redirect_uri_not_registered":
        return found(code, f"{what} The bridge asks for {context.callback_url}.")
    if code == "scope_refused":
        return found(code, f"{what} The bridge asks for {context.connection.authorization.scope}.")
    return found(code, what, subject="authorization request")


def _visit(context: CheckContext, url: str) -> OutboundResponse:
    request = OutboundRequest(
        method="GET", url=url, headers={"accept": "text/html, */*;q=0.8"}, max_bytes=MAX_BYTES
    )
    return context.calls().send(context.connection, "authorization", request, context.deadline())


def _code(response: OutboundResponse, callback_url: str) -> str | None:
    """Return the code of what is wrong, "" if nothing is, None if that cannot be told from the answer."""
    error = _error(response, callback_url)
    if error is not None:
        return "" if error in _FINE else _NAMED.get(error, "authorization_request_refused")
    if response.status < 400:
        return ""
    if is_outage(response.status):
        return None
    page = html.unescape(response.body.decode("utf-8", "replace"))
    for name, code in _NAMED.items():
        if re.search(rf"\b{name}\b", page):
            return code
    if _REDIRECT_URI.search(page):
        return "redirect_uri_not_registered"
    return "client_unknown" if _CLIENT.search(page) else None


def _error(response: OutboundResponse, callback_url: str) -> str | None:
    """Return the OAuth error that the answer carries to the callback, or to a page of the IdP's own."""
    location = response.headers.get("location", "")
    _, _, fragment = location.partition("#")
    _, _, query = location.removesuffix(f"#{fragment}").partition("?")
    for part in (query, fragment):
        parameters = parse_qs(part)
        if "error" in parameters:
            return clean_code(parameters["error"][0])
        if location.startswith(callback_url) and "response" in parameters:
            return _error_of_jwt(parameters["response"][0])
    form = _FORM_ERROR.search(response.body.decode("utf-8", "replace")) if response.status == 200 else None
    return form[1] if form else None


def _error_of_jwt(response: str) -> str | None:
    """Return the `error` of a signed response (JARM §2.1), unverified: it decides nothing."""
    try:
        error = decode_object(decode_base64url(response.split(".")[1])).get("error")
    except (IndexError, ValueError):
        return None
    return clean_code(error) if isinstance(error, str) else None
