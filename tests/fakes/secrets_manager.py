"""Secrets Manager and SSM clients in this process: values by name, calls counted, faults raised one a call."""

# ruff: noqa: N803 - the parameters have AWS's names

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.kms import client_error


@dataclass
class FakeSecretsManager:
    """Both services at once; `outage` is raised by every call until it is None again."""

    values: dict[str, str] = field(default_factory=dict)
    outage: Exception | None = None
    calls: Counter[str] = field(default_factory=Counter)
    created: Counter[str] = field(default_factory=Counter)

    def clients(self, service: str) -> FakeSecretsManager:
        """Stand in for the factory of clients."""
        self.created[service] += 1
        assert service in ("secretsmanager", "ssm")
        return self

    def get_secret_value(self, *, SecretId: str, VersionStage: str) -> dict[str, Any]:
        assert VersionStage == "AWSCURRENT"
        return {"SecretString": self._read("GetSecretValue", SecretId, "ResourceNotFoundException")}

    def create_secret(self, *, Name: str, SecretString: str, ClientRequestToken: str) -> dict[str, Any]:
        assert ClientRequestToken
        if self.outage is not None:
            raise self.outage
        if Name in self.values:
            raise client_error("ResourceExistsException", "CreateSecret")
        self.values[Name] = SecretString
        return {"Name": Name}

    def get_parameter(self, *, Name: str, WithDecryption: bool) -> dict[str, Any]:
        assert WithDecryption
        return {"Parameter": {"Value": self._read("GetParameter", Name, "ParameterNotFound")}}

    def _read(self, operation: str, name: str, missing: str) -> str:
        self.calls[name] += 1
        if self.outage is not None:
            raise self.outage
        if name not in self.values:
            raise client_error(missing, operation)
        return self.values[name]
