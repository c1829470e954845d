"""Codes are what scripts rely on: each is documented, spelt like the others, and can really come."""

import json
import re

import pytest

from fedbridge.cli.check.codes import CODES, found
from fedbridge.cli.check.report import Report
from fedbridge.cli.cognito import codes as cognito
from tests.support import check_codes, markdown
from tests.support.machine import ROOT

SOURCES = "".join(
    file.read_text()
    for folder in ("check", "cognito")
    for file in (ROOT / "shared" / "fedbridge" / "cli" / folder).glob("*.py")
    if not file.name.startswith("codes")
)
EVERY = {**CODES.codes, **cognito.CODES.codes}


def test_the_page_lists_what_the_code_has():
    assert check_codes.PAGE.read_text("utf-8").endswith(check_codes.section()), (
        "run python -m tests.support.check_codes"
    )


def test_no_code_stands_for_two_things():
    assert not CODES.codes.keys() & cognito.CODES.codes.keys()


@pytest.mark.parametrize("code", EVERY)
def test_every_code_can_come(code):
    assert re.fullmatch(r"[a-z][a-z0-9_]*", code)
    # Some are reasons of the runtime as they are, some are put together of two.
    made = code.startswith("saml_metadata_") or code.endswith("_domain_unregistered")
    assert made or f'"{code}"' in SOURCES


@pytest.mark.parametrize("code", EVERY)
def test_every_code_says_why_and_what_to_do_in_sentences(code):
    advice = EVERY[code]
    for text in (advice.why, advice.fix):
        assert text.endswith((".", "?"))
        assert text[0].isupper() or text.startswith(("`", "client_secret_jwt"))


def test_the_pages_examples_are_what_is_printed(capsys):
    page = markdown.page("docs/check.md")
    (example,) = page.fences("json")
    document = json.loads(example.text)
    (finding,) = (found(each["code"], each["what"]) for each in document["findings"])
    Report(connection=document["connection"], as_json=True).print([finding])
    assert json.loads(capsys.readouterr().out) == document

    (example,) = page.fences("text")
    what = (
        'https://login.bank.example/token answered invalid_client ("client authentication failed"). It takes the client'
        " with `audience: token_endpoint`."
    )
    Report(connection="bank").print([found("assertion_audience_wrong", what)])
    assert capsys.readouterr().out == example.text
