"""Secret values by reference: environment, files, Secrets Manager and SSM, cached per sandbox."""

from __future__ import annotations

import functools
import json
import os
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedbridge.errors import ConfigurationError, KeyUnavailable
from fedbridge.keys.cache import BoundedCache, SingleFlight
from fedbridge.keys.calls import call
from fedbridge.keys.reference import LOCAL_SCHEMES, parse_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fedbridge.keys.calls import ClientFactory
    from fedbridge.keys.reference import Reference
    from fedbridge.model.deadline import Deadline
    from fedbridge.ports import Clock, Telemetry

FRESH = 300.0
"""Seconds that a value is used without asking again."""

STALE = 3600.0
"""Seconds that the last good value may serve while its store is down."""

COOL_DOWN = 30.0
"""Seconds after a read on demand, or one that failed, in which nobody reads again while a usable value is known."""

MAX_BYTES = 64 * 1024
"""Secrets Manager's own limit (65,536 bytes), kept for files too."""

_REASONS = {
    "DecryptionFailure": "undecryptable",  # the KMS key of the secret is disabled, gone or denied
    "InvalidKeyId": "undecryptable",
    "InvalidParameterException": "error",
    "InvalidRequestException": "deleted",  # marked for deletion, or without a current version
    "ParameterNotFound": "not_found",
    "ParameterVersionNotFound": "not_found",
    "ResourceNotFoundException": "not_found",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    value: str = field(repr=False)
    read_at: float
    quiet_until: float = 0.0


class CachedSecrets:
    """The `Secrets` port; thread-safe, one read at a time per reference.

    A value is fresh for 5 minutes. When its store is throttled, slow or unreachable, the last good one serves for up to
    an hour, which is told to `telemetry` (`keys_stale`); a secret that is gone or denied is not used any longer.
    `refresh` reads again at once, but then not for 30 s, so that a storm of refused sign-ins costs one call, and a secret
    that was replaced just after it was read costs nobody a sign-in.

    `env:` and `file:` need `allow_local`: they are for local runs, where `folder` is what file names are relative to.
    """

    def __init__(
        self,
        clients: ClientFactory,
        *,
        allow_local: bool,
        telemetry: Telemetry,
        folder: Path | None = None,
        environ: Mapping[str, str] = os.environ,
        clock: Clock = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clients = functools.cache(clients)  # one client a service, made when it is first needed
        self._allow_local = allow_local
        self._telemetry = telemetry
        self._folder = folder or Path()
        self._environ = environ
        self._clock = clock
        self._sleep = sleep
        self._entries: BoundedCache[_Entry] = BoundedCache()
        self._flights: SingleFlight[str] = SingleFlight()

    def get(self, reference: str, deadline: Deadline, *, refresh: bool = False) -> str:
        """Return the value, or the member of a JSON document that the reference's fragment names.

        Raises ConfigurationError: no reference, one that is not allowed here, a file or variable that is missing,
        empty, too large or no text, a document without the member; KeyUnavailable with the reasons `secret_throttled`,
        `secret_timeout`, `secret_unavailable` (transient), `secret_access_denied`, `secret_not_found`,
        `secret_deleted`, `secret_undecryptable`, `secret_error`.
        """
        parsed = parse_reference(reference)
        if parsed.scheme == "kms":
            raise ConfigurationError(f"{reference}: a KMS key signs, but it has no value to read")
        if parsed.scheme in LOCAL_SCHEMES and not self._allow_local:
            raise ConfigurationError(
                f"{reference}: {parsed.scheme}: is for local runs; use secretsmanager: or ssm:"
            )
        value = self._known(parsed.document, refresh=refresh)
        if value is None:
            value = self._flights.run(
                parsed.document, lambda: self._reread(parsed, deadline, refresh=refresh), deadline
            )
        return value if parsed.fragment is None else _member(value, parsed.fragment, reference)

    def _known(self, key: str, *, refresh: bool) -> str | None:
        """Return the cached value, None where it is time to read."""
        entry, now = self._entries.get(key), self._clock()
        if entry is None or now - entry.read_at >= STALE:
            return None
        wanted = refresh or now - entry.read_at >= FRESH
        return None if wanted and now >= entry.quiet_until else entry.value

    def _reread(self, reference: Reference, deadline: Deadline, *, refresh: bool) -> str:
        key = reference.document
        known = self._known(key, refresh=refresh)
        if known is not None:
            return known  # another thread has read it between our question and our turn
        entry, now = self._entries.get(key), self._clock()
        try:
            value = self._read(reference, deadline)
        except (KeyUnavailable, ConfigurationError) as failure:
            is_outage = isinstance(failure, KeyUnavailable) and failure.transient
            if entry is None or not is_outage or now - entry.read_at >= STALE:
                self._entries.discard(key)
                raise
            self._telemetry.event("keys_stale", reason=failure.reason)
            self._entries.put(key, replace(entry, quiet_until=now + COOL_DOWN))
            return entry.value
        quiet_until = now + COOL_DOWN if refresh else 0.0
        self._entries.put(key, _Entry(value=value, read_at=now, quiet_until=quiet_until))
        return value

    def _read(self, reference: Reference, deadline: Deadline) -> str:
        match reference.scheme:
            case "env":
                value = self._environ.get(reference.name)
            case "file":
                value = _read_file(self._folder / reference.name, reference.document)
            case "ssm":
                value = self._read_parameter(reference, deadline)
            case _:
                value = self._read_secret(reference, deadline)
        if not value:
            raise ConfigurationError(f"{reference.document}: not set, empty, or not text")
        return value

    def _read_secret(self, reference: Reference, deadline: Deadline) -> str | None:
        client = self._clients("secretsmanager")
        # The stage is named although AWSCURRENT is the default: not every emulator of the API knows that.
        answer = self._call(
            lambda: client.get_secret_value(SecretId=reference.name, VersionStage="AWSCURRENT"),
            reference,
            deadline,
        )
        return answer.get("SecretString")

    def _read_parameter(self, reference: Reference, deadline: Deadline) -> str | None:
        client = self._clients("ssm")
        answer = self._call(
            lambda: client.get_parameter(Name=reference.name, WithDecryption=True), reference, deadline
        )
        value: str | None = answer.get("Parameter", {}).get("Value")
        return value

    def _call(
        self, operation: Callable[[], dict[str, Any]], reference: Reference, deadline: Deadline
    ) -> dict[str, Any]:
        return call(
            operation,
            subject=reference.document,
            prefix="secret",
            reasons=_REASONS,
            deadline=deadline,
            sleep=self._sleep,
        )


def _read_file(path: Path, source: str) -> str | None:
    try:
        with path.open("rb") as handle:
            content = handle.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"{source}: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise ConfigurationError(f"{source}: more than {MAX_BYTES} bytes")
    # Editors end a file with a line end that is no part of the secret.
    return _text(content).removesuffix("\n").removesuffix("\r")


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return ""  # the caller refuses it, without an exception whose context carries the bytes


def _member(document: str, name: str, reference: str) -> str:
    try:
        value = json.loads(document)
    except (ValueError, RecursionError):
        value = None
    member = value.get(name) if isinstance(value, dict) else None
    if not isinstance(member, str) or not member:
        raise ConfigurationError(f"{reference}: the document has no text in a member '{name}'")
    return member
