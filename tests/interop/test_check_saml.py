"""`fedbridge check` at a SAML IdP: the metadata are samlify's, signed, served over HTTP, and changed for what is wrong."""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from fedbridge.configuration.presets import merge
from fedbridge.configuration.strict_yaml import read_yaml
from tests.counterparts.samlify_idp import IdpSettings, SamlifyIdp
from tests.fakes.peers import Peer, Visit, answer
from tests.interop.checking import DAY, run_check
from tests.interop.saml_bridge import IDP, SSO, running_saml_bridge
from tests.support.client_certificates import self_signed
from tests.support.keys import private_pem, rsa_key
from tests.unit.sp.idp import NS, certificate, der_text, sign

pytestmark = pytest.mark.interop

REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
LONG = 400
"""Days that what is not wrong is still valid."""

_, SIGNER = certificate(41, ends=LONG)
_, STRANGER = certificate(42, ends=LONG)
SHA256_WITH_RSA, SHA1_WITH_RSA = (bytes.fromhex(f"06092a864886f70d0101{last}") for last in ("0b", "05"))


@dataclass(frozen=True, kw_only=True)
class Broken:
    """What is wrong: `metadata` changes the IdP's document before it is signed, `served` after, `change` the connection."""

    codes: tuple[str, ...]
    metadata: Callable[[etree._Element], object] = lambda _: None
    served: Callable[[str], str] = str
    change: Mapping[str, Any] | Callable[[Path], Mapping[str, Any]] = field(default_factory=dict)
    saml: Mapping[str, Any] | Callable[[Path], Mapping[str, Any]] = field(default_factory=dict)
    signer: str | None = SIGNER
    bridge: bool = True


# --- ways to break it ------------------------------------------------------------------------------------------------------


def until(**distance: float) -> Callable[[etree._Element], object]:
    moment = dt.datetime.now(dt.UTC) + dt.timedelta(**distance)
    return lambda root: root.set("validUntil", f"{moment:%Y-%m-%dT%H:%M:%SZ}")


def showing(*certificates: str) -> Callable[[etree._Element], object]:
    """Certificates in the place of the IdP's own, each in a KeyDescriptor."""

    def change(root: etree._Element) -> None:
        descriptor = _role(root)
        old = descriptor.findall("md:KeyDescriptor", NS)
        for number, each in enumerate(certificates):
            text = (
                f'<md:KeyDescriptor xmlns:md="{NS["md"]}" xmlns:ds="{NS["ds"]}" use="signing"><ds:KeyInfo><ds:X509Data>'
                f"<ds:X509Certificate>{each}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
            )
            descriptor.insert(number, etree.fromstring(text))
        for one in old:
            descriptor.remove(one)

    return change


def made(number: int, **how: Any) -> str:
    return der_text(certificate(number, **how)[1])


def by_sha1() -> str:
    """A certificate that says it is signed by SHA-1; nobody verifies that signature."""
    der = base64.b64decode(made(43, ends=LONG))
    return base64.b64encode(der.replace(SHA256_WITH_RSA, SHA1_WITH_RSA)).decode()


def without(name: str) -> Callable[[etree._Element], object]:
    def change(root: etree._Element) -> None:
        for each in _role(root).findall(f"md:{name}", NS):
            _role(root).remove(each)

    return change


def only_by_redirect(root: etree._Element) -> None:
    for each in _role(root).findall("md:SingleSignOnService", NS):
        if each.get("Binding") != REDIRECT:
            _role(root).remove(each)


def verifying(*algorithms: str) -> Callable[[etree._Element], object]:
    """The IdP says which signatures it verifies."""
    alg = "urn:oasis:names:tc:SAML:metadata:algsupport"
    methods = "".join(f'<alg:SigningMethod Algorithm="{each}"/>' for each in algorithms)
    text = f'<md:Extensions xmlns:md="{NS["md"]}" xmlns:alg="{alg}">{methods}</md:Extensions>'
    return lambda root: root.insert(0, etree.fromstring(text))


def in_a_federation(document: str) -> str:
    """An aggregate that never ends, signed."""
    root = etree.fromstring(
        f'<md:EntitiesDescriptor xmlns:md="{NS["md"]}" ID="_all">{document}</md:EntitiesDescriptor>'
    )
    for each in root.findall("md:EntityDescriptor", NS):
        for signature in each.findall("ds:Signature", NS):
            each.remove(signature)
    sign(root, *certificate(41, ends=LONG), at_index=0)
    return etree.tostring(root, encoding="unicode")


def by_hand(folder: Path, number: int, **how: Any) -> Mapping[str, Any]:
    """The IdP without metadata."""
    (folder / "idp.pem").write_text(certificate(number, **how)[1])
    return {
        "metadata": None,
        "provider": {"single_sign_on_service": SSO, "certificates": [f"file:{folder / 'idp.pem'}"]},
    }


def _role(root: etree._Element) -> etree._Element:
    descriptor = root.find("md:IDPSSODescriptor", NS)
    assert descriptor is not None
    return descriptor


def own_key(*, of: int = 44, ends: dt.timedelta = LONG * DAY) -> Callable[[Path], Mapping[str, Any]]:
    """Another key of ours, with a certificate."""

    def keys(folder: Path) -> Mapping[str, Any]:
        now = dt.datetime.now(dt.UTC)
        pem = self_signed(rsa_key(2048, of), begins=now - LONG * DAY, ends=now + ends)
        return {"signing_keys": [_pair(folder, "new", 44, pem)]}

    return keys


def _pair(folder: Path, name: str, number: int, pem: str) -> dict[str, str]:
    (folder / f"{name}.key").write_text(private_pem(rsa_key(2048, number)))
    (folder / f"{name}.pem").write_text(pem)
    return {"key": f"file:{folder / name}.key", "certificate": f"file:{folder / name}.pem"}


ALGORITHM = "http://www.w3.org/2001/04/xmldsig-more#"

WORKING = {
    "metadata by URL, signed": Broken(codes=()),
    "metadata by URL, that end in a week": Broken(codes=(), metadata=until(days=7)),
    "metadata by URL, with a certificate to come": Broken(
        codes=(), metadata=showing(made(45, ends=LONG), made(46, ends=LONG))
    ),
    "metadata that say what is verified": Broken(codes=(), metadata=verifying(f"{ALGORITHM}rsa-sha256")),
    "an IdP written down by hand": Broken(codes=(), saml=lambda folder: by_hand(folder, 45, ends=LONG)),
    "nobody said where the bridge is": Broken(codes=(), bridge=False),
}

BROKEN = {
    "no metadata there": Broken(codes=("saml_metadata_unavailable",), served=lambda _: ""),
    "no file where the reference leads": Broken(
        codes=("saml_metadata_unavailable",), saml={"metadata": {"source": "file:/nowhere/idp.xml"}}
    ),
    "a host where nothing listens": Broken(
        codes=("host_unreachable",),
        saml={"metadata": {"source": "http://127.0.0.1:9/metadata"}},
        bridge=False,
    ),
    "a page in the place of metadata": Broken(
        codes=("saml_metadata_malformed",), served=lambda _: "<html><h1>Hello</h1></html>", signer=None
    ),
    "metadata signed by somebody else": Broken(codes=("saml_metadata_signature_invalid",), signer=STRANGER),
    "metadata changed after they were signed": Broken(
        codes=("saml_metadata_signature_invalid",), served=lambda text: text.replace(SSO, f"{SSO}2")
    ),
    "metadata of another entity": Broken(
        codes=("saml_metadata_entity_mismatch",), change={"issuer": "https://other.example/saml"}
    ),
    "metadata that have ended": Broken(codes=("saml_metadata_expired",), metadata=until(hours=-1)),
    "metadata that end today": Broken(codes=("saml_metadata_expires_soon",), metadata=until(hours=2)),
    "a federation's metadata that never end": Broken(
        codes=("saml_metadata_unlimited",), served=in_a_federation, saml={"metadata": {"kind": "aggregate"}}
    ),
    "metadata without a way to sign in": Broken(
        codes=("saml_metadata_incomplete",), metadata=without("SingleSignOnService")
    ),
    "a certificate that has ended": Broken(
        codes=("saml_certificate_expired",), metadata=showing(made(47, begins=-90, ends=-2))
    ),
    "a certificate that has ended beside one that is valid": Broken(
        codes=("saml_certificate_old",), metadata=showing(made(47, begins=-90, ends=-2), made(45, ends=LONG))
    ),
    "a certificate that ends within the month, and no other": Broken(
        codes=("saml_certificate_expires_soon",), metadata=showing(made(48, ends=9))
    ),
    "a certificate of a weak key": Broken(
        codes=("saml_certificate_weak",), metadata=showing(made(49, bits=1024, ends=LONG))
    ),
    "a certificate of a weak key, by hand": Broken(
        codes=("saml_certificate_weak",), saml=lambda folder: by_hand(folder, 49, bits=1024, ends=LONG)
    ),
    "a certificate that has ended, by hand": Broken(
        codes=("saml_certificate_expired",), saml=lambda folder: by_hand(folder, 47, begins=-90, ends=-2)
    ),
    "a certificate signed by SHA-1": Broken(codes=("saml_certificate_sha1",), metadata=showing(by_sha1())),
    "a binding that is not offered": Broken(
        codes=("saml_binding_not_offered",), metadata=only_by_redirect, saml={"request": {"binding": "post"}}
    ),
    "no way to sign out": Broken(
        codes=("saml_logout_not_offered",), saml={"logout": {}}, change={"logout": {"sessions": True}}
    ),
    "artifacts that nobody resolves": Broken(codes=("saml_artifact_not_offered",), saml={"artifact": {}}),
    "requests that are not signed, where they must be": Broken(
        codes=("saml_signed_requests_wanted",),
        metadata=lambda root: _role(root).set("WantAuthnRequestsSigned", "true"),
        saml={"request": {"signed": False}},
    ),
    "requests signed by what the IdP does not verify": Broken(
        codes=("saml_signature_algorithm_not_offered",), metadata=verifying(f"{ALGORITHM}ecdsa-sha256")
    ),
    "a key that was not published yet": Broken(codes=("sp_metadata_outdated",), saml=own_key()),
    "a certificate of ours that has ended": Broken(
        codes=("certificate_expired",), saml=own_key(ends=-2 * DAY), bridge=False
    ),
    "a certificate of ours that is of another key": Broken(
        codes=("certificate_mismatch",), saml=own_key(of=50)
    ),
}


@dataclass(kw_only=True)
class Server:
    """Serves one document, 404 where it is empty."""

    document: str = ""
    port: int = 0

    def behave(self, visit: Visit) -> None:
        while visit.read_request():
            body = self.document.encode()
            visit.send(answer(body) if body else answer(b"", b"404 Not Found"))


@contextmanager
def served() -> Iterator[Server]:
    server = Server()
    with Peer(server.behave) as peer:
        server.port = peer.port
        yield server


@pytest.fixture(scope="module")
def document() -> str:
    """samlify's own metadata."""
    key, pem = certificate(40, ends=LONG)
    with SamlifyIdp() as samlify:
        return samlify.metadata(IdpSettings(entity_id=IDP, url=SSO, key=private_pem(key), certificate=pem))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with served() as server:
        yield server


@pytest.fixture(scope="module")
def bridge(tmp_path_factory, server):
    folder = tmp_path_factory.mktemp("saml")
    now = dt.datetime.now(dt.UTC)
    with running_saml_bridge(folder) as bridge:
        pem = self_signed(rsa_key(2048, 51), begins=now - DAY, ends=now + LONG * DAY)
        (folder / "signer.pem").write_text(SIGNER)
        bridge.declare({
            "metadata": {"source": f"http://127.0.0.1:{server.port}/metadata", "signer": f"file:{folder / 'signer.pem'}"},
            "signing_keys": [_pair(folder, "sign", 51, pem)],
        })  # fmt: skip
        yield bridge


@pytest.fixture
def check(bridge, server, document, tmp_path, capsys):
    body = read_yaml((bridge.folder / "connections.yaml").read_text(), [])["connections"]["saml-idp"]

    def run(broken: Broken) -> Any:
        root = etree.fromstring(document)
        root.set("ID", "_metadata")
        broken.metadata(root)
        sign(root, *certificate(41, ends=LONG), at_index=0)
        server.document = broken.served(etree.tostring(root, encoding="unicode"))
        saml, change = (each(tmp_path) if callable(each) else each for each in (broken.saml, broken.change))
        changed = merge(body, {"saml": saml, **change})
        changed["saml"] = {key: value for key, value in changed["saml"].items() if value is not None}
        if broken.signer is None:
            del changed["saml"]["metadata"]["signer"]
        elif "metadata" in changed["saml"]:
            (tmp_path / "signer.pem").write_text(broken.signer)
            changed["saml"]["metadata"]["signer"] = f"file:{tmp_path / 'signer.pem'}"
        (tmp_path / "connections.yaml").write_text(json.dumps({"connections": {"saml-idp": changed}}))
        arguments = ["saml-idp", "--file", str(tmp_path / "connections.yaml"), "--local"]
        return run_check(capsys, [*arguments, *(["--base-url", bridge.url] if broken.bridge else [])])

    return run


def named(entries: Mapping[str, Broken]) -> list[Any]:
    return [pytest.param(each, id=what) for what, each in entries.items()]


@pytest.mark.parametrize("working", named(WORKING))
def test_nothing_is_found_where_nothing_is_wrong(check, working):
    checked = check(working)
    assert checked.findings == []
    assert checked.exit_code == 0


@pytest.mark.parametrize("broken", named(BROKEN))
def test_what_is_wrong_is_found_and_named(check, broken):
    checked = check(broken)
    assert checked.codes == sorted(broken.codes), checked.findings
    assert checked.exit_code == int(checked.is_bad)
