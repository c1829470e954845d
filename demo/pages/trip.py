"""The trip as a sequence diagram: a lane for each party, an arrow for each hop, and what travelled to unfold.

In a narrow window the lanes go and the words stay: every hop says who called whom.
"""

from __future__ import annotations

from collections.abc import Sequence

from demo.hops import Hop, Row, Section
from demo.kinds import Party
from demo.pages.html import Child, Markup, el
from demo.pages.parts import json_block

_PARTIES = list(Party)
_STAND_IN = "Done by the demo in Cognito's place: the emulator leaves it out."


def diagram(hops: Sequence[Hop], later: Sequence[Hop], *, open_all: bool) -> Markup:
    """Return the diagram; `later` are the hops after the sign-in's end."""
    heads = (el("li", party, class_="us" if party is Party.BRIDGE else None) for party in Party)
    return el(
        "div",
        el(
            "div",
            el("ol", *heads),
            el("p", "Unfold a hop to see what travelled."),
            class_="heads",
            aria_hidden="true",
        ),
        el("ol", *_rows(hops, open_all=open_all)),
        [el("p", "Afterwards", class_="divide"), el("ol", *_rows(later, open_all=open_all))]
        if later
        else None,
        class_="trip",
    )


def legend() -> Markup:
    """Return what the lines mean."""
    return el(
        "p",
        el("span", el("i"), "through the browser"),
        el("span", el("i", class_="b"), "between servers"),
        el("span", el("i", class_="d"), "the answer"),
        class_="legend",
    )


def _rows(hops: Sequence[Hop], *, open_all: bool) -> list[Markup]:
    """Return the hops, and after the last hop inside another one the answer that the other one then gives."""
    rows: list[Markup] = []
    by_number = {hop.number: hop for hop in hops}
    for hop, following in zip(hops, [*hops[1:], None], strict=True):
        inside = following.inside if following else ()
        rows.append(_hop(hop, by_number, has_inner=hop.number in inside, is_open=open_all))
        rows += [
            _answer(by_number[n], by_number)
            for n in reversed(hop.inside)
            if n not in inside and n in by_number
        ]
    return rows


def _hop(hop: Hop, by_number: dict[int, Hop], *, has_inner: bool, is_open: bool) -> Markup:
    kind = hop.kind
    arrows = [_arrow(kind.sender, kind.receiver, "")]
    if not has_inner:
        arrows.append(_arrow(kind.receiver, kind.sender, " answer"))
    begins = [_busy(kind.receiver, " begins")] if has_inner else []
    tags = [text for text, applies in _tags(hop) if applies]
    return el(
        "li",
        el("span", *_busy_around(hop, by_number), *begins, *arrows, class_="lanes", aria_hidden="true"),
        el(
            "div",
            el(
                "details",
                el(
                    "summary",
                    el("span", str(hop.number), class_="number"),
                    el("span", el("span", f"{kind.sender} → {kind.receiver}", class_="who"), el("code", f"{hop.method} {hop.path}"), class_="what"),
                    el("span", _outcome(hop), class_="status"),
                    el("span", class_="chevron", aria_hidden="true"),
                    el("span", hop.shows, *(el("span", text, class_="tag") for text in tags), class_="why"),
                ),
                _panel(hop),
                open=is_open,
            ),
            class_="body",
        ),
        class_=_classes("hop", hop),
        id=f"hop-{hop.number}",
    )  # fmt: skip


def _tags(hop: Hop) -> tuple[tuple[str, bool], ...]:
    return (
        (_STAND_IN, hop.is_stand_in),
        ("A stranger.", hop.is_strangers),
        ("Several sign-ins waited at this moment; this may belong to another one.", hop.is_guess),
    )


def _outcome(hop: Hop) -> str:
    return f"{hop.status or 'no answer'} {hop.leads}".strip()


def _answer(hop: Hop, by_number: dict[int, Hop]) -> Markup:
    """Return the row of an answer that came after other hops."""
    kind = hop.kind
    lanes = el(
        "span",
        *_busy_around(hop, by_number),
        _busy(kind.receiver, " ends"),
        _arrow(kind.receiver, kind.sender, " answer"),
        class_="lanes",
        aria_hidden="true",
    )
    text = f"{kind.receiver} answers {hop.number}: {_outcome(hop)}, after {hop.milliseconds} ms"
    return el("li", lanes, el("div", text, class_="body"), class_=_classes("return", hop))


def _classes(name: str, hop: Hop) -> str:
    extra = (("backchannel", hop.kind.is_back_channel), ("failed", not hop.succeeded))
    return " ".join([name, *(text for text, applies in extra if applies)])


def _busy_around(hop: Hop, by_number: dict[int, Hop]) -> list[Markup]:
    return [_busy(by_number[number].kind.receiver, "") for number in hop.inside if number in by_number]


def _busy(party: Party, extra: str) -> Markup:
    return el("b", class_=f"busy at{_lane(party)}{extra}")


def _arrow(start: Party, end: Party, extra: str) -> Markup:
    first, last = _lane(start), _lane(end)
    towards = "right" if first < last else "left"
    return el("b", class_=f"arrow at{min(first, last)} over{abs(first - last)} {towards}{extra}")


def _lane(party: Party) -> int:
    return _PARTIES.index(party) + 1


def _panel(hop: Hop) -> Markup:
    sent = el("div", el("h3", "Sent"), *(_section(section) for section in hop.sent)) if hop.sent else None
    answered = el(
        "div", el("h3", f"Answered, {hop.milliseconds} ms"), *(_section(each) for each in hop.answered)
    )
    return el("div", sent, answered, class_="panel")


def _section(section: Section) -> list[Child]:
    return [
        el("h4", section.title),
        el("dl", *(_row(row) for row in section.rows), class_="rows") if section.rows else None,
        json_block(section.json) if section.json is not None else None,
        el("p", section.text, class_="hint") if section.text else None,
    ]


def _row(row: Row) -> Markup:
    first = el("a", f"as in hop {row.first}", href=f"#hop-{row.first}") if row.first else None
    jwt = row.shown.jwt
    decoded = None
    if jwt is not None:
        decoded = el(
            "div",
            el("p", "Header, decoded"), json_block(jwt.header),
            el("p", "Claims, decoded"), json_block(jwt.claims),
            el("p", f"Signature {jwt.signature}"),
            class_="jwt",
        )  # fmt: skip
    return el("div", el("dt", row.name), el("dd", row.shown.text, first, decoded))
