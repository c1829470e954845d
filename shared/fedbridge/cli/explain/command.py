"""The command itself: where the records come from, and how the story is shown."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedbridge.cli.check.observed import printable
from fedbridge.errors import ConfigurationError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from fedbridge.cli.explain.records import Record


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
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--environment", metavar="NAME", help="a deployed environment, by CloudWatch Logs Insights"
    )
    source.add_argument("--log", metavar="FILE", help="the log of a local run, - for standard input")
    parser.add_argument(
        "--since", default="24h", help="how far back to ask CloudWatch, such as 30m, 24h or 7d"
    )
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Tell the story; returns 0 if the sign-in is found, else 1."""
    from fedbridge.cli.explain.records import reference  # noqa: PLC0415  other commands need none of it
    from fedbridge.cli.explain.telling import explain, recent_failures  # noqa: PLC0415
    from fedbridge.cli.explain.text import show_failures, show_story  # noqa: PLC0415

    if options.id is None:
        failures = recent_failures(_records(options, None))
        _print(options, [dataclasses.asdict(each) for each in failures], show_failures(failures))
        return 0
    id = reference(options.id)  # noqa: A001  as users call it
    story = explain(_records(options, id), id)
    _print(options, dataclasses.asdict(story), show_story(story))
    return 1 if story.outcome == "unknown" else 0


def _records(options: argparse.Namespace, id: str | None) -> list[Record]:  # noqa: A002  likewise
    """Return the records that the source holds; raises ConfigurationError."""
    from fedbridge.cli.explain.insights import Insights, seconds  # noqa: PLC0415
    from fedbridge.cli.explain.records import parse_records  # noqa: PLC0415

    if options.environment is None:
        return list(parse_records(_lines(options.log)))
    from fedbridge.aws import sdk_client  # noqa: PLC0415  a local log needs none

    since = seconds(options.since)
    insights = Insights(
        sdk_client("logs"), options.environment, progress=lambda line: print(line, file=sys.stderr)
    )
    return insights.failures(since) if id is None else insights.sign_in(id, since)


def _lines(log: str) -> Iterable[str]:
    if log == "-":
        return sys.stdin
    try:
        return Path(log).read_text("utf-8", errors="replace").splitlines()
    except OSError as error:
        raise ConfigurationError(f"--log {log}: {error.strerror}") from None


def _print(options: argparse.Namespace, value: Any, text: str) -> None:
    """Print it so that a terminal obeys nothing: a log holds what others wrote, and a file may be anybody's."""
    if options.json:
        text = json.dumps(value, indent=2, ensure_ascii=False)
    print("\n".join(map(printable, text.split("\n"))))
