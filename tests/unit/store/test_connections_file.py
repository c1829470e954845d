"""The file source: when it is read again, and what a faulty file does."""

import os
from pathlib import Path

import pytest

from fedbridge.errors import ConfigurationError, DeadlineExceeded, StoreUnavailable
from fedbridge.model.connection import Connection
from fedbridge.model.deadline import Deadline
from fedbridge.store.connections_file import FileConnections
from fedbridge.store.registry import Published
from tests.conformance.connections import connection
from tests.conformance.transactions import soon


class Loader:
    """Reads `name=version` lines; `loads` counts."""

    def __init__(self) -> None:
        self.loads = 0

    def __call__(self, path: Path) -> dict[str, Connection]:
        self.loads += 1
        try:
            pairs = [line.split("=") for line in path.read_text().splitlines()]
            return {name: connection(name=name, version=version) for name, version in pairs}
        except ValueError as error:
            raise ConfigurationError(f"{path}: {error}") from error


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "connections"
    path.write_text("acme=1\nother=1\n")
    os.utime(path, (1, 1))
    return path


@pytest.fixture
def load() -> Loader:
    return Loader()


@pytest.fixture
def source(path: Path, load: Loader) -> FileConnections:
    return FileConnections(path, load)


def acme(version: str) -> Connection:
    return connection(name="acme", version=version)


def test_a_file_that_does_not_change_is_loaded_once(source: FileConnections, load: Loader) -> None:
    for _ in range(3):
        assert source.find("acme", soon()) == Published(current=acme("1"))
        assert source.find("nobody", soon()) is None
    assert load.loads == 1


def test_an_edit_is_seen_at_once_and_keeps_the_version_before(source: FileConnections, path: Path) -> None:
    source.find("acme", soon())
    path.write_text("acme=2\nother=1\n")
    assert source.find("acme", soon()) == Published(current=acme("2"), previous=acme("1"))
    assert source.find("other", soon()) == Published(current=connection(name="other", version="1"))


def test_an_edit_elsewhere_in_the_file_keeps_the_version_before(source: FileConnections, path: Path) -> None:
    for number, text in enumerate(("acme=1\n", "acme=2\n", "acme=2\nnew=1\n"), start=2):
        path.write_text(text)
        os.utime(path, (number, number))
        source.find("acme", soon())
    assert source.find("acme", soon()) == Published(current=acme("2"), previous=acme("1"))


def test_a_file_that_is_replaced_by_one_of_the_same_size_and_time_is_seen(
    source: FileConnections, path: Path
) -> None:
    source.find("acme", soon())
    other = path.with_name("new")
    other.write_text("acme=2\nother=1\n")
    os.utime(other, (1, 1))
    other.replace(path)
    found = source.find("acme", soon())
    assert found is not None
    assert found.current == acme("2")


def test_a_faulty_file_is_said_to_be_faulty_until_it_is_mended(
    source: FileConnections, path: Path, load: Loader
) -> None:
    source.find("acme", soon())
    path.write_text("acme\n")
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="connections: "):
            source.find("acme", soon())
    path.write_text("acme=3\n")
    assert source.find("acme", soon()) == Published(current=acme("3"), previous=acme("1"))
    assert load.loads == 4


def test_a_file_that_is_gone_is_unavailable(source: FileConnections, path: Path) -> None:
    path.unlink()
    with pytest.raises(StoreUnavailable, match="No such file") as failure:
        source.find("acme", soon())
    assert failure.value.reason == "store_missing"


def test_nothing_is_read_past_the_deadline(source: FileConnections, load: Loader) -> None:
    with pytest.raises(DeadlineExceeded):
        source.find("acme", Deadline(at=0.0))
    assert load.loads == 0
