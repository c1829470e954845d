"""Servers that ask for a client certificate, and note whose they were shown."""

import ssl

from cryptography import x509

from fedbridge.ports import ClientCertificate
from tests.fakes.certificates import Authority
from tests.fakes.peers import Behaviour, Visit
from tests.support.client_certificates import client_authority, self_signed
from tests.support.keys import ec_key, private_pem
from tests.support.outbound import HOST


def asking(
    authority: Authority, *, required: bool = True, trusted: str | None = None, name: str = HOST
) -> ssl.SSLContext:
    """Return the context of a server that trusts client certificates of `trusted`, by default the client authority."""
    context = authority.server(name)
    context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    context.load_verify_locations(cadata=trusted or client_authority().certificate)
    return context


def certificate_of(name: str, number: int = 0, **others: str) -> ClientCertificate:
    """Return a certificate of the client authority for the connection of this name."""
    key = ec_key(number=950 + number)
    chain = client_authority().issue(key, name=name)
    return ClientCertificate(
        **{"chain": chain, "private_key": private_pem(key), "connection": name, **others}
    )


def unknown_certificate() -> ClientCertificate:
    """Return a certificate that no server trusts."""
    key = ec_key(number=949)
    return ClientCertificate(chain=self_signed(key), private_key=private_pem(key), connection="unknown")


class Shown:
    """Answers every request of a connection; `names` are the subjects of the certificates, one a connection."""

    def __init__(self, response: bytes) -> None:
        self.response = response
        self.names: list[str | None] = []

    def behave(self, visit: Visit) -> None:
        assert isinstance(visit.socket, ssl.SSLSocket)
        der = visit.socket.getpeercert(binary_form=True)
        self.names.append(
            None
            if der is None
            else str(x509.load_der_x509_certificate(der).subject.rdns[-1].rfc4514_string())
        )
        while visit.read_request():
            visit.send(self.response)

    @property
    def behaviour(self) -> Behaviour:
        return self.behave
