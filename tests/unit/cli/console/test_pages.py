"""What the pages say, and that nothing that they show is taken for markup."""

from dataclasses import replace

import pytest

from fedbridge.cli.console.desk import Checked
from fedbridge.cli.console.html import HEADERS, STYLE
from fedbridge.cli.console.pages import route
from tests.unit.cli.console.desk import FAILURES, FINDING, REFERENCE, FakeDesk

LEFT_OUT = "The rest was not looked at: give --user-pool."
PATHS = (
    "/",
    "/keys",
    "/failures",
    "/connections/bank",
    "/connections/clinic",
    f"/failures/explain?reference={REFERENCE}",
)


def get(desk, path, method="GET"):
    path, _, query = path.partition("?")
    pairs = dict(pair.split("=") for pair in query.split("&")) if query else {}
    return route(desk, method, path, pairs, {})


@pytest.mark.parametrize("path", PATHS)
def test_what_is_shown_is_never_markup(path):
    page = get(FakeDesk(), path)

    assert page.status == 200
    assert "<script" not in page.html
    assert f"<style>{STYLE}</style>" in page.html
    assert "style=" not in page.html  # the policy would refuse it


def test_the_overview_shows_connections_what_waits_and_what_failed():
    html = get(FakeDesk(), "/").html

    assert 'href="/connections/bank"' in html
    assert "fapi2_generic" in html
    assert "disabled" in html
    assert "upload its certificate at the provider" in html
    assert html.count("client_<wbr>authentication_<wbr>refused") == 5
    assert f"All {len(FAILURES)} failures" in html


@pytest.mark.parametrize(
    ("broken", "said"), [("keys", "Keys could not be read"), ("logs", "Logs could not be read")]
)
def test_what_cannot_be_read_takes_nothing_else_with_it(broken, said):
    page = get(FakeDesk(broken=frozenset({broken})), "/")

    assert page.status == 200
    assert said in page.html
    assert "login.bank.example" in page.html


def test_connections_that_cannot_be_read_are_said_so():
    page = get(FakeDesk(broken=frozenset({"connections"})), "/")

    assert page.status == 502
    assert "no permission to read the connections" in page.html


def test_an_empty_table_says_what_to_do():
    assert "fedbridge connections apply" in get(FakeDesk(rows=()), "/").html


def test_a_connection_shows_what_to_paste_where():
    html = get(FakeDesk(), "/connections/bank").html

    assert html.index("For the identity provider") < html.index("https://login.example/bank/callback")
    assert html.index("For Cognito") < html.index("oidc_issuer")
    assert "version 0a1b2c3d4e5f can be restored" in html
    assert 'action="/connections/bank/check"' in html


def test_a_check_says_what_why_and_what_to_do():
    html = get(FakeDesk(), "/connections/bank/check", "POST").html

    assert "Sign-ins fail, because of this:" in html
    assert "Nobody can sign in" in html
    assert "Register the JWKS URI" in html


@pytest.mark.parametrize(
    ("severities", "left_out", "said"),
    [
        ((), (), "Nothing found: sign-ins should work."),
        ((), (LEFT_OUT,), "Nothing found in what was looked at."),
        (("warning",), (), "Sign-ins should work."),
        (("warning", "unknown"), (), "not everything could be told"),
        (("unknown", "error"), (LEFT_OUT,), "Sign-ins fail, because of this:"),
    ],
)
def test_a_check_that_did_not_look_everywhere_says_so(severities, left_out, said):
    """It said that sign-ins should work where nobody had asked the provider, or Cognito could not be read."""
    desk = FakeDesk()
    findings = tuple(replace(FINDING, severity=each) for each in severities)
    desk.found = Checked(findings=findings, left_out=left_out)
    html = get(desk, "/connections/bank/check", "POST").html

    assert said in html
    assert ("was not looked at" in html) is bool(left_out)
    assert html.count("should work") == ("should work" in said)


def test_a_reference_is_explained():
    desk = FakeDesk()
    html = get(desk, f"/failures/explain?reference={REFERENCE}").html

    assert desk.asked == [REFERENCE]
    assert "fedbridge check bank" in html
    assert "214 ms" in html


@pytest.mark.parametrize(
    "path", ["/connections/nobody", "/nowhere", "/connections/bank/delete", "/connections/../../etc/passwd"]
)
def test_what_there_is_not_is_not_found(path):
    assert get(FakeDesk(), path).status == 404


def test_the_pages_may_send_forms_to_themselves_alone():
    assert "form-action 'self'" in HEADERS["content-security-policy"]
