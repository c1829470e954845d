"""What `fedbridge tokens verify` does: read a token, judge it, print the verdict. The token itself is never printed."""

from __future__ import annotations

import contextlib
import getpass
import sys
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fedbridge.cli.cognito.calls import CognitoRefused, ask, issuer_of, pool_client
from fedbridge.cli.cognito.client_findings import SELF_SERVICE
from fedbridge.cli.tokens.codes import found
from fedbridge.cli.tokens.judging import (
    Expectation,
    issuer_findings,
    purpose_findings,
    time_findings,
)
from fedbridge.cli.tokens.signature import Unfetched, fetch_keys, signature_findings
from fedbridge.cli.tokens.token import MAX_TOKEN, Token, read_token
from fedbridge.cli.tokens.verdict import Verdict
from fedbridge.configuration.urls import Allowed, upstream_url_problem
from fedbridge.errors import ConfigurationError
from fedbridge.model.deadline import Deadline
from fedbridge.net.outbound import OutboundClient

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from fedbridge.cli.check.finding import Finding

BUDGET = 15.0
"""Seconds for fetching the issuer's keys."""


def verify(options: argparse.Namespace) -> int:
    """Return 0 for a good token; raises ConfigurationError where nothing can be said."""
    issuer = None if options.user_pool else _checked(options, "--issuer", options.issuer)
    if options.jwks_uri is not None:
        _checked(options, "--jwks-uri", options.jwks_uri)
    token = read_token(_text(options.token))
    if not isinstance(token, Token):
        return Verdict(token=None, findings=(token,), now=time.time()).print(as_json=options.json)
    expectation = Expectation(
        issuer=issuer or _issuer_of_pool(options.user_pool, token),
        client_id=options.client_id,
        use=options.use,
    )
    now = time.time()
    findings = tuple(_findings(options, token, expectation, now))
    return Verdict(token=token, findings=findings, now=now).print(as_json=options.json)


def _findings(
    options: argparse.Namespace, token: Token, expectation: Expectation, now: float
) -> Iterator[Finding]:
    """Yield what is the matter, the root of it first; under a wrong issuer's keys nothing could be verified."""
    offline = list(issuer_findings(token, expectation))
    if not offline:
        offline += _signature(options, token, expectation)
    offline += (*purpose_findings(token, expectation), *time_findings(token, now))
    yield from offline
    if not options.offline and all(each.severity != "error" for each in offline):
        yield from _revocation(token, expectation)


def _signature(options: argparse.Namespace, token: Token, expectation: Expectation) -> Iterator[Finding]:
    hosts = [*options.private_host, *(_loopback(options, expectation) if options.local else ())]
    with contextlib.closing(OutboundClient(private_hosts=hosts, ca_bundle=options.ca_bundle)) as http:
        try:
            keys = fetch_keys(http, expectation, options.jwks_uri, Deadline.after(BUDGET))
        except Unfetched as failure:
            yield found("jwks_unavailable", f"{failure}.")
            return
    yield from signature_findings(token, expectation, keys)


def _revocation(token: Token, expectation: Expectation) -> Iterator[Finding]:
    """Ask Cognito, which alone knows: it refuses GetUser with an access token that was revoked (its `origin_jti`)."""
    if expectation.pool_id is None:
        return
    if token.use != "access":
        yield found("revocation_unknown", "It is an ID token, which Cognito answers nothing about.")
        return
    if SELF_SERVICE not in str(token.claims.get("scope", "")).split():
        yield found("revocation_unknown", f"It has not the scope {SELF_SERVICE}.")
        return
    try:
        ask(pool_client(expectation.pool_id), "get_user", AccessToken=token.compact)
    except CognitoRefused as refused:
        match refused.code:
            case "NotAuthorizedException":
                yield found("token_revoked", "Cognito refuses it (NotAuthorizedException).")
            case "UserNotFoundException":
                yield found("user_gone", "Its user is not in the pool.")
            case code:
                yield found("revocation_unknown", f"Cognito could not be asked ({code}).")


def _text(argument: str) -> str:
    """Return the token: from standard input it stays out of shell history, from a terminal it is not echoed."""
    if argument != "-":
        return argument
    try:
        return getpass.getpass("Token: ") if sys.stdin.isatty() else sys.stdin.read(MAX_TOKEN + 2)
    except EOFError:
        return ""
    except UnicodeDecodeError:
        raise ConfigurationError("standard input: is no text, and so no token") from None


def _checked(options: argparse.Namespace, name: str, url: str) -> str:
    hosts = frozenset(options.private_host)
    problem = upstream_url_problem(url, Allowed(local=options.local, private_hosts=hosts))
    if problem:
        raise ConfigurationError(f"{name}: {problem}")
    return url


def _issuer_of_pool(pool_id: str, token: Token) -> str:
    """Return the pool's updated issuer where the token names that, else the original one: both are this very pool's."""
    updated = issuer_of(pool_id, updated=True)
    return updated if token.claims.get("iss") == updated else issuer_of(pool_id)


def _loopback(options: argparse.Namespace, expectation: Expectation) -> Iterator[str]:
    """Yield the loopback hosts that were named; a local run may call those, and no others."""
    for url in (expectation.issuer, options.jwks_uri or ""):
        parts = urlsplit(url)
        if parts.hostname in {"localhost", "127.0.0.1", "::1"}:
            yield f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
