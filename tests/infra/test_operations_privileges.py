"""What the scheduled function does in a whole life of rings, recorded, against its role: both ways, as for the others."""

import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import time_machine

from fedbridge.aws import sdk_client
from fedbridge.configuration.document import encode
from fedbridge.configuration.rings import filled
from fedbridge.flows.ring_publication import note
from fedbridge.flows.rotation import stage
from fedbridge.model.connection import (
    AuthorizationRequestProfile,
    ClientAuthentication,
    ManagedSecret,
    RelyingParty,
)
from fedbridge.model.deadline import Deadline
from fedbridge.model.key_ring import DAY, KeyRing, RingState, StoredRing
from fedbridge.model.logout import UserPool
from fedbridge.model.policies import RequestObject, TokenDecryption
from fedbridge.model.saml import Saml, SamlKey, SamlProvider
from fedbridge.operations import rotation, secret_turns
from tests.conformance.connections import connection
from tests.fakes.telemetry import NullTelemetry
from tests.infra.template import Template
from tests.support.iam import Access, allowed, listed, matching
from tests.support.keys import ec_key, private_pem
from tests.support.markdown import ROOT
from tests.support.recorded_aws import CREDENTIALS, Call, RecordedAws, recorded_aws

NOW = 1_800_000_000
REGION, ACCOUNT = "eu-central-1", "111122223333"
PARAMETERS = {"BaseUrl": "https://bridge.example", "IdTokenKeyRing": "id-token"}
SHORT: dict[str, Any] = {
    "rotate_every": DAY,
    "publish_for": 3600,
    "retire_after": 7200,
    "confirmation": "automatic",
}
RINGS = {
    "bank": KeyRing(use="client-assertion", kind="kms:ECC_NIST_P256", certificate_lifetime=30 * DAY, **SHORT),
    "codec": KeyRing(use="token-decryption", kind="kms:ECC_NIST_P256", **SHORT),
    "saml": KeyRing(use="saml-signing", kind="kms:ECC_NIST_P256", certificate_lifetime=30 * DAY, **SHORT),
    "id-token": KeyRing(
        use="id-token", kind="secretsmanager:P-256", rotate_every=DAY, publish_for=3600, retire_after=7200
    ),
}
CONNECTIONS = [
    connection(
        client_authentication=ClientAuthentication(key="ring:bank", certificate="ring:bank", x5t_s256=True),
        authorization=AuthorizationRequestProfile(
            request_object=RequestObject(key="ssm:/fedbridge/prod/oidc/request")
        ),
        token_decryption=TokenDecryption(keys=("ring:codec",)),
    ),
    connection(
        name="beta",
        protocol="saml",
        issuer="https://saml.example",
        saml=Saml(
            provider=SamlProvider(
                single_sign_on_service="https://saml.example/sso", certificates=("ssm:/c",)
            ),
            signing_keys=(SamlKey(key="ring:saml"),),
        ),
    ),
]


@pytest.fixture(scope="module")
def account() -> Iterator[RecordedAws]:
    """An account in which the function has looked after rings for a day."""
    with (
        recorded_aws() as aws,
        pytest.MonkeyPatch.context() as environment,
        time_machine.travel(NOW, tick=True) as clock,
    ):
        for name, value in CREDENTIALS.items():
            environment.setenv(name, value)
        environment.setenv("AWS_ENDPOINT_URL", aws.endpoint("operator"))
        pool = on_board()
        environment.setenv("AWS_ENDPOINT_URL", aws.endpoint("Operations"))
        variables = Template(PARAMETERS).properties("Operations")["Environment"]["Variables"]
        globals_ = Template(PARAMETERS)
        shared = globals_.resolve(globals_.raw["Globals"]["Function"]["Environment"]["Variables"])
        for name, value in {**shared, **variables}.items():
            if not name.startswith("AWS_"):
                environment.setenv(name, value)
        handler = loaded().handler
        clock.shift(21 * 3600)
        for _ in range(9):
            clock.shift(3600)
            assert handler({}, Context()) == {
                "key_rings_failed": 0,
                "snapshots_failed": 1,
                "client_secrets_failed": 0,
            }  # there is no network
        replace_the_secret(clock, pool)
        yield aws


def replace_the_secret(clock: Any, pool: UserPool) -> None:
    """Do what the function does with a client secret that is due, without its waiting."""
    turns = secret_turns("Connections", cache(sdk_client), NullTelemetry())
    replacing = replace(turns.rotation("acme", "cognito", pool), sleep=clock.shift)
    assert replacing.run(patience=3600).action == "rest"


class Context:
    aws_request_id = "r"

    def get_remaining_time_in_millis(self) -> int:
        return 300_000


def loaded() -> Any:
    """Return the function's module as the runtime loads it."""
    file = ROOT / "functions" / "ops" / "app.py"
    spec = importlib.util.spec_from_file_location("operations_app", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["operations_app"] = module
    spec.loader.exec_module(module)
    return module


def on_board() -> UserPool:
    """Do what `connections apply` does, as an operator; the first call of each service waits for moto to load it."""

    @cache
    def clients(service: str) -> Any:
        return sdk_client(service, read_timeout=30)

    clients("dynamodb").create_table(
        TableName="Connections",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "name", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "name", "KeyType": "HASH"}],
    )
    pool_id = clients("cognito-idp").create_user_pool(PoolName="people")["UserPool"]["Id"]
    clients("cognito-idp").create_identity_provider(
        UserPoolId=pool_id,
        ProviderName="Bank",
        ProviderType="OIDC",
        ProviderDetails={
            "client_id": "cognito",
            "client_secret": "s" * 43,
            "oidc_issuer": "https://bridge.example/acme",
            "authorize_scopes": "openid",
            "attributes_request_method": "GET",
        },
    )
    clients("ssm").put_parameter(
        Name="/fedbridge/prod/oidc/request", Value=private_pem(ec_key(number=7)), Type="SecureString"
    )
    services = rotation("Connections", "prod", clients, NullTelemetry())
    deadline = Deadline.after(60)
    rings: dict[str, StoredRing] = {}
    for name, policy in RINGS.items():
        new = StoredRing(name=name, policy=policy, state=RingState(), revision=0)
        rings[name] = services.rings.put(new, deadline)
        if policy.use != "id-token":  # whose first key the function makes
            rings[name] = stage(services, rings[name], deadline)
    pool = UserPool(id=pool_id, identity_provider="Bank")
    party = RelyingParty(
        client_id="cognito",
        managed_secret=ManagedSecret(),
        user_pool=pool,
        redirect_uris=("https://acme.auth.eu-central-1.amazoncognito.com/oauth2/idpresponse",),
        restart_url="https://app.example/",
    )
    for each in (replace(CONNECTIONS[0], relying_parties=(party,)), *CONNECTIONS[1:]):
        ready = services.publishable(filled(each, {name: ring.state for name, ring in rings.items()}))
        services.connections.publish(each.name, encode(ready), ready.version, deadline)
    for ring in rings.values():
        note(services, ring, deadline)
    return pool


@pytest.fixture(scope="module")
def made(account: RecordedAws) -> set[Access]:
    calls = {access for call in account.calls["Operations"] for access in accesses_of(account, call)}
    return calls | set(implied())


def statements() -> list[dict[str, Any]]:
    (policy,) = Template(PARAMETERS).properties("OperationsRole")["Policies"]
    found: list[dict[str, Any]] = policy["PolicyDocument"]["Statement"]
    return found


def accesses_of(account: RecordedAws, call: Call) -> Iterator[Access]:
    """Yield what IAM is asked for a call; for tags that a key is made with, too."""
    action, asked = f"{call.service}:{call.operation}", call.parameters
    match call.service, call.operation:
        case "dynamodb", _:
            yield Access(action=action, resource=f"{asked['TableName']}.Arn")
        case "kms", "CreateKey":
            tags = {f"aws:RequestTag/{tag['TagKey']}": tag["TagValue"] for tag in asked["Tags"]}
            yield Access(action=action, resource="*", context=tags)
            # https://docs.aws.amazon.com/kms/latest/developerguide/tag-permissions.html
            yield Access(action="kms:TagResource", resource=key("new"), context=tags)
        case "kms", _:
            tags = account.kms.keys[asked["KeyId"]].tags
            context = {f"aws:ResourceTag/{name}": value for name, value in tags.items()}
            yield Access(action=action, resource=key(asked["KeyId"].rpartition("/")[2]), context=context)
        case "secretsmanager", _:
            name = asked.get("SecretId") or asked["Name"]
            yield Access(
                action=action, resource=f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-a1b2c3"
            )
        case "cognito-idp", _:
            pool = f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/{asked['UserPoolId']}"
            tag = {"aws:ResourceTag/fedbridge:environment": "prod"}
            yield Access(action=action, resource=pool, context=tag)
        case "ssm", _:
            yield Access(action=action, resource=f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{asked['Name']}")
        case _:
            raise NotImplementedError(call)


def key(name: str) -> str:
    return f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{name}"


def implied() -> Iterator[Access]:
    """Yield what AWS does under the role because of its calls; see test_least_privilege."""
    for action in ("CreateLogStream", "PutLogEvents"):
        yield Access(action=f"logs:{action}", resource="OperationsLog.Arn")
    for action in ("Decrypt", "Encrypt", "GenerateDataKey", "ReEncryptFrom", "DescribeKey"):
        via = {"kms:ViaService": f"dynamodb.{REGION}.amazonaws.com"}
        yield Access(action=f"kms:{action}", resource="TableKey.Arn", context=via)
    for service in ("secretsmanager", "ssm"):
        tags = {"aws:ResourceTag/fedbridge:environment": "prod", "aws:ResourceTag/fedbridge:use": "secrets"}
        yield Access(
            action="kms:Decrypt",
            resource=key("of-secrets"),
            context=tags | {"kms:ViaService": f"{service}.{REGION}.amazonaws.com"},
        )


def test_every_call_is_allowed(made):
    assert [access for access in made if not allowed(statements(), access)] == []


def test_every_permission_is_used(made):
    unused = [
        (statement["Sid"], action, resource)
        for statement in statements()
        if statement["Effect"] == "Allow"
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
        if not resource.startswith("arn:") or resource.split(":")[2] == action.partition(":")[0]
        if not any(
            list(matching([statement | {"Action": action, "Resource": resource}], each)) for each in made
        )
    ]
    assert unused == []


def elsewhere(access: Access) -> Iterator[Access]:
    """Yield requests like one that is allowed, to what it must not reach."""
    for name in access.context:
        without = {other: value for other, value in access.context.items() if other != name}
        needless = {"kms:GetPublicKey": ":ring", "kms:DisableKey": ":use"}.get(access.action, "-")
        if not name.endswith((":serial", needless)):
            yield replace(access, context=without)
        if name.endswith("fedbridge:environment"):
            yield replace(access, context={**access.context, name: "staging"})
    if access.action.startswith("kms:") and "kms:ViaService" not in access.context:
        for action in ("Decrypt", "DeriveSharedSecret", "ScheduleKeyDeletion", "PutKeyPolicy", "CreateGrant"):
            yield replace(access, action=f"kms:{action}")
    if access.action.startswith("secretsmanager:"):
        for action in ("PutSecretValue", "DeleteSecret", "UpdateSecret", "PutResourcePolicy"):
            yield replace(access, action=f"secretsmanager:{action}")
        for folder in ("fedbridge/staging/", "fedbridge/prod/registration/", ""):
            yield replace(access, resource=access.resource.replace("fedbridge/prod/", folder))
    if access.action == "secretsmanager:CreateSecret":
        yield replace(access, resource=access.resource.replace("rings/", "").replace("id-token/", "secret/"))
    if access.action.startswith("cognito-idp:"):
        for action in ("CreateIdentityProvider", "DeleteIdentityProvider", "UpdateUserPool", "AdminGetUser"):
            yield replace(access, action=f"cognito-idp:{action}")
    if access.action.startswith("dynamodb:"):
        yield replace(access, resource="Transactions.Arn")
        yield replace(access, action="dynamodb:DeleteItem")


def test_nothing_beside_it_is_allowed(made):
    others = {other for access in made for other in elsewhere(access)} - made
    assert len(others) > 100
    assert [access for access in others if allowed(statements(), access)] == []


@pytest.mark.parametrize(
    "known",
    [
        {"aws:ResourceTag/fedbridge:environment": "staging"},
        {"aws:ResourceTag/fedbridge:environment": "prod", "aws:ResourceTag/fedbridge:use": "secrets"},
        {"kms:KeySpec": "SYMMETRIC_DEFAULT"},
    ],
)
def test_no_key_of_others_is_tagged_so_that_it_could_be_disabled(made, known):
    new = [access for access in made if access.action == "kms:TagResource"]
    assert new
    spec = {"kms:KeySpec": "ECC_NIST_P256"}
    assert all(allowed(statements(), replace(each, context=each.context | spec)) for each in new)
    others = [replace(each, context=each.context | spec | known) for each in new]
    assert [each for each in others if allowed(statements(), each)] == []


def test_the_rings_went_round(account):
    steps = [call.operation for call in account.calls["Operations"] if call.service == "kms"]
    assert steps.count("CreateKey") == 3
    assert "DisableKey" in steps
    assert {state.state for state in account.kms.keys.values()} == {"Enabled", "Disabled"}


def test_the_entry_point_is_short():
    source = Path(ROOT / "functions" / "ops" / "app.py").read_text("utf-8")
    assert len(source.splitlines()) < 40
