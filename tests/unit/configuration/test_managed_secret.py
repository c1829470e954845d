"""`managed_secret`: the bridge makes the client secret, in place of `secret_hashes`."""

import pytest

from fedbridge.configuration.document import decode, encode
from fedbridge.model.connection import ManagedSecret
from tests.unit.configuration.files import REMOVED, changed, loaded, problems

POOL = {"id": "eu-north-1_EXAMPLE01", "identity_provider": "Bank"}
MANAGED = {
    "relying_parties__0__secret_hashes": REMOVED,
    "relying_parties__0__managed_secret": {},
    "relying_parties__0__user_pool": POOL,
}


def declared(*without, **changes):
    kept = {path: value for path, value in (MANAGED | changes).items() if path not in without}
    return changed(**kept)


def test_there_is_no_hash_to_write(tmp_path):
    connection = loaded(tmp_path, declared(relying_parties__0__managed_secret={"rotate_every": 86_400}))
    (party,) = connection.relying_parties
    assert (party.secret_hashes, party.managed_secret) == ((), ManagedSecret(rotate_every=86_400))
    assert decode(encode(connection)).relying_parties == connection.relying_parties


@pytest.mark.parametrize(
    "body, problem",
    [
        (
            declared("relying_parties__0__secret_hashes"),
            "secret_hashes: is filled in by the bridge: leave it out, or managed_secret",
        ),
        (
            declared("relying_parties__0__user_pool"),
            "managed_secret: needs user_pool, which the secret is given to",
        ),
        (
            declared(relying_parties__0__managed_secret={"rotate_every": 86_399}),
            "managed_secret.rotate_every: must be between 86400 and 315360000 seconds",
        ),
        (
            declared("relying_parties__0__managed_secret"),
            "secret_hashes: is missing; managed_secret leaves it to the bridge",
        ),
    ],
)
def test_what_does_not_go_together(tmp_path, body, problem):
    assert problems(tmp_path, {"acme": body}) == [f"acme: relying_parties[0].{problem}"]
