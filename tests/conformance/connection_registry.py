"""What every `ConnectionRegistry` must do. A backend joins by one class that inherits the suite and says `open_shelf`."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import pytest

from fedbridge.errors import StoreUnavailable, UnknownConnection
from fedbridge.model.connection import Connection
from fedbridge.model.snapshot import Snapshot
from fedbridge.store.registry import FRESH_FOR, CachingConnectionRegistry, ConnectionSource
from tests.conformance.connections import connection
from tests.conformance.transactions import soon
from tests.support.bridge import SettableClock


class Shelf(Protocol):
    """Where an operator puts connections, and what may happen to it."""

    @property
    def source(self) -> ConnectionSource:
        """What the registry reads."""

    def publish(self, connection: Connection) -> None:
        """Make this the current version; of one that is current already the snapshot is taken over."""

    def withdraw(self, name: str) -> None:
        """Let the connection be unknown: disabled or deleted."""

    def outage(self) -> AbstractContextManager[None]:
        """Let nothing be read meanwhile."""

    def misfile(self, connection: Connection, under: str) -> None:
        """Put a connection under another one's name."""


MALFORMED = {
    "empty": "",
    "capitals": "ACME",
    "one capital": "acmE",
    "dotless i, which upper-cases to I": "\u0131",
    "Kelvin sign, which lower-cases to k": "ban\u212a",
    "full-width, which NFKC folds": "\uff41\uff43\uff4d\uff45",
    "ligature": "\ufb01",
    "combining accent": "acme\u0301",
    "zero-width space": "acme\u200b",
    "trailing dot": "acme.",
    "dot segments": "../acme",
    "slash": "acme/authorize",
    "escaped slash": "acme%2Fauthorize",
    "escaped letter": "%61cme",
    "backslash": "acme\\x",
    "leading hyphen": "-acme",
    "underscore": "acme_1",
    "key delimiter": "acme#1",
    "colon": "acme:v1",
    "wildcard": "*",
    "question mark": "acm?",
    "trailing newline": "acme\n",
    "null": "acme\x00",
    "blank": "acme ",
    "64 characters": "a" * 64,
    "a million characters": "a" * 1_000_000,
}
WELL_FORMED = ["a", "0", "a" * 63, "acme-bank-2", "acme-", "xn--acm-dma"]


class ConnectionRegistrySuite:
    """The port over a shelf; what threads and the clock do to the cache is tested apart, with a source that obeys."""

    def open_shelf(self, folder: Path) -> AbstractContextManager[Shelf]:
        """Open an empty shelf."""
        raise NotImplementedError

    @pytest.fixture
    def shelf(self, tmp_path: Path) -> Iterator[Shelf]:
        with self.open_shelf(tmp_path) as shelf:
            yield shelf

    @pytest.fixture
    def clock(self) -> SettableClock:
        return SettableClock()

    @pytest.fixture
    def registry(self, shelf: Shelf, clock: SettableClock) -> CachingConnectionRegistry:
        return CachingConnectionRegistry(shelf.source, clock=clock)

    def test_finds_what_is_published(self, shelf: Shelf, registry: CachingConnectionRegistry) -> None:
        shelf.publish(connection(version="v1"))
        shelf.publish(connection(name="other", version="v7"))
        assert registry.get("acme", soon()) == connection(version="v1")
        assert registry.get("other", soon()) == connection(name="other", version="v7")

    def test_what_a_provider_publishes_since_reaches_sign_ins_without_a_new_version(
        self, shelf: Shelf, registry: CachingConnectionRegistry, clock: SettableClock
    ) -> None:
        first, second = (Snapshot(taken_at=taken_at, document="{}") for taken_at in (1, 2))
        shelf.publish(connection(version="v1"))
        assert registry.get("acme", soon()).snapshot is None
        for snapshot in (first, second):
            shelf.publish(connection(version="v1", snapshot=snapshot))
            clock.now += FRESH_FOR
            found = registry.get("acme", soon(), version="v1")
            assert (found, found.snapshot) == (connection(version="v1"), snapshot)

    def test_a_snapshot_stays_with_the_version_that_it_was_taken_for(
        self, shelf: Shelf, registry: CachingConnectionRegistry
    ) -> None:
        snapshot = Snapshot(taken_at=1, document="{}")
        shelf.publish(connection(version="v1", snapshot=snapshot))
        shelf.publish(connection(version="v2"))
        assert registry.get("acme", soon()).snapshot is None
        assert registry.get("acme", soon(), version="v1").snapshot == snapshot

    @pytest.mark.parametrize("name", WELL_FORMED)
    def test_finds_every_well_formed_name(
        self, shelf: Shelf, registry: CachingConnectionRegistry, name: str
    ) -> None:
        shelf.publish(connection(name=name))
        assert registry.get(name, soon()).name == name

    @pytest.mark.parametrize("case", MALFORMED)
    def test_146_a_malformed_name_is_unknown_even_while_nothing_can_be_read(
        self, shelf: Shelf, registry: CachingConnectionRegistry, case: str
    ) -> None:
        for name in ("acme", "bank", "fi", "i"):
            shelf.publish(connection(name=name))
        with shelf.outage(), pytest.raises(UnknownConnection):
            registry.get(MALFORMED[case], soon())

    def test_an_unknown_name_is_unknown(self, shelf: Shelf, registry: CachingConnectionRegistry) -> None:
        shelf.publish(connection())
        with pytest.raises(UnknownConnection):
            registry.get("acme-2", soon())

    def test_153_a_sign_in_ends_on_the_version_that_it_began_with(
        self, shelf: Shelf, registry: CachingConnectionRegistry, clock: SettableClock
    ) -> None:
        for version in ("v1", "v2"):
            shelf.publish(connection(version=version, client_id=version))
            clock.now += 60
            assert registry.get("acme", soon()).client_id == version
        assert registry.get("acme", soon(), version="v1").client_id == "v1"
        assert registry.get("acme", soon(), version="v2").client_id == "v2"

    def test_a_version_newer_than_the_cache_is_looked_up(
        self, shelf: Shelf, registry: CachingConnectionRegistry
    ) -> None:
        shelf.publish(connection(version="v1"))
        assert registry.get("acme", soon()).version == "v1"
        shelf.publish(connection(version="v2"))
        assert registry.get("acme", soon()).version == "v1"
        assert registry.get("acme", soon(), version="v2").version == "v2"
        assert registry.get("acme", soon()).version == "v2"

    def test_a_version_that_is_gone_is_unknown(
        self, shelf: Shelf, registry: CachingConnectionRegistry, clock: SettableClock
    ) -> None:
        for version in ("v1", "v2", "v3"):
            shelf.publish(connection(version=version))
            clock.now += 60
            registry.get("acme", soon())
        for version in ("v1", "v4", ""):
            with pytest.raises(UnknownConnection):
                registry.get("acme", soon(), version=version)
        assert registry.get("acme", soon()).version == "v3"

    def test_145_what_is_withdrawn_is_refused_within_a_minute_at_every_version(
        self, shelf: Shelf, registry: CachingConnectionRegistry, clock: SettableClock
    ) -> None:
        for version in ("v1", "v2"):
            shelf.publish(connection(version=version))
            clock.now += 60
            registry.get("acme", soon())
        shelf.withdraw("acme")
        clock.now += 60
        for asked in (None, "v1", "v2"):
            with pytest.raises(UnknownConnection):
                registry.get("acme", soon(), version=asked)

    def test_145_a_version_that_says_disabled_is_refused(
        self, shelf: Shelf, registry: CachingConnectionRegistry, clock: SettableClock
    ) -> None:
        for version, disabled in (("v1", False), ("v2", True)):
            shelf.publish(connection(version=version, disabled=disabled))
            clock.now += 60
            for asked in (None, "v1"):
                if disabled:
                    with pytest.raises(UnknownConnection):
                        registry.get("acme", soon(), version=asked)
                else:
                    assert registry.get("acme", soon(), version=asked).version == "v1"

    def test_a_version_that_was_disabled_is_refused_when_it_is_the_previous_one(
        self, shelf: Shelf, registry: CachingConnectionRegistry
    ) -> None:
        shelf.publish(connection(version="v1", disabled=True))
        shelf.publish(connection(version="v2"))
        assert registry.get("acme", soon()).version == "v2"
        with pytest.raises(UnknownConnection):
            registry.get("acme", soon(), version="v1")

    def test_an_outage_is_survived_for_ten_minutes(
        self, shelf: Shelf, registry: CachingConnectionRegistry, clock: SettableClock
    ) -> None:
        shelf.publish(connection(version="v1"))
        registry.get("acme", soon())
        with shelf.outage():
            for _ in range(599):
                clock.now += 1
                assert registry.get("acme", soon()).version == "v1"
            clock.now += 1
            with pytest.raises(StoreUnavailable):
                registry.get("acme", soon())
        assert registry.get("acme", soon()).version == "v1"

    def test_an_outage_from_the_start_is_unavailable_and_not_unknown(
        self, shelf: Shelf, registry: CachingConnectionRegistry
    ) -> None:
        shelf.publish(connection())
        with shelf.outage(), pytest.raises(StoreUnavailable):
            registry.get("acme", soon())
        assert registry.get("acme", soon()).name == "acme"

    def test_an_outage_does_not_revive_what_was_withdrawn(
        self, shelf: Shelf, registry: CachingConnectionRegistry, clock: SettableClock
    ) -> None:
        shelf.publish(connection())
        registry.get("acme", soon())
        shelf.withdraw("acme")
        clock.now += 60
        with pytest.raises(UnknownConnection):
            registry.get("acme", soon())
        clock.now += 60
        with shelf.outage(), pytest.raises(StoreUnavailable):
            registry.get("acme", soon())

    def test_143_a_connection_under_anothers_name_never_crosses(
        self, shelf: Shelf, registry: CachingConnectionRegistry, clock: SettableClock
    ) -> None:
        shelf.publish(connection(name="acme", version="v1"))
        shelf.publish(connection(name="evil", version="v1"))
        registry.get("acme", soon())
        shelf.misfile(connection(name="evil", version="v2"), under="acme")
        clock.now += 60
        assert registry.get("acme", soon()).name == "acme", "the last good version"
        with pytest.raises(StoreUnavailable) as failure:
            registry.get("acme", soon(), version="v2")
        assert failure.value.reason == "connection_mismatch"
        clock.now += 600
        with pytest.raises(StoreUnavailable):
            registry.get("acme", soon())
        assert registry.get("evil", soon()).name == "evil"
