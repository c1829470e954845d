"""The handles of a sign-in: a public id and a secret in one string of 43 letters and digits.

Upstream `state` = id ‖ s1, `code` = id ‖ s2, access token = id ‖ s3. The store knows the id and a hash of each secret,
bound to environment, connection, purpose and id, so that a handle means nothing anywhere else.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from enum import StrEnum
from string import ascii_letters, digits

from fedbridge.flows.sealing import Scope, derive, frame

ALPHABET = digits + ascii_letters
ID_LENGTH = 21
SECRET_LENGTH = 22
COOKIE_LENGTH = 43

_HANDLE = re.compile(rf"[0-9A-Za-z]{{{ID_LENGTH + SECRET_LENGTH}}}")


class Purpose(StrEnum):
    """What a handle is for; part of every hash, so that a code is no state and a state no access token."""

    STATE = "state"
    CODE = "code"
    ACCESS_TOKEN = "access_token"  # noqa: S105  the name of a purpose
    BROWSER = "browser"
    LANDING = "landing"
    LOGOUT_TOKEN = "logout_token"  # noqa: S105  likewise
    INITIATED = "initiated"
    LOGOUT_REQUEST = "logout_request"


@dataclass(frozen=True, slots=True)
class Handle:
    """One handle; `str(handle)` is what travels."""

    id: str
    secret: str = field(repr=False)

    def __str__(self) -> str:
        return self.id + self.secret


def draw(length: int) -> str:
    """Return random letters and digits: 5.95 bits each (21 carry 125 bits, 22 carry 131, 43 carry 256)."""
    return _spell(secrets.randbelow(len(ALPHABET) ** length), length)


def new_handle() -> Handle:
    """Return a handle with a new id and a new secret."""
    return Handle(draw(ID_LENGTH), draw(SECRET_LENGTH))


def parse_handle(text: str | None) -> Handle | None:
    """Return the handle, None for anything that is not one; no store is asked about such text."""
    if text is None or not _HANDLE.fullmatch(text):
        return None
    return Handle(text[:ID_LENGTH], text[ID_LENGTH:])


def digest(purpose: Purpose, scope: Scope, transaction_id: str, secret: str) -> bytes:
    """Return what the store keeps of a secret. The secrets are random and long, so a plain hash is enough."""
    return hashlib.sha256(
        frame("fedbridge/hash/v1", purpose, scope.environment, scope.connection, transaction_id, secret)
    ).digest()


def code_for(scope: Scope, state: Handle, browser: str) -> Handle:
    """Return the code of this state in this browser: derived, so that a reload gets the same one and never a second."""
    number = int.from_bytes(derive(state.secret + browser, "fedbridge/code/v1", scope, state.id), "big")
    return Handle(state.id, _spell(number, SECRET_LENGTH))


def session_id(scope: Scope, issuer: str, sid: str, client_id: str) -> str:
    """Return under which id the session is kept that the IdP calls `sid`: whoever knows it finds it, nobody else."""
    framed = frame("fedbridge/session/v1", scope.environment, scope.connection, issuer, sid, client_id)
    return _spell(int.from_bytes(hashlib.sha256(framed).digest(), "big"), ID_LENGTH)


def _spell(number: int, length: int) -> str:
    """Return the last digits of a number in base 62, the lowest first."""
    characters = []
    for _ in range(length):
        number, index = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[index])
    return "".join(characters)
