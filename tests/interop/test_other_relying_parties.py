"""Others in Cognito's place: load balancers, STS, identity pools and JWT authorizers, each by the example of its page.

Simulated to what AWS documents (tests/counterparts), and once more at the emulator, which nobody here wrote. An app that
needs an ID token gets it with openid-client. docs/other-relying-parties.md
"""

import base64
import io
import json
import time
import zipfile
from dataclasses import replace

import boto3
import botocore.session
import httpx
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from joserfc import jws
from yaml import safe_load

from tests.counterparts.alb import Answer, AuthenticateOidc, ConfigurationRefusedError, LoadBalancer
from tests.counterparts.browser import loopback_transport, new_browser
from tests.counterparts.ministack import MiniStack
from tests.counterparts.oidc_provider import OidcProvider
from tests.counterparts.web_identity import (
    CACHE_SECONDS,
    GRACE,
    JwtAuthorizer,
    OpenIdConnectProvider,
    TokenRefusedError,
)
from tests.interop.bridge import APP, Declared, running_bridge
from tests.interop.passage import pass_through, sign_in_at_openid_client
from tests.support import canaries
from tests.support.markdown import page

pytestmark = pytest.mark.interop

ACCOUNT = "123456789012"
DOMAIN = "https://reports.example.com"
EMULATED = "reports.alb.localhost"
"""What the emulator answers to for a load balancer of this name, beside a DNS name that nobody knows before."""
PAGE = page("docs/other-relying-parties.md")


def connection(name, relying_party="", more=""):
    return Declared(
        name=name,
        yaml=f"client_authentication: {{key: $key}}\n{more}",
        key="P-256",
        relying_party=relying_party,
        client={"token_endpoint_auth_signing_alg": "ES256"},
    )


CONNECTIONS = [
    connection("bank", more="claims: {email: email, groups: groups}"),
    connection("api", "id_token_lifetime: 900"),
    connection("pkce", "require_pkce: true"),
]


@pytest.fixture(scope="module")
def aws():
    with MiniStack(env={"AUTH": "true"}) as aws:
        yield aws


@pytest.fixture(scope="module")
def bridge(tmp_path_factory):
    redirect_uris = [f"{domain}/oauth2/idpresponse" for domain in (DOMAIN, f"https://{EMULATED}")]
    with (
        OidcProvider() as op,
        running_bridge(
            op, tmp_path_factory.mktemp("bridge"), CONNECTIONS, redirect_uris=[*redirect_uris, APP]
        ) as bridge,
    ):
        yield bridge


# --- load balancers -----------------------------------------------------------------------------------------------


def action(bridge, name="bank", **others):
    """`authenticate-oidc` as the page has it, for a connection."""
    endpoints = bridge.endpoints(name)
    return AuthenticateOidc(
        **{
            "issuer": bridge.issuer(name),
            "authorization_endpoint": endpoints.authorize_url,
            "token_endpoint": endpoints.token_url,
            "user_info_endpoint": endpoints.attributes_url,
            "client_id": bridge.connections[name].relying_party_id,
            "client_secret": bridge.secrets[name],
            **others,
        }
    )


def begin(alb, bridge, browser):
    """From the app's address through the IdP, until the browser is back at the load balancer."""
    first = alb.request("/reports?month=11")
    assert first.status == 302
    passage = pass_through(bridge, browser, first.location, until=alb.redirect_uri)
    return first, passage


def finish(alb, first, passage):
    return alb.request(passage.trip.url.removeprefix(alb.domain), cookies=first.cookies)


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_a_load_balancer_signs_people_in(bridge, browser, method):
    with LoadBalancer(action(bridge, authentication=method), domain=DOMAIN) as alb:
        first, passage = begin(alb, bridge, browser)
        back = finish(alb, first, passage)
        assert (back.status, back.location) == (302, f"{DOMAIN}/reports?month=11"), back.reason
        there = alb.request("/reports?month=11", cookies=back.cookies).to_target
        assert there is not None
        claims = json.loads(
            jws.deserialize_compact(
                there["x-amzn-oidc-data"].replace("=", ""),
                alb.public_key,
                registry=jws.JWSRegistry(strict_check_header=False),
            ).payload
        )
    assert claims["email"] == "alice@example.com"
    assert claims["email_verified"] is True
    assert claims["groups"] == ["treasury", "approvers, senior"]
    assert there["x-amzn-oidc-identity"] == claims["sub"]
    canaries.watch(there["x-amzn-oidc-accesstoken"], "access_token")


def test_what_the_rule_adds_reaches_the_idp(bridge, browser):
    extra = {"login_hint": "alice", "prompt": "login"}
    with LoadBalancer(action(bridge, authentication_request_extra_params=extra), domain=DOMAIN) as alb:
        first, passage = begin(alb, bridge, browser)
        query = passage.authorization.query
        assert (query["login_hint"], query["prompt"]) == ("alice", "login")
        assert finish(alb, first, passage).status == 302


def test_a_client_cannot_say_who_it_is(bridge):
    with LoadBalancer(action(bridge, on_unauthenticated_request="allow"), domain=DOMAIN) as alb:
        forged = {"X-Amzn-Oidc-Identity": "admin", "x-amzn-oidc-data": "x", "accept": "*/*"}
        assert alb.request("/", headers=forged) == Answer(status=200, to_target={"accept": "*/*"})


def test_a_code_is_worth_nothing_in_another_browser_or_a_second_time(bridge, browser):
    with LoadBalancer(action(bridge), domain=DOMAIN) as alb:
        first, passage = begin(alb, bridge, browser)
        path = passage.trip.url.removeprefix(DOMAIN)
        stolen = replace(first, cookies={})
        assert alb.request(path, cookies=stolen.cookies).status == 401
        first, passage = begin(alb, bridge, browser)
        assert finish(alb, first, passage).status == 302
        assert finish(alb, first, passage).status == 401


def test_a_load_balancer_with_the_wrong_secret_or_issuer(bridge, browser):
    for changes, reason in [
        ({"client_secret": "a-secret-that-nobody-has-0123456789abcdef"}, "the token endpoint answered 401"),
        ({"issuer": bridge.url}, f"the ID token is of {bridge.issuer('bank')}"),
    ]:
        with LoadBalancer(action(bridge, **changes), domain=DOMAIN) as alb:
            first, passage = begin(alb, bridge, browser)
            answer = finish(alb, first, passage)
            assert (answer.status, answer.reason) == (561, reason)


def test_a_load_balancer_has_no_pkce(bridge, browser):
    with LoadBalancer(action(bridge, "pkce"), domain=DOMAIN) as alb:
        first = alb.request("/")
        refused = browser.get(first.location, follow_redirects=False)
        answer = alb.request(refused.headers["location"].removeprefix(DOMAIN), cookies=first.cookies)
    assert (answer.status, answer.reason) == (561, "the IdP answered invalid_request")


def test_a_rule_is_refused_with_what_elb_refuses(bridge):
    for changes in (
        {"token_endpoint": "http://login.example.com/bank/token"},
        {"client_secret": ""},
        {"authentication_request_extra_params": {f"p{number}": "x" for number in range(11)}},
        {"session_timeout": 0},
    ):
        with pytest.raises(ConfigurationRefusedError):
            LoadBalancer(action(bridge, **changes))


def test_the_rule_of_the_page_is_one_that_the_model_takes():
    (example,) = [fence for fence in PAGE.fences("json") if "authenticate-oidc" in fence.text]
    shape = (
        botocore.session.get_session().get_service_model("elbv2").operation_model("CreateRule").input_shape
    )
    assert shape is not None
    request = {"ListenerArn": "x", "Conditions": [], "Priority": 1, "Actions": json.loads(example.text)}
    report = botocore.validate.ParamValidator().validate(request, shape)
    assert not report.has_errors(), report.generate_report()


@pytest.mark.ministack
def test_the_emulator_s_load_balancer_signs_people_in(bridge, aws, browser):
    elb, config = aws.client("elbv2"), action(bridge)
    (made,) = elb.create_load_balancer(Name="reports", Type="application")["LoadBalancers"]
    elb.create_listener(
        LoadBalancerArn=made["LoadBalancerArn"],
        Protocol="HTTPS",
        Port=443,
        Certificates=[{"CertificateArn": f"arn:aws:acm:eu-west-1:{ACCOUNT}:certificate/1"}],
        DefaultActions=[
            {
                "Type": "authenticate-oidc",
                "Order": 1,
                "AuthenticateOidcConfig": {
                    "Issuer": config.issuer,
                    "AuthorizationEndpoint": config.authorization_endpoint,
                    "TokenEndpoint": config.token_endpoint,
                    "UserInfoEndpoint": config.user_info_endpoint,
                    "ClientId": config.client_id,
                    "ClientSecret": config.client_secret,
                },
            },
            {
                "Type": "fixed-response",
                "Order": 2,
                "FixedResponseConfig": {"StatusCode": "200", "MessageBody": "reports"},
            },
        ],
    )
    sent = {"host": f"{EMULATED}:443", "x-forwarded-proto": "https", "x-forwarded-port": "443"}
    with httpx.Client(transport=loopback_transport(), trust_env=False, headers=sent) as client:
        first = client.get(f"{aws.url}/reports")
        assert first.status_code == 302, first.text
        callback = f"https://{EMULATED}/oauth2/idpresponse"
        passage = pass_through(bridge, browser, first.headers["location"], until=callback)
        back = client.get(aws.url + passage.trip.url.removeprefix(f"https://{EMULATED}"))
        assert back.status_code == 302, back.text
        session = "; ".join(each.partition(";")[0] for each in back.headers.get_list("set-cookie"))
        there = client.get(f"{aws.url}/reports", headers={"cookie": session})
        assert (there.status_code, there.text) == (200, "reports")
    encoded = session.partition("=")[2]
    held = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    assert held["claims"]["email"] == "alice@example.com"


# --- STS and identity pools ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tokens(bridge, openid_client):
    """An app's tokens, by connection: it signs somebody in as any OpenID Connect client does."""

    def sign_in(name):
        rp = bridge.relying_party(name, method="client_secret_basic", nonce=True, pkce=True)
        with new_browser() as browser:
            signed_in, _ = sign_in_at_openid_client(bridge, openid_client, browser, rp)
        return signed_in

    return {name: sign_in(name) for name in ("bank", "api")}


@pytest.fixture
def provider(bridge):
    return OpenIdConnectProvider(url=bridge.issuer("bank"), client_ids=["cognito"])


def test_sts_takes_the_id_token(bridge, provider, tokens):
    claims = provider.verify(tokens["bank"].tokens["id_token"])
    assert (claims["iss"], claims["aud"]) == (bridge.issuer("bank"), "cognito")
    assert claims["sub"] == tokens["bank"].claims["sub"]


def test_an_identity_pool_takes_the_id_token(provider, tokens):
    assert provider.verify_for_identity_pool(provider.name, tokens["bank"].tokens["id_token"])["sub"]


def test_neither_takes_anything_else(bridge, provider, tokens):
    bank, api = (tokens[name].tokens for name in ("bank", "api"))
    for token in (bank["access_token"], api["id_token"], bank["id_token"][:-8] + "AAAAAAAA", "x.y.z"):
        with pytest.raises(TokenRefusedError):
            provider.verify(token)
    for changes in (
        {"client_ids": ["another"]},
        {"url": bridge.issuer("api")},
        {"clock": lambda: time.time() + 300 + GRACE + 5},
    ):
        with pytest.raises(TokenRefusedError):
            replace(provider, **changes).verify(bank["id_token"])
    with pytest.raises(TokenRefusedError, match="providerName"):
        provider.verify_for_identity_pool("login.example.com", bank["id_token"])


def test_five_minutes_of_grace(provider, tokens):
    late = replace(provider, clock=lambda: time.time() + 300 + GRACE - 30)
    assert late.verify(tokens["bank"].tokens["id_token"])


@pytest.mark.ministack
def test_a_role_of_the_emulator_s_account_is_assumed_by_its_subject_alone(aws, provider, tokens):
    token, subject = tokens["bank"].tokens["id_token"], tokens["bank"].claims["sub"]
    provider.verify(token)  # the emulator evaluates the trust policy, and verifies no token
    iam = aws.client("iam")
    iam.create_open_id_connect_provider(Url=provider.url, ClientIDList=["cognito"])
    (example,) = [fence for fence in PAGE.fences("json") if "AssumeRoleWithWebIdentity" in fence.text]
    text = example.text.replace("login.example.com/bank", provider.name).replace("111122223333", ACCOUNT)
    text = text.replace('"reports"', '"cognito"')  # the client id
    for name, who in {"theirs": subject, "others": "e1" * 32}.items():
        policy = json.loads(text)
        policy["Statement"][0]["Condition"]["StringEquals"][f"{provider.name}:sub"] = [who]
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(policy))
    sts = _unsigned(aws, "sts")
    assumed = _assume(sts, "theirs", token)
    assert assumed["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/theirs/reports"
    with pytest.raises(ClientError, match="AccessDenied"):
        _assume(sts, "others", token)


def _assume(sts, role, token):
    return sts.assume_role_with_web_identity(
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{role}", RoleSessionName="reports", WebIdentityToken=token
    )


def _unsigned(aws, service):
    """Neither STS nor an identity pool asks who calls: the token says it."""
    make = boto3.session.Session(region_name="eu-west-1").client
    return make(service, endpoint_url=aws.url, config=Config(signature_version=UNSIGNED, proxies={}))


@pytest.mark.ministack
def test_an_identity_pool_of_the_emulator_s_gives_credentials(aws, provider, tokens):
    token = tokens["bank"].tokens["id_token"]
    made = aws.client("cognito-identity").create_identity_pool(
        IdentityPoolName="people",
        AllowUnauthenticatedIdentities=False,
        OpenIdConnectProviderARNs=[provider.arn(ACCOUNT)],
    )
    identities = _unsigned(aws, "cognito-identity")
    logins = {provider.name: token}
    identity = identities.get_id(IdentityPoolId=made["IdentityPoolId"], Logins=logins)["IdentityId"]
    given = identities.get_credentials_for_identity(IdentityId=identity, Logins=logins)
    canaries.watch(given["Credentials"]["SecretKey"], "secret_key")
    assert given["Credentials"]["AccessKeyId"].startswith("ASIA")
    with pytest.raises(ClientError, match="NotAuthorized"):
        identities.get_id(IdentityPoolId=made["IdentityPoolId"], Logins={"other.example.com": token})


# --- JWT authorizers ----------------------------------------------------------------------------------------------


def test_a_jwt_authorizer_takes_the_id_token_for_as_long_as_it_lives(bridge, tokens):
    now = time.time()
    authorizer = JwtAuthorizer(issuer=bridge.issuer("api"), audience=["cognito"], clock=lambda: now)
    token = tokens["api"].tokens["id_token"]
    claims = authorizer.authorize(f"Bearer {token}")
    assert claims["exp"] - claims["iat"] == 900
    assert authorizer.authorize(token)["sub"] == claims["sub"]
    now += 880
    assert authorizer.authorize(f"Bearer {token}")
    now += 30
    with pytest.raises(TokenRefusedError, match="401"):
        authorizer.authorize(f"Bearer {token}")


def test_a_jwt_authorizer_takes_nothing_else(bridge, tokens):
    authorizer = JwtAuthorizer(issuer=bridge.issuer("api"), audience=["cognito"])
    api, bank = (tokens[name].tokens for name in ("api", "bank"))
    for token in (api["access_token"], bank["id_token"], "", None, api["id_token"] + "x"):
        with pytest.raises(TokenRefusedError, match="401"):
            authorizer.authorize(token)
    with pytest.raises(TokenRefusedError, match="403"):  # the ID token has no scope
        authorizer.authorize(f"Bearer {api['id_token']}", scopes=["reports"])
    for changes in ({"audience": ["another"]}, {"issuer": bridge.issuer("api") + "/"}):
        with pytest.raises(TokenRefusedError):
            replace(authorizer, **changes, _keys=[]).authorize(f"Bearer {api['id_token']}")


def test_a_jwt_authorizer_does_not_look_for_a_new_key_for_two_hours(bridge, tokens):
    """So a key that is to sign must be published that long before: docs/rotate-keys.md waits for 25."""
    now = time.time()
    authorizer = JwtAuthorizer(issuer=bridge.issuer("api"), audience=["cognito"], clock=lambda: now)
    token = tokens["api"].tokens["id_token"]
    authorizer.authorize(token)
    authorizer._keys = [{**key, "kid": "of-before-the-rotation"} for key in authorizer._keys]
    with pytest.raises(TokenRefusedError, match="401"):
        authorizer.authorize(token)
    now += CACHE_SECONDS
    authorizer.clock = iter([now, now, time.time()]).__next__
    assert authorizer.authorize(token)


HANDLER = """
def handler(event, context):
    return {"statusCode": 200, "body": event["requestContext"]["authorizer"]["jwt"]["claims"]["email"]}
"""


@pytest.mark.ministack
def test_an_authorizer_of_the_emulator_s_api_takes_the_id_token(bridge, aws, tokens):
    """With the CloudFormation of the page."""
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("reports.py", HANDLER)
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = aws.client("iam").create_role(
        RoleName="function",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]["Arn"]
    function = aws.client("lambda").create_function(
        FunctionName="reports",
        Runtime="python3.13",
        Handler="reports.handler",
        Role=role,
        Code={"ZipFile": code.getvalue()},
    )["FunctionArn"]
    (example,) = [fence for fence in PAGE.fences("text") if "AWS::ApiGatewayV2::Authorizer" in fence.text]
    properties = safe_load(example.text.replace("!Ref ", ""))["Authorizer"]["Properties"]
    gateway = aws.client("apigatewayv2")
    api = gateway.create_api(Name="reports", ProtocolType="HTTP")["ApiId"]
    assert properties["JwtConfiguration"] == {
        "Issuer": "https://login.example.com/bank",
        "Audience": ["reports"],
    }
    authorizer = gateway.create_authorizer(
        ApiId=api,
        Name=properties["Name"],
        AuthorizerType=properties["AuthorizerType"],
        IdentitySource=properties["IdentitySource"],
        JwtConfiguration={"Issuer": bridge.issuer("api"), "Audience": ["cognito"]},
    )["AuthorizerId"]
    integration = gateway.create_integration(
        ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=function, PayloadFormatVersion="2.0"
    )["IntegrationId"]
    gateway.create_route(
        ApiId=api,
        RouteKey="GET /reports",
        AuthorizationType="JWT",
        AuthorizerId=authorizer,
        Target=f"integrations/{integration}",
    )
    gateway.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
    with httpx.Client(transport=loopback_transport(), trust_env=False, timeout=20) as client:
        host = f"{api}.execute-api.localhost:{httpx.URL(aws.url).port}"

        def call(token):
            return client.get(
                f"{aws.url}/reports", headers={"host": host, "authorization": f"Bearer {token}"}
            )

        assert call(tokens["bank"].tokens["id_token"]).status_code == 401
        assert call(tokens["api"].tokens["access_token"]).status_code == 401
        answer = call(tokens["api"].tokens["id_token"])
    assert (answer.status_code, answer.text) == (200, "alice@example.com")
