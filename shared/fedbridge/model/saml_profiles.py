"""The SAML profiles that a connection has to ask for: Responses by artifact, sign-ins that the IdP begins, single logout.

Part of the schema of `connections.yaml`, as `fedbridge.model.saml` is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactResolution:
    """Responses come by HTTP-Artifact and by nothing else (SAML bindings §3.6): the bridge fetches them from the IdP.

    `services` are the IdP's artifact resolution services, by index from 0, where the IdP is described by hand; metadata
    name their own. `signed` demands a signature on what the IdP answers there, which is verified in any case.
    """

    services: tuple[str, ...] = ()
    signed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InitiatedTarget:
    """Where a sign-in that the IdP began goes on, for the relying party `client_id` and nobody else.

    `initiate_login_uri` is the app's (OpenID Connect Core §4): it gets `iss` (`issuer`, else the connection's) and
    `target_link_uri`. `cognito_authorize_url` is the weaker way, without the app: a whole URL of Cognito's
    authorization endpoint.
    """

    client_id: str
    initiate_login_uri: str | None = None
    target_link_uri: str | None = None
    issuer: str | None = None
    cognito_authorize_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InitiatedSignIn:
    """Sign-ins that the IdP begins (SAML profiles §4.1.5). RelayState names one of `targets`, or is left out.

    With `require_login_hint` the identity is used only in the flow that the app began for it: the app must pass the
    `login_hint` on that it gets, as OpenID Connect Core §4 demands of it.
    """

    targets: dict[str, InitiatedTarget] = field(default_factory=dict)
    default_target: str | None = None
    require_login_hint: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleLogout:
    """Single logout (SAML profiles §4.4), both ways: /logout asks the IdP to end its session, and the IdP ends ours.

    Needs `logout.sessions`, which keeps NameID and SessionIndex. `binding` is how LogoutRequests travel, by default what
    the IdP offers, Redirect before POST; the IdP's own may come by either.
    """

    binding: Literal["redirect", "post"] | None = None
