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

FRONT, BACK, SAML, STAND_IN = "front", "back", "saml", "stand-in"

_OURS = {
    FRONT: ("FrontChannel", "front_channel"),
    BACK: ("BackChannel", "back_channel"),
    SAML: ("Saml", "saml"),
}
"""Name → logical id in the template, folder below functions/."""

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
        functions = {name: built.function(logical_id) for name, (logical_id, _) in _OURS.items()}
        layer, origin = built.layer.parent, "sam build"
    else:
        functions = {name: _copied(folder, source) for name, (_, source) in _OURS.items()}
        layer, origin = folder / "layer", "the checkout and its environment, for want of sam or Python 3.13"
        _lay(layer / "python")
    return Artefacts(
        functions={**functions, STAND_IN: stand_in},
        layers={**dict.fromkeys(_OURS, layer), STAND_IN: packages},
        origin=origin,
    )


def _can_build() -> bool:
    """Tell whether sam is there, and what it builds runs in this interpreter."""
    return sys.version_info[:2] == (3, 13) and (ROOT / ".venv-sam" / "bin" / "python3.13").exists()


def _copied(folder: Path, source: str) -> Path:
    """Copy a function, its own locked distributions beside it, much as shared/Makefile does."""
    target = folder / source
    shutil.copytree(ROOT / "functions" / source, target, ignore=_no_bytecode)
    _compile(target)
    _link_locked(target / "requirements.txt", target)
    return target


def _lay(packages: Path) -> None:
    """Fill a layer with the locked distributions and the package, in the same way."""
    _link_locked(ROOT / "shared" / "requirements.txt", packages)
    shutil.copytree(ROOT / "shared" / "fedbridge", packages / "fedbridge", ignore=_no_bytecode)
    _compile(packages / "fedbridge")


def _link_locked(lock: Path, packages: Path) -> None:
    """Link what a lock names; a function without a lock has nothing of its own."""
    for line in lock.read_text().splitlines() if lock.exists() else ():
        name, pinned, _ = line.partition("==")
        if pinned and not line.startswith((" ", "#")):
            _link_distribution(name, packages)


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
