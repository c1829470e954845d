"""The one way out: `ports.HttpClient`."""

from __future__ import annotations

import re
import ssl
import threading
import time
from collections.abc import Collection
from typing import TYPE_CHECKING

import certifi

from fedbridge.errors import ConfigurationError, DeadlineExceeded
from fedbridge.net.http11 import Connection, Resolver, connect, system_resolver
from fedbridge.net.targets import Target, parse_private_hosts, parse_target, unavailable
from fedbridge.ports import Clock, OutboundRequest, OutboundResponse

if TYPE_CHECKING:
    from fedbridge.model.deadline import Deadline

CONNECT_TIMEOUT = 3.0
"""Seconds for a TCP connection, and as many for the TLS handshake."""

KEEP_ALIVE = 60.0
"""Seconds that an idle connection is kept."""

MAX_IDLE = 20
"""Connections that are kept; identity providers are many, file descriptors are not."""

_HEADER_NAME = re.compile(r"[A-Za-z0-9-]+")
_HEADER_VALUE = re.compile(r"(?:[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)?")


class OutboundClient:
    """Sends each request once, over HTTP/1.1, to https targets with public addresses; safe under threads.

    There is no redirect, proxy, netrc, cookie or decompression in it, nor any setting that would bring one back.
    `private_hosts` are `host:port` items that may be loopback or private (`fedbridge.net.targets`), `ca_bundle` a PEM
    file trusted beside the public authorities, `connect_timeout` in seconds, `clock` in seconds since the epoch.

    A kept connection that the server closed is noticed before it is used. The server may still close it in the moment
    of use: that fails as `upstream_unreachable` and nothing is sent again, because no client can tell what was
    processed (RFC 9112 §9.3.1). Idle time is measured by the wall clock: in a frozen sandbox others may stand still.
    """

    def __init__(
        self,
        *,
        private_hosts: Collection[str] = (),
        ca_bundle: str | None = None,
        resolve: Resolver = system_resolver,
        connect_timeout: float = CONNECT_TIMEOUT,
        clock: Clock = time.time,
    ) -> None:
        self._private_hosts = parse_private_hosts(private_hosts)
        self._tls = tls_context(ca_bundle)
        self._resolve = resolve
        self._connect_timeout = connect_timeout
        self._clock = clock
        self._lock = threading.Lock()
        self._idle: list[tuple[float, tuple[str, str, int], Connection]] = []

    def send(self, request: OutboundRequest, deadline: Deadline) -> OutboundResponse:
        """Send once; see `ports.HttpClient`. A header that cannot be sent is the caller's fault: ValueError."""
        target = parse_target(request.url, self._private_hosts)
        headers = _headers(request, target)
        try:
            deadline.remaining()
            connection = self._take(target) or connect(
                target, resolve=self._resolve, tls=self._tls, timeout=self._connect_timeout, deadline=deadline
            )
            try:
                response = connection.exchange(request, target, headers, deadline)
            except BaseException:
                connection.close()
                raise
        except DeadlineExceeded:
            raise unavailable("upstream_timeout") from None
        self._give(target, connection)
        return response

    def close(self) -> None:
        """Close the kept connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, _, connection in idle:
            connection.close()

    def _take(self, target: Target) -> Connection | None:
        """Return a kept connection to the target that can still be used, the last one used first."""
        while True:
            with self._lock:
                place = next(
                    (at for at in reversed(range(len(self._idle))) if self._idle[at][1] == target.origin),
                    None,
                )
                if place is None:
                    return None
                since, _, connection = self._idle.pop(place)
            if self._clock() - since <= KEEP_ALIVE and connection.is_open():
                return connection
            connection.close()

    def _give(self, target: Target, connection: Connection) -> None:
        if not connection.reusable:
            connection.close()
            return
        with self._lock:
            self._idle.append((self._clock(), target.origin, connection))
            surplus = [self._idle.pop(0)] if len(self._idle) > MAX_IDLE else []
        for _, _, oldest in surplus:
            oldest.close()


def tls_context(ca_bundle: str | None = None) -> ssl.SSLContext:
    """Return a context that verifies certificate and host name, TLS 1.2 or later; raises ConfigurationError.

    Made by hand, because `ssl.create_default_context` listens to the environment (SSL_CERT_FILE, SSL_CERT_DIR,
    SSLKEYLOGFILE). The flags are those that Python sets by default since 3.13.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    context.set_alpn_protocols(["http/1.1"])
    context.load_verify_locations(certifi.where())
    if ca_bundle is not None:
        try:
            context.load_verify_locations(ca_bundle)
        except OSError as error:  # ssl.SSLError is one
            raise ConfigurationError(
                f"FEDBRIDGE_CA_BUNDLE: {ca_bundle} is not a PEM file of certificates"
            ) from error
    return context


def _headers(request: OutboundRequest, target: Target) -> list[tuple[str, str]]:
    headers: dict[str, str] = {"user-agent": "fedbridge"}
    for name, value in request.headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"the header {name!r} cannot be sent")  # its value may be a credential
        headers[name.lower()] = value
    headers |= {"host": target.authority, "accept-encoding": "identity"}
    if request.body is not None or request.method != "GET":
        headers["content-length"] = str(len(request.body or b""))
    return list(headers.items())
