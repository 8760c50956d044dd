"""The capacity rule of one slot, and how a move frees and takes places."""

from datetime import timedelta

import pytest

from domain.commands import AssignCounters, Cancel, Reschedule
from domain.errors import CapacityInUse, SlotClosed, SlotFull, SlotNotPublished
from tests.domain.conftest import ADVANCE


def test_a_full_slot_refuses_and_records_nothing(story, eight):
    story.book(1, eight)
    story.book(2, eight)
    before = len(story.log)

    with pytest.raises(SlotFull) as refusal:
        story.book(3, eight)

    assert refusal.value.evidence == {"slot": "CA-TB-01@2011-01-03T08:00", "capacity": 2}
    assert len(story.log) == before


def test_a_cancelled_place_can_be_taken_again(story, eight):
    first = story.book(1, eight)
    story.book(2, eight)

    story.when(Cancel, booking=first)

    assert story.book(3, eight) in story.state.slot("slot/CA-TB-01@2011-01-03T08:00").places


def test_a_start_outside_the_opening_hours_is_not_published(story, eight):
    with pytest.raises(SlotNotPublished):
        story.book(1, eight.replace(hour=14))


def test_a_published_weekend_is_closed(story, eight):
    thursday = eight + timedelta(days=3)
    story.given_published(thursday.date())

    with pytest.raises(SlotClosed) as refusal:
        story.book(1, thursday)

    assert refusal.value.reason == "weekend"


def test_counters_cannot_be_cut_below_what_is_booked(story, eight):
    story.book(1, eight)
    story.book(2, eight)
    before = len(story.log)

    with pytest.raises(CapacityInUse):
        story.when(AssignCounters, office="CA-TB-01", since=eight, until=eight + timedelta(hours=1), counters=1)

    assert len(story.log) == before


def test_more_counters_open_more_places(story, eight):
    story.book(1, eight)
    story.book(2, eight)

    story.when(AssignCounters, office="CA-TB-01", since=eight, until=eight + timedelta(minutes=15), counters=3)

    story.book(3, eight)
    with pytest.raises(SlotFull):
        story.book(4, eight)


def test_a_longer_service_takes_a_place_in_every_slot_it_spans(story, eight):
    story.given_a_service("SV-CA-01", minutes=30)
    quarter = eight + timedelta(minutes=15)
    story.book(1, quarter)
    story.book(2, quarter)

    with pytest.raises(SlotFull) as refusal:
        story.book(3, eight, service="SV-CA-01")

    assert refusal.value.slot == "CA-TB-01@2011-01-03T08:15"
    assert story.state.slot("slot/CA-TB-01@2011-01-03T08:00").places == set()


def test_a_longer_service_does_not_run_past_the_last_start(story, eight):
    story.given_a_service("SV-CA-01", minutes=30)

    with pytest.raises(SlotNotPublished):
        story.book(1, eight.replace(hour=13, minute=45), service="SV-CA-01")


def test_a_move_by_one_slot_works_in_a_full_slot(story, eight):
    """It gives up its own places before it takes new ones."""
    story.given_a_service("SV-CA-01", minutes=30)
    quarter = eight + timedelta(minutes=15)
    moving = story.book(1, eight, service="SV-CA-01")
    story.book(2, quarter)
    before = len(story.log)

    story.when(Reschedule, booking=moving, starts_at=quarter)

    expected = ["BookingMovedOut.v1", "SlotReleased.v1", "BookingMovedIn.v1", "SlotOccupied.v1"]
    assert story.topics(before) == expected
    assert story.state.slot("slot/CA-TB-01@2011-01-03T08:15").free(ADVANCE) == 0


def test_a_refused_move_leaves_the_booking_where_it_was(story, eight):
    moving = story.book(1, eight)
    later = eight + timedelta(minutes=15)
    story.book(2, later)
    story.book(3, later)

    with pytest.raises(SlotFull):
        story.when(Reschedule, booking=moving, starts_at=later)

    assert moving in story.state.slot("slot/CA-TB-01@2011-01-03T08:00").places
    assert story.state.bookings[moving].starts_at == eight
