"""What a person with a browser does: follow redirects, sign in and consent, and wait where a page says so.

`new_browser` is an `httpx.Client` that keeps `Secure` cookies over plain http on loopback, as Chromium does there.
Cookies belong to hosts, not to ports: run the bridge on `localhost` and the IdP on `127.0.0.1`.
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode, urljoin

import httpx

MOST_STEPS = 40
"""Cognito allows 20 redirects between itself and the IdP; a sign-in with pages on top stays below this."""


LONGEST_REFRESH = 3.0
"""Seconds to wait at most before a page that refreshes itself is asked for again."""
_REFRESH = re.compile(
    r"""<meta\s+http-equiv=["']?refresh["']?\s+content=["'](?P<seconds>[\d.]+)(?:\s*;\s*url=(?P<url>[^"']*))?["']""",
    re.IGNORECASE,
)


class TripError(Exception):
    """The trip ended on a page that cannot be left, or goes round in circles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A form of a page: `action` is absolute, `fields` are its inputs with the values that they start with."""

    method: str
    action: str
    fields: Mapping[str, str]


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[tuple[dict[str, str], dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append((attributes, {}))
        elif tag == "input" and self.forms and "name" in attributes:
            self.forms[-1][1][attributes["name"]] = attributes.get("value", "")


def forms_of(page: httpx.Response) -> list[Form]:
    """The forms of an HTML page, with the values that their inputs start with."""
    parser = _Forms()
    parser.feed(page.text)
    return [
        Form(
            method=attributes.get("method", "get").upper(),
            action=urljoin(str(page.url), attributes.get("action", "")),
            fields=fields,
        )
        for attributes, fields in parser.forms
    ]


def _keep_secure_cookies(client: httpx.Client) -> Callable[[httpx.Response], None]:
    def keep(_: httpx.Response) -> None:
        for cookie in client.cookies.jar:
            cookie.secure = False

    return keep


class _HostsTransport(httpx.BaseTransport):
    """Reach public names on loopback, as an entry in /etc/hosts and a TLS terminator would."""

    def __init__(self, origins: Mapping[str, str], inner: httpx.BaseTransport) -> None:
        self._origins = {httpx.URL(public): httpx.URL(local) for public, local in origins.items()}
        self._inner = inner

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        for public, local in self._origins.items():
            if origin_of(request.url) == origin_of(public):
                url = request.url.copy_with(scheme=local.scheme, host=local.host, port=local.port)
                local_request = httpx.Request(
                    request.method, url, headers=request.headers, stream=request.stream
                )
                return self._inner.handle_request(local_request)
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


def loopback_transport(authority: Path | None = None) -> httpx.HTTPTransport:
    """A transport that trusts the certificates of `authority` (a PEM file) and none of the public ones."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authority:
        context.load_verify_locations(authority)
    return httpx.HTTPTransport(verify=context)


def new_browser(
    *, origins: Mapping[str, str] | None = None, timeout: float = 40.0, authority: Path | None = None
) -> httpx.Client:
    """A browser with an empty cookie jar; `authority` as for `loopback_transport`.

    `origins` maps public origins to where they are served here: `{"https://idp.example": "http://127.0.0.1:8080"}`.
    `timeout` in seconds for each step; a slow IdP is one of the cases, so it is longer than any function may run.
    """
    client = httpx.Client(
        transport=_HostsTransport(origins or {}, loopback_transport(authority)),
        timeout=timeout,
        follow_redirects=False,
        headers={
            "user-agent": "Mozilla/5.0 (counterpart)",
            "accept": "text/html,application/xhtml+xml,*/*;q=0.8",
        },
    )
    client.event_hooks["response"].append(_keep_secure_cookies(client))
    return client


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """Where a browser was on its way, and the request that it would make next."""

    next_request: httpx.Request
    responses: tuple[httpx.Response, ...] = field(repr=False)

    @property
    def url(self) -> str:
        return str(self.next_request.url)


def _fill_in(page: httpx.Response, user: str, password: str) -> Form | None:
    """The form that goes on from this page: signing in, consenting, or one that a script would submit at once."""
    forms = forms_of(page)
    for form in forms:
        if form.fields.get("prompt") == "login":
            return Form(
                method=form.method,
                action=form.action,
                fields={**form.fields, "login": user, "password": password},
            )
        if form.fields.get("prompt") == "consent":
            return form
    submits_itself = ".submit()" in page.text
    return forms[0] if forms and submits_itself else None


def _next_request(client: httpx.Client, page: httpx.Response, user: str, password: str) -> httpx.Request:
    if location := page.headers.get("location"):
        return client.build_request("GET", urljoin(str(page.url), location))
    if refresh := _REFRESH.search(page.text):
        time.sleep(min(float(refresh["seconds"]), LONGEST_REFRESH))
        return client.build_request("GET", urljoin(str(page.url), unescape(refresh["url"] or "")))
    form = _fill_in(page, user, password)
    if form is None or page.status_code == 401:
        raise TripError(f"no way on from {page.url} (status {page.status_code}): {page.text[:1_000]}")
    if form.method == "POST":
        return client.build_request("POST", form.action, data=dict(form.fields))
    return client.build_request("GET", f"{form.action}?{urlencode(form.fields)}")


def travel(
    client: httpx.Client,
    start: str | httpx.Request,
    *,
    until: Callable[[httpx.Request], bool],
    user: str = "alice",
    password: str = "x",
) -> Trip:
    """Go on from `start` until the next request would be one that `until` names; that one is not sent.

    Raises `TripError` on a page without a way on, such as an error page, with its text.
    """
    request = client.build_request("GET", start) if isinstance(start, str) else start
    responses: list[httpx.Response] = []
    while not until(request):
        if len(responses) == MOST_STEPS:
            raise TripError(f"still travelling after {MOST_STEPS} steps, at {request.url}")
        responses.append(client.send(request))
        request = _next_request(client, responses[-1], user, password)
    return Trip(next_request=request, responses=tuple(responses))


def origin_of(url: str | httpx.URL) -> str:
    parsed = httpx.URL(url)
    return str(parsed.copy_with(raw_path=b"/", fragment=None)).rstrip("/")
