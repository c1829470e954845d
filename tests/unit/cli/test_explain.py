"""What the records of a sign-in tell, down to what is missing from them; and what is no record at all."""

import io
import itertools
import json
from datetime import UTC, datetime

import pytest

from fedbridge.cli import main
from fedbridge.cli.explain import Story, explain, parse_records, recent_failures
from fedbridge.cli.explain.causes import causes, plain, upstream_codes
from fedbridge.cli.explain.records import reference
from fedbridge.cli.explain.steps import steps_of
from fedbridge.cli.explain.text import SHORT, WHOSE, WIDTH, show_failures, show_story
from fedbridge.errors import ConfigurationError

ID, OTHER = "7Q2M4X9D1KTB8ZWN", "0ABCDEFGHJKMNPQR"
T0 = 1_700_000_000.0
LATE = T0 + 100_000


def record(message, after=0.0, correlation_id=ID, **fields):
    moment = datetime.fromtimestamp(T0 + after, UTC).isoformat(timespec="milliseconds")
    common = {"connection": "bank", "correlation_id": correlation_id}
    return {"level": "INFO", "message": message, "timestamp": moment, **common, **fields}


STARTED = record("sign_in_started", client_id="cognito", calls="pushed_authorization_request=80 store=5")
AUTHORIZED = record("sign_in_authorized", 30, duration_ms=210.0, calls="store=9 token=118 userinfo=80")
REDEEMED = record("sign_in_redeemed", 30.5)
READ = record("userinfo_read", 30.9)


def told(*records, now=LATE, of=ID):
    return explain(records, of, now=now)


def test_a_sign_in_that_went_well_is_told_from_its_first_step_to_its_last():
    story = told(READ, STARTED, REDEEMED, AUTHORIZED)
    assert (story.outcome, story.reason, story.connection, story.client_id) == (
        "complete",
        None,
        "bank",
        "cognito",
    )
    assert [(step.what, step.went_well) for step in story.steps] == [
        ("the provider's endpoint for pushed requests answered", True),
        ("authorize: the browser was sent to the provider", True),
        ("the person was at the provider", None),
        ("the provider's token endpoint answered", True),
        ("the provider's userinfo endpoint answered", True),
        ("callback: the provider's answer is good, the browser was sent to Cognito", True),
        ("token: Cognito got its tokens", True),
        ("userinfo: Cognito got the claims", True),
    ]
    took = [step.duration_ms for step in story.steps]
    assert took[:2] == [80, pytest.approx(85, abs=1)]
    assert took[2] == pytest.approx(29_790, abs=1)
    assert took[3:6] == [118, 80, 210]
    assert "the tables took 9 ms" in story.steps[5].detail


@pytest.mark.parametrize(
    ("records", "now", "outcome"),
    [
        ((STARTED,), T0 + 60, "under_way"),
        ((STARTED,), LATE, "not_returned"),
        ((STARTED, AUTHORIZED), T0 + 60, "under_way"),
        ((STARTED, AUTHORIZED), LATE, "not_redeemed"),
        ((STARTED, AUTHORIZED, REDEEMED), T0 + 40, "under_way"),
        ((STARTED, AUTHORIZED, REDEEMED), LATE, "not_read"),
        ((record("sign_in_initiated"),), T0 + 60, "under_way"),
        ((record("sign_in_initiated"),), LATE, "not_returned"),
        ((record("keys_stale", reason="kms_timeout"),), LATE, "under_way"),
    ],
)
def test_where_it_stopped_is_told_once_it_cannot_go_on(records, now, outcome):
    story = told(*records, now=now)
    assert (story.outcome, story.reason) == (outcome, None)
    assert story.summary
    assert bool(story.todo) == (outcome != "under_way")


def test_a_reference_that_nobody_logged():
    story = told(STARTED, of=OTHER)
    assert story == Story(id=OTHER, outcome="unknown", summary=story.summary, todo=story.todo)
    assert "--since" in story.todo


def test_the_provider_s_own_code_says_whose_it_is():
    failed = {"reason": "authorization_response_error", "error": "server_error"}
    assert told(STARTED, record("sign_in_failed", 9, **failed, upstream_code="access_denied")).whose == (
        "user",
    )
    assert told(STARTED, record("sign_in_failed", 9, **failed, upstream_code="invalid_scope")).whose == (
        "configuration",
    )
    assert told(STARTED, record("sign_in_failed", 9, **failed, upstream_code="free_text")).whose == (
        "provider",
    )


def test_it_says_where_the_sign_in_failed():
    reason = {"reason": "metadata_unavailable"}
    before = told(record("sign_in_failed", route="/{connection}/authorize", **reason))
    after = told(STARTED, record("sign_in_failed", 9, route="/{connection}/callback", **reason))
    unasked = told(record("sign_in_failed", route="/{connection}/saml/acs", **reason))
    assert "before the browser was sent" in before.summary
    assert "after the browser came back" in after.summary
    assert "after the browser came back" in unasked.summary


def test_a_failed_call_is_told_once_with_what_was_answered():
    failed = record(
        "upstream_failed",
        29.9,
        upstream_endpoint="token",
        upstream_status=401,
        duration_ms=118.0,
        connection="bank",
    )
    story = told(
        STARTED,
        failed,
        record("sign_in_failed", 30, reason="client_authentication_refused", calls="store=4 token=118"),
    )
    calls = [step for step in story.steps if "token endpoint" in step.what]
    assert [(step.what, step.went_well, step.detail) for step in calls] == [
        ("the provider's token endpoint answered an error", False, "upstream_status 401")
    ]
    assert story.checks == ("fedbridge check bank",)


def test_a_call_without_an_answer():
    (step,) = steps_of([record("upstream_failed", upstream_endpoint="jwks", reason="upstream_timeout")])
    assert (step.what, step.detail) == ("the provider's keys failed", "reason upstream_timeout")


def test_what_cognito_was_refused_meanwhile_is_likely_why_it_never_redeemed():
    refusal = record(
        "token_refused",
        31,
        OTHER,
        reason="client_authentication_failed",
        route="/{connection}/token",
        status=401,
    )
    elsewhere = {**refusal, "connection": "other", "correlation_id": "1ABCDEFGHJKMNPQR"}
    too_late = {**refusal, **record("token_refused", 200, "2ABCDEFGHJKMNPQR", reason="code_refused")}
    userinfo = {**refusal, "route": "/{connection}/userinfo", "correlation_id": "3ABCDEFGHJKMNPQR"}
    records = (STARTED, AUTHORIZED, refusal, elsewhere, too_late, userinfo)
    story = told(*records)
    assert (story.outcome, story.reason) == ("not_redeemed", "client_authentication_failed")
    assert story.related == (OTHER,)
    back = told(*records, of=OTHER)
    assert (back.outcome, back.related) == ("refused", (ID,))


def test_a_stranger_at_the_token_endpoint_is_not_why_a_sign_in_was_not_redeemed():
    """Whoever posts rubbish there would lead everybody to Cognito's client secret, which is right: it was used meanwhile."""
    refusal = record(
        "token_refused", 31, OTHER, reason="client_authentication_failed", route="/{connection}/token"
    )
    ours, theirs = AUTHORIZED | {"client_id": "cognito"}, record("sign_in_redeemed", 40, "5ABCDEFGHJKMNPQR")
    story = told(STARTED, ours, refusal, theirs | {"client_id": "cognito"})
    assert (story.outcome, story.reason, story.related) == ("not_redeemed", None, (OTHER,))
    assert "may be anybody's" in story.summary
    assert told(STARTED, ours, refusal, theirs | {"client_id": "reports"}).reason == refusal["reason"]


def test_of_several_refusals_nobody_guesses_which_was_cognitos():
    refusals = [
        record("token_refused", 31 + at, f"{at}ABCDEFGHJKMNPQR", reason=reason, route="/{connection}/token")
        for at, reason in enumerate(["grant_type_missing", "client_authentication_failed"] * 4)
    ]
    story = told(STARTED, AUTHORIZED, *refusals)
    assert (story.outcome, story.reason, len(story.related)) == ("not_redeemed", None, 5)


def test_nobody_guesses_which_of_two_sign_ins_was_refused():
    refusal = record("token_refused", 31, OTHER, reason="code_malformed", route="/{connection}/token")
    second = {**AUTHORIZED, "correlation_id": "5ABCDEFGHJKMNPQR"}
    assert told(AUTHORIZED, second, refusal, of=OTHER).related == ()
    redeemed = {**REDEEMED, "correlation_id": "5ABCDEFGHJKMNPQR"}
    assert told(AUTHORIZED, second, redeemed, refusal, of=OTHER).related == (ID,)


def test_a_refusal_that_is_of_the_sign_in_itself_needs_no_neighbours():
    refusal = record("token_refused", 31, reason="pkce_mismatch", route="/{connection}/token")
    story = told(STARTED, AUTHORIZED, refusal, {**AUTHORIZED, "correlation_id": OTHER})
    assert (story.reason, story.related) == ("pkce_mismatch", ())


def test_a_code_that_came_late_and_one_that_came_twice():
    late = record("token_refused", 95, reason="code_refused", route="/{connection}/token")
    assert "65 seconds after it was issued" in told(STARTED, AUTHORIZED, late).means
    twice = record("token_refused", 33.5, reason="code_refused", route="/{connection}/token")
    assert "redeemed 3 seconds before" in told(STARTED, AUTHORIZED, REDEEMED, twice).means
    early = told(STARTED, AUTHORIZED, twice)
    assert (early.reason, early.whose[0]) == ("code_refused", "configuration")


def test_a_defect_is_ours():
    story = told(
        STARTED,
        record(
            "internal_error", 9, reason="internal_error", exception="KeyError", location="fedbridge/x.py:1"
        ),
    )
    assert story.whose == ("fedbridge",)
    assert story.steps[-1].detail == "reason internal_error, exception KeyError, location fedbridge/x.py:1"


def test_a_reason_of_another_release_is_told_as_such():
    story = told(record("sign_in_failed", reason="of_tomorrow"))
    assert (story.reason, story.whose) == ("of_tomorrow", ())
    assert "does not know" in story.means


def test_a_failure_without_a_reason_is_told_by_its_event():
    assert told(STARTED, record("sign_in_failed", 9)).reason == "sign_in_failed"


# --- records --------------------------------------------------------------------------------------------------------


def test_lines_of_others_are_let_go():
    line = json.dumps(STARTED)
    lines = [
        "", "plain text", "{broken", "[1]", '"text"', "{}", json.dumps({"message": "START"}), json.dumps({"message": 7}),
        json.dumps(STARTED | {"timestamp": "yesterday"}), json.dumps({"message": "sign_in_started"}), line, f"2026-11-23T09:00 [abc] {line}\n",
    ]  # fmt: skip
    assert list(parse_records(lines)) == [STARTED, STARTED]


def test_a_terminal_does_not_obey_a_log_that_somebody_sent():
    hostile = {
        "connection": "\x1b]0;owned\x07bank\x9b2J\u202e",
        "duration_ms": "long",
        "reason": ["x"],
        "new": "\x1b[2J",
    }
    (found,) = parse_records([json.dumps(AUTHORIZED | hostile)])
    assert found["connection"] == "bank"
    assert found.keys().isdisjoint({"duration_ms", "reason", "new"})
    assert "\x1b" not in show_story(told(STARTED, found))


def test_records_that_did_not_come_from_lines_are_looked_at_too():
    assert told({"message": "nobody's"}, {}, STARTED).outcome == "not_returned"
    assert recent_failures([{"message": "sign_in_failed"}, record("sign_in_failed")]) == ()


@pytest.mark.parametrize(
    "text",
    [
        ID,
        f" {ID}\n",
        ID.lower(),
        f"The sign-in failed. (ref {ID})",
        f"Bank Error - 400 invalid_grant x (ref {ID})&state=1",
    ],
)
def test_a_reference_is_found_in_what_people_paste(text):
    assert reference(text) == ID


@pytest.mark.parametrize("text", ["", "no", 'x" or 1=1 | "y', f"{ID}; rm", "a" * 33, "(ref )", f"{ID}\n{ID}"])
def test_what_is_no_reference_is_refused(text):
    with pytest.raises(ConfigurationError, match=r"^ID: not a reference"):
        reference(text)


# --- lists and words ------------------------------------------------------------------------------------------------


def test_failures_are_listed_once_each_the_latest_first():
    failures = recent_failures([
        record("sign_in_failed", 1, reason="id_token_expired"),
        record("request_refused", 5, OTHER, reason="state_unknown", connection=None),
        record("token_refused", 3, reason="code_refused"),
        record("sign_in_authorized", 9),
        record("callback_repeated", 10, reason="sign_in_expired"),
    ])  # fmt: skip
    assert [(each.id, each.reason) for each in failures] == [(OTHER, "state_unknown"), (ID, "code_refused")]
    assert show_failures(failures).splitlines()[1] == f"2023-11-14 22:13:23Z  {ID}  bank  code_refused"
    assert show_failures(()) == "Nothing failed in these records."


def test_links_of_the_documentation_become_paths():
    assert (
        plain("see [permissions](deploy.md#permissions), `a`")
        == "see permissions (docs/deploy.md#permissions), `a`"
    )
    assert plain("as [ID tokens](#the-id-token)") == "as ID tokens (docs/diagnose.md#the-id-token)"


def test_everything_that_is_explained_has_an_owner_a_meaning_and_a_cure():
    for each in (*causes(), *upstream_codes()):
        assert each.whose, each.names
        assert set(each.whose) <= WHOSE.keys()
        assert each.means, each.names
        assert each.todo, each.names
        assert not each.means.startswith(("likewise", "as of ")), each.names
        assert not each.todo.startswith(("likewise", "as there")), each.names
    assert WHOSE.keys() == SHORT.keys()
    codes = [*itertools.chain.from_iterable(each.names for each in upstream_codes())]
    assert len(codes) == len(set(codes))


def test_a_story_fits_into_a_terminal():
    failed = record(
        "sign_in_failed",
        31,
        reason="id_token_signature_invalid",
        error="server_error",
        upstream_code="x" * 64,
    )
    text = show_story(told(STARTED, failed))
    assert all(len(line) <= WIDTH for line in text.splitlines())
    assert "2023-11-14 22:13" in text


# --- the command ----------------------------------------------------------------------------------------------------


def test_it_reads_a_log_and_says_whether_it_found_the_reference(tmp_path, capsys):
    log = tmp_path / "dev.log"
    log.write_text(json.dumps(STARTED) + "\n")
    assert main(["explain", ID, "--log", str(log)]) == 0
    assert "did not come back" in capsys.readouterr().out
    assert main(["explain", OTHER, "--log", str(log)]) == 1
    assert "No log line has this reference" in capsys.readouterr().out
    assert main(["explain", "--log", str(log), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["explain", ID, "--log", "/nowhere/dev.log"], "--log /nowhere/dev.log: No such file"),
        (["explain", "no reference", "--log", "-"], "ID: not a reference"),
        (["explain", ID, "--environment", "prod", "--since", "soon"], "--since soon: must be minutes"),
        (["explain", ID, "--environment", "Prod|x"], "--environment Prod|x: not the name"),
    ],
)
def test_what_it_cannot_work_with_is_named(arguments, message, capsys, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert main(arguments) == 1
    assert message in capsys.readouterr().err


def test_it_reads_what_is_piped_to_it(monkeypatch, capsys):
    refused = record("request_refused", reason="malformed_event")
    del refused["connection"]
    monkeypatch.setattr("sys.stdin", io.StringIO(f"START RequestId\n{json.dumps(refused)}\n"))
    assert main(["explain", ID, "--log", "-"]) == 0
    told = capsys.readouterr().out
    assert "malformed_event" in told
    assert "Connection" not in told


def test_it_wants_one_place_to_look(capsys):
    for arguments in (["explain", ID], ["explain", ID, "--log", "-", "--environment", "prod"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
    assert "--log" in capsys.readouterr().err


@pytest.mark.parametrize("more", [[], ["ABCDEFGH12345678"], ["ABCDEFGH12345678", "--json"]])
def test_what_stands_in_a_log_is_not_obeyed_by_the_terminal(tmp_path, capsys, more):
    """Control codes and marks of direction were printed as they came."""
    record = {
        "message": "sign_in_failed",
        "timestamp": "2026-11-23T08:00:00Z",
        "connection": "\x1b]0;owned\x07\u202ebank",
        "reason": "\x9b2Jx",
        "correlation_id": "ABCDEFGH12345678",
    }
    (tmp_path / "bridge.log").write_text(json.dumps(record))
    assert main(["explain", *more, "--log", str(tmp_path / "bridge.log")]) == 0
    said = capsys.readouterr().out
    assert "bank" in said
    assert all(char.isprintable() or char == "\n" for char in said)
