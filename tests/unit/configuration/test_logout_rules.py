"""Rules of signing out: what would end nobody's session, or end where nobody registered, is refused."""

from pathlib import Path
from typing import Any

import pytest

from fedbridge.configuration.file import load
from fedbridge.errors import ConfigurationError
from tests.unit.configuration.files import changed, write

POOL = {"id": "eu-north-1_EXAMPLE01", "identity_provider": "Bank"}
BY_HAND = {
    "authorization_endpoint": "https://idp.example.com/authorize",
    "token_endpoint": "https://idp.example.com/token",
    "jwks_uri": "https://idp.example.com/jwks",
}


def party_with(**fields):
    """Return relying parties as the files of these tests have them, with fields over the first."""
    (party,) = changed()["relying_parties"]
    return [{**party, **fields}]


def problems(tmp_path: Path, **fields):
    try:
        load(write(tmp_path, {"acme": changed(**fields)}), allow_local=False)
    except ConfigurationError as error:
        return [line.partition("acme: ")[2] for line in error.problems]
    return []


SOUND: dict[str, dict[str, Any]] = {
    "nothing": {},
    "by client": {"logout": {"mode": "client_id"}},
    "by token": {
        "logout": {"mode": "id_token_hint", "sessions": True, "hint_required": True, "max_query": 512}
    },
    "without a session": {"logout": {"mode": "id_token_hint"}},
    "a back channel without a pool yet": {"logout": {"back_channel": True}},
    "a back channel": {"logout": {"back_channel": True}, "relying_parties": party_with(user_pool=POOL)},
    "a front channel": {
        "logout": {"front_channel": True, "sessions": True},
        "relying_parties": party_with(user_pool=POOL),
    },
    "endpoints by hand": {
        "endpoints": {
            **BY_HAND,
            "end_session_endpoint": "https://idp.example.com/logout",
            "revocation_endpoint": "https://idp.example.com/revoke",
        },
        "logout": {"mode": "client_id", "revoke_tokens": True},
    },
    "addresses": {
        "relying_parties": party_with(
            post_logout_redirect_uris=["https://app.example.com/", "https://app.example.com/?a=b"]
        )
    },
}


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_connection_has_no_problem(tmp_path, name):
    assert problems(tmp_path, **SOUND[name]) == []


RAW: dict[str, Any] = {"subject_claims": ["tid", "oid"]}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a lifetime of a minute": (
        {"logout": {"session_lifetime": 60}},
        "logout.session_lifetime: must be between",
    ),
    "a lifetime of two years": (
        {"logout": {"session_lifetime": 2 * 365 * 86400}},
        "logout.session_lifetime: must be between",
    ),
    "a cap that holds nothing": (
        {"logout": {"mode": "id_token_hint", "max_query": 100}},
        "logout.max_query: must be at least",
    ),
    "a cap on nothing": (
        {"logout": {"mode": "client_id", "max_query": 900}},
        "logout.max_query: is for mode",
    ),
    "a hint that is never sent": (
        {"logout": {"mode": "client_id", "hint_required": True}},
        "logout.hint_required: is for mode",
    ),
    "a type of nothing": ({"logout": {"require_typ": True}}, "logout.require_typ: is for back_channel"),
    "sessions for nobody": (
        {"logout": {"mode": "client_id", "sessions": True}},
        "logout.sessions: has no effect",
    ),
    "an unknown mode": ({"logout": {"mode": "logout_hint"}}, "logout.mode: must be one of"),
    "no end_session_endpoint": (
        {"endpoints": BY_HAND, "logout": {"mode": "client_id"}},
        "endpoints.end_session_endpoint: is missing",
    ),
    "no revocation_endpoint": (
        {"endpoints": BY_HAND, "logout": {"revoke_tokens": True}},
        "endpoints.revocation_endpoint: is missing",
    ),
    "an end_session_endpoint in the clear": (
        {"endpoints": {**BY_HAND, "end_session_endpoint": "http://idp.example.com/logout"}},
        "endpoints.end_session_endpoint: must begin with https://",
    ),
    "a private revocation_endpoint": (
        {"endpoints": {**BY_HAND, "revocation_endpoint": "https://10.0.0.1/revoke"}},
        "endpoints.revocation_endpoint: must name a host",
    ),
    "a pool's name for its id": (
        {"logout": {"back_channel": True}, "relying_parties": party_with(user_pool={**POOL, "id": "people"})},
        "relying_parties[0].user_pool.id: must be the id",
    ),
    "a provider's name with a blank": (
        {
            "logout": {"back_channel": True},
            "relying_parties": party_with(user_pool={**POOL, "identity_provider": "The Bank"}),
        },
        "relying_parties[0].user_pool.identity_provider: must be the name",
    ),
    "a front channel without sessions": (
        {"logout": {"front_channel": True}, "relying_parties": party_with(user_pool=POOL)},
        "logout.sessions: must be true",
    ),
    "a back channel that knows nobody": (
        {**RAW, "logout": {"back_channel": True}, "relying_parties": party_with(user_pool=POOL)},
        "logout.sessions: must be true",
    ),
    "encrypted logout tokens": (
        {
            "logout": {"back_channel": True},
            "id_token": {"encryption": "required"},
            "token_decryption": {"keys": ["secretsmanager:fedbridge/prod/decryption"]},
            "relying_parties": party_with(user_pool=POOL),
        },
        "logout.back_channel: needs id_token.encryption: none",
    ),
    "an address in the clear": (
        {"relying_parties": party_with(post_logout_redirect_uris=["http://app.example.com/"])},
        "relying_parties[0].post_logout_redirect_uris[0]: must begin with https://",
    ),
    "an address with a fragment": (
        {"relying_parties": party_with(post_logout_redirect_uris=["https://app.example.com/#bye"])},
        "relying_parties[0].post_logout_redirect_uris[0]: must not have a fragment",
    ),
    "an address twice": (
        {"relying_parties": party_with(post_logout_redirect_uris=["https://app.example.com/"] * 2)},
        "relying_parties[0].post_logout_redirect_uris[1]: is there twice",
    ),
    "too many addresses": (
        {
            "relying_parties": party_with(
                post_logout_redirect_uris=[f"https://app.example.com/{i}" for i in range(21)]
            )
        },
        "relying_parties[0].post_logout_redirect_uris: must be 20 at most",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_right_is_refused_where_it_stands(tmp_path, name):
    fields, expected = REFUSED[name]
    found = problems(tmp_path, **fields)
    assert [line for line in found if line.startswith(expected)], found
