"""Counters up and down: a cut is refused whole, or moves the last in booking order until the rest fits."""

from datetime import timedelta
from typing import Any

import pytest

from domain.commands import AssignCounters
from domain.errors import CapacityInUse, HoldExpired, NotDisplaceable
from domain.events import BookingDisplacedOut, CheckedIn, PlaceClaimed
from domain.identifiers import slot_stream
from tests.domain.conftest import ADVANCE

SLOT = timedelta(minutes=15)
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
OFFICE = "CA-TB-01"


def wall(start):
    return start.isoformat()


def assign(story, counters, start, *, slots=1, at=ADVANCE, **asked):
    return story.when(
        AssignCounters, office=OFFICE, since=start, until=start + slots * SLOT, counters=counters, at=at, **asked
    )


def test_a_cut_displaces_the_last_in_booking_order_until_the_rest_fits(story, eight):
    first, last = story.book(1, eight), story.book(2, eight)

    told = assign(story, 1, eight, displace=True).said

    assert told == {
        "office": OFFICE,
        "counters": 1,
        "slots": 1,
        "displaced": 1,
        "moved": [{"booking": last, "from": wall(eight), "to": wall(eight + SLOT)}],
        "unplaced": [],
        "units_withdrawn": 1,
        "notices": 1,
    }
    assert (story.slot_at(eight).places, story.slot_at(eight).capacity) == ({first}, 1)
    assert [f.event.reason for f in story.log if isinstance(f.event, BookingDisplacedOut)] == ["counters"]


def test_the_displaced_find_their_place_under_the_new_counters(story, eight):
    bookings = [story.book(n, eight + (n // 2) * SLOT) for n in range(4)]

    told = assign(story, 1, eight, slots=3, displace=True).said

    assert [(each["booking"], each["to"]) for each in told["moved"]] == [
        (bookings[1], wall(eight + 2 * SLOT)),
        (bookings[3], wall(eight + 3 * SLOT)),
    ]


def test_a_cut_to_nothing_displaces_all_of_them(story, eight):
    bookings = [story.book(n, eight) for n in range(2)]

    told = assign(story, 0, eight, displace=True).said

    assert [each["booking"] for each in told["moved"]] == bookings
    assert story.slot_at(eight).capacity == 0


def test_a_cut_that_fits_displaces_nobody(story, eight):
    story.book(1, eight)

    told = assign(story, 1, eight, displace=True).said

    assert (told["displaced"], told["slots"]) == (0, 1)


def test_more_counters_with_displace_are_more_counters(story, eight):
    told = assign(story, 3, eight, displace=True).said

    assert (told["slots"], told["displaced"], told["units_withdrawn"]) == (1, 0, 0)


def test_who_need_not_leave_after_all_stays(new_story, eight):
    """The longer visit has to leave the second slot; the shorter one, chosen in the first, then fits where it is."""
    story = new_story()
    story.given_an_office(counters=2)
    story.given_a_service()
    story.given_a_service("SV-CA-30", minutes=30)
    story.given_published(eight.date(), (eight + DAY).date())
    story.book(3, eight + SLOT)
    longer = story.book(1, eight, service="SV-CA-30")
    shorter = story.book(2, eight)

    told = assign(story, 1, eight, slots=2, displace=True).said

    assert [each["booking"] for each in told["moved"]] == [longer]
    assert story.slot_at(eight).places == {shorter}


def test_without_displace_a_cut_below_what_is_booked_is_refused_whole(story, eight):
    story.book(1, eight + SLOT)
    story.book(2, eight + SLOT)
    before = len(story.log)

    with pytest.raises(CapacityInUse) as refusal:
        assign(story, 1, eight, slots=3)

    assert (refusal.value.booked, refusal.value.counters) == (2, 1)
    assert len(story.log) == before


def test_who_has_begun_cannot_be_displaced_and_the_cut_is_refused_whole(story, eight):
    bookings = [story.book(n, eight) for n in range(2)]
    before = len(story.log)

    with pytest.raises(NotDisplaceable) as refusal:
        assign(story, 1, eight, slots=3, at=eight, displace=True)

    assert refusal.value.booking in bookings
    assert len(story.log) == before
    assign(story, 1, eight, slots=3, at=eight - SECOND, displace=True)


def test_who_has_checked_in_is_not_displaced_while_another_can_be(story, eight):
    waiting, came = story.book(1, eight), story.book(2, eight)
    visit: dict[str, Any] = {
        "office": OFFICE,
        "service": "SV-CA-02",
        "minutes": 15,
        "channel": "portal",
        "reschedules": 0,
    }
    checked_in = CheckedIn(by="kiosk", starts_at=eight, **visit)
    story.record(slot_stream(OFFICE, eight), checked_in, booking=came, at=eight - SLOT)

    told = assign(story, 1, eight, at=eight - SLOT, displace=True).said

    assert [each["booking"] for each in told["moved"]] == [waiting]
    with pytest.raises(NotDisplaceable) as refusal:
        assign(story, 0, eight, at=eight - SLOT, displace=True)
    assert (refusal.value.booking, refusal.value.reason) == (came, "checked_in")


@pytest.mark.parametrize(("at", "slots"), [(timedelta(), 1), (-SECOND, 2)])
def test_starts_that_are_over_stay_as_they_were(story, eight, at, slots):
    told = assign(story, 1, eight, slots=2, at=eight + SLOT + at).said

    assert told["slots"] == slots


def test_what_is_held_ends_before_anybody_booked_is_displaced(story, eight):
    story.given_a_service("SV-CA-30", minutes=30)
    story.book(1, eight)
    hold = story.hold(2, eight, service="SV-CA-30")

    with pytest.raises(CapacityInUse):
        assign(story, 1, eight)
    cut = assign(story, 1, eight, slots=2, displace=True).said

    assert cut["displaced"] == 0
    assert [story.slot_at(eight + n * SLOT).claims for n in range(2)] == [{}, {}]
    with pytest.raises(HoldExpired):
        story.book(2, eight, service="SV-CA-30", hold=hold)


def test_more_places_go_to_the_first_in_line(story, eight):
    for n in range(2):
        story.book(n, eight)
    entry = story.wait(10, eight.date(), eight.date())

    assign(story, 3, eight)

    assert story.state.bookings[entry].offer.starts_at == eight


def test_what_has_run_out_holds_up_no_cut(story, eight):
    story.book(1, eight)
    until = ADVANCE + timedelta(minutes=10)
    claimed = PlaceClaimed(by="system", office=OFFICE, starts_at=eight, until=until)
    story.record(slot_stream(OFFICE, eight), claimed, booking="r3sts")

    with pytest.raises(CapacityInUse):
        assign(story, 1, eight, at=until - SECOND)

    assert assign(story, 1, eight, at=until).said["slots"] == 1
