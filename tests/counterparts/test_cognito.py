"""The simulated user pool sends what Cognito sends, and refuses what Cognito refuses."""

from __future__ import annotations

import base64
import gzip
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx
import pytest
from joserfc import jwk, jwt

from tests.counterparts.browser import new_browser
from tests.counterparts.cognito import AppRedirect, CognitoPageError, SignInError, UserPool
from tests.counterparts.cognito_configuration import (
    Endpoints,
    InvalidParameterError,
    OidcIdentityProvider,
)
from tests.counterparts.cognito_rules import form_encoded, new_state
from tests.counterparts.oidc_provider import ALICE, Client, OidcProvider, sign_in

ISSUER = "https://bridge.example/bank"
SECRET = "s e~c*ret+/=&" + "x" * 30
KEY = jwk.RSAKey.generate_key(2048, parameters={"kid": "k1", "use": "sig", "alg": "RS256"})
OTHER = jwk.RSAKey.generate_key(2048, parameters={"kid": "k1", "use": "sig", "alg": "RS256"})
PROVIDER = OidcIdentityProvider(name="Bank", client_id="cognito", client_secret=SECRET, oidc_issuer=ISSUER)
MANUAL = Endpoints(
    authorize_url=f"{ISSUER}/authorize",
    token_url=f"{ISSUER}/token",
    attributes_url=f"{ISSUER}/userinfo",
    jwks_uri=f"{ISSUER}/jwks",
)
CLAIMS = {
    "iss": ISSUER,
    "aud": "cognito",
    "sub": "abc",
    "exp": int(time.time()) + 86_400,  # A test may run long after it was read.
    "email": "a@example.com",
}


def signed(claims: dict[str, Any], *, key: jwk.Key = KEY, **header: Any) -> str:
    full_header = {"alg": "RS256", "kid": "k1"} | header
    kept = {name: value for name, value in full_header.items() if value is not None}
    return jwt.encode(kept, claims, key, algorithms=[kept["alg"]])


def answer(body: Any, status: int = 200, content_type: str = "application/json") -> httpx.Response:
    content = body if isinstance(body, str | bytes) else json.dumps(body)
    return httpx.Response(status, content=content, headers={"content-type": content_type})


def tokens(**claims: Any) -> dict[str, Any]:
    merged = {name: value for name, value in (CLAIMS | claims).items() if value is not None}
    return {"access_token": "at", "token_type": "Bearer", "id_token": signed(merged)}


@dataclass
class Idp(httpx.BaseTransport):
    """An IdP that answers what a test wants; `requests` keeps what was asked."""

    token: Any = field(default_factory=lambda: answer(tokens()))
    userinfo: Any = field(
        default_factory=lambda: answer({"sub": "abc", "email": "b@example.com", "name": "Ann"})
    )
    jwks: Any = field(default_factory=lambda: answer({"keys": [KEY.as_dict(private=False)]}))
    discovery: Any = field(
        default_factory=lambda: answer(
            {
                "issuer": ISSUER,
                "authorization_endpoint": f"{ISSUER}/authorize",
                "token_endpoint": f"{ISSUER}/token",
                "userinfo_endpoint": f"{ISSUER}/userinfo",
                "jwks_uri": f"{ISSUER}/jwks",
            }
        )
    )
    requests: list[httpx.Request] = field(default_factory=list)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        name = request.url.path.rpartition("/")[2]
        reply = self.discovery if name == "openid-configuration" else getattr(self, name)
        if isinstance(reply, Exception):
            raise reply
        assert isinstance(reply, httpx.Response)
        return httpx.Response(reply.status_code, headers=reply.headers, content=reply.content)

    def last(self, name: str) -> httpx.Request:
        return [request for request in self.requests if request.url.path.endswith(name)][-1]


@pytest.fixture
def idp() -> Idp:
    return Idp()


@pytest.fixture
def pool(idp: Idp) -> Iterator[UserPool]:
    with UserPool(transport=idp) as pool:
        pool.create_identity_provider(replace(PROVIDER, endpoints=MANUAL))
        yield pool


def come_back(pool: UserPool, **changed: str | None) -> AppRedirect:
    asked = dict(parse_qsl(urlsplit(pool.authorize("Bank")).query))
    query = {"code": "c1", "state": asked["state"]} | changed
    sent = {name: value for name, value in query.items() if value is not None}
    return pool.idpresponse(f"{pool.redirect_uri}?{urlencode(sent)}")


def refusal(pool: UserPool, **changed: str | None) -> str:
    with pytest.raises(SignInError) as caught:
        come_back(pool, **changed)
    query = dict(parse_qsl(urlsplit(caught.value.app_url).query))
    assert (query["error"], query["state"]) == ("invalid_request", "app-state")
    assert query["error_description"] == caught.value.description
    return caught.value.description


def test_a_right_answer_signs_in(pool: UserPool, idp: Idp) -> None:
    app = come_back(pool)
    assert parse_qs(urlsplit(app.url).query) == {"code": [app.code], "state": ["app-state"]}
    user = pool.redeem(app.code)
    assert (user.username, user.status) == ("bank_abc", "EXTERNAL_PROVIDER")
    assert user.attributes == {"email": "a@example.com", "email_verified": "false"}, "the ID token wins"
    assert user.userinfo["name"] == "Ann"
    assert pool.calls == {"token": 1, "jwks": 1, "userinfo": 1}
    with pytest.raises(KeyError):
        pool.redeem(app.code)


def test_the_authorization_request_has_no_nonce_and_no_pkce(pool: UserPool) -> None:
    url = pool.authorize("Bank", login_hint="ann", prompt="login")
    assert url.startswith(f"{ISSUER}/authorize?client_id=cognito&redirect_uri=https%3A%2F%2Facme.auth.")
    query = dict(parse_qsl(urlsplit(url).query))
    names = ["client_id", "redirect_uri", "scope", "response_type", "state", "login_hint", "prompt"]
    assert list(query) == names
    assert (query["scope"], query["response_type"]) == ("openid email", "code")
    assert "prompt" not in pool.authorize("Bank", prompt="none")
    assert "acr_values" not in url


@pytest.mark.parametrize(
    ("acr", "level"),
    [("urn:2", "Level2"), ("urn:1", "Level1"), ("urn:3", "Level1"), ("Level2", "Level1"), (None, "Level1")],
)
def test_a_level_is_asked_for_and_told_in_the_idps_words(
    pool: UserPool, idp: Idp, acr: str | None, level: str
) -> None:
    mapping = {"Level1": "urn:1", "Level2": "urn:2"}
    pool.create_identity_provider(replace(PROVIDER, endpoints=MANUAL, acr_mapping=mapping))
    url = pool.authorize("Bank", level="Level2")
    assert dict(parse_qsl(urlsplit(url).query))["acr_values"] == "urn:2"
    idp.token = answer(tokens(acr=acr))
    assert pool.redeem(come_back(pool).code).level == level


def test_without_a_mapping_there_is_no_level(pool: UserPool, idp: Idp) -> None:
    idp.token = answer(tokens(acr="urn:2"))
    assert pool.redeem(come_back(pool).code).level is None


def test_there_are_four_levels(pool: UserPool) -> None:
    with pytest.raises(InvalidParameterError, match="there is no Level5"):
        pool.create_identity_provider(replace(PROVIDER, endpoints=MANUAL, acr_mapping={"Level5": "urn:5"}))


def test_the_token_request_byte_for_byte(pool: UserPool, idp: Idp) -> None:
    come_back(pool, code="a b/~*")
    request = idp.last("/token")
    assert request.method == "POST"
    assert request.content.decode() == (
        "grant_type=authorization_code&client_id=cognito"
        "&redirect_uri=https%3A%2F%2Facme.auth.eu-west-1.amazoncognito.com%2Foauth2%2Fidpresponse"
        "&client_secret=s+e%7Ec*ret%2B%2F%3D%26" + "x" * 30 + "&code=a+b%2F%7E*"
    )
    assert dict(request.headers) == {
        "host": "bridge.example",
        "content-type": "application/x-www-form-urlencoded; charset=UTF-8",
        "user-agent": "Amazon/Cognito",
        "accept-encoding": "gzip,deflate",
        "content-length": str(len(request.content)),
    }


def test_userinfo_by_get_and_by_post(idp: Idp, pool: UserPool) -> None:
    come_back(pool)
    request = idp.last("/userinfo")
    assert (request.method, request.headers["authorization"]) == ("GET", "Bearer at")
    assert "accept" not in request.headers

    pool.create_identity_provider(replace(PROVIDER, endpoints=MANUAL, attributes_request_method="POST"))
    come_back(pool)
    request = idp.last("/userinfo")
    assert (request.method, request.headers["authorization"], request.content) == ("POST", "Bearer at", b"")

    in_body = replace(PROVIDER, endpoints=MANUAL, attributes_request_method="POST", post_token_in="body")
    pool.create_identity_provider(in_body)
    come_back(pool)
    request = idp.last("/userinfo")
    assert ("authorization" in request.headers, request.content) == (False, b"access_token=at")


def test_discovery_and_keys_are_read_for_every_sign_in(idp: Idp) -> None:
    pool = UserPool(transport=idp)
    pool.create_identity_provider(PROVIDER)
    assert pool.calls == {"discovery": 1}
    come_back(pool)
    come_back(pool)
    assert pool.calls == {"discovery": 5, "token": 2, "jwks": 2, "userinfo": 2}

    idp.discovery = answer({"issuer": "https://elsewhere.example"})
    with pytest.raises(InvalidParameterError, match="well-known"):
        pool.create_identity_provider(PROVIDER)
    idp.discovery = httpx.ConnectError("refused")
    with pytest.raises(InvalidParameterError, match="well-known"):
        pool.create_identity_provider(PROVIDER)


def test_the_state_comes_back_byte_for_byte_once_and_in_time(idp: Idp) -> None:
    now = [1_000.0]
    pool = UserPool(transport=idp, clock=lambda: now[0], state_format="longest")
    pool.create_identity_provider(replace(PROVIDER, endpoints=MANUAL))

    def state() -> str:
        return dict(parse_qsl(urlsplit(pool.authorize("Bank")).query))["state"]

    for wrong in (None, "", state()[:-1], state() + "=", state().replace("+", " ")):
        with pytest.raises(CognitoPageError):
            come_back(pool, state=wrong)
    with pytest.raises(CognitoPageError):
        pool.idpresponse(
            f"https://elsewhere.example/oauth2/idpresponse?{urlencode({'state': state(), 'code': 'c'})}"
        )

    sent = state()
    come_back(pool, state=sent)
    with pytest.raises(CognitoPageError):
        come_back(pool, state=sent)
    late = state()
    now[0] += 301
    with pytest.raises(CognitoPageError, match="went wrong"):
        come_back(pool, state=late)


@pytest.mark.parametrize(
    "changed, text",
    [
        ({"iss": "https://elsewhere.example"}, "Bad id_token issuer https://elsewhere.example"),
        ({"iss": ISSUER + "/"}, f"Bad id_token issuer {ISSUER}/"),
        ({"aud": "somebody"}, "Bad id_token audience somebody"),
        ({"aud": ["a", "b"]}, "Bad id_token audience ['a', 'b']"),
        ({"aud": None}, "Bad id_token audience None"),
        ({"exp": int(time.time()) - 1}, "id_token has expired"),
        ({"exp": None}, "id_token has expired"),
        ({"sub": None}, "username attribute mapping required"),
        ({"sub": ""}, "username attribute mapping required"),
    ],
)
def test_wrong_claims_are_refused(pool: UserPool, idp: Idp, changed: dict[str, Any], text: str) -> None:
    idp.token, idp.userinfo = answer(tokens(**changed)), answer({})
    assert refusal(pool) == text


def test_wrong_signatures_are_refused(pool: UserPool, idp: Idp) -> None:
    def text(id_token: str) -> str:
        idp.token = answer(tokens() | {"id_token": id_token})
        return refusal(pool)

    unsigned = signed(CLAIMS).split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","kid":"k1"}').decode().rstrip("=")
    assert text(f"{none}.{unsigned[1]}.") == "unsupported algorithm 'none'"
    assert text(signed(CLAIMS, key=OTHER)) == "invalid_token_signature: Error when verifying signature"
    assert text(signed(CLAIMS, kid="k2")) == "0 keys with kid 'k2' in the key set"
    assert text(signed(CLAIMS, kid=None)) == "kid is missing"
    modulus = jwk.OctKey.import_key(str(KEY.as_dict(private=False)["n"]))
    assert "Symmetric MAC" in text(signed(CLAIMS, key=modulus, alg="HS256"))
    for none_of_them in ("a.b", "a.b.c.d.e", "...", "!.!.!", "W10.W10.W10", ""):
        assert text(none_of_them) == "id_token is not a signed JWT"

    idp.token = answer({name: value for name, value in tokens().items() if name != "id_token"})
    assert refusal(pool) == "id_token is not a signed JWT"
    idp.token, idp.jwks = answer(tokens()), answer({"keys": [KEY.as_dict(private=True)]})
    assert "private key" in refusal(pool)
    idp.jwks = answer({"keys": [KEY.as_dict(private=False), OTHER.as_dict(private=False)]})
    assert "2 keys" in refusal(pool)


def test_good_algorithms_and_audiences(pool: UserPool, idp: Idp) -> None:
    ec = jwk.ECKey.generate_key("P-256", parameters={"kid": "ec"})
    idp.jwks = answer({"keys": [ec.as_dict(private=False), KEY.as_dict(private=False)]})
    secret = jwk.OctKey.import_key(SECRET)
    for id_token in (
        signed(CLAIMS, key=ec, alg="ES256", kid="ec"),
        signed(CLAIMS, key=secret, alg="HS256", kid=None),
        signed(CLAIMS | {"aud": ["cognito", "other"]}),
    ):
        idp.token = answer(tokens() | {"id_token": id_token})
        assert pool.redeem(come_back(pool).code).username == "bank_abc"
    assert pool.calls["jwks"] == 2, "none for a symmetric one"


@pytest.mark.parametrize(
    "reply, text",
    [
        (
            answer({"error": "invalid_grant", "error_description": "x [id 1]"}, 400),
            "400 invalid_grant x [id 1]",
        ),
        (answer({"error": "invalid_client"}, 401), "401 invalid_client"),
        (answer('"bare string"', 400), "400 error getting token"),
        (answer({"message": "Internal Server Error"}, 500), "500 error getting token"),
        (answer("<html>", 200, "text/html"), "200 error getting token"),
        (answer(tokens(), 200, "text/plain"), "200 error getting token"),
        (answer("{", 200), "200 error getting token"),
        (answer("", 302), "302 error getting token"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_errors_of_the_token_endpoint(pool: UserPool, idp: Idp, reply: httpx.Response, text: str) -> None:
    idp.token = reply
    assert refusal(pool) == f"Bank Error - {text}"


def test_transport_errors_have_their_own_words(pool: UserPool, idp: Idp) -> None:
    idp.token = httpx.ReadTimeout("slow")
    assert refusal(pool) == "Timeout occurred in calling IdP token endpoint"
    idp.token = httpx.ConnectError("refused")
    assert refusal(pool) == "Connection reset"
    idp.token, idp.jwks = answer(tokens()), httpx.ReadTimeout("slow")
    assert refusal(pool) == "Timeout in calling jwks uri"
    idp.jwks = answer("", 503)
    assert refusal(pool) == "Bank Error - 503 error getting jwks"


@pytest.mark.parametrize("changed", [{"token_type": None}, {"token_type": "DPoP"}, {"access_token": None}])
def test_the_token_answer_must_be_complete(pool: UserPool, idp: Idp, changed: dict[str, Any]) -> None:
    idp.token = answer(tokens() | changed)
    assert refusal(pool) == "invalid token_type in idp oauth response"


def test_errors_of_the_authorization_endpoint_are_relayed(pool: UserPool) -> None:
    text = refusal(pool, code=None, error="access_denied", error_description="not today")
    assert text == "Bank Error - access_denied not today"
    assert refusal(pool, code=None) == "Bank Error - error getting code"


def test_userinfo_may_fail_but_not_lie(pool: UserPool, idp: Idp) -> None:
    for reply in (answer("", 401), answer("", 500), httpx.ReadTimeout("slow")):
        idp.userinfo = reply
        assert pool.redeem(come_back(pool).code).userinfo == {}
    idp.userinfo = answer("eyJ.eyJ.x", 200, "application/jwt")
    assert refusal(pool) == "invalid token_type in idp oauth response"
    idp.userinfo = answer({"sub": "somebody"})
    assert refusal(pool) == "sub of userinfo is not that of the id_token"


def with_mapping(idp: Idp, mapping: dict[str, str], **options: Any) -> UserPool:
    pool = UserPool(transport=idp, **options)
    pool.create_identity_provider(replace(PROVIDER, endpoints=MANUAL, attribute_mapping=mapping))
    return pool


def test_claims_become_strings(idp: Idp) -> None:
    claims = {"groups": ["a b", "c,d", "ä"], "verified": True, "number": 3, "name": "Möller", "unmapped": "x"}
    idp.token = answer(tokens(**claims))
    mapping = {"custom:groups": "groups", "email_verified": "verified", "custom:n": "number", "name": "name"}
    pool = with_mapping(idp, mapping | {"custom:token": "access_token", "custom:none": "absent"})
    assert pool.redeem(come_back(pool).code).attributes == {
        "custom:groups": "[a+b,c%2Cd,%C3%A4]",
        "email_verified": "true",
        "custom:n": "3",
        "name": "Möller",
        "custom:token": "at",
    }
    idp.token = answer(tokens(name={"nested": "object"}))
    assert "dict cannot be mapped" in refusal(pool)


def test_values_have_a_limit(idp: Idp) -> None:
    pool = with_mapping(idp, {"name": "name"})
    idp.token = answer(tokens(name="n" * 2_048))
    assert len(pool.redeem(come_back(pool).code).attributes["name"]) == 2_048
    idp.token = answer(tokens(name="n" * 2_049))
    assert "at most 2048 characters" in refusal(pool)


def test_required_attributes_and_what_disappears(idp: Idp) -> None:
    pool = with_mapping(idp, {"email": "mail", "name": "name"}, required_attributes=["email"])
    assert refusal(pool) == "Invalid user attributes: email. The attribute is required."
    idp.token = answer(tokens(mail="m@example.com", name="Ann"))
    assert pool.redeem(come_back(pool).code).attributes["name"] == "Ann"
    idp.token, idp.userinfo = answer(tokens(mail="m@example.com")), answer({"sub": "abc"})
    assert pool.redeem(come_back(pool).code).attributes["name"] == "Ann", "the old value stays"
    idp.token = answer(tokens(mail="m@example.com", name=""))
    assert "name" not in pool.redeem(come_back(pool).code).attributes, "a blank clears it"
    idp.token = answer(tokens(mail=""))
    assert "email" in refusal(pool)


@pytest.mark.parametrize("case_sensitive", [False, True])
def test_usernames(idp: Idp, case_sensitive: bool) -> None:
    pool = with_mapping(idp, {}, case_sensitive=case_sensitive)
    names = set()
    for subject in ("Abc", "aBC", "s" * 123):
        idp.token, idp.userinfo = answer(tokens(sub=subject)), answer({})
        names.add(pool.redeem(come_back(pool).code).username)
    assert len(names) == (3 if case_sensitive else 2), "subjects that differ by case only collide"
    for subject, text in (("s" * 124, "less than or equal to 128"), ("a b", "regular expression")):
        idp.token = answer(tokens(sub=subject))
        assert text in refusal(pool)


@pytest.mark.parametrize(
    "changed, text",
    [
        ({"name": "ab"}, "ProviderName"),
        ({"name": "a" * 33}, "ProviderName"),
        ({"name": "my_bank"}, "ProviderName"),
        ({"name": "my bank"}, "ProviderName"),
        ({"authorize_scopes": "email"}, "openid"),
        ({"client_secret": ""}, "client_secret"),
        ({"oidc_issuer": ISSUER + "/"}, "slash"),
        ({"oidc_issuer": "http://bridge.example/bank"}, "not https"),
        ({"oidc_issuer": "https://bridge.example:8443/bank"}, "not https"),
        ({"endpoints": replace(MANUAL, token_url="http://bridge.example/token")}, "not https"),
        ({"attribute_mapping": {"custom:" + "a" * 21: "x"}}, "20 characters"),
    ],
)
def test_what_the_api_refuses(pool: UserPool, changed: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidParameterError, match=text):
        pool.create_identity_provider(replace(PROVIDER, **({"endpoints": MANUAL} | changed)))


def test_states_look_like_those_that_were_seen() -> None:
    state = new_state("2025")
    content, mac, version = state.split(".")
    assert 677 <= len(state) <= 760
    assert version.isdigit()
    plain = json.loads(gzip.decompress(base64.urlsafe_b64decode(content + "=" * (-len(content) % 4))))
    assert plain["providerName"] == "Bank"
    assert len(gzip.decompress(base64.urlsafe_b64decode(mac + "=" * (-len(mac) % 4)))) == 32

    old = new_state("2020")
    assert 888 <= len(old) <= 1_240
    assert old.endswith("=")
    assert b":" in base64.b64decode(old)

    longest = new_state("longest")
    assert len(longest) == 1_250
    assert set("+/=.-_") <= set(longest)
    assert new_state() != new_state()


def test_forms_are_encoded_as_java_does() -> None:
    assert form_encoded("aZ09.-*_ ~+%&ä/") == "aZ09.-*_+%7E%2B%25%26%C3%A4%2F"


@pytest.mark.interop
@pytest.mark.parametrize("by_discovery", [True, False])
def test_a_whole_sign_in_at_a_real_provider(by_discovery: bool) -> None:
    registered = Client(
        client_id="cognito",
        client_secret=SECRET,
        redirect_uris=["https://acme.auth.eu-west-1.amazoncognito.com/oauth2/idpresponse"],
        token_endpoint_auth_method="client_secret_post",
    )
    with (
        UserPool(state_format="longest", required_attributes=["email"]) as pool,
        OidcProvider(clients=[registered], require_pkce=False, require_nonce=False) as op,
        new_browser() as browser,
    ):
        paths = ("authorize", "token", "userinfo", "jwks")
        urls = dict(zip(("authorize_url", "token_url", "attributes_url", "jwks_uri"), paths, strict=True))
        manual = Endpoints(**{name: op.endpoint(path) for name, path in urls.items()})
        pool.create_identity_provider(
            replace(PROVIDER, oidc_issuer=op.issuer, endpoints=None if by_discovery else manual)
        )
        app = pool.idpresponse(sign_in(browser, pool.authorize("Bank")))
        user = pool.redeem(app.code)
        (token_request,) = op.journal("token")
    assert user.username == f"bank_{ALICE.sub}".lower()
    assert user.attributes == {"email": "alice@example.com", "email_verified": "true"}
    assert re.fullmatch("Amazon/Cognito", token_request.headers["user-agent"])
    assert token_request.headers["content-type"] == "application/x-www-form-urlencoded; charset=UTF-8"
    assert not {"accept", "authorization", "cookie"} & set(token_request.headers)
