"""Runs the checks, one after the other, each loaded when its turn comes."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fedbridge.cli.check.context import Check, CheckContext
    from fedbridge.cli.check.finding import Finding

CHECKS: tuple[str, ...] = ()
"""The checks in the order in which they run and are shown: module below `fedbridge.cli.check`, and function."""


def run_checks(context: CheckContext) -> tuple[Finding, ...]:
    """Return everything that is found, in the order of the checks."""
    return tuple(finding for name in CHECKS for finding in _load(name)(context))


def _load(name: str) -> Check:
    module, _, function = name.partition(":")
    check: Check = getattr(importlib.import_module(f"fedbridge.cli.check.{module}"), function)
    return check
