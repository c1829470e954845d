import json
import urllib.parse
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedbridge.claims.normalize import LIMIT, Unusable, flattened_size, normalize
from fedbridge.model.connection import ClaimRule
from tests.unit.claims.connections import unhurried

AUTO = ClaimRule(value="x")
STRING = ClaimRule(value="x", type="string")
BOOLEAN = ClaimRule(value="x", type="boolean")
LIST = ClaimRule(value="x", type="list")
JOINED = ClaimRule(value="x", type="joined", separator=";")


@pytest.mark.parametrize(
    "rule, value, expected",
    [
        (AUTO, "Ada", "Ada"),
        (AUTO, " Ada ", " Ada "),
        (AUTO, True, True),
        (AUTO, False, False),
        (AUTO, 0, "0"),
        (AUTO, 9007199254740993, "9007199254740993"),
        (AUTO, 12345678901234567890123, "12345678901234567890123"),
        (AUTO, 1.0, "1"),
        (AUTO, -0.5, "-0.5"),
        (AUTO, 1e-7, "0.0000001"),
        (AUTO, ["a", "b"], ["a", "b"]),
        (AUTO, ["a", 1, True, None, ""], ["a", "1", "true"]),
        (STRING, True, "true"),
        (STRING, 7, "7"),
        (STRING, {"city": "Malmö", "n": 1}, '{"city":"Malmö","n":1}'),
        (STRING, ["a", {"b": None}], '["a",{"b":null}]'),
        (BOOLEAN, True, True),
        (BOOLEAN, "true", True),
        (BOOLEAN, "false", False),
        (LIST, "a", ["a"]),
        (LIST, ["a"], ["a"]),
        (JOINED, ["a", "b", 3], "a;b;3"),
        (JOINED, "a", "a"),
    ],
)
def test_values_get_the_type_of_the_rule(rule, value, expected):
    result = normalize(value, rule)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize("rule", [AUTO, STRING, BOOLEAN, LIST, JOINED])
@pytest.mark.parametrize("value", [None, "", "  ", [], {}])
def test_nothing_is_absent(rule, value):
    assert normalize(value, rule) is None


@pytest.mark.parametrize("rule", [AUTO, LIST, JOINED])
def test_a_list_of_nothing_is_absent(rule):
    assert normalize([None, "", " "], rule) is None


@pytest.mark.parametrize(
    "rule, value",
    [
        (AUTO, {"a": 1}),
        (AUTO, [["a"]]),
        (AUTO, [{"a": 1}]),
        (AUTO, float("nan")),
        (AUTO, float("inf")),
        (AUTO, 2.0**53),
        (AUTO, 1e300),
        (AUTO, object()),
        (STRING, [float("nan")]),
        (STRING, {"a": object()}),
        (STRING, {"a": "x\u0000"}),
        (STRING, {"a\u202e": "x"}),
        (BOOLEAN, "True"),
        (BOOLEAN, "TRUE "),
        (BOOLEAN, "1"),
        (BOOLEAN, 1),
        (BOOLEAN, 0),
        (BOOLEAN, [True]),
        (LIST, [["a"]]),
        (JOINED, ["a;admin"]),
        (JOINED, {"a": 1}),
    ],
)
def test_what_has_no_honest_form_is_unusable(rule, value):
    with pytest.raises(Unusable) as unusable:
        normalize(value, rule)
    assert unusable.value.reason == "claim_unusable"


CONTROLS = (
    "00 09 0a 0d 1f 7f 85 61c 200e 200f 2028 2029 202a 202b 202c 202d 202e 2066 2067 2068 2069 d800 dfff ffff"
)


@pytest.mark.parametrize(
    "character",
    [chr(int(code, 16)) for code in CONTROLS.split()],
)
@pytest.mark.parametrize("rule", [AUTO, STRING, LIST, JOINED])
def test_controls_are_unusable(rule, character):
    for value in (f"a{character}b", [f"a{character}b"]):
        with pytest.raises(Unusable) as unusable:
            normalize(value, rule)
        assert unusable.value.reason == "claim_unusable"


def test_lines_are_for_the_formatted_address_alone():
    address = "Storgatan 1\r\n211 00 Malmö\nSweden"
    assert normalize(address, AUTO, lines=True) == address
    for value in ("a\rb", "a\tb", "a\n\u202eb"):
        with pytest.raises(Unusable):
            normalize(value, AUTO, lines=True)


def test_other_scripts_pass_whole():
    for name in ("Zoë", "山田太郎", "محمد", "می‌خواهم", "🙂", "é"):
        assert normalize(name, AUTO) == name


@pytest.mark.parametrize(
    "rule, fits, too_long",
    [
        (AUTO, "a" * LIMIT, "a" * (LIMIT + 1)),
        (AUTO, "é" * (LIMIT // 2), "é" * (LIMIT // 2) + "a"),
        (AUTO, int("9" * LIMIT), int("9" * LIMIT) + 1),
        (AUTO, ["a" * (LIMIT - 2)], ["a" * (LIMIT - 1)]),
        (AUTO, ["a" * 1022, "b" * 1023], ["a" * 1023, "b" * 1023]),
        (AUTO, ["/" * 682], ["/" * 683]),
        (LIST, "é" * 341, "é" * 342),
        (JOINED, ["a" * 1023, "b" * 1024], ["a" * 1024, "b" * 1024]),
        (STRING, {"a": "b" * (LIMIT - 8)}, {"a": "b" * (LIMIT - 7)}),
    ],
    ids=["ascii", "utf-8", "number", "item", "items", "encoded", "encoded-utf-8", "joined", "json"],
)
def test_the_limit_is_2048_bytes_and_nothing_is_cut(rule, fits, too_long):
    assert normalize(fits, rule) is not None
    with pytest.raises(Unusable) as unusable:
        normalize(too_long, rule)
    assert unusable.value.reason == "claim_too_long"


@pytest.mark.parametrize(
    "value", ["x" * 5_000_000, 10**10_000, ["x"] * 100_000], ids=["string", "number", "list"]
)
def test_huge_values_are_too_long(value):
    with pytest.raises(Unusable) as unusable:
        normalize(value, AUTO)
    assert unusable.value.reason == "claim_too_long"


def test_deep_values_are_unusable():
    value: Any = "x"
    for _ in range(100_000):
        value = [value]
    with pytest.raises(Unusable):
        normalize(value, STRING)


@unhurried
@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1), max_size=5))
def test_the_flattened_size_is_that_of_form_encoding(items):
    written = "[" + ",".join(urllib.parse.quote_plus(i, safe=".-*_").replace("~", "%7E") for i in items) + "]"
    assert flattened_size(items) == len(written)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.text(min_size=2000, max_size=2100),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=12,
)


@unhurried
@given(JSON, st.sampled_from([AUTO, STRING, BOOLEAN, LIST, JOINED]))
def test_any_json_becomes_what_cognito_takes_or_is_unusable(value, rule):
    try:
        result = normalize(value, rule)
    except Unusable:
        return
    if isinstance(result, list):
        assert result
        assert all(result)
        assert flattened_size(result) <= LIMIT
    elif isinstance(result, str):
        assert 0 < len(result.encode()) <= LIMIT
        assert "\x00" not in result
    else:
        assert result is None or isinstance(result, bool)
    json.dumps(result).encode()


@unhurried
@given(st.integers() | st.integers(min_value=10**300, max_value=10**600))
def test_whole_numbers_are_exact(number):
    assert int(str(normalize(number, AUTO))) == number


@unhurried
@given(st.lists(st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=20), max_size=20))
def test_a_joined_list_splits_into_the_same_items(items):
    try:
        joined = normalize(items, JOINED)
    except Unusable:
        assert any(";" in item for item in items)
    else:
        assert joined == ";".join(items) if items else joined is None
