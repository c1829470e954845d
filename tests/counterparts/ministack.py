"""ministack: an emulated AWS account on loopback, with a Cognito user pool that federates to an OIDC provider.

    with MiniStack() as aws:
        pool = aws.create_federated_pool(OidcIdentityProvider(...))
        signed_in = pool.sign_in(browser)

As a relying party it is lax: it verifies no signature and calls no userinfo, and it answers errors as JSON where
Cognito would send the browser to the app. What Cognito checks is simulated in cognito.py.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

import boto3
import httpx
from botocore.config import Config

from tests.counterparts.browser import loopback_transport
from tests.counterparts.cognito_configuration import OidcIdentityProvider
from tests.counterparts.federated_pool import FederatedPool
from tests.counterparts.process import (
    START_SECONDS,
    Program,
    ProgramFailedError,
    clean_environment,
    free_port,
    require,
)

ENVIRONMENT = Path(__file__).resolve().parents[2] / ".venv-ministack"
REGION = "eu-west-1"
ACCOUNT = "123456789012"

# It ends with us: the open stdin says that we live. Its URLs have the port that it finds when it is imported, and it
# listens at the one that it finds when it starts: a server in front of it has the first.
_START = """
import os, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
import ministack.services.cognito
from ministack.app import main
os.environ["GATEWAY_PORT"] = os.environ["LISTEN_PORT"]
main()
"""


@cache
def ministack_or_skip_reason(environment: Path = ENVIRONMENT) -> Path | str:
    """The interpreter of the environment that ministack is installed in, or one sentence that says what is missing."""
    python = environment / "bin" / "python"
    if not python.exists():
        return f"no {environment.name}: run make {environment.name}"
    if not list(environment.glob("lib/python3*/site-packages/ministack/app.py")):
        return f"ministack is not installed in {environment.name}"
    return python


class MiniStack:
    """The running emulator. `url` is its one endpoint, on `host`; `env` adds variables of its own to it.

    `front` is the URL that browsers see when another server stands in front of its user pools, on `host` too.
    Entering takes about half a second. Raises `ProgramFailedError`; skips the running test where it is not installed.
    """

    def __init__(
        self,
        *,
        host: str = "localhost",
        front: str | None = None,
        env: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.host = host
        self.front = front
        self.env = env

    def __enter__(self) -> Self:
        python = require(ministack_or_skip_reason())
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ministack-")))
            for attempt in range(3):
                try:
                    self._program = self._start(python, folder)
                    break
                except ProgramFailedError as error:
                    if attempt == 2 or "already in use" not in str(error):
                        raise
            stack.callback(self._program.stop)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _start(self, python: Path, folder: Path) -> Program:
        port = free_port()
        self.url = f"http://{self.host}:{port}"
        own = {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(httpx.URL(self.front).port if self.front else port),
            "LISTEN_PORT": str(port),
            "MINISTACK_HOST": self.host,
            "MINISTACK_REGION": REGION,
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "IOT_MTLS_ENABLED": "0",  # it would listen on all interfaces
            "SFTP_ENABLED": "0",
            "PERSIST_STATE": "0",
            "LAMBDA_EXECUTOR": "local",
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "STATE_DIR": str(folder / "state"),
        }
        program = Program(
            "ministack",
            [python, "-c", _START],
            env=clean_environment(**{**own, **self.env}),
            cwd=folder,
            talks=False,
        )
        try:
            with httpx.Client(transport=loopback_transport(), trust_env=False) as probe:
                program.wait_until(
                    lambda: _is_ready(probe, f"{self.url}/_ministack/ready"), seconds=START_SECONDS
                )
        except BaseException:
            program.stop()
            raise
        return program

    @property
    def aws_environment(self) -> Mapping[str, str]:
        """The variables that point an SDK, the SAM CLI or a function at this account."""
        return {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
        }

    def client(self, service: str) -> Any:
        """A boto3 client of this account, which knows nothing of the machine's own AWS configuration."""
        session = boto3.session.Session(
            aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION
        )
        config = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=60, proxies={})
        make: Any = session.client
        return make(service, endpoint_url=self.url, config=config)

    def redirect_uri(self, domain: str | None = None) -> str:
        """The redirect URI that a pool with this domain prefix will have, to be registered before it exists."""
        return f"{self._base_url(domain)}/oauth2/idpresponse"

    def _base_url(self, domain: str | None) -> str:
        return f"https://{domain}.auth.{REGION}.amazoncognito.com" if domain else self.front or self.url

    def create_federated_pool(
        self,
        provider: OidcIdentityProvider,
        *,
        domain: str | None = None,
        app_callback: str = "http://localhost:9/app/callback",
    ) -> FederatedPool:
        """A user pool that signs in at `provider`, by issuer or with manual endpoints, and an app client for it.

        With `domain` the pool has an amazoncognito.com address, as in AWS, which only a browser made with its
        `origins` can reach. Without, it is at the emulator's own address, for a real browser.
        """
        cognito = self.client("cognito-idp")
        pool_id: str = cognito.create_user_pool(PoolName="people")["UserPool"]["Id"]
        details = {
            "client_id": provider.client_id,
            "client_secret": provider.client_secret,
            "authorize_scopes": provider.authorize_scopes,
            "attributes_request_method": provider.attributes_request_method,
            "oidc_issuer": provider.oidc_issuer,
        }
        if provider.endpoints:
            endpoints = provider.endpoints
            details |= {
                "authorize_url": endpoints.authorize_url,
                "token_url": endpoints.token_url,
                "attributes_url": endpoints.attributes_url,
                "jwks_uri": endpoints.jwks_uri,
            }
        cognito.create_identity_provider(
            UserPoolId=pool_id,
            ProviderName=provider.name,
            ProviderType="OIDC",
            ProviderDetails=details,
            AttributeMapping={**provider.attribute_mapping, "username": "sub"},
        )
        if domain:
            cognito.create_user_pool_domain(Domain=domain, UserPoolId=pool_id)
        app = cognito.create_user_pool_client(
            UserPoolId=pool_id,
            ClientName="app",
            GenerateSecret=True,
            AllowedOAuthFlows=["code"],
            AllowedOAuthFlowsUserPoolClient=True,
            AllowedOAuthScopes=["openid", "email", "profile"],
            CallbackURLs=[app_callback],
            SupportedIdentityProviders=[provider.name],
        )["UserPoolClient"]
        return FederatedPool(
            pool_id=pool_id,
            provider=provider,
            app_client_id=app["ClientId"],
            app_client_secret=app["ClientSecret"],
            app_callback=app_callback,
            base_url=self._base_url(domain),
            local_url=self.url,
            issuer=f"https://cognito-idp.{REGION}.amazonaws.com/{pool_id}",
        )

    def log(self) -> str:
        """What the emulator has logged, the functions' own logs included."""
        return self._program.log()


def _is_ready(probe: httpx.Client, url: str) -> bool:
    try:
        return probe.get(url).status_code == 200
    except httpx.TransportError:
        return False
