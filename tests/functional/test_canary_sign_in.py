"""Cases 155 and 156 end to end: sign-ins through the two functions, with everything turned on that anybody could turn on.

The handlers run under AWS's own runtime client, with DynamoDB and Secrets Manager behind them and an IdP on loopback that
quotes what it was sent. Every library logs at DEBUG, to the root handler and to a handler of its own, before the handler
is imported and after. What the functions then write, and every answer, is searched for every secret of the trip.
"""

import json
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import certifi
import pytest
from botocore.config import Config
from botocore.session import get_session

from fedbridge.configuration.document import encode, version_of
from fedbridge.model.connection import (
    AuthorizationRequestProfile,
    ClientAuthentication,
    Connection,
    IdTokenPolicy,
)
from fedbridge.model.deadline import Deadline
from fedbridge.ports import OutboundRequest, OutboundResponse
from fedbridge.store.connections_dynamodb import ConnectionPublisher
from fedbridge.telemetry.events import EVENTS
from tests.counterparts.runtime_api import LambdaSandbox
from tests.fakes.http import json_answer
from tests.support import canaries
from tests.support.bridge import SECRET, connection, s256
from tests.support.canary_watch import LIBRARIES
from tests.support.dynamodb import CREDENTIALS, DynamoDBServer, answer, lose_answer, running_dynamodb
from tests.support.gateway import FRONT_CHANNEL, Gateway, Visitor
from tests.support.keys import ec_key, jwk_text, private_pem
from tests.support.machine import ROOT
from tests.unit.rp.idp import CLIENT_ID, FakeClock, FakeIdp, private_key

CLIENT_SECRET_AT_IDP = canaries.canary("client:secret+at/the=IdP&0123456789", "upstream client secret")
AWS_SECRET = canaries.canary("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "an AWS secret key")
AWS_SESSION = canaries.canary("IQoJb3JpZ2luX2VjEXAMPLESESSIONTOKEN0123456789", "an AWS session token")
EMAIL = canaries.canary("ana.canary.of.the.suite@example.com", "claim")
NAME = canaries.canary('Ana "the canary" Ñúñez of the suite', "claim")
VERIFIER = canaries.canary("verifier-of-the-app-that-nobody-may-read-0001", "code_verifier")
NONCE = canaries.canary("nonce-of-the-app-that-nobody-logs", "nonce")
HINT = canaries.canary("hint.canary.of.the.suite@example.com", "claim")

SWITCHES = {
    "POWERTOOLS_LOG_LEVEL": "DEBUG",
    "POWERTOOLS_LOGGER_LOG_EVENT": "true",
    "POWERTOOLS_DEV": "true",
    "POWERTOOLS_DEBUG": "true",
    "POWERTOOLS_LOGGER_SAMPLE_RATE": "1",
    "POWERTOOLS_TRACER_CAPTURE_RESPONSE": "true",
    "POWERTOOLS_TRACER_CAPTURE_ERROR": "true",
    "AWS_LAMBDA_LOG_LEVEL": "DEBUG",
    "LOG_LEVEL": "DEBUG",
    "PYTHONWARNINGS": "default",
}

# {before} and {after} run around the import of the function's own module.
FUNCTION = """
import importlib.util, logging, os, sys

def everything_on():
    logging.getLogger().setLevel(1)
    logging.getLogger().addHandler(logging.StreamHandler(sys.stdout))
    for name in {libraries!r}:
        logging.getLogger(name).setLevel(1)
        logging.getLogger(name).addHandler(logging.StreamHandler(sys.stdout))

def audit(event, arguments):
    if event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        sys.stderr.write("WRITES %r\\n" % (arguments[0],))

everything_on()
specification = importlib.util.spec_from_file_location("function", {path!r})
module = importlib.util.module_from_spec(specification)
specification.loader.exec_module(module)
everything_on()
sys.addaudithook(audit)
handler = module.handler
{leak}
"""


class LoopbackIdp(ThreadingHTTPServer):
    """A `FakeIdp` behind real HTTP on loopback; `quote` makes an endpoint fail with all that it was sent in its answer."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.idp = FakeIdp(
            issuer=f"http://127.0.0.1:{self.server_port}",
            clock=FakeClock(time.time()),
            userinfo={
                "sub": "subject-canary-of-the-suite-0001",
                "email": EMAIL,
                "email_verified": True,
                "name": NAME,
            },
        )
        self.idp.claims["sub"] = "subject-canary-of-the-suite-0001"

    def fail(self, method: str, path: str, status: int, content_type: str = "application/json") -> None:
        """Answer with an error that quotes the request: head, body, credentials."""

        def quoted(request: OutboundRequest) -> OutboundResponse:
            sent = f"{request.url} {dict(request.headers)} {(request.body or b'').decode()}"
            error = {
                "error": f"invalid: {sent}"[:60],
                "error_description": sent,
                "error_uri": f"https://x/{sent}",
            }
            headers = {"content-type": content_type, "www-authenticate": f'Bearer error="{sent[:200]}"'}
            return OutboundResponse(
                status=status, headers={**headers, "set-cookie": "a=b"}, body=json.dumps(error).encode()
            )

        self.idp.http.answer(method, self.idp.url(path), quoted)

    def mend(self) -> None:
        self.idp.answer_token(
            lambda _: self.idp.token_answer(access_token="access-token-of-the-idp-0123456789")
        )
        self.idp.http.answer("GET", self.idp.url("/userinfo"), lambda _: json_answer(self.idp.userinfo))
        self.idp.header.clear()


class _Handler(BaseHTTPRequestHandler):
    server: LoopbackIdp
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        response = self.server.idp.http.send(
            OutboundRequest(
                method=self.command,
                url=self.server.idp.url(self.path),
                headers=dict(self.headers.items()),
                body=self.rfile.read(length) if length else None,
            ),
            Deadline.after(20),
        )
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value.replace("\r", " ").replace("\n", " "))
        self.send_header("content-length", str(len(response.body)))
        self.end_headers()
        self.wfile.write(response.body)

    do_POST = do_GET  # noqa: N815  http.server's name

    def log_message(self, *_: object) -> None:
        """The fake keeps the journal."""


WHOLE = 10_000_000
"""Characters of a log: all of it."""


@dataclass
class Stage:
    """Everything that a sign-in needs, running."""

    aws: DynamoDBServer
    idp: LoopbackIdp
    front: LambdaSandbox
    back: LambdaSandbox

    def logs(self) -> tuple[str, str]:
        return self.front.log(WHOLE), self.back.log(WHOLE)

    def gateway(self) -> "SandboxGateway":
        return SandboxGateway(self)


class SandboxGateway(Gateway):
    """Invokes the functions where they run; their telemetry is their log."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage = stage
        self.idp = stage.idp.idp

    def invoke(self, event: Mapping[str, Any], path: str) -> dict[str, Any]:
        sandbox = self.stage.front if path in FRONT_CHANNEL else self.stage.back
        result: dict[str, Any] = sandbox(dict(event))
        return result


def connections(issuer: str, secrets: str) -> list[Connection]:
    def at(name: str, party: Mapping[str, Any] | None = None, **fields: Any) -> Connection:
        return connection(
            name,
            issuer=issuer,
            client_id=CLIENT_ID,
            id_token=IdTokenPolicy(algorithms=("ES256",)),
            **{**(party or {}), **fields},
        )

    secret = f"{secrets}/upstream#client_secret"
    return [
        at(
            "acme",
            client_authentication=ClientAuthentication(
                method="private_key_jwt", key=f"{secrets}/assertion-key"
            ),
        ),
        at("bank", client_authentication=ClientAuthentication(method="client_secret_basic", secret=secret)),
        at(
            "post",
            client_authentication=ClientAuthentication(method="client_secret_post", secret=secret),
            authorization=AuthorizationRequestProfile(response_mode="form_post"),
        ),
        at(
            "broken",
            client_authentication=ClientAuthentication(
                method="client_secret_basic", secret=f"{secrets}/none"
            ),
        ),
        at("strict", party={"require_pkce": True}, client_authentication=ClientAuthentication(secret=secret)),
    ]


def prepare_aws(aws: DynamoDBServer, issuer: str, name: str) -> Mapping[str, str]:
    """Fill the services and return what the functions' environment says about them."""
    patience = Config(read_timeout=30, retries={"total_max_attempts": 1})
    manager: Any = get_session().create_client("secretsmanager", endpoint_url=aws.url, config=patience)
    for secret, value in {
        "id-token-key": private_pem(ec_key("P-256", 21)),
        "id-token-key-next": jwk_text(ec_key("P-256", 22)),
        "assertion-key": jwk_text(ec_key("P-256", 23)),
        "upstream": json.dumps({"client_secret": CLIENT_SECRET_AT_IDP}),
    }.items():
        manager.create_secret(Name=f"fedbridge/{name}/{secret}", SecretString=value)
    manager.close()
    tables = {kind: aws.create_table(key) for kind, key in (("CONNECTIONS", "name"), ("TRANSACTIONS", "id"))}
    publisher = ConnectionPublisher(aws.client, tables["CONNECTIONS"])
    for declared in connections(issuer, f"secretsmanager:fedbridge/{name}"):
        published = replace(declared, version=version_of(declared))
        publisher.publish(declared.name, encode(published), published.version, Deadline.after(20))
    aws.requests.clear()
    return {
        "FEDBRIDGE_ENVIRONMENT": name,
        "FEDBRIDGE_ID_TOKEN_KEYS": ",".join(
            f"secretsmanager:fedbridge/{name}/{key}" for key in ("id-token-key", "id-token-key-next")
        ),
        **{f"FEDBRIDGE_{kind}": f"dynamodb:{table}" for kind, table in tables.items()},
    }


@contextmanager
def staged(folder: Path, *, log_format: str = "JSON", leak: str = "") -> Iterator[Stage]:
    with ExitStack() as stack:
        aws = stack.enter_context(running_dynamodb())
        idp = LoopbackIdp()
        stack.callback(idp.server_close)
        thread = threading.Thread(target=idp.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        stack.callback(thread.join)
        stack.callback(idp.shutdown)
        idp.mend()
        environment = {
            **CREDENTIALS,
            **SWITCHES,
            **prepare_aws(aws, idp.idp.issuer, f"test-{uuid4()}"),  # moto has one memory a process
            "AWS_SECRET_ACCESS_KEY": AWS_SECRET,
            "AWS_SESSION_TOKEN": AWS_SESSION,
            "AWS_LAMBDA_LOG_FORMAT": log_format,
            "AWS_ENDPOINT_URL": aws.url,
            "FEDBRIDGE_BASE_URL": "https://bridge.example",
            "FEDBRIDGE_PRIVATE_HOSTS": f"127.0.0.1:{idp.server_port}",
            "POWERTOOLS_SERVICE_NAME": "fedbridge",
            "POWERTOOLS_METRICS_NAMESPACE": "fedbridge",
        }
        layer = as_layer(folder)
        sandboxes = [
            stack.enter_context(
                LambdaSandbox(
                    function=as_function(folder, name, leak), layers=[layer], env=environment, timeout=29
                )
            )
            for name in ("front_channel", "back_channel")
        ]
        yield Stage(aws, idp, *sandboxes)


def as_layer(folder: Path) -> Path:
    """Return a layer of the checkout: the package, and what this environment has installed."""
    packages = Path(certifi.__file__).parents[1]
    place = folder / "layer" / "python" / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    place.mkdir(parents=True)
    (place / "site-packages").symlink_to(packages)
    (folder / "layer" / "python" / "fedbridge").symlink_to(ROOT / "shared" / "fedbridge")
    return folder / "layer"


def as_function(folder: Path, name: str, leak: str) -> Path:
    function = folder / name
    function.mkdir()
    path = str(ROOT / "functions" / name / "app.py")
    (function / "app.py").write_text(
        FUNCTION.format(libraries=(*LIBRARIES, "fedbridge", "asyncio", "py.warnings"), path=path, leak=leak)
    )
    return function


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("stage")) as stage:
        yield stage


@pytest.fixture
def gateway(stage: Stage) -> Iterator[SandboxGateway]:
    """A gateway whose functions have nothing left to say about earlier tests, and say nothing secret in this one."""
    before = [len(log) for log in stage.logs()]
    yield stage.gateway()
    stage.idp.mend()
    written = [log[start:] for log, start in zip(stage.logs(), before, strict=True)]
    for text in written:
        canaries.observe_output(text, "the log of a function")
        assert "WRITES" not in text, "the scratch disk is not for us (case 144)"
        assert "Traceback" not in text
        # A handler that somebody adds to our own logger gets the event's name alone.
        assert {line for line in text.splitlines() if not line.startswith("{")} <= set(EVENTS)
    assert "".join(written), "something was logged"


def walks_through(gateway: SandboxGateway, name: str, **parameters: str) -> Mapping[str, Any]:
    browser = Visitor(gateway, name)
    method = "POST" if name == "post" else "GET"
    state = browser.start(login_hint=HINT, nonce=NONCE, **parameters)
    finished = browser.callback(state, method=method, code="code-of-the-idp-0123456789abcdef")
    assert "code" in finished.location, finished
    assert browser.callback(state, method=method).location == finished.location  # a reload
    tokens = gateway.redeem(
        finished.location["code"], name=name, code_verifier=VERIFIER if parameters else None
    )
    assert tokens.status == 200, tokens
    claims = gateway.read_userinfo(tokens.json["access_token"], name=name)
    assert (claims.json["email"], claims.json["name"]) == (EMAIL, NAME)
    posted = gateway.send("POST", "userinfo", name=name, form={"access_token": tokens.json["access_token"]})
    assert posted.json == claims.json
    assert gateway.redeem(finished.location["code"], name=name).status == 400
    return {**finished.location, **tokens.json}


PKCE = {"code_challenge": s256(VERIFIER), "code_challenge_method": "S256"}


@pytest.mark.parametrize("name", ["acme", "bank", "post"])
@pytest.mark.parametrize("parameters", [{}, PKCE], ids=["plain", "PKCE"])
def test_case_155_a_sign_in(gateway: SandboxGateway, name: str, parameters: dict[str, str]) -> None:
    walks_through(gateway, name, **parameters)


def test_case_155_documents(gateway: SandboxGateway) -> None:
    for path in (".well-known/openid-configuration", ".well-known/jwks.json", "client-jwks.json"):
        assert gateway.send("GET", path).status == 200
    assert gateway.send("GET", "client-jwks.json", name="nobody").status == 404  # one line at least


FAULTS = {
    "the token endpoint quotes the request": ("POST", "/token", 400, "application/json"),
    "the token endpoint quotes it with 500": ("POST", "/token", 500, "application/json"),
    "the token endpoint quotes it as HTML": ("POST", "/token", 200, "text/html"),
    "the token endpoint quotes it in an error with 200": ("POST", "/token", 200, "application/json"),
    "the token endpoint redirects": ("POST", "/token", 307, "application/json"),
    "userinfo quotes the token": ("GET", "/userinfo", 401, "application/json"),
    "userinfo quotes it with 503": ("GET", "/userinfo", 503, "text/plain"),
    "userinfo is somebody else's": ("GET", "/userinfo", 200, "application/json"),
}


@pytest.mark.parametrize("name", ["acme", "bank", "post"])
@pytest.mark.parametrize("fault", FAULTS)
def test_case_155_an_idp_that_quotes_what_it_was_sent(
    stage: Stage, gateway: SandboxGateway, name: str, fault: str
) -> None:
    stage.idp.fail(*FAULTS[fault])
    browser = Visitor(gateway, name)
    method = "POST" if name == "post" else "GET"
    state = browser.start(login_hint=HINT)
    failed = browser.callback(state, method=method, code="code-of-the-idp-0123456789abcdef")
    assert set(failed.location) == {"error", "error_description", "state"}
    assert browser.callback(state, method=method).status == 400


@pytest.mark.parametrize("header", [{"alg": "none"}, {"kid": "x" * 60}, {"alg": "HS256"}, {"typ": EMAIL}])
def test_case_155_an_id_token_that_is_refused(
    stage: Stage, gateway: SandboxGateway, header: dict[str, str]
) -> None:
    genuine = stage.idp.idp.key
    stage.idp.idp.answer_token(
        lambda _: json_answer({
            "access_token": "access-token-of-the-idp-0123456789", "token_type": "Bearer",
            "id_token": forged(stage.idp.idp, header),
        })
    )  # fmt: skip
    browser = Visitor(gateway, "bank")
    failed = browser.callback(browser.start(), code="code-of-the-idp-0123456789abcdef")
    assert failed.location["error"] == "server_error"
    stage.idp.idp.key = genuine


def forged(idp: FakeIdp, header: Mapping[str, str]) -> str:
    """An ID token with another header than its signature is for."""
    from fedbridge.jws import b64url, encode_json

    _, payload, signature = idp.id_token().split(".")
    return ".".join([b64url(encode_json({"alg": "ES256", "kid": idp.key.kid, **header})), payload, signature])


def test_case_155_an_id_token_of_another_key_or_nonce(stage: Stage, gateway: SandboxGateway) -> None:
    idp = stage.idp.idp
    browser = Visitor(gateway, "bank")
    state = browser.start()
    idp.nonce = "another-nonce-than-the-one-that-was-sent"
    assert browser.callback(state).location["error"] == "server_error"
    genuine, idp.key = idp.key, private_key("ES256", 5)
    assert browser.callback(browser.start()).location["error"] == "server_error"
    idp.key = genuine


def test_case_155_what_browsers_get_wrong(gateway: SandboxGateway) -> None:
    browser, stranger = Visitor(gateway), Visitor(gateway)
    stranger.start()
    state = browser.start(nonce=NONCE, login_hint=HINT)
    answers = [
        browser.authorize(client_id=EMAIL, nonce=NONCE, login_hint=HINT),
        browser.authorize(
            redirect_uri=f"https://evil.example/?x={EMAIL}", state="state-of-the-app-0123456789"
        ),
        browser.authorize_raw(f"client_id=cognito&state={quote(NAME)}&state={quote(NAME)}"),
        browser.authorize_raw(f"client_id=cognito&state=%00{quote(NAME)}"),
        browser.authorize_raw(f"login_hint={HINT}&x={'y' * 9000}"),
        stranger.callback(state, code="code-of-the-idp-0123456789abcdef"),
        Visitor(gateway).callback(state, code="code-of-the-idp-0123456789abcdef"),
        browser.callback(state[:-1] + "!", code="code-of-the-idp-0123456789abcdef"),
        browser.callback("A" * 43, error="access_denied", error_description=NAME),
        browser.callback(state, method="POST", code="code-of-the-idp-0123456789abcdef"),
        Visitor(gateway, "bank", browser.cookies).callback(state),
        gateway.send("DELETE", "callback", query={"state": state}, cookies=browser.cookies),
        Visitor(gateway, EMAIL).authorize(nonce=NONCE),
        Visitor(gateway, "nobody").authorize(nonce=NONCE),
    ]
    assert {answer.status for answer in answers} <= {400, 404, 405, 413}
    told = [
        browser.authorize(scope=f"profile {EMAIL}"),
        browser.authorize(response_mode=EMAIL),
        browser.authorize(request=f"eyJhbGciOiJub25lIn0.{quote(EMAIL)}."),
        browser.authorize(login_hint=f"{HINT}\r\nx"),
        Visitor(gateway, "strict").authorize(nonce=NONCE),
        browser.callback(state, error="access_denied", error_description=NAME, error_uri=f"https://{EMAIL}"),
        browser.callback(browser.start(), error=f"{EMAIL} {NAME}"),
    ]
    assert all(set(answer.location) == {"error", "error_description", "state"} for answer in told)


def test_case_155_what_clients_get_wrong(gateway: SandboxGateway) -> None:
    code = Visitor(gateway).sign_in(nonce=NONCE, **PKCE)
    wrong = canaries.canary("a-wrong-secret-that-is-no-less-a-secret-01", "client_secret")
    basic = [("authorization", "Basic Y29nbml0bzph")]
    answers = [
        gateway.redeem(code, client_secret=wrong),
        gateway.redeem(code, client_id=EMAIL),
        gateway.redeem(code, headers=basic),
        gateway.redeem(code, headers=[("authorization", f"Bearer {wrong}")]),
        gateway.send("POST", "token", query={"client_secret": SECRET}, form={"code": code}),
        gateway.redeem(code, grant_type=EMAIL),
        gateway.redeem(code, name="bank"),
        gateway.redeem(f"{code}{EMAIL}"),
        gateway.send("POST", "token", body=f"code={code}&code={code}&client_secret={SECRET}".encode()),
        gateway.send("POST", "token", body=f"client_secret={SECRET}&code=%FF{code}".encode()),
        gateway.send("PUT", "token", form={"code": code, "client_secret": SECRET}),
        gateway.send("POST", "token", members={"body": f"{SECRET}!", "isBase64Encoded": True}),
        gateway.send("POST", "token", members={"body": [SECRET, code]}),
        gateway.send("POST", "token", members={"headers": {"authorization": [SECRET]}}),
        gateway.send("POST", "token", members={"routeKey": None, "requestContext": SECRET}),
        gateway.redeem(code, redirect_uri=f"https://{EMAIL}", code_verifier=VERIFIER),
        gateway.redeem(code, code_verifier=VERIFIER),
        gateway.read_userinfo(code),
        gateway.read_userinfo(f"{code[:42]}!"),
        gateway.send("GET", "userinfo", query={"access_token": code}),
        gateway.send("GET", "userinfo", headers=[("authorization", f"Basic {code}")]),
    ]
    assert {answer.status for answer in answers} <= {400, 401, 404, 405, 413}


def test_case_155_services_that_fail_and_quote_the_request(stage: Stage, gateway: SandboxGateway) -> None:
    """An error of the SDK holds the service's message, which may hold anything."""
    browser = Visitor(gateway)
    # Both functions know the connection before anything fails, whatever ran before: an empty answer about a connection
    # means that there is none, and one about a transaction that the code is worth nothing.
    assert gateway.redeem(browser.sign_in()).status == 200
    message = json.dumps({
        "__type": "com.amazonaws.dynamodb.v20120810#ValidationException",
        "message": f"quoting {EMAIL} {AWS_SECRET} {SECRET}",
    }).encode()  # fmt: skip
    stage.aws.fail(answer(400, message))
    assert browser.authorize().location["error"] == "temporarily_unavailable"
    state = browser.start()
    stage.aws.fail(answer(500, message))
    assert browser.callback(state).status in {302, 503}
    code = browser.sign_in()
    for fault in (answer(400, message), lose_answer, answer(200, b"no JSON " + AWS_SECRET.encode())):
        stage.aws.fail(fault)
        assert gateway.redeem(code).status in {400, 503}
    stage.aws.fail(answer(400, message))
    assert gateway.read_userinfo("A" * 43).status == 503
    stage.aws.fail()
    broken = Visitor(gateway, "broken")
    assert broken.callback(broken.start()).location["error"] == "server_error"


LEAK = """
inner = handler

def handler(event, context):
    print("EVENT", event)
    answer = inner(event, context)
    print("ANSWER", answer)
    return answer

logging.disable(logging.NOTSET)
"""
HANDLES = {"code", "upstream_state", "cookie", "access_token"}


def test_case_156_the_detector_finds_what_leaks(tmp_path: Path) -> None:
    """The proof that the tests above can fail: the same sign-in, with three things done that must not be done."""
    with staged(tmp_path, log_format="Text", leak=LEAK) as stage:
        walks_through(stage.gateway(), "acme")
        lines = "".join(stage.logs()).splitlines()
    events, answers = (
        "\n".join(line for line in lines if line.startswith(word)) for word in ("EVENT", "ANSWER")
    )
    said_by_libraries = "\n".join(line for line in lines if not line.startswith(("EVENT", "ANSWER", "{")))
    assert canaries.search(events) >= {*HANDLES, "client_secret", "claim", "upstream_code"}
    assert canaries.search(answers) >= {*HANDLES, "id_token", "claim"}
    assert canaries.search(said_by_libraries) >= {"a private key"}
