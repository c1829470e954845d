"""What the cold path is measured on: the functions as `sam build` makes them, or, where it cannot run, made alike here."""

from __future__ import annotations

import compileall
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from py_compile import PycInvalidationMode

from bench.world import ROOT
from tests.infra.building import HOST, build

FRONT, BACK, STAND_IN = "front", "back", "stand-in"


STAND_IN_PACKAGES = (
    "boto3", "botocore", "s3transfer", "jmespath", "python-dateutil", "six", "urllib3",
    "PyJWT", "cryptography", "cffi", "pycparser",
)  # fmt: skip
"""What the stand-in imports, as it is released."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefacts:
    """Folders of the functions and of their layers, by name; `origin` says where ours come from."""

    functions: Mapping[str, Path]
    layers: Mapping[str, Path]
    origin: str


def make(folder: Path) -> Artefacts:
    """Make them below `folder`, everything with bytecode."""
    stand_in, packages = folder / "stand-in", folder / "stand-in-layer"
    shutil.copytree(ROOT / "bench" / "stand_in", stand_in, ignore=_no_bytecode)
    _compile(stand_in)
    for name in STAND_IN_PACKAGES:
        _link_distribution(name, packages / "python")
    if _can_build():
        built = build(folder, HOST)
        functions = {FRONT: built.function("FrontChannel"), BACK: built.function("BackChannel")}
        layer, origin = built.layer.parent, "sam build"
    else:
        functions = {name: folder / f"{name}_channel" for name in (FRONT, BACK)}
        for name, target in functions.items():
            shutil.copytree(ROOT / "functions" / f"{name}_channel", target, ignore=_no_bytecode)
            _compile(target)
        layer, origin = folder / "layer", "the checkout and its environment, for want of sam or Python 3.13"
        _lay(layer / "python")
    return Artefacts(
        functions={**functions, STAND_IN: stand_in},
        layers={FRONT: layer, BACK: layer, STAND_IN: packages},
        origin=origin,
    )


def _can_build() -> bool:
    """Tell whether sam is there, and what it builds runs in this interpreter."""
    return sys.version_info[:2] == (3, 13) and (ROOT / ".venv-sam" / "bin" / "python3.13").exists()


def _lay(packages: Path) -> None:
    """Fill a layer with the locked distributions and the package, much as shared/Makefile does."""
    for line in (ROOT / "shared" / "requirements.txt").read_text().splitlines():
        name, pinned, _ = line.partition("==")
        if pinned and not line.startswith((" ", "#")):
            _link_distribution(name, packages)
    shutil.copytree(ROOT / "shared" / "fedbridge", packages / "fedbridge", ignore=_no_bytecode)
    _compile(packages / "fedbridge")


def _link_distribution(name: str, packages: Path) -> None:
    """Link a distribution's top-level modules into a folder; those of an environment are compiled already."""
    packages.mkdir(parents=True, exist_ok=True)
    distribution = metadata.distribution(name)
    for top in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
        (packages / top).symlink_to(str(distribution.locate_file(top)))


_no_bytecode = shutil.ignore_patterns("__pycache__")


def _compile(folder: Path) -> None:
    if not compileall.compile_dir(folder, quiet=1, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH):
        raise RuntimeError(f"{folder} does not compile")
