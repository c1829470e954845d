"""An operator with connections.yaml and `fedbridge check`, and the ways in which set-ups are broken for it."""

from __future__ import annotations

import argparse
import datetime as dt
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey

from fedbridge.cli import parser
from fedbridge.cli.address import base_url_of
from fedbridge.cli.check.checking import opened
from fedbridge.cli.check.context import CheckContext
from fedbridge.cli.check.run import run_checks
from fedbridge.cli.connections import load_one
from fedbridge.configuration.presets import merge
from fedbridge.configuration.strict_yaml import read_yaml
from fedbridge.jws import b64url
from tests.counterparts.faults import Answer, Fault
from tests.counterparts.oidc_provider import Client, OidcProvider, Route
from tests.fakes.certificates import Authority
from tests.fakes.peers import Peer, Visit, answer, answering
from tests.interop.bridge import RunningBridge
from tests.support import canaries
from tests.support.client_certificates import self_signed
from tests.support.keys import ec_key, private_pem
from tests.support.mutual_tls import asking

DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What a set-up is made in: a folder for its files, the IdP, the bridge's address, and other servers by what is
    wrong with them, with the PEM file of their authority.
    """

    folder: Path
    op: OidcProvider
    bridge: str
    servers: Mapping[str, str]
    authority: str

    def stored(self, name: str, text: str) -> str:
        """Write a file of the set-up and return its reference."""
        (self.folder / name).write_text(text)
        return f"file:{self.folder / name}"


Change = Mapping[str, Any] | Callable[[World], Mapping[str, Any]]
"""Keys of a connection, merged over it."""

Registered = Mapping[str, Any]
Faults = Mapping[Route, Fault | Callable[[OidcProvider], Fault]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A connection that works, and what is wrong with it here.

    `codes` are all that is found. `of` is the connection, `change` goes over its keys, `registered` over the IdP's
    registration of the client, `faults` are what the IdP does at its routes. `clock` is how many seconds this machine is
    ahead of everybody. Without `bridge` nobody has said where the bridge is.
    """

    codes: tuple[str, ...]
    of: str = "key"
    change: Change = field(default_factory=dict)
    registered: Registered = field(default_factory=dict)
    faults: Faults = field(default_factory=dict)
    clock: float = 0.0
    options: tuple[str | Callable[[World], str], ...] = ()
    bridge: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was printed as JSON, and the exit code."""

    exit_code: int
    findings: Sequence[Mapping[str, str]]

    @property
    def codes(self) -> list[str]:
        return sorted(each["code"] for each in self.findings)

    @property
    def is_bad(self) -> bool:
        return any(each["severity"] == "error" for each in self.findings)


@cache
def _parser() -> argparse.ArgumentParser:
    """The parser of every command, made once: it takes longer than some checks do."""
    return parser()


def run_check(capsys: pytest.CaptureFixture[str], arguments: Sequence[str]) -> Checked:
    """Run the command as an operator does, and read its JSON."""
    capsys.readouterr()
    options = _parser().parse_args(["check", *arguments, "--json"])
    code = options.run(options)
    printed = capsys.readouterr()
    canaries.observe(printed.out, "check")
    assert printed.err == ""
    return Checked(exit_code=code, findings=json.loads(printed.out)["findings"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Somebody with the file of a running bridge; whatever is changed is changed in a copy of it."""

    bridge: RunningBridge
    world: World
    capsys: pytest.CaptureFixture[str]

    def check(self, broken: Broken) -> Checked:
        """Break it, check it, and mend it."""
        with self._broken(broken):
            arguments = self.arguments(broken)
            if broken.clock:
                return self._at_another_time(arguments, broken.clock)
            return run_check(self.capsys, arguments)

    def arguments(self, broken: Broken) -> list[str]:
        tls = self.bridge.op.tls
        assert tls is not None
        return [
            broken.of, "--file", str(self._file(broken)), "--local", "--ca-bundle", str(tls.authority),
            *(["--base-url", self.bridge.url] if broken.bridge else []),
            *(each(self.world) if callable(each) else each for each in broken.options),
        ]  # fmt: skip

    def _file(self, broken: Broken) -> Path:
        """Write a file with the connection alone, changed; None takes a key away."""
        body = _connections(self.bridge.file)[broken.of]
        changed = merge(body, broken.change(self.world) if callable(broken.change) else broken.change)
        file = self.world.folder / "connections.yaml"
        kept = {key: value for key, value in changed.items() if value is not None}
        file.write_text(json.dumps({"connections": {broken.of: kept}}))
        return file

    @contextmanager
    def _broken(self, broken: Broken) -> Iterator[None]:
        op, clients = self.bridge.op, self.bridge.op.clients
        try:
            if broken.registered:
                op.set_clients(*(self._registered(each, broken) for each in clients))
            for route, fault in broken.faults.items():
                op.set_fault(route, fault(op) if callable(fault) else fault)
            yield
        finally:
            if broken.faults:
                op.clear_faults()
            if broken.registered:
                op.set_clients(*clients)

    def _registered(self, client: Client, broken: Broken) -> Client:
        if client.client_id != self.bridge.connections[broken.of].upstream_client_id:
            return client
        changed = dict(broken.registered)
        metadata = {**client.metadata, **changed.pop("metadata", {})}
        return replace(client, **changed, metadata=metadata)

    def _at_another_time(self, arguments: Sequence[str], seconds: float) -> Checked:
        """Run the checks themselves by a clock that is wrong, as a machine's would be."""
        options = _parser().parse_args(["check", *arguments])
        base_url = base_url_of(options) if options.base_url else None
        with opened(options, load_one(options), base_url) as context:
            real = context.clock
            late: CheckContext = replace(context, clock=lambda: real() + seconds)
            found = run_checks(late)
        findings = [{"code": each.code, "severity": each.severity, "what": each.what} for each in found]
        return Checked(exit_code=int(any(each.severity == "error" for each in found)), findings=findings)


@cache
def _connections(file: Path) -> dict[str, Any]:
    connections: dict[str, Any] = read_yaml(file.read_text(), [])["connections"]
    return connections


# --- servers ---------------------------------------------------------------------------------------------------------------


@contextmanager
def broken_servers(folder: Path, authority: Authority) -> Iterator[Mapping[str, str]]:
    """Run TLS servers on localhost that are wrong in one way each; yield their origins by what is wrong."""
    now = dt.datetime.now(dt.UTC)
    (folder / "other").mkdir()
    contexts = {
        "expired": authority.server("localhost", not_before=now - 9 * DAY, not_after=now - DAY),
        "ends soon": authority.server("localhost", not_before=now - 80 * DAY, not_after=now + 3 * DAY),
        "another name": authority.server("idp.test"),
        "client certificate": asking(authority, name="localhost"),
        "untrusted": Authority(folder / "other").server("localhost"),
        "no intermediate": authority.server_without_intermediate("localhost"),
    }
    peers = {name: Peer(answering(answer(b"", b"404 Not Found")), tls) for name, tls in contexts.items()}
    peers["no TLS"] = Peer(_plainly)
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(peer).url("", host="localhost", scheme="https")
            for name, peer in peers.items()
        }


def _plainly(visit: Visit) -> None:
    """Answer what is no HTTP with HTTP, as a server on the wrong port does."""
    visit.send(answer(b"", b"400 Bad Request"))
    visit.stall()


# --- ways to break a set-up ---------------------------------------------------------------------------------------------------


def advertising(**members: Any) -> Faults:
    """The IdP's metadata, these members in them; None takes one away."""
    return {"discovery": Fault(members=members)}


def publishing(change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> Faults:
    """The IdP's own keys, changed."""

    def fault(op: OidcProvider) -> Fault:
        keys = httpx.get(op.endpoint("jwks"), trust_env=False, verify=False).json()["keys"]
        return Fault(answer=Answer(status=200, body=json.dumps({"keys": change(keys)})))

    return {"jwks": fault}


def refusing(error: str, status: int = 400) -> Faults:
    """A token endpoint that answers this error whatever it is asked."""
    return {"token": Fault(answer=Answer(status=status, body=json.dumps({"error": error})))}


def authenticating(**keys: Any) -> Change:
    """Another `client_authentication`; a value that is a function makes it of the world."""
    return lambda world: {
        "client_authentication": {
            name: value(world) if callable(value) else value for name, value in keys.items()
        }
    }


def a_file(text: str) -> Callable[[World], str]:
    """The reference of a file that holds this."""
    return lambda world: world.stored(f"file-{abs(hash(text))}", text)


def a_key(number: int) -> Callable[[World], str]:
    return a_file(private_pem(ec_key(number=number)))


def certified(*, of: int = 962, ends: dt.timedelta = 400 * DAY) -> Change:
    """A key of assertions with a certificate, which is of this key's and ends then."""
    now = dt.datetime.now(dt.UTC)
    certificate = self_signed(ec_key(number=of), begins=now - 400 * DAY, ends=now + ends)
    return authenticating(key=a_key(962), certificate=a_file(certificate), x5t_s256=True)


def mutual_tls(*, of: int = 967, ends: dt.timedelta = 400 * DAY) -> Change:
    """A client certificate by itself, and a key."""
    now = dt.datetime.now(dt.UTC)
    certificate = self_signed(ec_key(number=of), begins=now - 400 * DAY, ends=now + ends)
    return lambda world: {"mutual_tls": {"certificate": a_file(certificate)(world), "key": a_key(967)(world)}}


def weak() -> dict[str, Any]:
    """An RSA key of 1,024 bits, as far as anybody can see."""
    modulus = b64url((1 << 1023 | 1).to_bytes(128, "big"))
    return {"kty": "RSA", "n": modulus, "e": "AQAB", "kid": "weak", "use": "sig"}


def forgotten() -> dict[str, Any]:
    """The public half of a key that was ours."""
    return {"keys": [ECKey.import_key(ec_key(number=963).public_key()).as_dict(private=False)]}


def with_an_old_certificate(jwk: dict[str, Any]) -> dict[str, Any]:
    now = dt.datetime.now(dt.UTC)
    pem = self_signed(ec_key(number=964), begins=now - 9 * DAY, ends=now - 2 * DAY)
    return {**jwk, "x5c": ["".join(line for line in pem.splitlines() if "-----" not in line)]}


def without(jwk: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in jwk.items() if name not in names}
