"""The bridge's own address, where a command has to know what others call it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedbridge.configuration.urls import Allowed, browser_url_problem
from fedbridge.errors import ConfigurationError

if TYPE_CHECKING:
    import argparse


def base_url_of(options: argparse.Namespace) -> str:
    """Return `--base-url` without a trailing slash; raises ConfigurationError for what no issuer can begin with."""
    if options.base_url is None:
        raise ConfigurationError(
            "--base-url: is missing: the stack's address, under which everybody knows the bridge (output BaseUrl)"
        )
    base_url: str = options.base_url.removesuffix("/")
    problem = browser_url_problem(base_url, Allowed(local=options.local))
    if problem or "?" in base_url:
        raise ConfigurationError(f"--base-url: {problem or 'must not have a query'}")
    return base_url
