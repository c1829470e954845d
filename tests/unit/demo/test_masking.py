"""What the demo shows of what travels."""

import json

import pytest

from demo import masking
from demo.masking import Shown
from demo.pages.html import Markup, document, el
from fedbridge.jws import b64url

CODE = "0123456789abcdefghijABCDEFGHIJklmnopqrstuvw"


def _jwt(header, claims):
    parts = [b64url(json.dumps(part).encode()) for part in (header, claims)]
    return ".".join([*parts, "s" * 86])


@pytest.mark.parametrize(
    "name", ["code", "state", "client_secret", "code_verifier", "access_token", "unheard_of"]
)
def test_a_parameter_is_masked_unless_it_is_known_to_open_nothing(name):
    shown = masking.parameter(name, CODE)
    assert (shown.text, shown.raw) == ("012…(43)", CODE)


@pytest.mark.parametrize(
    "name", ["client_id", "nonce", "code_challenge", "redirect_uri", "error_description"]
)
def test_what_opens_nothing_is_shown(name):
    assert masking.parameter(name, CODE) == Shown(text=CODE)


@pytest.mark.parametrize("password", ["x", "hunter2", "correct horse battery"[:19]])
def test_of_a_short_secret_nothing_is_left(password):
    assert masking.mask(password) == f"…({len(password)})"


def test_a_token_is_decoded_and_its_signature_masked():
    token = _jwt({"alg": "ES256"}, {"sub": "alice"})
    shown = masking.parameter("id_token", token)
    assert shown.text == f"eyJ…({len(token)})"
    assert shown.jwt is not None
    assert (shown.jwt.header, shown.jwt.claims, shown.jwt.signature) == (
        {"alg": "ES256"},
        {"sub": "alice"},
        "sss…(86)",
    )


@pytest.mark.parametrize("value", ["a.b.c", _jwt([], {}), _jwt({}, "text"), "e30.e30", CODE])
def test_what_is_no_token_is_masked_all_the_same(value):
    shown = masking.secret(value)
    assert shown.jwt is None
    assert value not in shown.text


def test_headers_keep_their_scheme_and_names():
    assert masking.authorization(f"Bearer {CODE}").text == "Bearer 012…(43)"
    assert [(name, shown.text) for name, shown in masking.cookies(f"__Host-fedbridge={CODE}; b=1")] == [
        ("__Host-fedbridge", "012…(43)"),
        ("b", "…(1)"),
    ]


def test_a_cookies_path_may_name_a_sign_in_and_is_left_out():
    name, shown = masking.set_cookie(f"_interaction={CODE}; path=/interaction/{CODE}; samesite=lax; HttpOnly")
    assert (name, shown.text) == ("_interaction", "012…(43); samesite=lax; HttpOnly")


HOSTILE = """"><script>alert('1')</script>&amp;"""


def test_text_and_attributes_are_escaped():
    page = el("p", HOSTILE, [HOSTILE], title=HOSTILE, data_label=HOSTILE, hidden=True, id=None)
    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 4
    assert page.startswith('<p title="&quot;&gt;')
    assert "data-label=" in page
    assert " hidden>" in page
    assert " id" not in page


def test_only_markup_stays_as_it_is():
    assert el("p", Markup("<b>x</b>"), "<b>") == "<p><b>x</b>&lt;b&gt;</p>"
    assert "<title>&lt;b&gt; · fedbridge demo</title>" in document("<b>")
