"""What a snapshot of each function would hold (Lambda SnapStart): each is initialised as Lambda does, and looked into."""

import ast
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from fedbridge import snap_start
from tests.infra.template import Template
from tests.support.machine import ROOT

FUNCTIONS = {"front_channel": "FrontChannel", "back_channel": "BackChannel", "saml": "Saml"}

# What Python draws at random for itself, before and while it imports: hashes of strings, names of temporary files, the
# jitter of retries. None of it is a secret, and all of it is the standard library's or the SDK's.
WATCH = """
import gc, json, os, random, secrets, socket, ssl, sys, traceback, uuid

drawn, opened = [], []

def watched(module, name):
    real = getattr(module, name)
    def wrapper(*arguments, **named):
        drawn.append([f"{module.__name__}.{name}", traceback.extract_stack()[-2].filename])
        return real(*arguments, **named)
    setattr(module, name, wrapper)

for module, name in ((os, "urandom"), (uuid, "uuid4"), (ssl, "RAND_bytes"), (secrets, "token_bytes"),
                     (secrets, "token_urlsafe"), (secrets, "token_hex"), (secrets, "randbits"), (secrets, "choice"),
                     (random.SystemRandom, "getrandbits")):
    watched(module, name)

sys.addaudithook(lambda event, arguments: opened.append([event, repr(arguments)])
                 if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto") else None)

import app

if os.environ.get("THEN_CALL"):
    from fedbridge.aws import sdk_client
    sdk_client("dynamodb").list_tables()

canary = "".join(("CAN", "ARY"))  # not as a constant, which would be found

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
kinds = (ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey, rsa.RSAPrivateKey, x25519.X25519PrivateKey)
gc.collect()
found = gc.get_objects()
text = []
for each in found:
    text += [value for value in getattr(each, "__dict__", {}).values() if isinstance(value, (str, bytes))]
    if isinstance(each, (str, bytes)):
        text.append(each)
    elif isinstance(each, dict):
        text += [value for value in each.values() if isinstance(value, (str, bytes))]
    elif isinstance(each, (list, tuple, set)):
        text += [value for value in each if isinstance(value, (str, bytes))]
text = [each.decode("latin-1") if isinstance(each, bytes) else each for each in text]

print(json.dumps({
    "drawn": drawn,
    "opened": opened,
    "keys": [type(each).__name__ for each in found if isinstance(each, kinds)],
    "sockets": [repr(each) for each in found if isinstance(each, socket.socket)],
    "connections": [type(each).__name__ for each in found if type(each).__name__ in ("HTTPConnection", "HTTPSConnection",
                    "AWSHTTPConnection", "AWSHTTPSConnection")],
    "secrets": [each[:8] for each in text if canary in each and each != canary],
    "modules": sorted(sys.modules),
}))
"""


class CredentialsEndpoint(ThreadingHTTPServer):
    """Lambda's endpoint of credentials; `asked` counts."""

    asked = 0
    credentials = {  # noqa: RUF012  of the class, as its handler reads it
        "AccessKeyId": "ASIACANARY",
        "SecretAccessKey": "CANARY-secret-access-key",
        "Token": "CANARY-session-token",
        "Expiration": "2100-01-01T00:00:00Z",
    }


class Handler(BaseHTTPRequestHandler):
    server: CredentialsEndpoint
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked += 1
        right = self.headers.get("Authorization") == "a-token-of-the-platform"
        self._answer(200 if right else 403, self.server.credentials if right else {})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        signed = "ASIACANARY" in self.headers.get("Authorization", "")
        self._answer(200 if signed else 403, {"TableNames": []})

    def _answer(self, status: int, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class' name
        """Say nothing."""


@pytest.fixture(scope="module")
def endpoint():
    with CredentialsEndpoint(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def initialised(function: str, endpoint: CredentialsEndpoint, **more: str) -> dict[str, Any]:
    """Import the function as Lambda does to make a snapshot, and tell what is in the process."""
    parameters = {"BaseUrl": "https://bridge.example", "KeepSessions": "true", "SnapStart": "true"}
    variables = Template(parameters).properties(FUNCTIONS[function])["Environment"]["Variables"]
    url = f"http://127.0.0.1:{endpoint.server_port}"
    done = subprocess.run(
        [sys.executable, "-c", WATCH],
        env={
            **variables,
            "FEDBRIDGE_ID_TOKEN_KEYS": "kms:arn:aws:kms:eu-central-1:111122223333:key/1",
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{ROOT / 'shared'}{os.pathsep}{ROOT / 'functions' / function}",
            "AWS_LAMBDA_FUNCTION_NAME": function,
            "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ENDPOINT_URL": url,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": "a-token-of-the-platform",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            **more,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module", params=sorted(FUNCTIONS))
def snapshot(request, endpoint):
    before = endpoint.asked
    return request.param, initialised(request.param, endpoint), endpoint.asked - before


def test_nothing_random_is_drawn_by_us(snapshot):
    _, found, _ = snapshot
    for what, where in found["drawn"]:
        assert "/fedbridge/" not in where, (what, where)
        assert not where.endswith("/app.py"), (what, where)


def test_no_key_secret_or_credential_is_there(snapshot):
    _, found, asked = snapshot
    assert found["keys"] == []
    assert found["secrets"] == []
    assert asked == 0


def test_nobody_was_connected_to(snapshot):
    _, found, _ = snapshot
    assert found["opened"] == []
    assert found["sockets"] == []
    assert found["connections"] == []


def test_what_a_request_would_load_is_loaded(snapshot):
    function, found, _ = snapshot
    lists = {
        "front_channel": snap_start.FRONT_CHANNEL,
        "back_channel": snap_start.BACK_CHANNEL,
        "saml": snap_start.SAML,
    }
    assert set(lists[function]) <= set(found["modules"])
    xml = {"lxml", "xmlsec", "onelogin"} & set(found["modules"])
    assert bool(xml) == (function == "saml")


def test_the_first_request_fetches_its_credentials(endpoint):
    before = endpoint.asked
    found = initialised("back_channel", endpoint, THEN_CALL="yes")
    assert endpoint.asked == before + 1
    # So what the tests above do not find would have been found.
    assert found["secrets"]
    assert found["opened"]


LEFT_OUT = {
    # Other parts of the program, what publishes, and stores of local runs.
    "fedbridge.aws", "fedbridge.configuration.document", "fedbridge.configuration.file",
    "fedbridge.configuration.ring_document", "fedbridge.configuration.rules", "fedbridge.fixtures_saml",
    "fedbridge.flows", "fedbridge.keys.certified", "fedbridge.keys.client", "fedbridge.keys.client_decryption",
    "fedbridge.keys.jwk", "fedbridge.publishing", "fedbridge.store.connections_file", "fedbridge.store.memory",
    "fedbridge.store.sessions_memory", "fedbridge.store.sessions_sqlite", "fedbridge.store.sqlite",
    "fedbridge.trigger_settings", "fedbridge.triggers.configuration", "fedbridge.triggers.services",
    "fedbridge.rp.revocation", "fedbridge.model.saml", "fedbridge",
    # What wiring loads before it warms up.
    "fedbridge.keys.id_token_ring", "fedbridge.rp.oidc", "fedbridge.saml_routes",
    "fedbridge.store.connections_dynamodb", "fedbridge.store.dynamodb", "fedbridge.store.key_rings_dynamodb",
    "fedbridge.store.sessions_dynamodb",
}  # fmt: skip


def test_whatever_is_loaded_late_is_in_the_lists_or_left_out_on_purpose():
    package = ROOT / "shared" / "fedbridge"
    late = {
        name
        for file in package.rglob("*.py")
        if file.relative_to(package).parts[0] not in {"cli", "fixtures.py", "snapshots.py", "triggers"}
        for function in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.ImportFrom) and (name := node.module or "").startswith("fedbridge")
    }
    listed = {*snap_start.FRONT_CHANNEL, *snap_start.BACK_CHANNEL, *snap_start.SAML}
    assert late - listed - LEFT_OUT == set()
