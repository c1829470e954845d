"""`fedbridge tokens verify`: each thing that can be the matter is named, and nothing of the token is printed."""

import base64
import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from fedbridge.cli import main
from fedbridge.cli.tokens.codes import CODES
from fedbridge.cli.tokens.judging import duration
from tests.counterparts.loopback import LoopbackServer, json_reply
from tests.support.markdown import codes, page

POOL = "eu-north-1_EXAMPLE01"
ISSUER = f"https://cognito-idp.eu-north-1.amazonaws.com/{POOL}"
KEY = RSAKey.generate_key(2048, {"kid": "1"}, private=True)
PUBLIC = {**KEY.as_dict(private=False), "use": "sig", "alg": "RS256"}
EC = ECKey.generate_key("P-256", {"kid": "ec"}, private=True)
PERSON = "alice@person.example"


def id_token(key=KEY, header=None, **claims):
    now = int(time.time())
    body = {
        "iss": ISSUER,
        "sub": "1111",
        "aud": "app",
        "token_use": "id",
        "email": PERSON,
        "auth_time": now - 60,
        "iat": now - 60,
        "exp": now + 3600,
        **claims,
    }
    body = {name: value for name, value in body.items() if value is not None}
    return jwt.encode({"alg": "RS256", "kid": "1", **(header or {})}, body, key, algorithms=ALGORITHMS)


def odd_header(**members):
    """A token whose header no library would write."""
    head = base64.urlsafe_b64encode(json.dumps({"alg": "RS256", **members}).encode()).decode().rstrip("=")
    return f"{head}.{id_token().partition('.')[2]}"


ALGORITHMS = ["RS256", "PS256", "HS256", "ES256"]


@pytest.fixture(scope="module")
def server():
    """Publishes keys; and, at /bank, discovery like the bridge's."""

    def answer(request):
        own = running.origin
        documents = {
            "/keys": {"keys": [PUBLIC, EC.as_dict(private=False)]},
            "/bank/.well-known/openid-configuration": {"issuer": f"{own}/bank", "jwks_uri": f"{own}/keys"},
            "/foreign/.well-known/openid-configuration": {
                "issuer": f"{own}/other",
                "jwks_uri": f"{own}/keys",
            },
            "/list/.well-known/openid-configuration": ["no object"],
            "/empty": {"keys": []},
        }
        found = documents.get(request.path)
        return json_reply({"error": "not found"}, status=404) if found is None else json_reply(found)

    running = LoopbackServer(answer)
    with running:
        yield running


@pytest.fixture
def verify(server, monkeypatch, capsys):
    def run(token, *options, whose=("--user-pool", POOL), keys="/keys", more=("--json", "--offline")):
        monkeypatch.setattr("sys.stdin", io.StringIO(token))
        where = ("--jwks-uri", f"{server.origin}{keys}") if keys else ()
        code = main(["tokens", "verify", *whose, *where, "--local", *more, *options])
        printed = capsys.readouterr()
        said = printed.out + printed.err
        assert PERSON not in said
        for part in token.strip().split("."):
            assert len(part) < 8 or part not in said
        if "--json" not in more:
            return code, said
        verdict = json.loads(said)
        assert verdict["valid"] is (code == 0)
        assert all(each["what"].endswith(".") and each["fix"].endswith(".") for each in verdict["findings"])
        return [each["code"] for each in verdict["findings"]]

    return run


# --- form -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, code",
    [
        ("", "token_malformed"),
        ("a b", "token_malformed"),
        ("one.two", "token_malformed"),
        ("e30.e30.!!", "token_malformed"),
        ("e30.WzFd.AAAA", "token_malformed"),  # a list
        ("Bearer e30.e30.AAAA", "token_malformed"),
        ("x" * 70_000, "token_malformed"),
        ("A" * 43, "token_opaque"),
        ("SlAV32hkKG", "token_opaque"),
        ("eyJhbGciOiJSU0EtT0FFUCJ9.b.c.d.e", "token_encrypted"),
    ],
)
def test_what_is_no_signed_token(verify, text, code):
    assert verify(text) == [code]


@pytest.mark.parametrize("use", [[], {}, ["id"], 7])
def test_a_token_use_that_is_no_text_is_none(verify, use):
    """A list ended the command (TypeError)."""
    assert verify(id_token(token_use=use)) == ["token_use_missing"]


@pytest.mark.parametrize(
    "token, code",
    [
        (lambda: id_token(OctKey.import_key("s" * 64), {"alg": "HS256"}), "algorithm_refused"),
        (lambda: id_token(header={"alg": "PS256"}), "algorithm_refused"),  # pools sign RS256 alone
        (lambda: "eyJhbGciOiJub25lIn0." + id_token().split(".")[1] + ".", "algorithm_refused"),
        (lambda: id_token(header={"typ": "logout+jwt"}), "header_refused"),
        (lambda: odd_header(kid=[1]), "header_refused"),
        (lambda: odd_header(kid="\x1b[2J"), "header_refused"),
        (lambda: odd_header(kid="1", crit=["exp"]), "header_refused"),
        (lambda: id_token(header={"kid": "2"}), "key_unknown"),
        (lambda: id_token(RSAKey.generate_key(2048, private=True)), "signature_invalid"),
    ],
)
def test_what_nobody_signed(verify, token, code):
    assert verify(token()) == [code]


# --- claims -----------------------------------------------------------------------------------------------------------


def test_a_good_token(verify):
    assert verify(id_token(), "--use", "id", "--client-id", "app") == []
    access = id_token(aud=None, token_use="access", client_id="app", scope="openid")
    assert verify(access, "--use", "access", "--client-id", "app") == []
    assert verify(id_token(aud=["other", "app"]), "--client-id", "app") == []


NOW = time.time()


@pytest.mark.parametrize(
    "changes, options, found",
    [
        ({"iss": None}, (), ["issuer_missing"]),
        ({"iss": 7}, (), ["issuer_missing"]),
        ({"iss": f"{ISSUER}/"}, (), ["issuer_slash"]),
        ({"iss": f"{ISSUER}X"}, (), ["issuer_pool"]),
        ({"iss": ISSUER.replace("eu-north-1", "eu-west-1")}, (), ["issuer_region"]),
        ({"iss": "https://login.example.com/bank"}, (), ["issuer_other"]),
        ({"token_use": None}, (), ["token_use_missing"]),
        ({"token_use": "refresh"}, (), ["token_use_missing"]),
        ({"token_use": "access", "aud": None, "client_id": "app"}, ("--use", "id"), ["access_token_for_id"]),
        ({}, ("--use", "access"), ["id_token_for_access"]),
        ({}, ("--client-id", "other"), ["audience_wrong"]),
        ({"aud": None}, ("--client-id", "app"), ["audience_wrong"]),
        ({"aud": [None, 7]}, ("--client-id", "app"), ["audience_wrong"]),
        ({"exp": NOW - 1}, (), ["expired"]),
        ({"exp": None}, (), ["times_malformed"]),
        ({"exp": "tomorrow"}, (), ["times_malformed"]),
        ({"iat": True}, (), ["times_malformed"]),
        ({"exp": 1e40}, (), ["times_malformed"]),
        ({"nbf": NOW + 86_400}, (), ["not_yet_valid"]),
        ({"nbf": NOW + 20}, (), []),  # a clock that is a little off
        ({"iat": NOW + 86_400}, (), ["from_the_future"]),
        ({"auth_time": NOW + 86_400}, (), ["auth_time_wrong"]),
        ({"iss": f"{ISSUER}X", "exp": NOW - 1}, ("--client-id", "b"), ["issuer_pool", "audience_wrong", "expired"]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_claims(verify, changes, options, found):
    assert verify(id_token(**changes), *options) == found


@pytest.mark.parametrize("domain", ["acme.auth.eu-north-1.amazoncognito.com", "a.auth-fips.us-gov-west-1.amazoncognito.com"])  # fmt: skip
def test_the_domain_of_a_pool_is_no_issuer(verify, domain):
    assert verify(id_token(), whose=("--issuer", f"https://{domain}")) == ["issuer_is_domain"]


# --- keys -------------------------------------------------------------------------------------------------------------


def test_a_pool_has_two_issuers_and_its_tokens_one(verify):
    """What is set where tokens are verified is compared to the byte, so the other one is a mistake there."""
    updated = ISSUER.replace("https://", "https://issuer-")
    assert verify(id_token(iss=updated)) == []
    assert verify(id_token(iss=updated), whose=("--issuer", updated)) == []
    assert verify(id_token(iss=updated), whose=("--issuer", ISSUER)) == ["issuer_form"]
    assert verify(id_token(), whose=("--issuer", updated)) == ["issuer_form"]


def test_keys_that_cannot_be_had(verify):
    assert verify(id_token(), keys="/nowhere") == ["jwks_unavailable"]
    assert verify(id_token(), keys="/empty") == ["jwks_unavailable"]


def test_another_issuer_is_asked_where_its_keys_are(verify, server):
    issuer = f"{server.origin}/bank"
    token = id_token(EC, {"alg": "ES256", "kid": "ec"}, iss=issuer, token_use=None)
    assert verify(token, "--client-id", "app", whose=("--issuer", issuer), keys=None) == []
    for path in ("foreign", "list", "nowhere"):
        issuer = f"{server.origin}/{path}"
        token = id_token(iss=issuer, token_use=None)
        assert verify(token, whose=("--issuer", issuer), keys=None) == ["jwks_unavailable"]


def test_keys_are_fetched_from_nowhere_that_a_token_names(verify, server):
    header = {"jku": f"{server.origin}/theirs", "x5u": f"{server.origin}/theirs"}
    before = len(server.journal())
    verify(id_token(iss=f"{server.origin}/theirs"))
    verify(id_token(header=header))
    assert all(entry.path == "/keys" for entry in server.journal()[before:])


@pytest.mark.parametrize(
    "issuer", ["http://login.example.com/bank", "login.example.com", "https://10.0.0.1/bank"]
)
def test_an_issuer_that_nobody_should_call_is_refused(issuer, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("x"))
    assert main(["tokens", "verify", "--issuer", issuer]) == 1
    assert "--issuer:" in capsys.readouterr().err


# --- revocation -------------------------------------------------------------------------------------------------------


@pytest.fixture
def cognito(monkeypatch):
    """Cognito as far as GetUser goes; returns what it is to answer, by AWS's own code, and what it was sent."""
    sent: list[Any] = []
    answers: list[str | None] = []

    def answer(request):
        sent.append(request)
        (code,) = answers
        if code is None:
            return json_reply({"Username": "alice", "UserAttributes": []})
        return json_reply({"__type": code, "message": "Access Token has been revoked"}, status=400)

    server = LoopbackServer(answer)
    with server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.origin)
        yield answers, sent


SCOPE = "openid aws.cognito.signin.user.admin"


@pytest.mark.parametrize(
    "code, found",
    [
        (None, []),
        ("NotAuthorizedException", ["token_revoked"]),
        ("UserNotFoundException", ["user_gone"]),
        ("ForbiddenException", ["revocation_unknown"]),
    ],
)
def test_cognito_is_asked_about_a_good_access_token(verify, cognito, code, found):
    answers, sent = cognito
    answers[:] = [code]
    token = id_token(aud=None, token_use="access", client_id="app", scope=SCOPE)
    assert verify(token, more=("--json",)) == found
    assert [entry.headers["x-amz-target"] for entry in sent] == ["AWSCognitoIdentityProviderService.GetUser"]
    assert (
        "authorization" not in sent[0].headers
    )  # the token alone: the operator's credentials are no part of it


def test_nobody_is_asked_about_what_is_bad_already_or_cannot_be_asked_about(verify, cognito, server):
    _, sent = cognito
    access = {"aud": None, "token_use": "access", "client_id": "app"}
    assert verify(id_token(**access, scope=SCOPE, exp=NOW - 1), more=("--json",)) == ["expired"]
    assert verify(id_token(**access, scope="openid"), more=("--json",)) == ["revocation_unknown"]
    assert verify(id_token(), more=("--json",)) == ["revocation_unknown"]
    issuer = f"{server.origin}/bank"
    bridges = id_token(EC, {"alg": "ES256", "kid": "ec"}, iss=issuer, token_use=None)
    assert verify(bridges, whose=("--issuer", issuer), keys=None, more=("--json",)) == []
    assert sent == []


# --- what is printed --------------------------------------------------------------------------------------------------


def test_the_verdict_is_for_people(verify):
    code, said = verify(id_token(), more=("--offline",))
    lines = [line.split(maxsplit=1) for line in said.splitlines() if line]
    assert code == 0
    assert [line[0] for line in lines] == [
        "kind",
        "iss",
        "aud",
        "alg",
        "kid",
        "auth_time",
        "iat",
        "exp",
        "valid",
    ]
    assert lines[0][1] == "ID token"
    code, said = verify(id_token(exp=NOW - 7200.5), more=("--offline",))
    assert code == 1
    assert "error: expired (time)\n  It expired 2 hours ago.\n" in said
    assert said.endswith("not valid\n")


def test_what_others_wrote_cannot_act_on_a_terminal(verify):
    code, said = verify(
        id_token(iss="https://evil.example/\x1b[2J", aud="\x1b]0;x", client_id="y"), more=("--offline",)
    )
    assert code == 1
    assert "\x1b" not in said


def test_a_token_may_be_an_argument(server, capsys):
    keys = ["--jwks-uri", f"{server.origin}/keys", "--local", "--offline"]
    assert main(["tokens", "verify", id_token(), "--user-pool", POOL, *keys]) == 0
    assert capsys.readouterr().out.endswith("valid\n")


def test_whose_token_it_should_be_must_be_said(capsys):
    for words in ([], ["--user-pool", POOL, "--issuer", ISSUER]):
        with pytest.raises(SystemExit) as ended:
            main(["tokens", "verify", *words])
        assert ended.value.code == 2
    capsys.readouterr()


@pytest.mark.parametrize(
    "seconds, words",
    [(0, "0 seconds"), (59.9, "59 seconds"), (60, "1 minute"), (7199, "1 hour"), (172800, "2 days")],
)
def test_durations_are_in_words(seconds, words):
    assert duration(seconds) == words


def test_every_code_is_explained():
    listed = {
        codes(code)[0]: (severity, why)
        for code, severity, why in page("docs/cognito.md").table("What is the matter")
    }
    assert listed == {
        code: (advice.severity, f"{advice.why} {advice.fix}") for code, advice in CODES.codes.items()
    }


def test_every_code_has_its_test():
    text = Path(__file__).read_text("utf-8")
    assert [code for code in CODES.codes if f'"{code}"' not in text] == []


@pytest.mark.parametrize("url", ["http://localhost:99999/keys", "http://[::1", "file:///etc/passwd", "keys"])
def test_an_address_of_keys_that_is_none_is_a_wrong_call(monkeypatch, capsys, url):
    """A port that there is not ended in a traceback."""
    monkeypatch.setattr("sys.stdin", io.StringIO(id_token()))
    assert main(["tokens", "verify", "--user-pool", POOL, "--local", "--jwks-uri", url]) == 1
    assert capsys.readouterr().err.startswith("fedbridge: --jwks-uri: must ")


def test_bytes_that_are_no_text_are_no_token(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe.\x80"), "utf-8"))
    assert main(["tokens", "verify", "--user-pool", POOL, "--offline"]) == 1
    assert "no token" in capsys.readouterr().err
