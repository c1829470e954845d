"""A connection that loads, as plain data to be spoilt."""

import copy
import json
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings

from fedbridge.configuration.file import load
from fedbridge.errors import ConfigurationError
from fedbridge.model.connection import Connection

GOOD: dict[str, Any] = {
    "issuer": "https://login.acme.example",
    "client_id": "fedbridge",
    "client_authentication": {"method": "private_key_jwt", "key": "secretsmanager:fedbridge/prod/acme"},
    "relying_parties": [
        {
            "client_id": "cognito",
            "secret_hashes": ["sha256:" + "a1" * 32],
            "redirect_uris": ["https://pool.auth.example/oauth2/idpresponse"],
            "restart_url": "https://app.example.com/",
        }
    ],
}

REMOVED = object()

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""How long an example takes says nothing on a busy machine."""


def changed(body: dict[str, Any] | None = None, /, **changes: Any) -> dict[str, Any]:
    """Return a connection with changes by path: `client_authentication__lifetime=1`, `relying_parties__0__name="x"`."""
    result = copy.deepcopy(GOOD if body is None else body)
    for path, value in changes.items():
        *way, last = path.split("__")
        target: Any = result
        for step in way:
            target = target[int(step)] if step.isdigit() else target.setdefault(step, {})
        if value is REMOVED:
            del target[last]
        else:
            target[int(last) if last.isdigit() else last] = value
    return result


def write(folder: Path, connections: Any) -> Path:
    """Write a file; JSON is YAML."""
    path = folder / "connections.yaml"
    path.write_text(json.dumps({"connections": connections}), "utf-8")
    return path


def loaded(folder: Path, body: dict[str, Any], **allowed: Any) -> Connection:
    return load(write(folder, {"acme": body}), **allowed)["acme"]


def problems(folder: Path, connections: Any, **allowed: Any) -> list[str]:
    """Return the problems of a file without its path; none if it loads."""
    path = connections if isinstance(connections, Path) else write(folder, connections)
    try:
        load(path, **allowed)
    except ConfigurationError as error:
        found = error
    else:
        return []
    assert str(found) == "\n".join(found.problems)
    assert all(problem.startswith(f"{path}: ") for problem in found.problems)
    return [problem.removeprefix(f"{path}: ") for problem in found.problems]
