"""A TLS server of the tests by PEM files, as programs take them."""

from pathlib import Path

import trustme

from tests.counterparts.oidc_provider import Tls
from tests.support.client_certificates import client_authority


def tls_files(folder: Path) -> Tls:
    """Return a certificate for 127.0.0.1 and localhost of a new authority; client certificates are asked for."""
    authority = trustme.CA()
    paths = {name: folder / f"{name}.pem" for name in ("authority", "server", "key", "client_ca")}
    authority.cert_pem.write_to_path(paths["authority"])
    server = authority.issue_cert("127.0.0.1", "localhost")
    server.cert_chain_pems[0].write_to_path(paths["server"])
    server.private_key_pem.write_to_path(paths["key"])
    paths["client_ca"].write_text(client_authority().certificate)
    return Tls(
        certificate=paths["server"],
        key=paths["key"],
        client_ca=paths["client_ca"],
        authority=paths["authority"],
    )
