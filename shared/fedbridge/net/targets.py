"""Where requests may go: URLs taken apart strictly, and addresses that are public or allowed by name.

An identity provider's URLs come from its metadata, so whoever controls that could aim the bridge at what only the
bridge can reach: the sandbox's own endpoints on loopback and link-local addresses, and the private network.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from fedbridge.errors import ConfigurationError, UpstreamError

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_URL = re.compile(
    rf"(?P<scheme>https?)://(?P<host>{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]{{2,45}}\])"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<target>(?:/[\x21\x22\x24-\x5b\x5d-\x7e]*)?(?:\?[\x21\x22\x24-\x5b\x5d-\x7e]*)?)",
    re.IGNORECASE | re.ASCII,
)
# A host whose last label is a number is an IPv4 address to somebody: "2130706433", "0x7f.1", "127.1" (URL Standard).
_NUMERIC_END = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)", re.ASCII)

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_PRIVATE = tuple(
    map(
        ipaddress.ip_network,
        (
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "fc00::/7",
            "::1/128",
        ),
    )
)
"""What may be allowed by name: RFC 1918, RFC 6598, loopback, RFC 4193. Never link-local, multicast or unspecified."""

_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
"""Outside lie v4-mapped, NAT64, unique local, link-local and multicast addresses."""

_SPECIAL = tuple(
    map(
        ipaddress.ip_network,
        # IETF protocol assignments, the 6to4 relay; the same for IPv6 (Teredo and ORCHID included), 6to4, examples.
        ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2002::/16", "3fff::/20"),
    )
)
"""What `is_global` of the supported Python versions calls global and nobody's identity provider lives in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A URL taken apart. `host` is lower-case, an IPv6 address without brackets; `private` tells that it is allowed."""

    scheme: str
    host: str
    port: int
    path_and_query: str
    private: bool

    @property
    def origin(self) -> tuple[str, str, int]:
        """What connections are kept by."""
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        """The value of the Host header (RFC 9110 §7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = self.port == (443 if self.scheme == "https" else 80)
        return host if default else f"{host}:{self.port}"


PrivateHosts = frozenset[tuple[str, int]]


def parse_private_hosts(items: Collection[str]) -> PrivateHosts:
    """Return the allow-list of `host:port` items; raises ConfigurationError that names the item."""
    allowed = set()
    for item in items:
        host, _, port = item.strip().rpartition(":")
        bare_ipv6 = ":" in host and not host.startswith("[")
        match = _URL.fullmatch(f"https://[{host}]:{port}" if bare_ipv6 else f"https://{host}:{port}")
        name = _canonical(match["host"]) if match else None
        if match is None or name is None or match["target"] or int(match["port"]) > 65535:
            raise ConfigurationError(f"FEDBRIDGE_PRIVATE_HOSTS: {item!r} is not host:port")
        allowed.add((name, int(match["port"])))
    return frozenset(allowed)


def parse_target(url: str, private_hosts: PrivateHosts) -> Target:
    """Return where `url` leads; raises UpstreamError `upstream_target_refused`.

    https on port 443 to a host with a dotted name, and nothing else: no user, no fragment, no IP literal. Hosts and ports
    on the allow-list are free of that; plain http is for those of them that are loopback.
    """
    match = _URL.fullmatch(url)
    host = _canonical(match["host"]) if match else None
    if match is None or host is None or len(host) > 253:
        raise refused()
    scheme = match["scheme"].lower()
    port = int(match["port"] or (443 if scheme == "https" else 80))
    private = (host, port) in private_hosts
    if not private and (scheme != "https" or port != 443 or "." not in host or _literal(host)):
        raise refused()
    if scheme == "http" and not _is_loopback(host):
        raise refused()
    target = match["target"]
    path_and_query = target if target.startswith("/") else f"/{target}"
    return Target(scheme=scheme, host=host, port=port, path_and_query=path_and_query, private=private)


def vet(addresses: Sequence[str], target: Target) -> list[str]:
    """Return the addresses of the target's host if all of them may be connected to.

    One that may not condemns the rest: a host that is public and private at once is an attack or a mistake. Raises
    UpstreamError `upstream_target_refused`, and `upstream_unreachable` when there are none.
    """
    if not addresses:
        raise unavailable("upstream_unreachable")
    for text in addresses:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            raise refused() from None
        if not _is_allowed(address, target):
            raise refused()
    return list(addresses)


def refused() -> UpstreamError:
    """Return the error; it names no URL, because that may hold parameters."""
    return UpstreamError("upstream_target_refused")


def unavailable(reason: str) -> UpstreamError:
    """Return an error that trying again may mend."""
    return UpstreamError(reason, error="temporarily_unavailable")


def _is_allowed(address: _Address, target: Target) -> bool:
    if target.scheme == "http":
        return address.is_loopback and _in(address, _PRIVATE)
    return _is_public(address) or (target.private and _in(address, _PRIVATE))


def _is_public(address: _Address) -> bool:
    if address.version == 6 and address not in _GLOBAL_UNICAST:
        return False
    return address.is_global and not address.is_multicast and not _in(address, _SPECIAL)


def _in(address: _Address, networks: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    return any(address in network for network in networks)


def _canonical(host: str) -> str | None:
    """Return a name in lower case, an address in its one spelling, None for an address in any other."""
    host = host.lower()
    if host.startswith("["):
        try:
            return str(ipaddress.IPv6Address(host[1:-1]))
        except ValueError:
            return None
    if _NUMERIC_END.fullmatch(host) and not _literal(host):
        return None
    return host


def _literal(host: str) -> _Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    literal = _literal(host)
    return literal.is_loopback if literal else host == "localhost"
