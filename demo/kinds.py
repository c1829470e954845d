"""The kinds of hops that a sign-in is made of: who calls whom, at which path, and which rule it shows."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

from demo.messages import Request


class Party(StrEnum):
    """Who takes part, from left to right as the page draws them."""

    BROWSER = "Browser"
    APP = "Demo app"
    COGNITO = "Cognito"
    BRIDGE = "fedbridge"
    IDP = "Nordbank ID"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of hop. `path` matches the whole path; a group named `handle` in it ties the hop to its sign-in."""

    name: str
    sender: Party
    receiver: Party
    path: re.Pattern[str]
    shows: str
    method: str | None = field(default=None)

    @property
    def is_back_channel(self) -> bool:
        """Whether servers talk to each other, unseen by the browser."""
        return self.sender is not Party.BROWSER

    def handle(self, path: str) -> str | None:
        """Return the part of the path that is a secret of this sign-in."""
        matched = self.path.fullmatch(path)
        return matched.groupdict().get("handle") if matched else None


def _kind(
    name: str, sender: Party, receiver: Party, path: str, shows: str, *, method: str | None = None
) -> Kind:
    pattern = re.compile(path)
    return Kind(name=name, sender=sender, receiver=receiver, path=pattern, shows=shows, method=method)


_BROWSER, _APP, _COGNITO, _BRIDGE, _IDP = Party
_METADATA = r"/\.well-known/openid-configuration"
_UID = r"(?P<handle>[\w-]{10,})"

KINDS = (
    _kind(
        "app.sign_in", _BROWSER, _APP, "/sign-in",
        "The app draws a state and a nonce of its own and sends the browser to its user pool, as every app does.",
    ),
    _kind(
        "cognito.authorize", _BROWSER, _COGNITO, "/oauth2/authorize",
        "Cognito sends the browser on with a state of its own. It sends no nonce and no PKCE challenge, "
        "and has no setting for either.",
    ),
    _kind(
        "bridge.discovery", _COGNITO, _BRIDGE, "/[^/]+" + _METADATA,
        "Cognito reads where the endpoints are. The issuer comes from configuration, never from a Host header.",
    ),
    _kind(
        "bridge.authorize", _BROWSER, _BRIDGE, "/[^/]+/authorize",
        "Client and redirect URI are proven byte for byte before anything is stored or called. Then the bridge draws "
        "its own state, nonce and PKCE verifier, seals them, and ties the trip to this browser with a cookie.",
    ),
    _kind(
        "idp.discovery", _BRIDGE, _IDP, _METADATA,
        "The bridge learns the bank's endpoints, once an hour: the next sign-in needs no discovery.",
    ),
    _kind(
        "idp.authorize", _BROWSER, _IDP, "/authorize",
        "What Cognito cannot send: a nonce, a PKCE challenge (S256) and the assurance level that is asked for. "
        "This bank refuses a request that lacks the first two.",
    ),
    _kind(
        "idp.login_page", _BROWSER, _IDP, "/interaction/" + _UID,
        "The bank's own sign-in page. Nobody else on this trip ever sees the password.", method="GET",
    ),
    _kind(
        "idp.login", _BROWSER, _IDP, "/interaction/" + _UID,
        "The person answers, and the bank alone decides.", method="POST",
    ),
    _kind(
        "idp.resume", _BROWSER, _IDP, "/authorize/" + _UID,
        "The bank sends the browser back to the bridge, with the bridge's own state.",
    ),
    _kind(
        "bridge.callback", _BROWSER, _BRIDGE, "/[^/]+/callback",
        "The browser that began is the browser that finishes: only state and cookie together open what was sealed, and "
        "only once. The bank's code is redeemed here and now, because strict banks let it live for seconds.",
    ),
    _kind(
        "idp.token", _BRIDGE, _IDP, "/token",
        "private_key_jwt: the bridge proves who it is by a signature. One audience, one minute to live, a jti that is "
        "never used twice, and the PKCE verifier that only the bridge knows.",
    ),
    _kind(
        "bridge.client_jwks", _IDP, _BRIDGE, "/[^/]+/client-jwks.json",
        "The bank fetches the public key that verifies the assertion. The private key never travels.",
    ),
    _kind(
        "idp.jwks", _BRIDGE, _IDP, "/jwks",
        "The bank's keys, to verify its ID token with. Cached for ten minutes.",
    ),
    _kind(
        "idp.userinfo", _BRIDGE, _IDP, "/userinfo",
        "The claims, and a sub that must be the ID token's.",
    ),
    _kind(
        "cognito.idpresponse", _BROWSER, _COGNITO, "/oauth2/idpresponse",
        "Cognito gets its own state back, byte for byte, and a code of the bridge's own: good once, for 60 seconds.",
    ),
    _kind(
        "bridge.token", _COGNITO, _BRIDGE, "/[^/]+/token",
        "Cognito authenticates with a shared secret, the only way it knows. One conditional write consumes the code, "
        "and the bridge signs an ID token of its own. The bank is not called.",
    ),
    _kind(
        "bridge.jwks", _COGNITO, _BRIDGE, r"/[^/]+/\.well-known/jwks\.json",
        "The key that signed the ID token, looked up by its kid.",
    ),
    _kind(
        "bridge.userinfo", _COGNITO, _BRIDGE, "/[^/]+/userinfo",
        "The same claims again, by one consistent read. The bank is not called.",
    ),
    _kind(
        "app.callback", _BROWSER, _APP, "/callback",
        "Back at the app, with the app's own state.",
    ),
    _kind(
        "cognito.token", _APP, _COGNITO, "/oauth2/token",
        "The app redeems the pool's code, as any OpenID Connect client does. It knows nothing of bridge or bank.",
    ),
    _kind(
        "cognito.jwks", _APP, _COGNITO, r"/[^/]+/\.well-known/jwks\.json",
        "The app verifies the pool's ID token with the pool's keys.",
    ),
)  # fmt: skip


def kind_of(receiver: Party, request: Request) -> Kind | None:
    """Return what kind of hop a request is; None for what is no part of a sign-in, such as a favicon."""
    for kind in KINDS:
        fits = kind.receiver is receiver and kind.method in {None, request.method}
        if fits and kind.path.fullmatch(request.path):
            return kind
    return None
