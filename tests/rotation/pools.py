"""A user pool as far as its identity providers go: a new client secret takes a while to reach all of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.kms import client_error

SPREADS_IN = 60.0
"""Seconds in which some of Cognito has the new secret and some the old one."""


@dataclass
class FakeIdentityProviders:
    """An SDK client of `cognito-idp` with one OIDC identity provider; `secrets` are those it had, each with since when.

    `failure` is raised by the next update, which is carried out all the same if `done`.
    """

    clock: Callable[[], float]
    details: dict[str, str]
    secrets: list[tuple[float, str]] = field(default_factory=list)
    failure: Exception | None = None
    done: bool = False
    stale: float = 0.0

    def __post_init__(self) -> None:
        self.secrets = self.secrets or [(0.0, self.details["client_secret"])]

    def clients(self, service: str) -> FakeIdentityProviders:
        """Stand in for the factory of clients."""
        assert service == "cognito-idp"
        return self

    def in_use(self) -> list[str]:
        """Return every secret that some part of Cognito may send now, the newest last."""
        now = self.clock()
        ended = [since for since, _ in self.secrets[1:]] + [float("inf")]
        return [
            secret for (_, secret), until in zip(self.secrets, ended, strict=True) if now < until + SPREADS_IN
        ]

    # ruff: noqa: N803 - the parameters have AWS's names
    def describe_identity_provider(self, *, UserPoolId: str, ProviderName: str) -> dict[str, Any]:
        """Answer what was last written; or, for `stale` seconds, what was before."""
        known = [secret for since, secret in self.secrets if since == 0 or since <= self.clock() - self.stale]
        details = {**self.details, "client_secret": known[-1]}
        return {
            "IdentityProvider": {
                "UserPoolId": UserPoolId,
                "ProviderName": ProviderName,
                "ProviderType": "OIDC",
                "ProviderDetails": details,
                "AttributeMapping": {"email": "email", "username": "sub"},
                "IdpIdentifiers": ["bank.example"],
            }
        }

    def update_identity_provider(
        self, *, UserPoolId: str, ProviderName: str, ProviderDetails: Mapping[str, str], **rest: Any
    ) -> dict[str, Any]:
        failure, self.failure = self.failure, None
        if failure is not None and not self.done:
            raise failure
        # What is not given again is lost.
        assert set(rest) == {"AttributeMapping", "IdpIdentifiers"}
        assert {**ProviderDetails, "client_secret": ""} == {**self.details, "client_secret": ""}
        self.secrets.append((self.clock(), ProviderDetails["client_secret"]))
        if failure is not None:
            raise failure
        return self.describe_identity_provider(UserPoolId=UserPoolId, ProviderName=ProviderName)


def refused(code: str, status: int = 400) -> Exception:
    """Return how the SDK says that Cognito refuses an update."""
    return client_error(code, "UpdateIdentityProvider", status)
