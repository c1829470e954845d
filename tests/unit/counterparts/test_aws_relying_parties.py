"""The simulations of STS, identity pools, JWT authorizers and load balancers refuse what the real ones are said to refuse."""

import json
import time
from dataclasses import replace

import httpx
import pytest
from joserfc import jws, jwt
from joserfc.jwk import ECKey, RSAKey

from tests.counterparts.alb import AuthenticateOidc, LoadBalancer
from tests.counterparts.web_identity import MOST_KEYS, JwtAuthorizer, OpenIdConnectProvider, TokenRefusedError

ISSUER = "https://login.example.com/bank"
RSA = RSAKey.generate_key(2048, {"kid": "rsa"}, auto_kid=False)
EC = ECKey.generate_key("P-256", {"kid": "ec"}, auto_kid=False)
NOW = 1_800_000_000
CLAIMS = {"iss": ISSUER, "aud": "reports", "sub": "5f0c" * 16, "iat": NOW, "exp": NOW + 300}
DISCOVERY = {
    "issuer": ISSUER,
    "jwks_uri": f"{ISSUER}/keys",
    "claims_supported": ["sub", "iss", "aud", "iat"],
    "response_types_supported": ["code"],
    "subject_types_supported": ["public"],
    "id_token_signing_alg_values_supported": ["RS256"],
}


class Provider:
    """An OpenID provider that says what it is told to; `asked` are the paths."""

    def __init__(self, discovery=DISCOVERY, keys=(RSA, EC)):
        self.documents = {
            "/bank/.well-known/openid-configuration": discovery,
            "/bank/keys": {"keys": [key.as_dict(private=False) for key in keys]},
        }
        self.asked = []

    def transport(self):
        return httpx.MockTransport(self._answer)

    def _answer(self, request):
        self.asked.append(request.url.path)
        document = self.documents.get(request.url.path)
        return httpx.Response(200, json=document) if document is not None else httpx.Response(404)


def token(key=RSA, *, header=None, **changes):
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not None}
    algorithm = "RS256" if key is RSA else "ES256"
    return jwt.encode(
        {"alg": algorithm, "kid": key.kid, **(header or {})}, claims, key, algorithms=[algorithm, "PS256"]
    )


def provider(idp=None, **changes):
    idp = idp or Provider()
    return OpenIdConnectProvider(
        **{
            "url": ISSUER, "client_ids": ["reports"], "clock": lambda: NOW, "transport": idp.transport,
            **changes,
        }
    )  # fmt: skip


def test_a_good_token_is_taken():
    assert provider().verify(token())["sub"] == CLAIMS["sub"]
    assert provider().verify(token(EC))
    assert provider().verify_for_identity_pool("login.example.com/bank", token())
    assert provider().verify(token(azp="reports", aud=["reports", "others"]))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": ISSUER + "/"},
        {"aud": "others"},
        {"aud": ["reports", "others"]},
        {"aud": None},
        {"azp": "others"},
        {"iat": None},
        {"exp": NOW - 300},
        {"exp": None},
        {"sub": None},
        {"sub": "x"},
        {"header": {"kid": "unknown"}},
        {"header": {"alg": "PS256"}},
    ],
)
def test_another_token_is_not(changes):
    with pytest.raises(TokenRefusedError):
        provider().verify(token(**changes))


def test_an_identity_pool_takes_rsa_alone():
    with pytest.raises(TokenRefusedError):
        provider().verify_for_identity_pool("login.example.com/bank", token(EC))


@pytest.mark.parametrize("member", sorted(DISCOVERY))
def test_a_configuration_document_must_be_whole(member):
    lacking = {name: value for name, value in DISCOVERY.items() if name != member}
    with pytest.raises(TokenRefusedError):
        provider(Provider(lacking)).verify(token())


@pytest.mark.parametrize(
    "idp",
    [
        Provider({**DISCOVERY, "claims_supported": ["sub"]}),
        Provider({**DISCOVERY, "subject_types_supported": ["pairwise"]}),
        Provider({**DISCOVERY, "issuer": ISSUER + "/"}),
        Provider({**DISCOVERY, "jwks_uri": f"{ISSUER}/nowhere"}),
        Provider(keys=()),
        Provider(keys=[RSA] * (MOST_KEYS + 1)),
    ],
)
def test_a_provider_that_will_not_do(idp):
    with pytest.raises(TokenRefusedError):
        provider(idp).verify(token())


@pytest.mark.parametrize(
    "url", ["http://login.example.com/bank", ISSUER + "/", ISSUER + "?x=1", "https://a.example:8443/b"]
)
def test_an_address_that_iam_does_not_take(url):
    with pytest.raises(TokenRefusedError):
        provider(url=url)


def authorizer(idp, clock=lambda: NOW):
    return JwtAuthorizer(issuer=ISSUER, audience=["reports"], clock=clock, transport=idp.transport)


def test_an_authorizer_asks_once_in_two_hours():
    idp, now = Provider(), [NOW]
    one = authorizer(idp, lambda: now[0])
    for _ in range(3):
        assert one.authorize(f"Bearer {token()}")
    assert len(idp.asked) == 2
    now[0] += 7200
    assert one.authorize(token(iat=now[0], exp=now[0] + 60))
    assert len(idp.asked) == 4


@pytest.mark.parametrize(
    "changes",
    [
        {"key": EC},
        {"aud": "x"},
        {"iss": "x"},
        {"exp": NOW},
        {"nbf": NOW + 1},
        {"iat": NOW + 1},
        {"exp": None},
    ],
)
def test_an_authorizer_refuses(changes):
    with pytest.raises(TokenRefusedError, match="401"):
        authorizer(Provider()).authorize(token(**changes))


def test_an_authorizer_wants_a_scope_where_the_route_does():
    one = authorizer(Provider())
    assert one.authorize(token(scope="a reports"), ["reports"])
    assert one.authorize(token(aud=None, client_id="reports"))
    with pytest.raises(TokenRefusedError, match="403"):
        one.authorize(token(scope="a"), ["reports"])


# --- a load balancer ----------------------------------------------------------------------------------------------


class Idp:
    """A token and a user info endpoint; `claims` and `user` go over what they would say."""

    def __init__(self, claims=None, user=None):
        self.claims, self.user = claims or {}, user or {}
        self.authorizations = []

    def answer(self, request):
        if request.url.path == "/token":
            self.authorizations.append(request.headers.get("authorization"))
            id_token = token(**{"iat": int(time.time()), "exp": int(time.time()) + 60, **self.claims})
            return httpx.Response(
                200, json={"access_token": "opaque", "token_type": "Bearer", "id_token": id_token}
            )
        return httpx.Response(200, json={"sub": CLAIMS["sub"], **self.user})


def balancer(idp, **changes):
    action = AuthenticateOidc(
        issuer=ISSUER,
        authorization_endpoint="https://login.example.com/authorize",
        token_endpoint="https://login.example.com/token",
        user_info_endpoint="https://login.example.com/userinfo",
        client_id="reports",
        client_secret="secret",
    )
    return LoadBalancer(replace(action, **changes), transport=httpx.MockTransport(idp.answer))


def come_back(alb):
    first = alb.request("/")
    state = httpx.URL(first.location).params["state"]
    return alb.request(
        f"/oauth2/idpresponse?{httpx.QueryParams(code='c', state=state)}", cookies=first.cookies
    )


def test_a_load_balancer_takes_what_it_should():
    idp = Idp(user={"email": "a@example.com"})
    with balancer(idp) as alb:
        back = come_back(alb)
        there = alb.request("/", cookies=back.cookies).to_target
        assert there is not None
        data = there["x-amzn-oidc-data"]
        assert data.count("=") >= 1  # padded, as the real one's
        payload = jws.deserialize_compact(
            data.replace("=", ""), alb.public_key, registry=jws.JWSRegistry(strict_check_header=False)
        ).payload
        assert json.loads(payload)["email"] == "a@example.com"
    assert idp.authorizations[0].startswith("Basic ")


@pytest.mark.parametrize(
    "idp,status",
    [
        (Idp({"nonce": "n"}), 401),
        (Idp({"iss": "x"}), 561),
        (Idp({"aud": "x"}), 561),
        (Idp({"exp": 1}), 561),
        (Idp({"sub": None}), 561),
        (Idp(user={"sub": "another"}), 561),
        (Idp(user={"groups": "x" * 12_000}), 500),
    ],
)
def test_a_load_balancer_refuses(idp, status):
    with balancer(idp) as alb:
        assert come_back(alb).status == status


def test_a_session_ends_and_nobody_is_asked_meanwhile():
    now = [time.time()]
    with balancer(Idp(), session_timeout=3600, on_unauthenticated_request="authenticate") as alb:
        alb.clock = lambda: now[0]
        back = come_back(alb)
        now[0] += 3599
        assert alb.request("/", cookies=back.cookies).to_target
        now[0] += 2
        assert alb.request("/", cookies=back.cookies).status == 302


def test_a_login_lasts_fifteen_minutes():
    now = [time.time()]
    with balancer(Idp()) as alb:
        alb.clock = lambda: now[0]
        first = alb.request("/")
        now[0] += 901
        state = httpx.URL(first.location).params["state"]
        path = f"/oauth2/idpresponse?{httpx.QueryParams(code='c', state=state)}"
        assert alb.request(path, cookies=first.cookies).status == 401
