"""Where failures come from: CloudWatch's logs of an environment, or the log of a local run."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from fedbridge.cli.console.desk import Unavailable
from fedbridge.cli.explain import explain, parse_records, recent_failures
from fedbridge.cli.explain.insights import Insights
from fedbridge.cli.explain.records import reference

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from fedbridge.cli.explain import Failure, Story

KEPT = 60.0
"""Seconds for which failures are not asked for again: CloudWatch charges for every look into its logs."""


class Logs(Protocol):
    """Both raise Unavailable and ConfigurationError."""

    def failures(self) -> Sequence[Failure]:
        """Return what failed, the latest first."""

    def story(self, text: str) -> Story:
        """Return what became of the sign-in that `text` refers to: a reference, or an error that ends with one."""


class CloudWatchLogs:
    """The logs of a deployed environment, `since` so many seconds ago. `client` is of CloudWatch Logs."""

    def __init__(
        self, client: Any, environment: str, since: int, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._insights = Insights(client, environment)
        self._since = since
        self._monotonic = monotonic
        self._lock = Lock()
        self._asked: tuple[float, Sequence[Failure]] | None = None

    def failures(self) -> Sequence[Failure]:
        """Ask, at most once a minute."""
        with self._lock:
            if self._asked is None or self._monotonic() - self._asked[0] > KEPT:
                self._asked = self._monotonic(), recent_failures(self._insights.failures(self._since))
            return self._asked[1]

    def story(self, text: str) -> Story:
        """Ask for one sign-in."""
        identifier = reference(text)
        return explain(self._insights.sign_in(identifier, self._since), identifier)


class FileLogs:
    """The log of a local run, read anew each time."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def failures(self) -> Sequence[Failure]:
        """Read the file."""
        return recent_failures(parse_records(self._lines()))

    def story(self, text: str) -> Story:
        """Read the file."""
        return explain(parse_records(self._lines()), reference(text))

    def _lines(self) -> list[str]:
        try:
            return self._file.read_text("utf-8", errors="replace").splitlines()
        except OSError as error:
            raise Unavailable(f"{self._file}: {error.strerror}") from None


class NoLogs:
    """Nobody has said where they are."""

    def failures(self) -> Sequence[Failure]:
        """Say so."""
        raise Unavailable("start the console with --environment NAME, or with --log FILE for a local run")

    def story(self, text: str) -> Story:
        """Say so."""
        raise Unavailable(f"{text}: start the console with --environment NAME, or with --log FILE")
