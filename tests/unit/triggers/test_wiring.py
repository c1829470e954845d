"""What the triggers' functions are made of, in the environment that the template gives them."""

import pytest

from fedbridge import wiring
from fedbridge.errors import ConfigurationError
from fedbridge.model.deadline import Deadline
from fedbridge.triggers.configuration import decode_configuration
from fedbridge.user_pools import CognitoUserProfiles

DOCUMENT = '{"linking": {"providers": {"Bank": {"domains": ["example.com"]}}}}'


def test_a_local_run_reads_a_file(tmp_path):
    (tmp_path / "triggers.json").write_text(DOCUMENT)
    services = wiring.triggers(
        {
            "FEDBRIDGE_USER_POOL_ID": "eu-west-1_AbCdEfGhI",
            "FEDBRIDGE_TRIGGERS": f"file:{tmp_path}/triggers.json",
        }
    )
    assert services.configuration(Deadline.after(5)) == decode_configuration(DOCUMENT)
    assert isinstance(services.profiles(), CognitoUserProfiles)


def test_the_configuration_is_decoded_once_for_as_long_as_it_stays(tmp_path):
    (tmp_path / "triggers.json").write_text(DOCUMENT)
    services = wiring.triggers(
        {
            "FEDBRIDGE_USER_POOL_ID": "eu-west-1_AbCdEfGhI",
            "FEDBRIDGE_TRIGGERS": f"file:{tmp_path}/triggers.json",
        }
    )
    assert services.configuration(Deadline.after(5)) is services.configuration(Deadline.after(5))


def test_on_aws_a_file_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    (tmp_path / "triggers.json").write_text(DOCUMENT)
    services = wiring.triggers(
        {
            "FEDBRIDGE_USER_POOL_ID": "eu-west-1_AbCdEfGhI",
            "FEDBRIDGE_TRIGGERS": f"file:{tmp_path}/triggers.json",
            "AWS_LAMBDA_FUNCTION_NAME": "PreSignUp",
        }
    )
    with pytest.raises(ConfigurationError, match="is for local runs"):
        services.configuration(Deadline.after(5))


def test_passwords_are_new_and_of_every_kind_of_sign():
    services = wiring.triggers(
        {"FEDBRIDGE_USER_POOL_ID": "eu-west-1_AbCdEfGhI", "FEDBRIDGE_TRIGGERS": "file:triggers.json"}
    )
    passwords = {services.new_password() for _ in range(50)}
    assert len(passwords) == 50
    for password in passwords:
        assert 40 <= len(password) <= 99
        assert any(sign.isupper() for sign in password)
        assert any(sign.islower() for sign in password)
        assert any(sign.isdigit() for sign in password)
        assert "!" in password
