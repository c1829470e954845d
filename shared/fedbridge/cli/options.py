"""Options that several commands take: each is called the same, and means the same, wherever it stands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_file(parser: argparse.ArgumentParser) -> None:
    """Add `--file`, where the connections are written."""
    parser.add_argument("--file", type=Path, default=Path("connections.yaml"), metavar="FILE")


def add_base_url(parser: argparse.ArgumentParser) -> None:
    """Add `--base-url`, which `fedbridge.cli.address` reads."""
    parser.add_argument("--base-url", metavar="URL", help="the stack's address: the output BaseUrl")


def add_local(parser: argparse.ArgumentParser) -> None:
    """Add `--local`, for what only a local run may refer to."""
    parser.add_argument("--local", action="store_true", help="allow loopback URLs, file: and env: references")


def add_private_host(parser: argparse.ArgumentParser, help: str = "an upstream that is not public") -> None:  # noqa: A002  argparse's word
    """Add `--private-host`, which may be repeated."""
    parser.add_argument("--private-host", action="append", default=[], metavar="HOST:PORT", help=help)


def add_ca_bundle(parser: argparse.ArgumentParser) -> None:
    """Add `--ca-bundle`, for upstreams that a company's own authority vouches for."""
    parser.add_argument("--ca-bundle", metavar="PEM", help="authorities to trust besides the usual")
