"""N, what the table holds was changed or moved by somebody who can write there (case 134): it opens nothing.

The table keeps hashes and sealed values; purpose, environment, connection, transaction and expiry are sealed in.
"""

from dataclasses import replace

import pytest

from fedbridge.errors import StoreUnavailable, UpstreamError
from fedbridge.model.deadline import Deadline
from tests.fakes.upstream import IDENTITY
from tests.support.bridge import STATE
from tests.support.gateway import Gateway, Visitor, assert_json_error, assert_refused, signs_in


class Tampered:
    """A store whose answers to one method are changed by the test."""

    def __init__(self, store, method, change):
        self._store, self._method, self._change = store, method, change

    def __getattr__(self, name):
        real = getattr(self._store, name)
        if name != self._method:
            return real
        return lambda *arguments: self._change(real(*arguments))


@pytest.fixture
def gateway():
    return Gateway()


def tamper(gateway, method, change):
    genuine = gateway.bridge.store
    gateway.serve_with(transactions=Tampered(genuine, method, change))
    gateway.mend = lambda: gateway.serve_with(transactions=genuine)


def flipped(position):
    def change(sealed):
        changed = bytearray(sealed)
        changed[position] ^= 1
        return bytes(changed)

    return change


CHANGES = {
    "the nonce": flipped(0),
    "the first byte of the text": flipped(12),
    "the tag": flipped(-1),
    "a byte less": lambda sealed: sealed[:-1],
    "a byte more": lambda sealed: sealed + b"\x00",
    "the nonce alone": lambda sealed: sealed[:12],
    "nothing": lambda _: b"",
    "gone": lambda _: None,
    "zeroes": lambda sealed: bytes(len(sealed)),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("field", ["sealed_token", "sealed_grant"])
def test_case_134_a_sealed_value_of_a_code_was_changed(gateway, field, change):
    code = Visitor(gateway).sign_in()
    tamper(gateway, "redeem", lambda item: replace(item, **{field: CHANGES[change](getattr(item, field))}))
    assert_json_error(gateway, gateway.redeem(code), "invalid_grant", "seal_broken")


@pytest.mark.parametrize("change", CHANGES)
def test_case_134_a_sealed_grant_was_changed_after_the_code_was_redeemed(gateway, change):
    token = gateway.redeem(Visitor(gateway).sign_in()).json["access_token"]
    tamper(gateway, "read", lambda item: replace(item, sealed_grant=CHANGES[change](item.sealed_grant)))
    assert_json_error(gateway, gateway.read_userinfo(token), "invalid_token", "seal_broken", status=401)


@pytest.mark.parametrize("change", CHANGES)
def test_case_134_a_sealed_request_was_changed(gateway, change):
    browser = Visitor(gateway)
    state = browser.start()
    tamper(gateway, "claim", lambda item: replace(item, sealed_request=CHANGES[change](item.sealed_request)))
    answer = browser.callback(state)
    assert answer.status == 500
    assert "location" not in answer.headers
    assert_refused(answer, "seal_broken")
    assert gateway.bridge.upstream.finished == []
    signs_in(gateway)


def item_of(gateway, handle):
    return gateway.bridge.store.read(handle[:21], Deadline.after(5))


def test_case_134_what_was_sealed_for_another_sign_in_or_purpose(gateway):
    """Everything that an attacker could copy from one item, or one field, to another."""
    code, other = Visitor(gateway).sign_in(), item_of(gateway, Visitor(gateway).sign_in())
    pending = item_of(gateway, Visitor(gateway).start())
    for swap in (
        {"sealed_token": other.sealed_token},
        {"sealed_grant": other.sealed_grant},
        {"sealed_token": other.sealed_token, "sealed_grant": other.sealed_grant},
        {"sealed_token": other.sealed_grant},
        {"sealed_grant": pending.sealed_request},
    ):
        genuine = gateway.bridge.store
        tamper(gateway, "redeem", lambda item, swap=swap: replace(item, **swap))
        again = gateway.redeem(Visitor(gateway).sign_in())
        assert (again.status, again.reasons) == (400, ["seal_broken"])
        gateway.serve_with(transactions=genuine)
    assert gateway.redeem(code).status == 200


@pytest.mark.parametrize("field", ["code_expires_at", "token_expires_at"])
@pytest.mark.parametrize("seconds", [-1, 1, 3600])
def test_case_134_the_expiry_is_sealed_in(gateway, field, seconds):
    code = Visitor(gateway).sign_in()
    tamper(gateway, "redeem", lambda item: replace(item, **{field: getattr(item, field) + seconds}))
    assert_json_error(gateway, gateway.redeem(code), "invalid_grant", "seal_broken")


def test_case_134_a_token_whose_expiry_was_moved_opens_nothing(gateway):
    token = gateway.redeem(Visitor(gateway).sign_in()).json["access_token"]
    gateway.bridge.clock.now += 3600
    tamper(gateway, "read", lambda item: replace(item, token_expires_at=item.token_expires_at + 7200))
    assert_json_error(gateway, gateway.read_userinfo(token), "invalid_token", "seal_broken", status=401)


def test_a_failure_that_cannot_be_marked_still_reaches_cognito(gateway):
    def unavailable(_):
        raise StoreUnavailable(reason="store_throttled")

    browser = Visitor(gateway)
    state = browser.start()
    gateway.bridge.upstream.outcome = UpstreamError("userinfo_refused")
    tamper(gateway, "fail", unavailable)
    answer = browser.callback(state)
    assert answer.location["error"] == "server_error"
    assert answer.location["state"] == STATE
    assert [name for name, _ in answer.events] == ["sign_in_failed", "store_failed"]
    gateway.bridge.upstream.outcome = IDENTITY
    signs_in(gateway)
