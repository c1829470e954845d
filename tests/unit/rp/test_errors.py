import pytest

from fedbridge.rp.errors import clean_code, unavailable, upstream_error


@pytest.mark.parametrize("code", [None, "invalid_grant", "Y000400", "a.b-c_d", "x" * 64])
def test_what_is_shaped_like_a_code_is_logged_as_it_is(code):
    assert clean_code(code) == code


@pytest.mark.parametrize(
    "code",
    ["", "x" * 65, "Unable to find ana@example.com", "a b", "a\n", "é", "<b>", "eyJ.eyJ?", "a/b", "a%20b"],
)
def test_anything_else_is_free_text(code):
    assert clean_code(code) == "free_text"


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 599])
def test_an_outage_is_worth_another_try_whatever_the_body_says(status):
    assert upstream_error("x", "access_denied", status=status).error == "temporarily_unavailable"
    assert unavailable("x", status=status).upstream_status == status


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 499])
def test_any_other_status_decides_nothing(status):
    assert upstream_error("x", "access_denied", status=status).error == "access_denied"
    assert upstream_error("x", status=status).error == "server_error"
