"""AWS on loopback that writes down who called what: moto, with KMS keys that really sign and decrypt.

Each caller has an endpoint of its own, by which it is told from the others:

    with recorded_aws() as aws:
        client = sdk_client("dynamodb", endpoint_url=aws.endpoint("FrontChannel"))
        aws.calls["FrontChannel"]
"""

import io
import itertools
import json
import re
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.exceptions import ClientError
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from tests.fakes import kms
from tests.support.dynamodb import CREDENTIALS

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

__all__ = ["CREDENTIALS", "Call", "RecordedAws", "recorded_aws"]


_numbers = itertools.count(700_000_000_000)


@dataclass(frozen=True)
class Call:
    """One call of an API, such as ("dynamodb", "PutItem", {…})."""

    service: str
    operation: str
    parameters: Mapping[str, Any]


class RecordedAws:
    """The account, which nothing else in this process shares. `kms` holds the keys, by ARN."""

    def __init__(self) -> None:
        self.number = f"{next(_numbers):012}"
        self.url = ""
        self.kms = kms.FakeKms()
        self.calls: defaultdict[str, list[Call]] = defaultdict(list)
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._one_at_a_time = threading.Lock()

    def endpoint(self, caller: str) -> str:
        """Return the URL of every service, for this caller."""
        return f"{self.url}/{caller}"

    @cached_property
    def _kms_model(self) -> Any:
        return botocore.session.get_session().get_service_model("kms")

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        _, caller, *rest = environ["PATH_INFO"].split("/")
        environ["PATH_INFO"] = "/" + "/".join(rest)
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = self.number  # moto keeps its accounts for the life of the process
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        with self._one_at_a_time:
            _, _, operation = environ["HTTP_X_AMZ_TARGET"].partition(".")
            call = Call(_service(environ), operation, json.loads(body))
            self.calls[caller].append(call)
            if call.service == "kms":
                return self._answer_kms(call, start_response)
            return list(self._moto(environ, start_response))

    def _answer_kms(self, call: Call, start_response: "StartResponse") -> Iterable[bytes]:
        status = "200 OK"
        try:
            model = self._kms_model.operation_model(call.operation)
            document = kms.answer(self.kms, model, dict(call.parameters))
        except ClientError as error:
            status, document = "400 Bad Request", {"__type": error.response["Error"]["Code"]}
        start_response(status, [("Content-Type", "application/x-amz-json-1.1")])
        return [json.dumps(document).encode()]


def _service(environ: "WSGIEnvironment") -> str:
    """Return what the request was signed for (Signature Version 4, credential scope)."""
    scope = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/aws4_request", environ["HTTP_AUTHORIZATION"])
    assert scope is not None
    return scope[1]


@contextmanager
def recorded_aws() -> Iterator[RecordedAws]:
    """Serve on loopback until the block ends."""
    aws = RecordedAws()
    server = make_server("127.0.0.1", 0, aws, threaded=True, request_handler=_Quiet)
    aws.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield aws
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Quiet(MotoRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002  the base class' name
        """The journal is what matters."""
