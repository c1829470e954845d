"""Writes secrets to where a reference says that they are: the counterpart of `fedbridge.keys.secrets`, for operators."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedbridge.errors import ConfigurationError, KeyUnavailable
from fedbridge.keys.calls import call
from fedbridge.keys.reference import Reference, parse_reference

if TYPE_CHECKING:
    from fedbridge.keys.calls import ClientFactory
    from fedbridge.model.deadline import Deadline

WRITABLE = ("file", "secretsmanager", "ssm")

_REASONS = {"InvalidRequestException": "deleted", "ParameterNotFound": "not_found", "ResourceNotFoundException": "not_found"}  # fmt: skip


class SecretStore:
    """Secrets Manager, Parameter Store and files; a `#member` of a JSON document is replaced, the others stay."""

    def __init__(self, clients: ClientFactory, *, allow_local: bool) -> None:
        self._clients = clients
        self._allow_local = allow_local

    def check(self, reference: str) -> Reference:
        """Return the parsed reference; raises ConfigurationError where nothing can be written under it."""
        parsed = parse_reference(reference)
        if parsed.scheme not in WRITABLE:
            raise ConfigurationError(
                f"{reference}: fedbridge cannot write there; use secretsmanager: or ssm:"
            )
        if parsed.scheme == "file" and not self._allow_local:
            raise ConfigurationError(f"{reference}: file: is for local runs; use secretsmanager: or ssm:")
        return parsed

    def write(self, reference: str, value: str, deadline: Deadline) -> None:
        """Make `value` what the reference means from now on, a new secret if there is none.

        Raises ConfigurationError (see `check`; a document without members) and KeyUnavailable (`secret_…`).
        """
        parsed = self.check(reference)
        current = self._read(parsed, deadline)
        if parsed.fragment is not None:
            value = _with_member(current, parsed.fragment, value, reference)
        if value == current:
            return  # IdPs repeat what has not changed.
        match parsed.scheme:
            case "file":
                write_private(Path(parsed.name), value)
            case "ssm":
                self._write_parameter(parsed, value, deadline)
            case _:
                self._write_secret(parsed, value, deadline)

    def _write_secret(self, reference: Reference, value: str, deadline: Deadline) -> None:
        client = self._clients("secretsmanager")
        # One token for all tries: a write whose answer was lost is not written twice.
        token = str(uuid.uuid4())
        try:
            self._call(
                lambda: client.put_secret_value(
                    SecretId=reference.name, SecretString=value, ClientRequestToken=token
                ),
                reference,
                deadline,
            )
        except KeyUnavailable as failure:
            if failure.reason != "secret_not_found":
                raise
            self._call(
                lambda: client.create_secret(
                    Name=reference.name, SecretString=value, ClientRequestToken=token
                ),
                reference,
                deadline,
            )

    def _write_parameter(self, reference: Reference, value: str, deadline: Deadline) -> None:
        client = self._clients("ssm")
        self._call(
            lambda: client.put_parameter(
                Name=reference.name, Value=value, Type="SecureString", Overwrite=True
            ),
            reference,
            deadline,
        )

    def _read(self, reference: Reference, deadline: Deadline) -> str | None:
        """Return the whole document, None where there is none yet."""
        try:
            match reference.scheme:
                case "file":
                    return Path(reference.name).read_text("utf-8")
                case "ssm":
                    client = self._clients("ssm")
                    answer = self._call(
                        lambda: client.get_parameter(Name=reference.name, WithDecryption=True),
                        reference,
                        deadline,
                    )
                    return str(answer["Parameter"]["Value"])
                case _:
                    client = self._clients("secretsmanager")
                    answer = self._call(
                        lambda: client.get_secret_value(SecretId=reference.name, VersionStage="AWSCURRENT"),
                        reference,
                        deadline,
                    )
                    return str(answer.get("SecretString", ""))
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"{reference.document}: cannot be read ({type(error).__name__})"
            ) from None
        except KeyUnavailable as failure:
            if failure.reason != "secret_not_found":
                raise
            return None

    def _call(self, operation: Any, reference: Reference, deadline: Deadline) -> dict[str, Any]:
        answer: dict[str, Any] = call(
            operation, subject=reference.document, prefix="secret", reasons=_REASONS, deadline=deadline
        )
        return answer


def write_private(file: Path, content: str) -> None:
    """Replace a file's content in one step, readable by its owner alone; raises ConfigurationError."""
    temporary = file.with_name(f"{file.name}.{uuid.uuid4().hex}")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
                handle.write(content)
                handle.flush()
                os.fsync(handle.fileno())
            temporary.replace(file)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror}") from None


def _with_member(document: str | None, name: str, value: str, reference: str) -> str:
    try:
        members = json.loads(document) if document is not None else {}
    except ValueError:
        members = None
    if not isinstance(members, dict):
        raise ConfigurationError(f"{reference}: what is stored there is no JSON object, so it has no member")
    return json.dumps({**members, name: value})
