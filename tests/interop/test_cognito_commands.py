"""From an empty user pool to a verified token by the operator's own commands: apply, check, sign in, tokens verify."""

import io
import json
import re
import time
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from fedbridge.cli import main
from tests.counterparts.browser import loopback_transport, new_browser, travel
from tests.counterparts.federated_pool import FederatedPool
from tests.counterparts.ministack import REGION, MiniStack
from tests.counterparts.oidc_provider import OidcProvider
from tests.interop.bridge import POOL_DOMAIN, Declared, running_bridge
from tests.interop.passage import pass_through, user_pool

pytestmark = pytest.mark.interop

CALLBACK = "http://localhost:9/app/callback"
SCOPES = ["openid", "email", "aws.cognito.signin.user.admin"]


@pytest.fixture(scope="module")
def emulator():
    with MiniStack(env={"AUTH": "true"}) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def bridge(tmp_path_factory):
    declared = Declared(
        name="bank",
        yaml="client_authentication: {key: $key}",
        key="P-256",
        client={"token_endpoint_auth_signing_alg": "ES256"},
        authorization="{scope: openid email}",
    )
    with (
        OidcProvider() as op,
        running_bridge(op, tmp_path_factory.mktemp("bridge"), [declared]) as bridge,
    ):
        yield bridge


@pytest.fixture
def operator(emulator, bridge, monkeypatch, capsys):
    """Runs a command in the emulated account; returns its exit code and what it printed."""
    for name, value in {**emulator.aws_environment, "BRIDGE_SECRET": bridge.secrets["bank"]}.items():
        monkeypatch.setenv(name, value)

    def run(*words, stdin=""):
        capsys.readouterr()  # what the bridge has logged meanwhile
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        code = main([*words])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run


@dataclass(frozen=True)
class SignedIn:
    pool: FederatedPool
    tokens: Any


@pytest.fixture
def signed_in(emulator, bridge, operator):
    """Alice, in a pool that nothing but `fedbridge cognito apply` has federated."""
    aws = emulator.client("cognito-idp")
    pool_id = aws.create_user_pool(PoolName="people")["UserPool"]["Id"]
    prefix = POOL_DOMAIN.removeprefix("https://").partition(".")[0]
    aws.create_user_pool_domain(Domain=prefix, UserPoolId=pool_id)
    app = aws.create_user_pool_client(
        UserPoolId=pool_id,
        ClientName="app",
        GenerateSecret=True,
        AllowedOAuthFlows=["code"],
        AllowedOAuthFlowsUserPoolClient=True,
        AllowedOAuthScopes=SCOPES,
        CallbackURLs=[CALLBACK],
    )["UserPoolClient"]
    common = ["bank", "--file", str(bridge.file), "--base-url", bridge.url, "--user-pool", pool_id, "--local"]
    applied = ["--client-secret-from", "env:BRIDGE_SECRET", "--app-client", app["ClientId"], "--yes"]
    code, said = operator("cognito", "apply", *common, *applied)
    assert code == 0, said
    code, said = operator("check", *common)
    assert (code, "cognito" in said.casefold()) == (0, False), said
    pool = FederatedPool(
        pool_id=pool_id,
        provider=replace(bridge.identity_provider("bank"), name="bank"),
        app_client_id=app["ClientId"],
        app_client_secret=app["ClientSecret"],
        app_callback=CALLBACK,
        base_url=POOL_DOMAIN,
        local_url=emulator.url,
        issuer=f"https://cognito-idp.{REGION}.amazonaws.com/{pool_id}",
    )
    with new_browser(origins=pool.origins) as browser:
        tokens = sign_in(pool, browser)
    yield SignedIn(pool, tokens)
    aws.delete_user_pool(UserPoolId=pool_id)  # its domain is the account's only one of that name


def sign_in(pool, browser):
    trip = travel(
        browser,
        pool.sign_in_url(nonce="n-1", scope=" ".join(SCOPES)),
        until=lambda request: str(request.url).startswith(CALLBACK),
        user="alice",
    )
    return pool.redeem(dict(parse_qsl(urlsplit(trip.url).query))["code"])


@pytest.fixture
def verify(operator, emulator, signed_in):
    """Verifies a token of the pool, whose keys the emulator publishes under its own address."""
    keys = f"{emulator.url}/{signed_in.pool.pool_id}/.well-known/jwks.json"

    def run(token, *options, whose=("--user-pool", signed_in.pool.pool_id)):
        words = ["tokens", "verify", *whose, "--jwks-uri", keys, "--local", "--json", *options]
        code, said = operator(*words, stdin=f"{token}\n")
        assert token not in said
        verdict = json.loads(said)
        assert (code == 0) is verdict["valid"]
        return verdict["valid"], [each["code"] for each in verdict["findings"]]

    return run


def test_a_sign_in_by_the_commands_alone_and_its_tokens_are_good(signed_in, verify):
    pool, tokens = signed_in.pool, signed_in.tokens
    client = ("--client-id", pool.app_client_id)
    assert verify(tokens["id_token"], "--use", "id", *client, "--offline") == (True, [])
    assert verify(tokens["id_token"], *client) == (True, ["revocation_unknown"])
    assert verify(tokens["access_token"], "--use", "access", *client) == (True, [])
    issuer = ("--issuer", pool.issuer)
    assert verify(tokens["access_token"], *client, whose=issuer) == (True, [])


def test_a_check_says_that_nobody_named_the_pool(bridge, operator):
    code, said = operator("check", "bank", "--file", str(bridge.file), "--base-url", bridge.url, "--local")
    assert (code, said.splitlines()[-1]) == (0, "bank: no problem found")
    assert "Cognito's side was not looked at" in said


def test_a_check_of_the_file_says_that_it_cannot_know_a_managed_secret(bridge, operator, signed_in, tmp_path):
    pool = f"{{id: {signed_in.pool.pool_id}, identity_provider: bank}}"
    managed = f"managed_secret: {{}}\n        user_pool: {pool}"
    file = tmp_path / "connections.yaml"
    file.write_text(re.sub(r"secret_hashes: .*", managed, bridge.file.read_text()))
    code, said = operator("check", "bank", "--file", str(file), "--base-url", bridge.url, "--local")
    assert (code, said.splitlines()[-1]) == (0, "bank: no problem found")
    assert "managed client secret is known where it is published" in said


def test_a_token_of_the_wrong_kind_pool_region_or_client(signed_in, verify):
    pool, tokens = signed_in.pool, signed_in.tokens
    of = tokens["access_token"]
    assert verify(of, "--use", "id") == (False, ["access_token_for_id"])
    assert verify(tokens["id_token"], "--use", "access") == (False, ["id_token_for_access"])
    assert verify(of, "--client-id", "other") == (False, ["audience_wrong"])
    assert verify(of, whose=("--user-pool", f"{REGION}_Other")) == (False, ["issuer_pool"])
    assert verify(of, whose=("--user-pool", "us-east-1_Other")) == (False, ["issuer_region"])
    assert verify(of, whose=("--issuer", POOL_DOMAIN)) == (False, ["issuer_is_domain"])
    assert verify(of, whose=("--issuer", f"{pool.issuer}/")) == (False, ["issuer_slash"])
    assert verify(of, whose=("--issuer", "https://signin.example.com")) == (False, ["issuer_other"])


def test_a_revoked_token_is_told_by_cognito_alone(emulator, signed_in, verify):
    pool, tokens = signed_in.pool, signed_in.tokens
    emulator.client("cognito-idp").revoke_token(
        Token=tokens["refresh_token"], ClientId=pool.app_client_id, ClientSecret=pool.app_client_secret
    )
    assert verify(tokens["access_token"], "--offline") == (True, [])
    assert verify(tokens["access_token"]) == (False, ["token_revoked"])


def test_a_token_that_somebody_changed_or_whose_key_is_gone(signed_in, verify):
    token = signed_in.tokens["id_token"]
    head, payload, signature = token.split(".")
    changed = f"{head}.{payload}.{signature[:-8]}{'A' * 7}{signature[-1]}"
    assert verify(changed, "--offline") == (False, ["signature_invalid"])
    key = RSAKey.generate_key(2048, {"kid": "another"}, private=True)
    claims = jwt.decode(token, key_of(signed_in)).claims
    forged = jwt.encode({"alg": "RS256", "kid": "another"}, claims, key)
    assert verify(forged, "--offline") == (False, ["key_unknown"])
    old = jwt.encode({"alg": "RS256", "kid": "another"}, {**claims, "exp": int(time.time()) - 60}, key)
    assert verify(old, "--offline") == (False, ["key_unknown", "expired"])


def key_of(signed_in):
    url = f"{signed_in.pool.local_url}/{signed_in.pool.pool_id}/.well-known/jwks.json"
    with httpx.Client(transport=loopback_transport(), trust_env=False) as client:
        return KeySet.import_key_set(client.get(url).json())


def test_an_id_token_of_the_bridge_is_verified_by_its_own_discovery(bridge, operator):
    with user_pool(bridge, "bank") as pool, new_browser() as browser:
        token = bridge_token(bridge, pool, browser)
    words = ["tokens", "verify", "--issuer", bridge.issuer("bank"), "--client-id", "cognito", "--local"]
    code, said = operator(*words, stdin=token)
    assert (code, said.splitlines()[-1]) == (0, "valid")
    assert token not in said
    code, said = operator(*words[:3], f"{bridge.url}/nobody", "--local", stdin=token)
    assert code == 1
    assert "issuer_other" in said


def bridge_token(bridge, pool, browser):
    """The ID token that the strict pool is given: read where it is answered."""
    passage = pass_through(bridge, browser, pool.authorize("Bank"), until=pool.redirect_uri)
    form = {
        "grant_type": "authorization_code",
        "code": passage.trip.next_request.url.params["code"],
        "redirect_uri": pool.redirect_uri,
        "client_id": "cognito",
        "client_secret": bridge.secrets["bank"],
    }
    with httpx.Client(transport=loopback_transport(), trust_env=False) as cognito:
        return cognito.post(f"{bridge.issuer('bank')}/token", data=form).json()["id_token"]
