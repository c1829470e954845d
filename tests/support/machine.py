"""What this machine has: each function gives a path, or skips the test and says what is missing."""

import platform
import shutil
import sys
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[2]


def require_ministack() -> Path:
    """Return the path of the interpreter that has ministack."""
    python = ROOT / ".venv-ministack" / "bin" / "python"
    if not python.exists():
        _skip(".venv-ministack")
    return python


def require_sam() -> Path:
    """Return the path of `sam`; beside it are cfn-lint and the interpreter that it builds with."""
    sam = ROOT / ".venv-sam" / "bin" / "sam"
    if not sam.exists():
        _skip(".venv-sam")
    return sam


def require_sam_build() -> Path:
    """Return the path of `sam` on a machine that can build: the runtime's own Python 3.13 is there."""
    sam = require_sam()
    if not (sam.parent / "python3.13").exists():
        _skip("Python 3.13, which Lambda runs")
    return sam


def require_checkov() -> Path:
    """Return the path of `checkov`."""
    checkov = ROOT / ".venv-checkov" / "bin" / "checkov"
    if not checkov.exists():
        _skip(".venv-checkov")
    return checkov


def require_lambda_python() -> Path:
    """Return this interpreter, if it is the one that Lambda runs and so can load the built layer."""
    if not platform.python_version().startswith("3.13."):
        _skip("Python 3.13 in the environment that runs the tests")
    return Path(sys.executable)


@cache
def find_chromium() -> Path | None:
    """Return the path of Chromium or Chrome; Playwright's own browsers are not used."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    return Path(found) if found else None


def require_chromium() -> Path:
    """Return the path of Chromium."""
    chromium = find_chromium()
    if chromium is None:
        _skip("Chromium")
    return chromium


def _skip(what: str) -> NoReturn:
    pytest.skip(f"this machine lacks {what}")
