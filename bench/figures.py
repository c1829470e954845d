"""Figures, what they are held against, and how they are shown."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

RUNS = 5
"""Alternating runs of which a ratio takes the medians."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measurement. `budget` says what it is held against, "" if nothing; `held` is None then."""

    name: str
    value: float
    unit: str
    budget: str = ""
    held: bool | None = None

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise ValueError(f"{self.name}: {self.value} was not measured")
        if bool(self.budget) != (self.held is not None):
            raise ValueError(f"{self.name}: a budget is held or missed, and nothing else is")


def noted(name: str, value: float, unit: str) -> Figure:
    """Return a figure that nothing is held against."""
    return Figure(name=name, value=value, unit=unit)


def at_most(name: str, value: float, unit: str, limit: float) -> Figure:
    """Return a figure with a ceiling, which may be reached."""
    return Figure(name=name, value=value, unit=unit, budget=f"≤ {_number(limit)}", held=value <= limit)


def at_least(name: str, value: float, unit: str, limit: float) -> Figure:
    """Return a figure with a floor, which may be reached."""
    return Figure(name=name, value=value, unit=unit, budget=f"≥ {_number(limit)}", held=value >= limit)


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> float:
    """Return the quotient of the medians of runs that alternated; raises ValueError where they cannot have.

    Medians, because a busy machine slows single runs; one quotient, because it slows both sides alike.
    """
    if len(numerators) != len(denominators) or not numerators:
        raise ValueError(f"{len(numerators)} runs against {len(denominators)}")
    if min(*numerators, *denominators) <= 0:
        raise ValueError("a run took no time")
    return median(numerators) / median(denominators)


def table(figures: Iterable[Figure]) -> str:
    """Return the figures as text, a line each, numbers below each other."""
    rows = [
        (figure.name, _number(figure.value), figure.unit, figure.budget, _answer(figure.held))
        for figure in figures
    ]
    heads = ("what", "value", "unit", "budget", "held")
    widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(len(heads))]
    ruler = tuple("─" * width for width in widths)
    lines = []
    for name, value, *others in [heads, ruler, *rows]:
        rest = "  ".join(text.ljust(width) for text, width in zip(others, widths[2:], strict=True))
        lines.append(f"{name.ljust(widths[0])}  {value.rjust(widths[1])}  {rest}".rstrip())
    return "\n".join(lines)


def verdict(figures: Iterable[Figure]) -> str:
    """Return how many budgets are held, and the names of those that are not."""
    judged = [figure for figure in figures if figure.held is not None]
    missed = [figure.name for figure in judged if not figure.held]
    held = f"{len(judged) - len(missed)} of {len(judged)} budgets held"
    return f"{held}; missed: {'; '.join(missed)}" if missed else f"{held}."


def write(figures: Iterable[Figure], path: Path) -> None:
    """Write a JSON list of name, value, unit, budget, held; values as they were measured."""
    members = [
        {
            "name": figure.name,
            "value": figure.value,
            "unit": figure.unit,
            "budget": figure.budget or None,
            "held": figure.held,
        }
        for figure in figures
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(members, indent=1, ensure_ascii=False) + "\n")


def _number(value: float) -> str:
    """Return three significant digits, and every digit before the point."""
    if value == int(value):
        return f"{int(value):,}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"


def _answer(held: bool | None) -> str:  # noqa: FBT001  the value of a column
    return {True: "yes", False: "NO", None: ""}[held]
