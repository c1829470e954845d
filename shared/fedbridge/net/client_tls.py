"""Mutual TLS: a context and a pool of connections for each client certificate, which no two connections share."""

from __future__ import annotations

import hashlib
import os
import ssl
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fedbridge.errors import ConfigurationError

if TYPE_CHECKING:
    import httpx

    from fedbridge.ports import ClientCertificate

MAX_PROFILES = 32
"""Client certificates whose connections are kept; a TLS context holds the public authorities and 0.7 MB with them."""

_DESCRIPTORS = "/proc/self/fd" if sys.platform == "linux" else "/dev/fd"


class CertifiedClients:
    """HTTP clients by client certificate, each made by `make` when it is first needed; safe under threads.

    A TLS session is authenticated for as long as it lasts, so a connection made with one certificate must never carry
    a request of another. Of more than 32 the least recently used is closed, as soon as nobody uses it.
    """

    def __init__(self, make: Callable[[ClientCertificate], httpx.Client]) -> None:
        self._make = make
        self._leases: OrderedDict[bytes, _Lease] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._leases)

    @contextmanager
    def client(self, certificate: ClientCertificate) -> Iterator[httpx.Client]:
        """Yield the client that shows this certificate; raises ConfigurationError where none can."""
        lease = self._take(certificate)
        try:
            yield lease.client
        finally:
            self._give_back(lease)

    def close(self) -> None:
        """Close the kept connections."""
        with self._lock:
            leases = list(self._leases.values())
            self._leases.clear()
        for lease in leases:
            lease.client.close()

    def _take(self, certificate: ClientCertificate) -> _Lease:
        key = _digest(certificate)
        with self._lock:
            lease = self._leases.get(key)
            if lease is None:
                lease = self._leases[key] = _Lease(self._make(certificate))
            self._leases.move_to_end(key)
            lease.users += 1
            if len(self._leases) > MAX_PROFILES:
                _, oldest = self._leases.popitem(last=False)
                oldest.retired = True
                if not oldest.users:
                    oldest.client.close()
        return lease

    def _give_back(self, lease: _Lease) -> None:
        with self._lock:
            lease.users -= 1
            if lease.retired and not lease.users:
                lease.client.close()


@dataclass(slots=True)
class _Lease:
    client: httpx.Client
    users: int = 0
    retired: bool = False


def present(context: ssl.SSLContext, certificate: ClientCertificate) -> None:
    """Let a context show this certificate to servers that ask for one; raises ConfigurationError.

    OpenSSL takes the key from a path alone. The path here is that of a pipe which is full before it is read and gone
    afterwards: the key is in no file, not even for a moment, and Lambda needs no disk that can be written.
    """
    with _piped(certificate.chain) as chain, _piped(certificate.private_key) as key:
        try:
            # With a password OpenSSL never asks a terminal for one.
            context.load_cert_chain(chain, key, password=lambda: "")
        except (
            OSError,
            ValueError,
        ) as failure:  # ssl.SSLError is one; of a pipe OpenSSL may say that it cannot seek
            said = getattr(failure, "reason", None) or "malformed"
            raise ConfigurationError(
                f"mutual_tls: OpenSSL refuses the certificate or its key ({said})",
                reason="client_certificate_invalid",
            ) from None


@contextmanager
def _piped(text: str) -> Iterator[str]:
    data = text.encode("ascii")
    reader, writer = os.pipe()
    try:
        os.set_blocking(writer, False)
        try:
            written = os.write(writer, data)
        finally:
            os.close(writer)
        if written != len(data):
            raise ConfigurationError(
                f"mutual_tls: the certificate chain is longer than {written} bytes",
                reason="client_certificate_invalid",
            )
        yield f"{_DESCRIPTORS}/{reader}"
    finally:
        os.close(reader)


def _digest(certificate: ClientCertificate) -> bytes:
    """Return what tells profiles apart, without keeping a key alive that was rotated."""
    digest = hashlib.sha256()
    for part in (certificate.connection, certificate.chain, certificate.private_key):
        data = part.encode("utf-8")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.digest()
