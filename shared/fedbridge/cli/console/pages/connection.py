"""One connection: what to paste where, its keys, a live check, and what is published."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from fedbridge.cli.console.html import Markup, Page, badge, moment, page, prose, table, tag
from fedbridge.cli.console.pages import keys

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fedbridge.cli.check.finding import Finding
    from fedbridge.cli.console.desk import Checked, Desk, Detail, Value

MOODS = {"error": "bad", "warning": "warn", "unknown": ""}


def show(desk: Desk, name: str) -> Page:
    """Return the page."""
    detail = desk.detail(name)
    return page(
        name,
        _subtitle(detail),
        _check_button(name, "Check now"),
        *_values("For the identity provider", detail.for_provider),
        *_values("For Cognito", detail.for_cognito),
        *_keys(detail),
        tag("h2", "Published"),
        tag("pre", tag("code", detail.document)),
        bridge=desk.title,
        place="/",
    )


def check(desk: Desk, name: str) -> Page:
    """Run the check and return what was found."""
    checked = desk.check(name)
    return page(
        f"Check of {name}",
        tag("p", _verdict(checked)),
        *(_finding(each) for each in checked.findings),
        *(tag("p", each, class_="soft") for each in checked.left_out),
        _check_button(name, "Check again"),
        tag("p", tag("a", f"Back to {name}", href=f"/connections/{quote(name)}")),
        bridge=desk.title,
        place="/",
    )


def _subtitle(detail: Detail) -> Markup:
    row = detail.row
    previous = f" · version {detail.previous[:12]} can be restored" if detail.previous else ""
    return tag(
        "p",
        badge("disabled", "bad") if row.disabled else badge("enabled", "good"),
        f" {row.protocol} · {row.issuer} · version {row.version[:12]}, published ",
        moment(row.published_at),
        previous,
        class_="soft",
    )


def _check_button(name: str, words: str) -> Markup:
    return tag(
        "form",
        tag("button", words),
        tag("span", "Talks to the provider and to AWS; takes some seconds.", class_="soft"),
        method="post",
        action=f"/connections/{quote(name)}/check",
        class_="row",
    )


def _values(title: str, values: Sequence[Value]) -> Iterator[Markup]:
    if not values:
        return
    yield tag("h2", title)
    yield table(["Name", "Value", ""], ((each.name, tag("code", each.value), each.note) for each in values))


def _keys(detail: Detail) -> Iterator[Markup]:
    if detail.keys:
        yield tag("h2", "Keys")
        yield keys.listing(detail.keys)


def _verdict(checked: Checked) -> str:
    found = checked.findings
    errors = sum(each.severity == "error" for each in found)
    if errors:
        return (
            "Sign-ins fail, because of this:"
            if errors == 1
            else f"Sign-ins fail, because of {errors} errors:"
        )
    if any(each.severity == "unknown" for each in found):
        return "Nothing is known to break sign-ins, and not everything could be told."
    if found:
        return "Sign-ins should work. What was found deserves a look all the same."
    return (
        "Nothing found in what was looked at." if checked.left_out else "Nothing found: sign-ins should work."
    )


def _finding(found: Finding) -> Markup:
    return tag(
        "div",
        badge(found.severity, MOODS[found.severity]),
        " ",
        tag("span", f"{found.subject} · {found.code}", class_="soft"),
        tag("h3", prose(found.what)),
        tag("p", prose(found.why)),
        tag("p", tag("b", "Do: "), prose(found.fix)),
        class_="card",
    )
