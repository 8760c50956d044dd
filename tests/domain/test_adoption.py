"""A policy is a fact: which one a decision is made under, and what a booking keeps of the one it was made under."""

from datetime import date, datetime, time, timedelta

import pytest

from domain.calendar import RIYADH
from domain.commands import AdoptPolicy, Cancel, RecordOutcome, Reschedule
from domain.errors import BeyondHorizon, InvalidRequest, NoShowTooEarly, RescheduleLimit, TooLateToReschedule
from domain.events import BookingCancelled, PolicyAdopted, SlotBooked

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
FIRST_DAY = date(2011, 1, 1)
MIDNIGHT = datetime.combine(date(2011, 1, 2), time(), RIYADH)


def adopt(story, since, **rules):
    return story.when(AdoptPolicy, since=since, rules=rules)


def test_a_policy_holds_from_midnight_of_its_day_on_the_offices_clock(story, eight):
    adopt(story, MIDNIGHT.date(), horizon_days=0)

    story.book(1, eight, at=MIDNIGHT - SECOND)

    with pytest.raises(BeyondHorizon) as refusal:
        story.book(2, eight, at=MIDNIGHT)
    assert refusal.value.last_day == "2011-01-02"


def test_each_fact_says_under_which_version_it_was_decided(story, eight):
    adopt(story, MIDNIGHT.date(), horizon_days=45)

    story.book(1, eight, at=MIDNIGHT - SECOND)
    story.book(2, eight, at=MIDNIGHT)

    assert [fact.event.policy for fact in story.log if isinstance(fact.event, SlotBooked)] == [1, 2]


def test_of_two_that_hold_on_a_day_the_one_adopted_last_counts(story, eight):
    adopt(story, date(2011, 1, 3), horizon_days=0)
    adopt(story, date(2011, 1, 2), horizon_days=7)

    story.book(1, eight + DAY, at=eight)

    assert story.log[-1].event.policy == 3


def test_what_holds_already_is_not_adopted_again(story):
    first = adopt(story, FIRST_DAY, horizon_days=45)
    again = adopt(story, FIRST_DAY, horizon_days=45)
    later = adopt(story, date(2011, 3, 1), horizon_days=45)

    assert first.said == {"version": 2, "from": "2011-01-01", "is_new": True}
    assert again.said == {"version": 2, "from": "2011-01-01", "is_new": False}
    assert [len(decision.facts) for decision in (first, again, later)] == [1, 0, 0]


def test_rules_that_were_overridden_can_be_adopted_again(story):
    for days in (45, 60, 45):
        adopt(story, FIRST_DAY, horizon_days=days)

    adopted = [fact.event for fact in story.log if isinstance(fact.event, PolicyAdopted)]
    assert [(event.version, event.rules["horizon_days"]) for event in adopted] == [(2, 45), (3, 60), (4, 45)]


def test_a_fact_holds_all_the_rules(story):
    (fact,) = adopt(story, FIRST_DAY, hold_min=5).facts

    assert fact.originator_id == "policy"
    assert fact.event.rules == {
        "active_per_person_max": 3,
        "horizon_days": 30,
        "remote_lead_min": 60,
        "hold_min": 5,
        "reschedules_max": 2,
        "reschedule_lead_h": 24,
        "late_cancel_lead_h": 24,
        "no_show_after_min": 15,
        "ban_days": 15,
        "ban_all_after": 3,
        "ban_all_window_days": 180,
        "ban_all_days": 30,
        "offer_min": 120,
        "offer_lead_min": 60,
        "waiting_max": 1000,
        "channels": {},
    }


def test_a_rule_that_is_not_accepted_is_refused(story):
    with pytest.raises(InvalidRequest) as refusal:
        adopt(story, FIRST_DAY, horizon_days=-1)

    assert refusal.value.field == "rules.horizon_days"


def test_a_replay_decides_under_the_same_policies(story, eight):
    adopt(story, MIDNIGHT.date(), horizon_days=0, channels={"sms": {"share_percent": 50}})

    replayed = story.replayed()

    for at in (MIDNIGHT - SECOND, MIDNIGHT):
        assert replayed.policy_at(at) == story.state.policy_at(at)


# -- what a booking keeps ---------------------------------------------------------------------------------------------


def test_a_booking_keeps_the_moves_it_was_made_with(story, eight):
    booking = story.book(1, eight)
    adopt(story, FIRST_DAY, reschedules_max=0)
    later = story.book(2, eight)

    story.when(Reschedule, booking=booking, starts_at=eight + DAY)

    with pytest.raises(RescheduleLimit):
        story.when(Reschedule, booking=later, starts_at=eight + DAY)


def test_a_booking_has_its_share_of_more_moves(story, eight):
    booking = story.book(1, eight)
    adopt(story, FIRST_DAY, reschedules_max=3)

    for n in (1, 2, 3):
        story.when(Reschedule, booking=booking, starts_at=eight + n * timedelta(minutes=15))

    with pytest.raises(RescheduleLimit):
        story.when(Reschedule, booking=booking, starts_at=eight)


@pytest.mark.parametrize("hours", [23, 25])
def test_the_last_moment_to_move_is_the_later_of_then_and_now(story, eight, hours):
    booking, other = story.book(1, eight), story.book(2, eight)
    adopt(story, FIRST_DAY, reschedule_lead_h=hours)
    last_moment = eight - timedelta(hours=min(24, hours))

    story.when(Reschedule, booking=booking, starts_at=eight + DAY, at=last_moment)

    with pytest.raises(TooLateToReschedule):
        story.when(Reschedule, booking=other, starts_at=eight + DAY, at=last_moment + SECOND)


@pytest.mark.parametrize("hours", [23, 25])
def test_a_cancellation_is_late_by_the_kinder_of_then_and_now(story, eight, hours):
    early, late = story.book(1, eight), story.book(2, eight)
    adopt(story, FIRST_DAY, late_cancel_lead_h=hours)
    boundary = eight - timedelta(hours=min(24, hours))

    story.when(Cancel, booking=early, at=boundary)
    story.when(Cancel, booking=late, at=boundary + SECOND)

    assert [fact.event.late for fact in story.log if isinstance(fact.event, BookingCancelled)] == [False, True]


@pytest.mark.parametrize("minutes", [14, 16])
def test_a_visit_is_missed_by_the_kinder_of_then_and_now(story, eight, minutes):
    booking = story.book(1, eight)
    adopt(story, FIRST_DAY, no_show_after_min=minutes)
    earliest = eight + timedelta(minutes=max(15, minutes))

    with pytest.raises(NoShowTooEarly):
        story.when(RecordOutcome, booking=booking, outcome="no_show", at=earliest - SECOND)

    story.when(RecordOutcome, booking=booking, outcome="no_show", at=earliest)
