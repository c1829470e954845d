"""What is wrong in a user pool is found and named, and nothing in a good one: at ministack's pools, made and then broken."""

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fedbridge.aws import sdk_client
from fedbridge.cli.check.cognito import cognito_findings
from fedbridge.cli.check.context import CheckContext, CheckOptions
from fedbridge.cli.cognito.authorizer_findings import authorizer_findings
from fedbridge.cli.cognito.calls import issuer_of
from fedbridge.cli.cognito.codes import CODES
from fedbridge.cli.cognito.expected import expected
from fedbridge.cli.cognito.mapping import merged_mapping
from fedbridge.cli.cognito.mapping_findings import mapping_findings
from fedbridge.cli.cognito.pool import Attribute, IdentityProvider, Pool, describe_pool
from fedbridge.cli.cognito.provider_findings import provider_findings
from fedbridge.cli.connections import Quiet
from fedbridge.configuration.file import load
from fedbridge.keys.provider import CachedKeys
from fedbridge.keys.secrets import CachedSecrets
from fedbridge.model.logout import UserPool
from fedbridge.op.client_authentication import secret_hash
from tests.counterparts.ministack import REGION, MiniStack
from tests.fakes.http import FakeHttpClient, json_answer

BASE = "https://login.example.com"
SECRET = "known-" + "s" * 37
PREFIX = "bank"
PREFIX_URI = f"https://{PREFIX}.auth.{REGION}.amazoncognito.com/oauth2/idpresponse"
CUSTOM_URI = "https://signin.example.com/oauth2/idpresponse"

STRING = {"AttributeDataType": "String", "Mutable": True}
SCHEMA = [
    {"Name": "groups", **STRING},
    {"Name": "tier", **STRING, "StringAttributeConstraints": {"MaxLength": "3"}},
    {"Name": "short", **STRING, "StringAttributeConstraints": {"MaxLength": "256"}},
    {"Name": "subject", **STRING, "StringAttributeConstraints": {"MaxLength": "36"}},
    {"Name": "fixed", "AttributeDataType": "String", "Mutable": False},
    {"Name": "inner", **STRING, "DeveloperOnlyAttribute": True},
]
CLAIMS = {
    "email": "email",
    "family_name": "family_name",
    "groups": {"value": "groups", "type": "list"},
    "tier": {"constant": "gold"},
}
APP = {
    "ClientName": "web",
    "AllowedOAuthFlowsUserPoolClient": True,
    "AllowedOAuthFlows": ["code"],
    "AllowedOAuthScopes": ["openid", "email"],
    "CallbackURLs": ["https://app.example.com/callback"],
    "SupportedIdentityProviders": ["COGNITO", "Bank"],
}
SAML = {
    "protocol": "saml",
    "issuer": "https://idp.example/metadata",
    "client_id": f"{BASE}/bank/saml/metadata",
    "client_authentication": {},
    "authorization": {},
    "saml": {
        "metadata": {"source": "https://idp.example/metadata"},
        "signing_keys": [{"key": "secretsmanager:fedbridge/prod/bank", "certificate": "ssm:/fedbridge/prod/c"}],
    },
    "claims": {"email": "mail"},
}  # fmt: skip
RELAY = {
    "tokens": "relay",
    "client_id": "cognito",
    "endpoints": {
        "authorization_endpoint": "https://idp.example/a",
        "token_endpoint": "https://idp.example/t",
        "jwks_uri": "https://idp.example/keys",
        "userinfo_endpoint": "https://idp.example/u",
    },
}
LEVELS = {
    "authorization": {"scope": "openid email", "acr_values": ["loa:2"], "pass_through": ["acr_values"]},
    "assurance": {"acr_order": ["loa:2", "loa:3"], "acr_map": {"standard": "loa:2", "strong": "loa:3"}},
}


@pytest.fixture(scope="module")
def emulator():
    with MiniStack() as emulator:
        yield emulator


@pytest.fixture(scope="module")
def clients(emulator):
    """One client a service: to make one costs more than all its calls here."""
    return functools.cache(emulator.client)


@dataclass
class World:
    """A pool that is configured for a connection, until somebody breaks it."""

    aws: Any
    clients: Callable[[str], Any]
    pool_id: str
    connection: Any = None
    app_client_id: str = ""
    http: FakeHttpClient = field(default_factory=FakeHttpClient)

    def details(self, **changes: str | None) -> None:
        provider = self.provider()
        details = {**provider["ProviderDetails"], **changes}
        details = {name: value for name, value in details.items() if value is not None}
        self.aws.update_identity_provider(
            UserPoolId=self.pool_id, ProviderName="Bank", ProviderDetails=details
        )

    def mapping(self, **changes: str | None) -> None:
        mapping = {
            **self.provider()["AttributeMapping"],
            **{name.replace("__", ":"): value for name, value in changes.items()},
        }
        mapping = {name: value for name, value in mapping.items() if value is not None}
        self.aws.update_identity_provider(
            UserPoolId=self.pool_id, ProviderName="Bank", AttributeMapping=mapping
        )

    def provider(self) -> Any:
        told = self.aws.describe_identity_provider(UserPoolId=self.pool_id, ProviderName="Bank")
        return told["IdentityProvider"]

    def app(self, **changes: Any) -> None:
        self.aws.update_user_pool_client(
            UserPoolId=self.pool_id, ClientId=self.app_client_id, **{**APP, **changes}
        )

    def domain(self, custom: str | None = None, *, keep: bool = True) -> None:
        if not keep:
            self.aws.delete_user_pool_domain(UserPoolId=self.pool_id, Domain=PREFIX)
        if custom is not None:
            certificate = {"CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/a"}
            self.aws.create_user_pool_domain(
                UserPoolId=self.pool_id, Domain=custom, CustomDomainConfig=certificate
            )

    def authorizer(self, issuer: str, *audience: str) -> str:
        api = self.clients("apigatewayv2")
        api_id: str = api.create_api(Name="orders", ProtocolType="HTTP")["ApiId"]
        api.create_authorizer(
            ApiId=api_id,
            Name="people",
            AuthorizerType="JWT",
            IdentitySource=["$request.header.Authorization"],
            JwtConfiguration={"Issuer": issuer, "Audience": list(audience or [self.app_client_id])},
        )
        return api_id

    def codes(self, base_url: str | None = BASE, **options: Any) -> list[str]:
        """What the check finds, and that it never says the secret."""
        chosen = {"user_pool": self.pool_id, "identity_provider": "Bank", **options}
        if isinstance(chosen.get("http_apis"), str):
            chosen["http_apis"] = (chosen["http_apis"],)
        secrets = CachedSecrets(self.clients, allow_local=False, telemetry=Quiet())
        context = CheckContext(
            connection=self.connection,
            base_url=base_url,
            clients=self.clients,
            http=self.http,
            keys=CachedKeys(secrets, self.clients, trust_stored=False),
            secrets=secrets,
            clock=lambda: 1_800_000_000.0,
            options=CheckOptions(**chosen),
        )
        findings = list(cognito_findings(context))
        assert SECRET not in repr(findings)
        assert all(each.what.endswith(".") and each.fix.endswith(".") for each in findings)
        return sorted(each.code for each in findings)


@pytest.fixture
def world(clients, tmp_path):
    """Makes a good set-up, as `fedbridge cognito apply` would; `keys` go over the connection's, `pool` over the pool's."""
    aws = clients("cognito-idp")
    made: list[World] = []

    def make(*, keys=None, pool=None, party=None, discovery=False):
        pool_id = aws.create_user_pool(PoolName="people", **{"Schema": SCHEMA, **(pool or {})})["UserPool"][
            "Id"
        ]
        made.append(World(aws=aws, clients=clients, pool_id=pool_id))
        world = made[-1]
        aws.create_user_pool_domain(UserPoolId=pool_id, Domain=PREFIX)
        file = tmp_path / "connections.yaml"
        file.write_text(json.dumps({"connections": {"bank": connection(keys or {}, party or {})}}))
        world.connection = load(file)["bank"]
        mapped = world.connection.claims or {}
        writable = [
            "email",
            "family_name",
            *(f"custom:{name}" for name in ("groups", "tier") if name in mapped),
        ]
        world.app_client_id = aws.create_user_pool_client(
            UserPoolId=pool_id, **{**APP, "WriteAttributes": writable}
        )["UserPoolClient"]["ClientId"]
        wanted = expected(
            world.connection, world.connection.relying_parties[0], BASE, "https://idp.example/keys"
        )
        schema = describe_pool(aws, pool_id).schema
        aws.create_identity_provider(
            UserPoolId=pool_id,
            ProviderName="Bank",
            ProviderType="OIDC",
            ProviderDetails=wanted.details(SECRET, discovery=discovery),
            AttributeMapping=merged_mapping(world.connection, schema, current={}, asked={}),
        )
        return world

    yield make
    for each in made:
        aws.delete_user_pool(UserPoolId=each.pool_id)  # and its domains, which are one account's alone


def connection(keys, party):
    return {
        "issuer": "https://idp.example",
        "client_id": "bridge",
        "client_authentication": {"method": "private_key_jwt", "key": "secretsmanager:fedbridge/prod/bank"},
        "authorization": {"scope": "openid email"},
        "claims": CLAIMS,
        "relying_parties": [
            {
                "client_id": "cognito",
                "secret_hashes": [secret_hash(SECRET)],
                "redirect_uris": [PREFIX_URI, CUSTOM_URI],
                "restart_url": "https://app.example/",
                **party,
            }
        ],
        **keys,
    }


# --- good ones --------------------------------------------------------------------------------------------------------

INSENSITIVE = {"UsernameConfiguration": {"CaseSensitive": False}}
SMALL = {"tier": {"constant": "tin"}}


@dataclass(frozen=True, kw_only=True)
class SetUp:
    """What a connection, its pool and the check's options are, and what is then done to the pool."""

    keys: Mapping[str, Any] = field(default_factory=dict)
    pool: Mapping[str, Any] = field(default_factory=dict)
    party: Mapping[str, Any] = field(default_factory=dict)
    discovery: bool = False
    change: Callable[[World], Any] = lambda _: None
    options: Mapping[str, Any] = field(default_factory=dict)


def good(**others: Any) -> SetUp:
    return SetUp(**{"keys": {"claims": {**CLAIMS, **SMALL}}, **others})


GOOD = {
    "claims that the connection names": good(),
    "the standard claims": good(keys={"claims": None}),
    "discovery": good(discovery=True),
    "more scopes than needed": good(change=lambda it: it.details(authorize_scopes="email openid profile")),
    "userinfo by POST": good(change=lambda it: it.details(attributes_request_method="POST")),
    "SAML": good(keys=SAML),
    "relayed tokens": good(keys={**RELAY, "claims": CLAIMS | SMALL}, pool=INSENSITIVE),
    "raw subjects": good(keys={"subject": "raw", "claims": SMALL}, pool=INSENSITIVE),
    "raw subjects with capitals": good(keys={"subject": "raw", "case_sensitive_pool": True, "claims": SMALL}),
    "a domain of its own": good(change=lambda it: it.domain("signin.example.com")),
    "only a domain of its own": good(change=lambda it: it.domain("signin.example.com", keep=False)),
    "a required attribute that is filled": good(
        pool={"Schema": [*SCHEMA, {"Name": "email", **STRING, "Required": True}]}
    ),
    "an app client that the bridge has no part in": good(
        change=lambda it: it.aws.create_user_pool_client(UserPoolId=it.pool_id, ClientName="machine")
    ),
    "attributes that an app client may write by default": good(change=lambda it: it.app(WriteAttributes=[])),
    "people who may change their names": good(
        keys={"claims": {"email": "email", "family_name": "family_name"}},
        change=lambda it: it.app(AllowedOAuthScopes=["openid", "aws.cognito.signin.user.admin"]),
    ),
    "a JWT authorizer": good(
        options={"http_apis": lambda it: it.authorizer(f"https://cognito-idp.{REGION}.amazonaws.com/{it.pool_id}")}
    ),
    "an authorizer of somebody else's": good(
        options={"http_apis": lambda it: it.authorizer("https://accounts.example.com", "other")}
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_nothing_is_found_in_a_good_set_up(world, name):
    assert look(world, GOOD[name]) == []


def look(world, case):
    made = world(keys=case.keys, pool=case.pool, party=case.party, discovery=case.discovery)
    made.http.answer(
        "GET", f"{BASE}/bank/.well-known/openid-configuration", json_answer({"issuer": f"{BASE}/bank"})
    )
    case.change(made)
    options = {name: value(made) if callable(value) else value for name, value in case.options.items()}
    return made.codes(**options)


# --- broken ones ------------------------------------------------------------------------------------------------------


def recreated(type_):
    def change(it):
        it.aws.delete_identity_provider(UserPoolId=it.pool_id, ProviderName="Bank")
        if type_ is not None:
            it.aws.create_identity_provider(
                UserPoolId=it.pool_id,
                ProviderName="Bank",
                ProviderType=type_,
                ProviderDetails={"MetadataURL": "https://idp.example"},
            )

    return change


def renamed(it):
    provider = it.provider()
    recreated(None)(it)
    it.aws.create_identity_provider(
        UserPoolId=it.pool_id,
        ProviderName="Nordbank",
        ProviderType="OIDC",
        ProviderDetails=provider["ProviderDetails"],
        AttributeMapping=provider["AttributeMapping"],
    )
    it.app(SupportedIdentityProviders=["Nordbank"])


def without_clients(it):
    it.aws.delete_user_pool_client(UserPoolId=it.pool_id, ClientId=it.app_client_id)


def no_document(it):
    url = f"{BASE}/bank/.well-known/openid-configuration"
    it.http.answer("GET", url, json_answer({"message": "Not Found"}, status=404))


def other_document(it):
    url = f"{BASE}/bank/.well-known/openid-configuration"
    it.http.answer("GET", url, json_answer({"issuer": f"{BASE}/prod/bank"}))


def broken(change=lambda _: None, **others: Any) -> SetUp:
    return good(change=change, **others)


MAPPED = ["email", "family_name", "custom:groups", "custom:tier"]

BROKEN = {
    ("cognito_client_secret", "another"): broken(lambda it: it.details(client_secret="wrong")),
    ("cognito_client_secret", "none"): broken(lambda it: it.details(client_secret=None)),
    ("cognito_client_id", "another"): broken(lambda it: it.details(client_id="other")),
    ("cognito_scopes", "without openid"): broken(lambda it: it.details(authorize_scopes="email profile")),
    ("cognito_issuer_slash", "slash"): broken(lambda it: it.details(oidc_issuer=f"{BASE}/bank/")),
    ("cognito_issuer_path", "stage"): broken(lambda it: it.details(oidc_issuer=f"{BASE}/prod/bank")),
    ("cognito_issuer", "before the domain of one's own"): broken(
        lambda it: it.details(oidc_issuer="https://a1b2.execute-api.eu-west-1.amazonaws.com/bank")
    ),
    ("cognito_issuer", "another connection"): broken(lambda it: it.details(oidc_issuer=f"{BASE}/shop")),
    ("cognito_endpoint", "stale"): broken(lambda it: it.details(token_url="https://old.example/bank/token")),
    ("cognito_endpoint", "SAML begins elsewhere"): broken(
        lambda it: it.details(authorize_url=f"{BASE}/bank/authorize"), keys=SAML
    ),
    ("cognito_endpoints_partial", "no keys"): broken(lambda it: it.details(jwks_uri=None)),
    ("cognito_relay_endpoints", "discovered"): broken(
        lambda it: it.details(authorize_url=None, token_url=None, attributes_url=None, jwks_uri=None),
        keys={**RELAY, "claims": CLAIMS | SMALL}, pool=INSENSITIVE,
    ),
    ("cognito_discovery", "404"): broken(no_document, discovery=True),
    ("cognito_discovery", "another issuer"): broken(other_document, discovery=True),
    ("cognito_acr_missing", "ministack keeps none"): broken(keys={**LEVELS, "claims": SMALL}),
    ("identity_provider_missing", "deleted"): broken(recreated(None)),
    ("identity_provider_type", "SAML"): broken(recreated("SAML")),
    ("identity_provider_name", "another"): broken(renamed),
    ("attribute_immutable", "custom"): broken(lambda it: it.mapping(custom__fixed="tier")),
    ("attribute_unknown", "without custom:"): broken(lambda it: it.mapping(groups="groups")),
    ("attribute_unknown", "nowhere"): broken(lambda it: it.mapping(custom__shoe_size="tier")),
    ("attribute_required", "not mapped"): broken(
        lambda it: it.mapping(nickname=None),
        pool={"Schema": [*SCHEMA, {"Name": "nickname", **STRING, "Required": True}]},
    ),
    ("required_claim_not_emitted", "nickname"): broken(
        lambda it: (it.mapping(nickname="nickname"), it.app(WriteAttributes=[*MAPPED, "nickname"])),
        pool={"Schema": [*SCHEMA, {"Name": "nickname", **STRING, "Required": True}]},
    ),
    ("attribute_too_short", "a constant"): broken(keys={"claims": CLAIMS}),
    ("attribute_too_short", "a hashed subject"): broken(
        lambda it: (it.mapping(custom__subject="sub"), it.app(WriteAttributes=[*MAPPED, "custom:subject"]))
    ),
    ("attribute_may_be_short", "a list"): broken(
        lambda it: (it.mapping(custom__short="groups"), it.app(WriteAttributes=[*MAPPED, "custom:short"]))
    ),
    ("attribute_developer_only", "dev:"): broken(
        lambda it: (it.mapping(dev__inner="tier"), it.app(WriteAttributes=[*MAPPED, "dev:inner"]))
    ),
    ("claim_case", "Email"): broken(lambda it: it.mapping(email="Email")),
    ("claim_not_emitted", "department"): broken(
        lambda it: (it.mapping(nickname="department"), it.app(WriteAttributes=[*MAPPED, "nickname"]))
    ),
    ("username_claim", "email"): broken(lambda it: it.mapping(username="email")),
    ("email_verified_unmapped", "email alone"): broken(lambda it: it.mapping(email_verified=None)),
    ("app_client_missing", "none"): broken(without_clients),
    ("identity_provider_not_enabled", "Cognito's own"): broken(
        lambda it: it.app(SupportedIdentityProviders=["COGNITO"])
    ),
    ("app_client_oauth_off", "off"): broken(lambda it: it.app(AllowedOAuthFlowsUserPoolClient=False)),
    ("app_client_code_flow", "implicit"): broken(lambda it: it.app(AllowedOAuthFlows=["implicit"])),
    ("app_client_scopes", "email alone"): broken(lambda it: it.app(AllowedOAuthScopes=["email"])),
    ("app_client_callback", "none"): broken(lambda it: it.app(CallbackURLs=[])),
    ("attribute_not_writable", "family_name"): broken(
        lambda it: it.app(WriteAttributes=["email", "custom:groups", "custom:tier"])
    ),
    ("attribute_self_service", "unset"): broken(
        lambda it: it.app(WriteAttributes=[], AllowedOAuthScopes=["openid", "aws.cognito.signin.user.admin"])
    ),
    ("attribute_self_service", "set"): broken(
        lambda it: it.app(
            WriteAttributes=MAPPED, AllowedOAuthScopes=["openid", "aws.cognito.signin.user.admin"]
        )
    ),
    ("domain_missing", "none"): broken(lambda it: it.domain(keep=False)),
    ("redirect_uri_unregistered", "prefix"): broken(party={"redirect_uris": ["https://acme.example/idpresponse"]}),
    ("custom_domain_unregistered", "custom"): broken(
        lambda it: it.domain("signin.example.com"), party={"redirect_uris": [PREFIX_URI]}
    ),
    ("custom_domain_unregistered", "no other"): broken(
        lambda it: it.domain("signin.example.com", keep=False), party={"redirect_uris": [PREFIX_URI]}
    ),
    ("prefix_domain_unregistered", "prefix"): broken(
        lambda it: it.domain("signin.example.com"), party={"redirect_uris": [CUSTOM_URI]}
    ),
    ("subjects_case", "raw"): broken(
        keys={"subject": "raw", "case_sensitive_pool": True, "claims": SMALL}, pool=INSENSITIVE
    ),
    ("subjects_case_unused", "raw"): broken(keys={"subject": "raw", "claims": SMALL}),
    ("authorizer_issuer_domain", "hosted UI"): broken(
        options={"http_apis": lambda it: it.authorizer(f"https://{PREFIX}.auth.{REGION}.amazoncognito.com")}
    ),
    ("authorizer_issuer_domain", "of its own"): broken(
        lambda it: it.domain("signin.example.com"),
        options={"http_apis": lambda it: it.authorizer("https://signin.example.com")},
    ),
    ("authorizer_issuer", "another pool"): broken(
        options={"http_apis": lambda it: it.authorizer(f"https://cognito-idp.{REGION}.amazonaws.com/{REGION}_OTHER")}
    ),
    ("authorizer_issuer", "a slash at the end"): broken(
        options={"http_apis": lambda it: it.authorizer(f"https://cognito-idp.{REGION}.amazonaws.com/{it.pool_id}/")}
    ),
    ("authorizer_audience", "nobody"): broken(
        options={
            "http_apis": lambda it: it.authorizer(f"https://cognito-idp.{REGION}.amazonaws.com/{it.pool_id}", "app")
        }
    ),
    ("authorizer_unreadable", "no such API"): broken(options={"http_apis": ("nowhere",)}),
    ("user_pool_missing", "another id"): broken(options={"user_pool": f"{REGION}_NOWHERE"}),
    ("cognito_unreadable", "no id"): broken(options={"user_pool": "people"}),
}  # fmt: skip
"""By the one code that is found, and what else tells it apart."""

EXTRA = {("attribute_immutable", "custom"): ["attribute_not_writable"], ("attribute_unknown", "without custom:"): ["attribute_not_writable"],
         ("attribute_unknown", "nowhere"): ["attribute_not_writable"]}  # fmt: skip
"""The app client may write what it was told, and nothing that was mapped since."""


@pytest.mark.parametrize("case", BROKEN, ids=" - ".join)
def test_what_is_broken_is_found_and_named(world, case):
    assert look(world, BROKEN[case]) == sorted([case[0], *EXTRA.get(case, [])])


def test_a_bridge_that_cognito_cannot_call(world):
    made = world(keys={"claims": SMALL})
    for base_url in ("https://login.example.com:8443", "https://login.corp.internal"):
        assert "cognito_cannot_reach" in made.codes(base_url=base_url)


def test_a_pool_that_is_not_ours_to_read(world):
    made = world(keys={"claims": SMALL})
    made.clients = Denied()
    assert made.codes() == ["cognito_unreadable"]


class Denied:
    """Makes clients whose credentials may do nothing."""

    meta = SimpleNamespace(region_name=REGION)

    def __call__(self, service):
        return self

    def describe_user_pool(self, **_):
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "DescribeUserPool")


def test_of_many_app_clients_it_says_how_many_were_looked_at(world):
    made = world(keys={"claims": SMALL})
    for _ in range(60):
        made.aws.create_user_pool_client(UserPoolId=made.pool_id, ClientName="machine")
    assert made.codes() == ["app_clients_unseen"]


def test_relayed_tokens_of_a_provider_whose_metadata_cannot_be_read(world):
    relay = {name: value for name, value in RELAY.items() if name != "endpoints"}
    made = world(keys={**relay, "claims": SMALL}, pool=INSENSITIVE)
    made.http.answer(
        "GET", "https://idp.example/.well-known/openid-configuration", json_answer({}, status=503)
    )
    assert made.codes() == ["cognito_not_compared"]


def test_a_level_that_the_connection_does_not_know(world):
    """ministack keeps no AcrMapping, so the pool's word is made up here."""
    made = world(keys={**LEVELS, "claims": SMALL})
    (party,) = made.connection.relying_parties
    details = {"client_id": "cognito", "client_secret": SECRET, "authorize_scopes": "openid"}
    provider = IdentityProvider(
        name="Bank", type="OIDC", details=details, acr_mapping={"Level1": "standard", "Level2": "gold"}
    )
    (finding,) = provider_findings(provider, made.connection, party)
    assert finding.code == "cognito_acr_unknown"
    assert "Level2" in finding.what


def test_pools_of_relying_parties_are_looked_at_without_being_asked_for(world):
    made = world(keys={"claims": SMALL})
    (party,) = made.connection.relying_parties
    named = replace(party, user_pool=UserPool(id=made.pool_id, identity_provider="Bank"))
    elsewhere = replace(
        party, client_id="shop", user_pool=UserPool(id=made.pool_id, identity_provider="Shop")
    )
    made.connection = replace(made.connection, relying_parties=(named, elsewhere))
    assert made.codes(user_pool=None, identity_provider=None) == ["identity_provider_missing"]
    made.connection = replace(made.connection, relying_parties=(named, replace(party, client_id="shop")))
    assert made.codes(user_pool=None, identity_provider=None) == []


def test_an_authorizer_must_have_the_one_issuer_of_two_that_the_pool_names():
    """ministack keeps no IssuerConfiguration."""
    original, updated = issuer_of(f"{REGION}_A1"), issuer_of(f"{REGION}_A1", updated=True)

    def codes(issuer):
        jwt = {"AuthorizerType": "JWT", "JwtConfiguration": {"Issuer": original, "Audience": ["app"]}}
        return [
            each.code for each in authorizer_findings([jwt], issuer=issuer, domains=[], app_clients=["app"])
        ]

    assert codes(original) == []
    assert codes(updated) == ["authorizer_issuer"]


def test_a_pool_is_read_in_its_own_region_where_the_shell_has_none(world, emulator, monkeypatch):
    """No AWS region is set, it said, though the id of the pool begins with one."""
    for name, value in emulator.aws_environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    made = world(keys={"claims": SMALL})
    made.clients = sdk_client
    assert made.codes() == []


def test_without_an_address_what_needs_it_is_left_out(world):
    made = world(keys={"claims": SMALL})
    made.details(token_url="https://old.example/token", authorize_scopes="email")
    assert made.codes(base_url=None) == ["cognito_scopes"]


def test_every_code_is_found_somewhere():
    elsewhere = {"cognito_cannot_reach", "cognito_acr_unknown", "app_clients_unseen", "cognito_not_compared"}
    assert {code for code, _ in BROKEN} | elsewhere == CODES.codes.keys()


def test_a_required_attribute_that_cannot_change_is_told(world):
    """Pools like that exist, and no emulator makes one."""
    made = world(keys={"claims": SMALL})
    schema = {
        name: Attribute(name=name, mutable=name != "email", required=name == "email")
        for name in ("email", "email_verified")
    }
    pool = Pool(id=made.pool_id, schema=schema)
    connection = made.connection
    assert [each.code for each in mapping_findings(connection, pool, {"username": "sub"})] == [
        "attribute_required"
    ]
