"""The pages, by path, and what stands in for one that cannot be shown."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from fedbridge.cli.console.desk import Unavailable
from fedbridge.cli.console.html import HEADERS, Page, link, page, tag
from fedbridge.cli.console.pages import connection, failures, keys, overview
from fedbridge.errors import FedbridgeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fedbridge.cli.console.desk import Desk

__all__ = ["HEADERS", "introduced", "refused", "route"]


def route(desk: Desk, method: str, path: str, query: Mapping[str, str], form: Mapping[str, str]) -> Page:
    """Return the page; whatever goes wrong on the way is one, too."""
    try:
        match method, [unquote(part) for part in path.strip("/").split("/")]:
            case "GET", [""]:
                return overview.show(desk)
            case "GET", ["connections", name]:
                return connection.show(desk, name)
            case "POST", ["connections", name, "check"]:
                return connection.check(desk, name)
            case "GET", ["keys"]:
                return keys.show(desk)
            case "GET", ["failures"]:
                return failures.show(desk)
            case "GET" | "POST", ["failures", "explain"]:
                return failures.explain(desk, form.get("reference") or query.get("reference", ""))
    except KeyError:
        return _missing(desk)
    except (Unavailable, FedbridgeError) as failure:
        return page("This could not be read", tag("p", str(failure)), bridge=desk.title, status=502)
    return _missing(desk)


def introduced() -> Page:
    """Return the page for a browser on its way in."""
    return page("One moment", tag("p", link("/", "On to the console")))


def refused(why: str, status: int) -> Page:
    """Return the page for a request that the guard refuses; it tells nothing of what there is."""
    return page("Not here", tag("p", why), status=status)


def _missing(desk: Desk) -> Page:
    return page(
        "There is nothing here",
        tag("p", "It may have been renamed or removed."),
        bridge=desk.title,
        status=404,
    )
