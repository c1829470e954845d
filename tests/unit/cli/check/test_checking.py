"""Whether an IdP is asked at all, and what is said of what was not looked at."""

import pytest

from fedbridge.cli.check.checking import probes
from fedbridge.configuration.presets import preset_names, read_preset
from tests.support.bridge import connection

ABOUT = '[preset]\ntitle = "A"\ndescription = "B"\n'


@pytest.mark.parametrize(
    ("more", "asked"), [("", True), ("probe = true\n", True), ("probe = false\n", False)]
)
def test_a_preset_may_say_that_the_idp_is_left_in_peace(tmp_path, more, asked):
    (tmp_path / "bank.toml").write_text(ABOUT + more)
    assert probes(connection(preset="./bank.toml"), tmp_path) is asked


def test_a_preset_that_is_not_here_may_have_said_so(tmp_path):
    assert probes(connection(preset="./bank.toml"), tmp_path) is False


def test_a_connection_without_a_preset_is_tried(tmp_path):
    assert probes(connection(), tmp_path) is True


@pytest.mark.parametrize("name", preset_names())
def test_no_preset_of_ours_keeps_an_operator_from_trying(name):
    """No IdP documents that it minds; who knows better writes a preset over it, or says --no-probe."""
    assert read_preset(name).about.probe
