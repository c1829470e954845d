"""How every refused key is looked at: the whole error, as a logger would see it, quotes none of it."""

import base64
import json
import re
import traceback
from collections.abc import Iterator

import pytest

from fedbridge.errors import ConfigurationError
from fedbridge.keys.jwk import ImportedKey, import_private_key

SOURCE = "file:client.pem"
_TEXT = re.compile(r"[A-Za-z0-9+/_-]{12,}")


def imported(text: str, *, fragment: str | None = None, trusted: bool = False) -> ImportedKey:
    return import_private_key(text, source=SOURCE, fragment=fragment, trusted=trusted)


def refusal(text: str, *, fragment: str | None = None, trusted: bool = False) -> str:
    """Return the message of the refusal, after it is known to name the source and to hold no byte of the key."""
    with pytest.raises(ConfigurationError) as caught:
        imported(text, fragment=fragment, trusted=trusted)
    assert_quotes_nothing(caught.value, text)
    message = str(caught.value)
    assert message.startswith(SOURCE)
    return message


def assert_quotes_nothing(error: BaseException, text: str) -> None:
    """The error, its whole chain and the traceback hold no piece of `text`, nor does an object that hangs on them."""
    chain = list(_chain(error))
    said = "".join(traceback.format_exception(error)) + "".join(f"{link!r}{vars(link)}" for link in chain)
    # What is public anyway may be named: labels of PEM blocks, names of members and algorithms.
    pieces = {piece for piece in _TEXT.findall(text) if not piece.isupper()}
    assert [piece for piece in pieces if any(part in said for part in _parts(piece))] == []
    for link in chain:
        assert not isinstance(link, json.JSONDecodeError | UnicodeDecodeError), "carries the document"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _parts(piece: str) -> Iterator[str]:
    for start in range(0, len(piece) - 11, 12):
        part = piece[start : start + 12]
        yield part
        yield base64.urlsafe_b64decode(part).hex()
