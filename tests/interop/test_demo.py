"""`python -m demo` in a terminal: it proves itself, says so, and leaves nothing behind."""

import os
import re
import signal
import socket
import sys
from pathlib import Path

import httpx
import pytest

from demo import headless
from demo.kinds import Party
from demo.stack import running
from tests.counterparts.ministack import ministack_or_skip_reason
from tests.counterparts.node import node_or_skip_reason
from tests.counterparts.process import START_SECONDS, Program, clean_environment, require

pytestmark = pytest.mark.interop

PATIENCE = 50.0
"""Seconds; it takes two on a quiet machine."""

ROOT = Path(__file__).resolve().parents[2]


def start(*options):
    require(node_or_skip_reason())
    return Program(
        "demo", [sys.executable, "-m", "demo", *options], env=clean_environment(), cwd=ROOT, talks=False
    )


@pytest.mark.parametrize(
    "options",
    [pytest.param((), marks=pytest.mark.ministack), ("--simulate-pool",)],
    ids=["ministack", "simulated"],
)
def test_once_shows_every_hop_masked_and_ends_with_0(options):
    if not options:
        require(ministack_or_skip_reason())
    with start("--once", *options) as demo:
        assert demo.wait(PATIENCE) == 0, demo.log()
        said = demo.log()
    assert ("simulation of Cognito" in said) is bool(options)
    for hop in (
        r"Browser → Cognito +GET  /oauth2/authorize  30\d to fedbridge",
        r"Browser → fedbridge +GET  /nordbank/authorize  302 to Nordbank ID",
        r"fedbridge → Nordbank ID +POST /token  200 JSON",
        r"Nordbank ID → fedbridge +GET  /nordbank/client-jwks.json  200 JSON",
        r"Cognito → fedbridge +POST /nordbank/token  200 JSON",
        r"Demo app → Cognito +POST /oauth2/token  200 JSON",
    ):
        assert re.search(hop, said), f"{hop}\n{said}"
    assert re.search(r"code_verifier=\w{3}…\(43\)", said.replace("\N{NO-BREAK SPACE}", " "))
    assert '{"alg": "ES256", "kid": ' in said
    assert said.count("✓") > 15
    assert "✗" not in said
    assert "All went as it must." in said


def test_ctrl_c_ends_it_and_everything_that_it_started():
    with start("--simulate-pool") as demo:
        demo.wait_until(lambda: "Ctrl-C" in demo.log() and "All went" in demo.log(), seconds=START_SECONDS)
        (url,) = re.findall(r"Open (http://localhost:\d+)", demo.log())
        assert httpx.get(url, trust_env=False).status_code == 200
        children = Path(f"/proc/{demo.pid}/task/{demo.pid}/children").read_text().split()
        os.kill(demo.pid, signal.SIGINT)
        assert demo.wait(PATIENCE) == 0, demo.log()
    assert len(children) == 2, "the bank and the bridge"
    assert not [child for child in children if Path(f"/proc/{child}").exists()]
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", httpx.URL(url).port)) != 0


def test_a_deviation_is_found_and_named():
    require(node_or_skip_reason())
    with running(lambda _: None, simulate_pool=True) as demo:
        view = headless.sign_in(demo)
        with pytest.raises(headless.Deviation, match=r"called the bank for \['idp.discovery', 'idp.token'"):
            headless.expect_warm(view)
        headless.expect_warm(headless.sign_in(demo))
        trip = demo.recorder.trips()[0]
        trip.exchanges[:] = [each for each in trip.exchanges if each.kind.sender is not Party.BRIDGE]
        broken = [proof.text for proof in demo.scene.view(trip).proofs if not proof.holds]
        assert any("client assertion" in text for text in broken)
        assert any("PKCE verifier" in text for text in broken)


def test_the_configuration_is_15_lines_at_most():
    require(node_or_skip_reason())
    with running(lambda _: None, simulate_pool=True) as demo:
        assert len(demo.bridge.configuration.splitlines()) <= 15
        assert "private_key_jwt" in demo.bridge.configuration
