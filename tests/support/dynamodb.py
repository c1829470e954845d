"""DynamoDB on loopback: moto behind a real HTTP server, with faults on request.

The client under test keeps its own HTTP stack, so that a lost answer is a lost answer. Requests are carried out one at a
time, as DynamoDB carries out the writes of one item.
"""

import io
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from fedbridge.aws import sdk_client

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from mypy_boto3_dynamodb import DynamoDBClient

CarryOut = Callable[[], Iterable[bytes]]
Fault = Callable[["WSGIEnvironment", "StartResponse", CarryOut], Iterable[bytes]]

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "not-a-secret",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def refuse(code: str, status: int = 400) -> Fault:
    """Answer an error of DynamoDB's without carrying anything out."""
    body = json.dumps(
        {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "refused by the test"}
    )
    return answer(status, body.encode())


def answer(status: int, body: bytes, *, carried_out: bool = False) -> Fault:
    """Answer these bytes, with or without having carried the request out."""

    def fault(_: "WSGIEnvironment", start_response: "StartResponse", carry_out: CarryOut) -> Iterable[bytes]:
        if carried_out:
            carry_out()
        start_response(f"{status} Status", [("Content-Length", str(len(body)))])
        return [body]

    return fault


def lose_answer(environ: "WSGIEnvironment", _: "StartResponse", carry_out: CarryOut) -> Iterable[bytes]:
    """Carry the request out, then drop the connection."""
    carry_out()
    return lose_request(environ, _, carry_out)


def lose_request(environ: "WSGIEnvironment", _: "StartResponse", __: CarryOut) -> Iterable[bytes]:
    """Drop the connection with nothing carried out."""
    environ["werkzeug.socket"].shutdown(2)
    raise ConnectionAbortedError  # Which the server takes for a client that went away.


class DynamoDBServer:
    """What a test sees of the server. `requests` is the journal, (operation, parameters); `table` the newest one."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, Mapping[str, Any]]] = []
        self.stopping = threading.Event()
        self.url = ""
        self.table = ""
        self._faults: list[Fault | None] = []
        self._permanent: Fault | None = None
        self._gathering: threading.Barrier | None = None
        self._journal_lock = threading.Lock()
        self._one_at_a_time = threading.Lock()
        self._moto = DomainDispatcherApplication(create_backend_app)

    @cached_property
    def client(self) -> "DynamoDBClient":
        """A client of the product's own kind, for all tests of this server."""
        return sdk_client("dynamodb", endpoint_url=self.url)

    @cached_property
    def patient(self) -> "DynamoDBClient":
        """A client that waits while moto imports what it needs, on a busy machine for longer than the product would."""
        client: DynamoDBClient = sdk_client("dynamodb", endpoint_url=self.url, read_timeout=30)
        return client

    def create_table(self, key: str) -> str:
        """Return the name of a new table with this partition key."""
        self.table = f"table-{uuid4()}"
        self.patient.create_table(
            TableName=self.table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
        )
        self.requests.clear()
        return self.table

    def fail(self, *faults: Fault | None) -> None:
        """Meet the next requests with these, one each; None lets one pass."""
        self._faults = list(faults)

    @contextmanager
    def failing(self, fault: Fault) -> Iterator[None]:
        """Meet every request with this."""
        self._permanent = fault
        yield
        self._permanent = None

    @contextmanager
    def gathering(self, parties: int) -> Iterator[None]:
        """Carry nothing out before so many requests are here: proof that all of them were under way at once."""
        self._gathering = threading.Barrier(parties)
        yield
        self._gathering = None

    def hang(
        self, _: "WSGIEnvironment", start_response: "StartResponse", carry_out: CarryOut
    ) -> Iterable[bytes]:
        """Carry the request out and never answer."""
        carry_out()
        self.stopping.wait()
        raise ConnectionAbortedError

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        gathering, fault = self._gathering, self._note(environ)
        if gathering is not None:
            gathering.wait(timeout=20)

        def carry_out() -> Iterable[bytes]:
            with self._one_at_a_time:
                return list(self._moto(environ, start_response))

        return fault(environ, start_response, carry_out) if fault else carry_out()

    def _note(self, environ: "WSGIEnvironment") -> Fault | None:
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        environ["wsgi.input"] = io.BytesIO(body)
        _, _, operation = environ["HTTP_X_AMZ_TARGET"].partition(".")
        with self._journal_lock:
            self.requests.append((operation, json.loads(body)))
            return self._faults.pop(0) if self._faults else self._permanent


@contextmanager
def running_dynamodb() -> Iterator[DynamoDBServer]:
    """Serve DynamoDB on loopback until the block ends; the environment holds credentials for it meanwhile."""
    service = DynamoDBServer()
    server = make_server("127.0.0.1", 0, service, threaded=True, request_handler=_QuietHandler)
    service.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        with pytest.MonkeyPatch.context() as environment:
            for name, value in CREDENTIALS.items():
                environment.setenv(name, value)
            yield service
            for client in (service.client, service.patient):
                client.close()
    finally:
        service.stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _QuietHandler(MotoRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002  the base class' name
        """Say nothing: the journal knows."""
