"""How long a relying party's ID tokens may be good for."""

import pytest

from tests.unit.configuration.files import changed, loaded, problems


def with_lifetime(value, **changes):
    return {"acme": changed(relying_parties__0__id_token_lifetime=value, **changes)}


def test_five_minutes_unless_told(tmp_path):
    assert loaded(tmp_path, changed()).relying_parties[0].id_token_lifetime == 300
    told = with_lifetime(3600)["acme"]
    assert loaded(tmp_path, told).relying_parties[0].id_token_lifetime == 3600


@pytest.mark.parametrize("value", [0, 59, 3601, -1])
def test_no_longer_than_an_hour(tmp_path, value):
    assert problems(tmp_path, with_lifetime(value)) == [
        "acme: relying_parties[0].id_token_lifetime: must be between 60 and 3600 seconds"
    ]


@pytest.mark.parametrize("value", ["900", True, 900.5, None])
def test_nothing_but_a_number(tmp_path, value):
    (problem,) = problems(tmp_path, with_lifetime(value))
    assert problem.startswith("acme: relying_parties[0].id_token_lifetime: must be ")


def test_a_relayed_token_is_as_long_as_the_idp_says(tmp_path):
    relayed = with_lifetime(900, tokens="relay", relying_parties__0__client_id="fedbridge")
    assert "acme: relying_parties[0].id_token_lifetime: is the IdP's to say, with tokens: relay" in problems(
        tmp_path, relayed
    )
