"""The desk of a real bridge, with the operator's own AWS credentials."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from fedbridge.cli.check.checking import left_out, opened
from fedbridge.cli.check.run import run_checks
from fedbridge.cli.connections.addresses import addresses
from fedbridge.cli.console.desk import Checked, Detail, Key, Row, Unavailable, Value
from fedbridge.cli.console.keys import keys_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fedbridge.cli.console.logs import Logs
    from fedbridge.cli.console.source import Entry, Source
    from fedbridge.cli.explain import Failure, Story


class WorkingDesk:
    """A `Desk`. `options` are those of the command: what `fedbridge check` takes, and where the bridge is."""

    def __init__(
        self, options: Namespace, source: Source, logs: Logs, rotated_keys: Callable[[], Sequence[Key]]
    ) -> None:
        self._options = options
        self._source = source
        self._logs = logs
        self._rotated_keys = rotated_keys

    @property
    def title(self) -> str:
        """Return the environment, and the address or where connections are read from."""
        options = self._options
        known = (options.environment, options.base_url or options.table or str(options.file))
        return " · ".join(part for part in known if part)

    def connections(self) -> Sequence[Row]:
        """Return every connection."""
        return [entry.row for entry in self._source.every()]

    def detail(self, name: str) -> Detail:
        """Return one with its keys."""
        entry = self._source.one(name)
        return Detail(
            row=entry.row,
            for_provider=self._values(entry, "provider"),
            for_cognito=self._values(entry, "Cognito"),
            keys=keys_of(entry.connection) if entry.connection else (),
            document=entry.document,
            previous=entry.previous,
        )

    def check(self, name: str) -> Checked:
        """Run every check."""
        connection = self._source.one(name).connection
        if connection is None:
            raise Unavailable(
                f"{name} was published by another release of fedbridge; check it with that one."
            )
        options = Namespace(**{**vars(self._options), "connection": name})
        with opened(options, connection, options.base_url) as context:
            return Checked(findings=run_checks(context), left_out=left_out(context))

    def rotated_keys(self) -> Sequence[Key]:
        """Return the keys of every ring."""
        return self._rotated_keys()

    def failures(self) -> Sequence[Failure]:
        """Return what the logs say."""
        return self._logs.failures()

    def story(self, reference: str) -> Story:
        """Return what the logs say of one."""
        return self._logs.story(reference)

    def _values(self, entry: Entry, who: str) -> tuple[Value, ...]:
        if entry.connection is None or self._options.base_url is None:
            return ()
        return tuple(
            Value(name=address.name, value=address.value)
            for address in addresses(entry.connection, self._options.base_url)
            if address.who == who
        )
