"""What the cold path is measured on: the functions as `sam build` makes them, or, where it cannot run, made alike here."""

from __future__ import annotations

import compileall
import shutil
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from py_compile import PycInvalidationMode

from bench.world import ROOT
from tests.infra.building import HOST, build

FRONT, BACK, STAND_IN = "front", "back", "stand-in"


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefacts:
    """Folders of the functions by name, and the layer that all of them get; `origin` says where they come from."""

    functions: dict[str, Path]
    layer: Path
    origin: str


def make(folder: Path) -> Artefacts:
    """Make them below `folder`, everything with bytecode that is never checked against its source."""
    stand_in = folder / "stand-in"
    shutil.copytree(ROOT / "bench" / "stand_in", stand_in, ignore=_no_bytecode)
    _link_distribution("PyJWT", stand_in, copy=True)
    _compile(stand_in)
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
    return Artefacts(functions={**functions, STAND_IN: stand_in}, layer=layer, origin=origin)


def _can_build() -> bool:
    """Tell whether sam is there, and what it builds runs in this interpreter."""
    return sys.version_info[:2] == (3, 13) and (ROOT / ".venv-sam" / "bin" / "python3.13").exists()


def _lay(packages: Path) -> None:
    """Fill a layer with the locked distributions and the package, as shared/Makefile does."""
    packages.mkdir(parents=True)
    lock = (ROOT / "shared" / "requirements.txt").read_text().splitlines()
    for line in lock:
        name, pinned, _ = line.partition("==")
        if pinned and not line.startswith((" ", "#")):
            _link_distribution(name, packages)
    shutil.copytree(ROOT / "shared" / "fedbridge", packages / "fedbridge", ignore=_no_bytecode)
    _compile(packages / "fedbridge")


def _link_distribution(name: str, target: Path, *, copy: bool = False) -> None:
    """Put a distribution's top-level modules into a folder. Those of an environment are compiled already."""
    distribution = metadata.distribution(name)
    tops = {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}
    for top in tops:
        source = Path(str(distribution.locate_file(top)))
        if copy and source.is_dir():
            shutil.copytree(source, target / top, ignore=_no_bytecode)
        else:
            (target / top).symlink_to(source)


_no_bytecode = shutil.ignore_patterns("__pycache__")


def _compile(folder: Path) -> None:
    if not compileall.compile_dir(folder, quiet=1, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH):
        raise RuntimeError(f"{folder} does not compile")
