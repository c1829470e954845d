import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedbridge.jws import b64url
from fedbridge.rp.base64url import decode_base64url


@settings(deadline=None)
@given(st.binary())
def test_reads_what_is_written(octets):
    assert decode_base64url(b64url(octets)) == octets


@settings(deadline=None)
@given(st.text(st.sampled_from("Aa0-_+/= \n"), max_size=12))
def test_one_octet_string_has_one_spelling(text):
    try:
        octets = decode_base64url(text)
    except ValueError:
        return
    assert b64url(octets) == text


@pytest.mark.parametrize("text", ["QQ==", "QR", "Q", "QUE+", "QUE/", "Q Q", "QQ\n", "QQ=", "Qé", "QUJDRA=="])
def test_refuses_every_other_spelling(text):
    with pytest.raises(ValueError, match="base64url"):
        decode_base64url(text)
