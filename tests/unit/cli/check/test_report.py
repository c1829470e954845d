"""What a check prints, for people and for machines."""

import json

import pytest

from fedbridge.cli.check.codes import found
from fedbridge.cli.check.report import WIDTH, Report, verdict

SECRET = found(
    "client_secret_wrong", "https://login.bank.example/token answered invalid_client " + "again " * 30
)
CLOCK = found("clock_drifts", "The IdP's clock is 45 s ahead of this machine's.")
UNTOLD = found("token_request_inconclusive", "It answered invalid_request.")
HOST = found("dns_failed", "login.bank.example has no address.")


def printed(capsys, *findings, **how):
    code = Report(connection="bank", **how).print(findings, notes=("Something was left out.",))
    return code, capsys.readouterr().out


def test_silence_is_one_line(capsys):
    assert Report(connection="bank").print(()) == 0
    assert capsys.readouterr().out == "bank: no problem found\n"


def test_findings_stand_under_their_subject_and_the_verdict_comes_last(capsys):
    code, text = printed(capsys, HOST, SECRET, CLOCK)
    lines = text.splitlines()
    assert code == 1
    assert [line for line in lines if line and not line.startswith(" ")] == [
        "network", "client authentication", "Something was left out.", "bank: 2 errors, 1 warning",
    ]  # fmt: skip
    assert (
        lines.index("  error: dns_failed")
        < lines.index("  warning: clock_drifts")
        < lines.index("client authentication")
    )
    assert max(map(len, lines)) <= WIDTH
    assert f"    Do:  {CLOCK.fix}" in lines


def test_what_cannot_be_broken_stays_whole(capsys):
    url = f"https://login.bank.example/{'x' * 120}/token"
    _, text = printed(capsys, found("discovery_unavailable", f"{url} answered 404."))
    assert url in text


def test_as_json_it_is_the_same(capsys):
    code, text = printed(capsys, SECRET, UNTOLD, as_json=True)
    document = json.loads(text)
    assert code == 1
    assert document["verdict"] == "1 error, 0 warnings, 1 that could not be told"
    assert [each["code"] for each in document["findings"]] == [
        "client_secret_wrong",
        "token_request_inconclusive",
    ]
    assert document["left_out"] == ["Something was left out."]
    assert set(document["findings"][0]) == {"code", "severity", "subject", "what", "why", "fix"}


@pytest.mark.parametrize("findings", [(), (CLOCK,), (UNTOLD, CLOCK)])
def test_only_errors_make_it_fail(capsys, findings):
    assert Report(connection="bank").print(findings) == 0
    assert "error" not in verdict(findings).replace("0 errors", "")


@pytest.mark.parametrize("as_json", [False, True])
def test_what_others_wrote_is_not_obeyed_by_the_terminal(capsys, as_json):
    """Lists of metadata were printed as they came; C1 codes and marks of direction are no escapes of JSON either."""
    hostile = "\x1b]0;owned\x07 \x9b2J \u202egnp\u2066 \r\n bank: no problem found"
    _, text = printed(
        capsys, found("scope_not_offered", f"The IdP's scopes_supported: {hostile}."), as_json=as_json
    )
    assert all(char.isprintable() or char == "\n" for char in text)
    assert "\nbank: no problem found" not in text


def test_what_others_wrote_fills_no_screen(capsys):
    """The methods that an IdP advertises were all printed, a quarter of a megabyte of them."""
    _, text = printed(capsys, found("auth_method_unavailable", f"The IdP offers {'y' * 5_000}."))
    assert len(text) < 2_000
