"""The command itself: what it reads, and serving it until somebody has seen enough."""

from __future__ import annotations

import argparse
import webbrowser
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from fedbridge.cli.options import add_base_url, add_ca_bundle, add_file, add_local, add_private_host
from fedbridge.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fedbridge.cli.console.desk import Key


def add_command(commands: Any) -> None:
    """Add `console` to the parser."""
    parser = commands.add_parser(
        "console", help="look at connections, keys and failures in a browser, on this machine alone"
    )
    parser.add_argument("--table", help="the stack's output ConnectionsTable; else the file is read")
    add_file(parser)
    parser.add_argument(
        "--environment", metavar="NAME", help="whose logs are read, by CloudWatch Logs Insights"
    )
    parser.add_argument("--log", type=Path, metavar="FILE", help="the log of a local run in place of that")
    parser.add_argument(
        "--since", default="24h", help="how far back failures are shown, such as 30m, 24h or 7d"
    )
    add_base_url(parser)
    parser.add_argument("--user-pool", metavar="ID", help="for checks: the user pool behind the bridge")
    parser.add_argument(
        "--identity-provider", metavar="NAME", help="for checks: what the bridge is called there"
    )
    parser.add_argument(
        "--http-api",
        action="append",
        default=[],
        metavar="ID",
        help="for checks: an API that takes its tokens",
    )
    parser.add_argument(
        "--probe", action=argparse.BooleanOptionalAction, help="for checks: authenticate to the IdP, too"
    )
    add_local(parser)
    add_private_host(parser)
    add_ca_bundle(parser)
    parser.add_argument("--port", type=int, default=0, help="of 127.0.0.1; a free one unless told")
    parser.add_argument("--no-browser", dest="browser", action="store_false", help="print the address alone")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    from fedbridge.cli.console.server import Console  # noqa: PLC0415  every other command would load it

    desk = desk_of(options)
    try:
        console = Console(desk, options.port)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or "is no port"
        raise ConfigurationError(f"--port: {options.port}: {why}; without it a free one is taken") from None
    with console, TemporaryDirectory(prefix="fedbridge-") as folder:
        print(f"fedbridge console: {console.guard.address}", flush=True)
        print("The address is for you alone: whoever has it sees what you see. Ctrl-C ends it.", flush=True)
        if options.browser:
            print(
                "A browser that opens and shows no console may not read files: give it the address.",
                flush=True,
            )
            webbrowser.open(_handed_over(console.guard.address, Path(folder)))
        try:
            console.serve_forever(0.1)
        except KeyboardInterrupt:
            print("\nfedbridge console: ended")
    return 0


def _handed_over(address: str, folder: Path) -> str:
    """Return the URL of a file that leads to the address, and that nobody else can read.

    What a browser is started with stands in the list of processes, for every user of the machine.
    """
    file = folder / "console.html"
    file.write_text(f'<!doctype html><meta http-equiv="refresh" content="0; url={address}">', "utf-8")
    return file.as_uri()


def desk_of(options: argparse.Namespace) -> Any:
    """Return the desk that the options ask for; raises ConfigurationError."""
    from fedbridge.aws import sdk_client  # noqa: PLC0415  likewise, all of it
    from fedbridge.cli.address import base_url_of  # noqa: PLC0415
    from fedbridge.cli.console import logs, source  # noqa: PLC0415
    from fedbridge.cli.console.working_desk import WorkingDesk  # noqa: PLC0415
    from fedbridge.cli.explain.insights import seconds  # noqa: PLC0415

    if options.base_url is not None:
        options.base_url = base_url_of(options)
    lines: logs.Logs = logs.NoLogs()
    if options.log is not None:
        lines = logs.FileLogs(options.log)
    elif options.environment is not None:
        lines = logs.CloudWatchLogs(sdk_client("logs"), options.environment, seconds(options.since))
    found: source.Source = source.TableSource(options.table) if options.table else source.FileSource(options)
    return WorkingDesk(options, found, lines, _rotated(options.table))


def _rotated(table: str | None) -> Callable[[], Sequence[Key]]:
    """Return what reads the rings; a file has none that anybody rotates."""
    if table is None:
        return tuple
    from fedbridge.aws import sdk_client  # noqa: PLC0415
    from fedbridge.cli.connections.loading import BUDGET  # noqa: PLC0415
    from fedbridge.cli.console.keys import keys_of_rings  # noqa: PLC0415
    from fedbridge.model.deadline import Deadline  # noqa: PLC0415
    from fedbridge.wiring import key_rings  # noqa: PLC0415

    rings = key_rings(table, cache(sdk_client))

    def read() -> Sequence[Key]:
        deadline = Deadline.after(BUDGET)
        found = (rings.get(name, deadline) for name in rings.names(deadline))
        return keys_of_rings(ring for ring in found if ring is not None)

    return read
