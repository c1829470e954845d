"""The strict provider really refuses what it claims to refuse, and signs in what is right."""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlencode, urlsplit

import httpx
import pytest
import trustme
from joserfc import jwk, jws, jwt
from joserfc.errors import JoseError

from tests.counterparts.api_gateway import ApiGateway
from tests.counterparts.browser import TripError, forms_of, new_browser
from tests.counterparts.faults import ANSWERS, AuthorizationError, Fault, IdTokenTampering
from tests.counterparts.oidc_provider import (
    ALICE,
    AssertionRules,
    Client,
    OidcProvider,
    Tls,
    User,
    sign_in,
)

pytestmark = pytest.mark.interop

CALLBACK = "http://localhost:9/bank/callback"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
AWKWARD_SECRET = "a:b+c%d e&f=g/ü€~" + "x" * 32
KEY = jwk.RSAKey.generate_key(2048, parameters={"kid": "client-key", "use": "sig", "alg": "PS256"})
STRANGERS_KEY = jwk.RSAKey.generate_key(2048, parameters={"kid": "client-key", "use": "sig", "alg": "PS256"})


def client(client_id: str, method: str, **others: Any) -> Client:
    return Client(client_id=client_id, redirect_uris=[CALLBACK], token_endpoint_auth_method=method, **others)


JWT_CLIENT = client(
    "jwt",
    "private_key_jwt",
    jwks={"keys": [KEY.as_dict(private=False)]},
    token_endpoint_auth_signing_alg="PS256",
)
CLIENTS = [
    JWT_CLIENT,
    client("basic", "client_secret_basic", client_secret=AWKWARD_SECRET),
    client("raw", "client_secret_basic", client_secret=AWKWARD_SECRET, basic_credentials="raw"),
    client("post", "client_secret_post", client_secret=AWKWARD_SECRET),
    client("hmac", "client_secret_jwt", client_secret=AWKWARD_SECRET),
]


@pytest.fixture(scope="module")
def running_op() -> Iterator[OidcProvider]:
    with OidcProvider(clients=CLIENTS) as op:
        yield op


@pytest.fixture
def op(running_op: OidcProvider) -> Iterator[OidcProvider]:
    running_op.clear_journal()
    yield running_op
    running_op.clear_faults()
    running_op.set_clients(*CLIENTS)
    running_op.set_users(ALICE)


@pytest.fixture
def browser() -> Iterator[httpx.Client]:
    with new_browser() as client:
        yield client


def authorize_url(op: OidcProvider, client_id: str = "jwt", /, **changed: str | None) -> str:
    parameters: dict[str, str | None] = {
        "client_id": client_id,
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "openid email profile groups",
        "state": "s1",
        "nonce": "n1",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    query = {name: value for name, value in (parameters | changed).items() if value is not None}
    return f"{op.endpoint('authorize')}?{urlencode(query)}"


def answered(request: httpx.Request) -> dict[str, str]:
    assert str(request.url).startswith(CALLBACK)
    return {name: values[0] for name, values in parse_qs(urlsplit(str(request.url)).query).items()}


def new_code(op: OidcProvider, browser: httpx.Client, client_id: str = "jwt") -> str:
    return answered(sign_in(browser, authorize_url(op, client_id)))["code"]


def assertion(
    op: OidcProvider, *, key: jwk.Key = KEY, header: Mapping[str, Any] | None = None, **changed: Any
) -> str:
    now = int(time.time())
    claims = {
        "iss": "jwt",
        "sub": "jwt",
        "aud": op.issuer,
        "jti": uuid.uuid4().hex,
        "iat": now,
        "exp": now + 60,
    }
    claims = {name: value for name, value in (claims | changed).items() if value is not None}
    full_header = {"alg": "PS256", "kid": "client-key"} if header is None else dict(header)
    return jwt.encode(full_header, claims, key, algorithms=["PS256", "HS256"])


def redeem(
    op: OidcProvider, code: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None
) -> httpx.Response:
    grant = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    }
    return httpx.post(op.endpoint("token"), data=grant | dict(form), headers=headers, trust_env=False)


def redeem_jwt(op: OidcProvider, code: str, signed: str) -> httpx.Response:
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    return redeem(op, code, {"client_id": "jwt", "client_assertion_type": kind, "client_assertion": signed})


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


def refused(answer: httpx.Response, error: str = "invalid_client") -> None:
    assert answer.status_code in {400, 401}, answer.text
    assert answer.json()["error"] == error


def claims_of(op: OidcProvider, id_token: str) -> dict[str, Any]:
    keys = jwk.KeySet.import_key_set(httpx.get(op.endpoint("jwks"), trust_env=False).json())
    return jwt.decode(id_token, keys, algorithms=["RS256", "ES256"]).claims


def test_a_right_assertion_signs_in(op: OidcProvider, browser: httpx.Client) -> None:
    tokens = redeem_jwt(op, new_code(op, browser), assertion(op)).json()
    claims = claims_of(op, tokens["id_token"])
    assert claims["iss"] == op.issuer
    assert (claims["aud"], claims["sub"], claims["nonce"]) == ("jwt", ALICE.sub, "n1")
    assert (claims["acr"], claims["amr"]) == (ALICE.acr, ALICE.amr)
    assert "email" not in claims

    userinfo = httpx.get(
        op.endpoint("userinfo"),
        headers={"authorization": f"Bearer {tokens['access_token']}"},
        trust_env=False,
    )
    assert userinfo.headers["content-type"].startswith("application/json")
    assert userinfo.json() == {
        "sub": ALICE.sub,
        "email": "alice@example.com",
        "email_verified": True,
        "name": "Alice Möller",
        "given_name": "Alice",
        "family_name": "Möller",
        "groups": ["treasury", "approvers, senior"],
    }


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "https://elsewhere.example"},
        {"aud": None},
        {"exp": int(time.time()) - 60},
        {"exp": int(time.time()) + 3_600},
        {"exp": None},
        {"jti": None},
        {"iss": "somebody"},
        {"nbf": int(time.time()) + 600},
    ],
    ids=lambda changed: ",".join(f"{name}" for name in changed),
)
def test_a_wrong_assertion_is_refused(
    op: OidcProvider, browser: httpx.Client, changed: dict[str, Any]
) -> None:
    refused(redeem_jwt(op, new_code(op, browser), assertion(op, **changed)))


def test_only_the_registered_audience_counts(op: OidcProvider, browser: httpx.Client) -> None:
    code = new_code(op, browser)
    refused(redeem_jwt(op, code, assertion(op, aud=op.endpoint("token"))))
    refused(redeem_jwt(op, code, assertion(op, aud=[op.issuer])))

    op.set_clients(replace(JWT_CLIENT, assertion=AssertionRules(audience=["token_endpoint"])))
    refused(redeem_jwt(op, code, assertion(op)))
    assert redeem_jwt(op, code, assertion(op, aud=op.endpoint("token"))).status_code == 200

    op.set_clients(replace(JWT_CLIENT, assertion=AssertionRules(audience=["urn:bank:audience"])))
    code = new_code(op, browser)
    refused(redeem_jwt(op, code, assertion(op)))
    assert redeem_jwt(op, code, assertion(op, aud="urn:bank:audience")).status_code == 200


def test_a_replayed_assertion_is_refused(op: OidcProvider, browser: httpx.Client) -> None:
    signed = assertion(op)
    assert redeem_jwt(op, new_code(op, browser), signed).status_code == 200
    refused(redeem_jwt(op, new_code(op, browser), signed))


def test_header_of_the_assertion(op: OidcProvider, browser: httpx.Client) -> None:
    code = new_code(op, browser)
    refused(redeem_jwt(op, code, assertion(op, header={"alg": "PS256"})))
    refused(redeem_jwt(op, code, assertion(op, header={"alg": "PS256", "kid": "other"})))
    refused(redeem_jwt(op, code, assertion(op, key=STRANGERS_KEY)))
    op.set_clients(replace(JWT_CLIENT, assertion=AssertionRules(typ="JWT", required_claims=["nbf"])))
    typed = {"alg": "PS256", "kid": "client-key", "typ": "JWT"}
    refused(
        redeem_jwt(
            op,
            code,
            assertion(op, nbf=int(time.time()), header={"alg": "PS256", "kid": "client-key", "typ": "x"}),
        )
    )
    refused(redeem_jwt(op, code, assertion(op, header=typed, nbf=None)))
    assert redeem_jwt(op, code, assertion(op, header=typed, nbf=int(time.time()))).status_code == 200


def test_keys_may_be_fetched_from_the_client(op: OidcProvider, browser: httpx.Client) -> None:
    fetched = []

    def jwks(event: dict[str, Any]) -> dict[str, Any]:
        fetched.append(event["rawPath"])
        body = json.dumps({"keys": [KEY.as_dict(private=False)]})
        return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": body}

    with ApiGateway({"GET /{connection}/client-jwks.json": jwks}) as bridge:
        op.set_clients(replace(JWT_CLIENT, jwks=None, jwks_uri=f"{bridge.url}/bank/client-jwks.json"))
        assert redeem_jwt(op, new_code(op, browser), assertion(op)).status_code == 200
        refused(redeem_jwt(op, new_code(op, browser), assertion(op, key=STRANGERS_KEY)))
    assert set(fetched) == {"/bank/client-jwks.json"}


def test_client_secret_basic_is_form_encoded_and_in_the_header_only(
    op: OidcProvider, browser: httpx.Client
) -> None:
    code = new_code(op, browser, "basic")
    refused(redeem(op, code, {"client_id": "basic", "client_secret": AWKWARD_SECRET}))
    refused(redeem(op, code, {}, basic("basic", "wrong")))
    assert redeem(op, code, {}, basic("basic", AWKWARD_SECRET)).status_code in {400, 401}
    assert redeem(op, code, {}, basic("basic", quote_plus(AWKWARD_SECRET))).status_code == 200


def test_client_secret_basic_may_be_registered_as_raw(op: OidcProvider, browser: httpx.Client) -> None:
    code = new_code(op, browser, "raw")
    refused(redeem(op, code, {"client_id": "raw", "client_secret": AWKWARD_SECRET}))
    refused(redeem(op, code, {}, basic("raw", quote_plus(AWKWARD_SECRET))))
    assert redeem(op, code, {}, basic("raw", AWKWARD_SECRET)).status_code == 200


def test_client_secret_post_is_in_the_body_only(op: OidcProvider, browser: httpx.Client) -> None:
    code = new_code(op, browser, "post")
    refused(redeem(op, code, {}, basic("post", quote_plus(AWKWARD_SECRET))))
    refused(redeem(op, code, {"client_id": "post", "client_secret": "wrong"}))
    assert redeem(op, code, {"client_id": "post", "client_secret": AWKWARD_SECRET}).status_code == 200


def test_client_secret_jwt_is_keyed_with_the_secret(op: OidcProvider, browser: httpx.Client) -> None:
    code = new_code(op, browser, "hmac")
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

    def answer(secret: str) -> httpx.Response:
        signed = assertion(
            op, key=jwk.OctKey.import_key(secret), header={"alg": "HS256"}, iss="hmac", sub="hmac"
        )
        return redeem(
            op, code, {"client_id": "hmac", "client_assertion_type": kind, "client_assertion": signed}
        )

    refused(answer("wrong" * 10))
    assert answer(AWKWARD_SECRET).status_code == 200


@pytest.mark.parametrize(
    "changed",
    [
        {"nonce": None},
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": None},
    ],
    ids=["no nonce", "no PKCE", "plain", "no method"],
)
def test_an_authorization_request_must_have_nonce_and_pkce(
    op: OidcProvider, browser: httpx.Client, changed: dict[str, str | None]
) -> None:
    answer = answered(sign_in(browser, authorize_url(op, **changed)))
    assert answer["error"] == "invalid_request"
    assert "code" not in answer


def test_pkce_and_single_use_at_the_token_endpoint(op: OidcProvider, browser: httpx.Client) -> None:
    code = new_code(op, browser)
    form = {"client_id": "jwt", "code_verifier": "w" * 43, "client_assertion": assertion(op)}
    form["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    refused(redeem(op, code, form), "invalid_grant")

    code = new_code(op, browser)
    assert redeem_jwt(op, code, assertion(op)).status_code == 200
    refused(redeem_jwt(op, code, assertion(op)), "invalid_grant")


def test_a_redirect_uri_that_is_not_registered_gets_a_page(op: OidcProvider, browser: httpx.Client) -> None:
    with pytest.raises(TripError, match="status 400"):
        sign_in(browser, authorize_url(op, redirect_uri=CALLBACK + "/"))


def test_unknown_user_and_wrong_password_stay_on_the_page(op: OidcProvider, browser: httpx.Client) -> None:
    op.set_users(ALICE, User(name="bob", password="b's"))
    with pytest.raises(TripError, match="do not match"):
        sign_in(browser, authorize_url(op), "mallory")
    with pytest.raises(TripError, match="do not match"):
        sign_in(browser, authorize_url(op), "bob", password="wrong")
    assert "code" in answered(sign_in(browser, authorize_url(op), "bob", password="b's"))


def test_giving_up_answers_access_denied(op: OidcProvider, browser: httpx.Client) -> None:
    page = browser.get(authorize_url(op), follow_redirects=True)
    abort = next(form for form in forms_of(page) if form.fields["prompt"] == "abort")
    back = browser.post(abort.action, data=dict(abort.fields))
    resumed = browser.get(back.headers["location"])
    assert "error=access_denied" in resumed.headers["location"]


def test_consent_is_asked_for_when_configured(browser: httpx.Client) -> None:
    with OidcProvider(clients=CLIENTS, consent=True) as op:
        assert "code" in answered(sign_in(browser, authorize_url(op)))
        prompts = [entry.form.get("prompt") for entry in op.journal() if entry.method == "POST"]
        assert prompts == ["login", "consent"]


def test_form_post_is_a_request_with_a_body(op: OidcProvider, browser: httpx.Client) -> None:
    request = sign_in(browser, authorize_url(op, response_mode="form_post"))
    assert (request.method, str(request.url)) == ("POST", CALLBACK)
    form = parse_qs(request.content.decode())
    assert form["state"] == ["s1"]
    assert form["iss"] == [op.issuer]
    assert redeem_jwt(op, form["code"][0], assertion(op)).status_code == 200


def test_faults_of_the_authorization_endpoint(op: OidcProvider, browser: httpx.Client) -> None:
    op.set_fault(
        "authorization", Fault(error=AuthorizationError("temporarily_unavailable", "come back later"))
    )
    answer = answered(sign_in(browser, authorize_url(op)))
    assert (answer["error"], answer["error_description"]) == ("temporarily_unavailable", "come back later")
    assert (answer["state"], answer["iss"]) == ("s1", op.issuer)


@pytest.mark.parametrize("name", ANSWERS)
def test_canned_answers_of_the_token_endpoint(op: OidcProvider, browser: httpx.Client, name: str) -> None:
    code = new_code(op, browser)
    op.set_fault("token", Fault(answer=ANSWERS[name], times=1))
    answer = redeem_jwt(op, code, assertion(op))
    assert (answer.status_code, answer.text) == (ANSWERS[name].status, ANSWERS[name].body)
    content_type = answer.headers.get("content-type", "")
    assert content_type.startswith(ANSWERS[name].content_type) == bool(ANSWERS[name].body)
    assert redeem_jwt(op, code, assertion(op)).status_code == 200, "used up, and the code was not touched"


def test_an_answer_lost_after_the_work_has_consumed_the_code(op: OidcProvider, browser: httpx.Client) -> None:
    code = new_code(op, browser)
    op.set_fault("token", Fault(answer=ANSWERS["unavailable"], after=True, times=1))
    assert redeem_jwt(op, code, assertion(op)).status_code == 503
    refused(redeem_jwt(op, code, assertion(op)), "invalid_grant")


def test_a_cut_connection_and_a_slow_answer(op: OidcProvider, browser: httpx.Client) -> None:
    op.set_fault("token", Fault(drop=True))
    with pytest.raises(httpx.RemoteProtocolError):
        redeem_jwt(op, "code", assertion(op))
    assert op.journal("token")[-1].status is None

    op.set_fault("token", Fault(delay=30))
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(op.endpoint("token"), data={"code": "code"}, timeout=0.2, trust_env=False)


def test_a_code_can_be_short_lived(browser: httpx.Client) -> None:
    with OidcProvider(clients=CLIENTS, code_lifetime=1) as op:
        code = new_code(op, browser)
        time.sleep(1.5)
        refused(redeem_jwt(op, code, assertion(op)), "invalid_grant")


def test_members_of_userinfo_can_be_changed(op: OidcProvider, browser: httpx.Client) -> None:
    tokens = redeem_jwt(op, new_code(op, browser), assertion(op)).json()
    op.set_fault("userinfo", Fault(members={"sub": "somebody-else", "email": None}))
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    userinfo = httpx.get(op.endpoint("userinfo"), headers=bearer, trust_env=False).json()
    assert userinfo["sub"] == "somebody-else"
    assert "email" not in userinfo


def test_id_tokens_can_be_tampered_with(op: OidcProvider, browser: httpx.Client) -> None:
    def tampered(tampering: IdTokenTampering) -> str:
        op.set_fault("token", Fault(id_token=tampering, times=1))
        id_token: str = redeem_jwt(op, new_code(op, browser), assertion(op)).json()["id_token"]
        return id_token

    claims = claims_of(op, tampered(IdTokenTampering(claims={"aud": ["jwt", "x"], "nonce": None})))
    assert claims["aud"] == ["jwt", "x"]
    assert "nonce" not in claims
    with pytest.raises(JoseError, match="invalid_key_id"):
        claims_of(op, tampered(IdTokenTampering(header={"kid": "unknown"})))
    with pytest.raises(JoseError, match="bad_signature"):
        claims_of(op, tampered(IdTokenTampering(key="stranger")))
    assert tampered(IdTokenTampering(key="none")).endswith(".")
    header = jws.extract_compact(tampered(IdTokenTampering(key="public-key-as-secret")).encode()).headers()
    assert header["alg"] == "HS256"


def test_keys_rotate_while_it_runs(op: OidcProvider, browser: httpx.Client) -> None:
    def kids() -> list[str]:
        return [key["kid"] for key in httpx.get(op.endpoint("jwks"), trust_env=False).json()["keys"]]

    def signing_kid() -> str:
        id_token = redeem_jwt(op, new_code(op, browser), assertion(op)).json()["id_token"]
        kid: str = jws.extract_compact(id_token.encode()).headers()["kid"]
        return kid

    before = kids()
    code = new_code(op, browser)
    published = op.rotate_keys()
    assert kids() == published
    assert set(before) < set(published)
    assert signing_kid() not in before
    assert redeem_jwt(op, code, assertion(op)).status_code == 200, "what was begun goes on"
    assert not set(op.rotate_keys(publish_old=False)) & set(published)


def test_signs_with_the_algorithm_that_a_client_registered(op: OidcProvider, browser: httpx.Client) -> None:
    op.set_clients(replace(JWT_CLIENT, id_token_signed_response_alg="ES256"))
    id_token = redeem_jwt(op, new_code(op, browser), assertion(op)).json()["id_token"]
    assert jws.extract_compact(id_token.encode()).headers()["alg"] == "ES256"
    assert claims_of(op, id_token)["sub"] == ALICE.sub


def test_a_wrong_registration_is_refused_and_changes_nothing(op: OidcProvider, browser: httpx.Client) -> None:
    with pytest.raises(ValueError, match="client_secret"):
        op.set_clients(client("x", "client_secret_post"))
    assert "code" in answered(sign_in(browser, authorize_url(op)))


def test_claims_can_be_put_into_the_id_token(browser: httpx.Client) -> None:
    with OidcProvider(clients=CLIENTS, claims_in_id_token=True, path="/realms/bank") as op:
        assert op.issuer.endswith("/realms/bank")
        claims = claims_of(op, redeem_jwt(op, new_code(op, browser), assertion(op)).json()["id_token"])
        assert (claims["email"], claims["email_verified"]) == ("alice@example.com", True)
        assert op.count("token") == 1


def test_the_journal_tells_what_was_received(op: OidcProvider, browser: httpx.Client) -> None:
    httpx.get(f"{op.issuer}/.well-known/openid-configuration", trust_env=False)
    signed = assertion(op)
    redeem_jwt(op, new_code(op, browser), signed)
    assert (op.count("discovery"), op.count("jwks"), op.count("userinfo")) == (1, 0, 0)
    (entry,) = op.journal("token")
    assert (entry.method, entry.path, entry.status) == ("POST", "/token", 200)
    assert entry.form["client_assertion"] == signed
    assert entry.assertion is not None
    assert entry.assertion.header == {"alg": "PS256", "kid": "client-key", "typ": "JWT"}
    assert entry.assertion.claims["aud"] == op.issuer
    assert "id_token" in (entry.answer or "")
    assert op.journal("authorization")[0].query["nonce"] == "n1"


def test_the_admin_door_is_closed_to_others(op: OidcProvider) -> None:
    assert httpx.get(f"{op.origin}/_admin/journal", trust_env=False).status_code == 404
    assert httpx.get(f"{op.origin}/_admin/journal", headers={"authorization": "Bearer x"}).status_code == 404


def test_the_demo_page_is_self_contained(browser: httpx.Client) -> None:
    with OidcProvider(clients=[replace(JWT_CLIENT, client_name='Acme "& <Co>')], pages="demo") as op:
        page = browser.get(authorize_url(op), follow_redirects=True)
        assert "Nordbank ID" in page.text
        assert "Acme &quot;&amp; &lt;Co&gt;" in page.text
        assert "http" not in page.text.replace(op.issuer, "")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "code" in answered(sign_in(browser, authorize_url(op)))


def test_it_ends_with_whoever_started_it() -> None:
    with OidcProvider(clients=CLIENTS) as op:
        stdin = op._program._process.stdin
        assert stdin is not None
        stdin.close()
        assert op._program.wait(30) == 0


def test_further_features_are_a_matter_of_configuration() -> None:
    features = {
        "requestObjects": {"enabled": True},
        "jwtResponseModes": {"enabled": True},
        "encryption": {"enabled": True},
        "dPoP": {
            "enabled": True,
            "nonceSecret": base64.urlsafe_b64encode(b"n" * 32).decode(),
            "requireNonce": True,
        },
    }
    with OidcProvider(clients=CLIENTS, oidc_provider={"features": features}) as op:
        metadata = httpx.get(f"{op.issuer}/.well-known/openid-configuration", trust_env=False).json()
    assert metadata["pushed_authorization_request_endpoint"] == f"{op.issuer}/par"
    assert "jwt" in metadata["response_modes_supported"]
    assert metadata["request_parameter_supported"]
    assert "RSA-OAEP-256" in metadata["id_token_encryption_alg_values_supported"]
    assert "ES256" in metadata["dpop_signing_alg_values_supported"]


def test_pushed_requests_know_the_called_endpoint(op: OidcProvider, browser: httpx.Client) -> None:
    op.set_clients(
        replace(
            JWT_CLIENT,
            assertion=AssertionRules(audience=["called_endpoint"]),
            metadata={"require_pushed_authorization_requests": True},
        )
    )
    assert "error=" in str(sign_in(browser, authorize_url(op)).url), "not pushed"

    def push(audience: str, **changed: str | None) -> httpx.Response:
        form = dict(httpx.URL(authorize_url(op, **changed)).params)
        kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        form |= {"client_assertion_type": kind, "client_assertion": assertion(op, aud=audience)}
        return httpx.post(op.endpoint("par"), data=form, trust_env=False)

    refused(push(op.endpoint("token")))
    query = urlencode({"client_id": "jwt", "request_uri": push(op.endpoint("par")).json()["request_uri"]})
    code = answered(sign_in(browser, f"{op.endpoint('authorize')}?{query}"))["code"]
    assert redeem_jwt(op, code, assertion(op, aud=op.endpoint("token"))).status_code == 200
    assert [entry.status for entry in op.journal("pushed_authorization_request")] == [401, 201]

    query = urlencode(
        {"client_id": "jwt", "request_uri": push(op.endpoint("par"), nonce=None).json()["request_uri"]}
    )
    answer = answered(sign_in(browser, f"{op.endpoint('authorize')}?{query}"))
    assert (answer["error"], answer["error_description"]) == ("invalid_request", "nonce is required")


def test_serves_tls_and_takes_client_certificates(tmp_path: Path) -> None:
    authority = trustme.CA()
    names = {name: tmp_path / f"{name}.pem" for name in ("authority", "server", "key", "client")}
    authority.cert_pem.write_to_path(names["authority"])
    server = authority.issue_cert("127.0.0.1")
    server.cert_chain_pems[0].write_to_path(names["server"])
    server.private_key_pem.write_to_path(names["key"])
    authority.issue_cert("bridge.example").private_key_and_cert_chain_pem.write_to_path(names["client"])
    tls = Tls(certificate=names["server"], key=names["key"], client_ca=names["authority"])
    mtls_client = client("mtls", "tls_client_auth", metadata={"tls_client_auth_san_dns": "bridge.example"})
    settings = {
        "clientAuthMethods": ["tls_client_auth"],
        "features": {"mTLS": {"enabled": True, "tlsClientAuth": True}},
    }
    trust = ssl.create_default_context(cafile=names["authority"])
    with (
        OidcProvider(clients=[mtls_client], tls=tls, oidc_provider=settings) as op,
        new_browser(authority=names["authority"]) as browser,
    ):
        assert op.issuer.startswith("https://127.0.0.1:")
        form = {
            "grant_type": "authorization_code",
            "client_id": "mtls",
            "code": new_code(op, browser, "mtls"),
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
        }
        without = httpx.post(op.endpoint("token"), data=form, verify=trust, trust_env=False)
        trust.load_cert_chain(names["client"])
        with_certificate = httpx.post(op.endpoint("token"), data=form, verify=trust, trust_env=False)
    refused(without)
    assert with_certificate.status_code == 200, with_certificate.text


def test_behind_another_server_it_speaks_of_that_ones_address() -> None:
    with OidcProvider(front="http://127.0.0.1:9") as op:
        assert op.issuer == "http://127.0.0.1:9"
        url = f"{op.origin}/.well-known/openid-configuration"
        metadata = httpx.get(url, headers={"host": "127.0.0.1:9"}, trust_env=False).json()
        assert metadata["issuer"] == op.issuer
        assert metadata["token_endpoint"] == op.endpoint("token")
