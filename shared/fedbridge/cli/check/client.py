"""Client authentication without a user: a token request with a made-up code must fail for the code, not for the client.

Where the client is refused, most IdPs do not say why. So what is likely is tried: another audience, another of the methods
that the secret allows, the IdP's own time. What the IdP takes then tells what was wrong.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import quote_plus

from fedbridge.cli.check.authorization import knows_client
from fedbridge.cli.check.clock import NOTICEABLE, bridge_ahead, idp_ahead
from fedbridge.cli.check.codes import found
from fedbridge.cli.check.network import DIAGNOSED, why
from fedbridge.errors import (
    ConfigurationError,
    DeadlineExceeded,
    FedbridgeError,
    KeyUnavailable,
    UpstreamError,
)
from fedbridge.rp.client_authentication import choose_method
from fedbridge.rp.dpop import Nonces, Prover
from fedbridge.rp.token_endpoint import redeem_code

if TYPE_CHECKING:
    from fedbridge.cli.check.context import CheckContext
    from fedbridge.cli.check.finding import Finding
    from fedbridge.model.connection import ClientAuthentication
    from fedbridge.model.metadata import ProviderMetadata

PLACEHOLDER = "https://bridge.invalid"
"""Stands for the bridge's address where nobody has said it: a made-up code was issued for no redirect URI."""

_SECRET = frozenset({"client_secret_basic", "client_secret_post", "client_secret_jwt"})
_SENT = frozenset({"client_secret_basic", "client_secret_post"})
_ASSERTION = frozenset({"private_key_jwt", "apple_client_secret"})
_TLS = frozenset({"tls_client_auth", "self_signed_tls_client_auth"})
_WORDS: tuple[tuple[str, str, frozenset[str]], ...] = (
    (r"\baud(?:ience)?\b", "assertion_audience_wrong", _ASSERTION),
    (r"secret\b.*\bexpired", "client_secret_expired", _SECRET),
    (r"\b(?:expired|not yet valid|exp|iat|nbf)\b", "assertion_time_refused", _ASSERTION),
    (r"\b(?:signature|kid|jwks|public key|thumbprint)\b", "client_key_unknown", _ASSERTION),
    (
        r"client not found|unknown client|no such client|\bclient_id\b|application with identifier .* was not found",
        "client_unknown",
        _SECRET | _ASSERTION | _TLS,
    ),
)
"""What is said of what: the words differ from one product to the next, and most say nothing."""


def client_findings(context: CheckContext, metadata: ProviderMetadata) -> Generator[Finding, None, bool]:
    """Yield why the IdP refuses the client; return whether it takes it, as far as can be told."""
    failure = attempt(context, metadata)
    match failure:
        case None:
            yield found(
                "made_up_code_accepted",
                f"{metadata.token_endpoint} gave tokens for a code that was drawn by lot.",
            )
            return False
        case UpstreamError() if (
            failure.reason == "client_authentication_refused" or failure.upstream_status == 401
        ):
            yield from _refused(context, metadata, failure)
            return False
        case UpstreamError():
            yield from _answered(context, metadata, failure)
            return failure.reason not in DIAGNOSED
        case DeadlineExceeded():
            yield found("host_slow", f"{metadata.token_endpoint} did not answer in time.")
        case ConfigurationError() | KeyUnavailable():
            pass  # The key or secret that is named is a finding of its own.
    return False


def attempt(context: CheckContext, metadata: ProviderMetadata) -> FedbridgeError | None:
    """Redeem a code that nobody issued, by the runtime's own way; return how that failed."""
    connection = context.connection
    base = context.callback_url or f"{PLACEHOLDER}/{connection.name}/callback"
    prover = None
    if connection.dpop is not None:
        prover = Prover.of(connection, connection.dpop, {}, nonces=Nonces(), clock=context.clock)
    runtime = context.runtime(metadata, prover)
    verifier = secrets.token_urlsafe(32) if connection.authorization.pkce == "S256" else None
    try:
        redeem_code(runtime, code=secrets.token_urlsafe(32), callback_url=base, code_verifier=verifier)
    except FedbridgeError as failure:
        return failure
    return None


def _answered(context: CheckContext, metadata: ProviderMetadata, failure: UpstreamError) -> Iterator[Finding]:
    """Yield what a refusal means that is not about the client's credentials; for the code is how it should be."""
    url, error = metadata.token_endpoint, failure.upstream_code
    said = _said(context)
    match failure.reason:
        case "authorization_code_refused":
            return
        case reason if reason in DIAGNOSED:
            yield from why(context, url, failure)
        case "token_endpoint_unavailable" | "token_endpoint_redirected" | "token_endpoint_answer_invalid":
            yield found("token_endpoint_failing", f"{url} answered {failure.upstream_status}{said}.")
        case reason if reason.startswith("dpop_"):
            yield found("dpop_refused", f"{url} answered {error or reason}{said}.")
        case _ if error == "unauthorized_client":
            method = choose_method(context.runtime(metadata))
            named = _by_words(
                method, _last_description(context)
            )  # Some products call a client so that they do not know.
            yield found(named or "client_not_allowed", f"{url} answered unauthorized_client{said}.")
        case _ if error in {"invalid_request", None, "free_text", "malformed_error"}:
            answer = (
                error
                if error == "invalid_request"
                else f"{failure.upstream_status} without a registered error"
            )
            yield found("token_request_inconclusive", f"{url} answered {answer}{said}.")
        case _:
            yield found("token_request_refused", f"{url} answered {error}{said}.")


def _refused(context: CheckContext, metadata: ProviderMetadata, failure: UpstreamError) -> Iterator[Finding]:
    """Yield why, by what the IdP says, by what it takes instead, and at last by the method that it refused."""
    method = choose_method(context.runtime(metadata))
    what = f"{metadata.token_endpoint} answered {failure.upstream_code or failure.upstream_status}{_said(context)}"
    known = knows_client(context)
    if known is False:
        yield found("client_unknown", f"{what}, and its authorization endpoint knows no such client.")
        return
    for tried in _alternatives(context, method):
        if _takes(tried.context, metadata):
            # That this machine alone signs at the wrong time is a finding about its clock.
            if tried.code != "assertion_time_refused" or not _bridge_is_right(context):
                yield found(tried.code, f"{what}. It takes the client with {tried.words}.")
            return
    yield found(_by_words(method, _last_description(context)) or _by_method(method), f"{what} ({method}).")


def _bridge_is_right(context: CheckContext) -> bool:
    """Tell whether the bridge's clock is the IdP's, so that only this machine signs at the wrong time."""
    idp, bridge = idp_ahead(context), bridge_ahead(context)
    return idp is not None and bridge is not None and abs(idp - bridge) <= NOTICEABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class _Alternative:
    """Another way to authenticate, and what it means if the IdP takes it."""

    code: str
    words: str
    context: CheckContext


def _alternatives(context: CheckContext, method: str) -> Iterator[_Alternative]:
    """Yield few, because every refusal may count towards locking the client.

    An assertion for another audience is of use at this IdP alone: its key is registered nowhere else, and the token
    endpoint lies on a host that the connection allows.
    """
    off = idp_ahead(context)
    if off is not None and abs(off) > NOTICEABLE:
        corrected = replace(context, clock=lambda: context.clock() + off, seen=[])
        yield _Alternative(
            code="assertion_time_refused", words="the IdP's own time in the assertion", context=corrected
        )
    profile = context.connection.client_authentication
    if method in _ASSERTION or method == "client_secret_jwt":
        slashed = context.connection.issuer.removesuffix("/") + "/"
        issuer = {slashed, slashed.removesuffix("/")} - {context.connection.issuer}
        for audience in ("issuer", "token_endpoint", *sorted(issuer)):
            if audience != profile.audience:
                yield _Alternative(
                    code="assertion_audience_wrong",
                    words=f"`audience: {audience}`",
                    context=_with(context, replace(profile, audience=audience)),
                )
    if method in _SENT:
        yield from _other_ways(context, method)


def _other_ways(context: CheckContext, method: str) -> Iterator[_Alternative]:
    """Yield how else the secret could be sent, nothing twice that looks the same; one that only signs never leaves us."""
    profile = context.connection.client_authentication
    secret = context.secrets.get(profile.secret or "", context.deadline())
    told = (context.connection.client_id, secret)
    is_plain = all(quote_plus(each) == each for each in told)
    tried = (method, "form" if is_plain or method == "client_secret_post" else profile.basic_encoding)
    for other, encoding in (
        ("client_secret_basic", "form"), ("client_secret_basic", "raw"), ("client_secret_post", "form"),
    ):  # fmt: skip
        if (other, encoding) == tried or (encoding == "raw" and is_plain):
            continue
        words = f"`method: {other}`" + (", `basic_encoding: raw`" if encoding == "raw" else "")
        changed = replace(profile, method=other, basic_encoding=encoding)  # type: ignore[arg-type]
        yield _Alternative(code="client_method_wrong", words=words, context=_with(context, changed))


def _with(context: CheckContext, profile: ClientAuthentication) -> CheckContext:
    return replace(context, connection=replace(context.connection, client_authentication=profile))


def _takes(context: CheckContext, metadata: ProviderMetadata) -> bool:
    failure = attempt(context, metadata)
    return isinstance(failure, UpstreamError) and failure.reason == "authorization_code_refused"


def _by_words(method: str, description: str) -> str | None:
    """Return the code that the IdP's own words lead to."""
    return next(
        (code for words, code, methods in _WORDS if method in methods and re.search(words, description)),
        None,
    )


def _by_method(method: str) -> str:
    if method in _SECRET:
        return "client_secret_wrong"
    if method in _ASSERTION:
        return "client_key_unknown"
    return "client_certificate_refused" if method in _TLS else "client_refused"


def _last_description(context: CheckContext) -> str:
    """Return what the IdP said to the first token request, in lower case."""
    return next(
        (each.description for each in context.seen if each.method == "POST" and each.description), ""
    ).lower()


def _said(context: CheckContext) -> str:
    last = next((each for each in reversed(context.seen) if each.method == "POST"), None)
    return f' ("{last.description}")' if last is not None and last.description else ""
