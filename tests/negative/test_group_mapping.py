"""Attacks on the groups in tokens: each would give somebody rights that nobody granted."""

import json

import pytest

from fedbridge.net.trigger_edge import SignInRefused
from tests.fakes.user_profiles import identities
from tests.support.triggers import ROLE, SUBJECT, Pool, pre_token_generation

EVERYTHING = "[treasury,audit,app-root]"


def unchanged(pool, **event):
    """Cognito writes what it would have written."""
    sent = pre_token_generation(**event)
    assert pool.tokens(sent) is None


# --- who the attribute counts for ---------------------------------------------------------------------------------


def test_a_native_user_who_fills_in_the_attribute_gains_nothing():
    """UpdateUserAttributes takes any attribute that the app client may write."""
    unchanged(Pool(), groups=EVERYTHING, username="mallory", status="CONFIRMED", linked=())


def test_a_native_user_with_the_name_of_a_federated_one_gains_nothing():
    unchanged(Pool(), groups=EVERYTHING, status="CONFIRMED", linked=())
    unchanged(Pool(groups={"linked_profiles": True}), groups=EVERYTHING, status="CONFIRMED", linked=())


@pytest.mark.parametrize("status", ["CONFIRMED", "FORCE_CHANGE_PASSWORD", "", "external_provider", None])
def test_a_native_user_who_is_linked_gains_nothing_unless_it_is_allowed(status):
    unchanged(Pool(), groups=EVERYTHING, username="alice", status=status)


def test_a_user_of_a_provider_that_is_not_listed_gains_nothing():
    unchanged(Pool(), groups=EVERYTHING, username="Other_1", linked=[("Other", "1")])
    linked = Pool(groups={"linked_profiles": True})
    unchanged(linked, groups=EVERYTHING, username="alice", status="CONFIRMED", linked=[("Other", "1")])


def test_a_federated_user_is_of_the_provider_that_made_the_profile():
    """Another provider's user whose profile was linked to a listed one did not come through it."""
    unchanged(Pool(), groups=EVERYTHING, username="Other_1", linked=[("Other", "1"), ("Bank", SUBJECT)])


def test_a_name_without_the_identity_that_belongs_to_it_is_nobodys():
    unchanged(Pool(), groups=EVERYTHING, linked=())
    unchanged(Pool(), groups=EVERYTHING, linked=[("Bank", "e1" * 32)])
    unchanged(Pool(), groups=EVERYTHING, linked=[("bank", SUBJECT)])


@pytest.mark.parametrize("form,groups", [("joined", "all, treasury"), ("list", "[all,+treasury]")])
def test_a_group_with_a_blank_in_front_is_not_the_group_without(form, groups):
    """Whoever may make groups at the provider could call one ` treasury`."""
    rules = [{"group": "treasury", "becomes": "finance"}]
    source = {"attribute": "custom:groups", "form": form, "rules": rules}
    written = Pool(groups={"providers": {"Bank": source}}).tokens(pre_token_generation(groups))
    assert written["groupOverrideDetails"]["groupsToOverride"] == []


def test_a_linked_user_of_two_listed_providers_is_of_neither():
    both = {"Bank": _source(), "Agency": _source()}
    pool = Pool(groups={"linked_profiles": True, "providers": both})
    linked = [("Bank", SUBJECT), ("Agency", "1")]
    unchanged(pool, groups=EVERYTHING, username="alice", status="CONFIRMED", linked=linked)


def test_a_linked_user_of_a_provider_that_is_not_listed_as_well_may_have_come_through_that():
    """It may write the same attribute, with the groups that it likes."""
    pool = Pool(groups={"linked_profiles": True})
    linked = [("Bank", SUBJECT), ("Other", "1")]
    unchanged(pool, groups=EVERYTHING, username="alice", status="CONFIRMED", linked=linked)


def _source():
    return {"attribute": "custom:groups", "rules": [{"group": "treasury", "becomes": "finance"}]}


@pytest.mark.parametrize("text", ["{}", "[", "[1]", '[{"providerName":"Bank"}]', "x" * 20_000, 7, ["Bank"]])
def test_identities_that_cannot_be_read_end_the_sign_in(text):
    pool, event = Pool(), pre_token_generation(EVERYTHING)
    event["request"]["userAttributes"]["identities"] = text
    with pytest.raises(SignInRefused):
        pool.tokens(event)
    assert pool.reasons == ["identities_malformed"]


def test_identities_with_a_member_twice_cannot_be_read():
    pool, event = Pool(), pre_token_generation(EVERYTHING)
    twice = identities(("Bank", SUBJECT)).replace('"providerName"', '"providerName":"Other","providerName"')
    event["request"]["userAttributes"]["identities"] = twice
    with pytest.raises(SignInRefused):
        pool.tokens(event)


# --- which groups come through ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "groups",
    [
        "[admins]",
        "[finance]",  # the pool's own name for treasury
        "[Treasury]",
        "[treasury%20]",
        "[%C2%A0treasury]",
        "[treasury%2Caudit]",  # one group whose name has a comma
        "treasury,audit",  # no list: one name
        '["treasury"]',
        "[app-]",
        "[xapp-root]",
        "[app-%0Aroot]",
        "[app-a%20b]",
        f"[app-{'x' * 200}]",
        "[]",
        "[,]",
        "",
    ],
)
def test_a_group_that_no_rule_names_never_comes_through(groups):
    assert Pool().tokens(groups=groups)["groupOverrideDetails"] == {
        "groupsToOverride": [],
        "iamRolesToOverride": [],
    }


@pytest.mark.parametrize(
    "groups", ["[treasury,%zz]", "[treasury,%]", "[treasury,%ff]", f"[{'treasury,' * 300}]"]
)
def test_what_cannot_be_read_gives_nobody_anything(groups):
    pool = Pool()
    assert pool.tokens(groups=groups)["groupOverrideDetails"]["groupsToOverride"] == []
    assert pool.telemetry.fields("groups_dropped")["reason"] == "groups_unreadable"


def test_a_group_of_the_provider_cannot_pose_as_the_pools_own():
    """A prefix is replaced, so `admins` can never come of it, nor what `becomes` was not meant to begin."""
    made = Pool().tokens(groups="[app-admins,app-..%2Fadmins]")["groupOverrideDetails"]["groupsToOverride"]
    assert made == ["bank-admins", "bank-../admins"]


def test_the_raw_groups_are_not_in_the_id_token():
    made = Pool().tokens(groups="[treasury,secret-project]")
    assert made["idTokenGeneration"]["claimsToSuppress"] == ["custom:groups"]
    assert "secret-project" not in json.dumps(made)


def test_more_groups_than_a_token_holds_are_left_out_from_the_end():
    pool = Pool()
    many = "[" + ",".join(f"app-{number}" for number in range(150)) + "]"
    made = pool.tokens(groups=many)["groupOverrideDetails"]["groupsToOverride"]
    assert made == [f"bank-{number}" for number in range(100)]
    assert pool.telemetry.fields("groups_dropped")["count"] == 50


def test_groups_do_not_make_a_token_that_no_gateway_takes():
    pool = Pool(source={"rules": [{"prefix": "a", "becomes": "b" * 100}]})
    many = "[" + ",".join(f"a{number}" for number in range(90)) + "]"
    made = pool.tokens(groups=many)["groupOverrideDetails"]["groupsToOverride"]
    assert sum(map(len, made)) <= 4096
    assert pool.telemetry.fields("groups_dropped")["reason"] == "groups_above_limit"


def test_a_role_comes_with_its_group_alone():
    made = Pool().tokens(groups="[audit,app-x]")["groupOverrideDetails"]
    assert made["iamRolesToOverride"] == [f"{ROLE}/auditors"]
    assert made["preferredRole"] == f"{ROLE}/auditors"


def test_version_1_of_the_event_is_refused():
    """Its response has another shape: Cognito would pass over ours, and sign what the user wrote."""
    pool = Pool()
    with pytest.raises(SignInRefused, match="could not be completed"):
        pool.tokens(groups=EVERYTHING, version="1")
    assert pool.telemetry.names() == ["configuration_error"]
    assert pool.reasons == ["trigger_version"]


def test_machines_are_nobody():
    event = pre_token_generation(EVERYTHING, source="TokenGeneration_ClientCredentials", version="3")
    assert Pool().tokens(event) is None


@pytest.mark.parametrize(
    "configuration", [None, [], "x", {"groupsToOverride": 7, "iamRolesToOverride": [1], "preferredRole": {}}]
)
def test_a_group_configuration_of_another_shape_is_none(configuration):
    event = pre_token_generation("[treasury]")
    event["request"]["groupConfiguration"] = configuration
    if isinstance(configuration, dict):
        configuration["groupsToOverride"] = ["own", 3, None]
    made = Pool().tokens(event)["groupOverrideDetails"]
    assert made["groupsToOverride"] == (
        ["own", "finance"] if isinstance(configuration, dict) else ["finance"]
    )
    assert made["preferredRole"] == f"{ROLE}/finance"
