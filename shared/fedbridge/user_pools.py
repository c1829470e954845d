"""Amazon Cognito user pools: ending a user's sessions, finding and linking profiles, and the secret of an identity provider.

https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/Welcome.html
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from fedbridge.errors import UserPoolError
from fedbridge.model.client_secret import ProviderClient
from fedbridge.model.user_profile import UserProfile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fedbridge.model.deadline import Deadline
    from fedbridge.model.logout import UserPool

ATTEMPTS = 3
PAUSE = 0.2
"""Seconds before the second attempt; twice that before the third."""

MAX_PAGES = 5
"""Pages of ListUsers that are read for one address."""

_TRANSIENT = frozenset({"TooManyRequestsException", "ThrottlingException", "InternalErrorException"})
_MAY_MEND = frozenset({"user_pool_unavailable", "user_pool_unreachable"})
_REASONS: Mapping[str, str] = {
    "AccessDeniedException": "user_pool_access_denied",
    "AliasExistsException": "user_pool_identity_taken",
    "ExpiredTokenException": "user_pool_access_denied",
    "LimitExceededException": "user_pool_link_limit",
    "NotAuthorizedException": "user_pool_access_denied",
    "UnrecognizedClientException": "user_pool_access_denied",
    "ResourceNotFoundException": "user_pool_missing",
    **dict.fromkeys(_TRANSIENT, "user_pool_unavailable"),
}


class _Calls:
    """Calls of one API; `clients` makes low-level SDK clients (`fedbridge.aws`), `sleep` takes seconds.

    What is asked for may be asked for twice, so what failed for a moment is tried again within the deadline. Raises
    UserPoolError (`user_pool_access_denied`, `user_pool_missing`, `user_pool_identity_taken`, `user_pool_link_limit`,
    `user_pool_unavailable`, `user_pool_unreachable`, `user_pool_rejected`), ConfigurationError without a region,
    DeadlineExceeded.
    """

    def __init__(self, clients: Callable[[str], Any], *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._clients = clients
        self._sleep = sleep

    def _call(
        self, operation: str, deadline: Deadline, *, absent: frozenset[str] = frozenset(), **parameters: Any
    ) -> Any:
        """Return the answer, None where Cognito answers one of the error codes in `absent`."""
        method = getattr(self._clients("cognito-idp"), operation)
        unanswered: UserPoolError | None = None
        for attempt in range(1, ATTEMPTS + 1):
            deadline.remaining()
            try:
                return _answer(method, parameters, absent)
            except UserPoolError as failure:
                if failure.reason not in _MAY_MEND:
                    # A refusal tells nothing of a try before it, which may have been carried out.
                    raise unanswered or failure from failure
                unanswered = failure
                if attempt == ATTEMPTS or deadline.remaining() <= PAUSE * attempt:
                    raise
            self._sleep(PAUSE * attempt)
        raise AssertionError("unreachable")


class CognitoUserPools(_Calls):
    """`UserPools` in AWS."""

    def sign_out(self, pool_id: str, username: str, deadline: Deadline) -> bool:
        """End every session of the user: refresh tokens are revoked, access tokens refused by Cognito's own endpoints."""
        answer = self._call(
            "admin_user_global_sign_out", deadline, absent=_NOT_FOUND, UserPoolId=pool_id, Username=username
        )
        return answer is not None


class CognitoUserProfiles(_Calls):
    """`UserProfiles` in AWS."""

    def find_by_email(self, pool_id: str, email: str, deadline: Deadline) -> tuple[UserProfile, ...]:
        """Return every page of ListUsers; raises UserPoolError `user_pool_rejected` where they do not end."""
        quoted = email.replace("\\", "\\\\").replace('"', '\\"')
        parameters: dict[str, Any] = {"UserPoolId": pool_id, "Filter": f'email = "{quoted}"', "Limit": 60}
        found: list[UserProfile] = []
        for _ in range(MAX_PAGES):
            page = self._call("list_users", deadline, **parameters)
            found += [_profile(user, user.get("Attributes", [])) for user in page.get("Users", [])]
            if not page.get("PaginationToken"):
                return tuple(found)
            parameters["PaginationToken"] = page["PaginationToken"]
        raise UserPoolError("more profiles with one address than anybody has", reason="user_pool_rejected")

    def read(self, pool_id: str, username: str, deadline: Deadline) -> UserProfile | None:
        """Return what AdminGetUser says now."""
        user = self._call(
            "admin_get_user", deadline, absent=_NOT_FOUND, UserPoolId=pool_id, Username=username
        )
        return None if user is None else _profile(user, user.get("UserAttributes", []))

    def create(self, pool_id: str, username: str, email: str, deadline: Deadline) -> bool:
        """Create by AdminCreateUser, which takes no alias away from another profile."""
        answer = self._call(
            "admin_create_user",
            deadline,
            absent=frozenset({"UsernameExistsException", "AliasExistsException"}),
            UserPoolId=pool_id,
            Username=username,
            UserAttributes=[{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}],
            ForceAliasCreation=False,
            MessageAction="SUPPRESS",
        )
        return answer is not None

    def set_password(self, pool_id: str, username: str, password: str, deadline: Deadline) -> None:
        """Set it by AdminSetUserPassword."""
        self._call(
            "admin_set_user_password",
            deadline,
            UserPoolId=pool_id,
            Username=username,
            Password=password,
            Permanent=True,
        )

    def link(self, pool_id: str, username: str, provider: str, subject: str, deadline: Deadline) -> None:
        """Link by AdminLinkProviderForUser, and by the subject, never by an attribute that could change."""
        self._call(
            "admin_link_provider_for_user",
            deadline,
            UserPoolId=pool_id,
            DestinationUser={"ProviderName": "Cognito", "ProviderAttributeValue": username},
            SourceUser={
                "ProviderName": provider,
                "ProviderAttributeName": "Cognito_Subject",
                "ProviderAttributeValue": subject,
            },
        )


class CognitoProviderClients(_Calls):
    """`ProviderClients` in AWS.

    The clients should wait longer for an answer than usual: Cognito reads the discovery document of an identity provider
    before it takes an update.
    """

    def read(self, pool: UserPool, deadline: Deadline) -> ProviderClient:
        """Return what DescribeIdentityProvider says; UserPoolError `user_pool_rejected` for one that is not OIDC."""
        details = self._describe(pool, deadline).get("ProviderDetails", {})
        if not {"oidc_issuer", "client_id", "client_secret"} <= details.keys():
            raise UserPoolError(
                f"{pool.identity_provider} of {pool.id} is no OIDC identity provider",
                reason="user_pool_rejected",
            )
        return ProviderClient(
            token_url=details.get("token_url") or f"{details['oidc_issuer']}/token",
            client_id=details["client_id"],
            secret=details["client_secret"],
        )

    def give(self, pool: UserPool, secret: str, deadline: Deadline) -> None:
        """Change the secret by UpdateIdentityProvider, which loses what it is not given again."""
        told = self._describe(pool, deadline)
        kept = {name: told[name] for name in _PROVIDER_FIELDS if told.get(name)}
        self._call(
            "update_identity_provider",
            deadline,
            UserPoolId=pool.id,
            ProviderName=pool.identity_provider,
            **{**kept, "ProviderDetails": {**told["ProviderDetails"], "client_secret": secret}},
        )

    def _describe(self, pool: UserPool, deadline: Deadline) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = self._call(
            "describe_identity_provider", deadline, UserPoolId=pool.id, ProviderName=pool.identity_provider
        )["IdentityProvider"]
        return answer


_PROVIDER_FIELDS = ("ProviderDetails", "AttributeMapping", "IdpIdentifiers", "AcrMapping")
"""What UpdateIdentityProvider takes beside the names."""

_NOT_FOUND = frozenset({"UserNotFoundException"})


def _profile(user: Mapping[str, Any], attributes: list[Mapping[str, str]]) -> UserProfile:
    return UserProfile(
        username=user["Username"],
        status=user.get("UserStatus", "UNKNOWN"),
        enabled=user.get("Enabled") is True,
        attributes={each["Name"]: each.get("Value", "") for each in attributes},
    )


def _answer(method: Callable[..., Any], parameters: Mapping[str, Any], absent: frozenset[str]) -> Any:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  whoever has a client has it loaded

    try:
        return method(**parameters)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in absent:
            return None
        if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
            raise UserPoolError(f"Cognito: {code}", reason="user_pool_unavailable") from error
        raise UserPoolError(f"Cognito: {code}", reason=_REASONS.get(code, "user_pool_rejected")) from error
    except BotoCoreError as error:
        raise UserPoolError(type(error).__name__, reason="user_pool_unreachable") from error
