"""How often a bridge reaches for its store, its keys, its connections and its upstream."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from tests.support.gateway import Gateway


class Counted:
    """Counts the calls of a gateway's bridge from now on, by port and method: `store.put`, `keys.active` …"""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.calls: Counter[str] = Counter()
        bridge = gateway.bridge
        shared: dict[str, Any] = {
            "transactions": _Counting("store", bridge.front.transactions, self.calls),
            "connections": _Counting("connections", bridge.front.connections, self.calls),
        }
        upstream = bridge.front.upstream
        bridge.front = replace(
            bridge.front, **shared, upstream=lambda at: _Counting("upstream", upstream(at), self.calls)
        )
        bridge.back = replace(
            bridge.back, **shared, id_token_keys=_Counting("keys", bridge.back.id_token_keys, self.calls)
        )

    def assert_nothing(self) -> None:
        """Nothing was written, signed or sent, and nothing read but a connection."""
        assert set(self.calls) <= {"connections.get"}, self.calls


class _Counting:
    """Any port, with its calls counted."""

    def __init__(self, name: str, port: Any, calls: Counter[str]) -> None:
        self._name, self._port, self._calls = name, port, calls

    def __getattr__(self, method: str) -> Any:
        if method != "state_of":  # it looks at what the browser brought, and calls nobody
            self._calls[f"{self._name}.{method}"] += 1
        return getattr(self._port, method)
