"""The JOSE vectors of C2SP's Wycheproof, read from beside the project and never copied into it."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.support.machine import ROOT

WYCHEPROOF = Path(os.environ.get("WYCHEPROOF_DIR", ROOT.parent / "shared" / "vectors" / "wycheproof"))


@cache
def wycheproof(name: str) -> list[dict[str, Any]]:
    """Return the groups of a file of vectors (`signature`, `encryption`, `key`, `crypto`); skips where it is absent."""
    path = WYCHEPROOF / f"json_web_{name}_test.json"
    if not path.exists():
        pytest.skip(
            f"this machine lacks the Wycheproof vectors (WYCHEPROOF_DIR, or {path.parent.name} beside the project)"
        )
    groups: list[dict[str, Any]] = json.loads(path.read_text())["testGroups"]
    return groups
