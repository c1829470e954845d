"""Samples as they are typed: a file, JSON, a JWT, or standard input; read as strictly as a sign-in reads."""

from __future__ import annotations

import base64
import binascii
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fedbridge.errors import ConfigurationError
from fedbridge.strict_json import InvalidJson, decode

_JWT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_JWE = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*){4}")


@dataclass(slots=True)
class Samples:
    """What was given, by the option's name, and what whoever reads the result should know of it."""

    notes: list[str] = field(default_factory=list)

    def claims(self, option: str, sample: str) -> Mapping[str, Any]:
        """Return a JSON object, or the claims of a JWT, which is decoded and nothing else; raises ConfigurationError."""
        text = text_of(option, sample).strip()
        if _JWE.fullmatch(text):
            raise ConfigurationError(
                f"{option}: is encrypted: give the claims inside, as the provider's own tools show them"
            )
        if _JWT.fullmatch(text):
            self.notes.append(
                f"{option} was decoded only: signature, issuer, audience and times are not looked at"
            )
            text = _payload(option, text)
        document = self.document(option, text)
        if not isinstance(document, dict):
            raise ConfigurationError(f"{option}: must be a JSON object of claims")
        return document

    def document(self, option: str, sample: str) -> Any:
        """Return any JSON; raises ConfigurationError."""
        try:
            return decode(text_of(option, sample).encode())
        except InvalidJson as error:
            raise ConfigurationError(f"{option}: is neither JSON nor a JWT: {error}") from None

    def named(self, option: str, samples: list[str]) -> dict[str, Any]:
        """Return documents that are given as NAME=SAMPLE; raises ConfigurationError."""
        return dict(self._named(option, samples))

    def _named(self, option: str, samples: list[str]) -> Iterator[tuple[str, Any]]:
        for each in samples:
            name, separator, sample = each.partition("=")
            if not separator:
                raise ConfigurationError(f"{option} {each}: must be NAME=SAMPLE")
            yield name, self.document(f"{option} {name}", sample)


def text_of(option: str, sample: str) -> str:
    """Return the sample itself, or what is in the file that it names; raises ConfigurationError."""
    if sample == "-":
        return sys.stdin.read()
    if sample.lstrip()[:1] in {"{", "[", "<"} or _JWT.fullmatch(sample) or _JWE.fullmatch(sample):
        return sample
    try:
        return Path(sample).read_text("utf-8")
    except OSError as error:
        raise ConfigurationError(f"{option}: {sample}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{option}: {sample}: must be UTF-8") from None


def _payload(option: str, token: str) -> str:
    body = token.split(".")[1]
    try:
        return base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        raise ConfigurationError(f"{option}: is no JWT of JSON claims") from None
