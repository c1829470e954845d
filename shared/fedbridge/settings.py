"""The environment, read once: what a deployment says, checked before anything is served."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fedbridge.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

STORE_SCHEMES = ("dynamodb", "sqlite", "memory")
REGISTRY_SCHEMES = ("dynamodb", "file")
KEY_SCHEMES = ("kms", "secretsmanager", "ssm", "file", "env", "ring")

_BASE_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*|\[[0-9a-f.]*(?::[0-9a-f.]*){2,}\])"
    r"(?::(?P<port>[0-9]{1,5}))?(?:/[A-Za-z0-9._~-]+)*"
)
"""Issuers begin with it and are compared byte for byte, so nothing that could be spelt in two ways is let in."""

_LOOPBACK = re.compile(r"(?:[a-z0-9-]+\.)*localhost|127\.0\.0\.1|\[::1\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A deployment.

    `base_url` has no trailing slash. `transactions`, `connections` and `sessions` (None: none are kept) are (scheme,
    location). `id_token_keys` are key references: the first signs, all are published; one of them may be `ring:NAME`,
    whose active key signs. `private_hosts` are `host:port` pairs of upstreams on loopback or private addresses.
    `metric_connections` are counted for by themselves, too. `local` is true outside AWS, where plain http and local files
    are allowed.
    """

    environment: str
    base_url: str
    transactions: tuple[str, str]
    connections: tuple[str, str]
    id_token_keys: tuple[str, ...]
    sessions: tuple[str, str] | None = None
    private_hosts: tuple[str, ...] = ()
    ca_bundle: str | None = None
    metric_connections: tuple[str, ...] = ()
    fixtures: str | None = None
    local: bool = False


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Return the settings; raises ConfigurationError that names every variable at fault.

    `AWS_LAMBDA_FUNCTION_NAME` without `AWS_SAM_LOCAL` is what tells AWS from a local run: the platform sets the one,
    `sam local` the other. Fixtures are refused there.
    """
    problems: list[str] = []
    local = "AWS_LAMBDA_FUNCTION_NAME" not in environ or environ.get("AWS_SAM_LOCAL") == "true"
    settings = Settings(
        environment=_required(environ, "FEDBRIDGE_ENVIRONMENT", problems),
        base_url=_base_url(environ, local=local, problems=problems),
        transactions=_located(environ, "FEDBRIDGE_TRANSACTIONS", STORE_SCHEMES, problems),
        connections=_located(environ, "FEDBRIDGE_CONNECTIONS", REGISTRY_SCHEMES, problems),
        id_token_keys=_key_references(environ, problems),
        sessions=_located(environ, "FEDBRIDGE_SESSIONS", STORE_SCHEMES, problems)
        if environ.get("FEDBRIDGE_SESSIONS")
        else None,
        private_hosts=_list(environ, "FEDBRIDGE_PRIVATE_HOSTS"),
        ca_bundle=environ.get("FEDBRIDGE_CA_BUNDLE") or None,
        metric_connections=_list(environ, "FEDBRIDGE_METRIC_CONNECTIONS"),
        fixtures=environ.get("FEDBRIDGE_FIXTURES") or None,
        local=local,
    )
    if settings.fixtures and not local:
        problems.append("FEDBRIDGE_FIXTURES: fixtures are for `sam local invoke` and refused in AWS")
    if problems:
        raise ConfigurationError("; ".join(problems), problems=tuple(problems))
    return settings


def _required(environ: Mapping[str, str], name: str, problems: list[str]) -> str:
    value = environ.get(name, "").strip()
    if not value:
        problems.append(f"{name}: is missing")
    return value


def _base_url(environ: Mapping[str, str], *, local: bool, problems: list[str]) -> str:
    name = "FEDBRIDGE_BASE_URL"
    value = _required(environ, name, problems)
    if not value:
        return value
    parts = _BASE_URL.fullmatch(value)
    if parts is None or int(parts["port"] or 443) > 65535:
        problems.append(f"{name}: must be https://host, with no user, query, fragment or trailing slash")
    elif parts["scheme"] == "http" and not (local and _LOOPBACK.fullmatch(parts["host"])):
        problems.append(f"{name}: must begin with https:// (http:// is for loopback in local runs)")
    return value


def _located(
    environ: Mapping[str, str], name: str, schemes: tuple[str, ...], problems: list[str]
) -> tuple[str, str]:
    value = _required(environ, name, problems)
    scheme, separator, location = value.partition(":")
    if value and (scheme not in schemes or not separator or (not location and scheme != "memory")):
        problems.append(f"{name}: must be one of {', '.join(f'{known}:…' for known in schemes)}")
    return scheme, location


def _key_references(environ: Mapping[str, str], problems: list[str]) -> tuple[str, ...]:
    name = "FEDBRIDGE_ID_TOKEN_KEYS"
    references = _list(environ, name)
    if not references:
        problems.append(f"{name}: is missing")
    for scheme, _, location in (reference.partition(":") for reference in references):
        if scheme not in KEY_SCHEMES or not location:
            problems.append(f"{name}: each must be one of {', '.join(f'{known}:…' for known in KEY_SCHEMES)}")
            break
    if sum(reference.startswith("ring:") for reference in references) > 1:
        problems.append(f"{name}: must name at most one ring")
    elif any(reference.startswith("ring:") for reference in references) and not environ.get(
        "FEDBRIDGE_CONNECTIONS", ""
    ).startswith("dynamodb:"):
        problems.append(f"{name}: a ring is kept in the Connections table, and there is none")
    return references


def _list(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in environ.get(name, "").split(",") if item.strip())
