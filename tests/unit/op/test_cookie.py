import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedbridge.op import cookie
from tests.support.bridge import request

VALUE = "aB3" * 14 + "x"


def read(*cookies):
    return cookie.read(request("callback", cookies=cookies))


def test_a_value_that_was_written_is_read():
    line = cookie.write(VALUE)
    name, *attributes = line.split("; ")
    assert read(name) == VALUE
    assert attributes == ["Path=/", "Max-Age=3600", "Secure", "HttpOnly", "SameSite=None"]


@pytest.mark.parametrize(
    "cookies",
    [
        (),
        (f"{cookie.NAME}=",),
        (cookie.NAME,),
        (f"{cookie.NAME}={VALUE[:-1]}",),
        (f"{cookie.NAME}={VALUE}x",),
        (f"{cookie.NAME}={VALUE[:-1]}-",),
        (f'{cookie.NAME}="{VALUE}"',),
        (f"{cookie.NAME.lower()}={VALUE}",),
        (f"other={VALUE}",),
        (f"{cookie.NAME}={VALUE}", f"{cookie.NAME}={VALUE[::-1]}"),
    ],
)
def test_what_is_no_cookie_of_ours_is_none(cookies):
    assert read(*cookies) is None


def test_the_same_value_twice_is_one_and_a_malformed_one_beside_it_does_not_count():
    line = f"{cookie.NAME}={VALUE}"
    assert read(line, line) == VALUE
    assert read(f"{cookie.NAME}=planted", line, "other=x") == VALUE


@given(st.text(max_size=60))
def test_only_43_letters_and_digits_are_read(value):
    fits = len(value) == 43 and value.isascii() and value.isalnum()
    assert (read(f"{cookie.NAME}={value}") == value) is fits
