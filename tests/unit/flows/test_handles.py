from hypothesis import given
from hypothesis import strategies as st

from fedbridge.flows.handles import (
    ALPHABET,
    ID_LENGTH,
    SECRET_LENGTH,
    Purpose,
    code_for,
    digest,
    draw,
    new_handle,
    parse_handle,
)
from fedbridge.flows.sealing import Scope

SCOPE = Scope("test", "acme")
letters = st.text(ALPHABET, min_size=ID_LENGTH + SECRET_LENGTH, max_size=ID_LENGTH + SECRET_LENGTH)


def test_a_handle_is_43_letters_and_digits():
    text = str(new_handle())
    assert len(text) == 43
    assert set(text) <= set(ALPHABET)


def test_no_two_handles_share_an_id_or_a_secret():
    handles = [new_handle() for _ in range(2_000)]
    assert len({handle.id for handle in handles}) == len(handles)
    assert len({handle.secret for handle in handles}) == len(handles)


def test_every_place_can_hold_every_character():
    drawn = [draw(SECRET_LENGTH) for _ in range(2_000)]
    assert all(set(place) == set(ALPHABET) for place in zip(*drawn, strict=True))


@given(letters)
def test_parsing_gives_back_what_travelled(text):
    handle = parse_handle(text)
    assert handle is not None
    assert str(handle) == text
    assert len(handle.id) == ID_LENGTH
    assert len(handle.secret) == SECRET_LENGTH


@given(st.text().filter(lambda text: len(text) != 43 or not set(text) <= set(ALPHABET)))
def test_anything_else_is_no_handle(text):
    assert parse_handle(text) is None


def test_a_trailing_newline_is_no_handle():
    assert parse_handle(str(new_handle()) + "\n") is None
    assert parse_handle(None) is None


def test_a_digest_is_bound_to_purpose_environment_connection_and_id():
    secret = draw(SECRET_LENGTH)
    digests = {
        digest(purpose, Scope(environment, connection), transaction_id, secret)
        for purpose in Purpose
        for environment in ("test", "prod")
        for connection in ("acme", "bank")
        for transaction_id in ("a" * 21, "b" * 21)
    }
    assert len(digests) == len(Purpose) * 2 * 2 * 2


def test_the_code_is_derived_from_state_and_browser():
    state, browser = new_handle(), draw(43)
    code = code_for(SCOPE, state, browser)
    assert code == code_for(SCOPE, state, browser)
    assert parse_handle(str(code)) == code
    assert code.id == state.id
    assert code.secret not in {state.secret, code_for(SCOPE, state, draw(43)).secret}
    assert code.secret != code_for(Scope("test", "bank"), state, browser).secret
    assert code.secret != code_for(Scope("prod", "acme"), state, browser).secret


def test_a_handle_does_not_show_its_secret_when_printed():
    handle = new_handle()
    assert handle.secret not in repr(handle)
