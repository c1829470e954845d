"""Credentials that came in an answer and are not stored yet: on this disk until they are, so that nothing can lose them."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedbridge.cli.secret_store import write_private
from fedbridge.errors import ConfigurationError, FedbridgeError

if TYPE_CHECKING:
    from fedbridge.cli.secret_store import SecretStore
    from fedbridge.model.deadline import Deadline


@dataclass(frozen=True, slots=True)
class Rescue:
    """A file for its owner alone, of one connection: made before a request is sent, gone once the answer is stored.

    Full, unwritable or foreign disks are found before the IdP is asked for something that it answers once.
    """

    file: Path
    connection: str

    @contextlib.contextmanager
    def reserved(self) -> Iterator[None]:
        """Hold the file while a request is under way.

        Raises ConfigurationError while it holds an earlier answer, and while another run holds it.
        """
        with self._alone():
            yield from self._reserved()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Lock the folder, which lasts, where the file is replaced and removed; a killed run leaves no lock."""
        try:
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder = os.open(self.file.parent, os.O_RDONLY)
        except OSError as error:
            raise ConfigurationError(f"{self.file.parent}: {error.strerror}") from None
        try:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConfigurationError(
                    f"{self.file.parent}: another `fedbridge register` is under way"
                ) from None
            yield
        finally:
            os.close(folder)

    def _reserved(self) -> Iterator[None]:
        if self.file.exists() and self.file.stat().st_size:  # An empty one is left of a run that was killed.
            raise ConfigurationError(
                f"{self.file}: holds credentials that an earlier run could not store:"
                f" `fedbridge register {self.connection} --recover` stores them"
            )
        write_private(self.file, "")
        try:
            yield
        finally:
            if self.file.exists() and not self.file.stat().st_size:
                self.file.unlink()

    def keep(self, credentials: Mapping[str, str], shown: Mapping[str, str | None]) -> None:
        """Write down values by the references that they belong under, and what may be shown beside them."""
        write_private(self.file, json.dumps({"credentials": credentials, "shown": shown}))

    def store(self, store: SecretStore, deadline: Deadline) -> Mapping[str, Any]:
        """Store every value, in the order in which they were kept, and return what may be shown; the file is then gone.

        Raises ConfigurationError, KeyUnavailable, DeadlineExceeded, and says where the values still are.
        """
        try:
            kept = json.loads(self.file.read_text("utf-8"))
        except (OSError, ValueError):
            raise ConfigurationError(f"{self.file}: there is nothing to recover") from None
        try:
            for reference, value in kept["credentials"].items():
                store.write(reference, value, deadline)
        except FedbridgeError:
            print(
                f"The identity provider has answered, and what it gave could not be stored. It is in {self.file}:"
                f" mend the cause below, then run `fedbridge register {self.connection} --recover`.",
                file=sys.stderr,
            )
            raise
        self.file.unlink()
        shown: Mapping[str, Any] = kept["shown"]
        return shown
