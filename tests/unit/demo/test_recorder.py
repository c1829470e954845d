"""Which hop is counted to which sign-in."""

import threading

import pytest

from demo.kinds import Party
from demo.messages import Answer, Request, json_answer, redirect
from demo.recorder import MOST_TRIPS, Recorder

RELAY, UPSTREAM, CODE = "relay-state-1234567890", "upstream-state-1234567890", "upstream-code-1234567890"
METADATA = Request(method="GET", target="/.well-known/openid-configuration")


def _get(target):
    return Request(method="GET", target=target)


def _to(url):
    return lambda _: redirect(url)


def _kinds(recorder, trip):
    return [exchange.kind.name for exchange in recorder.exchanges(trip)]


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def trip(recorder):
    """A sign-in whose browser was sent to the bank."""
    trip = recorder.new_trip("browser")
    recorder.record(
        Party.COGNITO,
        _get(f"/oauth2/authorize?state={trip.state}"),
        _to(f"http://b/x/authorize?state={RELAY}"),
    )
    recorder.record(
        Party.BRIDGE, _get(f"/x/authorize?state={RELAY}"), _to(f"http://i/authorize?state={UPSTREAM}")
    )
    return trip


def test_hops_are_tied_together_by_the_values_that_travel(recorder, trip):
    recorder.record(Party.IDP, _get(f"/authorize?state={UPSTREAM}"), _to("/interaction/page-id-1234567890"))
    recorder.record(Party.IDP, _get("/interaction/page-id-1234567890"), lambda _: Answer(status=200))
    recorder.record(
        Party.BRIDGE, _get(f"/x/callback?state={UPSTREAM}&code={CODE}"), lambda _: Answer(status=200)
    )
    form = Request(
        method="POST",
        target="/token",
        headers=(("content-type", "application/x-www-form-urlencoded"),),
        body=f"code={CODE}".encode(),
    )
    recorder.record(Party.IDP, form, lambda _: json_answer({"access_token": "access-token-1234567890"}))
    bearer = Request(
        method="GET", target="/userinfo", headers=(("Authorization", "Bearer access-token-1234567890"),)
    )
    recorder.record(Party.IDP, bearer, lambda _: json_answer({}))
    assert _kinds(recorder, trip) == [
        "cognito.authorize", "bridge.authorize", "idp.authorize", "idp.login_page", "bridge.callback", "idp.token",
        "idp.userinfo",
    ]  # fmt: skip


def test_what_carries_no_value_belongs_to_whoever_waits_for_it(recorder, trip):
    def callback(_request):
        recorder.record(Party.IDP, METADATA, lambda _: json_answer({}))
        return Answer(status=200)

    recorder.record(Party.BRIDGE, _get(f"/x/callback?state={UPSTREAM}"), callback)
    recorder.record(Party.IDP, METADATA, lambda _: json_answer({}))  # now nobody waits
    found = recorder.exchanges(trip)[-2:]
    assert [each.kind.name for each in found] == ["bridge.callback", "idp.discovery"]
    assert found[0].spans(found[1])
    assert found[1].trip is trip
    assert not found[1].is_guess


def test_when_several_wait_each_gets_its_own_and_it_is_marked_as_a_guess(recorder, trip):
    other = recorder.new_trip("other browser")
    sent_on = _to("http://i/authorize?state=other-upstream-12345")
    recorder.record(Party.BRIDGE, _get(f"/x/authorize?state={other.state}"), sent_on)
    both, asked = threading.Barrier(2), threading.Barrier(2)

    def wait(_request):
        both.wait(5)
        recorder.record(Party.IDP, METADATA, lambda _: json_answer({}))
        asked.wait(5)
        return Answer(status=200)

    callbacks = [_get(f"/x/callback?state={state}") for state in (UPSTREAM, "other-upstream-12345")]
    threads = [
        threading.Thread(target=recorder.record, args=(Party.BRIDGE, each, wait)) for each in callbacks
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in (trip, other):
        discovery = recorder.exchanges(each)[-1]
        assert discovery.kind.name == "idp.discovery"
        assert discovery.is_guess
        assert _kinds(recorder, each).count("idp.discovery") == 1


def test_strangers_values_and_favicons_belong_to_nobody(recorder, trip):
    before = _kinds(recorder, trip)
    recorder.record(
        Party.BRIDGE, _get("/x/callback?state=a-state-that-nobody-drew"), lambda _: Answer(status=400)
    )
    recorder.record(Party.BRIDGE, _get("/favicon.ico"), lambda _: Answer(status=404))
    assert _kinds(recorder, trip) == before


def test_an_exchange_that_failed_is_recorded_without_an_answer(recorder, trip):
    def fail(_request):
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        recorder.record(Party.BRIDGE, _get(f"/x/callback?state={UPSTREAM}"), fail)
    assert recorder.exchanges(trip)[-1].answer is None
    recorder.record(Party.IDP, METADATA, lambda _: json_answer({}))
    assert _kinds(recorder, trip)[-1] == "bridge.callback", "nobody waits any more"


def test_the_oldest_trips_go_and_so_do_their_values(recorder, trip):
    for _ in range(MOST_TRIPS):
        recorder.new_trip("browser")
    assert recorder.trip(trip.id) is None
    assert recorder.trip_of(RELAY) is None
    assert len(recorder.trips()) == MOST_TRIPS
