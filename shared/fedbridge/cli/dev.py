"""`fedbridge dev`: the very handlers that Lambda runs, on loopback, with embedded defaults."""

from __future__ import annotations

import importlib.util
import json
import os
import ssl
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fedbridge.cli.gateway import Gateway, Handler
from fedbridge.cli.private_key import write_private_key
from fedbridge.cli.template import Route, read_routes
from fedbridge.configuration.document import encode
from fedbridge.configuration.file import load
from fedbridge.configuration.rings import rings_in
from fedbridge.errors import ConfigurationError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping

    from fedbridge.model.connection import Connection

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def add_command(commands: Any) -> None:
    """Add `dev` to the parser."""
    parser = commands.add_parser("dev", help="serve the bridge on this machine, without AWS")
    parser.add_argument("--connections", type=Path, default=Path("connections.yaml"), metavar="FILE")
    parser.add_argument(
        "--template", type=Path, default=Path("template.yaml"), metavar="FILE", help="where routes come from"
    )
    parser.add_argument("--host", default="localhost", choices=LOOPBACK, help="loopback only")
    parser.add_argument("--port", type=int, default=8080, help="0 for any that is free")
    parser.add_argument("--base-url", help="what browsers see, if another server stands in front")
    parser.add_argument(
        "--state", type=Path, default=Path(".fedbridge"), metavar="FOLDER", help="keys and store"
    )
    parser.add_argument("--store", choices=["memory", "sqlite"], default="sqlite")
    parser.add_argument("--environment", default="local")
    parser.add_argument(
        "--ca-bundle", type=Path, metavar="PEM", help="authorities of upstreams to trust besides the usual"
    )
    parser.add_argument(
        "--tls-certificate", type=Path, metavar="PEM", help="serve https with this certificate …"
    )
    parser.add_argument("--tls-key", type=Path, metavar="PEM", help="… and its key")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve until interrupted; raises ConfigurationError before anything is served."""
    tls = _tls(options)
    connections = load(options.connections, allow_local=True)
    _refuse_rings(connections)
    routes = read_routes(options.template)
    with _listen(options, tls) as gateway:
        host = f"[{options.host}]" if ":" in options.host else options.host
        listening = f"{'https' if tls else 'http'}://{host}:{gateway.server_address[1]}"
        base_url = options.base_url or listening
        os.environ.update(environment(options, base_url, connections.values()))
        gateway.routes = {route.path: handler for route, handler in _load(routes)}
        print(f"fedbridge serves {', '.join(connections) or 'no connection'} at {base_url}")
        for name in connections:
            print(f"  {base_url}/{name}/.well-known/openid-configuration")
        print(f"It listens at {listening}. Ctrl-C ends it.", flush=True)
        gateway.serve_forever()
    return 0


def _refuse_rings(connections: Mapping[str, Connection]) -> None:
    """Rings are kept in the Connections table, and there is none here."""
    problems = tuple(
        f"{name}: {path}: ring:{ring} rotates in a deployed stack; for a local run name a key, such as file:key.pem"
        for name, connection in connections.items()
        for path, rings in rings_in(connection).items()
        for ring in rings
    )
    if problems:
        raise ConfigurationError(problems=problems)


def _listen(options: argparse.Namespace, tls: ssl.SSLContext | None) -> Gateway:
    """Return a gateway without routes yet: whoever calls early waits until it serves."""
    try:
        return Gateway((options.host, options.port), {}, tls)
    except OSError as error:
        raise ConfigurationError(f"--host {options.host} --port {options.port}: {error.strerror}") from None


def environment(
    options: argparse.Namespace, base_url: str, connections: Iterable[Connection]
) -> dict[str, str]:
    """Return what template.yaml gives the functions in AWS, for this machine; makes the key of ID tokens."""
    options.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = options.state / "id-token.pem"
    if not key.exists():
        write_private_key(key, "RSA-2048")
    given = {
        "FEDBRIDGE_ENVIRONMENT": options.environment,
        "FEDBRIDGE_BASE_URL": base_url,
        "FEDBRIDGE_TRANSACTIONS": f"sqlite:{options.state / 'transactions.db'}"
        if options.store == "sqlite"
        else "memory:",
        "FEDBRIDGE_CONNECTIONS": f"file:{options.connections}",
        "FEDBRIDGE_SESSIONS": f"sqlite:{options.state / 'sessions.db'}"
        if options.store == "sqlite"
        else "memory:",
        "FEDBRIDGE_ID_TOKEN_KEYS": f"file:{key}",
        "FEDBRIDGE_PRIVATE_HOSTS": ",".join(
            sorted({host for c in connections for host in loopback_hosts(c)})
        ),
        "POWERTOOLS_SERVICE_NAME": "fedbridge",
        "POWERTOOLS_METRICS_NAMESPACE": "fedbridge",
        "POWERTOOLS_METRICS_DISABLED": "true",
    }
    if options.ca_bundle:
        given["FEDBRIDGE_CA_BUNDLE"] = str(options.ca_bundle)
    return given


def loopback_hosts(connection: Connection) -> set[str]:
    """Return host:port of the connection's own loopback URLs: local runs may call those, and no others.

    All but the relying parties' count, wherever they stand: what is no address of the IdP's is never called.
    """
    found = set()
    for text in _texts(json.loads(encode(replace(connection, relying_parties=())))):
        parts = urlsplit(text) if text.startswith(("http://", "https://")) else None
        if parts is not None and parts.hostname in LOOPBACK:
            found.add(f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}")
    return found


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(item)


def _load(routes: list[Route]) -> list[tuple[Route, Handler]]:
    modules: dict[Path, Any] = {}
    for route in routes:
        file = route.code / f"{route.handler.partition('.')[0]}.py"
        if file not in modules:
            modules[file] = _import(file)
    return [
        (
            route,
            getattr(
                modules[route.code / f"{route.handler.partition('.')[0]}.py"], route.handler.partition(".")[2]
            ),
        )
        for route in routes
    ]


def _import(file: Path) -> Any:
    name = f"fedbridge_function_{file.parent.name}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None or not file.exists():
        raise ConfigurationError(f"{file}: no such function")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _tls(options: argparse.Namespace) -> ssl.SSLContext | None:
    if options.tls_certificate is None and options.tls_key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(options.tls_certificate, options.tls_key)
    except (OSError, TypeError) as error:
        raise ConfigurationError(f"--tls-certificate and --tls-key: {error}") from None
    return context
