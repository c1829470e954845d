"""A plain `sam build` of the checked-out project, once a run and an architecture."""

import fcntl
import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.machine import ROOT, require_sam_build

HOST = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
"""What this machine runs, as Lambda names it."""


@dataclass(frozen=True)
class Build:
    """What `sam build` made: `folder/template.yaml` beside one folder a function and layer."""

    folder: Path
    architecture: str

    @property
    def template(self) -> Path:
        """Return the built template, which `sam deploy` takes."""
        return self.folder / "template.yaml"

    @property
    def layer(self) -> Path:
        """Return the folder that Lambda mounts as /opt/python."""
        return self.folder / "FedbridgeLayer" / "python"

    def function(self, logical_id: str) -> Path:
        """Return the folder that Lambda mounts as /var/task."""
        return self.folder / logical_id

    def files(self, suffix: str) -> list[Path]:
        """Return every built file whose name ends so."""
        return sorted(self.folder.rglob(f"*{suffix}"))


def build(shared: Path, architecture: str) -> Build:
    """Build the project into a folder below `shared`, unless another worker of this run has done so."""
    result = Build(shared / f"sam-{architecture}" / "build", architecture)
    with _only_one(shared / f"sam-{architecture}.lock"):
        if not result.template.exists():
            run_sam(
                "build",
                "--build-dir",
                str(result.folder),
                "--cache-dir",
                str(result.folder.parent / "cache"),
                "--parameter-overrides",
                f"Architecture={architecture}",
            )
    return result


def run_sam(*arguments: str, **environment: str) -> str:
    """Run `sam` in the project's folder with a bare environment and return what it printed; fails the test if it fails."""
    done = subprocess.run(
        [str(require_sam_build()), *arguments],
        cwd=ROOT,
        env=bare_environment()
        | {"SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "eu-central-1"}
        | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"sam {arguments[0]} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def bare_environment() -> dict[str, str]:
    """Return the environment without what tests, AWS profiles and virtual environments put into it."""
    unwanted = ("AWS_", "FEDBRIDGE_", "POWERTOOLS_", "PYTHON", "PYTEST_", "COV_", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}


@contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    """Hold a lock between the worker processes of pytest-xdist."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
