"""Fixtures mode: what the sample events in `events/` need to succeed in a fresh process, without an AWS account.

`sam local invoke` starts one container a call with nothing but code and layer. With FEDBRIDGE_FIXTURES set, the store
holds one sign-in in each phase, an identity provider answers from memory, and the clock stands still. Settings refuse
it in AWS. Every key is made at start, so that nothing here is worth anything anywhere; the handles are no secrets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from fedbridge.errors import UnknownConnection, UpstreamError
from fedbridge.flows.begin import pending_transaction
from fedbridge.flows.finish import authorize_move
from fedbridge.flows.handles import Handle, Purpose, digest
from fedbridge.flows.services import BackChannel, FrontChannel, Services
from fedbridge.flows.sessions import new_session
from fedbridge.jws import sign_compact
from fedbridge.keys.client import client_jwks
from fedbridge.keys.provider import CachedKeys
from fedbridge.keys.ring import IdTokenKeyRing
from fedbridge.keys.secrets import CachedSecrets
from fedbridge.model.connection import (
    AuthorizationRequestProfile,
    ClientAuthentication,
    Connection,
    IdTokenPolicy,
    RelyingParty,
)
from fedbridge.model.deadline import Deadline
from fedbridge.model.identity import Identity
from fedbridge.model.logout import Logout, UserPool
from fedbridge.model.session import EndedSession, UpstreamSession
from fedbridge.model.transaction import Claim, Fail, Redeem
from fedbridge.op.client_authentication import secret_hash
from fedbridge.ports import OutboundResponse
from fedbridge.store.memory import MemoryTransactionStore
from fedbridge.store.sessions_memory import MemoryReplayGuard, MemorySessionStore

if TYPE_CHECKING:
    from fedbridge.ports import Keys, OutboundRequest, Secrets, Signer, Telemetry

NOW = 1_800_000_000
"""Seconds since the epoch: 2027-01-15 08:00:00 UTC."""

ENVIRONMENT = "fixtures"
BASE_URL = "https://bridge.example"
ISSUER = "https://idp.example"
CLIENT_ID = "cognito"
CLIENT_SECRET = "fixture-client-secret-of-the-user-pool-00000"  # noqa: S105  opens nothing but these fixtures
REDIRECT_URI = "https://example.auth.eu-west-1.amazoncognito.com/oauth2/idpresponse"
COGNITO_STATE = "H4sIAAAAAAAA_fixture.H4sIAAAAAAAA_mac.3"
BROWSER = "FixtureBrowser00000000000000000000000000000"
SID = "FixtureSession00000000"
LOGOUT_TOKEN = "fixture.logout.token"  # noqa: S105  likewise
POST_LOGOUT_REDIRECT_URI = "https://app.example/signed-out"
NONCE = "FixtureNonce0000000000000000000000000000000"

_SECRET = "FixtureSecret000000000"  # noqa: S105  likewise
_PHASES = ("Pending", "Exchanging", "Authorized", "Redeemed", "Failed", "Expired", "FormPost")
_IDENTITY = Identity(
    subject="5f0c" * 16,
    claims={"email": "ana@example.com", "email_verified": True, "groups": ["staff", "admins"]},
    acr="urn:example:loa:substantial",
    amr=("mfa",),
)


def handle(phase: str) -> Handle:
    """Return the fixture's handle: its state, code and access token share one text."""
    return Handle(phase.ljust(21, "0"), _SECRET)


def front_channel(telemetry: Telemetry) -> FrontChannel:
    """Return the services of the browser's routes over the fixtures."""
    from fedbridge.rp.oidc import OidcUpstream  # noqa: PLC0415  the back channel has no use for joserfc

    services, keys, secrets = _services(telemetry)
    upstream = OidcUpstream(
        http=_IdentityProvider(keys.signer("env:IDP_KEY", None, Deadline.after(20))),
        keys=keys,
        secrets=secrets,
        telemetry=telemetry,
        clock=lambda: float(NOW),
    )
    return FrontChannel(**services, upstream=lambda _connection: upstream)


def saml_channel(telemetry: Telemetry) -> FrontChannel:
    """Return the services of SAML's routes over the fixtures: one connection, and a sign-in that waits for its Response."""
    from fedbridge.fixtures_saml import CONNECTION, connection_of, documents, remembered  # noqa: PLC0415  lazily, like SAML
    from fedbridge.saml_routes import saml_routes  # noqa: PLC0415  likewise

    services, keys, secrets = _services(telemetry, documents())
    registry: _Registry = services["connections"]
    connection = connection_of(registry.party, keys, secrets)
    registry.connections[CONNECTION] = connection
    for phase in ("Pending", "Authorized"):
        _seed(services, connection, phase, name=f"Saml{phase}", upstream=remembered(NOW))
    http = _IdentityProvider(keys.signer("env:IDP_KEY", None, Deadline.after(20)))
    return saml_routes(services, http=http, keys=keys, secrets=secrets, replays=MemoryReplayGuard)


def back_channel(telemetry: Telemetry) -> BackChannel:
    """Return the services of the servers' routes over the fixtures."""
    services, keys, _ = _services(telemetry)
    ring = IdTokenKeyRing(["env:ID_TOKEN_KEY"], keys, telemetry=telemetry)
    return BackChannel(**services, id_token_keys=ring, logout_tokens=_LogoutTokens, replays=MemoryReplayGuard)


def _services(
    telemetry: Telemetry, documents: Mapping[str, str] = MappingProxyType({})
) -> tuple[dict[str, Any], Keys, Secrets]:
    environ = {name: _new_pem() for name in ("CLIENT_KEY", "IDP_KEY", "ID_TOKEN_KEY")} | dict(documents)
    secrets = CachedSecrets(_no_client, allow_local=True, telemetry=telemetry, environ=environ)
    keys = CachedKeys(secrets, _no_client)
    registry = _Registry(keys, secrets)
    services = {
        "environment": ENVIRONMENT,
        "base_url": BASE_URL,
        "connections": registry,
        "transactions": MemoryTransactionStore(),
        "telemetry": telemetry,
        "clock": lambda: float(NOW),
        "sessions": MemorySessionStore(),
        "user_pools": _UserPools,
    }
    for phase in _PHASES:
        connection = registry.connections["example-form-post" if phase == "FormPost" else "example"]
        _seed(services, connection, phase, name=phase, upstream={"nonce": NONCE, "code_verifier": "v" * 43})
    _seed_session(services, registry)
    return services, keys, secrets


def _seed(
    services: dict[str, Any], connection: Connection, phase: str, *, name: str, upstream: dict[str, str]
) -> None:
    """Put one sign-in into a phase, by the moves that sign-ins make; `name` is its handle's."""
    store, deadline = services["transactions"], Deadline.after(20)
    today = Services(**services)
    earlier = Services(**{**services, "clock": lambda: float(NOW - 600)})
    state, scope = handle(name), today.scope(connection)
    remembered = _sealed(upstream)
    store.put(
        pending_transaction(
            earlier if phase == "Expired" else today,
            connection,
            client_id=CLIENT_ID,
            correlation_id=f"FIXTURE{name.upper()}",
            state=state,
            browser=BROWSER,
            sealed=remembered,
        ),
        deadline,
    )
    presented: dict[str, Any] = {
        "id": state.id,
        "connection": connection.name,
        "state_hash": digest(Purpose.STATE, scope, state.id, state.secret),
        "browser_hash": digest(Purpose.BROWSER, scope, state.id, BROWSER),
        "now": NOW,
    }
    if phase in {"Pending", "FormPost", "Expired"}:
        return
    store.claim(Claim(**presented, exchange_deadline=NOW + 27), deadline)
    if phase == "Failed":
        store.fail(Fail(**presented), deadline)
    if phase in {"Authorized", "Redeemed"}:
        grant = {**remembered, "identity": asdict(_IDENTITY)}
        store.authorize(
            authorize_move(scope, presented, code=state, token_secret=state.secret, grant=grant), deadline
        )
    if phase == "Redeemed":
        code_hash = digest(Purpose.CODE, scope, state.id, state.secret)
        store.redeem(
            Redeem(
                id=state.id, connection=connection.name, client_id=CLIENT_ID, code_hash=code_hash, now=NOW
            ),
            deadline,
        )


def _sealed(upstream: dict[str, str]) -> dict[str, Any]:
    """Return what authorize seals."""
    return {
        "redirect_uri": REDIRECT_URI,
        "state": COGNITO_STATE,
        "nonce": None,
        "code_challenge": None,
        "upstream": upstream,
    }


def _seed_session(services: dict[str, Any], registry: _Registry) -> None:
    """Keep a session, so that the IdP can say that it has ended."""
    today, connection = Services(**services), registry.connections["example"]
    session, _ = new_session(
        today,
        connection,
        UpstreamSession(issuer=ISSUER, sid=SID, remembered={}),
        subject=_IDENTITY.subject,
        client_id=CLIENT_ID,
    )
    services["sessions"].put(session, Deadline.after(20))


class _LogoutTokens:
    """Takes one logout token, because a signed one would have to be made anew for every run."""

    def verify(self, connection: Connection, token: str, deadline: Deadline) -> EndedSession:
        """Return the fixture's session; raises UpstreamError for any other token."""
        deadline.remaining()
        if token != LOGOUT_TOKEN or connection.name != "example":
            raise UpstreamError("logout_token_malformed")
        return EndedSession(issuer=ISSUER, subject=None, sid=SID, jti="fixture", until=NOW + 300)


class _UserPools:
    """A pool that knows everybody."""

    def sign_out(self, pool_id: str, username: str, deadline: Deadline) -> bool:
        """Return True."""
        deadline.remaining()
        return bool(pool_id and username)


class _Registry:
    """Two connections: one answers by query, one by form_post."""

    def __init__(self, keys: Keys, secrets: Secrets) -> None:
        authentication = ClientAuthentication(method="private_key_jwt", key="env:CLIENT_KEY")
        jwks = client_jwks(authentication, keys=keys, secrets=secrets, deadline=Deadline.after(20))
        self.party = RelyingParty(
            client_id=CLIENT_ID,
            secret_hashes=(secret_hash(CLIENT_SECRET),),
            redirect_uris=(REDIRECT_URI,),
            restart_url="https://app.example/",
            post_logout_redirect_uris=(POST_LOGOUT_REDIRECT_URI,),
            user_pool=UserPool(id="eu-west-1_FixturePool", identity_provider="Example"),
            name="Example",
        )
        profiles = {
            "example": AuthorizationRequestProfile(scope="openid email"),
            "example-form-post": AuthorizationRequestProfile(scope="openid email", response_mode="form_post"),
        }
        self.connections = {
            name: Connection(
                name=name,
                version="fixtures",
                issuer=ISSUER,
                client_id="bridge",
                client_authentication=authentication,
                authorization=profile,
                id_token=IdTokenPolicy(algorithms=("ES256",)),
                logout=Logout(mode="client_id", sessions=True, back_channel=True, front_channel=True),
                relying_parties=(self.party,),
                client_jwks=jwks,
            )
            for name, profile in profiles.items()
        }

    def get(self, name: str, deadline: Deadline, version: str | None = None) -> Connection:
        """Return the fixture; raises UnknownConnection."""
        deadline.remaining()
        if name not in self.connections or version not in {None, "fixtures"}:
            raise UnknownConnection
        return self.connections[name]


class _IdentityProvider:
    """An `HttpClient` behind which an identity provider answers, with a key of its own."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def send(self, request: OutboundRequest, deadline: Deadline) -> OutboundResponse:
        """Answer discovery, keys, token and userinfo; anything else is 404."""
        answers: dict[str, Any] = {
            "/.well-known/openid-configuration": {
                "issuer": ISSUER,
                "authorization_endpoint": f"{ISSUER}/authorize",
                "token_endpoint": f"{ISSUER}/token",
                "userinfo_endpoint": f"{ISSUER}/userinfo",
                "jwks_uri": f"{ISSUER}/jwks",
                "end_session_endpoint": f"{ISSUER}/logout",
                "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            },
            "/jwks": {"keys": [dict(self._signer.public_jwk)]},
            "/token": {
                "access_token": "upstream",
                "token_type": "Bearer",
                "id_token": self._id_token(deadline),
            },
            "/userinfo": {"sub": "ana", "email": "ana@example.com", "email_verified": True},
        }
        answer = answers.get(request.url.removeprefix(ISSUER))
        return OutboundResponse(
            status=200 if answer else 404,
            headers={"content-type": "application/json"},
            body=json.dumps(answer).encode(),
        )

    def _id_token(self, deadline: Deadline) -> str:
        claims = {
            "iss": ISSUER,
            "sub": "ana",
            "aud": "bridge",
            "nonce": NONCE,
            "iat": NOW,
            "exp": NOW + 300,
            "acr": "urn:example:loa:substantial",
            "amr": ["mfa"],
        }
        return sign_compact(self._signer, {"kid": self._signer.kid, "typ": "JWT"}, claims, deadline)


def _new_pem() -> str:
    """Return a new key: P-256, because an RSA key would take longer than the sign-in."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")


def _no_client(service: str) -> Any:
    raise AssertionError(f"fixtures call no AWS service, {service} included")
