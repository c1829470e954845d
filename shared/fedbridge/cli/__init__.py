"""The operator's command: `fedbridge`. Never packaged for Lambda."""

from __future__ import annotations

import argparse
import sys

from fedbridge import __version__
from fedbridge.errors import FedbridgeError


def parser() -> argparse.ArgumentParser:
    """Return the parser of every command; what it parses has `run`, which takes it and returns the exit code."""
    from fedbridge.cli import (  # noqa: PLC0415  each loads what it works with
        check,
        claims,
        cognito,
        connections,
        console,
        dev,
        explain,
        keys,
        register,
        secrets,
        tokens,
        triggers,
    )

    parser = argparse.ArgumentParser(
        prog="fedbridge",
        description="A bridge between Amazon Cognito user pools and strict identity providers.",
    )
    parser.add_argument("--version", action="version", version=f"fedbridge {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for module in (
        dev,
        connections,
        keys,
        secrets,
        register,
        check,
        claims,
        explain,
        console,
        cognito,
        tokens,
        triggers,
    ):
        module.add_command(commands)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 refused or failed, 2 called wrongly."""
    options = parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except FedbridgeError as error:
        # It may quote what Cognito or an IdP said, which a terminal must not obey.
        said = "".join(char if char.isprintable() or char == "\n" else " " for char in str(error))
        if said == error.reason:
            said += ": docs/diagnose.md says what it means, and what to do"
        print(f"fedbridge: {said}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return code
