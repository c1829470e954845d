"""URLs that may stand in a configuration (case 150): https, a public host name, nothing that reads in two ways."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

HOST = re.compile(
    r"(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
)
"""A lower-case host name with a dot; its last label begins with a letter, so that no form of IPv4 address is one."""

# RFC 3986 §2: what a URL may hold; a per cent sign begins an escape.
_URL = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+")
_DOT_SEGMENT = re.compile(r"/(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)

# RFC 6762, RFC 8375 and the names that ICANN holds back because private networks use them.
_PRIVATE_DOMAINS = ("localhost", "localdomain", "local", "internal", "intranet", "lan", "home", "corp", "private", "home.arpa")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What a run lets pass: `local` plain http to loopback and local references, `private_hosts` upstreams by `host:port`."""

    local: bool = False
    private_hosts: frozenset[str] = frozenset()


def upstream_url_problem(url: str, allowed: Allowed) -> str | None:
    """Return what is wrong with a URL that the bridge itself calls, None if nothing."""
    parts, problem = _parsed(url)
    if parts is None:
        return problem
    if allowed.local and _is_loopback(parts):
        return None
    if parts.scheme != "https":
        return "must begin with https://"
    if f"{parts.hostname}:{_port(parts)}" in allowed.private_hosts:
        return None
    if _port(parts) != 443:
        return "must use port 443 (other ports and private hosts are allowed by FEDBRIDGE_PRIVATE_HOSTS)"
    return host_problem(parts.hostname or "")


def browser_url_problem(url: str, allowed: Allowed, *, fragment: bool = False) -> str | None:
    """Return what is wrong with a URL that browsers are sent to: it may be private, but not loopback or an address."""
    parts, problem = _parsed(url, fragment=fragment)
    if parts is None:
        return problem
    if _is_loopback(parts):
        return None if allowed.local else "must not name a loopback host"
    if parts.scheme != "https":
        return "must begin with https://"
    return "must name a host, not an IP address" if is_ip_address(parts.hostname or "") else None


def host_problem(host: str) -> str | None:
    """Return what is wrong with the name of a public host."""
    if is_ip_address(host):
        return "must name a host, not an IP address"
    if (
        host in _PRIVATE_DOMAINS
        or "." not in host
        or host.endswith(tuple(f".{name}" for name in _PRIVATE_DOMAINS))
    ):
        return "must not name a private or loopback host (allow it by FEDBRIDGE_PRIVATE_HOSTS)"
    return None if HOST.fullmatch(host) else "must name a host such as login.example.com"


def is_ip_address(host: str) -> bool:
    """Return whether a host is an IP address in any form that resolvers read: 127.1, 0x7f000001, 2130706433, ::1."""
    last = host.rstrip(".").rpartition(".")[2]
    if last.isdigit() or re.fullmatch(r"0x[0-9a-f]*", last, re.IGNORECASE):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _parsed(url: str, *, fragment: bool = False) -> tuple[SplitResult | None, str]:
    if not _URL.fullmatch(url):
        return None, "must be a URL, without blanks or characters that need escaping"
    if not url.startswith(("https://", "http://")):
        return None, "must begin with https://"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None, "must be a URL with a valid host and port"
    if port == 0 or parts.netloc.endswith(":"):
        return None, "must be a URL with a valid host and port"
    if not parts.hostname:
        return None, "must name a host"
    if "@" in parts.netloc:
        return None, "must not hold a user name or password"
    if "#" in url and not fragment:
        return None, "must not have a fragment"
    if _DOT_SEGMENT.search(parts.path):
        return None, "must not have a path with . or .. in it"
    return parts, ""


def _port(parts: SplitResult) -> int:
    return parts.port if parts.port is not None else {"https": 443, "http": 80}[parts.scheme]


def _is_loopback(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    return host in {"localhost", "127.0.0.1", "::1"} or host.endswith(".localhost")
