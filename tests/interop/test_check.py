"""`fedbridge check` at IdPs that nobody here wrote: it is silent about good set-ups, and names what is wrong with others.

Each entry of the lists is a connection that works and one thing that is wrong with it, made where it would be wrong: in the
IdP's registration, in what it answers, on its machine, or in connections.yaml. `codes` are all that is found, not some of it.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import Any, cast

import pytest

from tests.counterparts.faults import ANSWERS, Answer, Fault
from tests.counterparts.oidc_provider import AssertionRules, OidcProvider
from tests.fakes.certificates import Authority
from tests.interop.bridge import Declared, running_bridge
from tests.interop.checking import (
    DAY,
    Broken,
    Operator,
    World,
    a_file,
    a_key,
    advertising,
    authenticating,
    broken_servers,
    certified,
    forgotten,
    mutual_tls,
    publishing,
    refusing,
    weak,
    with_an_old_certificate,
    without,
)
from tests.interop.requests import SETTINGS, SIGNED, connection
from tests.support.keys import ec_key, private_pem
from tests.support.tls_files import tls_files

pytestmark = pytest.mark.interop

SECRET = "a secret of the bridge, long enough for HS256"
FEATURES: dict[str, Any] = {
    **SETTINGS,
    "clientAuthMethods": [
        "client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "tls_client_auth",
    ],
    "features": {
        **cast("dict[str, Any]", SETTINGS["features"]),
        "dPoP": {"enabled": True},
        "mTLS": {"enabled": True, "tlsClientAuth": True, "certificateBoundAccessTokens": True},
    },
}  # fmt: skip
A_KEY = private_pem(ec_key(number=966))
ELSEWHERE = "https://login.elsewhere.example"


def sharing(name, method):
    return Declared(
        name=name,
        yaml=f"client_authentication: {{method: {method}, secret: $secret}}",
        secret=SECRET,
        client={"token_endpoint_auth_method": method},
    )


def elsewhere(code, server, *more):
    """The IdP is said to be at one of the broken servers, whose authority is trusted."""
    return Broken(
        codes=(code, *more),
        change=lambda world: {"issuer": world.servers[server]},
        options=("--ca-bundle", lambda world: world.authority),
        bridge=False,
    )


def twice(world):
    """One key behind two references."""
    return {"client_authentication": {"key": a_key(966)(world), "next_key": world.stored("again", A_KEY)}}


def by_hand(world):
    """The IdP's endpoints, as an operator reads them off its pages."""
    paths = {"authorization": "authorize", "token": "token", "userinfo": "userinfo"}
    return {
        **{f"{name}_endpoint": world.op.endpoint(path) for name, path in paths.items()},
        "jwks_uri": world.op.endpoint("jwks"),
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
    }


def not_to_be_tried(world):
    """A preset of the operator's own, whose IdP raises an alarm over codes that it never issued."""
    (world.folder / "careful.toml").write_text('[preset]\ntitle = "A"\ndescription = "B"\nprobe = false\n')
    return {"preset": "./careful.toml"}


GOOD = [
    connection("key"),
    sharing("secret", "client_secret_basic"),
    sharing("post", "client_secret_post"),
    sharing("jwt", "client_secret_jwt"),
    connection("pushed", "par: required", require_pushed_authorization_requests=True),
    connection("signed", "request_object: {}", **SIGNED),
    connection("sealed", "response_mode: jwt"),
    connection("bound", "par: required", "dpop: {}"),
    Declared(
        name="certified",
        yaml="client_authentication: {method: tls_client_auth}\nmutual_tls: {certificate: $tls, key: $tls}",
        tls="authority",
        client={
            "token_endpoint_auth_method": "tls_client_auth",
            "metadata": {"tls_client_auth_subject_dn": "CN=certified,O=fedbridge"},
        },
    ),
]


# --- the lists -------------------------------------------------------------------------------------------------------------

SET_UPS_THAT_WORK = {
    "assertions signed with a key": Broken(codes=()),
    "a secret in a header": Broken(codes=(), of="secret"),
    "a secret in the form": Broken(codes=(), of="post"),
    "assertions keyed with a secret": Broken(codes=(), of="jwt"),
    "pushed requests": Broken(codes=(), of="pushed"),
    "signed requests": Broken(codes=(), of="signed"),
    "signed responses": Broken(codes=(), of="sealed"),
    "pushed requests, and tokens bound to a key": Broken(codes=(), of="bound"),
    "a client certificate": Broken(codes=(), of="certified"),
    "endpoints by hand": Broken(codes=(), change=lambda world: {"endpoints": by_hand(world)}),
    "nobody said where the bridge is": Broken(codes=(), bridge=False),
    "nothing was tried": Broken(codes=(), options=("--no-probe",)),
    "a client that is not to be tried, by its preset": Broken(
        codes=(), of="secret", change=lambda world: {**not_to_be_tried(world), "client_id": "nobody"}
    ),
}

OWN_SIDE = {
    "an issuer by http": Broken(codes=("issuer_not_https",), change={"issuer": "http://login.bank.example"}),
    "a key of the file that does not exist": Broken(
        codes=("configuration_invalid",), change={"client_authentication": {"kee": "file:key"}}
    ),
    "no client id yet": Broken(codes=("client_id_missing",), change={"client_id": None, "registration": {}}),
    "a connection that is switched off": Broken(codes=("connection_disabled",), change={"disabled": True}),
    "no secret where the reference leads": Broken(
        codes=("secret_missing",), of="secret", change=authenticating(secret="file:/nowhere/secret")
    ),
    "a secret too short to sign with": Broken(
        codes=("secret_too_short",), of="jwt", change=authenticating(secret=a_file("short"))
    ),
    "a secret that has run out": Broken(
        codes=("client_secret_expired",), of="secret", change=authenticating(secret_expires="2026-01-31")
    ),
    "a secret that runs out within the month": Broken(
        codes=("client_secret_expires_soon",),
        of="secret",
        change=authenticating(secret_expires=lambda _: f"{dt.datetime.now(dt.UTC) + 9 * DAY:%Y-%m-%d}"),
    ),
    "no key where the reference leads": Broken(
        codes=("key_missing",), change=authenticating(key="file:/nowhere/key")
    ),
    "a text in the place of a key": Broken(
        codes=("key_invalid",), change=authenticating(key=a_file("no key"))
    ),
    "one key for two purposes": Broken(codes=("keys_conflict",), change=twice, options=("--no-probe",)),
    "a text in the place of a certificate": Broken(
        codes=("certificate_invalid",),
        change=authenticating(certificate=a_file("none"), x5t_s256=True),
        options=("--no-probe",),
    ),
    "a certificate of another key": Broken(
        codes=("certificate_mismatch",), change=certified(of=965), options=("--no-probe",)
    ),
    "a certificate that has ended": Broken(
        codes=("certificate_expired",), change=certified(ends=-2 * DAY), options=("--no-probe",), bridge=False
    ),
    "a certificate that ends within the month": Broken(
        codes=("certificate_expires_soon",),
        change=certified(ends=9 * DAY),
        options=("--no-probe",),
        bridge=False,
    ),
    "a client certificate that has ended": Broken(
        codes=("certificate_expired",), of="certified", change=mutual_tls(ends=-2 * DAY), bridge=False
    ),
    "a client certificate that ends within the month": Broken(
        codes=("certificate_expires_soon",),
        of="certified",
        change=mutual_tls(ends=9 * DAY),
        options=("--no-probe",),
        bridge=False,
    ),
    "a client certificate of another key": Broken(
        codes=("certificate_mismatch",), of="certified", change=mutual_tls(of=968), bridge=False
    ),
}

ON_THE_WAY = {
    "a host that no DNS knows": Broken(
        codes=("dns_failed",), change={"issuer": "https://login.bank.invalid"}, bridge=False
    ),
    "a host where nothing listens": Broken(
        codes=("host_unreachable",), change={"issuer": "http://127.0.0.1:9"}, bridge=False
    ),
    "TLS with a certificate that has ended": elsewhere("tls_certificate_expired", "expired"),
    "TLS with a certificate that ends soon": elsewhere(
        "tls_certificate_expires_soon", "ends soon", "discovery_unavailable"
    ),
    "TLS with the certificate of another host": elsewhere("tls_certificate_name", "another name"),
    "TLS with an authority that nobody knows": elsewhere("tls_certificate_untrusted", "untrusted"),
    "TLS without the certificate in between": elsewhere("tls_certificate_untrusted", "no intermediate"),
    "a server that wants a client certificate": elsewhere("tls_failed", "client certificate"),
    "a server that does not speak TLS": elsewhere("tls_failed", "no TLS"),
    "a clock that is off by five minutes": Broken(
        codes=("assertion_time_refused", "clock_off"), clock=-300, bridge=False
    ),
    "a clock that is off by less than the connection allows": Broken(
        codes=("clock_drifts",), of="secret", clock=45, bridge=False
    ),
    "the clock of this machine alone": Broken(codes=("local_clock_off",), clock=-300),
}

DISCOVERY = {
    "no metadata there": Broken(
        codes=("discovery_unavailable",), change=lambda world: {"issuer": f"{world.op.issuer}/realms/none"}
    ),
    "a page in the place of metadata": Broken(
        codes=("discovery_malformed",), faults={"discovery": Fault(answer=ANSWERS["html 200"])}
    ),
    "metadata too large to read": Broken(
        codes=("answer_unreadable",),
        faults={"discovery": Fault(answer=Answer(status=200, body=json.dumps({"x": "x" * 300_000})))},
    ),
    "another issuer": Broken(codes=("issuer_mismatch",), faults=advertising(issuer=ELSEWHERE)),
    "an endpoint on a foreign host": Broken(
        codes=("endpoint_host_unknown",), faults=advertising(token_endpoint=f"{ELSEWHERE}/token")
    ),
    "an endpoint without TLS": Broken(
        codes=("endpoint_not_https",), faults=advertising(userinfo_endpoint="http://127.0.0.1:9/me")
    ),
    "an endpoint that is none": Broken(codes=("endpoint_malformed",), faults=advertising(jwks_uri="/jwks")),
    "a foreign host for mutual TLS": Broken(
        codes=("endpoint_host_unknown",),
        of="certified",
        faults=advertising(mtls_endpoint_aliases={"token_endpoint": f"{ELSEWHERE}/token"}),
    ),
    "a list that is none": Broken(
        codes=("discovery_malformed",), faults=advertising(token_endpoint_auth_methods_supported="all")
    ),
    "a connection cut at the metadata": Broken(
        codes=("host_unreachable",), faults={"discovery": Fault(drop=True)}
    ),
    "no token endpoint": Broken(codes=("endpoint_missing",), faults=advertising(token_endpoint=None)),
}

KEYS_OF_THE_IDP = {
    "no keys there": Broken(codes=("jwks_unavailable",), faults={"jwks": Fault(answer=ANSWERS["empty 403"])}),
    "a connection cut at the keys": Broken(codes=("host_unreachable",), faults={"jwks": Fault(drop=True)}),
    "no JWK Set": Broken(codes=("jwks_malformed",), faults={"jwks": Fault(answer=ANSWERS["html 200"])}),
    "keys without kid": Broken(
        codes=("jwks_kid_missing",), faults=publishing(lambda keys: [without(each, "kid") for each in keys])
    ),
    "one kid for two keys": Broken(
        codes=("jwks_kid_duplicate", "jwks_no_key_for_algorithms"), faults=publishing(lambda keys: keys * 2)
    ),
    "a weak RSA key": Broken(codes=("jwks_key_weak",), faults=publishing(lambda keys: [*keys, weak()])),
    "a symmetric key": Broken(
        codes=("jwks_key_symmetric",),
        faults=publishing(lambda keys: [*keys, {"kty": "oct", "k": "c2VjcmV0", "kid": "s"}]),
    ),
    "a private key": Broken(
        codes=("jwks_key_private",),
        faults=publishing(lambda keys: [*keys, {**keys[0], "kid": "p", "d": "AQ"}]),
    ),
    "keys to encrypt to and no others": Broken(
        codes=("jwks_encryption_keys_only",),
        faults=publishing(lambda keys: [{**each, "use": "enc"} for each in keys]),
    ),
    "a key whose certificate has ended": Broken(
        codes=("jwks_certificate_expired",),
        faults=publishing(lambda keys: [with_an_old_certificate(keys[0]), *keys[1:]]),
    ),
    "no key that could be encrypted to": Broken(
        codes=("jwks_encryption_key_missing", "request_object_encryption_not_offered"),
        of="signed",
        change={"authorization": {"request_object": {"encryption_algorithm": "RSA-OAEP-256"}}},
    ),
    "ID tokens pinned to what the IdP does not sign with": Broken(
        codes=("id_token_algorithm_not_offered", "jwks_no_key_for_algorithms"),
        change={"id_token": {"algorithms": ["ES512"]}},
        faults=advertising(id_token_signing_alg_values_supported=["RS256", "PS256"]),
    ),
}

OFFERS = {
    "a method that is not offered": Broken(
        codes=("auth_method_not_offered",),
        faults=advertising(token_endpoint_auth_methods_supported=["client_secret_post"]),
    ),
    "no method that there is a credential for": Broken(
        codes=("auth_method_unavailable",),
        change={"client_authentication": {"method": "auto"}},
        faults=advertising(token_endpoint_auth_methods_supported=["client_secret_post"]),
    ),
    "an algorithm of assertions that is not offered": Broken(
        codes=("assertion_algorithm_not_offered",),
        faults=advertising(token_endpoint_auth_signing_alg_values_supported=["RS256"]),
    ),
    "an algorithm of request objects that is not offered": Broken(
        codes=("request_object_algorithm_not_offered",),
        of="signed",
        faults=advertising(request_object_signing_alg_values_supported=["RS256"]),
    ),
    "signed requests where they are not read": Broken(
        codes=("request_object_not_offered",),
        of="signed",
        faults=advertising(request_parameter_supported=False),
    ),
    "signed responses that are signed otherwise": Broken(
        codes=("response_algorithm_not_offered",),
        of="sealed",
        faults=advertising(authorization_signing_alg_values_supported=["ES384"]),
    ),
    "signed userinfo that is signed otherwise": Broken(
        codes=("userinfo_algorithm_not_offered",),
        change={"userinfo": {"format": "jws"}},
        faults=advertising(userinfo_signing_alg_values_supported=["ES384"]),
    ),
    "encrypted ID tokens that are not offered": Broken(
        codes=("client_jwks_outdated", "id_token_encryption_not_offered"),
        change=lambda world: {
            "id_token": {"encryption": "required"},
            "token_decryption": {"keys": [a_key(969)(world)]},
        },
        faults=advertising(id_token_encryption_alg_values_supported=["RSA1_5"]),
    ),
    "proofs that are not offered": Broken(
        codes=("dpop_algorithm_not_offered",),
        of="bound",
        faults=advertising(dpop_signing_alg_values_supported=["PS256"]),
    ),
    "pushed requests demanded, and switched off": Broken(
        codes=("par_required",),
        change={"authorization": {"par": "off"}},
        faults=advertising(require_pushed_authorization_requests=True),
    ),
    "pushed requests where there is no endpoint for them": Broken(
        codes=("par_not_offered",),
        of="pushed",
        faults=advertising(pushed_authorization_request_endpoint=None),
    ),
    "no PKCE by S256": Broken(
        codes=("pkce_not_offered",), faults=advertising(code_challenge_methods_supported=["plain"])
    ),
    "no code flow": Broken(
        codes=("code_flow_not_offered",), faults=advertising(response_types_supported=["id_token"])
    ),
    "a response mode that is not offered": Broken(
        codes=("response_mode_not_offered",),
        change={"authorization": {"response_mode": "form_post"}},
        faults=advertising(response_modes_supported=["query"]),
    ),
    "a scope that is not offered": Broken(
        codes=("scope_not_offered",), faults=advertising(scopes_supported=["openid", "email"])
    ),
    "a level of assurance that is not offered": Broken(
        codes=("acr_not_offered",),
        change={"authorization": {"acr_values": ["urn:nordbank:loa:4"]}},
        faults=advertising(acr_values_supported=["urn:nordbank:loa:3"]),
    ),
    "a required claim that is not offered": Broken(
        codes=("claim_not_offered",), change={"claims": {"email": {"value": "mail", "required": True}}}
    ),
    "the claims parameter where it is not read": Broken(
        codes=("claims_parameter_not_offered",),
        change={"authorization": {"parameters": {"claims": '{"userinfo":{"email":null}}'}}},
        faults=advertising(claims_parameter_supported=False),
    ),
    "no userinfo": Broken(codes=("userinfo_not_offered",), faults=advertising(userinfo_endpoint=None)),
    "no way to sign out": Broken(
        codes=("logout_not_offered",),
        change={"logout": {"mode": "client_id"}},
        faults=advertising(end_session_endpoint=None),
    ),
    "sign-outs that nobody is told of": Broken(
        codes=("logout_notice_not_offered",),
        change={"logout": {"mode": "client_id", "sessions": True, "back_channel": True}},
        faults=advertising(backchannel_logout_supported=False),
    ),
    "no way to revoke tokens": Broken(
        codes=("revocation_not_offered",),
        change={"logout": {"revoke_tokens": True}},
        faults=advertising(revocation_endpoint=None),
    ),
}

CLIENT = {
    "a wrong secret": Broken(
        codes=("client_secret_wrong",), of="secret", change=authenticating(secret=a_file("not this one"))
    ),
    "a wrong secret in the form": Broken(
        codes=("client_secret_wrong",), of="post", change=authenticating(secret=a_file("not this one"))
    ),
    "a wrong secret that assertions are keyed with": Broken(
        codes=("client_secret_wrong",), of="jwt", change=authenticating(secret=a_file("not this one" * 4))
    ),
    "a secret sent in the form, and expected in a header": Broken(
        codes=("client_method_wrong",),
        of="post",
        registered={"token_endpoint_auth_method": "client_secret_basic"},
    ),
    "an assertion for another audience": Broken(
        codes=("assertion_audience_wrong",),
        registered={"assertion": AssertionRules(audience=["token_endpoint"])},
    ),
    "an assertion for another audience, at a pushed request too": Broken(
        codes=("assertion_audience_wrong",),
        of="pushed",
        registered={"assertion": AssertionRules(audience=["token_endpoint"])},
    ),
    "a key that was never published": Broken(
        codes=("client_jwks_outdated", "client_key_unknown"), change=authenticating(key=a_key(960))
    ),
    "a key that the IdP does not know": Broken(
        codes=("client_key_unknown",), registered={"jwks_uri": None, "jwks": forgotten()}
    ),
    "a client certificate that the IdP does not know": Broken(
        codes=("client_certificate_refused",), of="certified", change=mutual_tls()
    ),
    "an unknown client id": Broken(codes=("client_unknown",), change={"client_id": "of-another-stage"}),
    "an unknown client id with a secret": Broken(
        codes=("client_unknown",), of="secret", change={"client_id": "of-another-stage"}
    ),
    "an unknown client id, pushed": Broken(
        codes=("client_unknown",), of="pushed", change={"client_id": "of-another-stage"}
    ),
    "a client that may not do this": Broken(
        codes=("client_not_allowed",), faults=refusing("unauthorized_client")
    ),
    "a proof that is refused": Broken(
        codes=("dpop_refused",), of="bound", faults=refusing("invalid_dpop_proof")
    ),
    "another error": Broken(codes=("token_request_refused",), faults=refusing("invalid_target")),
    "an error that proves nothing": Broken(
        codes=("token_request_inconclusive",), faults=refusing("invalid_request")
    ),
    "an error that is no OAuth error": Broken(
        codes=("token_request_inconclusive",), faults={"token": Fault(answer=ANSWERS["free text"])}
    ),
    "an IdP that is down": Broken(
        codes=("token_endpoint_failing",), faults={"token": Fault(answer=ANSWERS["unavailable"])}
    ),
    "a connection cut at the token endpoint": Broken(
        codes=("host_unreachable",), faults={"token": Fault(drop=True)}
    ),
    "an IdP that takes any code": Broken(
        codes=("made_up_code_accepted",),
        faults={
            "token": Fault(
                answer=Answer(status=200, body='{"access_token":"a","token_type":"Bearer","id_token":"x"}')
            )
        },
    ),
}

REQUEST = {
    "a redirect URI that is not registered": Broken(
        codes=("redirect_uri_not_registered",), registered={"redirect_uris": [f"{ELSEWHERE}/callback"]}
    ),
    "a redirect URI that is not registered, pushed": Broken(
        codes=("redirect_uri_not_registered",),
        of="pushed",
        registered={"redirect_uris": [f"{ELSEWHERE}/callback"]},
    ),
    "a scope that the client may not have": Broken(
        codes=("scope_refused",), registered={"metadata": {"scope": "openid"}}
    ),
    "a scope that the client may not have, pushed": Broken(
        codes=("scope_refused",), of="pushed", registered={"metadata": {"scope": "openid"}}
    ),
    "a scope that the client may not have, answered in a JWT": Broken(
        codes=("scope_refused",), of="sealed", registered={"metadata": {"scope": "openid"}}
    ),
    "a scope that the client may not have, answered in a form": Broken(
        codes=("scope_refused",),
        change={"authorization": {"response_mode": "form_post"}},
        registered={"metadata": {"scope": "openid"}},
    ),
    "a request object signed by another algorithm": Broken(
        codes=("request_object_refused",),
        of="signed",
        registered={"metadata": {**SIGNED, "request_object_signing_alg": "PS256"}},
    ),
    "a request that must be pushed, and is not": Broken(
        codes=("authorization_request_refused",),
        registered={"metadata": {"require_pushed_authorization_requests": True}},
    ),
    "a pushed request that meets an IdP that is down": Broken(
        codes=("pushed_request_failing",),
        of="pushed",
        faults={"pushed_authorization_request": Fault(answer=ANSWERS["unavailable"])},
    ),
    "a connection cut where requests are pushed": Broken(
        codes=("host_unreachable",),
        of="pushed",
        faults={"pushed_authorization_request": Fault(drop=True)},
    ),
    "a connection cut where browsers go": Broken(
        codes=("authorization_request_inconclusive",), faults={"authorization": Fault(drop=True)}
    ),
    "a request longer than the IdP takes": Broken(
        codes=("request_not_sent",), change={"authorization": {"max_query": 128}}
    ),
    "a pushed request that meets another door": Broken(
        codes=("client_refused",),
        of="pushed",
        faults={
            "pushed_authorization_request": Fault(
                answer=Answer(status=401, body='{"error":"invalid_client"}')
            )
        },
    ),
    "a page that says nothing": Broken(
        codes=("authorization_request_inconclusive",),
        faults={"authorization": Fault(answer=ANSWERS["empty 403"])},
    ),
}

THE_BRIDGE = {
    "a key that was not published yet": Broken(
        codes=("client_jwks_outdated",), change=authenticating(next_key=a_key(961))
    ),
    "an address where something else is": Broken(
        codes=("bridge_discovery_missing", "client_jwks_unavailable"),
        options=("--base-url", lambda world: world.op.issuer, "--no-probe"),
    ),
    "another name of the bridge": Broken(
        codes=("bridge_issuer_mismatch",),
        options=("--base-url", lambda world: world.bridge.replace("localhost", "127.0.0.1"), "--no-probe"),
    ),
    "an address where no bridge is": Broken(
        codes=("bridge_unreachable",), options=("--base-url", "http://127.0.0.1:9", "--no-probe")
    ),
}

LISTS = (OWN_SIDE, ON_THE_WAY, DISCOVERY, KEYS_OF_THE_IDP, OFFERS, CLIENT, REQUEST, THE_BRIDGE)


def named(*lists):
    return [pytest.param(each, id=what) for entries in lists for what, each in entries.items()]


@pytest.fixture(scope="module")
def bridge(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bridge")
    with (
        OidcProvider(tls=tls_files(folder), oidc_provider=FEATURES) as op,
        running_bridge(op, folder, GOOD) as bridge,
    ):
        yield bridge


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def servers(authority, tmp_path_factory):
    with broken_servers(tmp_path_factory.mktemp("servers"), authority) as servers:
        yield servers


@pytest.fixture
def operator(bridge, servers, authority, tmp_path, capsys):
    world = World(
        folder=tmp_path, op=bridge.op, bridge=bridge.url, servers=servers, authority=authority.bundle
    )
    return Operator(bridge=bridge, world=world, capsys=capsys)


@pytest.mark.parametrize("good", named(SET_UPS_THAT_WORK))
def test_nothing_is_found_where_nothing_is_wrong(operator, good):
    checked = operator.check(good)
    assert checked.findings == []
    assert checked.exit_code == 0


@pytest.mark.parametrize("broken", named(*LISTS))
def test_what_is_wrong_is_found_and_named(operator, broken):
    checked = operator.check(broken)
    assert checked.codes == sorted(broken.codes), checked.findings
    assert checked.exit_code == int(checked.is_bad)
