"""The one way out: `ports.HttpClient`."""

from __future__ import annotations

import contextlib
import functools
import re
import ssl
from collections.abc import Collection
from typing import TYPE_CHECKING

import certifi
import httpcore
import httpx

from fedbridge.errors import ConfigurationError, DeadlineExceeded, UpstreamError
from fedbridge.net.client_tls import CertifiedClients, present
from fedbridge.net.targets import Target, parse_private_hosts, parse_target, unavailable
from fedbridge.net.transport import Exchange, Resolver, Transport, system_resolver
from fedbridge.ports import OutboundRequest, OutboundResponse

if TYPE_CHECKING:
    from fedbridge.model.deadline import Deadline
    from fedbridge.ports import ClientCertificate

CONNECT_TIMEOUT = 3.0
"""Seconds for a TCP connection, and as many for the TLS handshake."""

_FRAMING = 128 * 1024
"""Bytes that may come beside a body: heads, chunk sizes, trailers."""

_HEADER_NAME = re.compile(r"[A-Za-z0-9-]+")
_HEADER_VALUE = re.compile(r"(?:[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)?")


class OutboundClient:
    """Sends each request once, over HTTP/1.1, to https targets with public addresses; safe under threads.

    There is no redirect, proxy, netrc, cookie or decompression in it, nor any setting that would bring one back.
    `private_hosts` are `host:port` items that may be loopback or private (`fedbridge.net.targets`), `ca_bundle` a PEM
    file trusted beside the public authorities, `connect_timeout` in seconds.

    A kept connection that the server closed is noticed before it is used. The server may still close it in the moment
    of use: that fails as `upstream_unreachable` and nothing is sent again, because no client can tell what was
    processed (RFC 9112 §9.3.1).
    """

    def __init__(
        self,
        *,
        private_hosts: Collection[str] = (),
        ca_bundle: str | None = None,
        resolve: Resolver = system_resolver,
        connect_timeout: float = CONNECT_TIMEOUT,
    ) -> None:
        self._private_hosts = parse_private_hosts(private_hosts)
        self._connect_timeout = connect_timeout
        self._ca_bundle = ca_bundle
        self._resolve = resolve
        self._transport = Transport(tls_context(ca_bundle), resolve)
        self._client = _client(self._transport)
        self._certified = CertifiedClients(self._new_certified_client)

    def send(self, request: OutboundRequest, deadline: Deadline) -> OutboundResponse:
        """Send once; see `ports.HttpClient`. A header that cannot be sent is the caller's fault: ValueError."""
        if request.client_certificate is None:
            return self._send(self._client, request, deadline)
        with self._certified.client(request.client_certificate) as client:
            return self._send(client, request, deadline)

    def _send(self, client: httpx.Client, request: OutboundRequest, deadline: Deadline) -> OutboundResponse:
        outgoing = self._outgoing(request, deadline)
        status = None
        try:
            with contextlib.closing(client.send(outgoing, stream=True)) as response:
                status = response.status_code
                _check_head(response)
                return OutboundResponse(
                    status=status,
                    headers=dict(response.headers.items()),
                    body=_read(response, request.max_bytes),
                )
        # All from None: the libraries quote what could not be read.
        except (DeadlineExceeded, httpcore.TimeoutException):
            raise unavailable("upstream_timeout") from None
        except httpcore.NetworkError as error:
            tls = isinstance(error.__context__, ssl.SSLError)
            raise unavailable("upstream_tls_failed" if tls else "upstream_unreachable") from None
        except httpcore.RemoteProtocolError:
            raise UpstreamError("upstream_response_invalid", upstream_status=status) from None

    def close(self) -> None:
        """Close the kept connections."""
        self._transport.close()
        self._certified.close()

    def _new_certified_client(self, certificate: ClientCertificate) -> httpx.Client:
        tls = tls_context(self._ca_bundle)
        present(tls, certificate)
        return _client(Transport(tls, self._resolve))

    def _outgoing(self, request: OutboundRequest, deadline: Deadline) -> httpx.Request:
        """Return the request as it is sent: httpx adds its length, and nothing else."""
        target = parse_target(request.url, self._private_hosts)
        exchange = Exchange(
            target=target,
            deadline=deadline,
            connect_timeout=self._connect_timeout,
            limit=2 * request.max_bytes + _FRAMING,
        )
        return httpx.Request(
            request.method,
            _url(target.origin),
            headers=_headers(request, target),
            content=request.body,
            extensions=exchange.extensions,
        )


def _client(transport: Transport) -> httpx.Client:
    return httpx.Client(transport=transport, trust_env=False, follow_redirects=False)


@functools.lru_cache(maxsize=256)
def _url(origin: tuple[str, str, int]) -> httpx.URL:
    scheme, host, port = origin
    return httpx.URL(scheme=scheme, host=host, port=port, path="/")


def tls_context(ca_bundle: str | None = None) -> ssl.SSLContext:
    """Return a context that verifies certificate and host name, TLS 1.2 or later; raises ConfigurationError.

    Made by hand, because `ssl.create_default_context` listens to the environment (SSL_CERT_FILE, SSL_CERT_DIR,
    SSLKEYLOGFILE). The flags are those that Python sets by default since 3.13.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    context.load_verify_locations(certifi.where())
    if ca_bundle is not None:
        try:
            context.load_verify_locations(ca_bundle)
        except OSError as error:  # ssl.SSLError is one
            raise ConfigurationError(
                f"FEDBRIDGE_CA_BUNDLE: {ca_bundle} is not a PEM file of certificates"
            ) from error
    return context


def _headers(request: OutboundRequest, target: Target) -> dict[str, str]:
    headers = {"user-agent": "fedbridge"}
    for name, value in request.headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"the header {name!r} cannot be sent")  # its value may be a credential
        headers[name.lower()] = value
    return headers | {"host": target.authority, "accept-encoding": "identity"}


def _check_head(response: httpx.Response) -> None:
    """Refuse what is not HTTP/1, and every encoding but identity, which was asked for.

    A compressed body has no size until it is a bomb.
    """
    encodings = response.headers.get_list("content-encoding", split_commas=True)
    identity = all(encoding.strip().lower() in {"", "identity"} for encoding in encodings)
    if not identity or response.http_version not in {"HTTP/1.0", "HTTP/1.1"}:
        raise httpcore.RemoteProtocolError


def _read(response: httpx.Response, max_bytes: int) -> bytes:
    body = bytearray()
    for piece in response.iter_raw():
        body += piece
        if len(body) > max_bytes:
            raise httpcore.RemoteProtocolError
    return bytes(body)
