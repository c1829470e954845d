"""Amazon Cognito user pools: ending a user's sessions, and nothing else.

https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminUserGlobalSignOut.html
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from fedbridge.errors import UserPoolError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fedbridge.model.deadline import Deadline

ATTEMPTS = 3
PAUSE = 0.2
"""Seconds before the second attempt; twice that before the third."""

_TRANSIENT = frozenset({"TooManyRequestsException", "ThrottlingException", "InternalErrorException"})
_REASONS: Mapping[str, str] = {
    "AccessDeniedException": "user_pool_access_denied",
    "ExpiredTokenException": "user_pool_access_denied",
    "NotAuthorizedException": "user_pool_access_denied",
    "UnrecognizedClientException": "user_pool_access_denied",
    "ResourceNotFoundException": "user_pool_missing",
    **dict.fromkeys(_TRANSIENT, "user_pool_unavailable"),
}


class CognitoUserPools:
    """`UserPools` in AWS; `clients` makes low-level SDK clients (`fedbridge.aws`), `sleep` takes seconds.

    What is asked for may be asked for twice, so what failed for a moment is tried again within the deadline. Raises
    UserPoolError (`user_pool_access_denied`, `user_pool_missing`, `user_pool_unavailable`, `user_pool_unreachable`,
    `user_pool_rejected`), ConfigurationError without a region, DeadlineExceeded.
    """

    def __init__(self, clients: Callable[[str], Any], *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._clients = clients
        self._sleep = sleep

    def sign_out(self, pool_id: str, username: str, deadline: Deadline) -> bool:
        """End every session of the user: refresh tokens are revoked, access tokens refused by Cognito's own endpoints."""
        client = self._clients("cognito-idp")
        for attempt in range(1, ATTEMPTS):
            deadline.remaining()
            try:
                return _sign_out(client, pool_id, username)
            except UserPoolError as failure:
                pause = PAUSE * attempt
                if failure.reason not in {"user_pool_unavailable", "user_pool_unreachable"}:
                    raise
                if deadline.remaining() <= pause:
                    raise
            self._sleep(pause)
        return _sign_out(client, pool_id, username)


def _sign_out(client: Any, pool_id: str, username: str) -> bool:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  whoever has a client has it loaded

    try:
        client.admin_user_global_sign_out(UserPoolId=pool_id, Username=username)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "UserNotFoundException":
            return False
        if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
            raise UserPoolError(f"Cognito: {code}", reason="user_pool_unavailable") from error
        raise UserPoolError(f"Cognito: {code}", reason=_REASONS.get(code, "user_pool_rejected")) from error
    except BotoCoreError as error:
        raise UserPoolError(type(error).__name__, reason="user_pool_unreachable") from error
    return True
