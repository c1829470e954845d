import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedbridge.strict_json import MAX_DEPTH, InvalidJson, decode, decode_object

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda children: (
        st.lists(children) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), children)
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(VALUES)
def test_reads_what_any_encoder_writes(value):
    assert decode(json.dumps(value).encode()) == value
    assert decode(json.dumps(value, ensure_ascii=False, indent=1).encode()) == value


@settings(deadline=None)
@given(st.binary())
def test_answers_any_bytes_with_a_value_or_with_invalid_json(document):
    try:
        value = decode(document)
    except InvalidJson:
        return
    assert value == json.loads(document)


@pytest.mark.parametrize(
    "document",
    [
        b'{"sub":"ana","sub":"eve"}',
        b'{"a":{"b":1,"b":1}}',
        b'{"a":1,"\\u0061":2}',
        b'{"exp":NaN}',
        b'{"exp":Infinity}',
        b'{"exp":-Infinity}',
        b'{"exp":1e309}',
        b'{"exp":-1e400}',
        b'{"exp":' + b"1" * 33 + b"}",
        b'{"exp":1.' + b"0" * 31 + b"}",
        b'{"exp":' + b"9" * 5000 + b"}",
        b'{"sub":"\\ud800"}',
        b'{"sub":"\\udc00\\ud800"}',
        b'{"\\uDFFF":1}',
        b'{"sub":"\xed\xa0\x80"}',
        b"\xef\xbb\xbf{}",
        '{"sub":"ana"}'.encode("utf-16"),
        b'{"sub":"\xff"}',
        b'{"sub":"a\nb"}',
        b"{'sub':'ana'}",
        b'{"sub":"ana",}',
        b'{"sub":"ana"} {}',
        b'{"sub":"ana"}\x00',
        b'{"sub":01}',
        b'{"sub":+1}',
        b"// comment\n{}",
        b'{"sub":"ana"',
        b"",
        b" ",
    ],
)
def test_refuses_what_can_be_read_in_two_ways(document):
    with pytest.raises(InvalidJson):
        decode_object(document)


@pytest.mark.parametrize("document", [b"[]", b"null", b"1", b'"{}"', b"true"])
def test_an_object_is_not_a_list_or_a_scalar(document):
    decode(document)
    with pytest.raises(InvalidJson, match="not an object"):
        decode_object(document)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_depth_is_bounded(opening):
    closing = {b"[": b"]", b'{"a":': b"}"}[opening]
    decode(opening * MAX_DEPTH + b"1" + closing * MAX_DEPTH)
    with pytest.raises(InvalidJson, match="nested too deeply"):
        decode(opening * (MAX_DEPTH + 1) + b"1" + closing * (MAX_DEPTH + 1))
    with pytest.raises(InvalidJson, match="nested too deeply"):
        decode(opening * 100_000)


def test_brackets_in_strings_are_not_depth():
    assert decode(json.dumps({"a": '[{"\\' * 100}).encode()) == {"a": '[{"\\' * 100}
    assert decode(b'["' + b"[" * 100 + b'\\"' + b"{" * 100 + b'"]') == ["[" * 100 + '"' + "{" * 100]


@pytest.mark.parametrize("piece", [b'\\"', b'"', b"\\", b'"\\'])
def test_an_unterminated_string_is_read_once(piece):
    """A quadratic scan of 256 kB would run into the test's time-out."""
    with pytest.raises(InvalidJson):
        decode(b'{"a":"' + piece * (256 * 1024 // len(piece)))


def test_the_message_never_quotes_the_document():
    with pytest.raises(InvalidJson) as refused:
        decode(b'{"secret":"s3cr3t"')
    assert "s3cr3t" not in str(refused.value)
    assert refused.value.__suppress_context__
