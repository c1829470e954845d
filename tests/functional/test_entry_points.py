"""The functions' own modules: what they route is what the negative cases drive, and they answer with it."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from tests.fakes.events import LambdaContext, http_event, rest_event
from tests.negative.saml import SamlGateway
from tests.support.gateway import (
    BACKCHANNEL_LOGOUT,
    CLIENT_JWKS,
    DISCOVERY,
    FRONT_CHANNEL,
    JWKS,
    Gateway,
)
from tests.support.keys import ec_key, private_pem
from tests.support.machine import ROOT
from tests.unit.configuration.files import changed, write

FRONT = FRONT_CHANNEL
SAML = ("saml/login", "saml/acs", "saml/metadata", "saml/logout", "saml/slo")
BACK = ("token", "userinfo", DISCOVERY, JWKS, CLIENT_JWKS, BACKCHANNEL_LOGOUT)


@pytest.fixture
def load(monkeypatch, tmp_path):
    """Import a function's module as the runtime does, in an environment of local defaults."""
    secretless = changed(
        client_authentication={"method": "client_secret_basic", "secret": "env:CLIENT_SECRET"}
    )
    file = write(tmp_path, {"acme": secretless})
    for name, value in {
        "FEDBRIDGE_ENVIRONMENT": "test",
        "FEDBRIDGE_BASE_URL": "https://bridge.example",
        "FEDBRIDGE_TRANSACTIONS": "memory:entry-points",
        "FEDBRIDGE_CONNECTIONS": f"file:{file}",
        "FEDBRIDGE_ID_TOKEN_KEYS": "env:ID_TOKEN_KEY",
        "ID_TOKEN_KEY": private_pem(ec_key()),
        "CLIENT_SECRET": "a-secret-of-the-entry-points-0123456789",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_LAMBDA_FUNCTION_NAME", raising=False)

    def load(name):
        path = ROOT / "functions" / name / "app.py"
        specification = importlib.util.spec_from_file_location(f"entry_point_{name}", path)
        assert specification is not None
        assert specification.loader is not None
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
        return module

    return load


def flows(routes):
    return {path: {method: flow.func for method, flow in methods.items()} for path, methods in routes.items()}


def test_the_gateway_of_the_tests_routes_as_the_functions_do(load):
    gateway = Gateway()
    assert flows(load("front_channel").ROUTES) == flows(gateway.front_routes())
    assert flows(load("back_channel").ROUTES) == flows(gateway.back_routes())
    assert flows(load("saml").ROUTES) == flows(SamlGateway().saml_routes())


def test_the_flows_are_bound_to_the_services_of_their_function(load):
    for name in ("front_channel", "back_channel", "saml"):
        module = load(name)
        bound = {flow.args[0] for methods in module.ROUTES.values() for flow in methods.values()}
        assert bound == {module.services}


@pytest.mark.parametrize("make", [http_event, rest_event], ids=["payload 2.0", "payload 1.0"])
@pytest.mark.parametrize(
    ("function", "paths"), [("front_channel", FRONT), ("back_channel", BACK), ("saml", SAML)]
)
def test_a_connection_that_is_none_is_a_404_on_every_route(load, capsys, make, function, paths):
    handler = load(function).handler
    for path in paths:
        method = "POST" if path in {"token", BACKCHANNEL_LOGOUT} else "GET"
        answer = handler(make(method, f"/{{connection}}/{path}", "nobody"), LambdaContext())
        assert answer["statusCode"] == 404, path
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["reason"] for line in lines] == ["unknown_connection"] * len(paths)


@pytest.mark.parametrize("event", [None, [], "x", {}, {"routeKey": 7}, {"httpMethod": "GET"}])
@pytest.mark.parametrize("function", ["front_channel", "back_channel", "saml"])
def test_no_event_makes_a_handler_raise(load, capsys, function, event):
    answer = load(function).handler(event, None)
    assert answer["statusCode"] in {400, 404}
    assert json.loads(capsys.readouterr().out)["reason"] in {"malformed_event", "unknown_route"}


@pytest.mark.parametrize(
    ("function", "loads"), [("front_channel", False), ("back_channel", False), ("saml", True)]
)
def test_only_the_saml_function_loads_an_xml_library_and_its_side_of_the_protocol(function, loads):
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{ROOT / 'shared'}{os.pathsep}{ROOT / 'functions' / function}",
        "FEDBRIDGE_ENVIRONMENT": "test",
        "FEDBRIDGE_BASE_URL": "https://bridge.example",
        # A file of connections is read with all the rules; what is deployed reads a table.
        "FEDBRIDGE_TRANSACTIONS": "dynamodb:Transactions",
        "FEDBRIDGE_CONNECTIONS": "dynamodb:Connections",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "FEDBRIDGE_ID_TOKEN_KEYS": "env:ID_TOKEN_KEY",
        "POWERTOOLS_METRICS_NAMESPACE": "fedbridge/test",
    }
    script = "import app, json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    modules = set(json.loads(done.stdout.splitlines()[-1]))
    assert bool(modules & {"lxml", "xmlsec", "onelogin"}) is loads
    assert any(name.startswith("fedbridge.sp") for name in modules) is loads
    if not loads:
        assert not modules & {"fedbridge.model.saml", "fedbridge.saml_routes", "fedbridge.op.form_post"}
