"""HTTP requests and answers as plain data, so that recording, forwarding and answering them stay apart."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Pairs = tuple[tuple[str, str], ...]


def _first(headers: Pairs, name: str) -> str | None:
    return next((value for key, value in headers if key.lower() == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as it was received. `target` is the raw path with its query."""

    method: str
    target: str
    headers: Pairs = ()
    body: bytes = field(default=b"", repr=False)

    @property
    def path(self) -> str:
        """The raw path."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> Pairs:
        """The decoded query, in order."""
        return tuple(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))

    @property
    def form(self) -> Pairs:
        """The decoded form, in order; empty where the body is none."""
        if not (self.header("content-type") or "").startswith("application/x-www-form-urlencoded"):
            return ()
        return tuple(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    @property
    def parameters(self) -> dict[str, str]:
        """Query and form by name; of repeated ones the last."""
        return dict(self.query + self.form)

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies by name."""
        pieces = [piece.strip() for piece in (self.header("cookie") or "").split(";") if "=" in piece]
        return dict(piece.split("=", 1) for piece in pieces)

    @property
    def bearer(self) -> str | None:
        """The token of the Authorization header, if there is one (RFC 6750 §2.1)."""
        scheme, _, token = (self.header("authorization") or "").partition(" ")
        return token if scheme.lower() == "bearer" else None

    def header(self, name: str) -> str | None:
        """Return the first header of this lower-case name."""
        return _first(self.headers, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer, with all its headers in order."""

    status: int
    headers: Pairs = ()
    body: bytes = field(default=b"", repr=False)

    def header(self, name: str) -> str | None:
        """Return the first header of this lower-case name."""
        return _first(self.headers, name)

    @property
    def location(self) -> str | None:
        """Where the browser is sent."""
        return self.header("location")

    @property
    def location_query(self) -> dict[str, str]:
        """The decoded query of where the browser is sent."""
        return dict(parse_qsl(urlsplit(self.location or "").query, keep_blank_values=True))

    @property
    def set_cookies(self) -> list[str]:
        """The values of all Set-Cookie headers."""
        return [value for name, value in self.headers if name.lower() == "set-cookie"]

    @property
    def json(self) -> dict[str, Any] | None:
        """The body if it is a JSON object, else None."""
        if "json" not in (self.header("content-type") or ""):
            return None
        packed = self.header("content-encoding") == "gzip"
        try:
            value = json.loads(gzip.decompress(self.body) if packed else self.body)
        except (OSError, ValueError):
            return None
        return value if isinstance(value, dict) else None


def redirect(url: str, *, cookies: tuple[str, ...] = ()) -> Answer:
    """Return 303 to `url`."""
    headers = (
        ("location", url),
        ("cache-control", "no-store"),
        *(("set-cookie", value) for value in cookies),
    )
    return Answer(status=303, headers=headers)


def json_answer(value: Any, status: int = 200) -> Answer:
    """Return `value` as JSON that nobody stores."""
    headers = (("content-type", "application/json"), ("cache-control", "no-store"))
    return Answer(status=status, headers=headers, body=json.dumps(value).encode())
