"""The bridge among neighbours that nobody here wrote: its functions behind HTTP on loopback, configured as operators do.

    with running_bridge(op, folder, [Declared(name="bank", yaml="client_authentication: …", key="P-256")]) as bridge:
        pool.create_identity_provider(bridge.identity_provider("bank"))
        signed_in = sign_in_at_pool(bridge, pool, browser)

The handlers are those of functions/*/app.py, routed from template.yaml, with the memory store and keys in files. They run
in this process, so that the canary watch sees what they are sent, what they answer and what they log.
"""

from __future__ import annotations

import datetime as dt
import gc
import importlib.util
import itertools
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from string import Template
from textwrap import indent
from types import ModuleType
from typing import Any, Literal
from zlib import crc32

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from fedbridge.cli.secrets import new_client_secret
from fedbridge.cli.template import read_routes
from fedbridge.keys.algorithms import PrivateKey
from fedbridge.net.outbound import OutboundClient
from fedbridge.op.client_authentication import secret_hash
from tests.counterparts.api_gateway import ApiGateway, PayloadFormat, Target, in_process
from tests.counterparts.cognito_configuration import Endpoints, OidcIdentityProvider
from tests.counterparts.oidc_provider import Client, OidcProvider
from tests.counterparts.openid_client import RelyingParty
from tests.support import canaries, client_certificates
from tests.support.keys import ec_key, private_pem, rsa_key
from tests.support.machine import ROOT

MOST_LINES = 15
"""Lines of YAML that a connection may take."""

CLIENT_ID = "cognito"
POOL_DOMAIN = "https://acme.auth.eu-west-1.amazoncognito.com"
CUSTOM_DOMAIN = "https://login.acme.example"
APP = "http://localhost:9/oauth2/idpresponse"
"""Where openid-client, in Cognito's place, is sent back to."""
REDIRECT_URIS = (f"{POOL_DOMAIN}/oauth2/idpresponse", f"{CUSTOM_DOMAIN}/oauth2/idpresponse", APP)

# Of keys and stores: far from the numbers that tests give to keys of their own.
_numbers = itertools.count(10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """A connection as an operator declares it, and the client that the IdP has registered for it.

    `yaml` holds the connection's lines but for issuer, client id, authorization and relying party. In it `$key`,
    `$secret` and `$certificate` stand for references of files that are written for it, `$op` for the IdP's issuer, `$port` for its port.
    `key` is RSA or the name of a curve. `client` are members of `Client`. With `tls`, `$tls` is a PEM file of a client
    certificate and its key, by itself or of the authority that the IdP trusts. `relying_party` is a further line of the
    relying party.
    """

    name: str
    yaml: str
    key: str | None = None
    secret: str | None = None
    tls: Literal["authority", "self_signed"] | None = None
    client: Mapping[str, Any] = field(default_factory=dict)
    client_id: str | None = None
    relying_party_id: str = CLIENT_ID
    relying_party: str = ""
    authorization: str = "{scope: openid email groups}"

    @property
    def upstream_client_id(self) -> str:
        # Not made of the name: what assertions and ID tokens had in common would be taken for a leak.
        return self.client_id or f"client-{crc32(self.name.encode()):08x}"


@dataclass(frozen=True, kw_only=True)
class RunningBridge:
    """`url` is where it serves, `secrets` are Cognito's by connection, `lines` those of each connection's YAML."""

    url: str
    op: OidcProvider
    file: Path
    connections: Mapping[str, Declared]
    secrets: Mapping[str, str] = field(repr=False)
    lines: Mapping[str, Sequence[str]] = field(repr=False)

    def issuer(self, name: str) -> str:
        return f"{self.url}/{name}"

    def endpoints(self, name: str) -> Endpoints:
        """What to type into Cognito where endpoints are set by hand."""
        issuer = self.issuer(name)
        return Endpoints(
            authorize_url=f"{issuer}/authorize",
            token_url=f"{issuer}/token",
            attributes_url=f"{issuer}/userinfo",
            jwks_uri=f"{issuer}/.well-known/jwks.json",
        )

    def identity_provider(self, name: str, **others: Any) -> OidcIdentityProvider:
        """The connection as a Cognito pool knows it."""
        return OidcIdentityProvider(
            **{
                "name": "Bank",
                "client_id": self.connections[name].relying_party_id,
                "client_secret": self.secrets[name],
                "oidc_issuer": self.issuer(name),
                **others,
            }
        )

    def relying_party(self, name: str, **others: Any) -> RelyingParty:
        """The connection as openid-client knows it."""
        found = {} if "server_metadata" in others else {"issuer": self.issuer(name)}
        return RelyingParty(
            client_id=self.connections[name].relying_party_id,
            redirect_uri=APP,
            client_secret=self.secrets[name],
            **{**found, **others},
        )


@contextmanager
def running_bridge(
    op: OidcProvider,
    folder: Path,
    connections: Sequence[Declared],
    *,
    redirect_uris: Sequence[str] = REDIRECT_URIS,
    payload: PayloadFormat = "2.0",
    function_timeout: float = 29.0,
    private_hosts: Sequence[str] = (),
    publish: Callable[[Path], str] | None = None,
) -> Iterator[RunningBridge]:
    """Write connections.yaml, keys and secrets into `folder`, serve the functions, register the clients at `op`.

    The functions read the file, or what `publish` makes of it: it returns FEDBRIDGE_CONNECTIONS.
    """
    with pytest.MonkeyPatch.context() as environment:
        gateway = ApiGateway({}, payload=payload)
        secrets = {each.name: canaries.canary(new_client_secret(), "client_secret") for each in connections}
        written = {
            each.name: _connection(each, op, folder, secrets[each.name], redirect_uris)
            for each in connections
        }
        file = folder / "connections.yaml"
        file.write_text("\n".join(["connections:", *itertools.chain.from_iterable(written.values())]) + "\n")
        for name, value in _environment(gateway.url, op, folder, file, private_hosts).items():
            environment.setenv(name, value)
        if publish is not None:
            environment.setenv("FEDBRIDGE_CONNECTIONS", publish(file))
        gateway.routes = {
            key: _watched(in_process(handler, timeout=function_timeout))
            for key, handler in _handlers(environment).items()
        }
        with gateway:
            op.set_clients(*op.clients, *(_client(each, gateway.url) for each in connections))
            yield RunningBridge(
                url=gateway.url,
                op=op,
                file=file,
                connections={each.name: each for each in connections},
                secrets=secrets,
                lines=written,
            )
    _close_connections()


def _connection(
    declared: Declared, op: OidcProvider, folder: Path, secret: str, redirect_uris: Sequence[str]
) -> list[str]:
    """Write the connection's key and secret; return its lines of connections.yaml."""
    references = {
        name: f"file:{folder / f'{declared.name}.{name}'}" for name in ("key", "certificate", "secret", "tls")
    }
    if declared.tls is not None:
        (folder / f"{declared.name}.tls").write_text(_client_certificate(declared))
    if declared.key is not None:
        number = next(_numbers)  # connections share no key
        key = rsa_key(number=number) if declared.key == "RSA" else ec_key(declared.key, number=number)
        (folder / f"{declared.name}.key").write_text(private_pem(key))
        (folder / f"{declared.name}.certificate").write_bytes(self_signed(key))
    if declared.secret is not None:
        (folder / f"{declared.name}.secret").write_text(canaries.canary(declared.secret, "client_secret"))
    own = Template(declared.yaml.strip()).substitute(references, op=op.issuer, port=httpx.URL(op.origin).port)
    lines = f"""
  {declared.name}:
    issuer: {op.issuer}
    client_id: {json.dumps(declared.upstream_client_id)}
{indent(own, "    ")}
    authorization: {declared.authorization}
    relying_parties:
      - client_id: {declared.relying_party_id}
        secret_hashes: ["{secret_hash(secret)}"]
        redirect_uris: {json.dumps(list(redirect_uris))}
        restart_url: https://app.example/{declared.name}
"""
    lines += indent(declared.relying_party, "        ")
    written = lines.strip("\n").splitlines()
    assert len(written) <= MOST_LINES, written
    return written


def _client_certificate(declared: Declared) -> str:
    key = ec_key(number=next(_numbers))
    certificate = (
        client_certificates.self_signed(key, name=declared.name)
        if declared.tls == "self_signed"
        else client_certificates.client_authority().issue(key, name=declared.name, days=90)
    )
    return certificate + private_pem(key)


def self_signed(key: PrivateKey) -> bytes:
    """A certificate of the key in PEM, valid for a day."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bridge")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now, now + dt.timedelta(days=1)
    )
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM)


def _environment(
    url: str, op: OidcProvider, folder: Path, file: Path, private_hosts: Sequence[str]
) -> dict[str, str]:
    (folder / "id-token.pem").write_text(private_pem(rsa_key()))
    origin = httpx.URL(op.origin)
    trusted = {"FEDBRIDGE_CA_BUNDLE": str(op.tls.authority)} if op.tls is not None else {}
    return {
        **trusted,
        "FEDBRIDGE_ENVIRONMENT": "interop",
        "FEDBRIDGE_BASE_URL": url,
        "FEDBRIDGE_TRANSACTIONS": f"memory:{next(_numbers)}",
        "FEDBRIDGE_SESSIONS": f"memory:{next(_numbers)}",
        "FEDBRIDGE_CONNECTIONS": f"file:{file}",
        "FEDBRIDGE_ID_TOKEN_KEYS": f"file:{folder / 'id-token.pem'}",
        "FEDBRIDGE_PRIVATE_HOSTS": ",".join(
            [f"{origin.host}:{origin.port}", f"localhost:{origin.port}", *private_hosts]
        ),
        "POWERTOOLS_METRICS_NAMESPACE": "fedbridge/interop",
    }


def _handlers(environment: pytest.MonkeyPatch) -> dict[str, Callable[[Any, Any], Any]]:
    """Route key → handler, each function's module imported anew, because it reads the environment once."""
    modules: dict[Path, ModuleType] = {}
    found = {}
    for route in read_routes(ROOT / "template.yaml"):
        module, _, function = route.handler.partition(".")
        if route.code not in modules:
            name = f"{route.code.name}_{next(_numbers)}"
            environment.setenv("POWERTOOLS_SERVICE_NAME", name)
            modules[route.code] = _import(name, route.code / f"{module}.py")
        found[f"{route.method} {route.path}"] = getattr(modules[route.code], function)
    return found


def _import(name: str, file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _close_connections() -> None:
    """A function keeps its connections for as long as its sandbox lives; this process lives longer."""
    for each in gc.get_objects():
        if type(each) is OutboundClient:
            each.close()


def _watched(target: Target) -> Target:
    """The target, with the canary watch looking at what it is sent and what it answers."""

    def call(event: dict[str, Any]) -> Any:
        with _watching:
            canaries.watch_event(event)
        result = target(event)
        with _watching:
            canaries.watch_result(result)
        return result

    return call


_watching = threading.Lock()


def _client(declared: Declared, url: str) -> Client:
    """The registration of the connection, which publishes its keys and is called back at its own addresses."""
    published = declared.key is not None or declared.tls == "self_signed" or "kms:" in declared.yaml
    keyed = {"jwks_uri": f"{url}/{declared.name}/client-jwks.json"} if published else {}
    secret = {} if declared.secret is None else {"client_secret": declared.secret}
    client = Client(
        client_id=declared.upstream_client_id,
        redirect_uris=[f"{url}/{declared.name}/callback"],
        **{**keyed, **secret, **declared.client},
    )
    if "logout:" not in declared.yaml:
        return client
    ways_out: dict[str, Any] = {"post_logout_redirect_uris": [f"{url}/{declared.name}/logout/callback"]}
    if "back_channel" in declared.yaml:
        ways_out |= {"backchannel_logout_uri": f"{url}/{declared.name}/backchannel-logout"}
    return replace(client, metadata={**ways_out, **client.metadata})
