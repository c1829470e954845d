"""Identity providers of facts, each with the bridge's relying-party side before it."""

import pytest

from tests.presets.configured import certificate_of, connection_of
from tests.presets.facts import Facts
from tests.presets.strict_idp import StrictIdp
from tests.unit.rp.idp import private_key


@pytest.fixture(scope="session")
def certificate() -> str:
    """A certificate of the RSA key of client assertions."""
    return certificate_of(private_key("PS256", 7))


@pytest.fixture
def idp_of(tmp_path, certificate):
    """Make identity providers; the connection of the same facts is loaded once."""
    loaded = {}

    def make(facts: Facts, variant: str | None = None) -> StrictIdp:
        if (id(facts), variant) not in loaded:
            loaded[id(facts), variant] = connection_of(facts, tmp_path, variant)
        return StrictIdp(facts=facts, connection=loaded[id(facts), variant], certificate=certificate)

    return make
