"""AWS SDK clients, all with one low-level configuration.

The SDK never retries: a conditional write whose answer was lost may have happened, and only the caller knows what is
safe to repeat. Time-outs are short, because every call shares its request's few seconds. boto3 is imported by the first
client, so that functions with local keys and stores do not pay for it; of boto3 there are clients only, never resources.
"""

from __future__ import annotations

import os
import time
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, overload

from fedbridge.errors import ConfigurationError
from fedbridge.snap_start import is_snapshot

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_ssm import SSMClient

CONNECT_TIMEOUT = 1
"""Seconds."""

READ_TIMEOUT = 2
"""Seconds between two bytes of an answer."""

IDLE_LIMIT = 30.0
"""Seconds that a kept-alive connection may have rested and still be trusted with a request."""

_creating = Lock()  # A session is not safe to create clients from in several threads at once.


@overload
def sdk_client(service: Literal["dynamodb"], *, endpoint_url: str | None = None) -> DynamoDBClient: ...
@overload
def sdk_client(service: Literal["kms"], *, endpoint_url: str | None = None) -> KMSClient: ...
@overload
def sdk_client(
    service: Literal["secretsmanager"], *, endpoint_url: str | None = None
) -> SecretsManagerClient: ...
@overload
def sdk_client(service: Literal["ssm"], *, endpoint_url: str | None = None) -> SSMClient: ...
@overload
def sdk_client(
    service: str,
    *,
    endpoint_url: str | None = None,
    region_name: str | None = None,
    read_timeout: float = READ_TIMEOUT,
) -> Any: ...
def sdk_client(
    service: str,
    *,
    endpoint_url: str | None = None,
    region_name: str | None = None,
    read_timeout: float = READ_TIMEOUT,
) -> Any:
    """Return a new low-level client, safe to share between threads; raises ConfigurationError without a region or profile.

    Region, credentials and endpoints come from where the SDK looks for them; `endpoint_url` is for emulators. Operators'
    commands may name the Region of what they are about, and wait longer (`read_timeout`, in seconds) than a sign-in could.
    """
    from botocore.config import Config  # noqa: PLC0415  costs a tenth of a second, and not every function pays it
    from botocore.exceptions import NoRegionError, ProfileNotFound  # noqa: PLC0415

    configuration = Config(
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=read_timeout,
        retries={"total_max_attempts": 1, "mode": "standard"},
        tcp_keepalive=True,
        max_pool_connections=10,
        parameter_validation=False,  # The service checks it again, and a wrong parameter is a bug that tests find.
        user_agent="fedbridge",  # Building the SDK's own string takes a fifth of a call.
    )
    with _creating:
        try:
            client = _session(os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_PROFILE")).client(
                service, region_name=region_name, endpoint_url=endpoint_url, config=configuration
            )
        except NoRegionError:
            raise ConfigurationError("No AWS region is set: give AWS_DEFAULT_REGION or a profile.") from None
        except ProfileNotFound as error:
            raise ConfigurationError(f"AWS_PROFILE: {error}.") from None
    _forget_idle_connections(client)
    return client


def _forget_idle_connections(client: BaseClient) -> None:
    """Make `client` open a new connection where the kept ones rested longer than IDLE_LIMIT.

    Lambda freezes a sandbox between requests. A connection that the service closed meanwhile fails only once a request
    is on its way, and for a conditional write that means an unknown outcome and a lost sign-in. The clock is the wall's,
    because a monotonic one may stand still in a frozen sandbox.
    """
    used_at = time.time()

    def before_call(**_: Any) -> None:
        nonlocal used_at
        now = time.time()
        if not 0 <= now - used_at <= IDLE_LIMIT:
            client.close()  # Empties the pool; the next request fills it again.
        used_at = now

    client.meta.events.register("before-call", before_call)


@cache
def _session(_key: str | None, _profile: str | None) -> Any:  # typed by the literal names of services
    """Return the session, which keeps the credentials that it found: others in the environment get another one."""
    from boto3.session import Session  # noqa: PLC0415
    from botocore.session import get_session  # noqa: PLC0415

    botocore_session = get_session()
    if is_snapshot(os.environ):
        botocore_session.register_component("credential_provider", _CredentialsLater())
    return Session(botocore_session=botocore_session)


class _CredentialsLater:
    """Credentials that are fetched by the first request: what a snapshot holds, every start from it would have.

    Lambda gives functions with SnapStart container credentials (AWS SDKs and Tools Reference Guide, "Container credential
    provider"), which the SDK would fetch with its first client, and keep.
    """

    def load_credentials(self) -> Any:
        from botocore.credentials import DeferredRefreshableCredentials  # noqa: PLC0415

        return DeferredRefreshableCredentials(refresh_using=self._fetch, method="container-role")

    def _fetch(self) -> dict[str, str]:
        from botocore.utils import ContainerMetadataFetcher  # noqa: PLC0415

        fetched = ContainerMetadataFetcher().retrieve_full_uri(
            os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"],
            headers={"Authorization": os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]},
        )
        return {
            "access_key": fetched["AccessKeyId"],
            "secret_key": fetched["SecretAccessKey"],
            "token": fetched["Token"],
            "expiry_time": fetched["Expiration"],
        }
