"""The detector of canaries and its plugin can fail: every form of a leak is found, and a leak fails its test."""

import base64
import html
import json
import os
import re
import string
import subprocess
import sys
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.canaries import SHORTEST, Detector, forms
from tests.support.machine import ROOT

SECRET = 'a+b/c=d&e f"<ü>\\ secret of some length'
HANDLE = "0aB1cD2eF3gH4iJ5kL6mN7oP8qR9sT0uV1wX2yZ3aB4cD"
NOISE = "x" * 100


def detector(*values: str) -> Detector:
    found = Detector()
    for value in values:
        found.add(value, "secret")
    return found


ESCAPES = {
    "plain": lambda value: value,
    "JSON": lambda value: json.dumps({"key": value}),
    "JSON, not ASCII": lambda value: json.dumps({"key": value}, ensure_ascii=False),
    "URL": lambda value: f"https://x.example/?a={quote(value, safe='')}&b=c",
    "form": lambda value: f"a={quote_plus(value)}",
    "URL in lower case": lambda value: "".join(f"%{byte:02x}" if byte > 127 or chr(byte) in '"&+/<=>\\ ' else chr(byte) for byte in value.encode()),
    "URL in a URL": lambda value: quote(quote(value, safe=""), safe=""),
    "HTML": lambda value: f"<p>{html.escape(value)}</p>",
    "repr": lambda value: repr({"key": value}),
    "bytes": lambda value: repr(value.encode()),
    "hex": lambda value: value.encode().hex(),
    "HEX": lambda value: value.encode().hex().upper(),
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "base64 after one byte": lambda value: base64.b64encode(b":" + value.encode()).decode(),
    "base64 after two bytes": lambda value: base64.b64encode(b"id:" + value.encode() + b"x").decode(),
    "base64url": lambda value: base64.urlsafe_b64encode(b"ab" + value.encode()).decode().rstrip("="),
    "a JWT's payload": lambda value: base64.urlsafe_b64encode(json.dumps({"sub": value}).encode()).decode(),
}  # fmt: skip


@pytest.mark.parametrize("escape", ESCAPES)
@pytest.mark.parametrize("value", [SECRET, HANDLE], ids=["awkward", "handle"])
def test_every_form_is_found_in_the_middle_of_other_text(escape, value):
    if escape == "a JWT's payload" and value == SECRET:
        value = HANDLE + "-again"  # JSON escapes within base64 are two forms at once
    text = f"{NOISE}{ESCAPES[escape](value)}{NOISE}"
    assert detector(value).find(text) == {"secret"}
    assert detector("another-secret-of-the-same-length-and-more").find(text) == set()


@pytest.mark.parametrize(
    "cut", [slice(0, 47), slice(1, None), slice(0, -1), slice(300, 400), slice(-60, None)]
)
def test_a_part_of_a_long_value_is_found(cut):
    value = "".join(HANDLE[number % 7 :] + str(number) for number in range(20))
    assert detector(value).find(f"{NOISE}{value[cut]}{NOISE}") == {"secret"}


def test_what_is_not_there_is_not_found():
    values = [HANDLE, SECRET]
    assert detector(*values).find(json.dumps({"kid": HANDLE[::-1], "text": string.printable * 10})) == set()
    assert detector(*values).find("") == set()
    assert detector(*values).find(HANDLE[:11]) == set()


def test_an_allowed_label_lets_a_value_pass():
    found = Detector()
    found.add(HANDLE, "code")
    assert found.find(HANDLE, allowed={"code"}) == set()
    assert found.find(HANDLE, allowed={"state"}) == {"code"}


def test_what_is_too_short_is_no_canary():
    with pytest.raises(ValueError, match="12 characters"):
        detector("short")


VALUES = st.text(min_size=SHORTEST, max_size=200).filter(lambda value: len(set(value)) > 3)


def test_padding_is_no_canary():
    assert detector("s" * 64).find("state=" + "s" * 4096) == set()
    assert detector("x" + "s" * 64).find("x" + "s" * 64) == {"secret"}


@given(VALUES, st.text(max_size=50), st.text(max_size=50))
def test_a_value_is_found_wherever_it_stands(value, before, after):
    assert detector(value).find(before + value + after) == {"secret"}
    encoded = base64.b64encode((before + value + after).encode("utf-8", "surrogatepass")).decode()
    if len(value.encode()) >= SHORTEST + 6:
        assert detector(value).find(encoded) == {"secret"}
    assert all(len(form) >= SHORTEST for form in forms(value))


# --- the plugin, in pytest runs of its own -----------------------------------------------------------------------------

PREAMBLE = """
import logging, sys
import pytest
from tests.fakes.telemetry import NullTelemetry, RecordingTelemetry
from tests.support import bridge, canaries, gateway
from fedbridge.telemetry.powertools import PowertoolsTelemetry

SECRET = "a-secret-that-this-run-registers-0123456789"

@pytest.fixture(autouse=True)
def registered():
    canaries.watch(SECRET, "the canary")
"""

LEAKS = {
    "standard output": "def test_leak():\n    print('the secret is', SECRET)",
    "standard error": "def test_leak():\n    sys.stderr.write(SECRET)",
    "output of a fixture": """
@pytest.fixture
def talks():
    yield
    print(SECRET)

def test_leak(talks):
    pass
""",
    "output that the test read itself": """
def test_leak(capsys):
    print(SECRET)
    assert SECRET in capsys.readouterr().out
""",
    "output of the process": """
def test_leak(capfd):
    import os
    os.write(2, SECRET.encode())
    assert SECRET in capfd.readouterr().err
""",
    "a field of an event": "def test_leak():\n    RecordingTelemetry().event('store_failed', reason=SECRET)",
    "a field, shaped like a token": """
def test_leak():
    NullTelemetry().event("store_failed", reason="eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbmEifQ.")
""",
    "a field, shaped like a handle": """
def test_leak():
    NullTelemetry().event("store_failed", reason="A" * 42 + "b")
""",
    "an address": "def test_leak():\n    NullTelemetry().event('store_failed', reason='ana@example.com')",
    "a log line": """
def test_leak():
    PowertoolsTelemetry(service="leaking").event("store_failed", reason="b" + "A" * 42)
""",
    "base64 in a field": """
def test_leak():
    import base64
    RecordingTelemetry().event("store_failed", reason=base64.b64encode(b"x:" + SECRET.encode()).decode())
""",
    "a library's record": """
def test_leak():
    logging.disable(logging.NOTSET)  # what the product must never do
    logging.getLogger("botocore.endpoint").debug("sending %s", SECRET)
""",
    "a page": """
def test_leak():
    canaries.watch_result({"headers": {}, "cookies": [], "body": f"<p>{SECRET}</p>"})
""",
    "a page with a token": """
def test_leak():
    canaries.watch_result({"headers": {}, "body": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbmEifQ."})
""",
    "a header": """
def test_leak():
    canaries.watch_result({"headers": {"x-debug": SECRET}, "cookies": [], "body": ""})
""",
    "a redirect": """
def test_leak():
    canaries.watch_result({"headers": {"location": f"https://idp.example/?client_id=a&x={SECRET}"}})
""",
    "a code that came back in the error of its own redemption": """
def test_leak():
    walk = gateway.Gateway()
    code = gateway.Visitor(walk).sign_in()
    walk.redeem(code)
    canaries.watch_result({"headers": {}, "body": '{"error": "invalid_grant", "error_description": "%s"}' % code})
""",
    "the client secret of the tests": "def test_leak():\n    print(bridge.SECRET)",
    "a private key of the fakes": """
def test_leak():
    from tests.support.keys import ec_key, private_jwk
    print(private_jwk(ec_key())["d"])
""",
}
CLEAN = """
def test_a_sign_in():
    walk = gateway.Gateway()
    assert gateway.signs_in(walk)

def test_output():
    print("nothing to see")

def test_the_canary_of_one_test_is_free_text_to_the_next():
    canaries.watch("a value that is only of the first test", "x")

def test_the_next():
    print("a value that is only of the first test")
"""


@pytest.fixture
def run(tmp_path):
    """Run tests in another process, with the project's own conftest; many modules share one run, which is dear.

    What they leak must not come out of this process, too, and so it is read from a pipe.
    """

    def run(**modules: str) -> str:
        (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
        (tmp_path / "pytest.ini").write_text("[pytest]\n")
        for name, source in modules.items():
            (tmp_path / f"test_{name}.py").write_text(PREAMBLE + source)
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:randomly",
            "-p",
            "no:cacheprovider",
            "-rfE",
        ]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'shared'}"},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout

    return run


def test_every_kind_of_leak_fails_its_test(run):
    told = run(**{f"leak_{number}": source for number, source in enumerate(LEAKS.values())})
    unnoticed = [
        kind
        for number, kind in enumerate(LEAKS)
        if not re.search(
            rf"^(FAILED|ERROR) test_leak_{number}\.py::test_leak - What must not", told, re.MULTILINE
        )
    ]
    assert unnoticed == []


def test_what_does_not_leak_passes(run):
    assert re.search(r"^4 passed", run(clean=CLEAN), re.MULTILINE)
