from collections import Counter

from fedbridge.rp.random_values import ALPHABET, LENGTH, random_value


def test_no_character_is_likelier_than_another():
    drawn = Counter("".join(random_value() for _ in range(20_000)))
    expected = 20_000 * LENGTH / len(ALPHABET)
    assert drawn.keys() == set(ALPHABET)
    # Six standard deviations; a plain modulo of an octet would be 25 % off.
    assert all(abs(count - expected) < 6 * expected**0.5 for count in drawn.values())


def test_every_value_has_43_characters():
    assert {len(random_value()) for _ in range(1000)} == {LENGTH} == {43}
