"""Registration and hosted keys: the cases of the checklist that concern them, each by its number."""

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from fedbridge.cli import main
from fedbridge.errors import ConfigurationError, UpstreamError
from fedbridge.keys.algorithms import PrivateKey
from fedbridge.keys.provider import CachedKeys
from fedbridge.keys.secrets import CachedSecrets
from fedbridge.model.connection import AuthorizationRequestProfile, ClientAuthentication
from fedbridge.model.deadline import Deadline
from fedbridge.model.policies import MutualTls, Registration, RequestObject, TokenDecryption
from fedbridge.publishing import all_publishable, publishable
from fedbridge.rp.calls import Calls
from fedbridge.rp.registration import MAX_BYTES, Registrar
from tests.fakes.http import FakeHttpClient, json_answer
from tests.fakes.registrar import RegistrarServer
from tests.fakes.registry import FakeRegistry
from tests.fakes.secrets_manager import FakeSecretsManager
from tests.fakes.telemetry import NullTelemetry
from tests.interop.bridge import self_signed
from tests.support import canaries
from tests.support.bridge import Bridge, connection
from tests.support.gateway import CLIENT_JWKS, Gateway
from tests.support.keys import ec_key, private_pem, rsa_key, thumbprint_of
from tests.unit.configuration.files import REMOVED, changed, problems, write
from tests.unit.rp.idp import FakeKeys
from tests.unit.rp.idp import connection as upstream_connection

PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
BASE_URL = "https://bridge.example"
TOKENS = {
    name: canaries.canary(f"registration-access-token-of-{name}", "registration access token")
    for name in ("acme", "beta")
}
INITIAL = canaries.canary("initial-access-token-of-an-operator", "initial access token")
SECRET = canaries.canary("client-secret-that-an-idp-issued", "client secret")


SIGNING = {"sig-1": ec_key(), "sig-2": ec_key("P-256", 1)}
KEYS: dict[str, PrivateKey] = {
    **SIGNING, "sig-3": rsa_key(), "request": ec_key("P-256", 2), "tls": ec_key("P-256", 3),
    "enc-1": rsa_key(2048, 1), "enc-2": ec_key("P-384"), "old-enc": rsa_key(2048, 2),
}  # fmt: skip


# --- hosted keys ------------------------------------------------------------------------------------------------------


class Publisher:
    """Publishes connections with keys from Secrets Manager, and serves their documents."""

    def __init__(self):
        self.manager = FakeSecretsManager()
        self.kids = {name: thumbprint_of(key) for name, key in KEYS.items()}
        self.manager.values |= {name: private_pem(key) for name, key in KEYS.items()}
        self.manager.values["tls-certificate"] = self_signed(ec_key("P-256", 3)).decode()
        self.secrets = CachedSecrets(self.manager.clients, allow_local=False, telemetry=NullTelemetry())
        self.keys = CachedKeys(self.secrets, self.manager.clients)

    def document(self, **members):
        """The answer of client-jwks.json for a connection with these members."""
        published = publishable(connection(**members), self.keys, self.secrets)
        return Gateway(Bridge(registry=FakeRegistry(published))).send("GET", CLIENT_JWKS)

    def rotating(self, key, next_key=None, retired=()):
        return self.document(
            client_authentication=ClientAuthentication(
                method="private_key_jwt",
                key=f"secretsmanager:{key}",
                next_key=next_key and f"secretsmanager:{next_key}",
                retired_keys=tuple(f"secretsmanager:{name}" for name in retired),
            )
        )


@pytest.fixture
def publisher():
    return Publisher()


EVERY_KEY = {
    "client_authentication": ClientAuthentication(
        method="private_key_jwt", key="secretsmanager:sig-1", next_key="secretsmanager:sig-2",
        retired_keys=("secretsmanager:sig-3",),
    ),
    "authorization": AuthorizationRequestProfile(request_object=RequestObject(key="secretsmanager:request")),
    "token_decryption": TokenDecryption(
        keys=("secretsmanager:enc-1", "secretsmanager:enc-2"), retired_keys=("secretsmanager:old-enc",)
    ),
}  # fmt: skip


def members_of(value):
    if isinstance(value, dict):
        return set(value) | {name for inner in value.values() for name in members_of(inner)}
    return {name for inner in value for name in members_of(inner)} if isinstance(value, list) else set()


def test_case_039_no_hosted_key_of_any_kind_has_a_private_member(publisher):
    answer = publisher.document(**EVERY_KEY)
    assert answer.status == 200
    assert members_of(answer.json).isdisjoint(PRIVATE_MEMBERS)
    assert not any(secret in answer.body for secret in publisher.manager.values.values())
    uses = {jwk["kid"]: jwk["use"] for jwk in answer.json["keys"]}
    signing = ("sig-1", "sig-2", "sig-3", "request")
    assert uses == {publisher.kids[name]: "sig" for name in signing} | {
        publisher.kids[name]: "enc" for name in ("enc-1", "enc-2")
    }


def test_case_039_a_hosted_certificate_is_public(publisher):
    answer = publisher.document(
        client_authentication=ClientAuthentication(method="self_signed_tls_client_auth"),
        mutual_tls=MutualTls(certificate="secretsmanager:tls-certificate", key="secretsmanager:tls"),
    )
    (jwk,) = answer.json["keys"]
    assert jwk["x5c"]
    assert jwk.keys().isdisjoint(PRIVATE_MEMBERS)


@pytest.mark.parametrize(
    "changes, remedy",
    [
        ({"token_decryption": TokenDecryption(keys=("secretsmanager:enc-1",))}, None),
        (
            {"token_decryption": TokenDecryption(keys=("secretsmanager:tls",))},
            "secretsmanager:tls: this key signs as well",
        ),
        (
            {"authorization": AuthorizationRequestProfile(request_object=RequestObject(key="secretsmanager:tls"))},
            "mutual_tls.key: this key signs as well",
        ),
        (
            {"client_authentication": ClientAuthentication(method="private_key_jwt", key="secretsmanager:tls")},
            "mutual_tls.key: this key signs as well",
        ),
    ],
)  # fmt: skip
def test_case_154_a_key_for_tls_has_no_other_use_behind_another_reference(publisher, changes, remedy):
    publisher.manager.values["tls-again"] = publisher.manager.values["tls"]
    members = {
        "client_authentication": ClientAuthentication(method="tls_client_auth"),
        "mutual_tls": MutualTls(certificate="secretsmanager:tls-certificate", key="secretsmanager:tls-again"),
        **changes,
    }
    if remedy is None:
        assert publisher.document(**members).status == 200
        return
    with pytest.raises(ConfigurationError, match=f"{remedy}, behind another reference: one key, one use"):
        publisher.document(**members)


def test_case_154_a_retired_key_is_not_another_connections_behind_another_reference(publisher):
    publisher.manager.values["stolen"] = publisher.manager.values["old-enc"]
    connections = {
        "acme": connection(name="acme", client_id="a", relying_parties=(), **EVERY_KEY),
        "beta": connection(
            name="beta",
            client_id="b",
            relying_parties=(),
            token_decryption=TokenDecryption(keys=("secretsmanager:stolen",)),
        ),
    }
    with pytest.raises(ConfigurationError) as caught:
        all_publishable(connections, publisher.keys, publisher.secrets)
    (problem,) = caught.value.problems
    assert problem.startswith("beta: ")
    assert problem.endswith("is the same public key as in acme: connections share none")


def test_case_040_hosted_keys_overlap_through_a_rotation(publisher):
    """An IdP may hold the document of the stage before; assertions of every stage verify with it."""
    stages = [("sig-1", None, ()), ("sig-1", "sig-2", ()), ("sig-2", None, ("sig-1",)), ("sig-2", None, ())]
    documents = [publisher.rotating(*stage).json for stage in stages]
    for position, (active, _, _) in enumerate(stages):
        signer = publisher.keys.signer(f"secretsmanager:{active}", None, Deadline.after(20))
        key = ECKey.import_key(SIGNING[active])
        token = jwt.encode({"alg": signer.algorithm, "kid": signer.kid}, {"sub": "bridge"}, key)
        for held in documents[max(0, position - 1) : position + 1]:
            assert (
                jwt.decode(token, KeySet.import_key_set(held), algorithms=["ES256"]).claims["sub"] == "bridge"
            )
    assert [len(document["keys"]) for document in documents] == [1, 2, 2, 1]


def test_case_040_an_idp_may_keep_hosted_keys_for_half_an_hour_to_a_day(publisher):
    """itsme wants 30 minutes to 24 hours, GOV.UK One Login at most 24 hours."""
    public, age = publisher.rotating("sig-1").headers["cache-control"].split(", ")
    assert public == "public"
    assert 1800 <= int(age.removeprefix("max-age=")) <= 86400


def test_case_106_nobody_is_told_to_encrypt_to_a_retired_key(publisher):
    kids = {jwk["kid"] for jwk in publisher.document(**EVERY_KEY).json["keys"]}
    assert publisher.kids["old-enc"] not in kids


def test_case_154_one_key_is_not_hosted_for_two_uses(publisher):
    shared = TokenDecryption(keys=("secretsmanager:sig-3",))
    with pytest.raises(ConfigurationError, match="one key, one use"):
        publisher.document(**EVERY_KEY | {"token_decryption": shared})


# --- the registration endpoint ----------------------------------------------------------------------------------------


ENDPOINT = "https://idp.example/register"


@pytest.fixture
def http():
    return FakeHttpClient()


@pytest.fixture
def registrar(http):
    calls = Calls(http, NullTelemetry(), clock=lambda: 0.0, keys=FakeKeys(), sleep=lambda _: None)
    return Registrar(upstream_connection(registration=Registration()), calls, Deadline.after(20))


CALLS = {
    "POST": lambda registrar: registrar.register(ENDPOINT, {}, INITIAL),
    "GET": lambda registrar: registrar.read(ENDPOINT, INITIAL),
    "PUT": lambda registrar: registrar.update(ENDPOINT, {}, INITIAL),
    "DELETE": lambda registrar: registrar.delete(ENDPOINT, INITIAL),
}


@pytest.mark.parametrize("method", CALLS)
@pytest.mark.parametrize("failure", ["upstream_timeout", "upstream_unreachable", "upstream_response_invalid"])
def test_case_115_122_a_lost_answer_is_asked_for_once(http, registrar, method, failure):
    http.answer(method, ENDPOINT, UpstreamError(failure, error="temporarily_unavailable"))
    with pytest.raises(UpstreamError) as caught:
        CALLS[method](registrar)
    assert caught.value.reason == failure
    assert len(http.sent) == 1
    assert ("all the same" in str(caught.value)) == (method != "GET")


@pytest.mark.parametrize("method", CALLS)
def test_case_118_an_answer_above_the_cap(http, registrar, method):
    http.answer(method, ENDPOINT, json_answer({"client_id": "x" * MAX_BYTES}))
    with pytest.raises(UpstreamError) as caught:
        CALLS[method](registrar)
    assert caught.value.reason == "upstream_response_invalid"


@pytest.mark.parametrize("method", CALLS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_case_120_a_redirect_gets_no_token(http, registrar, method, status):
    elsewhere = {"location": "https://elsewhere.example/register"}
    http.answer(method, ENDPOINT, json_answer({"client_id": "a"}, status, elsewhere))
    with pytest.raises(UpstreamError) as caught:
        CALLS[method](registrar)
    assert caught.value.reason == "registration_redirected"
    assert [sent.url for sent in http.sent] == [ENDPOINT]


BAD_BODIES = {
    "html": "<html>Welcome</html>",
    "nothing": "",
    "array": "[]",
    "string": '"client"',
    "mark": "\ufeff{}",
    "broken": '{"client_id": ',
    "twice": '{"client_id": "a", "client_id": "b"}',
    "nan": '{"client_id": "a", "client_id_issued_at": NaN}',
    "deep": '{"a":' * 100 + "1" + "}" * 100,
}


@pytest.fixture
def idp():
    with RegistrarServer(issued={"registration_access_token": TOKENS["acme"]}) as idp:
        yield idp


@pytest.fixture
def register(idp, tmp_path, monkeypatch, capsys):
    """Run the command for a connection with these changes; returns code and all that it printed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key").write_text(private_pem(ec_key()))

    def register(*options, **changes):
        settings = {"issuer": idp.issuer, "client_id": REMOVED,
                    "client_authentication__key": f"file:{tmp_path / 'key'}"}  # fmt: skip
        file = write(tmp_path, {"acme": changed(**settings | changes)})
        code = main(["register", "acme", "--local", "--file", str(file), "--base-url", BASE_URL, *options])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return register


def stored(folder):
    """What a local run has stored."""
    return sorted(file.name for file in folder.glob(".fedbridge/*"))


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
def test_case_121_an_answer_that_is_none(register, idp, tmp_path, body):
    idp.answers["POST"] = [(201, body)]
    code, said = register()
    assert code == 1
    assert "without a JSON object" in said
    assert stored(tmp_path) == []


@pytest.mark.parametrize(
    "status,error", [(400, {}), (403, {}), (200, {"error": "invalid_client_metadata"}), (500, {})]
)
def test_case_121_credentials_in_an_error_are_not_used(register, idp, tmp_path, status, error):
    idp.answers["POST"] = [(status, {**idp.information(client_secret=SECRET), **error})]
    code, said = register()
    assert code == 1
    assert "the-client" not in said
    assert stored(tmp_path) == []


@pytest.mark.parametrize("where", ["http://elsewhere.example/register", "https://169.254.169.254/register"])
def test_case_124_152_the_metadata_do_not_say_where_tokens_go(register, idp, tmp_path, where):
    (tmp_path / "initial").write_text(INITIAL)
    idp.metadata["registration_endpoint"] = where
    code, said = register(registration={"initial_access_token": "file:initial"})
    assert code == 1
    assert "which is neither the issuer's host nor in endpoint_hosts" in said
    assert idp.received == []


def test_case_152_an_answer_does_not_say_where_the_token_goes(register, idp, tmp_path):
    idp.issued["registration_client_uri"] = "https://elsewhere.example/register/the-client"
    code, said = register()
    assert code == 1
    assert "registration_client_uri names https://elsewhere.example" in said
    assert stored(tmp_path) == ["acme.registration-access-token"]


def test_case_155_nothing_that_is_printed_is_secret(register, idp, tmp_path):
    (tmp_path / "initial").write_text(INITIAL)
    secret = {"method": "client_secret_basic", "secret": "file:secret"}
    idp.issued["client_secret"] = SECRET
    said = register(client_authentication=secret, registration={"initial_access_token": "file:initial"})[1]
    registered = {
        "client_id": "the-client",
        "client_authentication": secret,
        "registration": {
            "client_uri": idp.client_uri,
            "access_token": "file:.fedbridge/acme.registration-access-token",
        },
    }
    for action in ("--read", "--update", "--delete"):
        said += register(action, **registered)[1]
    idp.answers["GET"] = [
        (401, {"error": "invalid_token", "error_description": f"{TOKENS['acme']} is not known"})
    ]
    said += register("--read", **registered)[1]
    assert "(the token) is not known" in said
    for value in (TOKENS["acme"], INITIAL, SECRET):
        assert value not in said
    assert [each.token for each in idp.received] == [INITIAL, *[TOKENS["acme"]] * 5]


def test_case_157_what_an_idp_says_is_one_printable_line(register, idp):
    idp.answers["POST"] = [
        (400, {"error": "\x1b[2Jx\ny", "error_description": "a\r\nb\x1b[31m" + "x" * 5000})
    ]
    code, said = register()
    assert code == 1
    assert said.count("\n") == 1
    assert said.strip().isprintable()
    assert len(said) < 400


def test_case_141_the_tokens_of_one_registration_go_to_its_own_idp(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with RegistrarServer() as first, RegistrarServer() as second:
        idps = {"acme": first, "beta": second}
        bodies = {}
        for number, (name, idp) in enumerate(idps.items()):
            idp.issued["registration_access_token"] = TOKENS[name]
            (tmp_path / f"{name}.token").write_text(TOKENS[name])
            (tmp_path / f"{name}.key").write_text(private_pem(ec_key("P-256", number)))
            bodies[name] = changed(
                issuer=idp.issuer,
                client_id="the-client",
                client_authentication__key=f"file:{name}.key",
                relying_parties__0__secret_hashes=["sha256:" + name[0] * 64],
                registration={"client_uri": idp.client_uri, "access_token": f"file:{name}.token"},
            )
        file = str(write(tmp_path, bodies))
        for name in idps:
            assert (
                main(["register", name, "--local", "--file", file, "--base-url", BASE_URL, "--update"]) == 0
            )
        for name, idp in idps.items():
            assert {each.token for each in idp.received} == {TOKENS[name]}
    capsys.readouterr()


# --- configuration ----------------------------------------------------------------------------------------------------


GOOD = {
    "endpoint": "https://login.acme.example/register",
    "initial_access_token": "secretsmanager:fedbridge/prod/registration/acme-initial",
    "client_uri": "https://login.acme.example/register/1",
    "access_token": "ssm:/fedbridge/prod/registration/acme",
}


def about(tmp_path, local=False, **members):
    """The problems of a registration with these members, paths below it."""
    given = {name: value for name, value in {**GOOD, **members}.items() if value is not REMOVED}
    found = problems(tmp_path, {"acme": changed(registration=given)}, allow_local=local)
    return [problem.removeprefix("acme: registration.") for problem in found]


def test_the_registration_that_the_cases_spoil_is_good(tmp_path):
    assert about(tmp_path) == []


@pytest.mark.parametrize("members", [{"token": "x"}, {"endpoint": 1}, {"access_token": []}])
def test_case_149_an_unknown_field_or_a_wrong_type(tmp_path, members):
    (found,) = about(tmp_path, **members)
    assert found.startswith(next(iter(members)))


def test_case_149_a_registration_that_could_not_be_read(tmp_path):
    assert about(tmp_path, access_token=REMOVED) == ["access_token: is missing: client_uri needs it"]


@pytest.mark.parametrize("field", ["endpoint", "client_uri"])
@pytest.mark.parametrize(
    "url",
    ["http://login.acme.example/r", "https://10.0.0.1/r", "https://login.acme.example:8443/r", "https://localhost/r",
     "https://user@login.acme.example/r", "https://login.acme.example/r#x", "ftp://login.acme.example/r", "r", ""],
)  # fmt: skip
def test_case_150_a_url_of_the_registration(tmp_path, field, url):
    (found,) = about(tmp_path, **{field: url})
    assert found.startswith(f"{field}: must")


@pytest.mark.parametrize("field", ["initial_access_token", "access_token"])
@pytest.mark.parametrize(
    "value", ["eyJhbGciOiJub25lIn0.e30.", "file:token", "env:TOKEN", "kms:arn:aws:kms:eu-north-1:1:key/x"]
)
def test_case_151_a_pasted_token_or_a_local_reference_is_refused_and_not_repeated(tmp_path, field, value):
    found = about(tmp_path, **{field: value})
    assert found
    assert all(problem.startswith(f"{field}: ") and value not in problem for problem in found)


def test_case_151_a_token_that_cannot_be_stored(tmp_path):
    (found,) = about(tmp_path, local=True, access_token="env:TOKEN")
    assert found == "access_token: must not be an env: reference: fedbridge writes it"


@pytest.mark.parametrize("field", ["initial_access_token", "access_token"])
@pytest.mark.parametrize(
    "name,allowed",
    [
        ("secretsmanager:fedbridge/prod/registration/acme-x", True),
        ("ssm:/fedbridge/prod/registration/acme-x", True),
        ("secretsmanager:elsewhere/acme", True),  # which no function may read either
        ("secretsmanager:fedbridge/prod/acme-token", False),
        ("secretsmanager:fedbridge/prod/acme/registration/token", False),
        ("secretsmanager:fedbridge/prod/registrations/acme", False),
        ("ssm:/fedbridge/prod/acme", False),
    ],
)
def test_a_token_is_kept_where_no_function_reads_it(tmp_path, field, name, allowed):
    found = about(tmp_path, **{field: name})
    said = f"{field}: must be named fedbridge/ENVIRONMENT/registration/…: other names the functions may read"
    assert found == ([] if allowed else [said])


def test_case_154_a_token_under_the_reference_of_another(tmp_path):
    (found,) = about(tmp_path, access_token=GOOD["initial_access_token"])
    assert found == "access_token: is the same reference as initial_access_token"
    secret = {"method": "client_secret_post", "secret": GOOD["access_token"]}
    found = problems(tmp_path, {"acme": changed(registration=GOOD, client_authentication=secret)})
    assert found == ["acme: registration.access_token: is the same reference as client_authentication.secret"]


@pytest.mark.parametrize("fragment", ["", "#key"])
@pytest.mark.parametrize(
    "path, changes",
    [
        ("client_authentication.key", {"client_authentication__key": ...}),
        ("client_authentication.next_key", {"client_authentication__next_key": ...}),
        ("authorization.request_object.key", {"authorization": {"request_object": {"key": ...}}}),
        ("mutual_tls.key", {"mutual_tls": {"certificate": "ssm:/certificate", "key": ...}}),
        (
            "token_decryption.keys[0]",
            {"token_decryption": {"keys": [...]}, "id_token": {"encryption": "required"}},
        ),
    ],
)
def test_case_154_a_token_in_the_place_of_a_key(tmp_path, path, changes, fragment):
    """Registering would write the token over the private key."""
    document = "secretsmanager:fedbridge/prod/registration/acme-document"

    def filled(value):
        if isinstance(value, dict):
            return {name: filled(each) for name, each in value.items()}
        if isinstance(value, list):
            return [filled(each) for each in value]
        return document + fragment if value is ... else value

    registration = {**GOOD, "access_token": document}
    found = problems(tmp_path, {"acme": changed(registration=registration, **filled(changes))})
    assert found == [f"acme: registration.access_token: is the same reference as {path}"]


def test_case_154_two_connections_with_one_registration(tmp_path):
    both = {
        "acme": changed(registration=GOOD),
        "beta": changed(
            registration=GOOD,
            client_id="another",
            client_authentication__key="secretsmanager:fedbridge/prod/beta",
            relying_parties__0__secret_hashes=["sha256:" + "b2" * 32],
        ),
    }
    (found,) = problems(tmp_path, both)
    assert found == "beta: registration.access_token: is the same secret as in acme: connections share none"


@pytest.mark.parametrize(
    "authentication,path",
    [
        ({"method": "auto", "key": "secretsmanager:fedbridge/prod/acme"}, "client_authentication.method"),
        (
            {"method": "apple_client_secret", "key": "secretsmanager:fedbridge/prod/acme", "assertion_issuer": "TEAM",
             "kid": "KEY"},
            "registration",
        ),
    ],
)  # fmt: skip
def test_case_151_a_method_that_nobody_could_register(tmp_path, authentication, path):
    found = problems(tmp_path, {"acme": changed(registration=GOOD, client_authentication=authentication)})
    assert [problem.split(": ")[1] for problem in found] == [path]
