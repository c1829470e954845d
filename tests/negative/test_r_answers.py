"""R, what answers look like and what junk costs (cases 159 and 160); logs are in test_r_hygiene.py and the canary tests."""

import random
import string
from collections import Counter
from typing import Any
from urllib.parse import quote

import pytest

from fedbridge.errors import StoreUnavailable, UpstreamError
from fedbridge.model.connection import AuthorizationRequestProfile
from fedbridge.store.registry import CachingConnectionRegistry, Published
from tests.fakes.events import http_event
from tests.fakes.registry import FakeRegistry
from tests.fakes.telemetry import RecordingTelemetry
from tests.support.bridge import CLIENT, Bridge, connection
from tests.support.counting import Counted
from tests.support.gateway import (
    CLIENT_JWKS,
    DISCOVERY,
    FORM,
    JWKS,
    Gateway,
    Visitor,
    signs_in,
)

FORM_POST = AuthorizationRequestProfile(response_mode="form_post")


@pytest.fixture
def gateway():
    return Gateway(
        Bridge(registry=FakeRegistry(connection(), connection("posting", authorization=FORM_POST)))
    )


def every_kind_of_browser_answer(gateway):
    """Yield (kind, whether the request was a POST, answer) of redirects and pages."""
    browser = Visitor(gateway)
    state = browser.start()
    yield "to the IdP", False, Visitor(gateway).authorize()
    yield "to Cognito with an error", False, browser.authorize(scope="email")
    yield "to Cognito with a code", False, browser.callback(state)
    yield "the same redirect again", False, browser.callback(state)
    gateway.redeem(browser.callback(state).location["code"])
    yield "already complete", False, browser.callback(state)
    posting = Visitor(gateway, "posting")
    yield "to Cognito after a POST", True, posting.callback(posting.start(), method="POST")
    denied = posting.start()
    gateway.bridge.upstream.outcome, good = UpstreamError("x"), gateway.bridge.upstream.outcome
    yield "to Cognito with an error after a POST", True, posting.callback(denied, method="POST")
    yield "failed before", True, posting.callback(denied, method="POST")
    waiting = browser.start()
    pages = []

    def slow():
        pages.append(browser.callback(waiting))
        return good

    gateway.bridge.upstream.outcome = slow
    browser.callback(waiting)
    gateway.bridge.upstream.outcome = good
    yield "the page that asks again", False, pages[0]
    yield "bad request", False, browser.callback("x")
    yield "another browser", False, Visitor(gateway).callback(browser.start())
    yield "not found", False, Visitor(gateway, "nobody").authorize()
    yield "another method", False, gateway.send("DELETE", "callback")
    yield "no form", True, gateway.send("POST", "callback", name="posting", body=b"x")
    gateway.bridge.registry.failure = StoreUnavailable()
    yield "out of order", False, browser.authorize()
    gateway.bridge.registry.failure = None
    gateway.bridge.upstream.begin_failure = RuntimeError("a bug")
    yield "our fault", False, browser.authorize()
    gateway.bridge.upstream.begin_failure = None


def test_case_159_every_page_and_redirect_is_closed_to_caches_frames_and_referrers(gateway):
    seen = set()
    for kind, posted, answer in every_kind_of_browser_answer(gateway):
        seen.add(kind)
        assert answer.headers["cache-control"] == "no-store", kind
        assert answer.headers["referrer-policy"] == "no-referrer", kind
        assert answer.headers["x-content-type-options"] == "nosniff", kind
        assert answer.headers["strict-transport-security"] == "max-age=31536000", kind
        if "location" in answer.headers:
            assert answer.status == (303 if posted else 302), kind
            assert answer.body == "", kind
        else:
            policy = dict(
                rule.split(" ", 1) for rule in answer.headers["content-security-policy"].split("; ")
            )
            assert policy.pop("style-src").startswith("'sha256-"), kind
            assert policy == dict.fromkeys(
                ("default-src", "base-uri", "form-action", "frame-ancestors"), "'none'"
            ), kind
            assert "<script" not in answer.body, kind
            assert "src=" not in answer.body, kind
            assert answer.headers["content-type"] == "text/html; charset=utf-8", kind
    assert len(seen) == 16


def test_case_159_every_page_that_ends_a_trip_offers_the_registered_way_back(gateway):
    unknown = {"not found", "out of order", "another method"}  # which connection this is about
    for kind, _, answer in every_kind_of_browser_answer(gateway):
        if answer.body and kind not in unknown | {"the page that asks again"}:
            assert 'href="https://app.example/' in answer.body, kind
        if answer.body:
            assert "reference" in answer.body, kind


def test_case_159_the_cookie_is_bound_to_the_host_and_hidden_from_scripts(gateway):
    (line,) = Visitor(gateway).authorize().cookies
    value, *attributes = line.split("; ")
    assert value.startswith("__Host-fedbridge=")
    assert len(value.partition("=")[2]) == 43
    # SameSite=None, because a form_post response is a cross-site POST; no Domain, and Path=/, as the prefix demands.
    assert sorted(attributes) == ["HttpOnly", "Max-Age=3600", "Path=/", "SameSite=None", "Secure"]


def test_case_159_no_back_channel_answer_may_be_framed_read_by_scripts_or_sniffed(gateway):
    tokens = gateway.redeem(Visitor(gateway).sign_in())
    answers = [
        tokens,
        gateway.read_userinfo(tokens.json["access_token"]),
        gateway.read_userinfo("x"),
        *(gateway.send("GET", path) for path in (DISCOVERY, JWKS, CLIENT_JWKS)),
        gateway.send("OPTIONS", "token", headers=[("origin", "https://evil.example")]),
    ]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-type"] == "application/json"
        assert not [name for name in answer.headers if name.startswith("access-control-")]


# --- 160: denial of wallet -------------------------------------------------------------------------------------------

REQUESTS = 10_000
"""At each endpoint; the edge's own work is about 0.1 ms, and the whole case some seconds."""


class NoSource:
    """A source of connections that knows one, and counts what it is asked."""

    def __init__(self):
        self.asked = 0

    def find(self, name, deadline):
        self.asked += 1
        return Published(current=connection(name)) if name == "acme" else None


def junk_value(draw):
    kind = draw.randrange(4)
    if kind == 0:
        return "".join(draw.choices(string.ascii_letters + string.digits, k=draw.randrange(60)))
    if kind == 1:
        return quote("".join(chr(draw.randrange(0x20, 0x2FF)) for _ in range(20)))
    return ("A" * 42, "../../etc/passwd")[kind - 2]


def junk_query(draw, names):
    return "&".join(f"{draw.choice(names)}={junk_value(draw)}" for _ in range(draw.randrange(6)))


AUTHORIZE_NAMES = ["client_id", "redirect_uri", "state", "scope", "response_type", "x"]
JUNK = {
    "authorize": lambda draw: {
        "method": "GET",
        # Every other one names the right client, and still has no registered redirect URI.
        "query": draw.choice(["", f"client_id={CLIENT}&"]) + junk_query(draw, AUTHORIZE_NAMES[1:]),
    },
    "callback": lambda draw: {
        "method": draw.choice(["GET", "POST"]),
        "query": junk_query(draw, ["code", "error", "iss", "x"])
        + draw.choice(["", f"&state={'A' * draw.choice([10, 42, 44])}"]),
        "cookies": draw.choice([(), ("__Host-fedbridge=" + "A" * 43,)]),
    },
    "token": lambda draw: {
        "method": "POST",
        "headers": draw.choice([[FORM], [FORM, ("authorization", f"Basic {junk_value(draw)}")], []]),
        "body": draw.choice([
            junk_query(draw, ["code", "client_id", "client_secret", "grant_type"]).encode(),
            f"client_id={CLIENT}&client_secret={junk_value(draw)}&grant_type=authorization_code".encode(),
        ]),
    },
    "userinfo": lambda draw: {
        "method": draw.choice(["GET", "POST"]),
        "headers": draw.choice([[], [("authorization", f"Bearer {junk_value(draw)[:42]}")], [FORM]]),
        "query": draw.choice(["", "access_token=x"]),
    },
    DISCOVERY: lambda draw: {"method": draw.choice(["POST", "PUT"]), "query": junk_query(draw, ["x"])},
    JWKS: lambda draw: {"method": draw.choice(["POST", "HEAD"]), "query": junk_query(draw, ["x"])},
    CLIENT_JWKS: lambda draw: {"method": draw.choice(["POST", "HEAD"]), "query": junk_query(draw, ["x"])},
}  # fmt: skip


class Tally:
    """`Telemetry` that counts."""

    def __init__(self):
        self.told: Counter[str] = Counter()

    def event(self, name, **fields):
        self.told[name] += 1


@pytest.mark.parametrize("path", JUNK)
def test_case_160_junk_costs_no_write_no_signature_and_no_call(path):
    source, tally, gateway = NoSource(), Tally(), Gateway()
    bridge: Any = gateway.bridge
    bridge.telemetry = tally
    gateway.serve_with(
        telemetry=tally, connections=CachingConnectionRegistry(source, clock=gateway.bridge.clock)
    )
    counted = Counted(gateway)
    draw = random.Random(f"160 {path}")
    for _ in range(REQUESTS):
        junk = JUNK[path](draw)
        result = gateway.invoke(http_event(template=f"/{{connection}}/{path}", **junk), path)
        assert 400 <= result["statusCode"] < 500, (junk, result)
        assert len(result["body"]) < 4_000
    counted.assert_nothing()
    assert source.asked <= 1
    assert tally.told.total() == REQUESTS  # one line each, which is what it costs
    bridge.telemetry = RecordingTelemetry()
    signs_in(gateway)


@pytest.mark.parametrize("path", ["authorize", "token", "userinfo", JWKS])
def test_case_160_names_that_are_none_cost_no_read_and_unknown_ones_are_remembered(path):
    source, gateway = NoSource(), Gateway(watched=False)
    gateway.serve_with(connections=CachingConnectionRegistry(source, clock=gateway.bridge.clock))
    counted = Counted(gateway)
    draw = random.Random(f"names {path}")
    for number in range(1_000):
        name = draw.choice(["A" * 10, "../x", f"x{number % 100}", "a" * 64, "x y", "%2e%2e"])
        assert gateway.send("POST" if path == "token" else "GET", path, name=name, query="a=b").status == 404
    counted.assert_nothing()
    assert source.asked <= 100


def test_case_160_codes_and_states_that_nobody_issued_cost_one_refused_write_or_read_each():
    """Shaped like ours, so that only the store can tell: one call each, nothing written, no key, no upstream."""
    gateway = Gateway(watched=False)
    counted = Counted(gateway)
    draw = random.Random("handles")
    browser = Visitor(gateway, cookies=("__Host-fedbridge=" + "A" * 43,))
    for _ in range(300):
        handle = "".join(draw.choices(string.ascii_letters + string.digits, k=43))
        assert browser.callback(handle).status == 400
        assert gateway.redeem(handle).status == 400
        assert gateway.read_userinfo(handle).status == 401
    assert counted.calls == {
        "connections.get": 900,
        "store.claim": 300,
        "keys.active": 300,
        "store.redeem": 300,
        "store.read": 300,
    }
    signs_in(gateway)
