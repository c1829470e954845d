"""What a snapshot of an OpenID provider stands in for, and what it does not (ADR 0023)."""

import json
from contextlib import contextmanager
from dataclasses import replace

import pytest

from fedbridge.errors import ConfigurationError, UpstreamError
from fedbridge.model.connection import (
    AuthorizationRequestProfile,
    Endpoints,
    IdTokenPolicy,
    UserinfoPolicy,
)
from fedbridge.model.deadline import Deadline
from fedbridge.model.logout import Logout
from fedbridge.rp.metadata import parse_metadata, read_metadata
from fedbridge.snapshots import MAX_BYTES, Snapshots
from tests.fakes.http import json_answer
from tests.unit.rp.idp import FakeIdp, connection, private_key, public_jwk
from tests.unit.rp.logout_tokens import logout_token, verifier_of

HOUR = 3600.0
DOWN = UpstreamError("upstream_unreachable")


def take(idp, at=None, **options):
    snapshots = Snapshots(
        http=idp.http, keys=idp.keys, secrets=idp.secrets, telemetry=idp.telemetry, clock=idp.clock
    )
    return snapshots.take(at or connection(), Deadline.after(20), **options)


def published(idp, at=None):
    """Return the connection with a snapshot taken now, and forget that anything was called."""
    at = at or connection()
    at = replace(at, snapshot=take(idp, at))
    idp.http.sent.clear()
    return at


@contextmanager
def refused(reason):
    with pytest.raises(UpstreamError) as failure:
        yield
    assert failure.value.reason == reason


def told(idp):
    return [fields["reason"] for name, fields in idp.telemetry.events if name == "metadata_stale"]


def calls(idp):
    return [request.url.removeprefix("https://idp.example") for request in idp.http.sent]


def goes_down(idp):
    for url in (idp.discovery_url, idp.url("/jwks")):
        idp.http.answer("GET", url, DOWN)


def rotates(idp):
    idp.key = private_key("ES256", 2)
    idp.serve_keys(public_jwk(idp.key))


@pytest.fixture
def idp():
    return FakeIdp()


def test_a_cold_sign_in_calls_what_the_protocol_demands_and_nothing_else(idp):
    at = published(idp)
    idp.clock.now += 23 * HOUR
    assert idp.sign_in(at).subject == "ana"
    assert calls(idp) == ["/token", "/userinfo"]


def test_a_cold_sign_in_goes_on_while_discovery_and_keys_are_down(idp):
    at = published(idp)
    goes_down(idp)
    for hours in (1, 12, 10):
        idp.clock.now += hours * HOUR
        assert idp.sign_in(at).subject == "ana"


def test_after_a_day_there_is_no_snapshot(idp):
    at = published(idp)
    idp.clock.now += 24 * HOUR
    assert idp.sign_in(at).subject == "ana"
    assert calls(idp) == ["/.well-known/openid-configuration", "/token", "/jwks", "/userinfo"]
    idp.upstream = idp.new_upstream()
    goes_down(idp)
    with refused("upstream_unreachable"):
        idp.sign_in(at)


def test_a_warm_sandbox_fetches_as_often_as_ever(idp):
    at = published(idp)
    idp.sign_in(at)
    idp.http.sent.clear()
    idp.clock.now += 600
    idp.sign_in(at)
    assert calls(idp) == ["/token", "/jwks", "/userinfo"]
    idp.clock.now += 3000
    idp.http.sent.clear()
    idp.sign_in(at)
    assert calls(idp) == ["/.well-known/openid-configuration", "/token", "/jwks", "/userinfo"]


def test_a_key_that_came_later_is_fetched_once(idp):
    at = published(idp)
    rotates(idp)
    assert idp.sign_in(at).subject == "ana"
    idp.sign_in(at)
    assert calls(idp).count("/jwks") == 1


def test_a_stranger_who_names_keys_that_do_not_exist_causes_one_fetch_in_half_a_minute(idp):
    at = published(idp)
    idp.header["kid"] = "unheard of"
    for _ in range(3):
        with refused("id_token_key_unknown"):
            idp.sign_in(at)
    assert calls(idp).count("/jwks") == 1


def test_a_withdrawn_key_verifies_id_tokens_until_the_snapshot_is_a_day_old(idp):
    """They come from the token endpoint over TLS; a warm sandbox forgets the key after 10 minutes."""
    at, withdrawn = published(idp), idp.key
    rotates(idp)
    idp.key = withdrawn
    idp.clock.now += 23 * HOUR
    assert idp.sign_in(at).subject == "ana"
    idp.clock.now += 600
    with refused("id_token_key_unknown"):
        idp.sign_in(at)
    idp.upstream = idp.new_upstream()
    idp.clock.now += HOUR
    with refused("id_token_key_unknown"):
        idp.sign_in(at)


LEAVING = connection(logout=Logout(back_channel=True))


def test_a_logout_token_is_never_verified_by_keys_that_have_aged(idp):
    """Anybody may post one: a key that was withdrawn an hour ago ends nobody's session."""
    at, withdrawn = published(idp, LEAVING), idp.key
    rotates(idp)
    forged = replace_key(idp, withdrawn)
    idp.clock.now += 600
    with refused("logout_token_key_unknown"):
        verifier_of(idp).verify(at, forged(), Deadline.after(5))
    assert calls(idp) == ["/jwks"]


def replace_key(idp, key):
    def token():
        current, idp.key = idp.key, key
        try:
            return logout_token(idp)
        finally:
            idp.key = current

    return token


@pytest.mark.parametrize(("age", "accepted"), [(599, True), (3599, True), (3600, False)])
def test_while_keys_cannot_be_had_a_snapshot_verifies_logout_tokens_for_an_hour(idp, age, accepted):
    at = published(idp, LEAVING)
    goes_down(idp)
    idp.clock.now += age
    if accepted:
        assert verifier_of(idp).verify(at, logout_token(idp), Deadline.after(5)).subject == "ana"
        return
    with refused("upstream_unreachable"):
        verifier_of(idp).verify(at, logout_token(idp), Deadline.after(5))


def test_a_signed_response_is_never_verified_by_keys_that_have_aged_even_after_an_id_token_was(idp):
    at = published(idp, connection(authorization=AuthorizationRequestProfile(response_mode="jwt")))
    plain = replace(at, authorization=AuthorizationRequestProfile())
    withdrawn = idp.key
    idp.clock.now += 600
    assert idp.sign_in(plain).subject == "ana"  # Its keys come from the snapshot.
    rotates(idp)
    current, idp.key = idp.key, withdrawn
    response = idp.response_jwt()
    idp.key = current
    with refused("authorization_response_key_unknown"):
        idp.finish(idp.begin(at), at, response=response)


def test_what_is_read_from_a_snapshot_is_what_would_be_read_from_the_document(idp):
    idp.metadata = {
        "end_session_endpoint": idp.url("/leave"),
        "revocation_endpoint": idp.url("/revoke"),
        "pushed_authorization_request_endpoint": idp.url("/par"),
        "require_pushed_authorization_requests": True,
        "token_endpoint_auth_signing_alg_values_supported": ["ES256"],
        "authorization_response_iss_parameter_supported": True,
        "mtls_endpoint_aliases": {"token_endpoint": idp.url("/mtls/token")},
        "claims_supported": ["sub"] * 500,
        "service_documentation": "https://idp.example/docs",
    }
    idp.serve_metadata()
    at = published(idp, connection(logout=Logout(mode="client_id", revoke_tokens=True)))
    part = at.snapshot.part("metadata")
    assert read_metadata(at, part) == parse_metadata(at, json.dumps(idp.document()).encode())
    assert not {"claims_supported", "service_documentation"} & part.keys()


def test_no_private_or_symmetric_key_is_ever_kept(idp):
    good, private = public_jwk(idp.key), idp.key.as_dict(private=True)
    oct_key = {"kty": "oct", "k": "c2VjcmV0", "kid": "oct"}
    idp.serve_keys(good | {"x5c": ["A" * 4000]}, private | {"kid": "private"}, oct_key, "no key")
    at = published(idp)
    assert at.snapshot.part("jwks") == {"uri": idp.url("/jwks"), "keys": [good]}
    assert idp.sign_in(at).subject == "ana"


def test_endpoints_by_hand_leave_the_keys_alone_to_fetch(idp):
    endpoints = Endpoints(
        authorization_endpoint=idp.url("/authorize"),
        token_endpoint=idp.url("/token"),
        jwks_uri=idp.url("/jwks"),
    )
    at = published(idp, connection(endpoints=endpoints))
    assert at.snapshot.part("metadata") is None
    assert idp.sign_in(at).subject == "ana"
    assert calls(idp) == ["/token"]


def test_tokens_keyed_with_the_client_secret_need_no_keys(idp):
    policy = IdTokenPolicy(algorithms=("HS256",), symmetric=True)
    at = published(idp, connection(id_token=policy, userinfo=UserinfoPolicy(method="none")))
    assert at.snapshot.part("jwks") is None
    assert at.snapshot.part("metadata")["issuer"] == idp.issuer


def test_keys_at_another_address_than_the_metadata_name_now_are_fetched(idp):
    at = published(idp)
    idp.serve_metadata(jwks_uri=idp.url("/new-jwks"))
    idp.http.answer("GET", idp.url("/new-jwks"), json_answer({"keys": [public_jwk(idp.key)]}))
    idp.sign_in(at)
    idp.clock.now += HOUR
    idp.http.sent.clear()
    assert idp.sign_in(at).subject == "ana"
    assert calls(idp) == ["/.well-known/openid-configuration", "/token", "/new-jwks", "/userinfo"]


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"issuer": "https://other.example"}, "metadata_issuer_mismatch"),
        ({"token_endpoint": "https://evil.example/token"}, "metadata_host_refused"),
        ({"jwks_uri": None}, "metadata_incomplete"),
    ],
)
def test_what_a_sign_in_would_refuse_is_not_taken(idp, members, reason):
    idp.serve_metadata(**members)
    with refused(reason):
        take(idp)


def test_keys_that_cannot_be_used_are_not_taken(idp):
    idp.serve_keys({"kty": "oct", "k": "c2VjcmV0"})
    with refused("jwks_without_usable_key"):
        take(idp)
    idp.http.answer("GET", idp.url("/jwks"), json_answer({}, 503))
    with refused("jwks_unavailable"):
        take(idp)


def test_a_snapshot_of_another_issuer_is_told_and_not_used(idp):
    """As one is that an operator put there by hand: hosts and issuer are the configuration's, whatever the table holds."""
    at = published(idp)
    document = json.loads(at.snapshot.document)
    document["metadata"]["token_endpoint"] = "https://evil.example/token"
    at = replace(at, snapshot=replace(at.snapshot, document=json.dumps(document)))
    assert idp.sign_in(at).subject == "ana"
    assert calls(idp)[0] == "/.well-known/openid-configuration"
    assert told(idp) == ["metadata_host_refused"]


def test_endpoints_that_left_their_hosts_wait_for_an_operator(idp):
    at = published(idp, connection(endpoint_hosts=("api.idp.example",)))
    idp.serve_metadata(token_endpoint="https://api.idp.example/token")
    with refused("metadata_host_changed"):
        take(idp, at, last_good=at.snapshot)
    assert take(idp, at).part("metadata")["token_endpoint"] == "https://api.idp.example/token"

    idp.sign_in(at)
    idp.clock.now += HOUR
    assert idp.sign_in(at).subject == "ana"  # At the endpoint that was good.
    assert told(idp) == ["metadata_host_changed"]


def test_a_snapshot_is_small_and_what_would_be_large_is_not_taken(idp):
    keys = [public_jwk(private_key("RS256", number), kid=f"k{number}") for number in range(3)]
    idp.serve_keys(*(key | {"x5c": ["A" * 2000], "x5t": "B" * 28} for key in keys))
    assert len(take(idp).document) < 2500
    large = {f"endpoint-{number}": "x" for number in range(10)}
    idp.serve_metadata(token_endpoint_auth_methods_supported=["x" * 1000] * 70, **large)
    with pytest.raises(ConfigurationError, match="too large"):
        take(idp)
    assert MAX_BYTES == 65536
