"""One suite for the `Secrets` port: environment, files, and Secrets Manager and SSM as moto keeps them."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import boto3
import pytest
from moto import mock_aws

from fedbridge.aws import sdk_client
from fedbridge.errors import ConfigurationError, KeyUnavailable
from fedbridge.keys.secrets import COOL_DOWN, FRESH, CachedSecrets
from fedbridge.model.deadline import Deadline
from fedbridge.ports import Secrets
from tests.fakes.telemetry import NullTelemetry
from tests.support.bridge import SettableClock


class Backend(Protocol):
    """Where values are kept."""

    def reference(self, name: str) -> str: ...
    def write(self, name: str, value: str) -> None: ...
    def secrets(self, clock: SettableClock) -> Secrets: ...


class Environment:
    def __init__(self, _folder: Path) -> None:
        self._environ: dict[str, str] = {}

    def reference(self, name: str) -> str:
        return f"env:{name}"

    def write(self, name: str, value: str) -> None:
        self._environ[name] = value

    def secrets(self, clock: SettableClock) -> Secrets:
        return CachedSecrets(
            sdk_client, allow_local=True, telemetry=NullTelemetry(), environ=self._environ, clock=clock
        )


class Files:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def reference(self, name: str) -> str:
        return f"file:{name}"

    def write(self, name: str, value: str) -> None:
        (self._folder / name).write_bytes(value.encode() + b"\n")

    def secrets(self, clock: SettableClock) -> Secrets:
        return CachedSecrets(
            sdk_client, allow_local=True, telemetry=NullTelemetry(), folder=self._folder, clock=clock
        )


class SecretsManager:
    def __init__(self, _folder: Path) -> None:
        self._client = boto3.client("secretsmanager")

    def reference(self, name: str) -> str:
        return f"secretsmanager:fedbridge/test/{name}"

    def write(self, name: str, value: str) -> None:
        name = f"fedbridge/test/{name}"
        try:
            self._client.create_secret(Name=name, SecretString=value)
        except self._client.exceptions.ResourceExistsException:
            self._client.put_secret_value(SecretId=name, SecretString=value)

    def secrets(self, clock: SettableClock) -> Secrets:
        return CachedSecrets(sdk_client, allow_local=False, telemetry=NullTelemetry(), clock=clock)


class ParameterStore:
    def __init__(self, _folder: Path) -> None:
        self._client = boto3.client("ssm")

    def reference(self, name: str) -> str:
        return f"ssm:/fedbridge/test/{name}"

    def write(self, name: str, value: str) -> None:
        self._client.put_parameter(
            Name=f"/fedbridge/test/{name}", Value=value, Type="SecureString", Overwrite=True
        )

    def secrets(self, clock: SettableClock) -> Secrets:
        return CachedSecrets(sdk_client, allow_local=False, telemetry=NullTelemetry(), clock=clock)


@pytest.fixture(
    params=[Environment, Files, SecretsManager, ParameterStore], ids=lambda backend: backend.__name__
)
def backend(request, tmp_path, monkeypatch) -> Iterator[Backend]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with mock_aws():
        yield request.param(tmp_path)


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def deadline() -> Deadline:
    return Deadline.after(20)


VALUES = ["correct horse battery staple", "a:b+c%d e", "pässwörd ☃", "two\nlines", " blanks ", "x" * 4000]


@pytest.mark.parametrize("value", VALUES)
def test_a_value_comes_back_as_it_was_written(backend, clock, deadline, value):
    backend.write("secret", value)

    assert backend.secrets(clock).get(backend.reference("secret"), deadline) == value


def test_a_member_of_a_json_document(backend, clock, deadline):
    backend.write("secret", json.dumps({"client_secret": "s3cret", "n": 1, "none": None, "empty": ""}))
    secrets = backend.secrets(clock)

    assert secrets.get(backend.reference("secret#client_secret"), deadline) == "s3cret"
    for member in ("n", "none", "empty", "other"):
        with pytest.raises(ConfigurationError, match=f"no text in a member '{member}'"):
            secrets.get(backend.reference(f"secret#{member}"), deadline)


def test_a_member_of_what_is_no_json_document(backend, clock, deadline):
    for number, document in enumerate(["text", '"text"', "[1]", "{", "{" * 3000]):
        backend.write(f"secret{number}", document)
        with pytest.raises(ConfigurationError):
            backend.secrets(clock).get(backend.reference(f"secret{number}#member"), deadline)


def test_what_is_not_there(backend, clock, deadline):
    with pytest.raises((ConfigurationError, KeyUnavailable)) as caught:
        backend.secrets(clock).get(backend.reference("secret"), deadline)

    assert not getattr(caught.value, "transient", False)


def test_a_new_value_is_seen_after_five_minutes(backend, clock, deadline):
    secrets, reference = backend.secrets(clock), backend.reference("secret")
    backend.write("secret", "old")
    assert secrets.get(reference, deadline) == "old"
    backend.write("secret", "new")

    clock.now += FRESH - 1
    assert secrets.get(reference, deadline) == "old"
    clock.now += 1
    assert secrets.get(reference, deadline) == "new"


def test_a_new_value_is_seen_on_demand_and_then_every_30_seconds(backend, clock, deadline):
    secrets, reference = backend.secrets(clock), backend.reference("secret")
    backend.write("secret", "old")
    assert secrets.get(reference, deadline) == "old"
    backend.write("secret", "new")

    assert secrets.get(reference, deadline) == "old"
    assert secrets.get(reference, deadline, refresh=True) == "new"
    assert secrets.get(reference, deadline) == "new"

    backend.write("secret", "newer")
    clock.now += COOL_DOWN - 1
    assert secrets.get(reference, deadline, refresh=True) == "new"
    clock.now += 1
    assert secrets.get(reference, deadline) == "new"
    assert secrets.get(reference, deadline, refresh=True) == "newer"


def test_threads_share_it(backend, clock, deadline):
    backend.write("secret", "value")
    secrets, reference = backend.secrets(clock), backend.reference("secret")

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: secrets.get(reference, deadline), range(32))) == {"value"}
