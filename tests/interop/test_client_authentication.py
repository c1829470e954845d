"""Sign-ins through oidc-provider by every way in which the bridge proves who it is, each by a few lines of YAML.

Each connection signs a user in twice: at the strict user pool, when the bridge knows nothing of the IdP yet, and with
openid-client, when it knows everything. What the IdP received is its own journal.
"""

import base64
import hashlib
from collections import Counter
from pathlib import Path
from urllib.parse import quote_plus

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from tests.counterparts.cognito import SignInError
from tests.counterparts.faults import Fault
from tests.counterparts.oidc_provider import AssertionRules, OidcProvider
from tests.interop.bridge import MOST_LINES, Declared, running_bridge
from tests.interop.passage import COLD, WARM, sign_in_at_openid_client, sign_in_at_pool, user_pool

pytestmark = pytest.mark.interop

KEYS = {
    "RS256": "RSA", "RS384": "RSA", "RS512": "RSA", "PS256": "RSA", "PS384": "RSA", "PS512": "RSA",
    "ES256": "P-256", "ES384": "P-384", "ES512": "P-521",
}  # fmt: skip
HMAC = {"HS256": 32, "HS384": 48, "HS512": 64}
LITERAL = "https://login.bank.example/"
AWKWARD = "p:a+s%s w&rd=ü€/" + "s" * 20
"""A secret with what form-encoding changes, what separates halves of Basic credentials, and what is not ASCII."""

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
GRANT = {"grant_type", "code", "redirect_uri", "code_verifier"}


def connection(name, authentication, *, key=None, secret=None, client_id=None, **client):
    """A connection by its `client_authentication` and, in `client`, what the IdP has registered."""
    return Declared(
        name=name,
        yaml=f"client_authentication: {authentication}",
        key=key,
        secret=secret,
        client_id=client_id,
        client=client,
    )


def signing(name, more="", *, key="P-256", alg="ES256", **client):
    return connection(
        name,
        f"{{method: private_key_jwt, key: $key{more}}}",
        key=key,
        token_endpoint_auth_signing_alg=alg,
        **client,
    )


def sharing(name, method, more="", *, secret=AWKWARD, client_id=None, **client):
    return connection(
        name,
        f"{{method: {method}, secret: $secret{more}}}",
        secret=secret,
        client_id=client_id,
        **{"token_endpoint_auth_method": method, **client},
    )


AUDIENCES = {
    "audience-issuer": signing("audience-issuer"),
    "audience-token-endpoint": signing(
        "audience-token-endpoint",
        ", audience: token_endpoint",
        assertion=AssertionRules(audience=["token_endpoint"]),
    ),
    "audience-endpoint": signing(
        "audience-endpoint", ", audience: endpoint", assertion=AssertionRules(audience=["called_endpoint"])
    ),
    "audience-literal": signing(
        "audience-literal", f", audience: '{LITERAL}'", assertion=AssertionRules(audience=[LITERAL])
    ),
}
BASIC = {
    "basic-form": sharing("basic-form", "client_secret_basic", client_id="bank:bridge+1%"),
    "basic-raw": sharing(
        "basic-raw", "client_secret_basic", ", basic_encoding: raw", basic_credentials="raw"
    ),
}
AUTO = {
    "client_secret_jwt": "auto-jwt",
    "client_secret_basic": "auto-basic",
    "client_secret_post": "auto-post",
}
MANUAL = """
client_authentication: {secret: $secret}
endpoints:
  authorization_endpoint: $op/authorize
  token_endpoint: $op/token
  jwks_uri: $op/jwks
  userinfo_endpoint: $op/userinfo
"""
CONNECTIONS = [
    *(signing(alg.lower(), f", algorithm: {alg}", key=key, alg=alg) for alg, key in KEYS.items()),
    *AUDIENCES.values(),
    signing("audience-refused", assertion=AssertionRules(audience=[LITERAL])),
    signing(
        "particular",
        ", typ: client-authentication+jwt, kid: omit, lifetime: 30, not_before: true",
        assertion=AssertionRules(
            typ="client-authentication+jwt",
            require_kid=False,
            max_lifetime=30,
            required_claims=["iat", "nbf"],
        ),
    ),
    signing(
        "certified",
        ", algorithm: PS256, certificate: $certificate, x5t: true, x5t_s256: true, x5c: true",
        key="RSA",
        alg="PS256",
    ),
    *(
        sharing(
            alg.lower(),
            "client_secret_jwt",
            f", algorithm: {alg}",
            secret=f"{alg} ü {'s' * size}",
            token_endpoint_auth_signing_alg=alg,
        )
        for alg, size in HMAC.items()
    ),
    *BASIC.values(),
    sharing("basic-refused", "client_secret_basic", basic_credentials="raw"),
    sharing("post", "client_secret_post"),
    connection(
        "auto-key", "{key: $key, secret: $secret}", key="P-256", secret=AWKWARD,
        token_endpoint_auth_signing_alg="ES256",
    ),
    *(
        connection(name, "{secret: $secret}", secret=AWKWARD, token_endpoint_auth_method=method)
        for method, name in AUTO.items()
    ),
    Declared(
        name="manual", yaml=MANUAL, secret=AWKWARD, client={"token_endpoint_auth_method": "client_secret_basic"}
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def bridge(tmp_path_factory):
    algorithms = {"clientAuthSigningAlgValues": [*KEYS, *HMAC]}
    with (
        OidcProvider(oidc_provider={"enabledJWA": algorithms}) as op,
        running_bridge(op, tmp_path_factory.mktemp("bridge"), CONNECTIONS) as bridge,
    ):
        yield bridge


@pytest.fixture(autouse=True)
def mended(bridge):
    yield
    bridge.op.clear_faults()


@pytest.fixture
def sign_in_twice(bridge, browser, openid_client):
    """Sign in through a connection at both relying parties; returns the two token requests."""

    def sign_in_twice(name, *, cold=COLD, warm=WARM):
        with user_pool(bridge, name) as pool:
            user, first = sign_in_at_pool(bridge, pool, browser)
        rp = bridge.relying_party(name, pkce=True, nonce=True)
        signed_in, second = sign_in_at_openid_client(bridge, openid_client, browser, rp)
        assert first.calls == cold
        assert second.calls == warm
        assert user.attributes == {"email": "alice@example.com", "email_verified": "true"}
        assert signed_in.userinfo["email"] == "alice@example.com"
        assert user.username == f"bank_{signed_in.claims['sub']}"
        requests = [passage.only("token") for passage in (first, second)]
        for passage, request in zip((first, second), requests, strict=True):
            check_grant(bridge, name, passage.authorization, request)
        return requests

    return sign_in_twice


def check_grant(bridge, name, authorization, request):
    """The request redeems, by PKCE, what the authorization request asked for, and says nothing else but who asks."""
    query, form = authorization.query, request.form
    assert len(authorization.query_pairs) == len(query)
    assert len(request.form_pairs) == len(form)
    assert query["redirect_uri"] == form["redirect_uri"] == f"{bridge.issuer(name)}/callback"
    assert query["client_id"] == bridge.connections[name].upstream_client_id
    assert query["code_challenge_method"] == "S256"
    challenge = hashlib.sha256(form["code_verifier"].encode()).digest()
    assert query["code_challenge"] == base64.urlsafe_b64encode(challenge).decode().rstrip("=")
    assert min(len(query["nonce"]), len(query["state"]), len(form["code_verifier"])) >= 43
    assert len({query["nonce"], query["state"], form["code_verifier"]}) == 3
    assert form["grant_type"] == "authorization_code"
    assert request.query_pairs == []
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.headers["accept"] == "application/json"


def check_assertion(bridge, name, request, *, audience):
    """The client is known by its assertion alone, which is short-lived and for one audience."""
    assert set(request.form) == GRANT | {"client_id", "client_assertion_type", "client_assertion"}
    assert "authorization" not in request.headers
    assert request.form["client_assertion_type"] == ASSERTION_TYPE
    claims = request.assertion.claims
    client_id = bridge.connections[name].upstream_client_id
    assert (claims["iss"], claims["sub"], request.form["client_id"]) == (client_id, client_id, client_id)
    assert claims["aud"] == audience
    assert 0 < claims["exp"] - claims["iat"] <= 60
    assert len(claims["jti"]) >= 22


@pytest.fixture
def published_keys(bridge, browser):
    """What the IdP finds at a connection's client-jwks.json."""

    def published_keys(name):
        keys = browser.get(f"{bridge.issuer(name)}/client-jwks.json").json()["keys"]
        assert not [key for key in keys if {"d", "p", "q", "k"} & key.keys()]
        return keys

    return published_keys


@pytest.mark.parametrize("name", [declared.name for declared in CONNECTIONS])
def test_a_connection_takes_fifteen_lines_at_most(bridge, name):
    assert bridge.lines[name][0] == f"  {name}:"
    assert len(bridge.lines[name]) <= MOST_LINES
    assert set(bridge.lines[name]) <= set(bridge.file.read_text().splitlines())


@pytest.mark.parametrize("alg", KEYS)
def test_private_key_jwt_by_every_algorithm(bridge, sign_in_twice, published_keys, alg):
    first, second = sign_in_twice(alg.lower())
    (key,) = published_keys(alg.lower())
    for request in (first, second):
        check_assertion(bridge, alg.lower(), request, audience=bridge.op.issuer)
        assert request.assertion.header == {"alg": alg, "kid": key["kid"], "typ": "JWT"}
        assert set(request.assertion.claims) == {"iss", "sub", "aud", "jti", "iat", "exp"}
    assert first.assertion.claims["jti"] != second.assertion.claims["jti"]


@pytest.mark.parametrize("name", AUDIENCES)
def test_private_key_jwt_for_the_audience_that_the_idp_wants(bridge, sign_in_twice, name):
    audience = {"audience-issuer": bridge.op.issuer, "audience-literal": LITERAL}
    for request in sign_in_twice(name):
        check_assertion(bridge, name, request, audience=audience.get(name, bridge.op.endpoint("token")))


def test_the_idp_takes_no_assertion_for_another_audience(bridge, browser):
    with (
        user_pool(bridge, "audience-refused") as pool,
        pytest.raises(SignInError, match=r"^Bank Error - server_error The sign-in could not be completed"),
    ):
        sign_in_at_pool(bridge, pool, browser)
    assert bridge.op.journal() == []


def test_private_key_jwt_as_a_particular_idp_wants_it(bridge, sign_in_twice):
    for request in sign_in_twice("particular"):
        check_assertion(bridge, "particular", request, audience=bridge.op.issuer)
        assert request.assertion.header == {"alg": "ES256", "typ": "client-authentication+jwt"}
        claims = request.assertion.claims
        assert claims["exp"] - claims["iat"] == 30
        assert claims["nbf"] == claims["iat"]


def test_private_key_jwt_with_the_key_s_certificate(bridge, sign_in_twice, published_keys):
    pem = Path(bridge.file.parent / "certified.certificate").read_bytes()
    certificate = x509.load_pem_x509_certificate(pem)

    def digest(algorithm):
        return base64.urlsafe_b64encode(certificate.fingerprint(algorithm)).decode().rstrip("=")

    (key,) = published_keys("certified")
    for request in sign_in_twice("certified"):
        check_assertion(bridge, "certified", request, audience=bridge.op.issuer)
        assert request.assertion.header == {
            "alg": "PS256",
            "kid": key["kid"],
            "typ": "JWT",
            "x5t": digest(SHA1()),
            "x5t#S256": digest(SHA256()),
            "x5c": [base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()],
        }


@pytest.mark.parametrize("alg", HMAC)
def test_client_secret_jwt_by_every_algorithm(bridge, sign_in_twice, published_keys, alg):
    for request in sign_in_twice(alg.lower()):
        check_assertion(bridge, alg.lower(), request, audience=bridge.op.issuer)
        assert request.assertion.header == {"alg": alg, "typ": "JWT"}
    assert published_keys(alg.lower()) == []


@pytest.mark.parametrize("name", BASIC)
def test_client_secret_basic_as_the_idp_decodes_it(bridge, sign_in_twice, name):
    pair = [bridge.connections[name].upstream_client_id, AWKWARD]
    expected = ":".join(map(quote_plus, pair) if name == "basic-form" else pair)
    for request in sign_in_twice(name):
        assert set(request.form) == GRANT
        scheme, _, credentials = request.headers["authorization"].partition(" ")
        assert (scheme, base64.b64decode(credentials).decode()) == ("Basic", expected)


def test_client_secret_basic_in_the_wrong_encoding_is_refused_by_the_idp(bridge, browser):
    with (
        user_pool(bridge, "basic-refused") as pool,
        pytest.raises(SignInError, match=r"^Bank Error - server_error The sign-in could not be completed"),
    ):
        sign_in_at_pool(bridge, pool, browser)
    assert bridge.op.journal() == []


def test_client_secret_post(bridge, sign_in_twice):
    for request in sign_in_twice("post"):
        assert set(request.form) == GRANT | {"client_id", "client_secret"}
        assert request.form["client_secret"] == AWKWARD
        assert "authorization" not in request.headers


def test_auto_signs_where_there_is_a_key(bridge, sign_in_twice):
    for request in sign_in_twice("auto-key"):
        check_assertion(bridge, "auto-key", request, audience=bridge.op.issuer)
        assert request.assertion.header["alg"] == "ES256"


@pytest.mark.parametrize("method", AUTO)
def test_auto_takes_what_the_idp_offers(bridge, sign_in_twice, method):
    offered = {"token_endpoint_auth_methods_supported": [method, "private_key_jwt"]}
    bridge.op.set_fault("discovery", Fault(members=offered))
    for request in sign_in_twice(AUTO[method]):
        used = {
            "client_secret_jwt": request.assertion is not None,
            "client_secret_basic": "authorization" in request.headers,
            "client_secret_post": "client_secret" in request.form,
        }
        assert [name for name, is_used in used.items() if is_used] == [method]


def test_manual_endpoints_need_no_discovery(bridge, sign_in_twice):
    for request in sign_in_twice("manual", cold=COLD - Counter(discovery=1)):
        assert "authorization" in request.headers
        assert set(request.form) == GRANT
