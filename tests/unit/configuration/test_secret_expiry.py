"""`client_authentication.secret_expires`: the day from which the IdP refuses the client secret."""

import pytest

from fedbridge.model.connection import ClientAuthentication
from tests.unit.configuration.files import changed, loaded, problems

SECRET = {"method": "client_secret_basic", "secret": "secretsmanager:fedbridge/prod/acme"}


def declared(**fields):
    return changed(client_authentication={**SECRET, **fields})


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "client_secret_jwt"])
def test_every_secret_may_have_a_last_day(tmp_path, method):
    connection = loaded(tmp_path, declared(method=method, secret_expires="2027-05-31"))
    assert connection.client_authentication.secret_expires_at == 1_811_721_600.0  # that day's midnight, UTC


def test_a_day_that_has_passed_keeps_nobody_from_publishing(tmp_path):
    assert problems(tmp_path, {"acme": declared(secret_expires="2001-02-03")}) == []


@pytest.mark.parametrize(
    "day",
    [
        "2027-02-30",
        "20270531",
        "2027-5-31",
        "soon",
        "2027-05-31T00:00:00Z",
        "",
        "\uff12\uff10\uff12\uff17-05-31",
    ],
)
def test_what_is_no_day_is_refused(tmp_path, day):
    assert problems(tmp_path, {"acme": declared(secret_expires=day)}) == [
        "acme: client_authentication.secret_expires: must be a day, such as 2027-05-31"
    ]


def test_a_key_has_no_such_day(tmp_path):
    body = changed(client_authentication__secret_expires="2027-05-31")
    assert problems(tmp_path, {"acme": body}) == [
        "acme: client_authentication.secret_expires: does not apply to private_key_jwt"
    ]


def test_no_day_is_known_unless_somebody_names_it():
    assert ClientAuthentication(secret="env:S").secret_expires_at is None
