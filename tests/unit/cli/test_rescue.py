"""Credentials on their way to a store: one run at a time has them."""

import pytest

from fedbridge.cli.rescue import Rescue
from fedbridge.errors import ConfigurationError


@pytest.fixture
def rescue(tmp_path):
    return Rescue(tmp_path / "pending" / "acme.json", "acme")


def test_two_runs_at_once_do_not_share_a_file(rescue):
    with (
        rescue.reserved(),
        pytest.raises(ConfigurationError, match="another `fedbridge register`"),
        rescue.reserved(),
    ):
        pytest.fail("the second run went on")
    with rescue.reserved():
        assert rescue.file.exists()
    assert not rescue.file.exists()


def test_a_killed_run_is_in_nobodys_way(rescue):
    rescue.file.parent.mkdir()
    rescue.file.write_text("")
    with rescue.reserved():
        assert rescue.file.stat().st_size == 0


def test_what_an_earlier_run_could_not_store_stays(rescue):
    rescue.file.parent.mkdir()
    rescue.file.write_text("{}")
    with pytest.raises(ConfigurationError, match="--recover"), rescue.reserved():
        pytest.fail("it went on")
    assert rescue.file.read_text() == "{}"
