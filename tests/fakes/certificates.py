"""Throw-away certificate authorities, and server contexts that are right or wrong in one way."""

import datetime as dt
import ssl
from pathlib import Path

import trustme


class Authority:
    """A certificate authority; `bundle` is the PEM file of its certificate."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self._folder = folder
        self.bundle = str(folder / "ca.pem")
        self._ca.cert_pem.write_to_path(self.bundle)

    def server(
        self, *names: str, not_before: dt.datetime | None = None, not_after: dt.datetime | None = None
    ) -> ssl.SSLContext:
        """Return the context of a server with a certificate for `names`."""
        return _server(self._ca.issue_cert(*names, not_before=not_before, not_after=not_after))

    def server_without_intermediate(self, name: str) -> ssl.SSLContext:
        """Return the context of a server that sends its own certificate and not the one that signed it."""
        leaf = self._ca.create_child_ca().issue_cert(name)
        path = self._folder / "leaf.pem"
        path.write_bytes(leaf.private_key_pem.bytes() + leaf.cert_chain_pems[0].bytes())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


def _server(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context
