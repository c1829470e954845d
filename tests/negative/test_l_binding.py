"""DPoP and mutual TLS: cases 80 to 84, 100, 116 to 124, 135 to 143, 152 and 154, as far as they are about these.

The checklist has no group for what binds tokens; each test is named after the case that applies. Case 144 is in
tests/unit/net/test_client_tls.py, beside the servers that it needs; 151, and 154 by reference, are in
tests/unit/configuration/test_binding_rules.py.
"""

import json
import ssl
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import jwt
import pytest

from fedbridge.errors import ConfigurationError, KeyUnavailable, UpstreamError
from fedbridge.keys.provider import CachedKeys
from fedbridge.model.connection import AuthorizationRequestProfile, ClientAuthentication, UserinfoPolicy
from fedbridge.model.deadline import Deadline
from fedbridge.model.policies import DPoP, MutualTls
from fedbridge.ports import ClientCertificate, OutboundRequest, OutboundResponse
from fedbridge.publishing import all_publishable, publishable
from tests.fakes.certificates import Authority
from tests.fakes.http import json_answer
from tests.fakes.peers import Peer, answer
from tests.negative.test_m_network_tls import bad_server
from tests.support.client_certificates import client_authority, self_signed
from tests.support.keys import ec_key, private_pem, public_pem, rsa_key
from tests.support.mutual_tls import Shown, asking, certificate_of
from tests.support.outbound import HOST, client_for
from tests.unit.rp.idp import (
    ISSUER,
    KEY_REFERENCE,
    FakeIdp,
    FakeSecrets,
    KeySigner,
    connection,
    form,
    private_key,
)

TOKEN, USERINFO, PAR = (f"{ISSUER}/{path}" for path in ("token", "userinfo", "par"))
MUTUAL_TLS = MutualTls(certificate="env:CERTIFICATE", key="env:TLS_KEY")
CERTIFICATE = ClientCertificate(chain="the chain", private_key="its private key")


def bound(**policy):
    return connection(dpop=DPoP(**policy))


def pushed(**policy):
    return connection(
        dpop=DPoP(at_authorization="proof", **policy),
        authorization=AuthorizationRequestProfile(par="required"),
    )


@pytest.fixture
def idp():
    """An IdP that issues bound tokens."""
    idp = FakeIdp(metadata={"pushed_authorization_request_endpoint": PAR})
    idp.answer_token(lambda _: idp.token_answer(token_type="DPoP"))
    idp.keys.certificates[MUTUAL_TLS.certificate] = CERTIFICATE
    return idp


def claims(request):
    return jwt.decode(request.headers["dpop"], options={"verify_signature": False})


def key_in(request):
    return jwt.get_unverified_header(request.headers["dpop"])["jwk"]


def challenge(nonce="n", status=400):
    return json_answer({"error": "use_dpop_nonce"}, status, {"dpop-nonce": nonce})


def refused(idp, at, **response):
    with pytest.raises(UpstreamError) as caught:
        idp.sign_in(at)
    return caught.value


def test_case_80_a_proof_that_a_hostile_idp_captured_is_worthless_elsewhere(idp):
    """Another IdP has another URL and another key; another sign-in has another key; another token another hash."""
    other = FakeIdp(issuer="https://other.example")
    other.answer_token(lambda _: other.token_answer(token_type="DPoP"))
    idp.sign_in(bound())
    idp.sign_in(bound())
    other.sign_in(connection(name="other", issuer=other.issuer, dpop=DPoP()))
    proofs = [*idp.http.calls(TOKEN), *other.http.calls(other.url("/token"))]
    assert len({json.dumps(key_in(request), sort_keys=True) for request in proofs}) == 3
    assert {claims(request)["htu"] for request in proofs} == {TOKEN, "https://other.example/token"}


def test_case_82_a_retry_makes_everything_anew(idp):
    idp.keys.signers[KEY_REFERENCE] = KeySigner(private_key("ES256"), "ES256")
    authentication = ClientAuthentication(method="private_key_jwt", key=KEY_REFERENCE)
    idp.answer_token(challenge(), lambda _: idp.token_answer(token_type="DPoP"))
    idp.http.answer("POST", PAR, challenge("p"), json_answer({"request_uri": "urn:1", "expires_in": 60}, 201))
    at = replace(pushed(), client_authentication=authentication)
    redirect = idp.upstream.begin(
        at,
        state="s" * 43,
        callback_url="https://bridge.example/cb",
        parameters={},
        deadline=Deadline.after(20),
    )
    idp.nonce = form(idp.http.calls(PAR)[1])["nonce"]
    idp.finish(redirect, at)
    requests = [*idp.http.calls(PAR), *idp.http.calls(TOKEN)]
    assertions = [
        jwt.decode(form(request)["client_assertion"], options={"verify_signature": False})
        for request in requests
    ]
    assert len(requests) == len({each["jti"] for each in assertions}) == 4
    assert len({claims(request)["jti"] for request in requests}) == 4
    assert {json.dumps(key_in(request), sort_keys=True) for request in requests} == {
        json.dumps(key_in(requests[0]), sort_keys=True)
    }
    first, second = (form(request) for request in idp.http.calls(PAR))
    assert first["state"] == second["state"]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_case_83_a_redirect_that_asks_for_a_nonce_is_not_followed(idp, status):
    headers = {"location": "https://evil.example/token", "dpop-nonce": "n"}
    idp.answer_token(json_answer({"error": "use_dpop_nonce"}, status, headers))
    assert refused(idp, bound()).reason == "token_endpoint_redirected"
    assert len(idp.http.calls(TOKEN)) == 1
    assert not [request for request in idp.http.sent if "evil" in request.url]


@pytest.mark.parametrize("token_type", ["Bearer", "bearer", "BEARER"])
def test_case_100_a_bearer_token_in_the_place_of_a_bound_one(idp, token_type):
    idp.answer_token(lambda _: idp.token_answer(token_type=token_type))
    error = refused(idp, bound())
    assert (error.reason, error.error) == ("token_type_not_bound", "server_error")
    assert idp.http.calls(USERINFO) == []


@pytest.mark.parametrize("token_type", [None, "", "mac", "DPoP ", "N_A", 7, ["DPoP"], {"DPoP": 1}])
def test_case_100_no_token_type_or_another_one(idp, token_type):
    idp.answer_token(lambda _: idp.token_answer(token_type=token_type))
    assert refused(idp, bound()).reason == "token_type_unsupported"
    assert idp.http.calls(USERINFO) == []


@pytest.mark.parametrize("token_type", ["DPoP", "dpop"])
def test_case_100_a_bound_token_that_nobody_asked_for(idp, token_type):
    idp.answer_token(lambda _: idp.token_answer(token_type=token_type))
    assert refused(idp, connection()).reason == "token_type_unsupported"


def test_case_100_tokens_beside_a_challenge_are_not_used(idp):
    """Nothing is half-used: a refusal that holds tokens is a refusal."""
    tokens = json.loads(idp.token_answer(token_type="DPoP").body)
    again = json_answer({**tokens, "error": "use_dpop_nonce"}, 400, {"dpop-nonce": "n"})
    idp.answer_token(again)
    assert refused(idp, bound()).reason == "dpop_nonce_refused"
    assert idp.http.calls(USERINFO) == []


NOT_NONCES = ["", " ", "a b", "a\tb", 'a"b', "a\\b", "\x7f", "é", "a, b", "n" * 1025, "n" * 60_000]


@pytest.mark.parametrize("nonce", NOT_NONCES)
def test_case_118_a_nonce_without_end_or_sense_is_not_kept(idp, nonce):
    idp.answer_token(lambda _: replace(idp.token_answer(token_type="DPoP"), headers={"dpop-nonce": nonce}))
    idp.sign_in(bound())
    idp.sign_in(bound())
    assert not [request for request in idp.http.calls(TOKEN) if "nonce" in claims(request)]


@pytest.mark.parametrize("nonce", NOT_NONCES)
def test_case_118_nor_sent(idp, nonce):
    idp.answer_token(challenge(nonce))
    assert refused(idp, bound()).reason == "dpop_nonce_missing"
    assert len(idp.http.calls(TOKEN)) == 1


@pytest.mark.parametrize("where", ["par", "token", "userinfo"])
def test_an_idp_that_always_wants_another_nonce_is_asked_twice(idp, where):
    count = iter(range(100))

    def always(_):
        number = str(next(count))
        www = {"www-authenticate": 'DPoP error="use_dpop_nonce"', "dpop-nonce": number}
        return (
            OutboundResponse(status=401, headers=www, body=b"") if where == "userinfo" else challenge(number)
        )

    url = {"par": PAR, "token": TOKEN, "userinfo": USERINFO}[where]
    idp.http.answer("GET" if where == "userinfo" else "POST", url, always)
    assert refused(idp, pushed() if where == "par" else bound()).reason == "dpop_nonce_refused"
    assert len(idp.http.calls(url)) == 2


@pytest.mark.parametrize("reason", ["upstream_unreachable", "upstream_timeout", "upstream_response_invalid"])
def test_case_122_a_code_that_may_be_spent_is_not_sent_again(idp, reason):
    idp.answer_token(UpstreamError(reason))
    assert refused(idp, bound()).reason == reason
    assert len(idp.http.calls(TOKEN)) == 1


def test_case_122_nor_when_the_answer_to_a_nonce_was_lost(idp):
    idp.answer_token(challenge(), UpstreamError("upstream_unreachable"))
    assert refused(idp, bound()).reason == "upstream_unreachable"
    assert len(idp.http.calls(TOKEN)) == 2


def test_case_122_userinfo_by_post_is_not_sent_again(idp):
    idp.http.answer("POST", USERINFO, UpstreamError("upstream_unreachable"))
    at = replace(bound(), userinfo=UserinfoPolicy(method="POST"))
    assert refused(idp, at).reason == "upstream_unreachable"
    assert len(idp.http.calls(USERINFO)) == 1


def test_case_143_a_nonce_of_one_connection_is_never_sent_for_another(idp):
    idp.answer_token(lambda _: replace(idp.token_answer(token_type="DPoP"), headers={"dpop-nonce": "poison"}))
    idp.sign_in(bound())
    for other in (replace(bound(), name="other"), replace(bound(), version="2")):
        idp.sign_in(other)
        assert "nonce" not in claims(idp.http.calls(TOKEN)[-1])


def test_the_key_travels_sealed_and_nowhere_else(idp):
    redirect = idp.begin(bound())
    asked = dict(parse_qsl(urlsplit(redirect.url).query))
    secret = redirect.remembered["dpop_key"]
    idp.finish(redirect, bound())
    assert asked["dpop_jkt"]
    sent = [
        redirect.url,
        *(repr(request) + str(request.headers) + str(request.body) for request in idp.http.sent),
    ]
    assert not [text for text in (*sent, json.dumps(idp.telemetry.events), repr(redirect)) if secret in text]


def certified(**fields):
    return connection(
        mutual_tls=MUTUAL_TLS, client_authentication=ClientAuthentication(method="tls_client_auth"), **fields
    )


@pytest.fixture
def bearing(idp):
    idp.answer_token(lambda _: idp.token_answer())
    return idp


def aliases(**urls):
    return {"mtls_endpoint_aliases": {name: url for name, url in urls.items() if url is not None}}


def test_an_alias_is_called_and_the_canonical_url_stays_the_audience(bearing):
    """RFC 8705 §5 against RFC 7523 §3: the alias is another way to the server that the token endpoint's URL names."""
    idp = bearing
    idp.keys.signers[KEY_REFERENCE] = KeySigner(private_key("ES256"), "ES256")
    alias = {name: f"{ISSUER}/mtls/{name}" for name in ("token_endpoint", "userinfo_endpoint")}
    idp.serve_metadata(**aliases(**alias))
    idp.http.answer("POST", alias["token_endpoint"], lambda _: idp.token_answer())
    idp.http.answer("GET", alias["userinfo_endpoint"], json_answer(idp.userinfo))
    authentication = ClientAuthentication(
        method="private_key_jwt", key=KEY_REFERENCE, audience="token_endpoint"
    )
    idp.sign_in(connection(mutual_tls=MUTUAL_TLS, client_authentication=authentication))
    (request,) = idp.http.calls(alias["token_endpoint"])
    assertion = jwt.decode(form(request)["client_assertion"], options={"verify_signature": False})
    assert assertion["aud"] == TOKEN
    assert idp.http.calls(TOKEN) == idp.http.calls(USERINFO) == []


def test_a_connection_without_a_certificate_calls_no_alias(idp):
    idp.answer_token(lambda _: idp.token_answer())
    idp.serve_metadata(**aliases(token_endpoint="https://evil.example/token"))
    idp.sign_in(connection())
    assert not [request for request in idp.http.sent if "evil" in request.url or request.client_certificate]


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/token",
        "https://idp.example.evil.example/token",
        "https://idp.example@evil.example/token",
        "http://idp.example/token",
        "https://127.0.0.1:9001/token",
        "https://169.254.169.254/token",
        "file:///etc/passwd",
        "https://idp.example:8443/token",
        "",
        7,
        ["https://idp.example/token"],
    ],
)
@pytest.mark.parametrize(
    "name", ["token_endpoint", "userinfo_endpoint", "pushed_authorization_request_endpoint"]
)
def test_case_124_an_alias_elsewhere_is_refused(bearing, name, url):
    bearing.serve_metadata(**aliases(**{name: url}))
    assert refused(bearing, certified()).reason in {"metadata_host_refused", "metadata_malformed"}
    assert {request.url for request in bearing.http.sent} == {bearing.discovery_url}


@pytest.mark.parametrize("document", [7, "x", [], True])
def test_case_152_aliases_that_are_no_object(bearing, document):
    bearing.serve_metadata(mtls_endpoint_aliases=document)
    assert refused(bearing, certified()).reason == "metadata_malformed"


def test_case_152_an_alias_does_not_move_to_another_host(bearing):
    at = certified(endpoint_hosts=("mtls.idp.example", "new.idp.example"))
    alias = "https://mtls.idp.example/token"
    bearing.http.answer("POST", alias, lambda _: bearing.token_answer())
    bearing.serve_metadata(**aliases(token_endpoint=alias))
    bearing.sign_in(at)
    bearing.serve_metadata(**aliases(token_endpoint="https://new.idp.example/token"))
    bearing.clock.now += 2 * 3600
    bearing.sign_in(at)
    assert len(bearing.http.calls(alias)) == 2
    stale = [fields for name, fields in bearing.telemetry.events if name == "metadata_stale"]
    assert [fields["reason"] for fields in stale] == ["metadata_host_changed"]


@pytest.mark.parametrize(
    "failure",
    [
        KeyUnavailable(reason="secret_timeout", transient=True),
        KeyUnavailable(reason="secret_access_denied"),
        ConfigurationError("expired", reason="client_certificate_expired"),
    ],
)
def test_case_135_140_without_its_certificate_nobody_is_called(bearing, failure):
    bearing.keys.failure = failure
    with pytest.raises(type(failure)) as caught:
        bearing.sign_in(certified())
    assert caught.value.reason == failure.reason
    assert bearing.http.sent == []
    bearing.keys.failure = None
    assert bearing.sign_in(certified()).subject == "ana"


def test_case_136_other_connections_go_on(bearing):
    bearing.keys.certificates.clear()
    with pytest.raises(KeyError):
        bearing.sign_in(certified())
    assert bearing.sign_in(connection(name="other")).subject == "ana"


CLIENT_KEY, OTHER_KEY = ec_key(number=970), ec_key(number=971)


def publish(certificate, key, method="tls_client_auth"):
    """Publish a connection whose certificate and key are these, as `fedbridge connections apply` does."""
    secrets = FakeSecrets({MUTUAL_TLS.certificate: certificate, MUTUAL_TLS.key: key})
    at = connection(
        mutual_tls=MUTUAL_TLS,
        client_authentication=ClientAuthentication(method=method),
    )
    return publishable(at, CachedKeys(secrets, pytest.fail), secrets)


@pytest.mark.parametrize("method", ["tls_client_auth", "self_signed_tls_client_auth"])
def test_case_84_certificate_and_key_of_different_pairs_are_not_published(method):
    with pytest.raises(ConfigurationError) as caught:
        publish(self_signed(CLIENT_KEY), private_pem(OTHER_KEY), method)
    assert caught.value.reason == "client_certificate_mismatch"


def test_case_139_what_cannot_be_shown_is_not_published():
    for certificate, key in (
        ("nothing", private_pem(CLIENT_KEY)),
        (self_signed(CLIENT_KEY), "nothing"),
        (self_signed(CLIENT_KEY), private_pem(CLIENT_KEY, password="canary")),
        (self_signed(rsa_key()), public_pem(rsa_key())),
    ):
        with pytest.raises(ConfigurationError) as caught:
            publish(certificate, key)
        assert "-----" not in str(caught.value)


def test_case_154_a_key_for_tls_is_not_shared_behind_two_references():
    names = {
        name: MutualTls(certificate=f"env:{name}", key=f"env:{name}") for name in ("acme", "other", "third")
    }
    secrets = FakeSecrets(
        {
            "env:acme": self_signed(CLIENT_KEY) + private_pem(CLIENT_KEY),
            "env:other": self_signed(CLIENT_KEY) + private_pem(CLIENT_KEY),
            "env:third": self_signed(OTHER_KEY) + private_pem(OTHER_KEY),
        }
    )
    authentication = ClientAuthentication(method="tls_client_auth")
    connections = {
        name: connection(
            name=name,
            client_id=name,
            relying_parties=(),
            mutual_tls=policy,
            client_authentication=authentication,
        )
        for name, policy in names.items()
    }
    with pytest.raises(ConfigurationError) as caught:
        all_publishable(connections, CachedKeys(secrets, pytest.fail), secrets)
    (problem,) = caught.value.problems
    assert problem.endswith("is the same public key as in acme: connections share none")
    del connections["other"]
    assert set(all_publishable(connections, CachedKeys(secrets, pytest.fail), secrets)) == {"acme", "third"}


@pytest.mark.parametrize(
    "method,published", [("tls_client_auth", 0), ("self_signed_tls_client_auth", 1), ("auto", 0)]
)
def test_what_is_published_of_a_certificate(method, published):
    """A key for TLS is published where it is the credential, and nowhere else: it would sign assertions, too."""
    at = publish(self_signed(CLIENT_KEY), private_pem(CLIENT_KEY), method)
    assert len(at.client_jwks) == published
    assert not [jwk for jwk in at.client_jwks if "d" in jwk]


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def show_to(client, peer):
    request = OutboundRequest(
        method="POST",
        url=peer.url(host=HOST, scheme="https"),
        headers={"authorization": "Basic Y2FuYXJ5OmNhbmFyeQ=="},
        body=b"code=canary",
        client_certificate=certificate_of("bank"),
    )
    return client.send(request, Deadline.after(10))


@pytest.mark.parametrize(
    "kind",
    [
        "expired",
        "not yet valid",
        "wrong host",
        "address instead of name",
        "unknown authority",
        "missing intermediate",
    ],
)
def test_case_116_a_certificate_of_ours_makes_theirs_no_better(kind, authority, tmp_path):
    tls = bad_server(kind, authority, tmp_path / "other")
    tls.verify_mode = ssl.CERT_OPTIONAL
    tls.load_verify_locations(cadata=client_authority().certificate)
    shown = Shown(answer())
    with (
        Peer(shown.behaviour, tls) as peer,
        client_for(peer.port, ca_bundle=authority.bundle) as client,
    ):
        with pytest.raises(UpstreamError) as caught:
            show_to(client, peer)
        assert caught.value.reason == "upstream_tls_failed"
        assert peer.requests == []
        assert shown.names == []


def test_case_116_the_authority_of_our_certificates_is_none_for_theirs(tmp_path):
    """Whoever issues client certificates is not thereby trusted to name servers."""
    theirs = Authority(tmp_path)
    with (
        Peer(Shown(answer()).behaviour, asking(theirs)) as peer,
        client_for(peer.port) as client,
    ):
        with pytest.raises(UpstreamError, match="upstream_tls_failed"):
            show_to(client, peer)
        assert peer.requests == []


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_case_120_a_redirect_is_not_followed_with_a_certificate(authority, status):
    shown = Shown(answer(status=b"%d Moved" % status, headers=b"location: https://evil.example/\r\n"))
    with (
        Peer(shown.behaviour, asking(authority)) as peer,
        client_for(peer.port, ca_bundle=authority.bundle) as client,
    ):
        assert show_to(client, peer).status == status
        assert peer.visits == 1
