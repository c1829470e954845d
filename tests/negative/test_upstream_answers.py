"""Cases 121 to 123, 127, 128 and, in part, 147: what an IdP answers when it is broken, busy, or changing its keys."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from fedbridge.errors import UpstreamError
from fedbridge.jws import b64url, encode_json
from fedbridge.model.deadline import Deadline
from fedbridge.model.http import Parameters
from fedbridge.ports import OutboundResponse
from fedbridge.rp.calls import BREAKER_PAUSE, BREAKER_THRESHOLD
from fedbridge.rp.jwks import FRESH, REFETCH_COOLDOWN, STALE
from tests.fakes.http import json_answer
from tests.unit.rp.idp import CALLBACK, STATE, FakeClock, FakeIdp, connection, form, private_key, public_jwk


def posts(idp):
    return [request for request in idp.http.sent if request.method == "POST"]


# --- 121 to 123: bodies, lost connections, storms -------------------------------------------------------------------

ENDPOINTS = ["discovery", "jwks", "token", "userinfo"]


def answer(idp, endpoint, *answers):
    urls = {"discovery": idp.discovery_url, "jwks": idp.url("/jwks"), "userinfo": idp.url("/userinfo")}
    if endpoint == "token":
        idp.answer_token(*answers)
    else:
        idp.http.answer("GET", urls[endpoint], *answers)


def good(idp):
    fresh = FakeIdp()
    answer(idp, "discovery", json_answer(fresh.document()))
    answer(idp, "jwks", json_answer({"keys": [public_jwk(idp.key)]}))
    answer(idp, "token", lambda _: idp.token_answer())
    answer(idp, "userinfo", json_answer({"sub": "ana"}))


def fails(idp):
    with pytest.raises(UpstreamError) as failure:
        idp.sign_in()
    return failure.value


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize(
    "body",
    [
        b"<!doctype html><title>Login</title>",
        b"",
        b"[]",
        b"[{}]",
        b"null",
        b'"{}"',
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        b"{",
        b'{"a":1,}',
        b'{"error":"server_error"}',
        b"{}",
        b'{"a":NaN}',
    ],
)
def test_case_121_a_200_that_holds_something_else(endpoint, body):
    idp = FakeIdp()
    answer(
        idp, endpoint, OutboundResponse(status=200, headers={"content-type": "application/json"}, body=body)
    )
    failure = fails(idp)
    assert failure.reason.startswith({"discovery": "metadata_"}.get(endpoint, endpoint))
    assert failure.error == "server_error"
    good(idp)
    assert idp.sign_in().subject == "ana"


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 500, 302, 201])
def test_case_121_another_status_with_a_good_body_is_not_half_used(endpoint, status):
    idp = FakeIdp()
    good_bodies = {
        "discovery": lambda _: json_answer(idp.document(), status=status),
        "jwks": lambda _: json_answer({"keys": [public_jwk(idp.key)]}, status=status),
        "token": lambda _: json_answer(json.loads(idp.token_answer().body), status=status),
        "userinfo": lambda _: json_answer({"sub": "ana"}, status=status),
    }
    answer(idp, endpoint, good_bodies[endpoint])
    failure = fails(idp)
    assert failure.upstream_status == status
    assert failure.error == ("temporarily_unavailable" if status == 500 else "server_error")
    good(idp)
    assert idp.sign_in().subject == "ana"


@pytest.mark.parametrize("reason", ["upstream_timeout", "upstream_unreachable"])
def test_case_122_a_lost_token_request_is_not_sent_again(reason):
    """Whatever became of it, the code is spent."""
    idp = FakeIdp()
    idp.answer_token(UpstreamError(reason, error="temporarily_unavailable"), lambda _: idp.token_answer())
    failure = fails(idp)
    assert (failure.reason, failure.error) == (reason, "temporarily_unavailable")
    assert len(posts(idp)) == 1
    assert idp.slept == []


@pytest.mark.parametrize("endpoint", ["discovery", "jwks", "userinfo"])
def test_case_122_a_get_is_sent_again_once_after_a_moment(endpoint):
    lost = UpstreamError("upstream_unreachable", error="temporarily_unavailable")
    idp = FakeIdp()
    answer(idp, endpoint, lost, lost, lost)
    assert fails(idp).reason == "upstream_unreachable"
    calls = [fields for _, fields in idp.telemetry.events if fields.get("upstream_endpoint") == endpoint]
    assert len(calls) == 2
    assert 0 < idp.slept[0] < 0.2


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    "retry_after", ["0", "1", "86400", "9" * 400, "-1", "Wed, 21 Oct 2015 07:28:00 GMT", "soon", ""]
)
def test_case_123_retry_after_moves_nobody(endpoint, status, retry_after):
    idp = FakeIdp()
    answer(idp, endpoint, json_answer({}, status=status, headers={"retry-after": retry_after}))
    assert fails(idp).error == "temporarily_unavailable"
    calls = [fields for _, fields in idp.telemetry.events if fields.get("upstream_endpoint") == endpoint]
    assert len(calls) == 1
    assert idp.slept == []
    good(idp)
    assert idp.sign_in().subject == "ana"


def test_case_123_a_storm_opens_the_breaker_of_its_connection_alone_and_one_success_closes_it():
    """A storm of lost connections; one of errors is the next test's."""
    idp, at, other = FakeIdp(), connection(), connection(name="other")
    idp.sign_in(at)
    idp.sign_in(other)
    idp.answer_token(UpstreamError("upstream_unreachable", error="temporarily_unavailable"))
    failures = []
    for _ in range(BREAKER_THRESHOLD + 3):
        with pytest.raises(UpstreamError) as failure:
            idp.sign_in(at)
        failures.append(failure.value)
    assert [failure.reason for failure in failures] == ["upstream_unreachable"] * BREAKER_THRESHOLD + [
        "upstream_circuit_open"
    ] * 3
    assert {failure.error for failure in failures} == {"temporarily_unavailable"}
    assert len(posts(idp)) == 2 + BREAKER_THRESHOLD
    idp.answer_token(lambda _: idp.token_answer())
    assert idp.sign_in(other).subject == "ana"
    with pytest.raises(UpstreamError, match="upstream_circuit_open"):
        idp.sign_in(at)
    idp.clock.now += BREAKER_PAUSE
    assert idp.sign_in(at).subject == "ana"
    assert idp.sign_in(at).subject == "ana"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_case_123_a_storm_of_errors_to_codes_keeps_nobody_out(status):
    """Anybody can bring junk for a code: if what the IdP answers to it opened the breaker, it would be theirs to open."""
    idp = FakeIdp()
    idp.answer_token(json_answer({}, status=status))
    reasons = {fails(idp).reason for _ in range(3 * BREAKER_THRESHOLD)}
    assert reasons == {"token_endpoint_unavailable"}
    good(idp)
    assert idp.sign_in().subject == "ana"


def test_case_123_a_storm_of_errors_to_what_nobody_outside_decides_opens_the_breaker():
    idp = FakeIdp()
    answer(idp, "discovery", json_answer({}, status=500))
    reasons = [fails(idp).reason for _ in range(BREAKER_THRESHOLD + 1)]
    assert reasons == ["metadata_unavailable"] * BREAKER_THRESHOLD + ["upstream_circuit_open"]
    idp.clock.now += BREAKER_PAUSE
    good(idp)
    assert idp.sign_in().subject == "ana"


def test_case_147_one_hang_is_enough_for_everybody_after_it():
    """A flood then costs an error each, at once, and no execution of the function that others wait for."""
    idp, spent = FakeIdp(), FakeClock(0.0)

    def hang(_):
        spent.now += 20
        idp.clock.now += 20
        raise UpstreamError("upstream_timeout", error="temporarily_unavailable")

    waiting = [idp.begin() for _ in range(100)]
    idp.answer_token(hang)
    reasons = []
    for redirect in waiting:
        with pytest.raises(UpstreamError) as failure:
            idp.upstream.finish(
                connection(),
                remembered=redirect.remembered,
                callback_url=CALLBACK,
                response=Parameters({"code": "junk", "state": STATE}),
                deadline=Deadline(spent.now + 22, spent),
            )
        reasons.append(failure.value.reason)
    assert reasons == ["upstream_timeout"] + ["upstream_circuit_open"] * 99
    assert len(posts(idp)) == 1
    idp.clock.now += 40
    good(idp)
    assert idp.sign_in().subject == "ana"


# --- 127 and 128: keys that change ----------------------------------------------------------------------------------


def test_case_127_1000_tokens_with_random_kids_cause_one_refetch_in_30_seconds():
    idp = FakeIdp()
    idp.sign_in()
    for number in range(1000):
        idp.header = {"kid": f"random-{number}"}
        assert fails(idp).reason == "id_token_key_unknown"
    assert len(idp.http.calls(idp.url("/jwks"))) == 2
    idp.clock.now += REFETCH_COOLDOWN
    assert fails(idp).reason == "id_token_key_unknown"
    assert len(idp.http.calls(idp.url("/jwks"))) == 3
    idp.header = {}
    assert idp.sign_in().subject == "ana"


def test_case_127_the_cooldown_is_each_connections_own():
    idp, other = FakeIdp(), connection(name="other")
    idp.sign_in()
    idp.sign_in(other)
    idp.header = {"kid": "unknown"}
    fails(idp)
    idp.key = private_key("ES256", 1)
    idp.serve_keys(public_jwk(idp.key))
    idp.header = {}
    assert fails(idp).reason == "id_token_key_unknown"
    assert idp.sign_in(other).subject == "ana"


def test_case_127_an_unknown_kid_right_after_the_first_fetch_causes_none():
    idp = FakeIdp(header={"kid": "unknown"})
    assert fails(idp).reason == "id_token_key_unknown"
    assert len(idp.http.calls(idp.url("/jwks"))) == 1


def test_case_127_200_concurrent_cold_sign_ins_fetch_the_keys_once():
    idp = FakeIdp(userinfo=None)
    everyone = threading.Barrier(200)

    def token(request):
        mine = FakeIdp(claims={"nonce": form(request)["code"]})
        return mine.token_answer()

    def sign_in(_number):
        redirect = idp.upstream.begin(
            connection(), state=STATE, callback_url="https://b/cb", parameters={}, deadline=Deadline.after(50)
        )
        everyone.wait()
        return idp.finish(redirect, code=redirect.remembered["nonce"], state=STATE).subject

    idp.answer_token(token)
    with ThreadPoolExecutor(200) as pool:
        assert set(pool.map(sign_in, range(200))) == {"ana"}
    assert len(idp.http.calls(idp.url("/jwks"))) == 1
    assert len(idp.http.calls(idp.discovery_url)) == 1


def test_case_128_a_key_that_appears_just_before_signing_passes_after_one_refetch():
    idp = FakeIdp()
    idp.sign_in()
    idp.key = private_key("ES256", 1)
    idp.serve_keys(public_jwk(private_key("ES256")), public_jwk(idp.key))
    assert idp.sign_in().subject == "ana"
    assert idp.sign_in().subject == "ana"
    assert len(idp.http.calls(idp.url("/jwks"))) == 2
    assert ("jwks_refetched", {"connection": "acme", "kid": idp.key.kid}) in idp.telemetry.events


def test_case_128_a_withdrawn_key_is_forgotten_when_the_set_is_fetched_again():
    idp = FakeIdp()
    idp.sign_in()
    idp.serve_keys(public_jwk(private_key("ES256", 1)))
    idp.clock.now += FRESH
    assert fails(idp).reason == "id_token_key_unknown"


def test_case_128_while_the_keys_cannot_be_had_old_ones_serve_to_their_limit():
    idp = FakeIdp()
    idp.sign_in()
    idp.http.answer("GET", idp.url("/jwks"), json_answer({}, status=503))
    for age in (FRESH, STALE - 1):
        idp.clock.now = FakeIdp().clock.now + age
        assert idp.sign_in().subject == "ana"
    assert {fields["reason"] for name, fields in idp.telemetry.events if name == "keys_stale"} == {
        "jwks_unavailable"
    }
    idp.clock.now = FakeIdp().clock.now + STALE
    failure = fails(idp)
    assert (failure.reason, failure.error) == ("jwks_unavailable", "temporarily_unavailable")
    good(idp)
    assert idp.sign_in().subject == "ana"


def test_case_128_a_rotation_while_the_keys_cannot_be_had_is_an_outage():
    idp = FakeIdp()
    idp.sign_in()
    idp.key = private_key("ES256", 1)
    idp.http.answer("GET", idp.url("/jwks"), json_answer({}, status=503))
    failure = fails(idp)
    assert (failure.reason, failure.error) == ("jwks_unavailable", "temporarily_unavailable")


def test_case_128_a_poisoned_refresh_does_not_replace_good_keys():
    """A document without a usable key counts as one that could not be had."""
    idp = FakeIdp()
    idp.sign_in()
    idp.serve_keys({"kty": "oct", "k": b64url(encode_json({})), "kid": idp.key.kid})
    idp.clock.now += FRESH
    assert idp.sign_in().subject == "ana"
    assert idp.telemetry.fields("keys_stale")["reason"] == "jwks_without_usable_key"
