"""The console in Chromium, over a table of published connections, a provider that answers, and sign-ins that failed.

`make screenshots` lets this test write the pictures of docs/console.md.
"""

import re
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import boto3
import pytest
from moto.server import ThreadedMotoServer
from playwright.sync_api import expect, sync_playwright

from fedbridge.cli.secrets import new_client_secret
from fedbridge.op.client_authentication import secret_hash
from tests.counterparts.browser import new_browser, travel
from tests.counterparts.faults import AuthorizationError, Fault
from tests.counterparts.oidc_provider import Client, OidcProvider
from tests.counterparts.process import START_SECONDS, Program, clean_environment
from tests.support.browsing import FLAGS, SHARP, picture
from tests.support.keys import ec_key, private_pem
from tests.support.machine import ROOT, require_chromium

pytestmark = [pytest.mark.browser, pytest.mark.interop, pytest.mark.timeout(180)]

FEDBRIDGE = Path(sys.executable).with_name("fedbridge")
TABLE = "connections"
APP = "http://localhost:9/oauth2/idpresponse"
CONNECTION = """
  {name}:
    issuer: {issuer}
    client_id: bridge-{name}
    client_authentication: {authentication}
    authorization: {{scope: openid email}}
    relying_parties:
      - client_id: cognito
        secret_hashes: ["{secret_hash}"]
        redirect_uris: [{app}]
        restart_url: http://localhost:9/
"""
AUTHENTICATION = {
    "bank": "{method: private_key_jwt, key: 'secretsmanager:fedbridge/prod/bank/key-1'}",
    "clinic": "{method: client_secret_basic, secret: 'secretsmanager:fedbridge/prod/clinic/secret'}",
}
ROTATED = {"registry": "{method: private_key_jwt, key: 'ring:registry'}"}
RINGS = (
    "key_rings:\n  registry: {use: client-assertion, kind: 'secretsmanager:P-256', confirmation: required}\n"
)


@dataclass(frozen=True)
class Running:
    """The console's printed address, and the references of sign-ins: one that the user denied, one that was refused.

    `started_with` has the command line of the browser that the console opened.
    """

    address: str
    denied: str
    refused: str
    started_with: Path


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    require_chromium()
    folder = tmp_path_factory.mktemp("console")
    with ExitStack() as stack:
        moto = ThreadedMotoServer("127.0.0.1", 0)
        moto.start()
        stack.callback(moto.stop)
        host, port = moto.get_host_and_port()
        environment = clean_environment(
            AWS_ENDPOINT_URL=f"http://{host}:{port}",
            AWS_DEFAULT_REGION="eu-north-1",
            AWS_ACCESS_KEY_ID="test",
            AWS_SECRET_ACCESS_KEY="test",
            AWS_EC2_METADATA_DISABLED="true",
        )
        op = stack.enter_context(OidcProvider())
        _prepare_account(environment)
        _write(folder / "connections.yaml", op.issuer, {**AUTHENTICATION, **ROTATED}, RINGS)
        _write(folder / "dev.yaml", op.issuer, AUTHENTICATION, "")
        _run(environment, folder, "keys", "init", "--table", TABLE, "--local", "--environment", "prod")
        _run(environment, folder, "keys", "stage", "registry", "--table", TABLE, "--environment", "prod")
        _run(environment, folder, "connections", "apply", "--table", TABLE, "--local")
        base_url, references, log = _sign_ins(stack, environment, folder, op)
        (folder / "bridge.log").write_text(log)
        command = [
            FEDBRIDGE, "console", "--table", TABLE, "--environment", "prod", "--log", "bridge.log", "--base-url", base_url, "--local",
        ]  # fmt: skip
        started_with = folder / "started-with.txt"
        (folder / "browser").write_text(f'#!/bin/sh\necho "$@" > {started_with}\n')
        (folder / "browser").chmod(0o700)
        environment |= {"BROWSER": f"{folder / 'browser'} %s"}
        program = stack.enter_context(Program("fedbridge console", command, env=environment, cwd=folder))
        (address,) = re.findall(r"http://127\.0\.0\.1:\d+/\S+", program.read_line(START_SECONDS))
        program.wait_until(
            lambda: started_with.is_file() and started_with.stat().st_size, seconds=START_SECONDS
        )
        denied, refused = references
        yield Running(address, denied, refused, started_with)


def _prepare_account(environment):
    def client(service):
        return boto3.client(
            service,
            endpoint_url=environment["AWS_ENDPOINT_URL"],
            region_name=environment["AWS_DEFAULT_REGION"],
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    client("dynamodb").create_table(
        TableName=TABLE,
        AttributeDefinitions=[{"AttributeName": "name", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "name", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for name, value in (("bank/key-1", private_pem(ec_key(number=4))), ("clinic/secret", "of-last-year" * 3)):
        client("secretsmanager").create_secret(Name=f"fedbridge/prod/{name}", SecretString=value)


def _write(file, issuer, authentication, rings):
    connections = "".join(
        CONNECTION.format(
            name=name,
            issuer=issuer,
            authentication=method,
            secret_hash=secret_hash(new_client_secret()),
            app=APP,
        )
        for name, method in authentication.items()
    )
    file.write_text(f"connections:{connections}{rings}")


def _run(environment, folder, *arguments):
    with Program("fedbridge", [FEDBRIDGE, *arguments], env=environment, cwd=folder, talks=False) as program:
        assert program.wait(START_SECONDS) == 0, program.log()


def _sign_ins(stack, environment, folder, op):
    """Return the bridge's address, the references of a denied and of a refused sign-in, and the bridge's log."""
    command: list[str | Path] = [
        FEDBRIDGE,
        "dev",
        "--port",
        "0",
        "--connections",
        "dev.yaml",
        "--template",
        ROOT / "template.yaml",
    ]
    dev = stack.enter_context(Program("fedbridge dev", command, env=environment, cwd=folder, talks=False))
    dev.wait_until(lambda: "listens at" in dev.log(), seconds=START_SECONDS)
    (base_url,) = re.findall(r"listens at (http://localhost:\d+)", dev.log())
    op.set_clients(
        Client(
            client_id="bridge-bank",
            redirect_uris=[f"{base_url}/bank/callback"],
            jwks_uri=f"{base_url}/bank/client-jwks.json",
            token_endpoint_auth_signing_alg="ES256",
        ),
        Client(
            client_id="bridge-clinic",
            redirect_uris=[f"{base_url}/clinic/callback"],
            token_endpoint_auth_method="client_secret_basic",
            client_secret="of-this-year" * 3,
        ),
    )
    op.set_fault(
        "authorization", Fault(error=AuthorizationError("access_denied", "the user said no"), times=1)
    )
    references = [_reference(base_url, name) for name in ("bank", "clinic")]
    return base_url, references, dev.log(1_000_000)


def _reference(base_url, name):
    """Sign in, which fails, and return the reference that the app was given."""
    query = {
        "client_id": "cognito",
        "redirect_uri": APP,
        "response_type": "code",
        "scope": "openid",
        "state": "s",
    }
    with new_browser() as browser:
        trip = travel(
            browser,
            f"{base_url}/{name}/authorize?{urlencode(query)}",
            until=lambda request: str(request.url).startswith(APP),
        )
    return trip.next_request.url.params["error_description"].split()[-1].strip("()[].")


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=require_chromium(), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium, running):
    """A page of the console in a browser of its own; the test fails where a page is faulty or asks for anything outside."""
    context = chromium.new_context(viewport={"width": 1240, "height": 800}, device_scale_factor=SHARP)
    page, errors = context.new_page(), []
    page.set_default_timeout(30_000)
    origin = running.address.partition("/?")[0]
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if "Policy" in message.text else None)
    page.on("request", lambda request: None if request.url.startswith(origin) else errors.append(request.url))
    page.goto(running.address)
    yield page
    context.close()
    assert errors == []


def test_the_first_page_tells_what_there_is_what_waits_and_what_failed(page):
    expect(page).to_have_title(re.compile("Connections"))
    assert "token=" not in page.url
    for name in (*AUTHENTICATION, *ROTATED):
        expect(page.get_by_role("link", name=name, exact=True)).to_be_visible()
    expect(page.get_by_role("heading", name="Waits for you")).to_be_visible()
    expect(page.get_by_text("fedbridge keys confirm")).to_be_visible()
    expect(page.get_by_text("client_authentication_refused")).to_be_visible()
    picture(page, "console-overview.png")


def test_a_good_connection_passes_its_check(page):
    page.get_by_role("link", name="bank", exact=True).click()
    expect(page.get_by_text("/bank/callback")).to_be_visible()
    picture(page, "console-connection.png")
    page.get_by_role("button", name="Check now").click()

    expect(page.get_by_text("Nothing found in what was looked at.")).to_be_visible()
    expect(page.get_by_text("Cognito's side was not looked at")).to_be_visible()


def test_a_broken_connection_is_told_what_to_mend(page):
    page.get_by_role("link", name="clinic", exact=True).click()
    page.get_by_role("button", name="Check now").click()

    expect(page.get_by_text("client_secret_wrong", exact=False)).to_be_visible()
    picture(page, "console-check.png")


def test_keys_show_their_age_and_what_comes_next(page):
    page.get_by_role("link", name="Keys").click()

    expect(page.get_by_text("ring registry").first).to_be_visible()
    expect(page.get_by_text("next", exact=True)).to_be_visible()
    picture(page, "console-keys.png")


@pytest.mark.parametrize(
    ("which", "reason"), [("denied", "access_denied"), ("refused", "client_authentication_refused")]
)
def test_a_reference_leads_to_its_cause(page, running, which, reason):
    page.get_by_role("link", name="Failures").click()
    page.get_by_label("Reference").fill(getattr(running, which))
    page.get_by_role("button", name="Explain").click()

    expect(page.get_by_text(reason).first).to_be_visible()
    expect(page.get_by_role("heading", name=re.compile("^Step by step"))).to_be_visible()
    if which == "refused":
        picture(page, "console-explain.png")


def test_on_a_narrow_screen_nothing_is_cut_off(chromium, running):
    context = chromium.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    for path in ("/", "/connections/bank", "/keys", "/failures"):
        page.goto(running.address.replace("/?", f"{path}?"))
        page.wait_for_url(lambda url: "token=" not in url)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, path
    context.close()


def test_what_the_browser_is_started_with_tells_other_users_nothing(chromium, running):
    """Its command line stands in the list of processes, and had the token in it."""
    (started_with,) = running.started_with.read_text().split()
    file = Path(started_with.removeprefix("file://"))
    assert "token=" not in started_with
    assert file.parent.stat().st_mode & 0o077 == 0
    context = chromium.new_context()
    page = context.new_page()
    page.goto(started_with)

    expect(page).to_have_title(re.compile("Connections"))
    assert page.url == running.address.partition("?")[0]
    context.close()


def test_another_browser_is_shown_nothing(chromium, running):
    context = chromium.new_context()
    page = context.new_page()
    answer = page.goto(running.address.partition("?")[0])

    assert answer.status == 403
    assert "bank" not in page.content()
    context.close()
