"""Who may talk to the console: the browser that was given its address, and no other page, program or person.

It listens on loopback, where any program of the machine and any web page in the browser can knock. So every request
must name the console's own host (against DNS rebinding), carry a random value that only the printed address holds
(against other users of the machine), and, where it does something, come from the console's own pages (against CSRF).
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

COOKIE = "fedbridge-console"


@dataclass(frozen=True, slots=True)
class Guard:
    """The rules for one run. `token` is 256 random bits, made when the console starts."""

    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    @property
    def hosts(self) -> frozenset[str]:
        """What a Host header may say."""
        return frozenset({f"127.0.0.1:{self.port}", f"localhost:{self.port}"})

    @property
    def address(self) -> str:
        """Where the operator begins."""
        return f"http://127.0.0.1:{self.port}/?token={self.token}"

    @property
    def cookie(self) -> str:
        """What the browser keeps in place of the token, out of scripts' reach and for no other site's requests.

        Browsers share cookies between the ports of a host, so its name has the port.
        """
        return f"{COOKIE}-{self.port}={self.token}; HttpOnly; SameSite=Strict; Path=/"

    def introduces(self, target: str) -> bool:
        """Return whether the request's target has the token, as the printed address does."""
        given = parse_qs(urlsplit(target).query).get("token", [])
        return len(given) == 1 and self._is_token(given[0])

    def refuses(self, method: str, target: str, headers: Mapping[str, str]) -> str | None:
        """Return why a request is refused, None if it is not. Header names are lower-case.

        Whoever brings the token may come from anywhere: the file that hands it to the browser is a site of its own.
        """
        if headers.get("host", "").lower() not in self.hosts:
            return "This is not an address of the console."
        elsewhere = headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}
        if elsewhere and not (method == "GET" and self.introduces(target)):
            return "Another site sent this request."
        if method == "POST" and headers.get("origin") not in {f"http://{host}" for host in self.hosts}:
            return "Another page sent this request."
        return None

    def knows(self, headers: Mapping[str, str]) -> bool:
        """Return whether the browser has been here with the token.

        Whatever else runs on this host has cookies here too, of any form and maybe of this very name: none hides ours.
        """
        cookies = (each.strip().partition("=") for each in headers.get("cookie", "").split(";"))
        return any(name == f"{COOKIE}-{self.port}" and self._is_token(value) for name, _, value in cookies)

    def _is_token(self, value: str) -> bool:
        return hmac.compare_digest(value.encode(), self.token.encode())
