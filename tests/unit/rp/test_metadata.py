import json

import pytest

from fedbridge.errors import UpstreamError
from fedbridge.model.connection import AuthorizationRequestProfile, Endpoints
from fedbridge.model.deadline import Deadline
from fedbridge.rp.calls import Calls
from fedbridge.rp.metadata import FRESH, MAX_BYTES, STALE, MetadataSource, discovery_url, parse_metadata
from tests.fakes.http import json_answer
from tests.unit.rp.idp import ISSUER, FakeIdp, connection

ENDPOINTS = (
    "authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint",
)  # fmt: skip


@pytest.fixture
def idp():
    return FakeIdp()


@pytest.fixture
def source(idp):
    return MetadataSource(
        Calls(idp.http, idp.telemetry, keys=idp.keys, clock=idp.clock), idp.telemetry, idp.clock
    )


def get(source, at=None):
    return source.get(at or connection(), Deadline.after(20))


def parse(at=None, **members):
    return parse_metadata(at or connection(), json.dumps(FakeIdp().document(**members)).encode())


def refused(at=None, **members):
    with pytest.raises(UpstreamError) as failure:
        parse(at, **members)
    return failure.value


@pytest.mark.parametrize(
    ("issuer", "url"),
    [
        ("https://idp.example", "https://idp.example/.well-known/openid-configuration"),
        ("https://idp.example/", "https://idp.example/.well-known/openid-configuration"),
        ("https://idp.example/v2", "https://idp.example/v2/.well-known/openid-configuration"),
        ("https://idp.example/v2/", "https://idp.example/v2/.well-known/openid-configuration"),
    ],
)
def test_the_document_is_below_the_issuer(issuer, url):
    assert discovery_url(issuer) == url
    assert FakeIdp(issuer=issuer).sign_in().subject == "ana"


def test_members_are_read_and_defaults_are_the_specifications():
    metadata = parse(
        token_endpoint_auth_methods_supported=None,
        token_endpoint_auth_signing_alg_values_supported=["RS256"],
        authorization_response_iss_parameter_supported=True,
        vendor={"anything": [1]},
    )
    assert metadata.token_endpoint_auth_methods_supported == ("client_secret_basic",)
    assert metadata.token_endpoint_auth_signing_alg_values_supported == ("RS256",)
    assert metadata.authorization_response_iss_parameter_supported
    assert not parse().authorization_response_iss_parameter_supported
    assert parse(userinfo_endpoint=None).userinfo_endpoint is None


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
def test_a_document_without_what_a_sign_in_needs_is_incomplete(name):
    failure = refused(**{name: None})
    assert failure.reason == "metadata_incomplete"
    assert name in str(failure)


@pytest.mark.parametrize(
    "issuer",
    [
        "https://idp.example/",
        "https://IDP.example",
        "http://idp.example",
        "https://idp.example:443",
        "https://other.example",
        "",
        None,
        ["https://idp.example"],
    ],
)
def test_the_issuer_equals_the_configured_one_byte_for_byte(issuer):
    assert refused(issuer=issuer).reason == "metadata_issuer_mismatch"


@pytest.mark.parametrize("name", ENDPOINTS)
@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/x",
        "https://idp.example.evil.example/x",
        "https://sub.idp.example/x",
        "http://idp.example/x",
        "https://idp.example:8443/x",
        "https://127.0.0.1/x",
        "https://169.254.169.254/x",
        "ftp://idp.example/x",
    ],
)
def test_endpoints_lie_on_the_issuers_host_over_https(name, url):
    failure = refused(**{name: url})
    assert failure.reason == "metadata_host_refused"
    assert name in str(failure)
    assert url.split("/")[2] in str(failure)
    assert failure.description == "The sign-in could not be completed."


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example@idp.example/x",
        "https://idp.example\\@evil.example/x",
        "https://idp.example/x#fragment",
        "https://idp.example/\tx",
        "https://idp.example/x\r\nHost: evil.example",
        "https://[::1/x",
        "https://idp.example:99999/x",
        "https:///x",
        "/token",
        "javascript:alert(1)",
        "",
        "https://idp.exämple/x",
        "https://idp.example/" + "x" * 2048,
        7,
        ["https://idp.example/x"],
    ],
)
def test_endpoints_are_plain_urls(url):
    assert refused(token_endpoint=url).reason == "metadata_malformed"


def test_other_hosts_are_allowed_by_name():
    at = connection(endpoint_hosts=("Keys.example", "idp.example:8443"))
    assert parse(at, jwks_uri="https://KEYS.example/jwks").jwks_uri == "https://KEYS.example/jwks"
    assert parse(at, token_endpoint="https://idp.example:8443/token")
    assert refused(at, jwks_uri="http://keys.example/jwks").reason == "metadata_host_refused"
    assert refused(at, jwks_uri="https://keys.example:8443/jwks").reason == "metadata_host_refused"


def test_plain_http_only_where_the_issuer_itself_is():
    """Configuration takes such an issuer on loopback alone."""
    local = FakeIdp(issuer="http://127.0.0.1:4000")
    assert local.sign_in().subject == "ana"
    at = connection(issuer=local.issuer)
    with pytest.raises(UpstreamError, match="userinfo_endpoint"):
        parse_metadata(at, json.dumps(local.document(userinfo_endpoint="http://127.0.0.1:4001/x")).encode())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("token_endpoint_auth_methods_supported", "client_secret_basic"),
        ("token_endpoint_auth_methods_supported", [1]),
        ("token_endpoint_auth_signing_alg_values_supported", {"RS256": True}),
        ("authorization_response_iss_parameter_supported", "true"),
        ("authorization_response_iss_parameter_supported", 1),
    ],
)
def test_members_of_another_type_are_refused(name, value):
    assert refused(**{name: value}).reason == "metadata_malformed"


@pytest.mark.parametrize("body", [b"<html>", b"", b"[]", b'{"issuer":"a","issuer":"https://idp.example"}'])
def test_what_is_not_one_object_is_refused(body):
    with pytest.raises(UpstreamError, match="metadata_malformed"):
        parse_metadata(connection(), body)


def test_manual_endpoints_go_before_discovery(idp, source):
    at = connection(
        endpoints=Endpoints(
            authorization_endpoint="https://login.example/a",
            token_endpoint="https://token.example/t",
            jwks_uri="https://keys.example/k",
            token_endpoint_auth_methods_supported=("private_key_jwt",),
            authorization_response_iss_parameter_supported=True,
        )
    )
    metadata = get(source, at)
    assert (metadata.issuer, metadata.token_endpoint, metadata.userinfo_endpoint) == (
        ISSUER,
        "https://token.example/t",
        None,
    )
    assert metadata.token_endpoint_auth_methods_supported == ("private_key_jwt",)
    assert metadata.authorization_response_iss_parameter_supported
    assert idp.http.sent == []


def test_discovery_happens_once_an_hour(idp, source):
    get(source)
    idp.clock.now += FRESH - 1
    get(source)
    assert len(idp.http.sent) == 1
    idp.clock.now += 1
    get(source)
    assert len(idp.http.sent) == 2


def test_the_document_is_capped(idp, source):
    get(source)
    assert idp.http.sent[0].max_bytes == MAX_BYTES == 256 * 1024


def test_an_outage_is_covered_for_a_day(idp, source):
    good = get(source)
    idp.http.answer("GET", idp.discovery_url, json_answer({}, status=503))
    idp.clock.now += STALE - 1
    assert get(source) == good
    assert idp.telemetry.fields("metadata_stale") == {
        "connection": "acme",
        "reason": "metadata_unavailable",
        "upstream_status": 503,
    }
    idp.clock.now += 1
    with pytest.raises(UpstreamError) as failure:
        get(source)
    assert (failure.value.reason, failure.value.error) == ("metadata_unavailable", "temporarily_unavailable")


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 403, 404, 201, 204])
def test_only_200_is_a_document(idp, source, status):
    idp.http.answer(
        "GET", idp.discovery_url, json_answer(idp.document(), status=status, headers={"location": "/x"})
    )
    with pytest.raises(UpstreamError) as failure:
        get(source)
    assert (failure.value.reason, failure.value.error) == ("metadata_unavailable", "server_error")
    assert len(idp.http.sent) == 1


@pytest.mark.parametrize(
    "name", ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"]
)
def test_a_host_that_changes_later_is_refused_and_what_was_good_is_kept(idp, source, name):
    """Even where the new host is allowed: the operator hears of it, sign-ins go on."""
    at = connection(endpoint_hosts=("new.example",))
    good = get(source, at)
    idp.serve_metadata(**{name: "https://new.example/x"})
    idp.clock.now += FRESH
    assert get(source, at) == good
    assert idp.telemetry.fields("metadata_stale")["reason"] == "metadata_host_changed"
    idp.clock.now += STALE
    assert getattr(get(source, at), name) == "https://new.example/x"


def test_a_path_may_change(idp, source):
    get(source)
    idp.serve_metadata(token_endpoint="https://idp.example/v2/token")
    idp.clock.now += FRESH
    assert get(source).token_endpoint == "https://idp.example/v2/token"


def par(value):
    return connection(authorization=AuthorizationRequestProfile(par=value))


def test_the_pushed_requests_endpoint_is_read_where_it_is_called():
    endpoint = {"pushed_authorization_request_endpoint": f"{ISSUER}/par"}
    assert parse(par("required"), **endpoint).pushed_authorization_request_endpoint == f"{ISSUER}/par"
    demanded = parse(**endpoint, require_pushed_authorization_requests=True)
    assert demanded.pushed_authorization_request_endpoint == f"{ISSUER}/par"
    assert demanded.require_pushed_authorization_requests
    off = parse(par("off"), **endpoint, require_pushed_authorization_requests=True)
    assert (off.pushed_authorization_request_endpoint, off.require_pushed_authorization_requests) == (
        None,
        False,
    )


def test_case_152_the_pushed_requests_endpoint_stays_on_the_issuers_host():
    elsewhere = {"pushed_authorization_request_endpoint": "https://evil.example/par"}
    for at, required in ((par("required"), False), (par("auto"), True)):
        failure = refused(at, **elsewhere, require_pushed_authorization_requests=required)
        assert failure.reason == "metadata_host_refused"
    assert parse(**elsewhere).pushed_authorization_request_endpoint is None
    assert refused(require_pushed_authorization_requests="yes").reason == "metadata_malformed"


def test_case_152_the_pushed_requests_endpoint_does_not_move(idp, source):
    idp.serve_par()
    at = connection(endpoint_hosts=("other.example",))
    first = get(source, at)
    idp.clock.now += FRESH
    idp.serve_metadata(pushed_authorization_request_endpoint="https://other.example/par")
    assert get(source, at) == first
    assert idp.telemetry.fields("metadata_stale")["reason"] == "metadata_host_changed"
