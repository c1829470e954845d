"""Canaries: every secret, code, token and claim value that a test meets, and a detector of them in what comes out.

`canary` marks a value for the whole run, `watch…` what a test sees go by, for that test. `observe` looks at what the
product says: log lines and answers. tests/support/canary_watch.py makes a test that was observed to leak a failed one.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Collection, Iterator, Mapping
from html import escape
from threading import Lock
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

SHORTEST = 12
"""Characters; what is shorter may stand in any text by chance and cannot be a canary."""

PIECE = 24
"""Characters: of a longer value, so long a part is enough to be found."""

SHAPES = {
    "a JWT": re.compile(r"eyJ[\w-]{8,}\.[\w-]{8,}"),
    "a private key": re.compile(r"PRIVATE KEY"),
    "an e-mail address": re.compile(r"[\w.+-]+@[\w-]+\.[a-z]{2,}"),
    "a handle": re.compile(r"(?<![\w-])[0-9A-Za-z]{43}(?![\w-])"),
}
"""What no line of ours may hold even where nobody registered the value. A `kid` is shaped like a handle, and is left out."""


class Detector:
    """Finds registered values in text, whole or in part, plain or escaped. Time grows with the text alone."""

    def __init__(self) -> None:
        self._needles: dict[str, dict[str, set[str]]] = {}
        self._lock = Lock()  # sign-ins of a race are watched from their threads

    def add(self, value: str, label: str) -> None:
        """Register a value; ValueError for one that is too short to be told from chance.

        A piece that repeats one character is no sign of anything: other tests pad with it.
        """
        if len(value) < SHORTEST:
            raise ValueError(f"a canary needs {SHORTEST} characters: {value!r}")
        pieces = [piece for form in forms(value) for piece in _pieces(form)]
        with self._lock:
            for piece in pieces:
                self._needles.setdefault(piece[:SHORTEST], {}).setdefault(piece, set()).add(label)

    def find(self, text: str, allowed: Collection[str] = ()) -> set[str]:
        """Return the labels of what stands in the text, but for values that have an allowed one."""
        starts = {text[position : position + SHORTEST] for position in range(len(text) - SHORTEST + 1)}
        found: set[str] = set()
        with self._lock:
            for start in starts & self._needles.keys():
                for needle, labels in self._needles[start].items():
                    if labels.isdisjoint(allowed) and needle in text:
                        found |= labels
        return found


def forms(value: str) -> set[str]:
    """Return the value as logs and pages might hold it: plain, escaped for URL, JSON, HTML and Python, base64, hex."""
    data = value.encode("utf-8", "surrogatepass")
    quoted = {quote(value, safe="", errors="surrogatepass"), quote_plus(value, errors="surrogatepass")}
    texts = {value, escape(value), repr(value)[1:-1], repr(data)[2:-1], data.hex(), data.hex().upper()}
    texts |= {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]} | quoted
    texts |= {re.sub("%..", lambda escaped: escaped[0].lower(), text) for text in quoted}
    texts |= {quote(text, safe="", errors="surrogatepass") for text in quoted}
    texts |= {text.translate(_URL_SAFE) for text in _base64_forms(data)} | set(_base64_forms(data))
    return {text for text in texts if len(text) >= SHORTEST}


_URL_SAFE = str.maketrans("+/", "-_")


def _base64_forms(data: bytes) -> Iterator[str]:
    """Yield the base64 digits that the data alone decides, for each of its three places in a longer text."""
    for shift in range(3):
        encoded = base64.b64encode(bytes(shift) + data).decode("ascii")
        yield encoded[-(-shift * 8 // 6) : (shift + len(data)) * 8 // 6]


def _pieces(form: str) -> list[str]:
    if len(set(form)) == 1:
        return []
    if len(form) < 2 * PIECE:
        return [form]
    pieces = [form[start : start + PIECE] for start in range(0, len(form) - PIECE, PIECE)] + [form[-PIECE:]]
    return [piece for piece in pieces if len(set(piece)) > 1] or [form]


_lasting = Detector()
_current = Detector()
_hits: list[str] = []


def begin_test() -> None:
    """Forget what the test before has watched."""
    global _current  # noqa: PLW0603  one a process, as there is one running test
    _current = Detector()
    _hits.clear()


def take_hits() -> list[str]:
    """Return what was found since the last call, one line each."""
    taken = list(dict.fromkeys(_hits))
    _hits.clear()
    return taken


def canary(value: str, label: str) -> str:
    """Register a value for the whole run and return it."""
    _lasting.add(value, label)
    return value


def watch(value: object, label: str) -> None:
    """Register a value for the running test; what is no text, or too short, is let go.

    Of a JWT the signature is registered, because all else may stand in the next one, too. A part without it has its shape.
    """
    if isinstance(value, str):
        value = value.rpartition(".")[2] if SHAPES["a JWT"].match(value) else value
        if len(value) >= SHORTEST:
            _current.add(value, label)


def search(text: str, *, allowed: Collection[str] = ()) -> set[str]:
    """Return the labels of the canaries in the text, but for values that have an allowed one."""
    return _lasting.find(text, allowed) | _current.find(text, allowed)


def observe(text: str, where: str, *, allowed: Collection[str] = ()) -> None:
    """Look for canaries in what came out; a hit fails the running test."""
    if found := search(text, allowed=allowed):
        _hits.append(f"{where}: {', '.join(sorted(found))} in {text[:400]!r}")


def observe_line(fields: Mapping[str, Any], where: str) -> None:
    """Look at what a log line says: for canaries, and for what is shaped like a secret."""
    observe(json.dumps(fields, default=str), where)
    unnamed = json.dumps({name: value for name, value in fields.items() if name != "kid"}, default=str)
    _observe_shapes(unnamed, where, SHAPES)


def _observe_shapes(text: str, where: str, shapes: Collection[str]) -> None:
    _hits.extend(f"{where}: {shape} in {text[:400]!r}" for shape in shapes if SHAPES[shape].search(text))


def observe_output(text: str, where: str) -> None:
    """Look at what was written to standard output or error; lines of JSON are taken for log lines of the product."""
    observe(text, where)
    for line in text.splitlines():
        if line.startswith("{") and '"message"' in line:
            try:
                fields = json.loads(line)
            except ValueError:
                continue  # not ours; it was looked at as text
            observe_line(fields, where)


def watch_event(event: Mapping[str, Any]) -> None:
    """Register what a request to the bridge carries, by the names of its parameters."""
    route = str(event.get("routeKey") or event.get("resource"))
    names = _CALLBACK if route.endswith("/callback") else _FROM_COGNITO
    several = event.get("multiValueQueryStringParameters") or {}
    _watch_pairs([(name, value) for name, values in several.items() for value in values], names)
    _watch_form(event.get("rawQueryString") or "", names)
    _watch_form(_body(event), names)
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    watch_authorization(str(headers.get("authorization", "")), "access_token")
    for piece in [*(event.get("cookies") or ()), *str(headers.get("cookie", "")).split(";")]:
        watch(str(piece).partition("=")[2], "cookie")


def watch_result(result: Mapping[str, Any]) -> None:
    """Register what an answer of the bridge carries, and look for everything that it must not carry."""
    headers = {name: str(value) for name, value in (result.get("headers") or {}).items()}
    cookies = list(result.get("cookies") or ())
    for name, values in (result.get("multiValueHeaders") or {}).items():
        if name.lower() == "set-cookie":
            cookies += values
        else:
            headers[name] = ", ".join(values)
    for line in cookies:
        watch(str(line).partition(";")[0].partition("=")[2], "cookie")
    location, body = headers.pop("location", ""), str(result.get("body") or "")
    leaving = "post_logout_redirect_uri=" in location  # to the IdP, which gets its own ID token back
    to_app = any(str(line).startswith("__Host-fedbridge-initiated=") for line in cookies)
    to_idp = (leaving or "client_id=" in location) and not to_app
    names = _TO_APP if to_app else _TO_IDP if to_idp else _FROM_COGNITO
    _watch_form(urlsplit(location).query, names)
    document = _json_object(body)
    _watch_pairs(list(document.items()), _FROM_COGNITO)
    observe(
        location,
        "a redirect",
        allowed={"upstream_state", "upstream_id_token", "upstream_nonce"}  # which is in the token
        if leaving
        else {"upstream_state", "upstream_nonce", "claim", "request_object"}
        if to_idp
        else {"initiated_hint", "code", "state"}
        if to_app
        else {"code", "state"},
    )
    if "access_token" in document:
        allowed = {"access_token", "id_token", "nonce", "claim", "upstream_id_token"}
        if "upstream_id_token" in _current.find(str(document.get("id_token"))):
            allowed.add("upstream_nonce")  # It is relayed, and the nonce is in it.
    else:
        allowed = {"claim"} if "sub" in document else set()
        # Cognito's own state comes back, and of hundreds of random characters some look like anything. To the IdP a
        # request object is a JWT that is meant for the browser's hands, and so is an ID token that goes back.
        meant = _HINT if leaving else _REQUEST_OBJECT
        ours = _STATE.sub("", meant.sub("", location) if to_idp else location)
        _observe_shapes(f"{ours} {body}", "an answer", ("a JWT", "a private key"))
    # A page that posts a message of ours to a SAML IdP, which gets its own NameID back in a LogoutRequest.
    if 'name="SAMLRequest"' in body:
        allowed = {*allowed, "NameID"}
    # The reloading page asks for itself again, and only the browser that has the state gets it.
    observe(_RELOAD.sub("", body), "a body", allowed=allowed)
    observe(json.dumps(headers), "the headers")


def watch_authorization(header: str, bearer: str) -> None:
    """Register the secret of a Basic header, or the token of a Bearer or DPoP one under the label `bearer`."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() in {"bearer", "dpop"}:
        watch(value.strip(), bearer)
    elif scheme.lower() == "basic":
        watch(value.strip(), "client_secret")
        try:
            decoded = base64.b64decode(value, validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError):
            return  # refused unread by the product as well
        watch(decoded.partition(":")[2], "client_secret")


def watch_upstream(body: bytes | None, headers: Mapping[str, str], answer: bytes) -> None:
    """Register what the bridge sends to an IdP and what it gets back."""
    _watch_form((body or b"").decode("utf-8", "replace"), _CALLBACK)
    lowered = {name.lower(): value for name, value in headers.items()}
    watch_authorization(lowered.get("authorization", ""), "upstream_access_token")
    document = _json_object(answer.decode("utf-8", "replace"))
    if "access_token" in document or "id_token" in document:
        watch(document.get("access_token"), "upstream_access_token")
        watch(document.get("refresh_token"), "upstream_refresh_token")
        watch(document.get("id_token"), "upstream_id_token")
    elif "sub" in document:
        for name, value in document.items():
            if name not in {"iss", "aud"}:
                watch(value, "claim")


def watch_private_jwk(jwk: Mapping[str, Any]) -> None:
    """Register the private members for the whole run: keys are made once."""
    for name in ("d", "p", "q", "dp", "dq", "qi", "k"):
        if name in jwk:
            canary(jwk[name], "a private key")


_FROM_COGNITO = {
    name: name
    for name in ("code", "state", "nonce", "client_secret", "code_verifier", "access_token", "id_token")
} | {"login_hint": "claim"}
_TO_APP = _FROM_COGNITO | {"login_hint": "initiated_hint"}
_CALLBACK = {
    "code": "upstream_code", "state": "upstream_state", "id_token": "upstream_id_token",
    "response": "authorization_response", "request": "request_object",
    "client_secret": "client_secret", "client_assertion": "client_assertion", "code_verifier": "upstream_verifier",
}  # fmt: skip
_TO_IDP = {
    "state": "upstream_state", "nonce": "upstream_nonce", "login_hint": "claim", "request": "request_object",
}  # fmt: skip
_HINT = re.compile(r"(?<=[?&]id_token_hint=)[^&]*")
_REQUEST_OBJECT = re.compile(r"(?<=[?&]request=)[^&]*")
_STATE = re.compile(r"(?<=[?&]state=)[^&]*")
_RELOAD = re.compile(r"(?<=/callback\?state=)[0-9A-Za-z]{43}")


def _body(event: Mapping[str, Any]) -> str:
    body = event.get("body")
    if not isinstance(body, str):
        return ""  # the edge refuses what is no text or no base64 unread, and so can this
    try:
        return base64.b64decode(body, validate=True).decode("utf-8") if event.get("isBase64Encoded") else body
    except ValueError:
        return ""


def _watch_form(encoded: str, names: Mapping[str, str]) -> None:
    _watch_pairs(parse_qsl(encoded, errors="replace", separator="&"), names)


def _watch_pairs(pairs: list[tuple[str, Any]], names: Mapping[str, str]) -> None:
    for name, value in pairs:
        if name in names:
            watch(value, names[name])


def _json_object(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
