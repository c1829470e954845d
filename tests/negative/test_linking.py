"""Attacks on account linking: each would let somebody in as somebody else, or lock somebody out for good."""

from dataclasses import replace

import pytest

from fedbridge.errors import UserPoolError
from fedbridge.model.user_profile import EXTERNAL_PROVIDER, FORCE_CHANGE_PASSWORD
from fedbridge.net.trigger_edge import FAILED, SignInRefused, serve_trigger
from fedbridge.triggers.linking import LINKED
from tests.fakes.user_profiles import identities, profile
from tests.support.triggers import POOL, SUBJECT, Pool, pre_sign_up

REFUSED = r"^This sign-in was refused\. \(ref [0-9A-Z]{16}\)$"


def refused(pool, reason, **event):
    """Nothing is linked, the app hears nothing of why, and the log says why, once."""
    with pytest.raises(SignInRefused, match=REFUSED):
        pool.sign_up(**event)
    assert pool.profiles.linked() == {}
    assert "link" not in pool.profiles.log
    assert pool.reasons == [reason]


def apart(pool, reason, **event):
    """Nothing is linked, and Cognito makes a profile of its own."""
    sent = pre_sign_up(**event)
    assert pool.sign_up(sent) == sent
    assert pool.profiles.linked() == {}
    assert pool.reasons == ([reason] if reason else [])


# --- who registered first -----------------------------------------------------------------------------------------


def test_pre_hijacking_by_registering_with_the_victims_address():
    eve = profile("eve", verified=False)
    refused(Pool(eve), "link_profile_email_unverified")
    refused(Pool(replace(eve, status="UNCONFIRMED")), "link_profile_email_unverified")


def test_pre_hijacking_where_unfit_profiles_are_passed_over():
    pool = Pool(profile("eve", verified=False), linking={"native_profile_unfit": "allow"})
    apart(pool, "link_profile_missing")


def test_pre_hijacking_beside_the_owners_own_profile():
    eve, alice = profile("eve", verified=False), profile("alice")
    refused(Pool(eve, alice), "link_profile_email_unverified")
    pool = Pool(eve, alice, linking={"native_profile_unfit": "allow"})
    with pytest.raises(SignInRefused, match=LINKED):
        pool.sign_up()
    assert pool.profiles.linked() == {"alice": [("Bank", SUBJECT)]}


def test_pre_hijacking_does_not_make_a_profile_that_is_then_the_attackers_either():
    """`create` with a squatter on the address: neither their profile nor a second one."""
    pool = Pool(
        profile("eve", verified=False),
        linking={"native_profile_missing": "create", "native_profile_unfit": "allow"},
    )
    apart(pool, "link_profile_missing")
    assert "create" not in pool.profiles.log


def test_pre_hijacking_by_a_username_that_is_the_victims_address():
    """In a pool without aliases anybody may be called alice@example.com, with a verified address of their own."""
    eve = profile("alice@example.com", "eve@evil.example")
    pool = Pool(eve, linking={"native_profile_missing": "create"})
    refused(pool, "link_username_taken")
    assert pool.profiles.passwords == {}


@pytest.mark.parametrize("change", [{"verified": False}, {"enabled": False}])
def test_pre_hijacking_by_a_race_with_the_creation(change):
    """The list did not have it yet; the profile that is there by now is judged like any other."""
    pool = Pool(profile("alice@example.com", **change), linking={"native_profile_missing": "create"})
    pool.profiles.listed = [profile("somebody", "somebody@example.com")]
    refused(pool, "link_username_taken")


def test_two_profiles_with_one_verified_address():
    refused(Pool(profile("alice"), profile("alice2")), "link_profiles_ambiguous")


def test_two_profiles_that_differ_by_case():
    """Only one of them is spelt as the provider does."""
    pool = Pool(profile("alice", "alice@example.com"), profile("eve", "Alice@Example.com"))
    refused(pool, "link_profiles_ambiguous", email="Alice@Example.com")


def test_more_profiles_than_anybody_has():
    crowd = [profile(f"eve{number}", verified=False) for number in range(6)]
    refused(Pool(*crowd, linking={"native_profile_unfit": "allow"}), "link_profiles_ambiguous")


# --- who may not come in ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unfit", ["allow", "refuse"])
def test_who_was_locked_out_does_not_come_in_by_the_provider(unfit):
    pool = Pool(profile("alice", enabled=False), linking={"native_profile_unfit": unfit})
    refused(pool, "link_profile_disabled")


@pytest.mark.parametrize(
    "status", ["RESET_REQUIRED", "FORCE_CHANGE_PASSWORD", "UNCONFIRMED", "COMPROMISED", "UNKNOWN"]
)
def test_a_profile_that_is_not_confirmed(status):
    refused(Pool(profile("alice", status=status)), "link_profile_unconfirmed")
    pool = Pool(profile("alice", status=status), linking={"native_profile_unfit": "allow"})
    apart(pool, "link_profile_unconfirmed")


def test_a_temporary_password_opens_nothing_after_the_link():
    """Only `create` takes a profile that was never used, and whoever knows its password is out first."""
    invited = profile("alice", status=FORCE_CHANGE_PASSWORD)
    pool = Pool(invited, linking={"native_profile_missing": "create"})
    with pytest.raises(SignInRefused, match=LINKED):
        pool.sign_up()
    assert pool.profiles.log.index("set_password") < pool.profiles.log.index("link")
    assert pool.profiles.passwords.keys() == {"alice"}


def test_nobody_who_was_not_invited():
    refused(Pool(linking={"native_profile_missing": "refuse"}), "link_profile_missing")


def test_a_profile_that_was_disabled_a_moment_ago():
    """ListUsers is a moment behind; what is decided is decided on what AdminGetUser says."""
    pool = Pool(profile("alice", enabled=False))
    pool.profiles.listed = [profile("alice")]
    refused(pool, "link_profile_disabled")


def test_a_profile_whose_address_was_changed_a_moment_ago():
    pool = Pool(profile("eve", "eve@evil.example"))
    pool.profiles.listed = [profile("eve")]
    apart(pool, "link_profile_missing")


# --- what the provider says ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", ["false", "", "True", "TRUE", " true", "1", "yes", "null", 1, 0, False, None, ["true"], {}]
)
def test_an_address_that_the_provider_does_not_vouch_for(value):
    pool = Pool(profile("alice"), linking={"unlinkable": "refuse"})
    refused(pool, "link_email_unverified", email_verified=value)


@pytest.mark.parametrize(
    "email",
    [
        "alice@evil.example",
        "alice@sub.example.com",
        "alice@example.com.evil.example",
        "alice@evilexample.com",
        "alice@example.co",
    ],
)
def test_a_domain_that_the_provider_is_not_trusted_with(email):
    pool = Pool(profile("alice", email), linking={"unlinkable": "refuse"})
    refused(pool, "link_domain_not_listed", email=email)


@pytest.mark.parametrize(
    "email",
    [
        'alice" or email ^= "@example.com',
        'x\\" @example.com',
        '"alice"@example.com',
        'alice@example.com" ',
        "alice@evil.example@example.com",
        "alice@example.com ",
        " alice@example.com",
        "alice@example.com\n",
        "alice\x00@example.com",
        "alice,bob@example.com",
        "alice@example.com>",
        "Alice <alice@example.com>",
        "alice(comment)@example.com",
        "alice@[127.0.0.1]",
        "аlice@example.com",  # noqa: RUF001  a Cyrillic letter
        "alice@еxample.com",  # noqa: RUF001
        "alıce@example.com",  # noqa: RUF001  which upper-cases to the same as alice
        "alice\N{KELVIN SIGN}@example.com",  # the Kelvin sign, which lower-cases to k
        "@example.com",
        "alice@",
        "alice",
        ".alice@example.com",
        "alice..b@example.com",
        f"{'a' * 243}@example.com",
    ],
)
def test_an_address_that_is_no_plain_one(email):
    """Filter injection and look-alikes: nothing is even looked for."""
    pool = Pool(profile("alice"), linking={"unlinkable": "refuse"})
    refused(pool, "link_email_unusable", email=email)
    assert pool.profiles.log == []


@pytest.mark.parametrize("email", ["", None, ["alice@example.com"], 7])
def test_no_address(email):
    event = pre_sign_up()
    event["request"]["userAttributes"]["email"] = email
    refused(Pool(profile("alice"), linking={"unlinkable": "refuse"}), "link_email_missing", event=event)


def test_whoever_cannot_be_linked_has_a_profile_apart():
    apart(Pool(profile("alice")), "link_email_unverified", email_verified="false")


@pytest.mark.parametrize(
    "username",
    [
        f"Evil_{SUBJECT}",
        f"Bank2_{SUBJECT}",
        f"Ban_k_{SUBJECT}",
        "Bank_",
        "Bank",
        SUBJECT,
        f"xBank_{SUBJECT}",
        "",
    ],
)
def test_a_provider_that_is_not_listed_links_nobody(username):
    pool = Pool(profile("alice"))
    apart(pool, None, username=username)
    assert pool.profiles.log == []


@pytest.mark.parametrize("source", ["PreSignUp_SignUp", "PreSignUp_AdminCreateUser"])
def test_who_registers_under_a_federated_name_is_not_linked(source):
    """SignUp lets people choose their username."""
    pool = Pool(profile("alice"))
    apart(pool, None, source=source)
    assert pool.profiles.log == []


def test_what_the_client_sends_along_counts_for_nothing():
    event = pre_sign_up(email_verified="false")
    event["request"]["validationData"] = {"email_verified": "true"}
    event["request"]["clientMetadata"] = {"email_verified": "true"}
    apart(Pool(profile("alice")), "link_email_unverified", event=None, email_verified="false")
    refused(Pool(profile("alice"), linking={"unlinkable": "refuse"}), "link_email_unverified", event=event)


def test_an_address_that_was_given_to_a_newcomer():
    """A second subject of the same provider does not get the profile of whoever had the address before."""
    pool = Pool(profile("alice", identities=identities(("Bank", "e1" * 32))))
    with pytest.raises(SignInRefused, match=REFUSED):
        pool.sign_up()
    assert pool.reasons == ["link_other_subject"]
    assert pool.profiles.linked() == {"alice": [("Bank", "e1" * 32)]}


@pytest.mark.parametrize(
    "linking",
    [{}, {"providers": {"Bank": {"domains": ["example.com"]}, "Other": {"domains": ["other.example"]}}}],
)
def test_pre_hijacking_by_a_provider_that_writes_any_address_into_the_attackers_profile(linking):
    """Eve's own profile, linked at a provider where she is whoever she likes: Cognito writes that over her address."""
    eve = profile("eve", identities=identities(("Other", "1")))
    refused_elsewhere(Pool(eve, linking=linking))
    pool = Pool(eve, linking={**linking, "native_profile_unfit": "allow"})
    sent = pre_sign_up()
    assert pool.sign_up(sent) == sent
    assert pool.profiles.linked() == {"eve": [("Other", "1")]}
    assert pool.reasons == ["link_profile_linked_elsewhere"]


def refused_elsewhere(pool):
    with pytest.raises(SignInRefused, match=REFUSED):
        pool.sign_up()
    assert "link" not in pool.profiles.log
    assert pool.reasons == ["link_profile_linked_elsewhere"]


def test_a_federated_profile_is_not_what_anybody_is_linked_to():
    """Its owner signs in at another provider, which may be trusted with less."""
    other = profile("Other_1", status=EXTERNAL_PROVIDER, identities=identities(("Other", "1")))
    pool = Pool(other)
    event = pre_sign_up()
    assert pool.sign_up(event) == event
    assert pool.profiles.linked() == {"Other_1": [("Other", "1")]}
    assert pool.reasons == ["link_profile_missing"]


@pytest.mark.parametrize(
    "text", ["{", "{}", '[{"userId": "1"}]', '[{"providerName": 1, "userId": "x"}]', "[" * 99, "[7]"]
)
def test_identities_that_cannot_be_read_link_nothing(text):
    pool = Pool(profile("alice", identities=text))
    with pytest.raises(SignInRefused, match=REFUSED):
        pool.sign_up()
    assert pool.profiles.users["alice"].attributes["identities"] == text
    assert "link" not in pool.profiles.log
    assert pool.reasons == ["identities_malformed"]


# --- what goes wrong ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["find", "read", "link"])
def test_an_outage_links_nobody_and_lets_nobody_in(call):
    pool = Pool(profile("alice"))
    pool.profiles.faults[call] = [UserPoolError("ThrottlingException", reason="user_pool_unavailable")]
    with pytest.raises(SignInRefused, match=rf"^{FAILED} \(ref "):
        pool.sign_up()
    assert pool.profiles.linked() == {}
    assert pool.telemetry.names() == ["trigger_failed"]
    assert pool.reasons == ["user_pool_unavailable"]


def test_an_unknown_failure_tells_the_app_nothing():
    pool = Pool(profile("alice"))
    pool.profiles.faults["read"] = [RuntimeError("alice@example.com has no profile in eu-west-1_Pool00001")]
    with pytest.raises(SignInRefused, match=rf"^{FAILED} \(ref [0-9A-Z]{{16}}\)$") as raised:
        pool.sign_up()
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None
    assert pool.telemetry.names() == ["internal_error"]


@pytest.mark.parametrize("event", [None, [], "x", {}, {"triggerSource": "PreSignUp_ExternalProvider"}])
def test_an_event_that_is_none(event):
    pool = Pool()
    with pytest.raises(SignInRefused):
        serve_trigger(event, None, flow=lambda _: {}, pool_id=POOL, telemetry=pool.telemetry)
    assert pool.reasons == ["trigger_event_malformed"]


def test_another_pools_users_are_none_of_ours():
    elsewhere = pre_sign_up(pool="eu-west-1_Other0001")
    refused(Pool(profile("alice")), "trigger_pool_mismatch", event=elsewhere)
