"""The upstream OpenID Provider: npm oidc-provider (certified), made as strict as the banks that the bridge is for.

    with OidcProvider(clients=[Client(client_id="bridge", redirect_uris=[...], jwks_uri=...)]) as op:
        ...
        assert op.count("token") == 1

Beyond the library's own checks it refuses: a secret in the body of a basic client and the other way round; an
assertion with another audience than the registered one, with a list of audiences, without `kid`, or whose `exp` lies
more than 300 s ahead; an authorization request without PKCE (S256) or without a nonce.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import httpx

from tests.counterparts.browser import origin_of, travel
from tests.counterparts.faults import Fault
from tests.counterparts.node import as_json, node_or_skip_reason
from tests.counterparts.process import START_SECONDS, Program, require

Route = Literal["discovery", "authorization", "jwks", "pushed_authorization_request", "token", "userinfo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AssertionRules:
    """Which client assertions the provider takes from a client.

    `audience`: `issuer`, `token_endpoint`, `called_endpoint` or a literal, any of them; the claim is always one string.
    `max_lifetime` in seconds from now. `require_kid` is for asymmetric ones. `required_claims` beyond `iss`, `sub`, `aud`, `exp` and `jti`.
    """

    audience: Sequence[str] = ("issuer",)
    max_lifetime: int = 300
    require_kid: bool = True
    typ: str | None = None
    required_claims: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A registered client. `metadata` takes any other member of RFC 7591 that oidc-provider knows.

    `basic_credentials` says what the provider finds in a Basic header: form-encoded halves (RFC 6749 §2.3.1), or raw.
    """

    client_id: str
    redirect_uris: Sequence[str]
    token_endpoint_auth_method: str = "private_key_jwt"
    client_secret: str | None = None
    jwks: Mapping[str, Any] | None = None
    jwks_uri: str | None = None
    id_token_signed_response_alg: str = "RS256"
    token_endpoint_auth_signing_alg: str | None = None
    client_name: str | None = None
    assertion: AssertionRules = AssertionRules()
    basic_credentials: Literal["form", "raw"] = "form"
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        values: dict[str, Any] = as_json(self)
        metadata: dict[str, Any] = values.pop("metadata")
        ours = {name: values.pop(name) for name in ("assertion", "basic_credentials")}
        registered = {name: value for name, value in values.items() if value is not None}
        return {**ours, "metadata": registered | metadata}


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody who can sign in. Without `password` any will do; `sub` is the name unless it says otherwise."""

    name: str
    sub: str | None = None
    password: str | None = None
    claims: Mapping[str, Any] = field(default_factory=dict)
    acr: str | None = None
    amr: Sequence[str] | None = None

    def as_json(self) -> dict[str, Any]:
        described: dict[str, Any] = as_json(replace(self, sub=self.sub or self.name))
        return described


ALICE = User(
    name="alice",
    sub="Nb-4711.Alice",
    claims={
        "email": "alice@example.com",
        "email_verified": True,
        "name": "Alice Möller",
        "given_name": "Alice",
        "family_name": "Möller",
        "groups": ["treasury", "approvers, senior"],
    },
    acr="urn:nordbank:loa:3",
    amr=["pwd", "otp"],
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Jwt:
    """A decoded JWT that was received; `problem` says why when it is none."""

    header: Mapping[str, Any] = field(default_factory=dict)
    claims: Mapping[str, Any] = field(default_factory=dict)
    problem: str | None = None


def _jwt(decoded: Mapping[str, Any] | None) -> Jwt | None:
    return Jwt(**decoded) if decoded is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request as it was received and answered. `time` in seconds since 1970; `status` is None until answered.

    `headers` by lower-case name. `query_pairs` and `form_pairs` keep repetition and order, `query` and `form` do not.
    """

    number: int
    time: float
    method: str
    path: str
    route: Route | None
    headers: Mapping[str, str]
    query_pairs: Sequence[tuple[str, str]]
    form_pairs: Sequence[tuple[str, str]]
    assertion: Jwt | None
    request_object: Jwt | None
    dpop: Jwt | None
    status: int | None
    answer_headers: Mapping[str, Any]
    answer: str | None

    @property
    def query(self) -> dict[str, str]:
        return dict(self.query_pairs)

    @property
    def form(self) -> dict[str, str]:
        return dict(self.form_pairs)

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Received:
        values = dict(entry)
        for name in ("assertion", "request_object", "dpop"):
            values[name] = _jwt(values[name])
        for name in ("query", "form"):
            values[f"{name}_pairs"] = [(key, value) for key, value in values.pop(name)]
        return cls(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """PEM files. `client_ca` asks for client certificates; whether one is accepted is then mTLS' business.

    `authority` is trusted where the provider itself calls, as it does for a client's `jwks_uri`.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None
    authority: Path | None = None


@dataclass(slots=True)
class OidcProvider:
    """An upstream OpenID Provider on loopback; entering starts it, which takes less than a second.

    `path` is the issuer's path (`/realms/bank`). `pages` is `plain` or `demo` (a login page to show to people).
    `front` is the origin that everybody else sees when another server, which keeps the Host header, stands in front.
    `decrypts` publishes keys, RSA and P-256, that request objects can be encrypted to.
    `claims_in_id_token` puts every claim of the scopes there, as most enterprise IdPs do. Lifetimes in seconds.
    `oidc_provider` is laid over the library's configuration: `{"features": {"jwtResponseModes": {"enabled": True}}}`.
    Raises `ProgramFailedError` when it does not come up; skips the running test where Node.js is missing.
    """

    clients: Sequence[Client] = ()
    users: Sequence[User] = (ALICE,)
    _: KW_ONLY
    path: str = ""
    host: str = "127.0.0.1"
    port: int = 0
    front: str | None = None
    tls: Tls | None = None
    require_pkce: bool = True
    require_nonce: bool = True
    consent: bool = False
    decrypts: bool = False
    claims_in_id_token: bool = False
    code_lifetime: int = 60
    id_token_lifetime: int = 300
    acr_values: Sequence[str] = ()
    pages: Literal["plain", "demo"] = "plain"
    oidc_provider: Mapping[str, Any] = field(default_factory=dict)
    issuer: str = field(init=False, default="")
    origin: str = field(init=False, default="")
    _program: Program = field(init=False, repr=False)
    _admin: httpx.Client = field(init=False, repr=False)

    def __enter__(self) -> Self:
        node = require(node_or_skip_reason())
        token = secrets.token_hex(16)
        trusted = {"NODE_EXTRA_CA_CERTS": str(self.tls.authority)} if self.tls and self.tls.authority else {}
        self._program = node.start("provider.mjs", env=trusted)
        try:
            self._program.write_line(json.dumps(self._configuration(token)))
            started = json.loads(self._program.read_line(START_SECONDS))
        except BaseException:
            self._program.stop()
            raise
        self.issuer, self.origin = started["issuer"], started["origin"]
        self._admin = httpx.Client(
            base_url=f"{self.origin}/_admin/",
            headers={"authorization": f"Bearer {token}"},
            trust_env=False,
            timeout=30,
            verify=False,  # the test's own certificate, on loopback
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._admin.close()
        self._program.stop()

    def _configuration(self, admin_token: str) -> dict[str, Any]:
        passed_on = (
            "path host port front tls require_pkce require_nonce consent decrypts claims_in_id_token code_lifetime id_token_lifetime"
            " acr_values pages oidc_provider"
        )
        return {
            "admin_token": admin_token,
            "clients": [client.as_json() for client in self.clients],
            "users": [user.as_json() for user in self.users],
            "assertion": as_json(AssertionRules()),
            **{name: as_json(getattr(self, name)) for name in passed_on.split()},
        }

    def _command(self, method: str, path: str, body: object = None) -> Any:
        answer = self._admin.request(method, path, json=body)
        if answer.status_code != 200:
            raise ValueError(f"the provider refuses this configuration: {answer.text}")
        return answer.json()

    def endpoint(self, path: str) -> str:
        """The URL of a path below the issuer, such as `token`, `userinfo`, `authorize`, `jwks`, `par`."""
        return f"{self.issuer}/{path}"

    def set_clients(self, *clients: Client) -> None:
        """Register these clients and no others. Raises `ValueError` with the library's complaint."""
        self._command("PUT", "clients", [client.as_json() for client in clients])
        self.clients = clients

    def add_client(self, client: Client) -> None:
        """Register one more client, in the place of one that had its id."""
        self.set_clients(*(old for old in self.clients if old.client_id != client.client_id), client)

    def set_users(self, *users: User) -> None:
        self._command("PUT", "users", [user.as_json() for user in users])
        self.users = users

    def set_fault(self, route: Route, fault: Fault) -> None:
        """Let something go wrong at a route from the next request on, in the place of its previous fault."""
        self._command("PUT", "faults", {route: as_json(fault)})

    def clear_faults(self) -> None:
        self._command("DELETE", "faults")

    def rotate_keys(self, *, publish_old: bool = True) -> list[str]:
        """Sign with new keys from now on, and say which `kid`s are published. The old ones stay unless withdrawn."""
        kids: list[str] = self._command("POST", "keys", {"publish_old": publish_old})["kids"]
        return kids

    def journal(self, route: Route | None = None) -> list[Received]:
        """Every request since the start or the last `clear_journal`, oldest first; of one route if named."""
        entries = [Received.from_json(entry) for entry in self._command("GET", "journal")]
        return [entry for entry in entries if route in (None, entry.route)]

    def count(self, route: Route) -> int:
        return len(self.journal(route))

    def clear_journal(self) -> None:
        self._command("DELETE", "journal")

    def log(self) -> str:
        """What the provider has written to its standard error."""
        return self._program.log()


def sign_in(
    client: httpx.Client, authorize_url: str, user: str = "alice", *, password: str = "x"
) -> httpx.Request:
    """Sign a user in at the provider by its own pages, from its authorization endpoint on.

    Returns the request to the relying party's redirect URI, not sent yet: a GET with `code` or `error` in the query,
    or with `response_mode=form_post` a POST. Raises `browser.TripError` when the provider shows an error page.
    """
    provider = origin_of(authorize_url)
    return travel(
        client,
        authorize_url,
        until=lambda request: origin_of(request.url) != provider,
        user=user,
        password=password,
    ).next_request
