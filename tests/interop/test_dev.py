"""`fedbridge dev`, the program itself: a connections.yaml, nothing else, and users sign in."""

import re
import sys
from pathlib import Path

import pytest

from fedbridge.cli.secrets import new_client_secret
from fedbridge.op.client_authentication import secret_hash
from tests.counterparts.browser import travel
from tests.counterparts.oidc_provider import Client, OidcProvider
from tests.counterparts.openid_client import RelyingParty
from tests.counterparts.process import START_SECONDS, Program, clean_environment
from tests.support import canaries
from tests.support.keys import ec_key, private_pem
from tests.support.machine import ROOT

pytestmark = pytest.mark.interop

APP = "http://localhost:9/oauth2/idpresponse"
CONNECTIONS = """
connections:
  bank:
    issuer: {issuer}
    client_id: bridge
    client_authentication: {{method: private_key_jwt, key: file:client.pem}}
    authorization: {{scope: openid email}}
    relying_parties:
      - client_id: cognito
        secret_hashes: ["{secret_hash}"]
        redirect_uris: [{app}]
        restart_url: http://localhost:9/
"""


def test_a_user_signs_in_with_nothing_but_a_file(tmp_path, openid_client, browser):
    secret = canaries.canary(new_client_secret(), "client_secret")
    (tmp_path / "client.pem").write_text(private_pem(ec_key(number=2)))
    with OidcProvider() as op:
        file = CONNECTIONS.format(issuer=op.issuer, secret_hash=secret_hash(secret), app=APP)
        (tmp_path / "connections.yaml").write_text(file)
        command: list[str | Path] = [
            Path(sys.executable).parent / "fedbridge",
            "dev",
            "--port",
            "0",
            "--template",
            ROOT / "template.yaml",
        ]
        with Program("fedbridge dev", command, env=clean_environment(), cwd=tmp_path) as program:
            issuer = address_in(program)
            op.add_client(
                Client(
                    client_id="bridge",
                    redirect_uris=[f"{issuer}/callback"],
                    jwks_uri=f"{issuer}/client-jwks.json",
                    token_endpoint_auth_signing_alg="ES256",
                )
            )
            rp = RelyingParty(
                client_id="cognito",
                client_secret=secret,
                redirect_uri=APP,
                issuer=issuer,
                pkce=True,
                nonce=True,
            )
            for _ in range(2):
                request = openid_client.authorization_url(rp)
                trip = travel(browser, request.url, until=lambda request: str(request.url).startswith(APP))
                signed_in = openid_client.callback(rp, request, trip.next_request)
                assert signed_in.userinfo["email"] == "alice@example.com"
            canaries.observe_output(program.log(), "fedbridge dev")
    assert (tmp_path / ".fedbridge" / "transactions.db").exists()


def address_in(program):
    """The issuer that the program prints when it serves."""
    line = ""
    while not (found := re.search(r"http://localhost:\d+/bank", line)):
        line = program.read_line(START_SECONDS)
    return found[0]
