"""The verdict as a page."""

from __future__ import annotations

from collections.abc import Iterator

from bench.soak.faults import GRACE
from bench.soak.verdict import Met, Verdict


def markdown(verdict: Verdict, *, seconds: float, rate: float) -> str:
    """Return the report."""
    return "\n".join(_lines(verdict, seconds, rate)) + "\n"


def _lines(verdict: Verdict, seconds: float, rate: float) -> Iterator[str]:
    failed = sum(one.failed + one.failed_after for one in verdict.faults)
    yield "# Soak"
    yield ""
    yield (
        f"{verdict.sign_ins:,} sign-ins in {seconds / 60:g} minutes, {rate:g} a second, by turns with keys in Secrets Manager and in KMS:"
        f" **{'as it must be' if verdict.passed else 'not as it must be'}**."
    )
    yield ""
    for problem in verdict.problems:
        yield f"- **{problem}**"
    yield f"- Away from faults: {verdict.quiet:,} sign-ins, {len(verdict.elsewhere)} failed."
    yield f"- {failed:,} failed in all, each while a fault was there or within {GRACE:g} s of it."
    yield f"- Answers that were neither an OAuth error nor a redirect nor a page with a reference: {verdict.unusable}."
    yield ""
    yield "| fault | s | sign-ins that met it | failed | in the 45 s after it | failed | last failure after its end | what callers were told |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for one in verdict.faults:
        yield _row(one)
    yield ""
    yield "| a sign-in away from faults | ms |"
    yield "| --- | --- |"
    for name, duration in verdict.durations.items():
        yield f"| {name} | {duration * 1000:.0f} |"
    yield ""
    if not verdict.memories:
        yield "Memory was not measured: no sandbox was busy for long enough, or the system does not tell."
        return
    yield "| sandbox | invocations | MiB in the first quarter | MiB in the last |"
    yield "| --- | --- | --- | --- |"
    for memory in sorted(verdict.memories, key=lambda one: (one.function, -one.invocations)):
        yield (
            f"| {memory.function} | {memory.invocations:,} | {memory.first / 2**20:.1f} | {memory.last / 2**20:.1f} |"
        )


def _row(one: Met) -> str:
    told = ", ".join(f"{error} ({times})" for error, times in one.errors.items()) or "none"
    recovered = f"{one.recovered_after:.1f} s" if one.failed or one.failed_after else "none"
    lasted = one.window.end - one.window.start
    return f"| {one.window.fault.name} | {lasted:.0f} | {one.met} | {one.failed} | {one.after} | {one.failed_after} | {recovered} | {told} |"
