"""Dynamic registration of clients that are known by their certificate (RFC 8705), over TLS."""

import json
from typing import Literal

import pytest

from tests.counterparts.browser import new_browser
from tests.counterparts.oidc_provider import OidcProvider
from tests.interop.bridge import Declared, running_bridge
from tests.interop.passage import sign_in_twice
from tests.interop.registering import INITIAL, REGISTRATION, Operator
from tests.support.tls_files import tls_files

pytestmark = pytest.mark.interop

METHODS: dict[Literal["authority", "self_signed"], str] = {
    "authority": "tls_client_auth",
    "self_signed": "self_signed_tls_client_auth",
}
CONNECTIONS = [
    Declared(
        name=tls.replace("_", "-"),
        yaml=f"client_authentication: {{method: {method}}}\nmutual_tls: {{certificate: $tls, key: $tls}}",
        tls=tls,
        client={
            "token_endpoint_auth_method": method,
            "metadata": {"tls_client_auth_subject_dn": "CN=nobody"} if tls == "authority" else {},
        },
    )
    for tls, method in METHODS.items()
]


@pytest.fixture(scope="module")
def bridge(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bridge")
    (folder / "initial").write_text(INITIAL)
    tls = {
        "enabled": True,
        "tlsClientAuth": True,
        "selfSignedTlsClientAuth": True,
        "certificateBoundAccessTokens": True,
    }
    settings = {
        "clientAuthMethods": [*METHODS.values(), "private_key_jwt"],
        "features": {**REGISTRATION, "mTLS": tls},
    }
    with (
        OidcProvider(tls=tls_files(folder), oidc_provider=settings) as op,
        running_bridge(op, folder, CONNECTIONS) as bridge,
    ):
        yield bridge


@pytest.fixture
def browser(bridge):
    with new_browser(authority=bridge.op.tls.authority) as browser:
        yield browser


@pytest.fixture(autouse=True)
def as_it_was(bridge):
    before = bridge.file.read_text()
    yield
    bridge.file.write_text(before)


@pytest.mark.parametrize("connection", CONNECTIONS, ids=lambda connection: connection.name)
def test_a_certificate_is_registered_and_known_again(bridge, browser, openid_client, capsys, connection):
    at = Operator(bridge, connection.name, capsys)
    at.change(registration={"initial_access_token": f"file:{at.folder / 'initial'}"})
    client_id = at.register()
    registered = json.loads(at.run("--read"))
    assert registered["token_endpoint_auth_method"] == METHODS[connection.tls]
    assert registered["tls_client_certificate_bound_access_tokens"] is True
    if connection.tls == "authority":
        assert registered["tls_client_auth_subject_dn"] == f"CN={connection.name},O=fedbridge"
    else:
        assert [len(key["x5c"]) for key in registered["jwks"]["keys"]] == [1]
    for passage in sign_in_twice(bridge, openid_client, browser, connection.name):
        assert passage.authorization.query["client_id"] == client_id
    at.run("--update")
    at.run("--delete")
