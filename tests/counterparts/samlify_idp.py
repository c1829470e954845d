"""A SAML identity provider that nobody here wrote: npm samlify. Its XML stack shares nothing with lxml and xmlsec.

with SamlifyIdp() as idp:
    metadata = idp.metadata(settings)
    response = idp.respond(settings, sp_metadata, request, user)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self

from tests.counterparts.node import as_json, node_or_skip_reason
from tests.counterparts.process import Program, require

ANSWER_SECONDS = 60.0

Binding = Literal["redirect", "post"]

AES_128_GCM = "http://www.w3.org/2009/xmlenc11#aes128-gcm"
AES_256_CBC = "http://www.w3.org/2001/04/xmlenc#aes256-cbc"


@dataclass(frozen=True, slots=True, kw_only=True)
class IdpSettings:
    """What samlify's IdP is configured with. `key` and `certificate` are PEM, `encryption` is an algorithm's identifier."""

    entity_id: str
    url: str
    key: str = field(repr=False)
    certificate: str = field(repr=False)
    logout_url: str | None = None
    encryption: str | None = None
    order: Literal["sign-then-encrypt", "encrypt-then-sign"] = "sign-then-encrypt"


@dataclass(frozen=True, slots=True, kw_only=True)
class SamlUser:
    name_id: str
    mail: str
    context: str = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"


@dataclass(eq=False)
class SamlifyError(Exception):
    """samlify refused the AuthnRequest, or could not answer it."""

    message: str

    def __str__(self) -> str:
        return self.message


class SamlifyIdp:
    """The running program. One command at a time; it keeps nothing between two commands."""

    def __enter__(self) -> Self:
        self._program: Program = require(node_or_skip_reason()).start("saml_idp.mjs")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._program.stop()

    def metadata(self, settings: IdpSettings) -> str:
        """Return the IdP's metadata."""
        found: str = self._command("metadata", idp=settings)
        return found

    def respond(
        self,
        settings: IdpSettings,
        sp_metadata: str,
        user: SamlUser,
        *,
        query: str | None = None,
        form: Mapping[str, str] | None = None,
        message_signed: bool = False,
    ) -> tuple[str, Mapping[str, Any]]:
        """Verify the AuthnRequest of a raw query or a form; return SAMLResponse and what was read. Raises SamlifyError."""
        request = {"query": query} if query is not None else {"form": form}
        answer = self._command(
            "respond", idp=settings, sp=sp_metadata, request=request, user=user, message_signed=message_signed
        )
        return answer["response"], answer["request"]

    def initiate(
        self, settings: IdpSettings, sp_metadata: str, user: SamlUser, *, message_signed: bool = False
    ) -> str:
        """Return the SAMLResponse of a sign-in that the IdP begins."""
        made: str = self._command(
            "initiate", idp=settings, sp=sp_metadata, user=user, message_signed=message_signed
        )
        return made

    def logout_request(
        self,
        settings: IdpSettings,
        sp_metadata: str,
        binding: Binding,
        *,
        name_id: str,
        session_index: str,
        relay_state: str,
    ) -> Mapping[str, Any]:
        """Return the IdP's own LogoutRequest: its `id`, the `url` and, for a POST, the `form`."""
        user = {"name_id": name_id, "session_index": session_index}
        made: Mapping[str, Any] = self._command(
            "logout_request",
            idp=settings,
            sp=sp_metadata,
            binding=binding,
            user=user,
            relay_state=relay_state,
        )
        return made

    def answer_logout(
        self,
        settings: IdpSettings,
        sp_metadata: str,
        message: Mapping[str, Any],
        binding: Binding,
        *,
        relay_state: str,
    ) -> Mapping[str, Any]:
        """Verify a LogoutRequest (`query` or `form`); return what was read and the LogoutResponse. Raises SamlifyError."""
        made: Mapping[str, Any] = self._command(
            "answer_logout",
            idp=settings,
            sp=sp_metadata,
            message=message,
            binding=binding,
            relay_state=relay_state,
        )
        return made

    def read_logout_response(
        self, settings: IdpSettings, sp_metadata: str, message: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Verify a LogoutResponse (`query` or `form`) and return what was read. Raises SamlifyError."""
        read: Mapping[str, Any] = self._command(
            "read_logout_response", idp=settings, sp=sp_metadata, message=message
        )
        return read

    def _command(self, command: str, **arguments: Any) -> Any:
        line = {"command": command} | {
            name: value if isinstance(value, str | bool) else as_json(value)
            for name, value in arguments.items()
        }
        self._program.write_line(json.dumps(line))
        answer = json.loads(self._program.read_line(ANSWER_SECONDS))
        if "failure" in answer:
            raise SamlifyError(answer["failure"])
        return answer["result"]
