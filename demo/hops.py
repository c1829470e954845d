"""The hops of a trip as they may be shown: masked, decoded, and tied to the hop where a value was first seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urljoin, urlsplit

from demo import masking
from demo.cognito import is_stand_in
from demo.kinds import KINDS, Kind, Party
from demo.masking import Shown
from demo.messages import Answer, Request
from demo.recorder import Exchange
from demo.stories import story

TOKEN_RESPONSES = frozenset({"idp.token", "bridge.token", "cognito.token"})

OWN_COOKIES = {Party.APP: "fedbridge-demo", Party.BRIDGE: "__Host-fedbridge", Party.IDP: "_"}
"""How the names of a party's cookies begin. All but the bank are on localhost, and ports do not separate cookies."""

Origins = Mapping[str, Party]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A name and a value. `first` is the earlier hop where the same masked value was seen first."""

    name: str
    shown: Shown
    first: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of a message: rows, or JSON that is public as it stands, or a word about what it is."""

    title: str
    rows: tuple[Row, ...] = ()
    json: dict[str, Any] | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One hop. `inside` are the numbers of the hops that waited for this one, the outermost first."""

    number: int
    kind: Kind
    shows: str
    method: str
    path: str
    status: int
    leads: str
    sent: tuple[Section, ...]
    answered: tuple[Section, ...]
    inside: tuple[int, ...] = ()
    milliseconds: int = 0
    is_stand_in: bool = False
    is_strangers: bool = False
    is_guess: bool = False
    is_after_end: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether it was answered without an error status."""
        return 0 < self.status < 400


def to_hops(exchanges: Iterable[Exchange], origins: Origins, *, until_result: int | None = None) -> list[Hop]:
    """Return what may be shown of a trip's exchanges; `until_result` counts those that the sign-in itself needed."""
    ordered = list(exchanges)
    seen: dict[str, int] = {}
    hops: list[Hop] = []
    for number in range(1, len(ordered) + 1):
        hop = _hop(number, ordered, origins)
        hops.append(replace(hop, is_after_end=until_result is not None and number > until_result))
        for row in _rows(hop):
            if row.shown.raw:
                seen.setdefault(row.shown.raw, number)
    return [_linked(hop, seen) for hop in hops]


def _hop(number: int, exchanges: Sequence[Exchange], origins: Origins) -> Hop:
    exchange, earlier = exchanges[number - 1], exchanges[: number - 1]
    request, answer, kind = exchange.request, exchange.answer or Answer(status=0), exchange.kind
    stranger = _is_strangers(exchange, exchanges)
    repeated = kind.name == "bridge.callback" and any(
        each.kind is kind and not _is_strangers(each, exchanges) for each in earlier
    )
    return Hop(
        number=number,
        kind=kind,
        shows=story(kind, request, answer, stranger=stranger, repeated=repeated),
        method=request.method,
        path=_path(request.path),
        status=answer.status,
        leads=_leads(answer, kind, origins),
        sent=tuple(_sent(request, kind)),
        answered=tuple(_answered(answer, kind)),
        inside=tuple(n for n, other in enumerate(earlier, 1) if other.spans(exchange)),
        milliseconds=round(((exchange.ended or exchange.started) - exchange.started) * 1000),
        is_stand_in=is_stand_in(kind.sender, request, answer),
        is_strangers=stranger,
        is_guess=exchange.is_guess,
    )


def _is_strangers(exchange: Exchange, exchanges: Iterable[Exchange]) -> bool:
    """Tell whether somebody came to the callback without the cookie that the bridge set at authorize."""
    set_by_bridge = [
        value.partition(";")[0].partition("=")
        for each in exchanges
        if each.kind.name == "bridge.authorize" and each.answer
        for value in each.answer.set_cookies
    ]
    if exchange.kind.name != "bridge.callback" or not set_by_bridge:
        return False
    cookies = exchange.request.cookies
    return not any(cookies.get(name) == value for name, _, value in set_by_bridge)


def _path(path: str) -> str:
    """Return a path whose secret part, if a sign-in's pages have one, is masked."""
    handle = next(filter(None, (kind.handle(path) for kind in KINDS)), None)
    return path.replace(handle, masking.mask(handle)) if handle else path


def _leads(answer: Answer, kind: Kind, origins: Origins) -> str:
    """Say where the answer sends the browser, or what it is."""
    if answer.location:
        own = next(origin for origin, party in origins.items() if party is kind.receiver)
        parts = urlsplit(urljoin(own, answer.location))
        party = origins.get(f"{parts.scheme}://{parts.netloc}")
        return f"to {party or parts.netloc}" + (", with an error" if "error" in answer.location_query else "")
    if answer.json is not None:
        return f"error {answer.json['error']}" if "error" in answer.json else "JSON"
    return "a page" if "html" in (answer.header("content-type") or "") else ""


def _sent(request: Request, kind: Kind) -> Iterable[Section]:
    if request.query:
        yield Section(title="Query", rows=_parameters(request.query))
    if request.form:
        yield Section(title="Form", rows=_parameters(request.form))
    if headers := tuple(_headers(request, kind)):
        yield Section(title="Headers", rows=headers)


def _headers(request: Request, kind: Kind) -> Iterable[Row]:
    if value := request.header("authorization"):
        yield Row(name="authorization", shown=masking.authorization(value))
    if kind.is_back_channel and (agent := request.header("user-agent")):
        yield Row(name="user-agent", shown=Shown(text=agent))
    cookies = masking.cookies(request.header("cookie") or "")
    own = OWN_COOKIES.get(kind.receiver)
    for name, shown in cookies:
        if own and name.startswith(own):
            yield Row(name=f"cookie {name}", shown=shown)


def _answered(answer: Answer, kind: Kind) -> Iterable[Section]:
    if answer.location:
        parts = urlsplit(answer.location)
        target = (f"{parts.scheme}://{parts.netloc}" if parts.netloc else "") + _path(parts.path)
        yield Section(title="Redirect", rows=(Row(name="location", shown=Shown(text=target)),))
        if rows := tuple(Row(name=name, shown=shown) for name, shown in masking.query_of(answer.location)):
            yield Section(title="… with", rows=rows)
    if cookies := tuple(_set_cookies(answer)):
        yield Section(title="Cookies set", rows=cookies)
    body = answer.json
    if body is not None and kind.name in TOKEN_RESPONSES and "error" not in body:
        yield Section(title="Body", rows=_parameters((name, str(value)) for name, value in body.items()))
    elif body is not None:
        yield Section(title="Body", json=body)
    elif answer.body and not answer.location:
        media_type = (answer.header("content-type") or "bytes").partition(";")[0]
        yield Section(title="Body", text=f"{media_type}, {len(answer.body):,} bytes")


def _set_cookies(answer: Answer) -> Iterable[Row]:
    for value in answer.set_cookies:
        name, shown = masking.set_cookie(value)
        yield Row(name=name, shown=shown)


def _parameters(pairs: Iterable[tuple[str, str]]) -> tuple[Row, ...]:
    return tuple(Row(name=name, shown=masking.parameter(name, value)) for name, value in pairs)


def _rows(hop: Hop) -> Iterable[Row]:
    return (row for section in hop.sent + hop.answered for row in section.rows)


def _linked(hop: Hop, seen: Mapping[str, int]) -> Hop:
    """Return the hop with each masked value tied to the hop where it was seen first."""
    return replace(
        hop, sent=_tied(hop.sent, hop.number, seen), answered=_tied(hop.answered, hop.number, seen)
    )


def _tied(sections: Iterable[Section], number: int, seen: Mapping[str, int]) -> tuple[Section, ...]:
    def tied(row: Row) -> Row:
        first = seen.get(row.shown.raw or "", number)
        return replace(row, first=first) if first < number else row

    return tuple(replace(section, rows=tuple(map(tied, section.rows))) for section in sections)
