"""`fedbridge check` at IdPs that nobody here wrote: it is silent about good set-ups, and names what is wrong with others."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.counterparts.faults import ANSWERS, Answer, Fault
from tests.counterparts.oidc_provider import AssertionRules, OidcProvider
from tests.interop.bridge import Declared, running_bridge
from tests.interop.checking import Broken, Operator
from tests.interop.requests import SETTINGS, SIGNED, connection
from tests.support.keys import ec_key, private_pem, rsa_key
from tests.support.tls_files import tls_files

pytestmark = pytest.mark.interop

SECRET = "a secret of the bridge, long enough for HS256"
FEATURES = {**SETTINGS, "features": {**SETTINGS["features"], "dPoP": {"enabled": True}}}


def sharing(name, method):
    return Declared(
        name=name,
        yaml=f"client_authentication: {{method: {method}, secret: $secret}}",
        secret=SECRET,
        client={"token_endpoint_auth_method": method},
    )


GOOD = [
    connection("key"),
    sharing("secret", "client_secret_basic"),
    sharing("post", "client_secret_post"),
    sharing("jwt", "client_secret_jwt"),
    connection("pushed", "par: required", require_pushed_authorization_requests=True),
    connection("signed", "request_object: {}", **SIGNED),
    connection("sealed", "response_mode: jwt"),
    connection("bound", "par: required", "dpop: {}"),
]


@pytest.fixture(scope="module")
def bridge(tmp_path_factory):
    with (
        OidcProvider(oidc_provider=FEATURES) as op,
        running_bridge(op, tmp_path_factory.mktemp("bridge"), GOOD) as bridge,
    ):
        yield bridge


@pytest.fixture
def operator(bridge, tmp_path, capsys):
    return Operator(bridge=bridge, folder=tmp_path, capsys=capsys)


@pytest.mark.parametrize("name", [each.name for each in GOOD])
def test_nothing_is_found_where_nothing_is_wrong(operator, name):
    checked = operator.check(Broken(codes=(), of=name))
    assert checked.findings == []
    assert checked.exit_code == 0
