"""The environment of the triggers, read once: which user pool they are for, and where their configuration is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fedbridge.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

_POOL_ID = re.compile(r"[a-z]{2}(?:-[a-z]+)+-[0-9]_[A-Za-z0-9]{1,55}")
_SCHEMES = ("ssm", "secretsmanager", "env", "file")


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerSettings:
    """A deployment of the triggers; `configuration` is a reference, `local` is true outside AWS."""

    pool_id: str
    configuration: str
    fixtures: bool = False
    local: bool = False


def read_trigger_settings(environ: Mapping[str, str]) -> TriggerSettings:
    """Return the settings; raises ConfigurationError that names every variable at fault. Fixtures are refused in AWS."""
    local = "AWS_LAMBDA_FUNCTION_NAME" not in environ or environ.get("AWS_SAM_LOCAL") == "true"
    settings = TriggerSettings(
        pool_id=environ.get("FEDBRIDGE_USER_POOL_ID", ""),
        configuration=environ.get("FEDBRIDGE_TRIGGERS", ""),
        fixtures=bool(environ.get("FEDBRIDGE_FIXTURES")),
        local=local,
    )
    problems: list[str] = []
    if settings.fixtures and not local:
        problems.append("FEDBRIDGE_FIXTURES: fixtures are for `sam local invoke` and refused in AWS")
    if not settings.fixtures and not _POOL_ID.fullmatch(settings.pool_id):
        problems.append("FEDBRIDGE_USER_POOL_ID: must be the id of a user pool, such as eu-west-1_AbCdEfGhI")
    scheme, _, location = settings.configuration.partition(":")
    if not settings.fixtures and (scheme not in _SCHEMES or not location):
        problems.append("FEDBRIDGE_TRIGGERS: must be a reference, such as ssm:/fedbridge/prod/triggers")
    if problems:
        raise ConfigurationError(problems=tuple(problems))
    return settings
