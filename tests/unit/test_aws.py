"""The SDK client's configuration, seen from the other end of the connection."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest
import time_machine
from botocore.exceptions import BotoCoreError, ClientError

from fedbridge.aws import IDLE_LIMIT, sdk_client
from tests.support.dynamodb import CREDENTIALS

SHARED = Path(__file__).parents[2] / "shared"


class Endpoint(ThreadingHTTPServer):
    """Answers every call with `status` and `{}`, or drops it where status is 0. `requests` is the journal of headers."""

    status = 200
    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[dict[str, str]] = []
        self.peers: list[int] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Endpoint

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(dict(self.headers))
        self.server.peers.append(self.client_address[1])
        if not self.server.status:
            self.close_connection = True
            return
        self.send_response(self.server.status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class' name
        """Say nothing."""


@contextmanager
def serving() -> Iterator[Endpoint]:
    with Endpoint() as endpoint:
        thread = threading.Thread(target=endpoint.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield endpoint
        finally:
            endpoint.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with serving() as endpoint:
        yield endpoint


CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "dynamodb": ("get_item", {"TableName": "t", "Key": {"id": {"S": "i"}}}),
    "kms": ("sign", {"KeyId": "k", "Message": b"m", "SigningAlgorithm": "ECDSA_SHA_256"}),
    "secretsmanager": ("get_secret_value", {"SecretId": "s"}),
    "ssm": ("get_parameter", {"Name": "n"}),
}


def call(client: Any, service: str) -> Any:
    operation, parameters = CALLS[service]
    return getattr(client, operation)(**parameters)


@pytest.mark.parametrize("status", [400, 429, 500, 503, 0])
@pytest.mark.parametrize("service", CALLS)
def test_a_failed_call_is_sent_once(endpoint: Endpoint, service: str, status: int) -> None:
    endpoint.status = status
    with closing(sdk_client(service, endpoint_url=endpoint.url)) as client:
        with pytest.raises((ClientError, BotoCoreError)):
            call(client, service)
        assert len(endpoint.requests) == 1


@pytest.mark.parametrize("service", CALLS)
def test_calls_share_a_connection_and_a_short_user_agent(endpoint: Endpoint, service: str) -> None:
    with closing(sdk_client(service, endpoint_url=endpoint.url)) as client:
        for _ in range(3):
            call(client, service)
        assert len(set(endpoint.peers)) == 1
        agents = [headers["User-Agent"] for headers in endpoint.requests]
        assert all(agent.startswith("fedbridge ") and "Python" not in agent for agent in agents)


@pytest.mark.parametrize("rest", [IDLE_LIMIT + 1, -1.0])
def test_a_connection_that_rested_too_long_is_not_trusted_with_a_request(
    endpoint: Endpoint, rest: float
) -> None:
    with (
        time_machine.travel(1_800_000_000, tick=False) as traveller,
        closing(sdk_client("dynamodb", endpoint_url=endpoint.url)) as client,
    ):
        call(client, "dynamodb")
        traveller.shift(IDLE_LIMIT)
        call(client, "dynamodb")
        assert len(set(endpoint.peers)) == 1
        traveller.shift(rest)
        call(client, "dynamodb")
        assert len(set(endpoint.peers)) == 2


def test_time_outs_are_short_and_connections_kept_alive(endpoint: Endpoint) -> None:
    with closing(sdk_client("dynamodb", endpoint_url=endpoint.url)) as client:
        configuration: Any = client.meta.config
    assert (configuration.connect_timeout, configuration.read_timeout) == (1, 2)
    assert configuration.tcp_keepalive is True


def test_parameters_are_checked_by_the_service_alone(endpoint: Endpoint) -> None:
    with closing(sdk_client("dynamodb", endpoint_url=endpoint.url)) as client:
        cast("Any", client).get_item(TableName="a key is missing")
    assert len(endpoint.requests) == 1


def run_python(code: str, **environment: str) -> str:
    child = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={"PYTHONPATH": str(SHARED), "HOME": "/nonexistent", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.stderr == ""
    return child.stdout


LOADED = "import sys; print(*sorted({'boto3', 'boto3.dynamodb', 'botocore', 'moto'} & set(sys.modules)))"


@pytest.mark.parametrize(
    "module", ["aws", "store.memory", "store.sqlite", "store.registry", "store.connections_file"]
)
def test_local_stores_do_not_load_the_sdk(module: str) -> None:
    assert run_python(f"import fedbridge.{module}; {LOADED}").split() == []


def test_a_client_comes_without_resources() -> None:
    code = (
        "import fedbridge.store.dynamodb, fedbridge.store.connections_dynamodb; "
        "from fedbridge.aws import sdk_client; sdk_client('dynamodb'); "
    )
    assert run_python(code + LOADED, **CREDENTIALS).split() == ["boto3", "botocore"]


def test_the_stores_import_no_client_code_before_a_client_is_made() -> None:
    code = "import fedbridge.store.dynamodb, sys; print('botocore.client' in sys.modules)"
    assert run_python(code).strip() == "False"


def test_a_region_that_is_missing_is_a_configuration_error() -> None:
    code = """
from fedbridge.aws import sdk_client
from fedbridge.errors import ConfigurationError
try:
    sdk_client("dynamodb")
except ConfigurationError as error:
    print(error)
"""
    assert "AWS_DEFAULT_REGION" in run_python(code)


def test_clients_have_the_credentials_of_the_environment_in_which_they_are_made(monkeypatch):
    found = []
    for key in ("AKIDFIRST", "AKIDSECOND"):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        client: Any = sdk_client("dynamodb")
        found.append(client._request_signer._credentials.access_key)
    assert found == ["AKIDFIRST", "AKIDSECOND"]
