"""What a run shows: per fault, outside of faults, and of memory; and whether that is as it must be."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bench.soak.faults import FATAL, GRACE, Window
from bench.soak.load import SignIn

GROWTH = 0.05
"""Share by which the memory of a sandbox may differ between the first quarter of its measured life and the last."""

SLACK = 4 * 1024 * 1024
"""Bytes that allocators may take and keep without anything growing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """The sign-ins that met one fault, and those that met what it left behind; `recovered_after` in seconds."""

    window: Window
    met: int
    failed: int
    after: int
    failed_after: int
    recovered_after: float
    errors: Mapping[str, int]


SAMPLES = 5
"""Looks at a sandbox of which a median says something."""

BUSY = 500
"""Invocations from which on a sandbox's memory is judged: before, it still loads what it meets for the first time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """A busy sandbox's resident set in bytes, median of the first and the last quarter of its life since it was busy."""

    function: str
    invocations: int
    first: float
    last: float

    @property
    def flat(self) -> bool:
        """Whether it did not grow."""
        return self.last - self.first <= max(SLACK, GROWTH * self.first)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`elsewhere` are failed sign-ins that met no fault: there must be none."""

    sign_ins: int
    faults: tuple[Met, ...]
    quiet: int
    elsewhere: tuple[SignIn, ...]
    unusable: int
    durations: Mapping[str, float]
    memories: tuple[Memory, ...]
    problems: tuple[str, ...] = field(default=())

    @property
    def passed(self) -> bool:
        """Whether all was as it must be."""
        return not self.problems


def judge(sign_ins: Sequence[SignIn], windows: Sequence[Window], memories: Sequence[Memory]) -> Verdict:
    """Return the verdict on a run."""
    faults = tuple(_met(window, sign_ins) for window in windows)
    calm = [one for one in sign_ins if not any(_touches(window, one) for window in windows)]
    elsewhere = tuple(one for one in calm if one.failed)
    unusable = sum(one.error == "unusable answer" for one in sign_ins)
    return Verdict(
        sign_ins=len(sign_ins),
        faults=faults,
        quiet=len(calm),
        elsewhere=elsewhere,
        unusable=unusable,
        durations=_durations(calm),
        memories=tuple(memories),
        problems=tuple(_problems(faults, elsewhere, unusable, memories)),
    )


def _problems(
    faults: Sequence[Met], elsewhere: Sequence[SignIn], unusable: int, memories: Sequence[Memory]
) -> Iterator[str]:
    for one in faults:
        fault = one.window.fault
        if fault.harmless and one.failed:
            yield f"{one.failed} sign-ins failed while {fault.name}, which must do no harm"
        if fault.mode in FATAL and not one.failed:
            yield f"nothing failed while {fault.name}: there was no fault"
    for sign_in in elsewhere:
        yield (
            f"{sign_in.connection} failed at {sign_in.began:.0f} s without a fault: {sign_in.hop}: {sign_in.error}"
        )
    if unusable:
        yield f"{unusable} answers were neither an OAuth error nor a redirect nor a page"
    for memory in memories:
        if not memory.flat:
            yield f"{memory.function} grew from {memory.first / 2**20:.1f} to {memory.last / 2**20:.1f} MiB"


def memory_of(function: str, samples: Sequence[tuple[int, int]]) -> Memory | None:
    """Return what a sandbox's samples (invocations so far, bytes) say, None where it was not busy for long enough."""
    busy = [resident for invocations, resident in samples if invocations >= BUSY]
    quarter = len(busy) // 4
    if quarter < SAMPLES:
        return None
    return Memory(
        function=function,
        invocations=samples[-1][0],
        first=statistics.median(busy[:quarter]),
        last=statistics.median(busy[-quarter:]),
    )


def _touches(window: Window, one: SignIn) -> bool:
    return window.met_by(one.began, one.ended) or window.followed_by(one.began, one.ended)


def _met(window: Window, sign_ins: Sequence[SignIn]) -> Met:
    met = [one for one in sign_ins if window.met_by(one.began, one.ended)]
    after = [one for one in sign_ins if window.followed_by(one.began, one.ended)]
    failed = [one for one in (*met, *after) if one.failed]
    last = max((one.began for one in failed), default=window.start)
    return Met(
        window=window,
        met=len(met),
        failed=sum(one.failed for one in met),
        after=len(after),
        failed_after=sum(one.failed for one in after),
        recovered_after=max(0.0, min(last - window.end, GRACE)),
        errors=dict(Counter(f"{one.hop}: {one.error}" for one in failed).most_common()),
    )


def _durations(calm: Sequence[SignIn]) -> dict[str, float]:
    """Return medians and 99th percentiles in seconds, by connection."""
    took: defaultdict[str, list[float]] = defaultdict(list)
    for one in calm:
        took[one.connection].append(one.ended - one.began)
    figures = {}
    for connection, all_of_them in took.items():
        ordered = sorted(all_of_them)
        figures[f"{connection}, median"] = statistics.median(ordered)
        figures[f"{connection}, 99th percentile"] = ordered[int(len(ordered) * 0.99)]
    return figures
