"""POL-11: a freed place goes to the first in line as an offer, in the append that freed it."""

from datetime import timedelta

import pytest

from domain.commands import AcceptOffer, Caller, Cancel, JoinWaitingList, LeaveWaitingList, Reschedule, SettleDay
from domain.errors import ActiveBookingExists, AlreadyCancelled, BeyondHorizon, HoldExpired, InvalidRequest, SlotFull
from tests.domain.conftest import ADVANCE, beneficiary

SECOND = timedelta(seconds=1)
TWO_HOURS = timedelta(hours=2)
SLOT = "slot/CA-TB-01@2011-01-03T08:00"


@pytest.fixture
def full(story, eight):
    """Monday at eight is full: persons 1 and 2 have the two places. Their bookings."""
    return story.book(1, eight), story.book(2, eight)


@pytest.fixture
def window(monday):
    return {"since": monday.date(), "until": monday.date()}


def test_a_freed_place_is_offered_in_the_append_that_freed_it_and_never_free_in_between(story, eight, full, window):
    entry = story.wait(3, **window)
    before = len(story.log)

    story.when(Cancel, booking=full[0])

    assert story.topics(before) == ["BookingCancelled.v1", "PlaceOffered.v1", "PlaceClaimed.v1"]
    assert len({fact.command_id for fact in story.log[before:]}) == 1
    assert story.state.slot(SLOT).claims == {entry: ADVANCE + TWO_HOURS}
    with pytest.raises(SlotFull):
        story.book(4, eight)


def test_the_first_in_line_is_offered_first_and_two_places_go_to_the_first_two(story, eight, full, window):
    first, second, third = (story.wait(seed, **window) for seed in (3, 4, 5))

    story.when(Cancel, booking=full[0])
    story.when(Cancel, booking=full[1])

    assert set(story.state.slot(SLOT).claims) == {first, second}
    assert story.state.bookings[third].offer is None


def test_an_accepted_offer_is_a_booking_with_the_entrys_id(story, eight, full, window):
    entry = story.wait(3, **window)
    story.when(Cancel, booking=full[0])

    story.when(AcceptOffer, entry=entry, at=ADVANCE + TWO_HOURS - SECOND)

    booking = story.state.bookings[entry]
    assert (booking.status, booking.starts_at, booking.left) == ("confirmed", eight, "booked")
    assert story.state.waiting_list("CA-TB-01").entries == {}
    assert story.state.slot(SLOT).places == {full[1], entry}


def test_an_offer_accepted_after_exactly_two_hours_has_lapsed_to_the_next(story, full, window):
    first, second = story.wait(3, **window), story.wait(4, **window)
    story.when(Cancel, booking=full[0])
    before = len(story.log)

    with pytest.raises(HoldExpired):
        story.when(AcceptOffer, entry=first, at=ADVANCE + TWO_HOURS)

    topics = ["WaitingListLeft.v1", "PlaceReturned.v1", "PlaceOffered.v1", "PlaceClaimed.v1"]
    assert story.topics(before) == topics
    assert {fact.at for fact in story.log[before:]} == {ADVANCE + TWO_HOURS}
    assert story.state.slot(SLOT).claims == {second: ADVANCE + 2 * TWO_HOURS}


def test_offers_lapse_down_the_line_in_due_order_before_the_decision_that_finds_them(story, eight, full, window):
    entries = [story.wait(seed, **window) for seed in (3, 4, 5)]
    story.when(Cancel, booking=full[0])
    late = ADVANCE + 3 * TWO_HOURS

    booking = story.book(6, eight, at=late)

    lapsed = [fact for fact in story.log if fact.event.TOPIC == "WaitingListLeft.v1"]
    assert [fact.booking for fact in lapsed] == entries
    assert [fact.at for fact in lapsed] == [ADVANCE + TWO_HOURS * n for n in (1, 2, 3)]
    assert booking in story.state.slot(SLOT).places


def test_a_declined_offer_goes_to_the_next(story, full, window):
    first, second = story.wait(3, **window), story.wait(4, **window)
    story.when(Cancel, booking=full[0])

    declined = story.when(LeaveWaitingList, entry=first)

    assert declined.said["status"] == "declined"
    assert list(story.state.slot(SLOT).claims) == [second]
    with pytest.raises(AlreadyCancelled):
        story.when(AcceptOffer, entry=first)


def test_an_offer_ends_sixty_minutes_before_the_start_at_the_latest(story, eight, full, window):
    entry = story.wait(3, **window)
    an_hour_and_a_half_before = eight - timedelta(minutes=90)

    story.when(Cancel, booking=full[0], at=an_hour_and_a_half_before)

    assert story.state.slot(SLOT).claims == {entry: eight - timedelta(minutes=60)}


def test_a_place_freed_sixty_minutes_before_its_start_is_offered_to_nobody_a_second_earlier_it_is(
    story, eight, full, window
):
    story.wait(3, **window)
    last_moment = eight - timedelta(minutes=60)

    story.when(Cancel, booking=full[0], at=last_moment)
    assert story.state.slot(SLOT).claims == {}

    story.when(Cancel, booking=full[1], at=last_moment - SECOND)
    assert len(story.state.slot(SLOT).claims) == 1


def test_a_place_on_another_day_or_at_another_length_is_not_what_they_wait_for(story, eight, full, monday):
    story.given_a_service("SV-CA-01", minutes=45)
    tuesday = monday.date() + timedelta(days=1)
    story.wait(3, tuesday, tuesday)
    quarter = eight + timedelta(minutes=15)
    story.book(8, quarter), story.book(9, quarter)
    longer = story.wait(4, monday.date(), monday.date(), service="SV-CA-01")

    story.when(Cancel, booking=full[0])

    assert story.state.slot(SLOT).claims == {}
    assert story.state.bookings[longer].offer is None


def test_a_longer_service_is_offered_the_start_whose_slots_are_all_free(story, eight, full, monday):
    story.given_a_service("SV-CA-01", minutes=30)
    longer = story.wait(4, monday.date(), monday.date(), service="SV-CA-01")

    story.when(Cancel, booking=full[0])

    offer = story.state.bookings[longer].offer
    assert offer is not None
    assert (offer.starts_at, offer.minutes) == (eight, 30)
    assert list(story.state.slot("slot/CA-TB-01@2011-01-03T08:15").claims) == [longer]


def test_a_move_offers_the_place_it_left(story, eight, full, window):
    entry = story.wait(3, **window)

    story.when(Reschedule, booking=full[0], starts_at=eight + timedelta(hours=1))

    assert list(story.state.slot(SLOT).claims) == [entry]


def test_whoever_books_leaves_the_line_and_what_they_were_offered_goes_on(story, eight, full, window):
    first, second = story.wait(3, **window), story.wait(4, **window)
    story.when(Cancel, booking=full[0])

    story.book(3, eight + timedelta(hours=1))

    assert story.state.bookings[first].left == "booked"
    assert list(story.state.slot(SLOT).claims) == [second]


def test_a_second_entry_of_the_same_person_is_the_first_one(story, window, monday):
    first = story.wait(3, **window)

    again = story.wait(3, **window)

    assert again == first
    with pytest.raises(InvalidRequest) as refusal:
        story.wait(3, monday.date(), monday.date() + timedelta(days=1))
    assert refusal.value.field == "from"


def test_the_place_in_line_counts_those_before_of_the_same_service(story, window):
    story.given_a_service("SV-CA-03")
    story.wait(3, **window)
    story.wait(4, **window, service="SV-CA-03")

    joined = story.when(
        JoinWaitingList,
        entry="5",
        office="CA-TB-01",
        service="SV-CA-02",
        beneficiary=beneficiary(5),
        channel="portal",
        **window,
    )

    assert joined.said["place"] == 2


def test_nobody_waits_for_what_they_have_booked_or_beyond_the_horizon_or_for_the_past(story, full, window, monday):
    with pytest.raises(ActiveBookingExists):
        story.wait(1, **window)
    with pytest.raises(BeyondHorizon):
        story.wait(3, monday.date() + timedelta(days=40), monday.date() + timedelta(days=41))
    with pytest.raises(InvalidRequest):
        story.wait(3, monday.date() - timedelta(days=9), monday.date() - timedelta(days=8))


def test_an_entry_ends_with_its_window_when_the_day_is_swept(story, full, window, monday):
    entry = story.wait(3, **window)

    story.when(SettleDay, office="CA-TB-01", day=monday.date(), at=monday + timedelta(days=1))

    assert story.state.bookings[entry].left == "window_ended"


def test_an_offer_to_a_citizen_is_accepted_by_nobody_else(story, full, window):
    entry = story.wait(3, **window)
    story.when(Cancel, booking=full[0])
    stranger = Caller(role="citizen", subject="x", lookup=beneficiary(4).lookup)

    with pytest.raises(Exception, match="no such thing"):
        story.when(AcceptOffer, entry=entry, caller=stranger)
