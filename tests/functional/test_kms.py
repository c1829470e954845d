"""KMS over the wire: the real client against ministack's key states, and against servers that misbehave."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from fedbridge.aws import sdk_client
from fedbridge.errors import ConfigurationError, KeyUnavailable
from fedbridge.jws import sign_compact
from fedbridge.keys.kms import KmsSigner
from fedbridge.model.deadline import Deadline
from tests.counterparts.ministack import MiniStack
from tests.support.keys import ec_key
from tests.support.kms import create_key, running_ministack

ARN = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"


@pytest.fixture(scope="module")
def account() -> Iterator[MiniStack]:
    with running_ministack() as account:
        yield account


@pytest.fixture(scope="module")
def admin(account) -> Any:
    return account.client("kms")


@pytest.fixture(scope="module")
def kms(account) -> Any:
    return sdk_client("kms")


@pytest.mark.ministack
class TestKeyStates:
    def load(self, kms: Any, arn: str, algorithm: str | None = None) -> KmsSigner:
        return KmsSigner.load(arn, algorithm, client=lambda: kms, deadline=Deadline.after(20))

    @pytest.mark.parametrize(
        "spec,algorithm", [("RSA_2048", "RS256"), ("RSA_2048", "PS256"), ("ECC_NIST_P256", "ES256")]
    )
    def test_a_token_of_a_kms_key_is_one_to_anybody(self, account, kms, spec, algorithm):
        signer = self.load(kms, create_key(account, spec), algorithm)

        token = sign_compact(signer, {"kid": signer.kid}, {"sub": "alice"}, Deadline.after(20))

        key = (RSAKey if spec.startswith("RSA") else ECKey).import_key(dict(signer.public_jwk))
        assert jwt.decode(token, key, algorithms=[algorithm]).claims == {"sub": "alice"}

    def test_a_disabled_key_signs_nothing_until_it_is_enabled(self, account, admin, kms):
        arn = create_key(account, "RSA_2048")
        signer = self.load(kms, arn)
        admin.disable_key(KeyId=arn)

        with pytest.raises(KeyUnavailable) as caught:
            signer.sign(b"x", Deadline.after(20))
        assert (caught.value.reason, caught.value.transient) == ("kms_key_disabled", False)

        admin.enable_key(KeyId=arn)
        assert len(signer.sign(b"x", Deadline.after(20))) == 256

    def test_a_key_that_is_pending_deletion(self, account, admin, kms):
        arn = create_key(account, "ECC_NIST_P256")
        signer = self.load(kms, arn)
        admin.schedule_key_deletion(KeyId=arn, PendingWindowInDays=7)

        with pytest.raises(KeyUnavailable) as caught:
            signer.sign(b"x", Deadline.after(20))

        assert (caught.value.reason, caught.value.transient) == ("kms_key_invalid_state", False)

    def test_a_key_that_is_not_there(self, kms):
        with pytest.raises(KeyUnavailable) as caught:
            self.load(kms, ARN)

        assert (caught.value.reason, caught.value.transient) == ("kms_key_not_found", False)

    @pytest.mark.parametrize("algorithm", ["ES256", "ES384"])
    def test_an_algorithm_of_another_key(self, account, kms, algorithm):
        with pytest.raises(ConfigurationError, match="does not go with this key"):
            self.load(kms, create_key(account, "RSA_2048"), algorithm)

    def test_keys_that_cannot_sign_tokens(self, admin, kms):
        symmetric = admin.create_key()["KeyMetadata"]["Arn"]
        for_encryption = admin.create_key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"][
            "Arn"
        ]
        bitcoin = admin.create_key(KeySpec="ECC_SECG_P256K1", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]

        for arn in (symmetric, for_encryption, bitcoin):
            with pytest.raises(ConfigurationError, match=arn):
                self.load(kms, arn)


Answer = Callable[[BaseHTTPRequestHandler], None]


def error(code: str, status: int = 400) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        body = json.dumps({"__type": code, "message": "…"}).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/x-amz-json-1.1")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def page(status: int) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", "text/html")
        handler.end_headers()
        handler.wfile.write(b"<html>bad gateway</html>")

    return answer


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True


@pytest.fixture
def misbehaving(monkeypatch) -> Iterator[Callable[[Answer], tuple[Any, list[str]]]]:
    """Serve one answer for ever; returns a client of it, and the targets that it was asked for."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    servers: list[ThreadingHTTPServer] = []

    def serve(answer: Answer) -> tuple[Any, list[str]]:
        asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                asked.append(self.headers["X-Amz-Target"])
                answer(self)

            def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002  the base class's name

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return sdk_client("kms", endpoint_url=f"http://127.0.0.1:{server.server_port}"), asked

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def signer_of(client: Any) -> KmsSigner:
    """A signer that was loaded in better times."""
    public = ec_key().public_key()
    return KmsSigner(
        algorithm="ES256",
        kid="k",
        public_jwk={},
        arn=ARN,
        client=client,
        public_key=public,
        sleep=lambda _: None,
    )


@pytest.mark.parametrize(
    "answer,reason,calls",
    [
        pytest.param(error("ThrottlingException"), "kms_throttled", 3, id="throttled"),
        pytest.param(error("KMSInternalException", 500), "kms_unavailable", 3, id="internal error"),
        pytest.param(
            error("DependencyTimeoutException", 503), "kms_unavailable", 3, id="dependency timed out"
        ),
        pytest.param(page(502), "kms_unavailable", 3, id="a load balancer's page"),
        pytest.param(hang_up, "kms_unavailable", 3, id="hung up"),
        pytest.param(error("AccessDeniedException"), "kms_access_denied", 1, id="denied"),
        pytest.param(error("DisabledException"), "kms_key_disabled", 1, id="disabled"),
        pytest.param(error("KMSInvalidStateException"), "kms_key_invalid_state", 1, id="pending deletion"),
        pytest.param(error("NotFoundException"), "kms_key_not_found", 1, id="not found"),
        pytest.param(page(200), "kms_signature_invalid", 1, id="success without a signature"),
    ],
)
def test_answers_that_are_no_signature(misbehaving, answer, reason, calls):
    client, asked = misbehaving(answer)

    with pytest.raises(KeyUnavailable) as caught:
        signer_of(client).sign(b"x", Deadline.after(20))

    assert caught.value.reason == reason
    assert caught.value.transient == (calls == 3)
    assert asked == ["TrentService.Sign"] * calls


def test_a_server_that_never_answers(misbehaving):
    release = threading.Event()
    client, asked = misbehaving(lambda _handler: release.wait(30))

    with pytest.raises(KeyUnavailable) as caught:
        signer_of(client).sign(b"x", Deadline.after(4))
    release.set()

    assert (caught.value.reason, caught.value.transient) == ("kms_timeout", True)
    assert len(asked) == 1  # another try of three seconds would outlive the deadline


def test_nobody_listens(misbehaving):
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as closed:
        port = closed.server_port
    misbehaving(hang_up)

    with pytest.raises(KeyUnavailable) as caught:
        signer_of(sdk_client("kms", endpoint_url=f"http://127.0.0.1:{port}")).sign(b"x", Deadline.after(20))

    assert (caught.value.reason, caught.value.transient) == ("kms_unavailable", True)
