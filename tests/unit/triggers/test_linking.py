"""Linking, where all is well: what is called, in what order, and what a second attempt finds."""

import json
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from fedbridge.errors import ConfigurationError, UserPoolError
from fedbridge.net.trigger_edge import SignInRefused
from fedbridge.triggers.linking import LINKED
from tests.fakes.events import LambdaContext
from tests.fakes.user_profiles import identities, profile
from tests.support.triggers import PASSWORD, SUBJECT, Pool, pre_sign_up

AGAIN = rf"^{LINKED} \(ref [0-9A-Z]{{16}}\)$"
CONTINUE = {"after_linking": "continue"}


def linked(pool, **event):
    with pytest.raises(SignInRefused, match=AGAIN):
        pool.sign_up(**event)
    return pool.profiles.linked()


def test_the_native_profile_of_the_same_address_is_linked_by_subject():
    pool = Pool(profile("alice"), profile("bob", "bob@example.com"))
    assert linked(pool) == {"alice": [("Bank", SUBJECT)]}
    assert pool.telemetry.names() == ["profile_linked", "trigger_refused"]
    assert pool.telemetry.fields("profile_linked")["provider"] == "Bank"
    assert pool.telemetry.fields("trigger_refused")["reason"] == "linked_sign_in_again"


def test_the_sign_in_goes_on_where_the_pool_takes_it():
    pool, event = Pool(profile("alice"), linking=CONTINUE), pre_sign_up()
    assert pool.sign_up(event) == event
    assert pool.profiles.linked() == {"alice": [("Bank", SUBJECT)]}


def test_a_pool_that_ignores_case_has_the_name_in_lower_case():
    pool = Pool(profile("alice", "Alice@Example.com"), linking=CONTINUE)
    pool.sign_up(username=f"bank_{SUBJECT}", email="Alice@Example.com")
    assert pool.profiles.linked() == {"alice": [("Bank", SUBJECT)]}


def test_an_address_is_found_however_the_provider_spells_it():
    assert linked(Pool(profile("alice")), email="Alice@Example.COM") == {"alice": [("Bank", SUBJECT)]}


def test_federated_profiles_of_the_same_address_are_beside_the_point():
    other = profile("Other_1", status="EXTERNAL_PROVIDER")
    assert linked(Pool(other, profile("alice"))) == {"alice": [("Bank", SUBJECT)]}


def test_a_profile_that_is_linked_elsewhere_is_linked_here_too():
    trusted = {name: {"domains": ["example.com"]} for name in ("Bank", "Other")}
    pool = Pool(profile("alice", identities=identities(("Other", "1"))), linking={"providers": trusted})
    assert linked(pool) == {"alice": [("Other", "1"), ("Bank", SUBJECT)]}


def test_cognito_asks_again_and_gets_the_same_answer():
    pool = Pool(profile("alice"))
    assert linked(pool) == linked(pool) == linked(pool) == {"alice": [("Bank", SUBJECT)]}
    assert pool.profiles.log.count("link") == 1


def test_an_answer_that_was_lost_is_found_again():
    pool = Pool(profile("alice"))
    pool.profiles.lost_answers.add("link")
    assert linked(pool) == {"alice": [("Bank", SUBJECT)]}


def test_two_browsers_at_once():
    """The second link is refused with a text that says something else; the profile says that it is done."""
    pool = Pool(profile("alice"), linking=CONTINUE)
    with ThreadPoolExecutor(4) as threads:
        answers = [each.result() for each in [threads.submit(pool.sign_up) for _ in range(8)]]
    assert len(answers) == 8
    assert pool.profiles.linked() == {"alice": [("Bank", SUBJECT)]}


def test_what_is_refused_for_another_reason_stays_refused():
    pool = Pool(profile("alice"))
    pool.profiles.faults["link"] = [UserPoolError("LimitExceededException", reason="user_pool_link_limit")]
    with pytest.raises(SignInRefused, match="could not be completed"):
        pool.sign_up()
    assert pool.reasons == ["user_pool_link_limit"]


# --- nobody has the address ---------------------------------------------------------------------------------------


def test_nobody_has_the_address():
    pool, event = Pool(profile("bob", "bob@example.com")), pre_sign_up()
    assert pool.sign_up(event) == event
    assert pool.telemetry.names() == ["profile_not_linked"]


@pytest.mark.parametrize("kind", ["email", "uuid"])
def test_a_native_profile_is_created_and_linked(kind):
    pool = Pool(linking={"native_profile_missing": "create", "created_username": kind})
    ((name, links),) = linked(pool).items()
    assert links == [("Bank", SUBJECT)]
    assert name == "alice@example.com" if kind == "email" else UUID(name).version == 5
    created = pool.profiles.users[name]
    assert (created.status, created.email, created.email_is_verified) == (
        "CONFIRMED",
        "alice@example.com",
        True,
    )
    assert pool.profiles.passwords == {name: PASSWORD}


@pytest.mark.parametrize("kind", ["email", "uuid"])
@pytest.mark.parametrize("cut", ["read", "set_password", "link"])
def test_a_creation_that_was_cut_off_is_finished(kind, cut):
    pool = Pool(linking={"native_profile_missing": "create", "created_username": kind})
    pool.profiles.faults[cut] = [UserPoolError("ReadTimeoutError", reason="user_pool_unreachable")]
    with pytest.raises(SignInRefused, match="could not be completed"):
        pool.sign_up()
    assert len(linked(pool)) == 1
    assert len(pool.profiles.users) == 1
    assert [user.status for user in pool.profiles.users.values()] == ["CONFIRMED"]


def test_a_creation_whose_profile_is_not_listed_yet_is_finished():
    pool = Pool(linking={"native_profile_missing": "create"})
    pool.profiles.lost_answers.add("create")
    pool.profiles.listed = [profile("bob", "bob@example.com")]
    with pytest.raises(SignInRefused, match="could not be completed"):
        pool.sign_up()
    assert linked(pool) == {"alice@example.com": [("Bank", SUBJECT)]}


# --- time and configuration ---------------------------------------------------------------------------------------


class AlmostOver(LambdaContext):
    def get_remaining_time_in_millis(self):
        return 400


def test_what_lambda_leaves_is_kept():
    from fedbridge.triggers.linking import link

    pool = Pool(profile("alice"))
    with pytest.raises(SignInRefused):
        pool.serve(link, pre_sign_up(), AlmostOver())
    assert pool.reasons == ["deadline_exceeded"]
    assert pool.profiles.log == []


@pytest.mark.parametrize("source", ["PreSignUp_SignUp", "PreSignUp_AdminCreateUser"])
def test_people_register_even_where_the_configuration_is_broken(source):
    from dataclasses import replace

    def broken(_deadline):
        raise ConfigurationError("broken")

    pool = Pool()
    pool.services = replace(pool.services, configuration=broken)
    event = pre_sign_up(source=source)
    assert pool.sign_up(event) == event
    with pytest.raises(SignInRefused, match="could not be completed"):
        pool.sign_up()
    assert pool.telemetry.names() == ["configuration_error"]


def test_a_trigger_that_is_attached_and_not_configured():
    from dataclasses import replace

    from fedbridge.triggers.configuration import decode_configuration
    from tests.support.triggers import SOURCE

    groups_alone = decode_configuration(json.dumps({"groups": {"providers": {"Bank": SOURCE}}}))
    pool = Pool()
    pool.services = replace(pool.services, configuration=lambda _: groups_alone)
    with pytest.raises(SignInRefused):
        pool.sign_up()
    assert pool.reasons == ["trigger_unconfigured"]
