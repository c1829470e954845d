"""What an operator writes and holds: the connection of a preset, and a certificate."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from fedbridge.configuration.file import load
from fedbridge.configuration.presets import read_preset
from fedbridge.model.connection import Connection
from tests.presets.facts import CLIENT, Facts
from tests.support.presets import RELYING_PARTY, with_overlay
from tests.support.yaml_text import to_yaml
from tests.unit.rp.idp import NOW, PrivateKey, native


def connection_of(facts: Facts, folder: Path, variant: str | None = None) -> Connection:
    """Return the connection that `fedbridge connections` makes of what an operator writes.

    `variant` names a variant or an environment of the preset, whose keys are pasted over it.
    """
    body = {"preset": facts.preset, "client_id": CLIENT, **facts.own, "relying_parties": [RELYING_PARTY]}
    if variant is not None:
        preset = read_preset(facts.preset)
        overlays = (*preset.about.environments, *preset.about.variants)
        (overlay,) = [each for each in overlays if each.name == variant]
        body = with_overlay(preset, overlay, body)
    file = folder / "connections.yaml"
    file.write_text(to_yaml({"connections": {"idp": body}}), "utf-8")
    return load(file)["idp"]


def certificate_of(key: PrivateKey) -> str:
    """Return a self-signed certificate of a key, PEM."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bridge")])
    start = dt.datetime.fromtimestamp(NOW, dt.UTC)
    builder = x509.CertificateBuilder(
        subject_name=name,
        issuer_name=name,
        public_key=native(key).public_key(),
        serial_number=1,
        not_valid_before=start,
        not_valid_after=start + dt.timedelta(days=365),
    )
    return builder.sign(native(key), hashes.SHA256()).public_bytes(Encoding.PEM).decode()
