"""The built stack on ministack: one `sam deploy`, nothing rewritten, IAM enforced.

    with deployed(host_build, folder) as stack:
        httpx.get(f"{stack.base_url}/bank/authorize", verify=stack.trust)

`base_url` is what the functions take for their own address: TLS on loopback in front of the emulated API Gateway, as
the settings demand of everything that is not a local run. Parameters reach the template as they would on AWS.

What ministack 1.5.33 does not do, and a test here cannot show: throttling, access logs, TTL, point-in-time recovery
and encryption of tables are accepted and ignored; `event["cookies"]` is absent; policies are evaluated (`AUTH=true`),
but the condition keys kms:SigningAlgorithm and kms:MessageType are unknown to it, and tables do not ask for their key.
"""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import boto3
import httpx
import trustme

from tests.counterparts.process import Program, clean_environment, free_port
from tests.infra.building import Build, run_sam
from tests.infra.proxy import Proxy
from tests.support.machine import require_ministack

STACK = "fedbridge"
REGION = "eu-central-1"
# The credentials of ministack's root user, with which it starts and the operator deploys.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


@dataclass(frozen=True)
class Deployment:
    """A deployed stack. `emulator` is where AWS answers, `base_url` where the bridge does, `authority` a PEM file.

    `aws_calls` grows with every call that a function makes, such as `DynamoDB_20120810.PutItem`.
    """

    emulator: str
    base_url: str
    authority: Path
    aws_calls: list[str]

    @cached_property
    def trust(self) -> ssl.SSLContext:
        """Return what a client needs to trust `base_url`."""
        return ssl.create_default_context(cafile=str(self.authority))

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        """Return the stack's outputs."""
        (stack,) = self.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    @cached_property
    def resources(self) -> Mapping[str, str]:
        """Return logical id → physical id."""
        found = self.client("cloudformation").describe_stack_resources(StackName=STACK)["StackResources"]
        return {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in found}

    @property
    def operator_environment(self) -> Mapping[str, str]:
        """Return the variables with which the operator's commands reach this account."""
        return {"AWS_ENDPOINT_URL": self.emulator, "AWS_DEFAULT_REGION": REGION, **CREDENTIALS}

    def log(self, function: str) -> list[str]:
        """Return the lines that a function has logged, those of the platform included, by its logical id."""
        logs = self.client("logs")
        group = self.resources[f"{function}Log"]
        # A stream a sandbox, fifty on a page.
        pages = logs.get_paginator("describe_log_streams").paginate(logGroupName=group)
        return [
            event["message"]
            for page in pages
            for stream in page["logStreams"]
            for event in logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"])[
                "events"
            ]
        ]

    def client(self, service: str) -> Any:
        """Return the operator's client of an AWS service."""
        return boto3.client(
            cast("Any", service),
            endpoint_url=self.emulator,
            region_name=REGION,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )


@contextmanager
def deployed(
    build: Build, folder: Path, *, authority: trustme.CA | None = None, **parameters: str
) -> Iterator[Deployment]:
    """Start ministack, deploy the build with these template parameters, and put TLS in front; stop it all at the end.

    The functions trust `authority` (`CaBundle`), which signs the bridge's own certificate and may sign that of an
    identity provider on loopback, once `PrivateHosts` names it. Skips where .venv-ministack or .venv-sam is missing.
    """
    python, port = require_ministack(), free_port()
    emulator, target = f"http://127.0.0.1:{port}", ("127.0.0.1", port)
    authority = authority or trustme.CA()
    authority_file = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(authority_file))
    environment = clean_environment(
        BIND_HOST="127.0.0.1",
        GATEWAY_PORT=str(port),
        IOT_MTLS_ENABLED="0",  # otherwise it opens a port to all interfaces
        AUTH="true",
        S3_DATA_DIR=str(folder / "s3"),
        TMPDIR=str(folder),
        SSL_CERT_FILE=str(authority_file),  # its Cognito calls the bridge
        **CREDENTIALS,
    )
    command: list[str | Path] = [python, "-c", "from ministack.app import main; main()"]
    with ExitStack() as running:
        aws = running.enter_context(Proxy(target=target))
        proxy = running.enter_context(Proxy(target=target, authority=authority))
        # Functions inherit it: they call AWS through the proxy that counts.
        environment["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{aws.port}"
        program = running.enter_context(
            Program("ministack", command, env=environment, cwd=folder, talks=False)
        )
        program.wait_until(lambda: _answers(emulator))
        stack = Deployment(emulator, f"https://localhost:{proxy.port}", authority_file, aws.aws_calls)
        # The emulator knows neither saved queries (AWS::Logs::QueryDefinition) nor metric math.
        own = {"BaseUrl": stack.base_url, "CaBundle": str(authority_file), "Insights": "false"}
        _deploy(build, emulator, {**own, **parameters})
        if "HttpApiId" in stack.outputs:
            proxy.host = f"{stack.outputs['HttpApiId']}.execute-api.localhost:{port}"
        yield stack


def _answers(emulator: str) -> bool:
    try:
        return httpx.get(f"{emulator}/_ministack/health", timeout=1, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def _deploy(build: Build, emulator: str, parameters: Mapping[str, str]) -> None:
    overrides = {"Architecture": build.architecture, **parameters}
    run_sam(
        "deploy",
        "--template-file",
        str(build.template),
        "--stack-name",
        STACK,
        "--resolve-s3",
        "--capabilities",
        "CAPABILITY_IAM",
        "--no-confirm-changeset",
        "--no-progressbar",
        "--parameter-overrides",
        *(f"{name}={value}" for name, value in overrides.items()),
        AWS_ENDPOINT_URL=emulator,
        AWS_DEFAULT_REGION=REGION,
        **CREDENTIALS,
    )
