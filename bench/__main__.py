"""`python -m bench`: measure, print the table, write build/bench.json."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from bench import artefacts, bills, cold, counts, growth, saml, strict, warm
from bench.figures import Figure, table, verdict, write
from bench.world import ROOT, World, running

TRIPS = 60
STARTS = 9
LOOKS = 150
"""Sign-ins in each of five runs, starts of each function, looks at each size of table."""


class Progress:
    """Says on standard error what is being measured."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def say(self, what: str) -> None:
        """Begin a part."""
        print(f"\n{time.monotonic() - self._began:5.0f} s  {what} ", end="", file=sys.stderr, flush=True)

    def tick(self) -> None:
        """Show that it goes on."""
        print(".", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """End the last line."""
        print(f"\n{time.monotonic() - self._began:5.0f} s  done\n", file=sys.stderr)


def measure(world: World, folder: Path, progress: Progress) -> list[Figure]:
    """Return all figures."""
    progress.say("counting calls")
    figures = counts.measure(world)
    progress.say("warm sign-ins, ours and the stand-in's by turns")
    runs = warm.measure(world, TRIPS, progress.tick)
    figures += warm.figures(runs)
    figures += bills.figures(runs, largest_item=world.aws("tables")["transactions"]["largest"])
    progress.say("warm sign-ins with PAR, DPoP and encrypted ID tokens")
    figures += strict.measure(world, TRIPS, progress.tick)
    progress.say("warm sign-ins by SAML")
    figures += saml.measure(world, TRIPS, progress.tick)
    progress.say("building the functions")
    made = artefacts.make(folder)
    progress.say(f"cold starts, from {made.origin}")
    figures += cold.figures(cold.measure(world, made, STARTS, progress.tick))
    progress.say("growing the table of connections")
    figures += growth.measure(world, LOOKS, progress.tick)
    progress.end()
    return figures


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fedbridge-bench-") as temporary:
        surroundings, built = Path(temporary, "world"), Path(temporary, "built")
        surroundings.mkdir()
        built.mkdir()
        with running(surroundings) as world:
            figures = measure(world, built, Progress())
    print(table(figures))
    print()
    print(verdict(figures))
    write(figures, options.output)


if __name__ == "__main__":
    main()
