"""Chromium as tests drive it, and the pictures for the docs that they take on the way."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.support.machine import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Page

# No sandbox, because tests run as root in containers; nothing that calls home.
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip

SHARP = 1.5
"""Pixels of a picture to one of the page, for screens that have that many."""


def picture(page: Page, name: str, *, whole: bool = True) -> None:
    """Take a picture for the docs, where `make screenshots` asks for them: of the whole page, or of what fits in."""
    if os.environ.get("FEDBRIDGE_PICTURES"):
        page.screenshot(path=ROOT / "docs" / "images" / name, full_page=whole)
