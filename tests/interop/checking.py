"""An operator with connections.yaml and `fedbridge check`, and set-ups that are broken in one way each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from fedbridge.cli import main, parser
from fedbridge.cli.address import base_url_of
from fedbridge.cli.check.checking import opened
from fedbridge.cli.check.context import CheckContext
from fedbridge.cli.check.run import run_checks
from fedbridge.cli.connections import load_one
from fedbridge.configuration.presets import merge
from fedbridge.configuration.strict_yaml import read_yaml
from tests.counterparts.faults import Fault
from tests.counterparts.oidc_provider import OidcProvider, Route
from tests.interop.bridge import RunningBridge
from tests.support import canaries

Changes = Mapping[str, Any] | Callable[[Path, OidcProvider], Mapping[str, Any]]
"""Keys of a connection, merged over it; a function is given the folder for files, and the IdP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A connection that works, and the one thing that is wrong with it here.

    `codes` are all that is found. `of` is the connection, `change` goes over its keys, `registered` over the IdP's
    registration of the client, `fault` is what the IdP does at a route. `clock` is how many seconds this machine is ahead.
    """

    codes: tuple[str, ...]
    of: str = "key"
    change: Changes = field(default_factory=dict)
    registered: Mapping[str, Any] = field(default_factory=dict)
    faults: Mapping[Route, Callable[[OidcProvider], Fault] | Fault] = field(default_factory=dict)
    clock: float = 0.0
    options: tuple[str, ...] = ()
    bridge: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What the command printed (as JSON) and returned."""

    exit_code: int
    findings: Sequence[Mapping[str, str]]

    @property
    def codes(self) -> list[str]:
        return sorted(each["code"] for each in self.findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Somebody with the file of a running bridge; whatever is changed is changed in a copy."""

    bridge: RunningBridge
    folder: Path
    capsys: pytest.CaptureFixture[str]

    def check(self, broken: Broken) -> Checked:
        """Break it, check it, and mend it."""
        with self._broken(broken):
            arguments = self._arguments(broken)
            if broken.clock:
                return self._at_another_time(arguments, broken.clock)
            self.capsys.readouterr()
            code = main([*arguments, "--json"])
            printed = self.capsys.readouterr()
        canaries.observe(printed.out, "check")
        assert printed.err == ""
        return Checked(exit_code=code, findings=json.loads(printed.out)["findings"])

    def _arguments(self, broken: Broken) -> list[str]:
        tls = self.bridge.op.tls
        return [
            "check", broken.of, "--file", str(self._file(broken)), "--local",
            *(["--base-url", self.bridge.url] if broken.bridge else []),
            *(["--ca-bundle", str(tls.authority)] if tls else []),
            *broken.options,
        ]  # fmt: skip

    def _file(self, broken: Broken) -> Path:
        """Write a file with the connection alone, changed."""
        body = read_yaml(self.bridge.file.read_text(), [])["connections"][broken.of]
        change = broken.change
        changed = merge(body, change(self.folder, self.bridge.op) if callable(change) else change)
        kept = {key: value for key, value in changed.items() if value is not None}
        file = self.folder / "connections.yaml"
        file.write_text(json.dumps({"connections": {broken.of: kept}}))
        return file

    @contextmanager
    def _broken(self, broken: Broken) -> Iterator[None]:
        op = self.bridge.op
        clients = op.clients
        if broken.registered:
            op.set_clients(*(self._registered(each, broken) for each in clients))
        try:
            for route, fault in broken.faults.items():
                op.set_fault(route, fault(op) if callable(fault) else fault)
            yield
        finally:
            op.clear_faults()
            if broken.registered:
                op.set_clients(*clients)

    def _registered(self, client: Any, broken: Broken) -> Any:
        if client.client_id != self.bridge.connections[broken.of].upstream_client_id:
            return client
        own = {name: value for name, value in broken.registered.items() if name != "metadata"}
        metadata = {**client.metadata, **broken.registered.get("metadata", {})}
        return replace(client, **own, metadata=metadata)

    def _at_another_time(self, arguments: list[str], seconds: float) -> Checked:
        """Run the checks themselves with a clock that is wrong, as a machine's would be."""
        options = parser().parse_args(arguments)
        base_url = base_url_of(options) if options.base_url else None
        with opened(options, load_one(options), base_url) as context:
            real = context.clock
            late: CheckContext = replace(context, clock=lambda: real() + seconds)
            found = run_checks(late)
        findings = [{"code": each.code, "severity": each.severity, "what": each.what} for each in found]
        return Checked(exit_code=int(any(each.severity == "error" for each in found)), findings=findings)
