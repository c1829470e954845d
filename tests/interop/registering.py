"""An operator with connections.yaml and `fedbridge register`, at an oidc-provider that registers clients."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fedbridge.cli import main
from fedbridge.configuration.strict_yaml import read_yaml
from tests.interop.bridge import RunningBridge
from tests.interop.passage import Passage
from tests.support import canaries

INITIAL = canaries.canary("the-initial-access-token-of-this-test", "initial access token")

REGISTRATION = {
    "registration": {"enabled": True, "initialAccessToken": INITIAL},
    "registrationManagement": {"enabled": True, "rotateRegistrationAccessToken": True},
}
"""Features of oidc-provider."""


@dataclass
class Operator:
    """Somebody with connections.yaml and the command. `name` is the connection's, `read_token` reads the
    registration's token from elsewhere than a file."""

    bridge: RunningBridge
    name: str
    capsys: pytest.CaptureFixture[str]
    read_token: Callable[[], str] | None = None

    def __post_init__(self) -> None:
        self.change(client_id=None)

    @property
    def folder(self) -> Path:
        return self.bridge.file.parent

    def change(self, **members: Any) -> None:
        """Replace keys of the connection in the file; None takes one away."""
        document = read_yaml(self.bridge.file.read_text(), [])
        body = {**document["connections"][self.name], **members}
        document["connections"][self.name] = {key: value for key, value in body.items() if value is not None}
        self.bridge.file.write_text(json.dumps(document))

    def run(self, *options: str) -> str:
        """Run the command and return what it printed, without a complaint."""
        self.capsys.readouterr()  # what the bridge has logged
        assert main([*self.arguments, *options]) == 0, self.capsys.readouterr().err
        printed = self.capsys.readouterr()
        canaries.observe(printed.out, "register")
        assert printed.err == ""
        return printed.out

    @property
    def arguments(self) -> list[str]:
        tls = self.bridge.op.tls
        return [
            "register", self.name, "--file", str(self.bridge.file), "--local", "--base-url", self.bridge.url,
            "--state", str(self.folder / "state"), *(["--ca-bundle", str(tls.authority)] if tls else []),
        ]  # fmt: skip

    def token(self) -> str:
        """The registration's own token, as it is stored."""
        if self.read_token is not None:
            return self.read_token()
        return (self.folder / "state" / f"{self.name}.registration-access-token").read_text()

    def register(self, *options: str) -> str:
        """Register, put what is printed into the file, and return the client id."""
        printed = self.run(*options)
        lines = printed.splitlines()
        keys = read_yaml("\n".join(line for line in lines if line.startswith("    ")), [])
        body = read_yaml(self.bridge.file.read_text(), [])["connections"][self.name]
        self.change(
            client_id=keys["client_id"], registration={**body["registration"], **keys["registration"]}
        )
        canaries.watch(self.token(), "registration access token")
        return str(keys["client_id"])


def header_of_assertion(passage: Passage) -> Any:
    """The header of the assertion that the code was redeemed with."""
    assertion = passage.only("token").assertion
    assert assertion is not None
    return assertion.header
