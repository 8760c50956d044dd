"""POL-05: a place kept while a customer makes up their mind; at exactly ten minutes it is free again."""

from datetime import timedelta

import pytest

from domain.commands import Caller, Cancel, ReleaseHold
from domain.errors import ActiveBookingExists, HoldExpired, InvalidRequest, NotFound, SlotFull, SlotInThePast
from tests.domain.conftest import ADVANCE, beneficiary

SECOND = timedelta(seconds=1)
LIVES = timedelta(minutes=10)
SLOT = "slot/CA-TB-01@2011-01-03T08:00"


def test_a_held_place_is_nobody_elses_until_its_last_second(story, eight):
    story.book(1, eight)
    story.hold(2, eight)

    with pytest.raises(SlotFull):
        story.book(3, eight, at=ADVANCE + LIVES - SECOND)

    story.book(3, eight, at=ADVANCE + LIVES)


def test_a_hold_becomes_the_booking_that_confirms_it_in_its_last_second(story, eight):
    hold = story.hold(2, eight)

    story.book(2, eight, at=ADVANCE + LIVES - SECOND, hold=hold)

    booking = story.state.bookings[hold]
    assert (booking.status, booking.starts_at) == ("confirmed", eight)
    assert story.state.slot(SLOT).places == {hold}
    assert story.state.slot(SLOT).claims == {}


def test_a_hold_confirmed_at_its_end_is_expired(story, eight):
    hold = story.hold(2, eight)

    with pytest.raises(HoldExpired) as refusal:
        story.book(2, eight, at=ADVANCE + LIVES, hold=hold)

    assert refusal.value.evidence == {"hold": hold, "expires_at": "2011-01-01T09:10:00+03:00"}


def test_a_place_given_to_another_after_a_hold_ended_is_never_confirmed_by_a_clock_that_steps_back(story, eight):
    story.book(1, eight)
    hold = story.hold(2, eight)
    story.book(3, eight, at=ADVANCE + LIVES)

    with pytest.raises((HoldExpired, SlotFull)):
        story.book(2, eight, at=ADVANCE + LIVES - SECOND, hold=hold)

    assert len(story.state.slot(SLOT).places) == 2


def test_an_expired_hold_is_recorded_by_the_next_decision_that_reads_its_slot_dated_at_its_end(story, eight):
    hold = story.hold(2, eight)
    before = len(story.log)

    story.book(3, eight, at=ADVANCE + timedelta(hours=1))

    expired, booked = story.log[before:]
    assert (expired.event.TOPIC, expired.booking, expired.at) == ("HoldExpired.v1", hold, ADVANCE + LIVES)
    assert (expired.event.by, booked.event.TOPIC) == ("system", "SlotBooked.v1")
    assert expired.command_id != booked.command_id


def test_a_hold_of_a_longer_service_keeps_and_returns_each_of_its_slots(story, eight):
    story.given_a_service("SV-CA-01", minutes=30)
    quarter = eight + timedelta(minutes=15)
    story.book(1, quarter)

    hold = story.hold(2, eight, service="SV-CA-01")
    with pytest.raises(SlotFull):
        story.book(3, quarter)
    story.when(ReleaseHold, hold=hold)

    story.book(3, quarter)
    assert story.state.bookings[hold].status is None


def test_a_hold_of_a_longer_service_becomes_a_booking_in_each_of_its_slots(story, eight):
    story.given_a_service("SV-CA-01", minutes=30)
    hold = story.hold(2, eight, service="SV-CA-01")

    story.book(2, eight, service="SV-CA-01", hold=hold)

    assert story.state.slot(SLOT).places == {hold}
    assert story.state.slot("slot/CA-TB-01@2011-01-03T08:15").places == {hold}
    assert story.state.slot("slot/CA-TB-01@2011-01-03T08:15").claims == {}


def test_a_person_holds_one_place_per_service_and_a_second_hold_lets_go_of_the_first(story, eight):
    first = story.hold(2, eight)
    nine = eight + timedelta(hours=1)

    second = story.hold(2, nine)

    assert first != second
    assert story.state.slot(SLOT).claims == {}
    assert list(story.state.slot("slot/CA-TB-01@2011-01-03T09:00").claims) == [second]


def test_holding_the_same_place_again_is_the_same_hold_with_the_same_end(story, eight):
    first = story.hold(2, eight)

    again = story.hold(2, eight, at=ADVANCE + timedelta(minutes=5))

    assert again == first
    assert story.state.slot(SLOT).claims == {first: ADVANCE + LIVES}


def test_a_hold_placed_in_time_may_be_confirmed_after_the_last_moment_to_book(story, eight):
    last_moment = eight - timedelta(minutes=60)
    hold = story.hold(2, eight, at=last_moment)

    story.book(2, eight, at=last_moment + timedelta(minutes=5), hold=hold)

    assert story.state.bookings[hold].status == "confirmed"


def test_a_hold_is_not_confirmed_once_its_start_is_past(story, eight):
    hold = story.hold(2, eight, at=eight, channel="kiosk")

    with pytest.raises(SlotInThePast):
        story.book(2, eight, at=eight + SECOND, channel="kiosk", hold=hold)


def test_a_hold_is_confirmed_only_by_its_person_and_for_its_place(story, eight):
    hold = story.hold(2, eight)

    with pytest.raises(InvalidRequest) as another:
        story.book(3, eight, hold=hold)
    with pytest.raises(InvalidRequest) as elsewhere:
        story.book(2, eight + timedelta(hours=1), hold=hold)

    assert (another.value.field, elsewhere.value.field) == ("hold", "hold")


def test_a_hold_is_let_go_of_by_its_own_customer_and_nobody_elses(story, eight):
    hold = story.hold(2, eight)
    stranger = Caller(role="citizen", subject="x", lookup=beneficiary(3).lookup)

    with pytest.raises(NotFound):
        story.when(ReleaseHold, hold=hold, caller=stranger)
    story.when(ReleaseHold, hold=hold, caller=Caller(role="citizen", subject="y", lookup=beneficiary(2).lookup))

    with pytest.raises(HoldExpired):
        story.when(ReleaseHold, hold=hold)


def test_a_confirmed_hold_is_no_hold_any_more_and_cancels_like_any_booking(story, eight):
    hold = story.hold(2, eight)
    story.book(2, eight, hold=hold)

    with pytest.raises(ActiveBookingExists):
        story.when(ReleaseHold, hold=hold)
    story.when(Cancel, booking=hold)

    assert story.state.slot(SLOT).places == set()


def test_what_was_settled_for_a_refused_command_stays(story, eight):
    story.book(1, eight)
    story.hold(2, eight)
    story.book(3, eight, at=ADVANCE + LIVES)
    before = len(story.log)
    story.hold(4, eight + timedelta(hours=1), at=ADVANCE + LIVES)

    with pytest.raises(SlotFull):
        story.book(5, eight, at=ADVANCE + timedelta(hours=1))

    assert story.topics(before) == ["PlaceHeld.v1"]
    assert vars_of(story.replayed().slot(SLOT)) == vars_of(story.state.slot(SLOT))


def vars_of(slot):
    return {name: getattr(slot, name) for name in slot.__slots__}
