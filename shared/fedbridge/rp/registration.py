"""Dynamic client registration (RFC 7591) and its management (RFC 7592): requests out, answers in.

Nothing here is on the way of a sign-in. What an answer grants is judged by `fedbridge.rp.granted_metadata`, after whoever
calls has stored the credentials in it: an access token that was rotated and lost cannot be had again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fedbridge.errors import UpstreamError
from fedbridge.model.connection import Connection
from fedbridge.model.deadline import Deadline
from fedbridge.model.metadata import ProviderMetadata
from fedbridge.ports import OutboundRequest, OutboundResponse
from fedbridge.rp.calls import Calls
from fedbridge.rp.errors import clean_code, is_outage
from fedbridge.rp.metadata import fetch_metadata, from_endpoints, own_endpoint, parse_metadata
from fedbridge.strict_json import InvalidJson, decode_object

MAX_BYTES = 256 * 1024
"""An answer repeats a client's whole metadata, its keys and certificates among them."""

SECRETS = ("client_secret", "registration_access_token")
NOT_METADATA = (
    *SECRETS,
    "client_id",
    "client_id_issued_at",
    "client_secret_expires_at",
    "registration_client_uri",
)
"""Members of an answer that an update must not repeat, or repeats as it likes (RFC 7592 §2.2)."""

_CLIENT_ID = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,510}[\x21-\x7e])?")
_SECRET = re.compile(r"[^\x00-\x1f\x7f]{1,4096}")  # RFC 6749 appendix A.2 has ASCII; some IdPs have not
_TOKEN = re.compile(r"[\x21-\x7e]{1,8192}")
_URL = re.compile(r"[\x21-\x7e]{1,2048}")
_DATES = range(1, 253402300800)
"""Seconds since the epoch that a calendar has: up to the year 9999."""

_SUPPORTED = "_supported"
_DESCRIPTION = 200
"""Characters of an IdP's own words that an operator is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A client information response (RFC 7591 §3.2.1, RFC 7592 §3), nothing in it judged yet.

    Members that are missing, or not of their type, are None. `client_secret_expires_at` is in seconds since the epoch,
    0 for never. `metadata` are what the IdP has registered.
    """

    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    client_secret_expires_at: int = 0
    client_uri: str | None = None
    access_token: str | None = field(default=None, repr=False)
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityProvider:
    """What the IdP says of itself; `supported` are the lists of strings among its metadata, by name."""

    metadata: ProviderMetadata
    supported: Mapping[str, Sequence[str]]


def discover(connection: Connection, calls: Calls, deadline: Deadline) -> IdentityProvider:
    """Return the IdP's metadata, or what the operator wrote down of them.

    Raises UpstreamError (`metadata_…`, `upstream_…`), DeadlineExceeded.
    """
    if connection.endpoints is not None:
        return IdentityProvider(
            metadata=from_endpoints(connection.issuer, connection.endpoints), supported={}
        )
    body = fetch_metadata(connection, calls, deadline)
    metadata, document = parse_metadata(connection, body), decode_object(body)
    supported = {
        name: tuple(value)
        for name, value in document.items()
        if name.endswith(_SUPPORTED)
        and isinstance(value, list)
        and all(isinstance(each, str) for each in value)
    }
    return IdentityProvider(metadata=metadata, supported=supported)


def endpoint_of(connection: Connection, provider: IdentityProvider) -> str:
    """Return where clients are registered; raises UpstreamError `registration_unsupported`."""
    registration = connection.registration
    endpoint = registration.endpoint if registration is not None else None
    endpoint = endpoint or provider.metadata.registration_endpoint
    if endpoint is None:
        raise UpstreamError(
            "registration_unsupported",
            message="the IdP's metadata name no registration_endpoint: set registration.endpoint, or register by hand",
        )
    return endpoint


class Registrar:
    """Sends registration requests of one connection, each once: what was answered cannot be asked for again.

    All methods raise UpstreamError (`registration_unauthorized`, `registration_refused`, `registration_unavailable`,
    `registration_redirected`, `registration_answer_invalid`, `upstream_…`) and DeadlineExceeded.
    """

    def __init__(self, connection: Connection, calls: Calls, deadline: Deadline) -> None:
        self._connection = connection
        self._calls = calls
        self._deadline = deadline

    def register(self, endpoint: str, metadata: Mapping[str, Any], token: str | None) -> Answer:
        """Register a client (RFC 7591 §3.1); `token` is the initial access token, if the IdP gave one."""
        response = self._send("POST", endpoint, token, metadata)
        return _answer(response, (200, 201), token, "initial access token")

    def read(self, client_uri: str, token: str) -> Answer:
        """Read the registration (RFC 7592 §2.1)."""
        return _answer(self._send("GET", client_uri, token), (200,), token, "registration access token")

    def update(self, client_uri: str, metadata: Mapping[str, Any], token: str) -> Answer:
        """Replace the registered metadata by these (RFC 7592 §2.2)."""
        response = self._send("PUT", client_uri, token, metadata)
        return _answer(response, (200,), token, "registration access token")

    def delete(self, client_uri: str, token: str) -> None:
        """Remove the client (RFC 7592 §2.3)."""
        response = self._send("DELETE", client_uri, token)
        if response.status not in {200, 204}:
            raise _refusal(response, token, "registration access token")

    def _send(
        self, method: str, url: str, token: str | None, metadata: Mapping[str, Any] | None = None
    ) -> OutboundResponse:
        headers = {"accept": "application/json"}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        body = None
        if metadata is not None:
            headers["content-type"] = "application/json"
            body = json.dumps(metadata).encode("ascii")
        request = OutboundRequest(method=method, url=url, headers=headers, body=body, max_bytes=MAX_BYTES)
        try:
            return self._calls.send(self._connection, "registration", request, self._deadline)
        except UpstreamError as failure:
            if method == "GET":
                raise
            message = f"{failure.reason}: the IdP may have done what was asked for all the same"
            raise UpstreamError(failure.reason, error=failure.error, message=message) from None


def problems(connection: Connection, answer: Answer) -> list[str]:
    """Return what is wrong with an answer beside the metadata that it grants, a line each."""
    found = []
    if answer.client_id is None:
        found.append("client_id: the IdP's answer has none")
    if answer.client_uri is not None:
        try:
            own_endpoint(
                connection, {"registration_client_uri": answer.client_uri}, "registration_client_uri"
            )
        except UpstreamError as error:
            found.append(str(error))
    return found


def _answer(response: OutboundResponse, expected: tuple[int, ...], token: str | None, kind: str) -> Answer:
    document = _document(response)
    if response.status not in expected or (document is not None and "error" in document):
        raise _refusal(response, token, kind)
    if document is None:
        raise UpstreamError(
            "registration_answer_invalid",
            upstream_status=response.status,
            message=f"the IdP answered {response.status} without a JSON object: it may have done what was asked for",
        )
    expires_at = document.get("client_secret_expires_at")
    return Answer(
        client_id=_text(document, "client_id", _CLIENT_ID),
        client_secret=_text(document, "client_secret", _SECRET),
        client_secret_expires_at=expires_at if type(expires_at) is int and expires_at in _DATES else 0,
        client_uri=_text(document, "registration_client_uri", _URL),
        access_token=_text(document, "registration_access_token", _TOKEN),
        metadata={name: value for name, value in document.items() if name not in NOT_METADATA},
    )


def _document(response: OutboundResponse) -> dict[str, Any] | None:
    try:
        return decode_object(response.body)
    except InvalidJson:
        return None


def _text(document: Mapping[str, Any], name: str, pattern: re.Pattern[str]) -> str | None:
    value = document.get(name)
    return value if isinstance(value, str) and pattern.fullmatch(value) else None


def _refusal(response: OutboundResponse, token: str | None, kind: str) -> UpstreamError:
    """Return the error of an answer that is none (RFC 7591 §3.2.2, RFC 6750 §3.1), for an operator to read."""
    document = _document(response) or {}
    error = document.get("error")
    code = clean_code(error) if isinstance(error, str) else None
    if is_outage(response.status):
        reason = "registration_unavailable"
        message = "the IdP's registration endpoint is not available"
    elif 300 <= response.status < 400:
        reason = "registration_redirected"
        message = "the IdP redirects, which is never followed: correct the URL"
    elif response.status in {401, 403}:
        reason = "registration_unauthorized"
        message = f"the IdP {f'does not accept the {kind}' if token is not None else f'wants an {kind}'}"
    else:
        reason = "registration_refused"
        message = "the IdP refuses the registration"
    said = ": ".join(part for part in (code, _description(document, token)) if part)
    return UpstreamError(
        reason,
        upstream_code=code,
        upstream_status=response.status,
        message=f"{message} ({response.status}{f', {said}' if said else ''})",
    )


def _description(document: Mapping[str, Any], token: str | None) -> str:
    """Return the IdP's own words for an operator's terminal: bounded, printable, and without the token it was sent."""
    text = document.get("error_description")
    if not isinstance(text, str):
        return ""
    if token is not None:
        text = text.replace(token, "(the token)")
    return "".join(character for character in text if " " <= character <= "~")[:_DESCRIPTION]
