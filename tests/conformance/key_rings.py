"""What every `KeyRings` must do. A backend joins by one class that inherits the suite and says `open_rings`."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import count

import pytest

from fedbridge.errors import DeadlineExceeded, RingMoved
from fedbridge.model.deadline import Deadline
from fedbridge.model.key_ring import KeyRing, RingKey, RingState, StoredRing
from fedbridge.ports import KeyRings
from tests.conformance.transactions import soon
from tests.support.racing import in_parallel

NOW = 1_800_000_000
KEY = RingKey(
    kid="k" * 43,
    reference="secretsmanager:fedbridge/test/rings/bank/1#key",
    created_at=NOW,
    state="active",
    certificate="secretsmanager:fedbridge/test/rings/bank/1#certificate",
    made=False,
    published_at=NOW + 1,
    confirmed_at=NOW + 2,
    activated_at=NOW + 3,
    not_after=NOW + 4,
)
RING = StoredRing(
    name="bank",
    policy=KeyRing(
        use="saml-signing",
        kind="kms:RSA_3072",
        rotate_every=86_400,
        publish_for=3600,
        retire_after=7200,
        confirmation="automatic",
        certificate_lifetime=864_000,
        certificate_subject="CN=bridge,O=Åcme",
    ),
    state=RingState(
        keys=(KEY, replace(KEY, kid="r" * 43, state="retired", retired_at=NOW)), serial=4, lost=(2, 3)
    ),
    revision=0,
)
PARTIES = 20

OPERATIONS: dict[str, Callable[[KeyRings, Deadline], object]] = {
    "get": lambda rings, deadline: rings.get("bank", deadline),
    "put": lambda rings, deadline: rings.put(RING, deadline),
    "names": lambda rings, deadline: rings.names(deadline),
}


class KeyRingsSuite:
    """The port, method by method."""

    def open_rings(self) -> AbstractContextManager[KeyRings]:
        """Open a store without rings."""
        raise NotImplementedError

    @pytest.fixture
    def rings(self) -> Iterator[KeyRings]:
        with self.open_rings() as rings:
            yield rings

    def test_reads_what_was_put_with_its_revision(self, rings: KeyRings) -> None:
        written = rings.put(RING, soon())
        assert written == replace(RING, revision=1)
        assert rings.get("bank", soon()) == written
        again = rings.put(replace(written, state=RingState(making=5, serial=5)), soon())
        assert again.revision == 2
        assert rings.get("bank", soon()) == again

    def test_reads_nothing_where_nothing_was_put(self, rings: KeyRings) -> None:
        rings.put(RING, soon())
        assert rings.get("ban", soon()) is None

    @pytest.mark.parametrize("revision", [0, 2])
    def test_only_the_revision_that_was_read_is_written_over(self, rings: KeyRings, revision: int) -> None:
        written = rings.put(RING, soon())
        with pytest.raises(RingMoved):
            rings.put(replace(RING, state=RingState(), revision=revision), soon())
        assert rings.get("bank", soon()) == written

    def test_a_revision_of_nothing_is_none(self, rings: KeyRings) -> None:
        with pytest.raises(RingMoved):
            rings.put(replace(RING, revision=1), soon())
        assert rings.get("bank", soon()) is None

    def test_of_many_that_decide_at_once_one_writes(self, rings: KeyRings) -> None:
        read = rings.put(RING, soon())

        numbers = count(100)

        def decide() -> StoredRing:
            return rings.put(replace(read, state=RingState(serial=next(numbers))), soon())

        outcomes = in_parallel(PARTIES, decide)
        (won,) = [outcome for outcome in outcomes if isinstance(outcome, StoredRing)]
        assert sum(isinstance(outcome, RingMoved) for outcome in outcomes) == PARTIES - 1
        assert rings.get("bank", soon()) == won

    def test_knows_the_names_of_all(self, rings: KeyRings) -> None:
        assert rings.names(soon()) == []
        for name in ("bank", "id-token", "acme"):
            rings.put(replace(RING, name=name), soon())
        assert rings.names(soon()) == ["acme", "bank", "id-token"]

    @pytest.mark.parametrize("operation", OPERATIONS)
    def test_nothing_is_begun_after_the_deadline(self, rings: KeyRings, operation: str) -> None:
        with pytest.raises(DeadlineExceeded):
            OPERATIONS[operation](rings, Deadline.after(-1))
        assert rings.get("bank", soon()) is None
