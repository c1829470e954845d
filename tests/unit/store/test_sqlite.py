"""The SQLite file itself; what the store does with it is the conformance suite's."""

import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from fedbridge.errors import ConfigurationError, OutcomeUnknown, StoreUnavailable
from fedbridge.model.deadline import Deadline
from fedbridge.model.transaction import Phase
from fedbridge.store.moves import SLACK
from fedbridge.store.sqlite import SqliteTransactionStore
from tests.conformance.transactions import (
    AUTHORIZE,
    AUTHORIZED,
    CLAIM,
    EXPIRES_AT,
    PENDING,
    REDEEM,
    TOKEN_EXPIRES_AT,
    bring_to,
    soon,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "transactions.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteTransactionStore]:
    with closing(SqliteTransactionStore(path)) as store:
        yield store


def test_only_the_owner_can_read_the_files(path: Path, store: SqliteTransactionStore) -> None:
    bring_to(store, Phase.PENDING)
    files = list(path.parent.iterdir())
    assert {file.name for file in files} >= {path.name, f"{path.name}-wal"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_it_survives_a_restart(path: Path) -> None:
    with closing(SqliteTransactionStore(path)) as store:
        bring_to(store, Phase.AUTHORIZED)
    with closing(SqliteTransactionStore(path)) as store:
        assert store.redeem(REDEEM, soon()) == AUTHORIZED


def test_it_closes_when_it_is_forgotten(path: Path) -> None:
    store = SqliteTransactionStore(path)
    del store  # An unclosed connection would be a ResourceWarning, and warnings are errors here.
    assert not path.with_name(f"{path.name}-wal").exists()


def test_a_file_of_another_schema_is_refused(path: Path, store: SqliteTransactionStore) -> None:
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 2")
    with pytest.raises(ConfigurationError, match=r"transactions\.sqlite: .*schema 2, not 1; remove it"):
        SqliteTransactionStore(path)


def test_a_file_of_another_kind_is_refused_and_left_alone(path: Path) -> None:
    path.write_text("connections:\n  acme: {}\n" * 100)
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="not a database"):
        SqliteTransactionStore(path)
    assert path.read_bytes() == before


def test_a_folder_that_is_missing_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file or directory"):
        SqliteTransactionStore(tmp_path / "missing" / "transactions.sqlite")


def test_a_file_that_another_process_holds_is_busy(path: Path, store: SqliteTransactionStore) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable) as failure:
            store.put(PENDING, Deadline.after(0.05))
        assert failure.value.reason == "store_busy"
        other.execute("ROLLBACK")
    store.put(PENDING, soon())


def test_a_store_that_another_thread_holds_is_busy(store: SqliteTransactionStore) -> None:
    with store._file._lock, pytest.raises(StoreUnavailable) as failure:
        store.put(PENDING, Deadline.after(0.01))
    assert failure.value.reason == "store_busy"


def test_a_closed_store_is_unavailable(store: SqliteTransactionStore) -> None:
    store.close()
    with pytest.raises(StoreUnavailable) as failure:
        store.claim(CLAIM, soon())
    assert failure.value.reason == "store_unavailable"


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from dataclasses import replace
from fedbridge.errors import OutcomeUnknown, StoreUnavailable
from fedbridge.store.sqlite import SqliteTransactionStore
from tests.conformance.transactions import PENDING, soon

path = Path(sys.argv[1])
store = SqliteTransactionStore(path)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
size = path.with_name(path.name + "-wal").stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
try:
    store.put(PENDING, soon())
except (OutcomeUnknown, StoreUnavailable) as failure:
    print(type(failure).__name__)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(store.read(PENDING.id, soon()))
store.put(PENDING, soon())
print(store.read(PENDING.id, soon()) == PENDING)
"""


def test_a_commit_that_fails_is_unknown_and_the_store_goes_on(path: Path) -> None:
    root = Path(__file__).parents[3]
    child = subprocess.run(
        [sys.executable, "-W", "error", "-c", FULL_DISK, path],
        env={"PYTHONPATH": f"{root / 'shared'}:{root}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.stderr == ""
    assert child.stdout.split() == [OutcomeUnknown.__name__, "None", "True"]


def test_what_is_long_over_is_swept_when_something_new_comes(store: SqliteTransactionStore) -> None:
    bring_to(store, Phase.EXCHANGING)
    store.authorize(AUTHORIZE, soon())
    latest = TOKEN_EXPIRES_AT + SLACK
    store.put(replace(PENDING, id="before", expires_at=latest), soon())
    assert store.read(PENDING.id, soon()) == AUTHORIZED
    store.put(replace(PENDING, id="after", expires_at=latest + 1), soon())
    assert store.read(PENDING.id, soon()) is None
    assert store.read("before", soon()) is not None


def test_an_unfinished_transaction_is_swept_by_its_own_expiry(store: SqliteTransactionStore) -> None:
    bring_to(store, Phase.PENDING)
    store.put(replace(PENDING, id="after", expires_at=EXPIRES_AT + SLACK + 1), soon())
    assert store.read(PENDING.id, soon()) is None
