import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from fedbridge.errors import (
    ConfigurationError,
    DeadlineExceeded,
    FedbridgeError,
    KeyUnavailable,
    MethodNotAllowed,
    OAuthError,
    OutcomeUnknown,
    PayloadTooLarge,
    RequestRefused,
    StoreUnavailable,
    UnknownConnection,
)
from fedbridge.op import pages
from fedbridge.op.errors import back_channel_error, browser_error
from tests.support.bridge import connection, request

MESSAGES = [value for value in vars(pages).values() if isinstance(value, pages.Message)]


class WellFormed(HTMLParser):
    """Fails on an element that is closed in the wrong place, and keeps the names of all."""

    def __init__(self, text):
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.title)
def test_every_page_says_what_happened_and_loads_nothing(message):
    response = pages.page(message, correlation_id="7QH2", status=400, connection=connection())
    assert message.title in response.body.replace("&#x27;", "'")
    assert "7QH2" in response.body
    assert WellFormed(response.body).seen.isdisjoint({"script", "img", "iframe", "link", "form", "object"})
    assert "@import" not in response.body
    assert "url(" not in response.body


def test_the_style_is_allowed_by_its_own_hash():
    response = pages.page(pages.FAILED, correlation_id="7QH2", status=400)
    (style,) = re.findall(r"<style>(.*?)</style>", response.body, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}';" in response.headers["content-security-policy"]


def test_the_way_back_is_the_relying_partys_that_began():
    first = connection(party_name="Payroll").relying_parties[0]
    second = replace(
        first, client_id="second", name="Holidays", restart_url="https://second.example/?a=1&b=2"
    )
    at = connection(relying_parties=(first, second))
    known = pages.page(pages.FAILED, correlation_id="x", status=400, connection=at, client_id="second").body
    assert 'href="https://second.example/?a=1&amp;b=2"' in known
    assert "Start again at Holidays" in known
    assert "Payroll" not in known
    unknown = pages.page(pages.FAILED, correlation_id="x", status=400, connection=at).body
    assert "Start again at Payroll" in unknown
    assert "Start again at Holidays" in unknown
    gone = pages.page(pages.FAILED, correlation_id="x", status=400, connection=at, client_id="gone").body
    assert gone == unknown


def test_two_relying_parties_with_one_way_back_are_offered_it_once():
    party = connection().relying_parties[0]
    at = connection(relying_parties=(party, replace(party, client_id="second")))
    assert pages.page(pages.FAILED, correlation_id="x", status=400, connection=at).body.count("<a ") == 1


def test_the_waiting_page_asks_again_by_itself_and_offers_no_way_out():
    response = pages.page(
        pages.WORKING,
        correlation_id="x",
        status=200,
        connection=connection(),
        refresh_to="https://bridge.example/acme/callback?state=a&b",
    )
    assert (
        '<meta http-equiv="refresh" content="2;url=https://bridge.example/acme/callback?state=a&amp;b">'
        in (response.body)
    )
    assert "<a " not in response.body


@pytest.mark.parametrize("name", ['<script>alert("x")</script>', "a' onmouseover='alert(1)", "&amp;"])
def test_what_the_operator_wrote_is_text(name):
    body = pages.page(
        pages.FAILED, correlation_id=name, status=400, connection=connection(party_name=name)
    ).body
    assert "<script" not in body
    assert "onmouseover='" not in body
    assert WellFormed(body).seen <= {
        "html", "head", "meta", "title", "style", "body", "main", "h1", "p", "ul", "li", "a", "footer", "br", "code",
    }  # fmt: skip


ERRORS = [
    # error, status in the browser, status and error at the back channel
    (UnknownConnection(), 404, 404, "invalid_request"),
    (MethodNotAllowed(headers={"allow": "GET"}), 405, 405, "invalid_request"),
    (PayloadTooLarge(), 413, 413, "invalid_request"),
    (RequestRefused(reason="repeated_parameter"), 400, 400, "invalid_request"),
    (StoreUnavailable(), 503, 503, "temporarily_unavailable"),
    (OutcomeUnknown(), 503, 503, "temporarily_unavailable"),
    (DeadlineExceeded(), 503, 503, "temporarily_unavailable"),
    (KeyUnavailable(transient=True), 503, 503, "temporarily_unavailable"),
    (ConfigurationError("the secret is hunter2hunter2"), 500, 500, "server_error"),
    (FedbridgeError("hunter2hunter2"), 500, 500, "server_error"),
    (OAuthError("invalid_grant", "no", reason="x"), 500, 400, "invalid_grant"),
]


@pytest.mark.parametrize(("error", "browser", "back", "code"), ERRORS, ids=lambda value: type(value).__name__)
def test_every_error_has_its_answer_in_both_channels(error, browser, back, code):
    page = browser_error("7QH2", error, connection())
    assert page.status == browser
    assert page.headers["content-type"].startswith("text/html")
    assert "7QH2" in page.body
    assert ("app.example" in page.body) is not isinstance(error, UnknownConnection)
    answer = back_channel_error(request("token", method="POST"), error)
    assert answer.status == back
    assert f'"error":"{code}"' in answer.body
    for response in (page, answer):
        assert "hunter2" not in response.body
        assert ("retry-after" in response.headers) is (response.status == 503)
        assert response.headers.get("allow") == ("GET" if response.status == 405 else None)
        assert "location" not in response.headers


def test_userinfo_challenges_and_the_token_endpoint_asks_for_a_client():
    error = OAuthError("invalid_token", "no", reason="x", status=401)
    assert back_channel_error(request("userinfo"), error).headers["www-authenticate"].startswith("Bearer")
    assert back_channel_error(request("token"), error).headers["www-authenticate"].startswith("Basic")
