"""Client secrets that change: the operator's command and the running bridge, with oidc-provider."""

import io
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fedbridge.cli import main
from tests.counterparts.faults import Answer, Fault
from tests.counterparts.oidc_provider import OidcProvider
from tests.interop.bridge import Declared, running_bridge
from tests.interop.passage import sign_in_at_pool, user_pool
from tests.support.canaries import canary, observe

pytestmark = pytest.mark.interop

OLD = canary("old-secret-of-this-connection-%+", "client secret")
NEW = canary("new-secret-of-this-connection-%+", "client secret")


@pytest.fixture(scope="module")
def op():
    with OidcProvider() as op:
        yield op


@pytest.fixture(params=["client_secret_basic", "client_secret_post", "client_secret_jwt"])
def bridge(op, tmp_path, request):
    declared = Declared(
        name="bank",
        yaml=f"client_authentication: {{method: {request.param}, secret: $secret}}",
        secret=OLD,
        client={"token_endpoint_auth_method": request.param},
    )
    op.set_clients()
    with running_bridge(op, tmp_path, [declared]) as bridge:
        yield bridge


@pytest.fixture
def put(bridge, monkeypatch, capsys):
    def put(typed):
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        code = main(["secrets", "put", "bank", "--local", "--file", str(bridge.file)])
        printed = capsys.readouterr()
        observe(printed.out + printed.err, "secrets put")
        return code, printed.out + printed.err

    return put


def stored(bridge) -> str:
    return Path(bridge.file).with_name("bank.secret").read_text()


def changed_at_idp(op, secret):
    op.set_clients(*(replace(each, client_secret=secret) for each in op.clients))


def test_a_secret_that_the_idp_takes_is_stored_and_signs_people_in(op, bridge, put, browser):
    code, printed = put(NEW)
    assert code == 1
    assert "the IdP refuses this secret (invalid_client). Nothing was stored." in printed
    assert stored(bridge) == OLD

    changed_at_idp(op, NEW)
    code, printed = put(NEW)
    assert (code, stored(bridge)) == (0, NEW)
    assert "The IdP takes it" in printed
    with user_pool(bridge, "bank") as pool:
        sign_in_at_pool(bridge, pool, browser)


def test_an_idp_that_does_not_say_is_no_reason_not_to_store(op, bridge, put):
    op.set_fault("token", Fault(answer=Answer(status=400, body='{"error":"invalid_request"}')))
    try:
        code, printed = put(NEW)
    finally:
        op.clear_faults()
    assert (code, stored(bridge)) == (0, NEW)
    assert "did not say whether it takes it (invalid_request)" in printed
