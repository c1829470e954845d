"""Who only signs in pays for nothing of signing out: what the functions' modules load, in a process of their own."""

import json
import os
import subprocess
import sys

import pytest

from tests.support.machine import ROOT

WAYS_OUT = {
    "fedbridge.flows.logout",
    "fedbridge.flows.sessions",
    "fedbridge.flows.ended_sessions",
    "fedbridge.flows.backchannel_logout",
    "fedbridge.flows.frontchannel_logout",
    "fedbridge.op.logout_request",
    "fedbridge.op.logout_cookies",
    "fedbridge.rp.end_session",
    "fedbridge.rp.logout_token",
    "fedbridge.rp.revocation",
    "fedbridge.store.sessions_dynamodb",
    "fedbridge.store.sessions_memory",
    "fedbridge.store.sessions_sqlite",
    "fedbridge.store.replays_dynamodb",
    "fedbridge.user_pools",
    "fedbridge.model.session",
}
VERIFYING = {"joserfc", "httpx", "fedbridge.rp", "fedbridge.net.outbound"}

PROGRAM = "import app, json, sys; print('LOADED ' + json.dumps(sorted(sys.modules)))"


def loaded(function, **more):
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join([str(ROOT / "shared"), str(ROOT / "functions" / function)]),
        "FEDBRIDGE_ENVIRONMENT": "test",
        "FEDBRIDGE_BASE_URL": "https://bridge.example",
        "FEDBRIDGE_TRANSACTIONS": "memory:",
        "FEDBRIDGE_CONNECTIONS": "file:connections.yaml",
        "FEDBRIDGE_ID_TOKEN_KEYS": "env:ID_TOKEN_KEY",
        **more,
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("LOADED ")]
    return set(json.loads(line.removeprefix("LOADED ")))


@pytest.mark.parametrize("function", ["front_channel", "back_channel"])
def test_a_function_starts_without_any_of_it(function):
    assert not WAYS_OUT & loaded(function)


def test_the_back_channel_starts_without_what_verifies_logout_tokens():
    assert not VERIFYING & loaded("back_channel")


def test_a_deployment_with_sessions_loads_their_store_and_no_more():
    found = loaded("front_channel", FEDBRIDGE_SESSIONS="memory:")
    assert WAYS_OUT & found == {"fedbridge.store.sessions_memory"}
