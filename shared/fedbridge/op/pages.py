"""The few pages that a person may see: what happened, what to do, and the id that support asks for.

Self-contained: no script, no image, no request to anywhere. The style is allowed by its hash.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from fedbridge.model.http import SECURITY_HEADERS, Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fedbridge.model.connection import Connection

_STYLE = """
:root{color-scheme:light dark;--ink:#1b2430;--soft:#5a6675;--line:#dfe4ea;--ground:#f4f6f8;--card:#fff;--act:#0b5cad}
@media (prefers-color-scheme:dark){:root{--ink:#e8edf2;--soft:#a3afbd;--line:#323c48;--ground:#12171d;--card:#1b222b;--act:#6db3f8}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:24px;background:var(--ground);color:var(--ink);
font:16px/1.6 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{width:100%;max-width:31rem;background:var(--card);border:1px solid var(--line);border-radius:16px;
padding:clamp(24px,7vw,40px);box-shadow:0 1px 2px rgb(16 32 56/.06),0 16px 40px rgb(16 32 56/.08)}
h1{font-size:1.45rem;line-height:1.25;letter-spacing:-.01em;margin:0 0 12px;text-wrap:balance}
p{margin:0;color:var(--soft);text-wrap:pretty}
ul{list-style:none;margin:28px 0 0;padding:0;display:flex;flex-wrap:wrap;gap:12px}
a{display:block;padding:11px 20px;border-radius:9px;background:var(--act);color:var(--card);text-decoration:none;
font-weight:600;line-height:1.4}
a:hover{filter:brightness(1.08)}
a:focus-visible{outline:3px solid var(--act);outline-offset:3px}
hr{height:4px;margin:28px 0 0;border:0;border-radius:2px;background:linear-gradient(90deg,var(--line) 35%,var(--act) 50%,var(--line) 65%)
0 0/300% 100%;animation:wait 1.6s linear infinite}
@keyframes wait{from{background-position:100% 0}to{background-position:-50% 0}}
@media (prefers-reduced-motion:reduce){hr{animation:none}}
footer{margin-top:32px;padding-top:18px;border-top:1px solid var(--line);color:var(--soft);font-size:.875rem}
code{font:600 .9375rem/1.6 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;color:var(--ink);overflow-wrap:anywhere}
""".strip()
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode("utf-8")).digest()).decode("ascii")

PAGE_HEADERS: Mapping[str, str] = {
    **SECURITY_HEADERS,
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
}


@dataclass(frozen=True, slots=True)
class Message:
    """A page's words."""

    title: str
    text: str


BAD_REQUEST = Message(
    "This sign-in link does not work",
    "The link is incomplete, was changed on the way, or belongs to another application. Nothing was signed in. "
    "Start again from your application.",
)
NOT_FOUND = Message(
    "There is no sign-in at this address", "Check the address, or start again from your application."
)
LOST_BROWSER = Message(
    "We could not match this browser to a sign-in",
    "A sign-in has to end in the browser and window in which it began, and with cookies allowed. If you switched "
    "browsers, opened a link from an e-mail or cleared cookies, start again.",
)
EXPIRED = Message(
    "This sign-in has expired",
    "It took longer than five minutes, so it was ended for your safety. Start again.",
)
FINISHED = Message(
    "This sign-in is already complete",
    "It can be used only once. Go back to your application; if you are not signed in there, start again.",
)
FAILED = Message("The sign-in did not succeed", "Nothing was signed in. You can start again.")
WORKING = Message(
    "Signing you in …", "Your identity provider is still answering. This page continues by itself."
)
SIGNED_OUT = Message(
    "You are signed out",
    "Close this window if somebody else uses this device. To sign in again, start from your application.",
)
BAD_LOGOUT = Message(
    "This sign-out link does not work",
    "The link is incomplete, was changed on the way, or belongs to another application. Nobody was signed out.",
)
LOGOUT_FAILED = Message(
    "We could not sign you out everywhere",
    "Your identity provider could not be reached, and may still know you in this browser. Reload this page in a moment, "
    "or sign out there.",
)
UNAVAILABLE = Message(
    "Sign-in is not available right now",
    "Something on our side did not answer in time. Nothing was lost: reload this page in a moment, or start again.",
)


def page(
    message: Message,
    *,
    correlation_id: str,
    status: int,
    connection: Connection | None = None,
    client_id: str | None = None,
    refresh_to: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a page; where the relying party is not known, every one of the connection's is offered."""
    refresh = f'<meta http-equiv="refresh" content="2;url={escape(refresh_to)}">' if refresh_to else ""
    waiting = '<hr aria-hidden="true">' if refresh_to else ""
    body = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="robots" content="noindex">'
        f"{refresh}<title>{escape(message.title)}</title><style>{_STYLE}</style></head><body><main>"
        f"<h1>{escape(message.title)}</h1><p>{escape(message.text)}</p>{waiting}"
        f"{_ways_on(connection, client_id, offer=refresh_to is None)}"
        f"<footer>If you ask for help, give this reference:<br><code>{escape(correlation_id)}</code></footer>"
        "</main></body></html>"
    )
    return Response(status=status, headers={**PAGE_HEADERS, **(headers or {})}, body=body)


def _ways_on(connection: Connection | None, client_id: str | None, *, offer: bool) -> str:
    if connection is None or not offer:
        return ""
    known = connection.relying_party(client_id) if client_id else None
    parties = (known,) if known else connection.relying_parties
    links = dict.fromkeys((party.restart_url, party.name) for party in parties)
    items = "".join(
        f'<li><a href="{escape(url)}">{escape(f"Start again at {name}" if name else "Start again")}</a></li>'
        for url, name in links
    )
    return f"<ul>{items}</ul>"
