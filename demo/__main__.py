"""`make demo`: start everything, drive a sign-in, show its hops, and serve the page until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from typing import NoReturn

import httpx

from demo import headless, terminal
from demo.pages.start import pool_note
from demo.stack import Demo, running
from fedbridge.errors import FedbridgeError
from tests.counterparts.browser import TripError
from tests.counterparts.node import node_or_skip_reason
from tests.counterparts.process import ProgramFailedError


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; returns the exit code: 0 all went as it must, 1 something did not, 130 interrupted before."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument(
        "--once", action="store_true", help="end after the sign-ins that the demo drives itself"
    )
    parser.add_argument(
        "--simulate-pool", action="store_true", help="use this project's simulation of Cognito, not ministack"
    )
    options = parser.parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    try:
        return _run(options)
    except KeyboardInterrupt:
        terminal.say("\nInterrupted.")
        return 130


def _run(options: argparse.Namespace) -> int:
    missing = node_or_skip_reason()
    if isinstance(missing, str):
        print(f"The demo needs its bank, which runs on Node.js. {missing}.", file=sys.stderr)
        return 1
    try:
        with running(terminal.say, simulate_pool=options.simulate_pool) as demo:
            try:
                _drive(demo)
            except headless.Deviation:
                print("\n".join(demo.scene.view(demo.recorder.trips()[0]).logged), file=sys.stderr)
                raise
            if not options.once:
                _serve(demo)
    except headless.Deviation as deviation:
        print(f"\nThe demo did not go as it must: {deviation}.", file=sys.stderr)
        return 1
    except (ProgramFailedError, TripError, FedbridgeError, httpx.HTTPError, OSError) as error:
        print(f"\nThe demo failed: {error}", file=sys.stderr)
        return 1
    return 0


def _drive(demo: Demo) -> None:
    """Sign in without a person, print what happened, and try what must not work."""
    terminal.say(f"The user pool is {pool_note(demo.scene)}")
    terminal.heading("Signing alice in, without a person: every hop, secrets masked")
    began = time.monotonic()
    view = headless.sign_in(demo)
    cold = time.monotonic() - began
    terminal.show(view)

    terminal.heading("Tried as well")
    began = time.monotonic()
    headless.expect_warm(headless.sign_in(demo))
    warm = time.monotonic() - began
    terminal.items(
        [
            f"A second sign-in ({warm:.2f} s, the first took {cold:.2f} s): the bank was asked for token and claims alone."
        ]
    )
    terminal.items(headless.sign_in_among_strangers(demo))
    terminal.items([f"Cancel at the bank, and the app is told: {headless.give_up(demo)}"])
    terminal.items(
        [f"bob, whose sign-in is too weak (level 1, asked for 3): {headless.sign_in_too_weakly(demo)}"]
    )
    terminal.heading("All went as it must.")


def _serve(demo: Demo) -> None:
    terminal.say(f"Open {demo.url} in Chromium, Chrome or Edge and sign in yourself. Ctrl-C ends it.")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        terminal.say("\nEnding …")


def _interrupted(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
