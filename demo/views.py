"""What the pages and the terminal show of a trip: hops, proofs, what the bridge logged, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from demo.bridge import Bridge
from demo.hops import Hop, Origins, to_hops
from demo.proofs import Proof, Setting, proofs, reference
from demo.recorder import Exchange, Recorder, Refused, Trip


@dataclass(frozen=True, slots=True, kw_only=True)
class TripView:
    """All there is to show of one trip."""

    trip: Trip
    hops: list[Hop]
    proofs: list[Proof]
    logged: list[str]

    @property
    def needed(self) -> list[Hop]:
        """The hops of the sign-in itself."""
        return [hop for hop in self.hops if not hop.is_after_end]

    @property
    def later(self) -> list[Hop]:
        """The hops after its end: reloads and replays."""
        return [hop for hop in self.hops if hop.is_after_end]

    def numbers(self, proof: Proof) -> list[int]:
        """Return the hops where a proof can be seen."""
        return [hop.number for hop in self.needed if hop.kind.name in proof.at]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The running demo, as far as it is shown."""

    app_url: str
    bridge_url: str
    setting: Setting
    origins: Origins
    recorder: Recorder
    configuration: str
    simulated_because: str | None
    bridge: Bridge

    def view(self, trip: Trip) -> TripView:
        """Return what there is to show of a trip by now."""
        exchanges = self.recorder.exchanges(trip)
        needed = trip.hops_to_result if trip.result else None
        return TripView(
            trip=trip,
            hops=to_hops(exchanges, self.origins, until_result=needed),
            proofs=proofs(self.setting, trip, exchanges),
            logged=self._logged(trip, exchanges),
        )

    def _logged(self, trip: Trip, exchanges: Sequence[Exchange]) -> list[str]:
        """Return what the bridge logged: by the reference that the app was told, else by when it began."""
        named = reference(trip.result.description) if isinstance(trip.result, Refused) else None
        begun = next(
            (each for each in exchanges if each.kind.name == "bridge.authorize" and each.ended), None
        )
        if named is None and begun is not None and begun.ended is not None:
            named = self.bridge.sign_in_begun(begun.started, begun.ended)
        return self.bridge.logged(named) if named else []
