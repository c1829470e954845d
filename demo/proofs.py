"""What a trip proves, looked up in what was recorded: the rules that the bridge is there for, one sentence each.

The demo drives a sign-in when it starts and ends if one of them does not hold; the page shows them for every sign-in.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from joserfc import jwk, jwt
from joserfc.errors import JoseError

from demo.masking import decode
from demo.recorder import Exchange, Refused, SignedIn, Trip

UPSTREAM = ("idp.discovery", "idp.jwks", "idp.token", "idp.userinfo")
LONGEST_ASSERTION = 300
"""Seconds; banks refuse more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is known beforehand. `client_keys` and `id_token_keys` are the bridge's JWKS, for the bank and for Cognito."""

    bank_issuer: str
    bridge_issuer: str
    client_keys: dict[str, Any]
    id_token_keys: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """One rule, whether this trip keeps it, and the kinds of hops where that can be seen."""

    text: str
    holds: bool
    at: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A trip's exchanges by kind. Asking for one that did not happen raises LookupError, which fails the proof.

    Strangers and reloads may come between, so of each kind the first one that was answered well counts.
    """

    setting: Setting
    trip: Trip
    exchanges: Sequence[Exchange]

    def all(self, *kinds: str) -> list[Exchange]:
        """Return the exchanges of these kinds in order."""
        return [each for each in self.exchanges if each.kind.name in kinds]

    def one(self, kind: str) -> Exchange:
        """Return the exchange of a kind that counts; raises LookupError."""
        for exchange in self.all(kind):
            if exchange.answer is not None and exchange.answer.status < 400:
                return exchange
        raise LookupError(f"no {kind}")

    def sent(self, kind: str) -> dict[str, str]:
        """Return the parameters that were sent; raises LookupError."""
        return self.one(kind).request.parameters

    def answered(self, kind: str) -> dict[str, Any]:
        """Return the JSON object that was answered; raises LookupError."""
        answer = self.one(kind).answer
        if answer is None or answer.json is None:
            raise LookupError(f"no JSON from {kind}")
        return answer.json


Rule = Callable[[Evidence], bool]


def _own_nonce_and_pkce(evidence: Evidence) -> bool:
    asked, sent = evidence.sent("bridge.authorize"), evidence.sent("idp.authorize")
    lacking = not {"nonce", "code_challenge"} & asked.keys()
    return (
        lacking and bool(sent["nonce"] and sent["code_challenge"]) and sent["code_challenge_method"] == "S256"
    )


def _verifier_fits(evidence: Evidence) -> bool:
    verifier = evidence.sent("idp.token")["code_verifier"]
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return digest == evidence.sent("idp.authorize")["code_challenge"]


def _assertion(evidence: Evidence) -> bool:
    sent, setting = evidence.sent("idp.token"), evidence.setting
    token = _verified(sent["client_assertion"], setting.client_keys)
    claims, client_id = token.claims, evidence.sent("idp.authorize")["client_id"]
    return (
        claims["aud"] == setting.bank_issuer
        and claims["iss"] == claims["sub"] == client_id
        and 0 < claims["exp"] - claims["iat"] <= LONGEST_ASSERTION
        and bool(claims["jti"] and token.header["kid"])
        and "client_secret" not in sent
    )


def _nonce_and_level_came_back(evidence: Evidence) -> bool:
    token, asked = decode(evidence.answered("idp.token")["id_token"]), evidence.sent("idp.authorize")
    return (
        token is not None
        and token.claims["nonce"] == asked["nonce"]
        and token.claims["acr"] == asked["acr_values"]
    )


def _redeemed_at_the_callback(evidence: Evidence) -> bool:
    callback, token = evidence.one("bridge.callback"), evidence.one("idp.token")
    userinfo = evidence.one("idp.userinfo")
    return callback.spans(token) and callback.spans(userinfo)


def _no_upstream_call_from_the_back_channel(evidence: Evidence) -> bool:
    waiting = evidence.all("bridge.token", "bridge.userinfo")
    upstream = evidence.all(*UPSTREAM)
    return len(waiting) == 2 and not any(each.spans(call) for each in waiting for call in upstream)


def _state_is_opaque(evidence: Evidence) -> bool:
    own = evidence.sent("idp.authorize")["state"]
    cognitos = evidence.sent("bridge.authorize")["state"]
    return (
        re.fullmatch("[0-9A-Za-z]{43}", own) is not None
        and own != cognitos
        and evidence.sent("cognito.idpresponse")["state"] == cognitos
    )


def _bound_to_the_browser(evidence: Evidence) -> bool:
    answer = evidence.one("bridge.authorize").answer
    (cookie,) = answer.set_cookies if answer else []
    name, _, value = cookie.partition(";")[0].partition("=")
    attributes = {piece.strip().lower() for piece in cookie.split(";")[1:]}
    return (
        name.startswith("__Host-")
        and {"secure", "httponly", "samesite=none", "path=/"} <= attributes
        and evidence.one("bridge.callback").request.cookies.get(name) == value
    )


def _tokens_stay(evidence: Evidence) -> bool:
    """The bank's tokens are in its answer and in the userinfo request that needs one, and nowhere else."""
    answer = evidence.answered("idp.token")
    tokens = [str(answer[name]).encode() for name in ("access_token", "id_token")]
    elsewhere = [each for each in evidence.exchanges if each.kind.name not in {"idp.token", "idp.userinfo"}]
    return not any(token in _bytes(each) for each in elsewhere for token in tokens)


def _bytes(exchange: Exchange) -> bytes:
    request, answer = exchange.request, exchange.answer
    headers = repr((request.headers, answer.headers if answer else ())).encode()
    return request.target.encode() + headers + request.body + (answer.body if answer else b"")


def _own_code(evidence: Evidence) -> bool:
    banks, bridges = evidence.sent("bridge.callback")["code"], evidence.sent("cognito.idpresponse")["code"]
    return banks != bridges and evidence.sent("bridge.token")["code"] == bridges


def _id_token_is_the_bridges(evidence: Evidence) -> bool:
    answered, setting = evidence.answered("bridge.token"), evidence.setting
    token = _verified(answered["id_token"], setting.id_token_keys)
    claims, client_id = token.claims, evidence.sent("bridge.token")["client_id"]
    return bool(token.header["kid"]) and (claims["iss"], claims["aud"]) == (setting.bridge_issuer, client_id)


def _cognito_checked(evidence: Evidence) -> bool:
    result = evidence.trip.result
    return (
        bool(evidence.trip.verified)
        and isinstance(result, SignedIn)
        and result.claims["nonce"] == evidence.trip.nonce
    )


def _called_once(evidence: Evidence) -> bool:
    counts = Counter(each.kind.name for each in evidence.all(*UPSTREAM))
    return (
        counts["idp.token"] == counts["idp.userinfo"] == 1
        and max(counts["idp.discovery"], counts["idp.jwks"]) <= 1
    )


def _app_was_told(evidence: Evidence) -> bool:
    told = evidence.sent("app.callback")
    return told["state"] == evidence.trip.state and reference(told["error_description"]) is not None


def _no_code_for_cognito(evidence: Evidence) -> bool:
    return "code" not in evidence.sent("cognito.idpresponse") and not evidence.all("bridge.token")


def reference(description: str) -> str | None:
    """Return the correlation id that an error description names."""
    found = re.search(r"\(ref ([0-9A-Za-z]+)\)", description)
    return found[1] if found else None


def _verified(token: str, keys: Any) -> jwt.Token:
    """Return a token whose signature holds; raises JoseError."""
    return jwt.decode(token, jwk.KeySet.import_key_set(keys), algorithms=["RS256", "ES256"])


_CACHED = "No discovery and no key set was fetched, because both were cached."
_FETCHED = "Metadata and keys were fetched beside, and are cached now: the next sign-in needs neither."

_SIGNED_IN: tuple[tuple[str, Rule, tuple[str, ...]], ...] = (
    (
        "Cognito sent neither nonce nor PKCE. The bridge sent its own: this bank refuses a request without them.",
        _own_nonce_and_pkce, ("bridge.authorize", "idp.authorize"),
    ),
    (
        "The bridge signed a client assertion: ES256, a named key, aud the bank's issuer, one minute. No secret is shared.",
        _assertion, ("idp.token",),
    ),
    ("The PKCE verifier fits the challenge, and only the bridge ever had it.", _verifier_fits, ("idp.authorize", "idp.token")),
    (
        "The bank's ID token carries the bridge's nonce and the assurance level that was asked for.",
        _nonce_and_level_came_back, ("idp.authorize", "idp.token"),
    ),
    (
        "The bank's code was redeemed while the browser waited at the callback, before it could go stale.",
        _redeemed_at_the_callback, ("bridge.callback", "idp.token", "idp.userinfo"),
    ),
    ("One browser began and finished: its cookie is Secure, HttpOnly and __Host-.", _bound_to_the_browser, ("bridge.authorize", "bridge.callback")),
    ("Cognito's state came back byte for byte; the bank saw another one.", _state_is_opaque, ("bridge.authorize", "idp.authorize", "cognito.idpresponse")),
    ("The bank's tokens never left the bridge's back channel.", _tokens_stay, ("idp.token",)),
    ("Cognito redeemed a code of the bridge's own, not the bank's.", _own_code, ("cognito.idpresponse", "bridge.token")),
    (
        "Cognito's token and userinfo requests caused no call to the bank: a slow bank cannot time Cognito out.",
        _no_upstream_call_from_the_back_channel, ("bridge.token", "bridge.userinfo"),
    ),
    ("The ID token for Cognito is the bridge's own: its issuer, Cognito's client id, a named key.", _id_token_is_the_bridges, ("bridge.token", "bridge.jwks")),
    ("Cognito's checks passed, and the pool signed its own ID token for the app.", _cognito_checked, ("bridge.jwks", "bridge.userinfo", "cognito.token")),
)  # fmt: skip

_REFUSED: tuple[tuple[str, Rule, tuple[str, ...]], ...] = (
    (
        "The app was told in OAuth's own words, with the app's own state and a reference for support.",
        _app_was_told, ("bridge.callback", "app.callback"),
    ),
    ("Cognito got no code, so there was nothing that it could redeem.", _no_code_for_cognito, ("cognito.idpresponse",)),
)  # fmt: skip


def proofs(setting: Setting, trip: Trip, exchanges: Sequence[Exchange]) -> list[Proof]:
    """Return what a finished trip proves; nothing for one that is still on its way."""
    needed = tuple(exchanges[: trip.hops_to_result])
    evidence = Evidence(setting=setting, trip=trip, exchanges=needed)
    if isinstance(trip.result, Refused):
        return [_proof(evidence, *rule) for rule in _REFUSED]
    if trip.result is None:
        return []
    beside = _FETCHED if evidence.all("idp.discovery", "idp.jwks") else _CACHED
    calls = f"The bank was asked for a token once and for claims once. {beside}"
    return [_proof(evidence, *rule) for rule in _SIGNED_IN] + [
        _proof(evidence, calls, _called_once, UPSTREAM)
    ]


def _proof(evidence: Evidence, text: str, rule: Rule, at: tuple[str, ...]) -> Proof:
    try:
        holds = rule(evidence)
    except (LookupError, JoseError, ValueError):
        holds = False
    return Proof(text=text, holds=holds, at=at)
