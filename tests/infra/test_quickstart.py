"""From an empty account to a sign-in, by the commands of the README and nothing else: read from the page, run as they stand.

What a reader puts in place of the example, the test puts there: region, addresses, identifiers, and what earlier commands have
printed. It adds what only an emulator needs: the identity provider is on loopback (`--private-host`), and Cognito is an emulator
of its own, because one stands still while its own Cognito waits for an answer.
"""

import json
import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import boto3
import pytest

from tests.counterparts.browser import new_browser, travel
from tests.counterparts.cognito_configuration import OidcIdentityProvider
from tests.counterparts.federated_pool import FederatedPool
from tests.counterparts.ministack import MiniStack
from tests.counterparts.oidc_provider import Client
from tests.infra.building import bare_environment
from tests.infra.deployment import CREDENTIALS, REGION
from tests.infra.onboarding import strict_idp
from tests.support import markdown
from tests.support.machine import ROOT

pytestmark = [pytest.mark.built, pytest.mark.ministack, pytest.mark.interop, pytest.mark.timeout(300)]

PAGE = markdown.page("README.md")
SECTION = "From clone to a sign-in"
DEPLOYED = ("git clone", "make setup", "export PATH", "sam build", "sam deploy")
"""What the stack's fixture has done already, in its own clone."""

PRIVATE = (
    "fedbridge connections validate",
    "fedbridge connections apply",
    "fedbridge cognito apply",
    "fedbridge check",
)
"""Commands that must be told that the identity provider is on loopback."""

TRUSTING = ("fedbridge connections apply", "fedbridge cognito apply", "fedbridge check")
"""Commands that must be told who vouches for it."""

LOCAL = ("fedbridge cognito apply", "fedbridge check")
"""Commands that must be told that the bridge is on loopback, too."""

EXAMPLE = {
    "issuer": "https://login.bank.example",
    "client_id": "the-id-that-the-bank-gave-you",
    "address": "https://a1b2c3d4e5.execute-api.eu-north-1.amazonaws.com",
    "pool": "eu-north-1_EXAMPLE01",
    "key": "arn:aws:kms:eu-north-1:123456789012:key/0d2c4a6e-8b1f-4c3d-9e5a-7f6b8c9d0e1f",
    "hash": "sha256:87c1e2940a9075f75c37ef3bac185899fae880e2347000f492e0b003af464d5c",
    "app": "APP_CLIENT_ID",
}
"""What stands on the page for what is different everywhere."""


@dataclass
class Reader:
    """Somebody who follows the page: `known` is what they put in place of the example."""

    folder: Path
    environment: dict[str, str]
    known: dict[str, str]
    private_host: str
    ran: list[str] = field(default_factory=list)
    sign_in: str = ""

    def adapted(self, text: str) -> str:
        """Return the text of the page as this reader writes it."""
        for name, value in self.known.items():
            text = text.replace(EXAMPLE[name], value)
        return text.replace("eu-north-1", REGION)

    def run(self, command: str) -> str:
        """Run a command in the reader's shell, and return what it printed."""
        command = self.adapted(command)
        if command.startswith(PRIVATE):
            command += f" --private-host {self.private_host}"
        if command.startswith(TRUSTING):
            command += f" --ca-bundle {self.environment['CURL_CA_BUNDLE']}"
        if command.startswith(LOCAL):
            command += " --local"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        self.ran.append(command)
        return done.stdout

    def learn(self, command: str, printed: str) -> None:
        """Keep what later steps need of what a command printed."""
        match command.split()[:3]:
            case ["aws", "cognito-idp", "create-user-pool"]:
                self.known["pool"] = printed.strip()
            case ["aws", "cognito-idp", "create-user-pool-client"]:
                self.known["app"] = json.loads(printed)["UserPoolClient"]["ClientId"]
            case ["aws", "kms", "create-key"]:
                self.known["key"] = printed.strip()
            case ["fedbridge", "secrets", "new"]:
                secret, secret_hash = (line.rpartition(" ")[2] for line in printed.splitlines())
                self.known["hash"] = secret_hash
                self.environment["COGNITO_CLIENT_SECRET"] = secret


def commands(text):
    """Return the commands of a fence, continued lines joined."""
    joined = re.sub(r"\\\n\s*", "", text)
    return [line for line in joined.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def cognito(stack):
    with MiniStack(env={"SSL_CERT_FILE": str(stack.authority)}) as cognito:
        yield cognito


@pytest.fixture(scope="module")
def op(stack, authority, idp_port, tmp_path_factory):
    with strict_idp(authority, tmp_path_factory.mktemp("idp"), idp_port) as op:
        yield op


@pytest.fixture(scope="module")
def reader(stack, cognito, op, tmp_path_factory):
    """The reader at the end of the page."""
    client_id = "bridge-quickstart"
    # Step 3: what the reader registers at the identity provider.
    op.set_clients(
        Client(
            client_id=client_id,
            redirect_uris=[f"{stack.base_url}/bank/callback"],
            jwks_uri=f"{stack.base_url}/bank/client-jwks.json",
        )
    )
    folder = tmp_path_factory.mktemp("reader")
    # Version 1 of the AWS CLI, which is the one on the package index, would fetch parameters that are URLs.
    (folder / "aws").write_text("[default]\ncli_follow_urlparam = false\n")
    path = f"{ROOT}/.venv/bin:{ROOT}/.venv-sam/bin:{os.environ['PATH']}"
    reader = Reader(
        folder=folder,
        environment={
            **bare_environment(),
            **stack.operator_environment,
            "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER": cognito.url,
            "AWS_CONFIG_FILE": str(folder / "aws"),
            "CURL_CA_BUNDLE": str(stack.authority),
            "PATH": path,
        },
        known={"issuer": op.issuer, "client_id": client_id, "address": stack.base_url},
        private_host=f"127.0.0.1:{urlsplit(op.origin).port}",
    )
    follow(reader)
    return reader


def follow(reader):
    """Do what the page says, from its first fence to its last."""
    start = PAGE.text.index(PAGE.section(SECTION))
    first, last = (PAGE.text.count("\n", 0, at) + 1 for at in (start, start + len(PAGE.section(SECTION))))
    for fence in PAGE.fences():
        if not first <= fence.line < last:
            continue
        match fence.language:
            case "sh":
                for command in commands(fence.text):
                    if not command.startswith(DEPLOYED):
                        reader.learn(command, reader.run(command))
            case "yaml":
                (reader.folder / "connections.yaml").write_text(reader.adapted(fence.text))
            case "text":
                reader.sign_in = reader.adapted("".join(map(str.strip, fence.text.splitlines())))


def pool_of(reader, cognito):
    """Return the user pool that the commands have made, as an app knows it."""
    client = boto3.client(
        "cognito-idp",
        endpoint_url=cognito.url,
        region_name=REGION,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )
    app = client.describe_user_pool_client(UserPoolId=reader.known["pool"], ClientId=reader.known["app"])[
        "UserPoolClient"
    ]
    return FederatedPool(
        pool_id=reader.known["pool"],
        provider=OidcIdentityProvider(name="Bank", client_id="cognito", client_secret="", oidc_issuer=""),
        app_client_id=reader.known["app"],
        app_client_secret=app["ClientSecret"],
        app_callback=app["CallbackURLs"][0],
        base_url=f"https://acme.auth.{REGION}.amazoncognito.com",
        local_url=cognito.url,
        issuer=f"https://cognito-idp.{REGION}.amazonaws.com/{reader.known['pool']}",
    )


def test_the_commands_of_the_page_lead_to_a_sign_in(stack, cognito, reader):
    pool = pool_of(reader, cognito)
    with new_browser(authority=stack.authority, origins=pool.origins) as browser:
        trip = travel(
            browser,
            reader.sign_in,
            until=lambda request: str(request.url).startswith(pool.app_callback),
        )
        query = dict(parse_qsl(urlsplit(trip.url).query))
        claims = pool.verify(pool.redeem(query["code"])["id_token"])

    assert claims["email"] == "alice@example.com"
    assert claims["cognito:username"].startswith("Bank_")


def test_nothing_but_the_page_was_done(reader):
    """Every command but those of the deployment ran, in its order."""
    assert [command.split()[0:3] for command in reader.ran if "fedbridge" in command.split()[0]] == [
        ["fedbridge", "keys", "new"],
        ["fedbridge", "secrets", "new"],
        ["fedbridge", "connections", "validate"],
        ["fedbridge", "connections", "apply"],
        ["fedbridge", "cognito", "apply"],
        ["fedbridge", "check", "bank"],
        ["fedbridge", "explain", "--environment"],
    ]
