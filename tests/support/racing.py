"""Many at once, in threads and in processes."""

import multiprocessing
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import TypeVar

from fedbridge.model.deadline import Deadline
from fedbridge.store.sqlite import SqliteTransactionStore

Result = TypeVar("Result")


def in_parallel(parties: int, action: Callable[[], Result]) -> list[Result | Exception]:
    """Run `action` in so many threads that start together; return what each returned or raised."""
    outcomes: list[Result | Exception] = []
    start = threading.Barrier(parties)

    def run() -> None:
        start.wait(timeout=20)
        try:
            outcome: Result | Exception = action()
        except Exception as error:  # noqa: BLE001  the test looks at whatever it is
            outcome = error
        outcomes.append(outcome)

    threads = [threading.Thread(target=run) for _ in range(parties)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(
        1e-6
    )  # Threads that take turns between any two instructions find what a lock forgot.
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    return outcomes


def sqlite_in_processes(
    path: Path, operation: str, move: object, *, processes: int, threads: int
) -> list[str]:
    """Let threads in new processes make the same move on one SQLite file; return the outcomes' names."""
    context = multiprocessing.get_context("spawn")
    names: SimpleQueue[list[str]] = context.SimpleQueue()
    shared = {"threads": threads, "start": context.Barrier(processes), "names": names}
    children = [
        context.Process(target=_move_sqlite, args=(path, operation, move), kwargs=shared)
        for _ in range(processes)
    ]
    for child in children:
        child.start()
    outcomes = [name for _ in children for name in names.get()]
    for child in children:
        child.join()
        assert child.exitcode == 0
        child.close()
    names.close()
    return outcomes


def _move_sqlite(
    path: Path,
    operation: str,
    move: object,
    *,
    threads: int,
    start: Barrier,
    names: SimpleQueue[list[str]],
) -> None:
    start.wait(timeout=20)
    with closing(SqliteTransactionStore(path)) as store:
        act = getattr(store, operation)
        outcomes = in_parallel(threads, lambda: act(move, Deadline.after(20)))
    names.put([type(outcome).__name__ for outcome in outcomes])
