"""What a ring does next: pure functions of policy, state and time."""

from dataclasses import replace

import pytest

from fedbridge.errors import ConfigurationError
from fedbridge.model.key_ring import (
    CACHED,
    DAY,
    SPREAD,
    UPLOADED,
    KeyRing,
    RingKey,
    RingState,
    Step,
    activated,
    begun,
    confirmed,
    due,
    forgotten,
    noted,
    overdue,
    ready_at,
    removed,
    replaced_at,
    staged,
    upcoming,
)

T0 = 1_800_000_000
POLICY = KeyRing(use="client-assertion", kind="secretsmanager:P-256")
UPLOAD = replace(POLICY, confirmation="required")


def key(kid, **changes):
    return RingKey(kid=kid, reference=f"secretsmanager:{kid}", created_at=T0, **changes)


def running(policy=POLICY):
    """Return a ring whose first key is active since T0."""
    return noted(staged(policy, RingState(), key("one")), T0)


def with_next(policy=POLICY, at=T0 + DAY):
    return noted(staged(policy, running(policy), key("two")), at)


def test_an_empty_ring_makes_its_first_key_which_is_active_at_once():
    assert due(POLICY, RingState(), T0) == Step(action="stage")
    state = staged(POLICY, RingState(), key("one"))
    assert state.active is not None
    assert due(POLICY, state, T0) == Step(action="publish", kid="one")


def test_the_first_key_of_id_tokens_waits_until_everybody_knows_it():
    policy = KeyRing(use="id-token", kind="kms:RSA_2048")
    state = noted(staged(policy, RingState(), key("one")), T0)
    assert state.active is None
    assert due(policy, state, T0 + CACHED - 1).action == "rest"
    assert due(policy, state, T0 + CACHED) == Step(action="activate", at=T0 + CACHED, kid="one")


def test_the_next_key_is_made_so_early_that_it_is_known_when_its_turn_comes():
    begin = T0 + POLICY.rotate_every - CACHED
    assert due(POLICY, running(), begin - 1) == Step(action="rest", at=begin)
    assert due(POLICY, running(), begin) == Step(action="stage", at=begin)


def test_a_certificate_that_ends_sooner_makes_the_key_give_way_sooner():
    policy = KeyRing(use="saml-signing", kind="kms:RSA_2048", rotate_every=365 * DAY)
    ending = replace(running(policy), keys=(replace(running(policy).keys[0], not_after=T0 + 60 * DAY),))
    assert replaced_at(policy, ending.keys[0]) == T0 + 46 * DAY
    assert due(policy, ending, T0 + 32 * DAY).action == "stage"


def test_a_next_key_waits_out_the_caches_from_the_moment_that_it_is_published():
    staged_only = staged(POLICY, running(), key("two"))
    assert due(POLICY, staged_only, T0 + 99 * DAY) == Step(action="publish", kid="two")
    state = noted(staged_only, T0 + DAY)
    assert due(POLICY, state, T0 + DAY + CACHED - 1).action == "rest"
    assert due(POLICY, state, T0 + DAY + CACHED).action == "activate"


@pytest.mark.parametrize("after", [0, CACHED, 365 * DAY])
def test_a_key_that_must_be_confirmed_never_becomes_active_before(after):
    state = with_next(UPLOAD)
    assert ready_at(UPLOAD, state.keys[1]) is None
    assert due(UPLOAD, state, T0 + DAY + after) == Step(action="confirm", at=T0 + DAY, kid="two")


def test_a_confirmed_key_only_has_to_reach_every_function():
    for policy in (UPLOAD, POLICY):
        state = confirmed(with_next(policy), "two", T0 + DAY + 60)
        assert due(policy, state, T0 + DAY + SPREAD - 1).action == "rest"
        assert due(policy, state, T0 + DAY + SPREAD).action == "activate"


def test_waiting_for_a_confirmation_keeps_nothing_else_from_happening():
    state = activated(confirmed(with_next(UPLOAD), "two", T0 + DAY), "two")
    state = noted(staged(UPLOAD, noted(state, T0 + 2 * DAY), key("three")), T0 + 3 * DAY)
    assert due(UPLOAD, state, T0 + 3 * DAY + CACHED) == Step(
        action="remove", at=T0 + 2 * DAY + UPLOAD.retired_for, kid="one"
    )


def test_activation_retires_the_former_key_in_the_same_move():
    state = activated(with_next(), "two")
    assert [(each.kid, each.state) for each in state.keys] == [("one", "retired"), ("two", "active")]
    assert due(POLICY, state, T0 + 99 * DAY).action == "publish"  # Its time begins when it is published.


def test_a_retired_key_is_accepted_for_its_time_then_removed_and_at_last_switched_off():
    state = noted(activated(with_next(), "two"), T0 + 10 * DAY)
    out = T0 + 10 * DAY + POLICY.retired_for
    assert due(POLICY, state, out - 1).action == "rest"
    assert due(POLICY, state, out) == Step(action="remove", at=out, kid="one")
    state = noted(removed(state, "one"), out)
    assert due(POLICY, state, out + SPREAD - 1).action == "rest"
    assert due(POLICY, state, out + SPREAD) == Step(action="disable", at=out + SPREAD, kid="one")
    assert [each.kid for each in forgotten(state, "one").keys] == ["two"]


def test_a_key_that_cannot_be_switched_off_holds_up_no_other():
    state = noted(removed(activated(with_next(), "two"), "one"), T0 + 2 * DAY)
    later = T0 + 2 * POLICY.rotate_every
    assert due(POLICY, state, later).action == "stage"
    state = noted(staged(POLICY, state, key("three")), later)
    assert due(POLICY, state, later) == Step(action="disable", at=T0 + 2 * DAY + SPREAD, kid="one")
    assert due(POLICY, state, later + CACHED) == Step(action="activate", at=later + CACHED, kid="three")


def test_what_is_noted_keeps_its_time():
    state = with_next()
    assert noted(state, T0 + 50 * DAY) == state


def test_a_key_that_was_begun_is_begun_again_with_its_number_unless_it_is_lost():
    state = begun(RingState())
    assert (state.serial, state.making) == (1, 1)
    assert due(POLICY, state, T0) == Step(action="stage")
    assert begun(state) == state
    assert begun(state, lost=True) == RingState(serial=2, making=2, lost=(1,))
    assert staged(POLICY, state, key("one")).making is None


def test_an_active_key_is_overdue_a_day_late():
    late = T0 + POLICY.rotate_every + DAY
    assert not overdue(POLICY, running(), late)
    assert overdue(POLICY, running(), late + 1)
    assert not overdue(POLICY, RingState(), late + 1)


@pytest.mark.parametrize(
    ("move", "says"),
    [
        (lambda: staged(POLICY, with_next(), key("three")), "two is next already"),
        (lambda: staged(POLICY, running(), key("one")), "one is in the ring already"),
        (lambda: activated(running(), "one"), "one is active: only a next key"),
        (lambda: removed(running(), "one"), "one is active: only a retired or a next key"),
        (lambda: forgotten(with_next(), "two"), "two is next: only a removed key"),
        (lambda: confirmed(noted(activated(with_next(), "two"), T0), "one", T0), "one is retired"),
        (lambda: running().key("none"), "none: names no key"),
        (lambda: with_next().key(""), "names several keys"),
    ],
)
def test_no_other_move_is_made(move, says):
    with pytest.raises(ConfigurationError, match=says):
        move()


def test_a_key_is_found_by_how_its_kid_begins():
    assert with_next().key("tw").kid == "two"


@pytest.mark.parametrize(
    ("policy", "published_for", "retired_for", "needs_confirmation", "certified_for"),
    [
        (POLICY, CACHED, CACHED, False, None),
        (UPLOAD, UPLOADED, CACHED, True, None),
        (KeyRing(use="saml-signing", kind="kms:RSA_2048"), UPLOADED, UPLOADED, True, 3 * 365 * DAY),
        (
            KeyRing(use="saml-decryption", kind="kms:RSA_2048", confirmation="automatic"),
            CACHED,
            UPLOADED,
            False,
            3 * 365 * DAY,
        ),
        (replace(POLICY, publish_for=SPREAD, retire_after=7200), SPREAD, 7200, False, None),
    ],
)
def test_what_is_not_said_of_a_ring(policy, published_for, retired_for, needs_confirmation, certified_for):
    assert policy.published_for == published_for
    assert policy.retired_for == retired_for
    assert policy.needs_confirmation is needs_confirmation
    assert policy.certified_for == certified_for


def test_the_published_time_outlives_a_cache_of_24_hours():
    assert CACHED > 24 * 3600 + SPREAD


def test_what_comes_is_told_in_its_order():
    state = noted(activated(with_next(), "two"), T0 + 10 * DAY)
    assert [step.action for step in upcoming(POLICY, state)] == ["remove", "stage"]
