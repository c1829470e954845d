"""`connections.yaml` → connections, or every problem of the file at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fedbridge.configuration.document import version_of
from fedbridge.configuration.presets import About, Preset, read_preset, under
from fedbridge.configuration.ring_rules import SECTION, ring_problems, ring_use_problems
from fedbridge.configuration.rules import name_problem, problems_between, problems_of, unregistered
from fedbridge.configuration.strict_yaml import read_yaml
from fedbridge.configuration.structure import Problem, build
from fedbridge.configuration.urls import Allowed
from fedbridge.errors import ConfigurationError
from fedbridge.model.connection import Connection
from fedbridge.model.key_ring import KeyRing

FILLED_IN = ("name", "version", "client_jwks", "rings", "snapshot")
"""Fields of a connection that the file does not set."""

NO_PRESET = Preset(name="", keys={}, about=About(title="", description=""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What a file says: connections and key rings, each by name."""

    connections: dict[str, Connection]
    key_rings: dict[str, KeyRing]


def load(
    path: Path | str,
    *,
    allow_local: bool = False,
    private_hosts: Iterable[str] = (),
    allow_unregistered: bool = False,
) -> dict[str, Connection]:
    """Return the connections of a file by name; see `read`."""
    declared = read(
        path,
        allow_local=allow_local,
        private_hosts=private_hosts,
        allow_unregistered=allow_unregistered,
    )
    return declared.connections


def read(
    path: Path | str,
    *,
    allow_local: bool = False,
    private_hosts: Iterable[str] = (),
    allow_unregistered: bool = False,
) -> Declared:
    """Return what a file says, presets merged in, `version` set, `client_jwks` still empty, rings by name.

    `allow_local` lets plain http to loopback and `env:` and `file:` references pass; `private_hosts` are `host:port` of
    upstreams that need not be public or on port 443. With `allow_unregistered` a connection without `client_id` gets the
    one that `unregistered` tells, for what happens before it has one. Raises ConfigurationError: `problems` has a line
    for everything that is wrong, `connections.yaml: acme: client_authentication.lifetime: must be between 5 and 300 seconds`.
    """
    allowed = Allowed(local=allow_local, private_hosts=frozenset(private_hosts))
    problems: list[str] = []
    connections: dict[str, Connection] = {}
    document = _document(path, problems)
    for name, body in _bodies(path, document, problems).items():
        if allow_unregistered:
            body = {"client_id": unregistered(name), **body}  # noqa: PLW2901  what is configured goes over it
        connection, found = _connection(name, body, allowed, Path(path).parent)
        problems += [_line(path, name, problem) for problem in found]
        if connection is not None:
            connections[name] = replace(connection, version=version_of(connection))
    rings, found = _rings(document.get(SECTION, {}))
    problems += [_line(path, SECTION, problem) for problem in found]
    problems += [_line(path, name, problem) for name, problem in problems_between(connections)]
    problems += [_line(path, name, problem) for name, problem in ring_use_problems(connections, rings)]
    if problems:
        raise ConfigurationError(problems=tuple(problems))
    return Declared(connections=connections, key_rings=rings)


def _document(path: Path | str, problems: list[str]) -> Mapping[str, Any]:
    """Return the mapping that the file holds, with a mapping below `connections`."""
    duplicates: list[tuple[str, str]] = []
    try:
        document = read_yaml(Path(path).read_text("utf-8"), duplicates)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: must be UTF-8") from None
    except ValueError as error:
        raise ConfigurationError(f"{path}: {error}") from None
    problems += [_line(path, *_split(where, message)) for where, message in duplicates]
    if not isinstance(document, dict) or not isinstance(document.get("connections"), dict):
        raise ConfigurationError(f"{path}: connections: must be a mapping of names to connections")
    problems += [f"{path}: {key}: is not known" for key in document if key not in {"connections", SECTION}]
    return document


def _bodies(
    path: Path | str, document: Mapping[str, Any], problems: list[str]
) -> dict[str, Mapping[Any, Any]]:
    """Return the mapping below `connections`, without what is no connection at all."""
    if not document["connections"]:
        problems.append(f"{path}: connections: must name at least one")
    bodies: dict[str, Mapping[Any, Any]] = {}
    for name, body in document["connections"].items():
        problem = name_problem(str(name))
        if problem:
            problems.append(f"{path}: {name!r}: {problem}")
        if not isinstance(body, dict):
            problems.append(f"{path}: {name}: must be a mapping")
        elif not problem:
            bodies[str(name)] = body
    return bodies


def _rings(section: Any) -> tuple[dict[str, KeyRing], list[Problem]]:
    """Return the rings that have the right shape, and what is wrong with any."""
    if not isinstance(section, dict):
        return {}, [Problem("", "must be a mapping of names to key rings")]
    problems: list[Problem] = []
    rings: dict[str, KeyRing] = {}
    for name, body in section.items():
        if not isinstance(body, dict):
            problems.append(Problem(str(name), "must be a mapping"))
            continue
        shape: list[Problem] = []
        ring = build(KeyRing, body, shape, str(name))
        problems += shape
        if not shape:
            rings[str(name)] = ring
    return rings, [*problems, *ring_problems(rings)]


def _connection(
    name: str, body: Mapping[Any, Any], allowed: Allowed, folder: Path
) -> tuple[Connection | None, list[Problem]]:
    problems = [Problem(key, "is filled in by fedbridge: leave it out") for key in FILLED_IN if key in body]
    own = {key: value for key, value in body.items() if key not in FILLED_IN}
    problems += _only_by_preset(own)
    try:
        preset = read_preset(own["preset"], folder) if isinstance(own.get("preset"), str) else NO_PRESET
    except ConfigurationError as error:
        return None, [*problems, Problem("preset", str(error))]
    problems += preset.missing(own)
    named = {problem.path for problem in problems}
    shape: list[Problem] = []
    connection = build(Connection, {**under(preset.keys, own), "name": name}, shape)
    problems += [problem for problem in shape if problem.path not in named]
    # A value of the wrong type was replaced by a default, which may be wrong in turn: that is not said again.
    said = [problem.path for problem in problems]
    problems += [
        problem
        for problem in problems_of(connection, allowed)
        if not any(_within(problem.path, path) or _within(path, problem.path) for path in said)
    ]
    return connection, problems


def _only_by_preset(own: Mapping[Any, Any]) -> list[Problem]:
    """Whoever knows the client secret can sign symmetric tokens: that an IdP does so is a fact, not a choice."""
    policy = own.get("id_token")
    if isinstance(policy, Mapping) and policy.get("symmetric") is True:
        return [Problem("id_token.symmetric", "may only be set by a preset")]
    return []


def _within(path: str, other: str) -> bool:
    return path == other or path.startswith((f"{other}.", f"{other}["))


def _split(where: str, message: str) -> tuple[str, Problem]:
    """Tell the connection's name from the path below it; the same with the section of the key rings."""
    name, _, path = where.removeprefix("connections.").partition(".")
    return (name, Problem(path, message)) if path else ("connections", Problem(name, message))


def _line(path: Path | str, name: str, problem: Problem) -> str:
    return ": ".join(filter(None, (str(path), name, problem.path, problem.message)))
