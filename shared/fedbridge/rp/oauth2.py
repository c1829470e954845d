"""The `Upstream` port for OAuth 2.0 without OpenID Connect (RFC 6749), as GitHub has it.

No ID token says who signed in, so nothing is signed and there is no nonce. What there is: the code came back to the browser
that began, it was redeemed with PKCE and our client's credentials, and documents fetched over TLS with that access token
say whose it is. What Cognito gets is a proper ID token of the bridge's own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from fedbridge.claims.documents import identity_of_documents
from fedbridge.claims.mapping import search
from fedbridge.claims.normalize import Unusable
from fedbridge.claims.subject import is_subject
from fedbridge.errors import ConfigurationError, OAuthError, UpstreamError
from fedbridge.model.connection import Connection
from fedbridge.model.deadline import Deadline
from fedbridge.model.http import Parameters
from fedbridge.model.identity import Identity
from fedbridge.model.policies import OAuth2Document, OAuth2Profile
from fedbridge.ports import Clock, HttpClient, Keys, OutboundResponse, Secrets, Telemetry, UpstreamRedirect
from fedbridge.rp.authorization_request import build_authorization_request
from fedbridge.rp.authorization_response import validate_authorization_response
from fedbridge.rp.calls import Calls
from fedbridge.rp.context import Context
from fedbridge.rp.errors import upstream_error
from fedbridge.rp.jwks import JwksSource
from fedbridge.rp.metadata import from_endpoints
from fedbridge.rp.protected_resource import fetch_resource
from fedbridge.rp.token_endpoint import redeem_code
from fedbridge.strict_json import InvalidJson, decode

MAX_BYTES = 64 * 1024

ABSENT = frozenset({403, 404, 410})
"""Statuses that say that there is no such document for this token: the scope was not granted, or nothing is there."""

_UNCHECKABLE = ("acr_values", "max_age", "vtr", "claims")


class OAuth2Upstream:
    """Signs in through OAuth 2.0 servers, any number of connections; one for a sandbox's life, safe under threads.

    `clock` is in seconds since the epoch; `sleep` waits before the second try of a GET.
    """

    def __init__(
        self,
        *,
        http: HttpClient,
        keys: Keys,
        secrets: Secrets,
        telemetry: Telemetry,
        clock: Clock = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._telemetry = telemetry
        self._keys = keys
        self._secrets = secrets
        self._clock = clock
        self._calls = Calls(http, telemetry, keys=keys, clock=clock, sleep=sleep)
        self._jwks = JwksSource(self._calls, telemetry, clock)

    def begin(
        self,
        connection: Connection,
        *,
        state: str,
        callback_url: str,
        parameters: Mapping[str, str],
        deadline: Deadline,
    ) -> UpstreamRedirect:
        """Return the authorization request, without a nonce.

        What asks for assurance is refused rather than lost: nothing in the answer could be checked against it. Raises
        OAuthError invalid_request and what `build_authorization_request` raises.
        """
        for name in _UNCHECKABLE:
            if parameters.get(name):
                raise OAuthError(
                    "invalid_request",
                    f"{name} cannot be checked at this identity provider",
                    reason="assurance_not_available",
                )
        return build_authorization_request(
            self._context(connection, deadline),
            self._jwks,
            state=state,
            callback_url=callback_url,
            parameters=parameters,
        )

    def state_of(self, connection: Connection, response: Parameters, deadline: Deadline) -> str | None:  # noqa: ARG002
        """Return the `state` of a response, which is never a JWT here."""
        return response.value("state")

    def finish(
        self,
        connection: Connection,
        *,
        remembered: Mapping[str, str],
        callback_url: str,
        response: Parameters,
        deadline: Deadline,
    ) -> Identity:
        """Redeem the code, fetch the documents, read from them who signed in, and normalize the claims.

        Raises UpstreamError, KeyUnavailable, ConfigurationError, DeadlineExceeded.
        """
        context = self._context(connection, deadline)
        profile = _profile(connection)
        granted = validate_authorization_response(context, self._jwks, response, remembered)
        _, access_token = redeem_code(
            context,
            code=granted.code,
            callback_url=callback_url,
            code_verifier=remembered.get("code_verifier"),
        )
        documents = {
            document.name: fetch_document(context, profile, document, access_token=access_token)
            for document in profile.documents
        }
        mapped = identity_of_documents(
            connection,
            upstream_issuer=connection.issuer,
            upstream_subject=find_subject(profile, documents),
            documents=documents,
        )
        return mapped.noted(self._telemetry, connection, deadline)

    def logout(self, connection: Connection, **_: Any) -> str | None:  # noqa: ARG002
        """Return None: OAuth 2.0 has no way to sign out."""
        return None

    def _context(self, connection: Connection, deadline: Deadline) -> Context:
        if connection.endpoints is None:
            raise ConfigurationError(f"connection {connection.name}: endpoints is missing")
        return Context(
            connection=connection,
            metadata=from_endpoints(connection.issuer, connection.endpoints),
            deadline=deadline,
            calls=self._calls,
            keys=self._keys,
            secrets=self._secrets,
            clock=self._clock,
        )


def fetch_document(
    context: Context, profile: OAuth2Profile, document: OAuth2Document, *, access_token: str
) -> Any:
    """Return a document, a JSON object or array; None for one that need not be there and is not.

    Only a status that says so makes a document absent: an outage is none, or a person would lose an address for as long as
    it lasts. Raises UpstreamError (`oauth2_document_refused`, `oauth2_document_absent`, `oauth2_document_content_type`,
    `oauth2_document_malformed`) and what `fetch_resource` raises.
    """
    response = fetch_resource(
        context,
        "document",
        document.url,
        access_token=access_token,
        accept=profile.accept,
        max_bytes=MAX_BYTES,
    )
    if response.status in ABSENT:
        if document.required:
            raise upstream_error("oauth2_document_absent", status=response.status)
        return None
    if response.status != 200:
        raise upstream_error("oauth2_document_refused", status=response.status)
    return _read(response)


def find_subject(profile: OAuth2Profile, documents: Mapping[str, Any]) -> str:
    """Return the person's identifier: text as it is, a whole number in decimal digits, to the last of them.

    Nothing else names anybody: a float may have lost digits, true and false are two people, null is everybody without.
    Raises UpstreamError `oauth2_subject_unusable`.
    """
    try:
        found = search(profile.subject, documents)
    except Unusable:
        found = None
    subject = str(found) if type(found) is int else found
    if not is_subject(subject):
        raise UpstreamError("oauth2_subject_unusable")
    return subject


def _read(response: OutboundResponse) -> Any:
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise UpstreamError("oauth2_document_content_type")
    try:
        document = decode(response.body)
    except InvalidJson:
        document = None
    if not isinstance(document, dict | list):
        raise UpstreamError("oauth2_document_malformed")
    return document


def _profile(connection: Connection) -> OAuth2Profile:
    if connection.oauth2 is None:
        raise ConfigurationError(f"connection {connection.name}: oauth2 is missing")
    return connection.oauth2
