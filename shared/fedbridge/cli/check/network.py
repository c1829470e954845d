"""The way to a host: its name, its address, its certificate; and whose clock is wrong."""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cryptography.x509 import InvalidVersion, load_der_x509_certificate

from fedbridge.cli.check.codes import found
from fedbridge.errors import FedbridgeError, UpstreamError
from fedbridge.net.client_tls import present
from fedbridge.net.outbound import tls_context
from fedbridge.net.targets import parse_private_hosts, parse_target, vet
from fedbridge.net.transport import MAX_ATTEMPTS, system_resolver

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cryptography.x509 import Certificate

    from fedbridge.cli.check.context import CheckContext
    from fedbridge.cli.check.finding import Finding
    from fedbridge.net.targets import Target

CONNECT = 5.0
"""Seconds for a connection, and as many for the handshake."""

SOON = dt.timedelta(days=14)
"""A server's certificate that is within its last quarter and ends so soon should have been renewed."""

_VERIFY_CODES = {10: "tls_certificate_expired", 62: "tls_certificate_name", 64: "tls_certificate_name"}
_UNTRUSTED = frozenset({18, 19, 20, 21})
"""OpenSSL's X509_V_ERR_…: self-signed, an unknown authority, or a chain with a gap."""

DIAGNOSED = frozenset(
    {
        "upstream_unreachable", "upstream_timeout", "upstream_tls_failed", "upstream_target_refused",
        "upstream_response_invalid", "upstream_circuit_open",
    }
)  # fmt: skip
"""Reasons of a call that never got an answer: the way is looked at step by step."""


def way_to(context: CheckContext, urls: Iterable[str], *, besides: str = "") -> Iterator[Finding]:
    """Yield what is wrong on the way to each host, once a host, that of `besides` left out."""
    seen = {urlsplit(besides)[:2]}
    for url in urls:
        origin = urlsplit(url)[:2]
        if origin not in seen:
            seen.add(origin)
            yield from _way(context, url)


def why(context: CheckContext, url: str, failure: UpstreamError) -> Iterator[Finding]:
    """Yield why a call failed that got no answer: what is wrong with the way, or else what the call itself met."""
    found_on_the_way = [*way_to(context, [url])]
    errors = [each for each in found_on_the_way if each.severity == "error"]
    if errors:
        yield from errors
        return
    host = urlsplit(url).netloc
    if failure.reason == "upstream_response_invalid":
        yield found("answer_unreadable", f"What {url} answered is too large, compressed, or no HTTP/1.1.")
    elif failure.reason == "upstream_tls_failed":
        may = (
            "not accept the client certificate"
            if context.connection.mutual_tls
            else "want a client certificate"
        )
        yield found("tls_failed", f"{host} ended TLS after the handshake: it may {may}.")
    elif failure.reason == "upstream_timeout":
        yield found("host_slow", f"{host} did not answer in time.")
    else:
        yield found("host_unreachable", f"{host} cannot be reached ({failure.reason}).")


def _way(context: CheckContext, url: str) -> Iterator[Finding]:
    host = urlsplit(url).netloc
    try:
        target = parse_target(url, parse_private_hosts(context.options.private_hosts))
        addresses = vet(system_resolver(target.host, target.port), target)
    except OSError as error:
        yield found("dns_failed", f"{host} has no address: {error.strerror or error}.")
        return
    except UpstreamError:
        yield found("target_refused", f"{host} is not a public host on port 443.")
        return
    try:
        certificate = _certificate(context, target, addresses[:MAX_ATTEMPTS])
    except ssl.SSLCertVerificationError as error:
        yield found(_code(error), f"{host}: {error.verify_message}.")
    except ssl.SSLError as error:
        yield found("tls_failed", f"{host}: {error.reason or 'the handshake failed'}.")
    except OSError as error:
        slow = isinstance(error, TimeoutError)
        yield found("host_slow" if slow else "host_unreachable", f"{host}: {error.strerror or error}.")
    else:
        yield from _expiry(host, certificate, context.clock())


def _code(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code in _UNTRUSTED:
        return "tls_certificate_untrusted"
    return _VERIFY_CODES.get(error.verify_code, "tls_failed")


def _connected(addresses: Sequence[str], port: int) -> socket.socket:
    """Connect to the first address that answers, as a sign-in does: one that is dead is nothing that anybody notices."""
    *others, last = addresses
    for address in others:
        with contextlib.suppress(OSError):
            return socket.create_connection((address, port), CONNECT / len(addresses))
    return socket.create_connection((last, port), CONNECT)


def _certificate(context: CheckContext, target: Target, addresses: Sequence[str]) -> Certificate | None:
    """Return the server's certificate, verified as the runtime verifies it; None where there is none to read."""
    with _connected(addresses, target.port) as connected:
        connected.settimeout(CONNECT)
        if target.scheme == "http":
            return None
        tls = tls_context(context.options.ca_bundle)
        policy = context.connection.mutual_tls
        if policy is not None:
            with contextlib.suppress(
                FedbridgeError
            ):  # What is wrong with it is a finding about our own keys.
                present(tls, context.keys.client_certificate(policy, context.deadline()))
        with tls.wrap_socket(connected, server_hostname=target.host) as secured:
            der = secured.getpeercert(binary_form=True) or b""
    # OpenSSL took it; that another library cannot read it breaks no sign-in.
    with contextlib.suppress(ValueError, InvalidVersion):
        return load_der_x509_certificate(der)
    return None


def _expiry(host: str, certificate: Certificate | None, now: float) -> Iterator[Finding]:
    if certificate is None:
        return
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    left = ends - dt.datetime.fromtimestamp(now, dt.UTC)
    if left < min(SOON, (ends - begins) / 4):
        yield found("tls_certificate_expires_soon", f"The certificate of {host} ends on {ends:%Y-%m-%d}.")
