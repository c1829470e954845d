"""What the bridge needs from the world. One conformance suite a port stands in tests/conformance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from fedbridge.model.connection import Connection
    from fedbridge.model.deadline import Deadline
    from fedbridge.model.http import Parameters
    from fedbridge.model.identity import Identity
    from fedbridge.model.key_ring import KeyRing, RingKey, StoredRing
    from fedbridge.model.policies import MutualTls
    from fedbridge.model.session import EndedSession, Session
    from fedbridge.model.transaction import Authorize, Claim, Fail, Redeem, Transaction
    from fedbridge.model.user_profile import UserProfile

Clock = Callable[[], float]
"""Seconds since the epoch."""


class TransactionStore(Protocol):
    """Moves one transaction through its phases, each move one conditional write (see `model.transaction`).

    Every condition names the phase it comes from, the connection, the expiry (`> now`, which the caller passes) and
    the hashes presented; where one does not hold nothing changes and TransitionRefused carries the item as it stands.
    All methods may raise StoreUnavailable; the moves may raise OutcomeUnknown, and are never retried once sent, except
    when throttled. Nothing here looks at a clock.
    """

    def put(self, transaction: Transaction, deadline: Deadline) -> None:
        """Store a new, pending transaction; TransitionRefused where the id exists."""

    def claim(self, move: Claim, deadline: Deadline) -> Transaction:
        """pending → exchanging; returns the item as it was before. Needs `expires_at > now`."""

    def authorize(self, move: Authorize, deadline: Deadline) -> None:
        """exchanging → authorized; needs `exchange_deadline > now`."""

    def fail(self, move: Fail, deadline: Deadline) -> None:
        """exchanging → failed, and removes what is sealed."""

    def redeem(self, move: Redeem, deadline: Deadline) -> Transaction:
        """authorized → redeemed; returns the item as it was, and removes `sealed_token` and `sealed_request`.

        Needs the client id, the code's hash and `code_expires_at > now`.
        """

    def read(self, transaction_id: str, deadline: Deadline) -> Transaction | None:
        """Return the item by one strongly consistent read, None where there is none."""


class SessionStore(Protocol):
    """Keeps what signing out takes, for connections that opt in. Nothing here looks at a clock.

    All methods may raise StoreUnavailable; `put` and `remove` also OutcomeUnknown. Either may be repeated.
    """

    def put(self, session: Session, deadline: Deadline) -> None:
        """Keep the session, in the place of one with the same id."""

    def read(self, session_id: str, deadline: Deadline) -> Session | None:
        """Return the session by one strongly consistent read, None where there is none; it may have expired."""

    def remove(self, session_id: str, deadline: Deadline) -> None:
        """Forget the session, if there is one."""


class ReplayGuard(Protocol):
    """Knows which messages were taken already, each take one conditional write.

    Both methods may raise StoreUnavailable and OutcomeUnknown; whoever gets the latter treats the message as a replay.
    """

    def take(self, message: str, *, until: int, now: int, deadline: Deadline) -> bool:
        """Return whether this is the first time, and remember the message `until` then (seconds since the epoch)."""

    def release(self, message: str, deadline: Deadline) -> None:
        """Forget the message, because what it asked for did not happen: it may come again."""


class UserPools(Protocol):
    """Cognito user pools, and the one thing that the bridge asks of them."""

    def sign_out(self, pool_id: str, username: str, deadline: Deadline) -> bool:
        """End every session of the user; False where the pool has no such user. Raises UserPoolError, DeadlineExceeded."""


class UserProfiles(Protocol):
    """The profiles of Cognito user pools, for linking them. Everything may be asked for twice.

    Raises UserPoolError, DeadlineExceeded.
    """

    def find_by_email(self, pool_id: str, email: str, deadline: Deadline) -> tuple[UserProfile, ...]:
        """Return the profiles whose address is spelt so; any text is taken for an address, whatever it holds.

        It may be a moment old.
        """

    def read(self, pool_id: str, username: str, deadline: Deadline) -> UserProfile | None:
        """Return the profile as it stands, None where there is none."""

    def create(self, pool_id: str, username: str, email: str, deadline: Deadline) -> bool:
        """Create a profile with a verified address, tell nobody; False where the name or address is taken."""

    def set_password(self, pool_id: str, username: str, password: str, deadline: Deadline) -> None:
        """Set a permanent password, which makes a new profile CONFIRMED."""

    def link(self, pool_id: str, username: str, provider: str, subject: str, deadline: Deadline) -> None:
        """Let the provider's subject, who has no profile yet, sign in as this profile from now on."""


class LogoutTokens(Protocol):
    """Verifies what an identity provider sends when somebody signed out there."""

    def verify(self, connection: Connection, token: str, deadline: Deadline) -> EndedSession:
        """Return what has ended; raises UpstreamError, ConfigurationError, DeadlineExceeded.

        Whether the token was here before is for the caller to find out.
        """


class ConnectionRegistry(Protocol):
    """Finds connections by name: cached fresh for 60 s, stale for 10 min on store errors, unknown names for 10 s."""

    def get(self, name: str, deadline: Deadline, version: str | None = None) -> Connection:
        """Return the current version of an enabled connection, or the one asked for if it is the previous.

        Raises UnknownConnection (unknown, disabled, malformed, or a version that is gone) and StoreUnavailable. A name
        that is not of the connection's shape is refused before any read.
        """


class KeyRings(Protocol):
    """Key rings with their states, where the connections are. Both reads may raise StoreUnavailable.

    A write replaces the whole ring, and only the revision that was read: of two runs that decide at once, one is told.
    """

    def get(self, name: str, deadline: Deadline) -> StoredRing | None:
        """Return a ring by one strongly consistent read, None where there is none."""

    def put(self, ring: StoredRing, deadline: Deadline) -> StoredRing:
        """Write a ring over the one of `ring.revision`, 0 for none, and return it with its new revision.

        Raises RingMoved where another revision is there, StoreUnavailable, OutcomeUnknown.
        """

    def names(self, deadline: Deadline) -> list[str]:
        """Return the name of every ring, sorted, also of one that cannot be read."""


class KeyMaker(Protocol):
    """Makes the keys of rings, each under a number of its own, and switches them off."""

    def make(
        self, ring: str, policy: KeyRing, serial: int, *, again: bool, now: float, deadline: Deadline
    ) -> RingKey | None:
        """Return a new key with a certificate, if the policy says so.

        `again` tells that somebody began this number before: what was made then is found and returned, or it is None,
        and the number is spent. So it is where something else has the number's name. Raises KeyNotMade, KeyUnavailable
        where a key may be there, ConfigurationError before there is one, DeadlineExceeded.
        """

    def disable(self, key: RingKey, deadline: Deadline) -> bool:
        """Switch a key off that nobody uses; False where that is left to people. Raises as `make` does."""


class Signer(Protocol):
    """A private key that signs JWS, wherever it lives."""

    @property
    def algorithm(self) -> str:
        """The JWA name of the signature algorithm."""

    @property
    def kid(self) -> str:
        """The RFC 7638 SHA-256 thumbprint."""

    @property
    def public_jwk(self) -> Mapping[str, Any]:
        """The public key with `kid`, `alg` and `use`."""

    def sign(self, signing_input: bytes, deadline: Deadline) -> bytes:
        """Return the JWS signature octets (ECDSA as R ‖ S, RFC 7518 §3.4); raises KeyUnavailable."""


class Decrypter(Protocol):
    """A private key that IdPs encrypt to (JWE), wherever it lives. RSA keys unwrap, EC keys agree."""

    @property
    def kid(self) -> str:
        """The RFC 7638 SHA-256 thumbprint."""

    @property
    def public_jwk(self) -> Mapping[str, Any]:
        """The public key with `kid` and `use: enc`."""

    def unwrap(self, algorithm: str, encrypted_key: bytes, deadline: Deadline) -> bytes:
        """Return the content encryption key under RSA-OAEP or RSA-OAEP-256 (RFC 7518 §4.3).

        Raises KeyUnavailable, and ValueError for a ciphertext that was not made for this key and algorithm.
        """

    def agree(self, public_jwk: Mapping[str, Any], deadline: Deadline) -> bytes:
        """Return the ECDH shared secret Z with a validated public key on the same curve (RFC 7518 §4.6).

        Raises KeyUnavailable, and ValueError for a key of another curve or none at all.
        """


class IdTokenKeys(Protocol):
    """The keys that sign ID tokens: one active, all published."""

    def active(self, deadline: Deadline) -> Signer:
        """Return the signer of new tokens; raises KeyUnavailable, ConfigurationError."""

    def public_jwks(self, deadline: Deadline) -> list[Mapping[str, Any]]:
        """Return every published public key, the active one first; raises KeyUnavailable."""


class Keys(Protocol):
    """Private keys by reference, cached for the sandbox's life as key objects."""

    def signer(self, reference: str, algorithm: str | None, deadline: Deadline) -> Signer:
        """Return the signer; `algorithm` None means the default of the key's type.

        Raises ConfigurationError (key and algorithm disagree, malformed, weak, public, encrypted) and KeyUnavailable.
        """

    def decrypter(self, reference: str, deadline: Deadline) -> Decrypter:
        """Return the decrypter; raises as `signer` does."""

    def client_certificate(self, policy: MutualTls, deadline: Deadline) -> ClientCertificate:
        """Return the certificate and its key, which belong together; raises as `signer` does."""


class Secrets(Protocol):
    """Secret values and public material (client secrets, certificates) by reference."""

    def get(self, reference: str, deadline: Deadline, *, refresh: bool = False) -> str:
        """Return the value, cached for 5 minutes; `refresh` reads it again. Raises ConfigurationError, KeyUnavailable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificate:
    """What the bridge shows in a TLS handshake: a PEM chain, its own certificate first, and the private key in PEM.

    `connection` is the name of the one that it belongs to: no other's request goes over a TLS connection made with it.
    """

    chain: str
    private_key: str = field(repr=False)
    connection: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundRequest:
    """A request to an identity provider. `max_bytes` caps the decoded body."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    max_bytes: int = 64 * 1024
    client_certificate: ClientCertificate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundResponse:
    """Whatever the identity provider answered, redirects included (they are never followed). Header names lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class HttpClient(Protocol):
    """The one way out."""

    def send(self, request: OutboundRequest, deadline: Deadline) -> OutboundResponse:
        """Send once, within the deadline; nothing is retried.

        Raises UpstreamError with a reason `upstream_timeout`, `upstream_unreachable`, `upstream_tls_failed`,
        `upstream_response_invalid` (framing, encoding, cap) or `upstream_target_refused` (address, scheme or port).
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamRedirect:
    """Where the browser goes, and what must be remembered, sealed, until it comes back.

    With a `form` it goes by POST, and `form` is what it sends.
    """

    url: str
    remembered: Mapping[str, str] = field(repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)


class Upstream(Protocol):
    """One protocol towards identity providers."""

    def begin(
        self,
        connection: Connection,
        *,
        state: str,
        callback_url: str,
        parameters: Mapping[str, str],
        deadline: Deadline,
    ) -> UpstreamRedirect:
        """Build the authorization request. `parameters` are what Cognito sent and the connection may pass through."""

    def state_of(self, connection: Connection, response: Parameters, deadline: Deadline) -> str | None:
        """Return the `state` that an authorization response carries, wherever in it, None if it carries none.

        Nothing is verified, and nobody is called: it only says which sign-in to look for. Raises KeyUnavailable.
        """

    def finish(
        self,
        connection: Connection,
        *,
        remembered: Mapping[str, str],
        callback_url: str,
        response: Parameters,
        deadline: Deadline,
    ) -> Identity:
        """Turn the authorization response into an identity; raises UpstreamError, KeyUnavailable, DeadlineExceeded."""

    def logout(
        self,
        connection: Connection,
        *,
        state: str,
        return_url: str,
        remembered: Mapping[str, str],
        deadline: Deadline,
    ) -> str | UpstreamRedirect | None:
        """Return where the browser ends its session at the identity provider, None where it does not go there.

        `remembered` is what the sign-in's `UpstreamSession` held, empty if nothing was kept. Raises UpstreamError,
        KeyUnavailable, DeadlineExceeded.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsolicited:
    """Somebody whom an IdP signed in without being asked; `expires_at` (seconds since the epoch) ends the assertion."""

    identity: Identity
    assertion_id: str = field(repr=False)
    expires_at: float


class UnsolicitedUpstream(Protocol):
    """A protocol in which IdPs begin sign-ins by themselves."""

    def receive(
        self, connection: Connection, *, callback_url: str, response: Parameters, deadline: Deadline
    ) -> Unsolicited:
        """Verify what an IdP sent of its own accord; it is for the caller to take an assertion once. Raises as `finish`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveredMessage:
    """A SAML message as the browser brought it to `here`, our own address of it.

    `raw_query` is the query as it was sent, None for a form: the signature of a message by Redirect covers its octets.
    """

    here: str
    parameters: Parameters = field(repr=False)
    raw_query: str | None = field(repr=False)


class SingleLogout(Protocol):
    """SAML's single logout, as far as messages arrive. Raises UpstreamError, KeyUnavailable, ConfigurationError, DeadlineExceeded."""

    def ended(
        self, connection: Connection, message: DeliveredMessage, deadline: Deadline
    ) -> tuple[EndedSession, ...]:
        """Verify the IdP's request and return the sessions that it names; it is for the caller to take a request once."""

    def answer(
        self,
        connection: Connection,
        message: DeliveredMessage,
        *,
        request_id: str,
        outcome: Literal["ended", "unknown", "failed"],
        deadline: Deadline,
    ) -> UpstreamRedirect:
        """Return the way of the answer to that request."""

    def check_response(self, connection: Connection, message: DeliveredMessage, deadline: Deadline) -> str:
        """Verify the IdP's answer to `Upstream.logout`; return the `state` that belongs to it."""


class Telemetry(Protocol):
    """Logs and metrics by an allow-list of fields: no code, token, secret, cookie or claim value has a field."""

    def event(self, name: str, **fields: str | float | bool | None) -> None:
        """Record one event, as one log line and the metric that belongs to it; unknown names or fields raise TypeError."""
