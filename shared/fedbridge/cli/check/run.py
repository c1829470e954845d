"""Runs the checks, one after the other, each loaded when its turn comes."""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fedbridge.cli.check.context import Check, CheckContext
    from fedbridge.cli.check.finding import Finding

CHECKS: tuple[str, ...] = (
    "own_keys:own_key_findings",
    "bridge:bridge_findings",
    "oidc:oidc_findings",
    "saml:saml_findings",
    "clock:clock_findings",
    "cognito:cognito_findings",
)
"""The checks in the order in which they run and are shown: module below `fedbridge.cli.check`, and function."""


def run_checks(context: CheckContext) -> tuple[Finding, ...]:
    """Return everything that is found, in the order of the checks, each thing once."""
    # What was kept of the IdP's metadata is how they were, and not what is asked here.
    context = replace(context, connection=replace(context.connection, snapshot=None))
    return tuple(dict.fromkeys(finding for name in CHECKS for finding in _load(name)(context)))


def _load(name: str) -> Check:
    module, _, function = name.partition(":")
    check: Check = getattr(importlib.import_module(f"fedbridge.cli.check.{module}"), function)
    return check
