"""How each provider wants to be left, from the reference, and what it sends when somebody leaves there."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from fedbridge.configuration.presets import preset_names
from fedbridge.model.connection import Connection
from fedbridge.model.deadline import Deadline
from fedbridge.model.logout import Logout
from tests.presets.configured import connection_of
from tests.presets.every import ALL
from tests.unit.rp.idp import STATE, FakeIdp

RETURN = "https://bridge.example/acme/logout/callback"
HINT = {"id_token_hint": "e30.e30.c2lnbmF0dXJl"}

BY_HINT = {"id_token_hint", "post_logout_redirect_uri", "state"}
BY_CLIENT = {"client_id", "post_logout_redirect_uri", "state"}

# Preset → what travels with the ID token at hand, and without it (None: the browser stays away).
REQUESTS: dict[str, tuple[set[str], set[str] | None]] = {
    "login_gov": (BY_CLIENT, BY_CLIENT),
    "govuk_one_login": (BY_HINT, None),
    "franceconnect": (BY_HINT, None),
    "franceconnect_plus": (BY_HINT, None),
    "proconnect": (BY_HINT, None),
    "id_porten": (BY_HINT, BY_CLIENT),
}
BACK_CHANNEL = {"govuk_one_login"}
FRONT_CHANNEL = {"id_porten"}


@pytest.fixture(scope="module")
def connections(tmp_path_factory) -> dict[str, Connection]:
    return {facts.preset: connection_of(facts, tmp_path_factory.mktemp(facts.preset)) for facts in ALL}


def leave(connection, remembered):
    idp = FakeIdp(issuer=connection.issuer)
    idp.serve_metadata(end_session_endpoint=idp.url("/logout"))
    url = idp.upstream.logout(
        connection, state=STATE, return_url=RETURN, remembered=remembered, deadline=Deadline.after(5)
    )
    return None if url is None else dict(parse_qsl(urlsplit(url).query, strict_parsing=True))


@pytest.mark.parametrize("name", REQUESTS)
def test_the_logout_request_is_this_and_nothing_else(connections, name):
    with_hint, without = REQUESTS[name]
    sent = leave(connections[name], HINT)
    assert sent is not None
    assert sent.keys() == with_hint
    assert len(sent["state"]) >= 32
    bare = leave(connections[name], {})
    assert (None if bare is None else bare.keys()) == without


def test_govuk_is_not_sent_a_query_above_its_cap(connections):
    assert leave(connections["govuk_one_login"], {"id_token_hint": "x" * 2000}) is None


@pytest.mark.parametrize("name", sorted(set(preset_names()) - REQUESTS.keys() - {"github"}))
def test_where_no_logout_is_known_nothing_is_tried(connections, name):
    assert connections[name].logout == Logout()


def test_who_tells_us_of_logouts(connections):
    assert {name for name, at in connections.items() if at.logout.back_channel} == BACK_CHANNEL
    assert {name for name, at in connections.items() if at.logout.front_channel} == FRONT_CHANNEL
