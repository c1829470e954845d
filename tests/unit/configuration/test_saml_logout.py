"""Rules of SAML's single logout."""

import pytest

from tests.unit.configuration.files import REMOVED, changed, loaded, problems
from tests.unit.configuration.test_saml import KEY, SAML

SLO = "https://idp.acme.example/slo"
ON = {
    "saml__logout": {},
    "saml__provider__single_logout_service": SLO,
    "saml__signing_keys": [KEY],
    "logout": {"sessions": True},
}
POOL = {"id": "eu-west-1_AbCdEfGhI", "identity_provider": "Acme"}


def leaving(**changes):
    """Return a connection with single logout, changed; what is REMOVED is not put in."""
    given = {**ON, **changes}
    absent = {
        name
        for name in ("saml__logout", "saml__provider__single_logout_service", "logout")
        if given[name] is REMOVED
    }
    return changed(SAML, **{name: value for name, value in given.items() if name not in absent})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"saml__logout": {"binding": "redirect"}},
        {"logout": {"sessions": True, "session_lifetime": 3600}},
    ],
)
def test_what_is_accepted(tmp_path, changes):
    connection = loaded(tmp_path, leaving(**changes))
    assert connection.saml is not None
    assert connection.saml.logout is not None
    assert connection.logout.sessions


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"logout": {}}, "logout.sessions: must be true: a LogoutRequest names the person and the session"),
        (
            {"saml__provider__single_logout_service": REMOVED},
            "saml.provider.single_logout_service: is missing: saml.logout sends browsers there",
        ),
        ({"saml__provider__single_logout_service": "http://idp.acme.example/slo"}, "saml.provider.single_logout_service: "),
        ({"saml__logout": {"binding": "post"}}, "saml.logout.binding: must be the provider's binding"),
        ({"saml__logout": {"binding": "soap"}}, "saml.logout.binding: must be one of redirect, post"),
        (
            {"saml__request": {"signed": False}, "saml__signing_keys": REMOVED},
            "saml.signing_keys: must name at least one: every logout message is signed",
        ),
        ({"saml__logout": REMOVED, "logout": REMOVED}, "saml.provider.single_logout_service: needs saml.logout"),
        ({"logout": {"sessions": True, "mode": "client_id"}}, "logout.mode: does not apply to SAML: see saml.logout"),
        ({"logout": {"sessions": True, "back_channel": True}}, "logout.back_channel: does not apply to SAML"),
        ({"logout": {"sessions": True, "front_channel": True}}, "logout.front_channel: does not apply to SAML"),
        ({"logout": {"sessions": True, "revoke_tokens": True}}, "logout.revoke_tokens: does not apply to SAML"),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path, changes, problem):
    assert any(problem in each for each in problems(tmp_path, {"acme": leaving(**changes)}))


def test_by_metadata(tmp_path):
    source = {"source": "https://idp.acme.example/metadata"}
    body = leaving(saml__metadata=source, saml__provider__single_logout_service=REMOVED)
    del body["saml"]["provider"]
    assert problems(tmp_path, {"acme": body}) == []


def test_a_pool_may_be_named_whether_the_idp_tells_or_not(tmp_path):
    """Operators' commands look at it too."""
    (party,) = SAML["relying_parties"]
    parties = [{**party, "user_pool": POOL}]
    assert problems(tmp_path, {"acme": leaving(relying_parties=parties)}) == []
    assert problems(tmp_path, {"acme": changed(SAML, relying_parties=parties)}) == []


def test_sessions_that_nothing_asks_for(tmp_path):
    found = problems(tmp_path, {"acme": changed(SAML, logout={"sessions": True})})
    assert any("logout.sessions: has no effect" in each for each in found)
