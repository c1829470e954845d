"""The `Upstream` port for SAML 2.0: the web browser SSO profile towards one IdP, from begin to finish."""

from __future__ import annotations

import secrets as randomness
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fedbridge.claims.attributes import identity_of_attributes
from fedbridge.errors import ConfigurationError, UpstreamError
from fedbridge.ports import Unsolicited
from fedbridge.sp import authn_request
from fedbridge.sp.assertion import (
    attributes_of,
    authentication_of,
    check_assurance,
    once_only,
    subject_of,
)
from fedbridge.sp.checks import Expected
from fedbridge.sp.response import Reception, Verified, posted_response, verify_response
from fedbridge.sp.signing import published_certificate
from fedbridge.sp.single_logout import SamlSingleLogout, upstream_session

if TYPE_CHECKING:
    from fedbridge.model.connection import Connection
    from fedbridge.model.deadline import Deadline
    from fedbridge.model.http import Parameters
    from fedbridge.model.identity import Identity
    from fedbridge.model.saml import Saml
    from fedbridge.ports import Clock, Keys, Telemetry, UpstreamRedirect
    from fedbridge.sp.artifact import ArtifactResolver
    from fedbridge.sp.idp import Binding, IdentityProvider
    from fedbridge.sp.idp_metadata import IdentityProviders

MAX_AGE = 300.0
"""Seconds that a Response which nobody asked for may have been on its way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SamlUpstream:
    """Signs in through SAML IdPs, any number of connections; one for a sandbox's life, safe under threads.

    `clock` is in seconds since the epoch.
    """

    providers: IdentityProviders
    keys: Keys
    telemetry: Telemetry
    artifacts: ArtifactResolver
    clock: Clock = time.time

    def begin(
        self,
        connection: Connection,
        *,
        state: str,
        callback_url: str,
        parameters: Mapping[str, str],
        deadline: Deadline,
    ) -> UpstreamRedirect:
        """Return the AuthnRequest, with `state` as RelayState; calls the IdP only for metadata that are not cached.

        Raises OAuthError invalid_request (a parameter of the app's), UpstreamError, KeyUnavailable, ConfigurationError,
        DeadlineExceeded.
        """
        saml = _saml(connection)
        asked = authn_request.asked_of(connection, parameters)
        provider = self.providers.get(connection, saml, deadline, endpoints_only=True)
        binding = _binding(saml, provider)
        now, request_id = self.clock(), f"_{randomness.token_hex(20)}"
        request = authn_request.build(
            connection,
            saml.request,
            request_id=request_id,
            destination=provider.endpoints[binding],
            acs_url=callback_url,
            asked=asked,
            now=now,
        )
        signer = None
        if saml.request.signed:
            key = saml.signing_keys[0].key
            signer = self.keys.signer(key, saml.request.signature_algorithm, deadline)
        return authn_request.send(
            request,
            binding,
            provider.endpoints[binding],
            relay_state=state,
            signer=signer,
            certificate=published_certificate(connection, signer.kid) if signer else None,
            remembered={**asked, "request_id": request_id, "asked_at": repr(now)},
            deadline=deadline,
        )

    def state_of(self, connection: Connection, response: Parameters, deadline: Deadline) -> str | None:  # noqa: ARG002
        """Return the RelayState, which is our state and nothing else."""
        return response.get("RelayState")

    def finish(
        self,
        connection: Connection,
        *,
        remembered: Mapping[str, str],
        callback_url: str,
        response: Parameters,
        deadline: Deadline,
    ) -> Identity:
        """Verify the Response and turn its assertion into an identity.

        Raises IssuerMismatch for whatever is not known to be the IdP's answer to this sign-in, UpstreamError for what
        the IdP says went wrong, KeyUnavailable, ConfigurationError, DeadlineExceeded.
        """
        saml = _saml(connection)
        expected = Expected(
            idp_entity_id=connection.issuer,
            sp_entity_id=connection.client_id,
            acs_url=callback_url,
            request_id=remembered["request_id"],
            asked_at=float(remembered["asked_at"]),
            now=self.clock(),
            clock_skew=saml.assertion.clock_skew,
        )
        verified = self._verified(connection, expected, response, deadline)
        return self._identity(connection, expected, remembered, verified, deadline)

    def receive(
        self, connection: Connection, *, callback_url: str, response: Parameters, deadline: Deadline
    ) -> Unsolicited:
        """Verify a Response that nobody asked for, which must not claim to answer a request; raises as `finish` does.

        What AuthnRequests ask for is demanded of it all the same. It is accepted for `MAX_AGE` seconds after it was issued.
        """
        saml, now = _saml(connection), self.clock()
        expected = Expected(
            idp_entity_id=connection.issuer,
            sp_entity_id=connection.client_id,
            acs_url=callback_url,
            request_id=None,
            asked_at=now - MAX_AGE,
            now=now,
            clock_skew=saml.assertion.clock_skew,
        )
        verified = self._verified(connection, expected, response, deadline)
        identity = self._identity(
            connection, expected, authn_request.asked_of(connection, {}), verified, deadline
        )
        assertion_id, ends = once_only(verified.assertion)
        return Unsolicited(identity=identity, assertion_id=assertion_id, expires_at=ends)

    def logout(
        self,
        connection: Connection,
        *,
        state: str,
        return_url: str,  # noqa: ARG002  a LogoutResponse comes to the address that the metadata name
        remembered: Mapping[str, str],
        deadline: Deadline,
    ) -> UpstreamRedirect | None:
        """Return the LogoutRequest for the session that was kept; see `SamlSingleLogout.request`."""
        single_logout = SamlSingleLogout(providers=self.providers, keys=self.keys, clock=self.clock)
        return single_logout.request(connection, state=state, remembered=remembered, deadline=deadline)

    def _verified(
        self, connection: Connection, expected: Expected, response: Parameters, deadline: Deadline
    ) -> Verified:
        saml = _saml(connection)
        reception = Reception(
            saml=saml,
            provider=self.providers.get(connection, saml, deadline),
            keys=self.keys,
            expected=expected,
            deadline=deadline,
        )
        if saml.artifact is None:
            return verify_response(reception, posted_response(response))
        return verify_response(reception, self.artifacts.resolve(connection, reception, response))

    def _identity(
        self,
        connection: Connection,
        expected: Expected,
        remembered: Mapping[str, str],
        verified: Verified,
        deadline: Deadline,
    ) -> Identity:
        saml = _saml(connection)
        attributes = attributes_of(verified.assertion, saml.assertion)
        authentication = authentication_of(verified.assertion, expected)
        subject = subject_of(verified.name_id, attributes, connection, saml)
        check_assurance(saml, remembered, authentication, expected)
        mapped = identity_of_attributes(
            connection,
            subject=subject,
            attributes=attributes.by_name,
            friendly_names=attributes.by_friendly_name,
            acr=authentication.authn_context,
            auth_time=int(authentication.at),
        )
        return replace(
            mapped.noted(self.telemetry, connection, deadline),
            session=upstream_session(connection, verified.name_id, verified.assertion),
        )


def _saml(connection: Connection) -> Saml:
    if connection.saml is None:
        raise ConfigurationError(f"connection {connection.name}: saml is missing")
    return connection.saml


def _binding(saml: Saml, provider: IdentityProvider) -> Binding:
    """Return how the request travels: as configured, else by Redirect where the IdP offers it."""
    wanted = saml.request.binding
    for binding in (wanted,) if wanted is not None else ("redirect", "post"):
        if binding in provider.endpoints:
            return binding
    raise UpstreamError("saml_binding_not_offered")
