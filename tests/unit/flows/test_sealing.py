import random
import secrets
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedbridge.flows.sealing import Label, Scope, SealBroken, frame, seal, unseal

LABEL = Label(
    scope=Scope("test", "acme"), purpose="request", transaction_id="t" * 21, expires_at=1_800_000_000
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(json_values)
def test_what_was_sealed_comes_back(value):
    assert unseal("secret", LABEL, seal("secret", LABEL, value)) == value


@pytest.mark.parametrize(
    "other",
    [
        replace(LABEL, scope=Scope("prod", "acme")),
        replace(LABEL, scope=Scope("test", "bank")),
        replace(LABEL, purpose="grant"),
        replace(LABEL, transaction_id="u" * 21),
        replace(LABEL, expires_at=LABEL.expires_at + 1),
    ],
    ids=["environment", "connection", "purpose", "transaction", "expiry"],
)
def test_a_seal_opens_nowhere_else(other):
    with pytest.raises(SealBroken):
        unseal("secret", other, seal("secret", LABEL, {"a": 1}))


def test_a_seal_opens_with_no_other_secret():
    with pytest.raises(SealBroken):
        unseal("Secret", LABEL, seal("secret", LABEL, {"a": 1}))


@given(st.data())
def test_a_changed_seal_does_not_open(data):
    sealed = bytearray(seal("secret", LABEL, {"a": "b"}))
    at = data.draw(st.integers(0, len(sealed) - 1))
    sealed[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(SealBroken):
        unseal("secret", LABEL, bytes(sealed))


@given(st.binary(max_size=64) | st.none())
def test_arbitrary_bytes_do_not_open(sealed):
    with pytest.raises(SealBroken):
        unseal("secret", LABEL, sealed)


def test_two_seals_of_one_value_differ():
    assert seal("secret", LABEL, 1) != seal("secret", LABEL, 1)


def test_a_seal_of_cognitos_longest_state_is_shorter_than_the_state():
    state = f"H4sIAAAA{secrets.token_urlsafe(930)}.3"
    assert len(seal("secret", LABEL, {"state": state})) < len(state) - 200


def test_the_length_of_a_seal_does_not_tell_what_repeats():
    secret = secrets.token_urlsafe(32)
    shuffled = "".join(random.sample(secret, len(secret)))
    lengths = {len(seal("secret", LABEL, [secret, guess] * 10)) for guess in (secret, shuffled)}
    assert len(lengths) == 1


@given(st.lists(st.text()), st.lists(st.text()))
def test_framing_is_injective(left, right):
    assert (frame(*left) == frame(*right)) == (left == right)
