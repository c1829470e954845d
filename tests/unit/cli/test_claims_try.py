"""`fedbridge claims try`: what is said of a sample is what a sign-in would do with it."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fedbridge.claims.mapping import Mapper, to_identity
from fedbridge.cli import main, parser
from fedbridge.cli.claims.rules import tried
from fedbridge.cli.claims.trying import trial_of
from fedbridge.configuration.file import load
from fedbridge.errors import UpstreamError
from fedbridge.model.connection import ClaimRule
from tests.support import markdown
from tests.unit.configuration.files import GOOD, changed, unhurried, write
from tests.unit.rp.idp import connection
from tests.unit.sp.idp import GCM256, Message, SamlIdp

ISSUER = GOOD["issuer"]
LONG = "x" * 2049


class Desk:
    """Runs the command with one connection `acme`, and reads what it prints for machines."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys

    def run(self, body: dict[str, Any], *words: str, code: int = 0) -> str:
        file = write(self.folder, {"acme": body})
        assert main(["claims", "try", "acme", "--file", str(file), *words]) == code
        said = self.capsys.readouterr()
        return said.out + said.err

    def tried(
        self, body: dict[str, Any], id_token: Any, userinfo: Any = None, *words: str, code: int = 0
    ) -> Any:
        given = {"iss": ISSUER, "sub": "ana", **id_token}
        more = [] if userinfo is None else ["--userinfo", json.dumps({"sub": "ana", **userinfo})]
        return json.loads(self.run(body, "--json", "--id-token", json.dumps(given), *more, *words, code=code))

    def rule(self, rules: Any, name: str, id_token: Any, userinfo: Any = None, *, code: int = 0) -> Any:
        """Return what became of one rule."""
        result = self.tried(changed(claims=rules), id_token, userinfo, code=code)
        return {each["claim"]: each for each in result["rules"]}[name]


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


def test_a_terminal_does_not_obey_what_a_sample_says(desk):
    """A sample is what a provider sent, or somebody who wants it looked at."""
    sample = {"iss": ISSUER, "sub": "ana", "\x1b]0;owned\x07": 1, "\x9b2J": "\u202e"}
    said = desk.run(GOOD, "--id-token", json.dumps(sample))
    assert "owned" in said
    assert all(char.isprintable() or char == "\n" for char in said)
    assert desk.run(GOOD, "--json", "--id-token", json.dumps(sample)).isascii()


def test_what_cognito_would_receive(desk):
    result = desk.tried(
        changed(),
        {"acr": "high", "amr": ["pwd", "otp"], "auth_time": 1_700_000_000, "email": "ana@acme.example"},
        {"given_name": "Ana", "email": "ana@acme.example", "email_verified": True},
    )
    assert result["claims"] == {"given_name": "Ana", "email": "ana@acme.example", "email_verified": True}
    assert (result["acr"], result["amr"], result["auth_time"]) == ("high", ["pwd", "otp"], 1_700_000_000)
    assert (result["refused"], result["notes"], result["unmapped"]) == (None, [], [])


def test_the_subject_and_the_length_of_the_user_name(desk):
    named = desk.tried(changed(), {}, {}, "--provider-name", "Bank")
    assert named["username"] == f"Bank_{named['subject']}"
    assert (len(named["subject"]), named["username_length"]) == (64, 69)
    raw = desk.tried(changed(subject="raw"), {}, {})
    assert (raw["subject"], raw["username_length"]) == ("ana", 36)
    pool = {"id": "eu-north-1_Abc123456", "identity_provider": "Acme"}
    assert desk.tried(changed(relying_parties__0__user_pool=pool), {}, {})["username"].startswith("Acme_")


@pytest.mark.parametrize("subject", ["A.Capital", "with blank", "x" * 96, "ünicode"])
def test_a_subject_that_cognito_cannot_take_is_refused_as_in_a_sign_in(desk, subject):
    body = changed(subject="raw")
    result = desk.tried(body, {"sub": subject}, {"sub": subject}, code=1)
    assert result["refused"]["reason"] == "subject_not_representable"
    assert "subject: hashed" in result["refused"]["todo"]


def test_nothing_is_cut(desk):
    kept = desk.rule({"x": "x"}, "x", {"x": "y" * 2048})
    assert kept["outcome"] == "sent"
    dropped = desk.rule({"x": "x"}, "x", {"x": LONG})
    assert (dropped["outcome"], dropped["sent"]) == ("dropped", None)
    assert dropped["why"] == "2049 bytes, and Cognito takes 2048; nothing is ever cut: it is left out"
    assert desk.rule({"x": "x"}, "x", {"x": "ü" * 1025})["why"].startswith("2050 bytes")


@pytest.mark.parametrize(
    ("rule", "value", "reason"),
    [
        ({"value": "x", "too_long": "refuse"}, LONG, "claim_too_long"),
        ({"value": "x", "required": True}, LONG, "claim_too_long"),
        ({"value": "x", "required": True}, {"an": "object"}, "claim_unusable"),
        ({"value": "x", "required": True}, None, "required_claim_missing"),
        ({"value": "x", "required": True}, "  ", "required_claim_missing"),
    ],
)
def test_what_ends_the_sign_in_is_pointed_out(desk, rule, value, reason):
    result = desk.tried(changed(claims={"x": rule, "level": "level"}), {"x": value, "level": 3}, code=1)
    by_name = {each["claim"]: each for each in result["rules"]}
    assert result["refused"]["reason"] == reason
    assert result["claims"] is None
    assert by_name["x"]["outcome"] == "refused"
    assert by_name["x"]["todo"]
    assert by_name["level"]["sent"] == "3"  # What else would come is said all the same.


CHANGES = [
    ("x", 3, "3", "a number becomes text"),
    ("x", 1.5, "1.5", "a number becomes text"),
    ("x", "text", "text", None),
    ("x", True, True, None),
    ({"value": "x", "type": "string"}, True, "true", "true or false becomes text"),
    ({"value": "x", "type": "string"}, {"a": 1}, '{"a":1}', "an object becomes JSON text"),
    ({"value": "x", "type": "boolean"}, "true", True, "text becomes true or false"),
    ({"value": "x", "type": "list"}, "one", ["one"], "a list of one is made of it"),
    ({"value": "x", "type": "joined", "separator": ";"}, ["a", "b"], "a;b", "the list becomes one text"),
    ("x", ["a", "", None, 3], ["a", "3"], "2 empty of 4 items are left out, items become text"),
    ("x", ["a", "b"], ["a", "b"], None),
]


@pytest.mark.parametrize(("rule", "found", "sent", "why"), CHANGES)
def test_what_a_value_becomes(desk, rule, found, sent, why):
    each = desk.rule({"x": rule}, "x", {"x": found})
    assert (each["outcome"], each["sent"], each["why"]) == ("sent", sent, why)


def test_a_list_as_cognito_keeps_it(desk):
    each = desk.rule({"x": "x"}, "x", {"x": ["a b", "c,d", "é"]})
    assert each["stored"] == "[a+b,c%2Cd,%C3%A9]"


DROPS = [
    ("x", {"a": 1}, "an object, and Cognito takes text", "name one of its members"),
    ("x", [{"name": "a"}], "a list of objects", "roles[].name"),
    ("x", ["y" * 1000] * 3, "the list is longer than 2048 bytes", "send fewer items"),
    ("x", "bell \u0007", "characters that are not text", "clean it"),
    ("x", 2.0**60, "a number that JSON readers do not agree on", "send it as text"),
    ({"value": "x", "type": "boolean"}, "yes", "neither true nor false", "compare in the expression"),
    ({"value": "x", "type": "joined"}, ["a,b"], "an item has the separator ','", "choose a separator"),
    ("join(',', x)", 5, "the expression stumbles", "jmespath"),
]


@pytest.mark.parametrize(("rule", "found", "why", "todo"), DROPS)
def test_what_is_left_out_and_what_to_do_about_it(desk, rule, found, why, todo):
    each = desk.rule({"x": rule}, "x", {"x": found})
    assert each["outcome"] == "dropped"
    assert why in each["why"]
    assert todo in each["todo"]


ADDRESS = "ana@acme.example"
FLAGS = [
    ({"email_verified": True}, {}, {}, True, "a document holds this very email"),
    ({"email_verified": "true"}, {}, {}, True, "a document holds this very email"),
    ({"email_verified": False}, {}, {}, False, "a document says false"),
    ({"email_verified": "yes"}, {}, {}, False, 'a document says "yes"'),
    ({}, {}, {}, False, "no document holds this very email and email_verified beside it"),
    ({}, {"email_verified": True}, {}, False, "no document holds this very email"),
    ({"email_verified": True}, {"email": ADDRESS, "email_verified": False}, {}, False, "a document says"),
    ({}, {}, {"claims": {"email": "email", "email_verified": {"constant": True}}}, True, "a constant"),
    (
        {"email_verified": True, "ok": False}, {},
        {"claims": {"email": "email", "email_verified": "email_verified && ok"}}, False, "the expression takes it away",
    ),
    ({"email_verified": True}, {}, {"verified_email_domains": ["other.example"]}, False, "this domain"),
    ({"email_verified": True}, {}, {"verified_email_domains": ["acme.example"]}, True, "a document holds"),
]  # fmt: skip


@pytest.mark.parametrize("case", FLAGS)
def test_why_an_address_is_verified_or_not(desk, case):
    id_token, userinfo, body, verified, why = case
    result = desk.tried(changed(**body), {"email": ADDRESS, **id_token}, userinfo)
    (each,) = (each for each in result["rules"] if each["claim"] == "email_verified")
    assert result["claims"]["email_verified"] is verified is each["sent"]
    assert why in each["why"]


def test_a_flag_that_is_required_without_its_address_ends_the_sign_in(desk):
    rule = {"email_verified": {"value": "email_verified", "required": True}}
    each = desk.rule(rule, "email_verified", {"email_verified": True}, code=1)
    assert (each["outcome"], each["todo"]) == ("refused", "map email")


def test_what_no_rule_reads_is_named(desk):
    body = changed(claims={"email": "email", "groups": "roles[].name"})
    result = desk.tried(
        body, {"email": ADDRESS, "email_verified": True, "roles": [], "shoe": 43, "nonce": "n"}
    )
    assert result["unmapped"] == ["shoe"]


def test_a_relayed_token_takes_away_what_it_contradicts(desk):
    body = changed(tokens="relay", client_id="cognito", id_token={"algorithms": ["RS256"]})
    result = desk.tried(body, {"email": ADDRESS}, {"email": "other@acme.example"})
    (each,) = (each for each in result["rules"] if each["claim"] == "email")
    assert each["outcome"] == "dropped"
    assert "email" not in result["claims"]
    assert any("relayed" in note for note in result["notes"])


NOTES = [
    (changed(), {"iss": "https://other.example"}, {}, "a sign-in would refuse the token"),
    (changed(), {}, None, "give --userinfo"),
    (changed(userinfo={"method": "none"}), {}, {"email": ADDRESS}, "is left out"),
    (changed(), {"acr": 3}, {}, None),
    (changed(), {"acr": ["a"]}, {}, "acr has a value that cannot be used"),
    (changed(), {"auth_time": "yesterday"}, {}, "auth_time has a value that cannot be used"),
]


@pytest.mark.parametrize(("body", "id_token", "userinfo", "note"), NOTES)
def test_what_else_should_be_known(desk, body, id_token, userinfo, note):
    result = desk.tried(body, id_token, userinfo)
    assert (note or "") in " ".join(result["notes"])


def test_userinfo_about_somebody_else_ends_the_sign_in(desk):
    result = desk.tried(changed(), {}, {"sub": "bob"}, code=1)
    assert result["refused"]["reason"] == "userinfo_subject_mismatch"


@pytest.mark.parametrize("subject", [None, 5, []])
def test_a_token_about_nobody_ends_the_sign_in(desk, subject):
    assert (
        desk.tried(changed(), {"sub": subject}, code=1)["refused"]["reason"] == "id_token_subject_malformed"
    )


# --- how samples are given ------------------------------------------------------------------------------------------


def jwt(claims: dict[str, Any], parts: int = 3) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return ".".join(["eyJhbGciOiJub25lIn0", body, *["c2ln"] * (parts - 2)])


CLAIMS = {"iss": ISSUER, "sub": "ana", "email": "ana@acmé.example"}


@pytest.mark.parametrize("way", ["json", "file", "jwt", "jwt file", "stdin"])
def test_ways_to_give_a_sample(desk, tmp_path, monkeypatch, way):
    text = jwt(CLAIMS) if "jwt" in way else json.dumps(CLAIMS)
    sample = text
    if "file" in way:
        sample = str(tmp_path / "sample")
        Path(sample).write_text(f"{text}\n", "utf-8")
    if way == "stdin":
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        sample = "-"
    result = json.loads(desk.run(changed(), "--json", "--id-token", sample))
    assert result["claims"]["email"] == "ana@acmé.example"
    assert any("decoded only" in note for note in result["notes"]) == ("jwt" in way)


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        (jwt(CLAIMS, parts=5), "is encrypted"),
        ("nowhere.json", "cannot be read"),
        ("[]", "must be a JSON object"),
        ('{"a": 1, "a": 2}', "is neither JSON nor a JWT"),
        ("a.b.c", "is no JWT"),
    ],
)
def test_samples_that_cannot_be_read_are_said(desk, sample, message):
    assert message in desk.run(changed(), "--id-token", sample, code=1)


@pytest.mark.parametrize("words", [(), ("--userinfo", "{}"), ("--assertion", "{}"), ("--document", "a={}")])
def test_what_does_not_go_with_the_protocol_is_said(desk, words):
    assert "acme speaks oidc: give --id-token and --userinfo" in desk.run(changed(), *words, code=1)


def test_the_text_reads_in_a_terminal(desk):
    body = changed(claims={"x": "x", "email": "email", "gone": "gone", "groups": "groups"})
    sample = json.dumps({**CLAIMS, "x": LONG, "groups": ["a b"], "shoe": 43})
    lines = desk.run(body, "--id-token", sample).splitlines()
    assert lines[0] == "acme: Cognito would receive"
    assert all(len(line) <= 100 for line in lines)
    assert '  groups = ["a b"]' in lines
    assert "      Cognito keeps [a+b]" in lines
    assert "left out:" in lines
    assert "not in the sample:" in lines
    refused = desk.run(body, "--id-token", sample, "--userinfo", '{"sub": "bob"}', code=1)
    assert refused.startswith("acme: the sign-in would be REFUSED: userinfo_subject_mismatch\n")


# --- OAuth 2.0 and SAML ---------------------------------------------------------------------------------------------

SOCIAL = changed(
    protocol="oauth2",
    client_authentication={"method": "client_secret_post", "secret": "secretsmanager:fedbridge/prod/social"},
    authorization={"scope": "read:user"},
    endpoints={
        "authorization_endpoint": f"{ISSUER}/authorize",
        "token_endpoint": f"{ISSUER}/token",
    },
    oauth2={
        "documents": [
            {"name": "user", "url": f"{ISSUER}/user"},
            {"name": "emails", "url": f"{ISSUER}/emails", "required": False},
        ],
        "subject": "user.id",
    },
    claims={"email": "emails[?primary] | [0].email", "email_verified": "emails[?primary] | [0].verified"},
)


@pytest.mark.parametrize(("verified", "why"), [(True, "a document holds"), (False, "no object that holds")])
def test_documents_of_a_provider_without_openid_connect(desk, verified, why):
    emails = [{"email": ADDRESS, "primary": True, "verified": verified}]
    words = ["--document", 'user={"id": 42}', "--document", f"emails={json.dumps(emails)}"]
    result = json.loads(desk.run(SOCIAL, "--json", *words))
    assert result["claims"] == {"email": ADDRESS, "email_verified": verified}
    (flag,) = (each for each in result["rules"] if each["claim"] == "email_verified")
    assert why in flag["why"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--document", "emails=[]"], "user: a sign-in cannot do without"),
        (["--document", "user"], "must be NAME=SAMPLE"),
        (["--document", 'user={"id": 4.5}'], "oauth2_subject_unusable"),
    ],
)
def test_documents_that_name_nobody(desk, words, message):
    assert message in desk.run(SOCIAL, *words, code=1)


SAML = {
    "protocol": "saml",
    "issuer": "https://idp.example/saml",
    "client_id": "https://login.example/acme/saml/metadata",
    "saml": {
        "metadata": {"source": "https://idp.example/metadata"},
        "signing_keys": [
            {"key": "secretsmanager:fedbridge/prod/a", "certificate": "secretsmanager:fedbridge/prod/b"}
        ],
    },
    "claims": {"email": "mail", "groups": "groups", "display": "friendly_names.displayName"},
    "relying_parties": GOOD["relying_parties"],
}
ATTRIBUTES = {
    "name_id": "ana",
    "attributes": {
        "mail": ADDRESS,
        "groups": ["a", "b"],
        "urn:oid:2.16.840.1.113730.3.1.241": "Ana",
        "shoe": 43,
    },
    "friendly_names": {"displayName": "urn:oid:2.16.840.1.113730.3.1.241"},
    "authn_context": "urn:example:high",
}


def test_attributes_as_json(desk):
    result = json.loads(desk.run(SAML, "--json", "--assertion", json.dumps(ATTRIBUTES)))
    assert result["claims"] == {
        "email": ADDRESS, "groups": ["a", "b"], "display": "Ana", "email_verified": False,
    }  # fmt: skip
    assert (result["acr"], result["unmapped"]) == (
        "urn:example:high",
        ["urn:oid:2.16.840.1.113730.3.1.241", "shoe"],
    )
    flat = json.loads(desk.run(SAML | {"saml": {**SAML["saml"], "assertion": {"subject_attribute": "uid"}}},
                               "--json", "--assertion", '{"uid": "ana", "mail": "a@b.example"}'))  # fmt: skip
    assert flat["claims"]["email"] == "a@b.example"


@pytest.mark.parametrize("form", ["response", "assertion", "base64", "file"])
def test_an_assertion_as_it_came(desk, tmp_path, form):
    idp = SamlIdp()
    text = idp.document(Message())
    if form == "assertion":
        start, end = text.index("<saml:Assertion"), text.index("</saml:Assertion>") + len("</saml:Assertion>")
        text = text[start:end].replace("<saml:Assertion", '<saml:Assertion xmlns:x="urn:x"', 1)
    if form == "base64":
        text = base64.b64encode(text.encode()).decode()
    sample = text
    if form in {"base64", "file"}:
        sample = str(tmp_path / "sample.xml")
        Path(sample).write_text(text)
    body = SAML | {"client_id": idp.connection.client_id, "issuer": idp.connection.issuer}
    del body["claims"]
    result = json.loads(desk.run(body, "--json", "--assertion", sample))
    signed_in = idp.accept()
    assert (result["subject"], result["claims"], result["acr"]) == (
        signed_in.subject,
        signed_in.claims,
        signed_in.acr,
    )
    assert any("read only" in note for note in result["notes"])


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        ("<a/>", "must be one Assertion"),
        ('{"attributes": []}', "and nothing else"),
        ('{"attributes": {}, "more": 1}', "and nothing else"),
        ('{"mail": {"a": 1}}', "values are text"),
        ('{"mail": "x"}', "saml_name_id_malformed"),
        ("<!DOCTYPE a><a/>", "saml_markup_refused"),
        ("/no/such/file", "cannot be read"),
    ],
)
def test_assertions_that_cannot_be_read_are_said(desk, sample, message):
    assert message in desk.run(SAML, "--assertion", sample, code=1)


def test_an_encrypted_assertion_is_to_be_given_open(desk):
    idp = SamlIdp().with_policy(encryption="required")
    text = idp.document(Message(encrypt=GCM256))
    assert "is encrypted" in desk.run(SAML, "--assertion", text, code=1)


# --- the same as in a sign-in ---------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.just(LONG)
    | st.just("true"),
    lambda items: st.lists(items, max_size=3) | st.dictionaries(st.sampled_from("ab"), items, max_size=2),
    max_leaves=4,
)
RULES = st.dictionaries(
    st.sampled_from(["email", "phone_number", "x", "email_verified"]),
    st.builds(
        ClaimRule,
        value=st.sampled_from(["email", "x", "email_verified", "x[].a", "id_token.x", "join(',', x)"]),
        required=st.booleans(),
        type=st.sampled_from(["auto", "string", "boolean", "list", "joined"]),
        too_long=st.sampled_from(["drop", "refuse"]),
    ),
)
DOCUMENTS = st.dictionaries(st.sampled_from(["email", "email_verified", "x", "phone_number"]), VALUES)


@unhurried
@given(rules=RULES, id_token=DOCUMENTS, userinfo=DOCUMENTS)
def test_what_is_said_is_what_happens(rules, id_token, userinfo):
    """Whatever the rules and the documents are: refused if a rule refuses, and otherwise claim by claim the same."""
    at = connection(claims=rules, subject="hashed")
    upstream = {"upstream_sub": "ana", "upstream_iss": at.issuer}
    outcomes = {each.claim: each for each in tried(at, Mapper(id_token, userinfo, upstream))}
    refused = any(each.outcome == "refused" for each in outcomes.values())
    try:
        identity = to_identity(
            at,
            upstream_issuer=at.issuer,
            upstream_subject="ana",
            id_token=id_token,
            userinfo=userinfo,
            upstream_id_token=None,
        ).identity
    except UpstreamError:
        assert refused
        return
    assert not refused
    assert identity.claims == {name: each.sent for name, each in outcomes.items() if each.outcome == "sent"}


def test_the_trial_is_there_for_other_commands(tmp_path):
    options = parser().parse_args(["claims", "try", "acme", "--id-token", json.dumps(CLAIMS)])
    at = load(write(tmp_path, {"acme": changed()}))["acme"]
    trial = trial_of(at, options)
    assert trial.identity is not None
    assert trial.refusal is None


def test_the_example_of_the_page_is_what_is_printed(desk):
    page = markdown.page("docs/connections.md")
    (whole,) = (fence for fence in page.fences("yaml") if "connections:" in fence.text)
    (rules,) = (fence for fence in page.fences("yaml") if fence.text.startswith("claims:"))
    (sample,), (printed,) = (
        page.fences("json"),
        [fence for fence in page.fences("text") if fence.text.startswith("bank: Cognito")],
    )
    body = yaml.safe_load(whole.text)["connections"]["bank"] | yaml.safe_load(rules.text)
    file = write(desk.folder, {"bank": body})
    words = [
        "claims",
        "try",
        "bank",
        "--file",
        str(file),
        "--provider-name",
        "Bank",
        "--id-token",
        sample.text,
    ]
    assert main(words) == 0
    assert desk.capsys.readouterr().out == printed.text
