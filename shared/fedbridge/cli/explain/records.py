"""Log lines as the functions write them, found among whatever else a terminal or a log group holds."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fedbridge.errors import ConfigurationError
from fedbridge.telemetry.events import EVENTS, FIELDS, clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Record = dict[str, Any]
"""One event: `message` is its name, `timestamp` its time in RFC 3339, the rest its fields."""

_FRAME = frozenset({"level", "message", "service", "timestamp"})

_REFERENCE = re.compile(r"[0-9A-Z]{7,32}")
_QUOTED = re.compile(r"\(ref ([0-9A-Z]+)\)")


def parse_records(lines: Iterable[str]) -> Iterator[Record]:
    """Yield the events among the lines; a prefix before the JSON, as log tools write one, is let go, and so is the rest.

    Fields are cleaned as when they were written: a file that somebody sends is not to be obeyed by a terminal.
    """
    for line in lines:
        at = line.find("{")
        if at < 0:
            continue
        try:
            found = json.loads(line[at:])
        except ValueError:
            continue
        if isinstance(found, dict) and is_event(found):
            yield {
                name: clean(value) if isinstance(value, str) else value
                for name, value in found.items()
                if _is_field(name, value)
            }


def is_event(found: Mapping[str, Any]) -> bool:
    """Tell whether this is a line of ours, with a time that can be read."""
    if found.get("message") not in EVENTS:
        return False
    try:
        datetime.fromisoformat(str(found.get("timestamp")))
    except ValueError:
        return False
    return True


def _is_field(name: str, value: object) -> bool:
    """Tell whether an event may say this, of this type."""
    expected = (str,) if name in _FRAME else FIELDS.get(name, ())
    return isinstance(value, expected) and not isinstance(value, bool)


def time_of(record: Mapping[str, Any]) -> float:
    """Return seconds since the epoch."""
    return datetime.fromisoformat(str(record["timestamp"])).timestamp()


def reference(text: str) -> str:
    """Return the reference in what a user pastes: alone, or in the `error_description` that ends with `(ref …)`.

    Raises ConfigurationError for anything else: what is returned is letters and digits, and may stand in a query.
    """
    quoted = _QUOTED.search(text)
    found = quoted[1] if quoted else text.strip().upper()
    if not _REFERENCE.fullmatch(found):
        raise ConfigurationError(
            "ID: not a reference. It is the 16 letters and digits at the foot of the page, or after `ref` in the error"
        )
    return found
