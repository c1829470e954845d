"""`fedbridge cognito apply`: idempotent, shows what it changes, keeps what is not its own; at ministack's user pools."""

import io
import json

import boto3
import pytest
from moto.server import ThreadedMotoServer

from fedbridge.cli import main
from fedbridge.op.client_authentication import secret_hash
from tests.counterparts.ministack import REGION, MiniStack

BASE = "https://login.example.com"
SECRET, OTHER_SECRET = "known-" + "s" * 37, "other-" + "t" * 37
POOL_SCHEMA = [
    {"Name": "groups", "AttributeDataType": "String", "Mutable": True},
    {"Name": "tenant", "AttributeDataType": "String", "Mutable": False},
]
ENDPOINTS = {
    "authorize_url": f"{BASE}/bank/authorize",
    "token_url": f"{BASE}/bank/token",
    "attributes_url": f"{BASE}/bank/userinfo",
    "jwks_uri": f"{BASE}/bank/.well-known/jwks.json",
}
DETAILS = {
    "client_id": "cognito",
    "client_secret": SECRET,
    "authorize_scopes": "openid",
    "attributes_request_method": "GET",
    "attributes_url_add_attributes": "false",
    "oidc_issuer": f"{BASE}/bank",
    **ENDPOINTS,
}


@pytest.fixture(scope="module")
def emulator():
    with MiniStack() as emulator:
        yield emulator


@pytest.fixture
def aws(emulator, monkeypatch):
    for name, value in emulator.aws_environment.items():
        monkeypatch.setenv(name, value)
    return emulator.client("cognito-idp")


@pytest.fixture
def pool_id(aws):
    return aws.create_user_pool(PoolName="people", Schema=POOL_SCHEMA)["UserPool"]["Id"]


@pytest.fixture
def file(tmp_path):
    """Writes connections.yaml with a connection `bank`, over whose keys the given ones go."""

    def write(**keys):
        connection = {
            "issuer": "https://idp.example",
            "client_id": "bridge",
            "client_authentication": {
                "method": "private_key_jwt",
                "key": "secretsmanager:fedbridge/prod/bank",
            },
            "authorization": {"scope": "openid email"},
            "relying_parties": [relying_party()],
            **keys,
        }
        (tmp_path / "connections.yaml").write_text(json.dumps({"connections": {"bank": connection}}))
        return tmp_path / "connections.yaml"

    return write


def relying_party(**keys):
    return {
        "client_id": "cognito",
        "secret_hashes": [secret_hash(SECRET)],
        "redirect_uris": ["https://acme.auth.eu-west-1.amazoncognito.com/oauth2/idpresponse"],
        "restart_url": "https://app.example/",
        **keys,
    }


@pytest.fixture
def apply(pool_id, monkeypatch, capsys):
    """Runs `fedbridge cognito apply bank`; returns the exit code and what was printed."""
    monkeypatch.setenv("BRIDGE_SECRET", SECRET)
    monkeypatch.setenv("BRIDGE_OTHER_SECRET", OTHER_SECRET)

    def run(path, *options, base="--base-url=" + BASE, yes="--yes"):
        words = ["cognito", "apply", "bank", "--file", str(path), "--user-pool", pool_id, base, *options]
        code = main([*words, yes] if yes else words)
        printed = capsys.readouterr()
        assert SECRET not in printed.out + printed.err
        assert OTHER_SECRET not in printed.out + printed.err
        return code, printed.out + printed.err

    return run


def joined(said):
    """Notes are wrapped."""
    return " ".join(said.split())


@pytest.fixture
def provider(aws, pool_id):
    def describe(name="bank"):
        return aws.describe_identity_provider(UserPoolId=pool_id, ProviderName=name)["IdentityProvider"]

    return describe


FROM_ENV = "--client-secret-from=env:BRIDGE_SECRET"


# --- creating and repeating -------------------------------------------------------------------------------------------


def test_a_new_provider_has_everything_set_and_a_second_run_changes_nothing(file, apply, provider):
    code, said = apply(file(), FROM_ENV)
    assert code == 0
    made = provider()
    assert made["ProviderDetails"] == DETAILS
    assert made["AttributeMapping"] == {
        "username": "sub", "email": "email", "email_verified": "email_verified",
    }  # fmt: skip
    assert "+ ProviderDetails.client_secret: (secret, new)" in said
    assert "bank: created" in said
    code, said = apply(file())
    assert (code, said.splitlines()[0].partition(": ")[2]) == (0, "nothing to change")
    assert provider()["LastModifiedDate"] == made["LastModifiedDate"]


def test_nothing_changes_unless_somebody_agrees(file, apply, aws, pool_id, monkeypatch):
    code, said = apply(file(), FROM_ENV, yes=None)
    assert code == 1
    assert "--yes changes without asking" in said
    for answer, made in (("n", 0), ("", 0), ("y", 1)):
        monkeypatch.setattr("sys.stdin", Terminal(f"{answer}\n"))
        code, _ = apply(file(), FROM_ENV, yes=None)
        assert code == 1 - made
        assert len(aws.list_identity_providers(UserPoolId=pool_id)["Providers"]) == made


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_difference_is_shown_and_only_that_is_changed(file, apply, provider, aws, pool_id):
    apply(file(), FROM_ENV)
    stale = {**DETAILS, "token_url": "https://old.example/token", "authorize_scopes": "email openid"}
    aws.update_identity_provider(
        UserPoolId=pool_id, ProviderName="bank", ProviderDetails=stale, IdpIdentifiers=["bank.example"]
    )
    code, said = apply(file())
    assert code == 0
    assert said.splitlines()[1:3] == [
        f"  ~ ProviderDetails.token_url: https://old.example/token -> {BASE}/bank/token",
        "    ProviderDetails.client_secret: (secret, unchanged)",
    ]
    assert provider()["ProviderDetails"] == {**DETAILS, "authorize_scopes": "email openid"}
    assert provider()["IdpIdentifiers"] == ["bank.example"]


def test_with_discovery_cognito_finds_the_endpoints_and_stale_ones_go(file, apply, provider, aws, pool_id):
    code, _ = apply(file(), FROM_ENV, "--discovery")
    assert code == 0
    assert not provider()["ProviderDetails"].keys() & ENDPOINTS.keys()
    found = {**provider()["ProviderDetails"], **ENDPOINTS}  # as AWS fills them in
    aws.update_identity_provider(UserPoolId=pool_id, ProviderName="bank", ProviderDetails=found)
    assert "nothing to change" in apply(file(), "--discovery")[1]
    found["token_url"] = "https://old.example/token"
    aws.update_identity_provider(UserPoolId=pool_id, ProviderName="bank", ProviderDetails=found)
    code, said = apply(file(), "--discovery")
    assert code == 0
    assert "- ProviderDetails.token_url: https://old.example/token" in said
    assert not provider()["ProviderDetails"].keys() & ENDPOINTS.keys()


# --- what a connection is ---------------------------------------------------------------------------------------------


def test_saml_begins_at_its_own_route(file, apply, provider):
    saml = {
        "protocol": "saml",
        "issuer": "https://idp.example/metadata",
        "client_id": f"{BASE}/bank/saml/metadata",
        "client_authentication": {},
        "authorization": {},
        "saml": {
            "metadata": {"source": "https://idp.example/metadata"},
            "signing_keys": [{"key": "secretsmanager:fedbridge/prod/bank", "certificate": "ssm:/fedbridge/prod/c"}],
        },
        "claims": {"email": '"urn:oid:0.9.2342.19200300.100.1.3"', "groups": {"value": "g", "type": "list"}},
    }  # fmt: skip
    assert apply(file(**saml), FROM_ENV)[0] == 0
    assert provider()["ProviderDetails"]["authorize_url"] == f"{BASE}/bank/saml/login"
    assert provider()["AttributeMapping"]["custom:groups"] == "groups"


def test_relayed_tokens_keep_the_issuer_and_the_keys_of_the_provider(file, apply, provider):
    relay = {
        "tokens": "relay",
        "client_id": "0oa1",
        "endpoints": {
            "authorization_endpoint": "https://idp.example/a",
            "token_endpoint": "https://idp.example/t",
            "jwks_uri": "https://idp.example/keys",
            "userinfo_endpoint": "https://idp.example/u",
        },
        "relying_parties": [relying_party(client_id="0oa1")],
    }
    assert apply(file(**relay), FROM_ENV)[0] == 0
    details = provider()["ProviderDetails"]
    assert details == {
        **DETAILS,
        "client_id": "0oa1",
        "oidc_issuer": "https://idp.example",
        "jwks_uri": "https://idp.example/keys",
    }


def test_the_pool_the_name_and_the_relying_party_may_stand_in_the_connection(
    file, aws, pool_id, provider, monkeypatch
):
    monkeypatch.setenv("BRIDGE_SECRET", SECRET)
    pool = {"id": pool_id, "identity_provider": "NordBank"}
    parties = [
        relying_party(client_id="staff", user_pool=pool),
        relying_party(secret_hashes=[secret_hash("x")]),
    ]
    path = str(file(relying_parties=parties))
    words = ["cognito", "apply", "bank", "--file", path, "--base-url", BASE, "--yes", FROM_ENV]
    assert main(words) == 1
    assert main([*words, "--relying-party", "nobody"]) == 1
    assert main([*words, "--relying-party", "staff"]) == 0
    assert provider("NordBank")["ProviderDetails"]["client_id"] == "staff"


def test_a_connection_may_be_the_published_one(file, emulator, provider, apply):
    name = emulator.client("dynamodb").create_table(
        TableName="connections-of-cognito",
        AttributeDefinitions=[{"AttributeName": "name", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "name", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )["TableDescription"]["TableName"]
    simple = {
        "client_authentication": {
            "method": "client_secret_basic",
            "secret": "secretsmanager:fedbridge/prod/b",
        }
    }
    emulator.client("secretsmanager").create_secret(Name="fedbridge/prod/b", SecretString="s" * 40)
    assert main(["connections", "apply", str(file(**simple)), "--table", name]) == 0
    assert apply("/nowhere", FROM_ENV, "--table", name)[0] == 0
    assert provider()["ProviderDetails"] == DETAILS


# --- the mapping ------------------------------------------------------------------------------------------------------


def test_claims_go_to_the_attributes_of_their_names_and_to_custom_ones(file, apply, provider):
    """What cannot change is left out: Cognito would fail at the second sign-in."""
    claims = {
        "email": "email",
        "family_name": "family_name",
        "groups": "roles",
        "tenant": "tid",
        "unknown": "x",
    }
    assert apply(file(claims=claims), FROM_ENV)[0] == 0
    assert provider()["AttributeMapping"] == {
        "username": "sub", "email": "email", "email_verified": "email_verified", "family_name": "family_name",
        "custom:groups": "groups",
    }  # fmt: skip


def test_what_is_asked_for_is_mapped_and_other_entries_stay_until_they_are_pruned(
    file, apply, provider, aws, pool_id
):
    apply(file(), FROM_ENV, "--map", "nickname=name")
    mapping = provider()["AttributeMapping"]
    mapping |= {"custom:groups": "family_name", "email": "mail"}  # the first by hand, the second never comes
    aws.update_identity_provider(UserPoolId=pool_id, ProviderName="bank", AttributeMapping=mapping)
    assert apply(file())[0] == 0
    assert provider()["AttributeMapping"] == {**mapping, "email": "email"}
    code, said = apply(file(), "--prune", "--map", "nickname=given_name")
    assert code == 0
    assert "- AttributeMapping.custom:groups: family_name" in said
    assert provider()["AttributeMapping"] == {
        "username": "sub", "email": "email", "email_verified": "email_verified", "nickname": "given_name",
    }  # fmt: skip


def test_a_domain_that_the_bridge_does_not_know_is_told(file, apply, aws, pool_id):
    assert "! domain_missing" in apply(file(), FROM_ENV)[1]
    aws.create_user_pool_domain(UserPoolId=pool_id, Domain="shop")
    assert "! redirect_uri_unregistered: https://shop.auth." in apply(file())[1]
    uri = f"https://shop.auth.{REGION}.amazoncognito.com/oauth2/idpresponse"
    assert "!" not in apply(file(relying_parties=[relying_party(redirect_uris=[uri])]))[1]
    aws.delete_user_pool_domain(UserPoolId=pool_id, Domain="shop")


def test_what_the_pool_cannot_take_is_told_before_anybody_agrees(file, apply):
    code, said = apply(file(), FROM_ENV, "--map", "custom:tenant=email", "--map", "shoe_size=name", yes=None)
    assert code == 1
    assert "  ! attribute_immutable: custom:tenant is immutable" in said
    assert "  ! attribute_unknown: shoe_size is no attribute of the pool" in said


@pytest.mark.parametrize("words", ["email", "=email", "email=", "username=email"])
def test_a_mapping_that_is_none_is_refused(file, apply, words):
    code, said = apply(file(), FROM_ENV, "--map", words)
    assert code == 1
    assert f"--map: {words}" in said


# --- the client secret ------------------------------------------------------------------------------------------------


def test_a_secret_that_the_bridge_does_not_know_is_refused(file, apply, aws, pool_id):
    code, said = apply(file(), "--client-secret-from=env:BRIDGE_OTHER_SECRET")
    assert code == 1
    assert secret_hash(OTHER_SECRET) in said
    assert aws.list_identity_providers(UserPoolId=pool_id)["Providers"] == []


def test_a_new_provider_needs_a_secret(file, apply):
    code, said = apply(file())
    assert code == 1
    assert "--client-secret-from or --new-secret" in said


def test_a_new_secret_is_printed_as_its_hash_alone(file, apply, provider):
    code, said = apply(file(), "--new-secret")
    assert code == 0
    secret = provider()["ProviderDetails"]["client_secret"]
    assert len(secret) == 43
    assert secret_hash(secret) in said
    assert secret not in said
    assert "every sign-in ends in invalid_client" in joined(said)


def test_a_secret_that_works_is_not_replaced_unasked(file, apply, provider):
    apply(file(), FROM_ENV)
    code, said = apply(file(), "--new-secret")
    assert code == 1
    assert "would end every sign-in" in said
    assert provider()["ProviderDetails"]["client_secret"] == SECRET


def test_an_old_secret_that_the_bridge_has_forgotten_is_told(file, apply):
    apply(file(), FROM_ENV)
    changed = file(relying_parties=[relying_party(secret_hashes=[secret_hash(OTHER_SECRET)])])
    assert "every sign-in ends in invalid_client" in joined(apply(changed)[1])
    code, said = apply(changed, "--client-secret-from=env:BRIDGE_OTHER_SECRET")
    assert code == 0
    assert "~ ProviderDetails.client_secret: (secret) -> (secret, new)" in said


def test_a_managed_secret_is_the_bridges_business(file, apply, aws, pool_id, provider):
    party = relying_party(managed_secret={}, user_pool={"id": pool_id, "identity_provider": "bank"})
    del party["secret_hashes"]
    path = file(relying_parties=[party])
    for option in (FROM_ENV, "--new-secret"):
        code, said = apply(path, option)
        assert code == 1
        assert "`fedbridge secrets rotate` gives it" in said
    code, said = apply(path)
    assert code == 0
    assert "no sign-in works before `fedbridge secrets rotate bank`" in joined(said)
    made = provider()["ProviderDetails"]["client_secret"]
    assert len(made) == 43
    assert made not in said
    assert "nothing to change" in apply(path)[1]


# --- what is there already --------------------------------------------------------------------------------------------


def test_a_provider_under_another_name_is_not_made_a_second_time(file, apply):
    """User names begin with the provider's name: a second one would make everybody a new user."""
    apply(file(), FROM_ENV, "--provider", "NordBank")
    code, said = apply(file(), FROM_ENV)
    assert code == 1
    assert "is NordBank in" in said
    assert apply(file(), "--provider", "NordBank")[0] == 0


def test_a_provider_of_another_type_is_left_alone(file, apply, aws, pool_id):
    aws.create_identity_provider(
        UserPoolId=pool_id, ProviderName="bank", ProviderType="SAML", ProviderDetails={"MetadataURL": "https://x.example"}
    )  # fmt: skip
    code, said = apply(file(), FROM_ENV)
    assert code == 1
    assert "type SAML" in said


@pytest.mark.parametrize("name", ["ab", "a b c", "my_bank", "n" * 33])
def test_a_name_that_cognito_refuses_is_refused_before(file, apply, name):
    code, said = apply(file(), FROM_ENV, "--provider", name)
    assert code == 1
    assert "is no ProviderName" in said


def test_cognitos_own_words_are_told(file, apply, monkeypatch):
    path = file()
    for arguments in (["--user-pool", f"{REGION}_NOWHERE"], ["--user-pool", "people"]):
        code, said = apply(path, FROM_ENV, *arguments)
        assert code == 1
        assert "ResourceNotFoundException" in said or "is no id of a user pool" in said
    code, said = apply(path, FROM_ENV, base="--base-url=http://localhost:8000")
    assert code == 1
    assert "loopback" in said


def test_an_app_client_is_enabled_and_otherwise_untouched(file, apply, aws, pool_id):
    made = aws.create_user_pool_client(
        UserPoolId=pool_id,
        ClientName="web",
        SupportedIdentityProviders=["COGNITO"],
        CallbackURLs=["https://app.example/callback"],
        AllowedOAuthFlows=["code"],
        WriteAttributes=["email"],
        RefreshTokenValidity=3,
    )["UserPoolClient"]
    code, said = apply(file(), FROM_ENV, "--app-client", made["ClientId"])
    assert code == 0
    assert f"app client {made['ClientId']}: bank is enabled" in said
    after = aws.describe_user_pool_client(UserPoolId=pool_id, ClientId=made["ClientId"])["UserPoolClient"]
    assert after.pop("SupportedIdentityProviders") == ["COGNITO", "bank"]
    for name in ("SupportedIdentityProviders", "LastModifiedDate", "CreationDate"):
        made.pop(name, None)
        after.pop(name, None)
    assert {name: after[name] for name in made} == made
    code, said = apply(file(), "--app-client", made["ClientId"])
    assert (code, said.splitlines()[0]) == (0, f"bank in {pool_id}: nothing to change")
    assert "app client" not in said


# --- levels of assurance: moto keeps AcrMapping, ministack does not ---------------------------------------------------

LEVELS = {
    "authorization": {
        "scope": "openid email",
        "acr_values": ["loa:2"],
        "pass_through": ["login_hint", "acr_values"],
    },
    "assurance": {
        "acr_order": ["loa:1", "loa:2", "loa:3"],
        "acr_map": {"strong": "loa:3", "standard": "loa:2"},
    },
}


@pytest.fixture
def moto(monkeypatch):
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    yield boto3.client(
        "cognito-idp", endpoint_url=f"http://{host}:{port}", region_name=REGION,
        aws_access_key_id="test", aws_secret_access_key="test",
    )  # fmt: skip
    server.stop()


def test_words_for_levels_become_the_pools_levels_the_weakest_first(file, aws, moto, monkeypatch, capsys):
    monkeypatch.setenv("BRIDGE_SECRET", SECRET)
    pool_id = moto.create_user_pool(PoolName="people")["UserPool"]["Id"]
    words = ["cognito", "apply", "bank", "--base-url", BASE, "--user-pool", pool_id, "--yes", FROM_ENV]

    def applied(path, *options):
        assert main([*words, "--file", str(path), *options]) == 0
        told = moto.describe_identity_provider(UserPoolId=pool_id, ProviderName="bank")
        return told["IdentityProvider"].get("AcrMapping")

    path = file(**LEVELS)
    assert applied(path) == {"Level1": "standard", "Level2": "strong"}
    assert "+ AcrMapping.Level1: standard" in capsys.readouterr().out
    assert applied(path) == {"Level1": "standard", "Level2": "strong"}
    assert "nothing to change" in capsys.readouterr().out
    assert applied(path, "--acr", "Level2=standard") == {"Level2": "standard"}
    assert applied(file()) == {"Level2": "standard"}  # a connection without levels has no say


def test_a_level_that_a_pool_cannot_have_is_refused(file, apply):
    code, said = apply(file(), FROM_ENV, "--acr", "Level5=strong")
    assert code == 1
    assert "there is no Level5" in said


def test_what_cognito_does_not_keep_is_told(file, apply, provider):
    """ministack knows no AcrMapping, as a Region may not."""
    code, said = apply(file(**LEVELS), FROM_ENV)
    assert code == 1
    assert "AcrMapping.Level1: Cognito did not keep it" in said
    assert provider()["ProviderDetails"] == DETAILS


def test_what_stands_in_the_pool_is_shown_whole_and_not_obeyed_by_the_terminal(apply, aws, pool_id, file):
    """Whoever may change the pool could make the difference look like another one."""
    apply(file(), FROM_ENV)
    hostile = {**DETAILS, "token_url": "https://x.example/\u202e\x1b[2K\x9b1A"}
    aws.update_identity_provider(UserPoolId=pool_id, ProviderName="bank", ProviderDetails=hostile)
    code, said = apply(file(), yes=None)
    assert code == 1
    assert "https://x.example/\\u202e\\x1b[2K\\x9b1A" in said
    assert all(char.isprintable() or char == "\n" for char in said)


class Meanwhile(Terminal):
    """Somebody who does something else before the answer is yes."""

    def __init__(self, act):
        super().__init__("y\n")
        self._act = act

    def readline(self, *size):
        self._act()
        return super().readline(*size)


def test_a_secret_that_was_rotated_while_somebody_thought_is_not_given_back(
    apply, aws, pool_id, file, monkeypatch
):
    """The one that was read before the question was written: every sign-in then ended in invalid_client."""
    apply(file(), FROM_ENV)
    stale = {**DETAILS, "token_url": "https://old.example/token"}
    aws.update_identity_provider(UserPoolId=pool_id, ProviderName="bank", ProviderDetails=stale)
    rotated = {**stale, "client_secret": OTHER_SECRET}
    monkeypatch.setattr(
        "sys.stdin",
        Meanwhile(
            lambda: aws.update_identity_provider(
                UserPoolId=pool_id, ProviderName="bank", ProviderDetails=rotated
            )
        ),
    )
    code, said = apply(file(), yes=None)
    assert code == 1
    assert "somebody else changed it" in said
    told = aws.describe_identity_provider(UserPoolId=pool_id, ProviderName="bank")["IdentityProvider"]
    assert told["ProviderDetails"] == rotated


def test_a_provider_that_an_app_client_got_while_somebody_thought_stays(
    apply, aws, pool_id, file, monkeypatch
):
    """The list that was read before the question was written over it."""
    apply(file(), FROM_ENV)
    web = aws.create_user_pool_client(UserPoolId=pool_id, ClientName="web")["UserPoolClient"]["ClientId"]

    def offered(*names):
        aws.update_user_pool_client(UserPoolId=pool_id, ClientId=web, SupportedIdentityProviders=[*names])

    offered("COGNITO")
    monkeypatch.setattr("sys.stdin", Meanwhile(lambda: offered("COGNITO", "Google")))
    code, _ = apply(file(), f"--app-client={web}", yes=None)
    assert code == 0
    told = aws.describe_user_pool_client(UserPoolId=pool_id, ClientId=web)["UserPoolClient"]
    assert told["SupportedIdentityProviders"] == ["COGNITO", "Google", "bank"]


def test_a_question_that_is_hung_up_on_is_a_no(apply, file, monkeypatch, aws, pool_id):
    """Ctrl-D ended in a traceback."""
    monkeypatch.setattr("sys.stdin", Terminal(""))
    code, _ = apply(file(), FROM_ENV, yes=None)
    assert code == 1
    assert aws.list_identity_providers(UserPoolId=pool_id)["Providers"] == []
