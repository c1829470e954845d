"""The scripted browser keeps cookies, finds its way through pages, and says where it cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.counterparts.api_gateway import ApiGateway
from tests.counterparts.browser import TripError, forms_of, new_browser, origin_of, travel

Pages = dict[str, Callable[[dict[str, Any]], dict[str, Any]]]


def page(body: str, status: int = 200) -> dict[str, Any]:
    return {"statusCode": status, "headers": {"content-type": "text/html; charset=utf-8"}, "body": body}


def redirect(location: str, *cookies: str) -> dict[str, Any]:
    return {"statusCode": 302, "headers": {"location": location}, "cookies": list(cookies)}


@pytest.fixture
def browser() -> Iterator[httpx.Client]:
    with new_browser() as browser:
        yield browser


def arrived(request: httpx.Request) -> bool:
    return request.url.host == "app.example"


def test_follows_redirects_and_keeps_secure_cookies_over_loopback_http(browser: httpx.Client) -> None:
    seen: list[list[str]] = []

    def second(event: dict[str, Any]) -> dict[str, Any]:
        seen.append(event["cookies"])
        return redirect("https://app.example/cb?state=a%2Bb")

    first = redirect("second", "__Host-trip=1; Path=/; Secure; HttpOnly; SameSite=None")
    with ApiGateway({"GET /{step}/first": lambda _: first, "GET /{step}/second": second}) as site:
        trip = travel(browser, f"{site.url}/x/first", until=arrived)
        with new_browser() as stranger:
            assert "cookie" not in stranger.get(f"{site.url}/x/first").request.headers
    assert trip.url == "https://app.example/cb?state=a%2Bb"
    assert [response.status_code for response in trip.responses] == [302, 302]
    assert seen == [["__Host-trip=1"]]


def test_signs_in_consents_and_submits_what_submits_itself(browser: httpx.Client) -> None:
    posted: list[str] = []
    login = (
        '<form method=post><input name=prompt value="login"><input name=login><input name=password></form>'
    )
    consent = '<form method=post action="done"><input name=prompt value=consent></form>'
    done = '<form method=post action="https://app.example/cb"><input name=code value="a&amp;b"></form>'

    def start(event: dict[str, Any]) -> dict[str, Any]:
        if event["requestContext"]["http"]["method"] == "GET":
            return page(login)
        posted.append(event["body"])
        return redirect("consent")

    routes = {
        "ANY /{step}/start": start,
        "GET /{step}/consent": lambda _: page(consent),
        "POST /{step}/done": lambda _: page(done + "<script>document.forms[0].submit()</script>"),
    }
    with ApiGateway(routes) as site:
        trip = travel(browser, f"{site.url}/x/start", until=arrived, user="ann", password="p w")
    assert trip.next_request.method == "POST"
    assert trip.next_request.content == b"code=a%26b"
    assert len(posted) == 1


def test_waits_where_a_page_refreshes_itself(browser: httpx.Client) -> None:
    answers = [
        page('<meta http-equiv="refresh" content="0">'),
        page("<META HTTP-EQUIV='Refresh' CONTENT='0.01; url=?again=1&amp;b=2'>"),
        redirect("https://app.example/"),
    ]
    queries: list[str] = []

    def wait(event: dict[str, Any]) -> dict[str, Any]:
        queries.append(event["rawQueryString"])
        return answers[len(queries) - 1]

    with ApiGateway({"GET /{step}/wait": wait}) as site:
        travel(browser, f"{site.url}/x/wait?state=s", until=arrived)
    assert queries == ["state=s", "state=s", "again=1&b=2"]


def test_says_where_there_is_no_way_on(browser: httpx.Client) -> None:
    routes = {
        "GET /{step}/page": lambda _: page("<h1>Sorry, no</h1>", 400),
        "GET /{step}/circle": lambda _: redirect("circle"),
    }
    with ApiGateway(routes) as site:
        with pytest.raises(TripError, match=r"status 400.*Sorry, no"):
            travel(browser, f"{site.url}/x/page", until=arrived)
        with pytest.raises(TripError, match="still travelling"):
            travel(browser, f"{site.url}/x/circle", until=arrived)


def test_public_origins_are_reached_on_loopback() -> None:
    def echo(event: dict[str, Any]) -> dict[str, Any]:
        return page(event["headers"]["host"])

    with (
        ApiGateway({"ANY /{step}/echo": echo}) as site,
        new_browser(origins={"https://acme.example": site.url}) as browser,
    ):
        answer = browser.post("https://acme.example/x/echo", data={"a": "b"})
        assert (answer.text, str(answer.url)) == ("acme.example", "https://acme.example/x/echo")


def test_forms_and_origins() -> None:
    html = (
        '<form action="/go?x=1"><input name=a value="1"><input type=submit></form><form method=POST></form>'
    )
    request = httpx.Request("GET", "http://localhost:8080/p/q?r=s")
    first, second = forms_of(httpx.Response(200, text=html, request=request))
    assert (first.method, first.action, first.fields) == ("GET", "http://localhost:8080/go?x=1", {"a": "1"})
    assert (second.method, second.action) == ("POST", "http://localhost:8080/p/q?r=s")
    assert origin_of("https://a.example/b?c#d") == "https://a.example"
    assert origin_of(request.url) == "http://localhost:8080"
