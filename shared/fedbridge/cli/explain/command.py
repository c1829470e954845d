"""The command itself: where the records come from, and how the story is shown."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedbridge.errors import ConfigurationError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable


def add_command(commands: Any) -> None:
    """Add `explain` to the parser."""
    parser = commands.add_parser(
        "explain", help="tell what became of a sign-in, from the reference that the user was shown"
    )
    parser.add_argument(
        "id",
        nargs="?",
        metavar="ID",
        help="the reference, or the error that ends with it; none: what failed lately",
    )
    parser.add_argument("--log", metavar="FILE", help="log lines of a local run, - for standard input")
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Tell the story; returns 0 if the sign-in is found, else 1."""
    from fedbridge.cli.explain.records import parse_records, reference  # noqa: PLC0415  other commands need none of it
    from fedbridge.cli.explain.telling import explain, recent_failures  # noqa: PLC0415
    from fedbridge.cli.explain.text import show_failures, show_story  # noqa: PLC0415

    records = list(parse_records(_lines(options)))
    if options.id is None:
        failures = recent_failures(records)
        _print(options, [dataclasses.asdict(each) for each in failures], show_failures(failures))
        return 0
    story = explain(records, reference(options.id))
    _print(options, dataclasses.asdict(story), show_story(story))
    return 1 if story.outcome == "unknown" else 0


def _lines(options: argparse.Namespace) -> Iterable[str]:
    if options.log is None:
        raise ConfigurationError("--log: name the log of a local run")
    if options.log == "-":
        return sys.stdin
    try:
        return Path(options.log).read_text("utf-8", errors="replace").splitlines()
    except OSError as error:
        raise ConfigurationError(f"--log {options.log}: {error.strerror}") from None


def _print(options: argparse.Namespace, value: Any, text: str) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False) if options.json else text)
