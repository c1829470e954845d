"""The demo's bridge: `fedbridge dev`, the real command, with a `connections.yaml` that the demo writes."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from demo.bank import CLIENT_ID, LEVEL
from fedbridge.cli.keys import write_private_key
from tests.counterparts.process import START_SECONDS, Program, clean_environment

CONNECTION = "nordbank"
RELYING_PARTY = "cognito"
TEMPLATE = Path(__file__).resolve().parents[1] / "template.yaml"

_CONNECTIONS = """\
connections:
  {name}:
    issuer: {idp}
    client_id: {client_id}
    client_authentication: {{method: private_key_jwt, key: "file:client.pem"}}
    authorization:
      scope: openid profile email
      acr_values: ["{level}"]
      parameters: {{prompt: login}}
    relying_parties:
      - client_id: {relying_party}
        name: the demo app
        secret_hashes: ["{secret_hash}"]
        redirect_uris: ["{redirect_uri}"]
        restart_url: {restart_url}
"""

LOG_BYTES = 1_000_000
"""How far back log lines are looked for."""

_LISTENS = re.compile(r"It listens at (http://\S+)\.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    """The running bridge. `url` is where it listens, behind the recording server."""

    url: str
    configuration: str
    program: Program

    def logged(self, correlation_id: str) -> list[str]:
        """Return the log lines of one request or sign-in."""
        return [line for line, event in self._events() if event.get("correlation_id") == correlation_id]

    def sign_in_begun(self, after: float, before: float) -> str | None:
        """Return the correlation id of the one sign-in that began between these seconds since the epoch."""
        begun = [
            str(event["correlation_id"])
            for _, event in self._events()
            if event.get("message") == "sign_in_started"
            and int(after * 1000) <= _time(event) * 1000 <= before * 1000
        ]
        return begun[0] if len(begun) == 1 else None

    def _events(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for line in self.program.log(LOG_BYTES).splitlines():
            if line.startswith('{"level"') and line.endswith("}"):  # the first may be half a line
                yield line, json.loads(line)


def _time(event: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(event["timestamp"]).timestamp()


def connections_yaml(*, idp: str, secret_hash: str, redirect_uri: str, restart_url: str) -> str:
    """Return all that the operator writes for this bank."""
    return _CONNECTIONS.format(
        name=CONNECTION,
        idp=idp,
        client_id=CLIENT_ID,
        level=LEVEL,
        relying_party=RELYING_PARTY,
        secret_hash=secret_hash,
        redirect_uri=redirect_uri,
        restart_url=restart_url,
    )


@contextmanager
def running_bridge(folder: Path, configuration: str, *, base_url: str) -> Iterator[Bridge]:
    """Run `fedbridge dev` in `folder`; raises ProgramFailedError with its log when it does not come up."""
    (folder / "connections.yaml").write_text(configuration, "utf-8")
    write_private_key(folder / "client.pem", "P-256")
    command: list[str | Path] = [
        Path(sys.executable).with_name("fedbridge"), "dev", "--connections", "connections.yaml",
        "--template", TEMPLATE, "--port", "0", "--base-url", base_url, "--environment", "demo",
    ]  # fmt: skip
    with Program("fedbridge", command, env=clean_environment(), cwd=folder, talks=False) as program:
        program.wait_until(lambda: _LISTENS.search(program.log()) is not None, seconds=START_SECONDS)
        listening = _LISTENS.search(program.log())
        if listening is None:
            raise program.failure("does not say where it listens")
        yield Bridge(url=listening[1], configuration=configuration, program=program)
