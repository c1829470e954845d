"""Calls to Amazon Cognito by operators: tried again where it was busy, and failed in Cognito's own words.

https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/Welcome.html
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from fedbridge.aws import sdk_client
from fedbridge.errors import ConfigurationError, FedbridgeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

READ_TIMEOUT = 20.0
"""Seconds: Cognito fetches an identity provider's discovery document before it answers."""

ATTEMPTS = 4
PAUSE = 0.5
"""Seconds before the second attempt, and twice as many before each further one."""

_POOL = re.compile(r"(?P<region>[a-z0-9-]{2,30})_[0-9a-zA-Z]+")
_BUSY = frozenset({
    "TooManyRequestsException", "ThrottlingException", "ConcurrentModificationException", "InternalErrorException",
})  # fmt: skip


class CognitoRefused(FedbridgeError):
    """Cognito (or API Gateway) refused a call, or could not be reached; `code` is AWS's own name of the failure."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


def region_of(pool_id: str) -> str:
    """Return the Region that a user pool's id begins with; raises ConfigurationError for what is no such id."""
    found = _POOL.fullmatch(pool_id)
    if found is None:
        raise ConfigurationError(f"{pool_id}: is no id of a user pool, such as eu-north-1_EXAMPLE01")
    return found["region"]


def issuer_of(pool_id: str, *, updated: bool = False) -> str:
    """Return what stands in `iss` of a pool's tokens: never its domain. Raises ConfigurationError.

    `updated` issuers are those of pools with that IssuerConfiguration, published in several Regions:
    https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_IssuerConfigurationType.html
    """
    region = region_of(pool_id)
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://{'issuer-' if updated else ''}cognito-idp.{region}.{suffix}/{pool_id}"


def pool_client(pool_id: str) -> Any:
    """Return a client of `cognito-idp` in the pool's own Region, whatever Region the shell is set to."""
    return sdk_client("cognito-idp", region_name=region_of(pool_id), read_timeout=READ_TIMEOUT)


def ask(
    client: Any, operation: str, *, sleep: Callable[[float], None] = time.sleep, **parameters: Any
) -> Mapping[str, Any]:
    """Call an operation of Cognito's API by its name in Python; raises CognitoRefused.

    All that is asked here may be asked twice, so what was throttled is tried again.
    """
    for attempt in range(1, ATTEMPTS):
        try:
            return _once(client, operation, parameters)
        except CognitoRefused as refused:
            if refused.code not in _BUSY:
                raise
        sleep(PAUSE * 2 ** (attempt - 1))
    return _once(client, operation, parameters)


def _once(client: Any, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  whoever has a client has it loaded

    try:
        answer: Mapping[str, Any] = getattr(client, operation)(**parameters)
    except ClientError as error:
        said = error.response["Error"]
        code = str(said.get("Code", ""))
        message = _without_secrets(str(said.get("Message", "")), parameters)[:300].rstrip(".")
        raise CognitoRefused(f"AWS refused {operation}: {code}: {message}", code) from None
    except BotoCoreError as error:
        name = type(error).__name__
        raise CognitoRefused(f"AWS could not be asked ({operation}): {name}", name) from None
    return answer


def _without_secrets(message: str, parameters: Mapping[str, Any]) -> str:
    """Return AWS's words without what they may quote of a refused request."""
    for secret in (parameters.get("ProviderDetails", {}).get("client_secret"), parameters.get("AccessToken")):
        if secret:
            message = message.replace(secret, "(secret)")
    return message
