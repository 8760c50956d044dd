"""Closures move people to the earliest free start of the same office and service, and cancel nobody (POL-16)."""

import random
from datetime import time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.answers import answer
from domain.commands import Cancel, CloseOffice, PublishDay, RecordOutcome, Reschedule
from domain.errors import HoldExpired, InvalidRequest, Refused, SlotClosed, SlotNotPublished
from domain.events import (
    BookingDisplacedIn,
    BookingDisplacedOut,
    CheckedIn,
    ClosureAnnounced,
    DayPublished,
    PlaceClaimed,
)
from domain.identifiers import slot_stream
from domain.slot import Slot
from tests.domain.conftest import ADVANCE, MONDAY, Story

SLOT = timedelta(minutes=15)
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
OFFICE = "CA-TB-01"
WATER = "water"


def close(story, *, since=MONDAY, until=MONDAY + DAY, at=ADVANCE, reason=WATER, **asked):
    decision = story.when(CloseOffice, office=OFFICE, since=since, until=until, reason=reason, at=at, **asked)
    return decision.said or answer(decision.command, decision.facts)


def nth(day, n):
    """The n-th start of a day, of 24."""
    return day + timedelta(hours=8) + n * SLOT


def wall(start):
    return start.isoformat()


# -- who moves, and where to ------------------------------------------------------------------------------------------


def test_displaced_bookings_take_the_earliest_free_starts_in_the_order_of_start_then_booking(story, eight):
    later, second, first = story.book(1, eight + SLOT), story.book(2, eight), story.book(3, eight)
    story.book(4, eight + DAY)

    told = close(story)

    tuesday = MONDAY + DAY
    assert [(each["booking"], each["to"]) for each in told["moved"]] == [
        (second, wall(nth(tuesday, 0))),
        (first, wall(nth(tuesday, 1))),
        (later, wall(nth(tuesday, 1))),
    ]
    assert (told["displaced"], told["notices"], told["unplaced"], told["units_withdrawn"]) == (3, 3, [], 48)


def test_booking_order_is_that_of_the_first_confirmation_whatever_happened_since(story, eight):
    first, second = story.book(1, eight + DAY), story.book(2, eight)
    story.when(Reschedule, booking=first, starts_at=eight)
    story.book(3, eight + DAY)

    told = close(story)

    assert [each["booking"] for each in told["moved"]] == [first, second]
    assert [each["to"] for each in told["moved"]] == [wall(eight + DAY), wall(eight + DAY + SLOT)]


def test_booking_order_is_known_after_the_bookings_were_forgotten_and_read_again(story, eight):
    first, second = story.book(1, eight + SLOT), story.book(2, eight + DAY)
    for booking in (second, first):
        story.when(Reschedule, booking=booking, starts_at=eight)
    story.state.forget()
    story.state.position = len(story.log)

    told = close(story)

    assert [each["booking"] for each in told["moved"]] == [first, second]


def test_a_booking_moves_to_an_earlier_day_of_the_office_if_that_is_free(story, eight):
    booking = story.book(1, eight + DAY)

    told = close(story, since=MONDAY + DAY, until=MONDAY + 2 * DAY)

    assert told["moved"] == [{"booking": booking, "from": wall(eight + DAY), "to": wall(eight)}]


@pytest.mark.parametrize(("at", "n"), [(timedelta(), 1), (-SECOND, 0)])
def test_the_new_start_is_after_the_time_of_the_closure(story, eight, at, n):
    booking = story.book(1, eight + DAY)

    told = close(story, since=MONDAY + DAY, until=MONDAY + 2 * DAY, at=eight + at)

    assert told["moved"] == [{"booking": booking, "from": wall(eight + DAY), "to": wall(nth(MONDAY, n))}]


def test_a_longer_visit_moves_to_consecutive_starts_and_gives_up_all_its_places(story, eight):
    story.given_a_service("SV-CA-45", minutes=45)
    booking = story.book(1, eight, service="SV-CA-45")
    tuesday = MONDAY + DAY
    for seed in (2, 3):
        story.book(seed, nth(tuesday, 1))
    before = len(story.log)

    told = close(story, since=eight + 2 * SLOT, until=eight + 3 * SLOT)

    assert told["moved"][0]["to"] == wall(eight + 3 * SLOT)
    assert story.topics(before) == [
        "ClosureAnnounced.v1",
        "BookingDisplacedOut.v1",
        "SlotReleased.v1",
        "SlotReleased.v1",
        "BookingDisplacedIn.v1",
        "SlotOccupied.v1",
        "SlotOccupied.v1",
        "SlotWithdrawn.v1",
        "DayPublished.v1",
    ]
    assert [story.slot_at(eight + n * SLOT).places for n in range(3)] == [set()] * 3
    assert [story.slot_at(eight + n * SLOT).places for n in range(3, 6)] == [{booking}] * 3


def test_a_visit_may_move_within_its_own_places_in_a_full_slot(new_story, eight):
    story = new_story()
    story.given_an_office(counters=1)
    story.given_a_service()
    story.given_a_service("SV-CA-30", minutes=30)
    story.given_published(MONDAY.date())
    booking = story.book(1, eight + SLOT, service="SV-CA-30")

    told = close(story, since=eight + 2 * SLOT, until=MONDAY + DAY)

    assert told["moved"] == [{"booking": booking, "from": wall(eight + SLOT), "to": wall(eight)}]


def test_a_place_given_up_in_an_open_slot_is_free_for_the_next_in_order(new_story, eight):
    story = new_story()
    story.given_an_office(counters=1)
    story.given_a_service()
    story.given_a_service("SV-CA-30", minutes=30)
    story.given_published(MONDAY.date(), (MONDAY + DAY).date())
    longer, shorter = story.book(1, eight, service="SV-CA-30"), story.book(2, eight + 2 * SLOT)

    told = close(story, since=eight + SLOT, until=MONDAY + DAY)

    assert [(each["booking"], each["to"]) for each in told["moved"]] == [
        (longer, wall(eight + DAY)),
        (shorter, wall(eight)),
    ]


def test_a_visit_of_which_one_slot_is_closed_is_displaced_and_its_neighbours_stay(story, eight):
    story.given_a_service("SV-CA-30", minutes=30)
    longer = story.book(1, eight, service="SV-CA-30")
    before_it, after_it = story.book(2, eight), story.book(3, eight + 2 * SLOT)

    told = close(story, since=eight + SLOT, until=eight + 2 * SLOT)

    assert [each["booking"] for each in told["moved"]] == [longer]
    assert story.state.bookings[before_it].starts_at == eight
    assert story.state.bookings[after_it].starts_at == eight + 2 * SLOT


def test_what_has_not_been_published_or_is_closed_takes_nobody(new_story, eight):
    story = new_story()
    story.given_an_office(counters=1)
    story.given_a_service()
    for days in (0, 3, 5):  # Monday; Thursday, a weekend; Saturday
        story.given_published((MONDAY + days * DAY).date())
    booking = story.book(1, eight)

    told = close(story, until=MONDAY + 2 * DAY)

    assert told["moved"] == [{"booking": booking, "from": wall(eight), "to": wall(eight + 5 * DAY)}]


# -- who finds no place -----------------------------------------------------------------------------------------------


def test_who_finds_no_start_stays_confirmed_without_a_place(new_story, eight):
    story = new_story()
    story.given_an_office(counters=1)
    story.given_a_service()
    story.given_published(MONDAY.date())
    booking = story.book(1, eight)

    told = close(story)

    state = story.state.bookings[booking]
    assert (told["unplaced"], told["displaced"], told["notices"], told["moved"]) == ([booking], 1, 1, [])
    assert (state.status, state.has_place, state.starts_at, state.reschedules) == ("confirmed", False, eight, 0)
    assert story.slot_at(eight).places == set()


def test_places_are_looked_for_as_far_as_days_are_published(new_story, eight):
    """Further than is read at first."""
    story = new_story()
    story.given_an_office(counters=1)
    story.given_a_service()
    story.given_published(*(MONDAY.date() + timedelta(days=n) for n in range(60)))
    booking = story.book(1, eight)

    told = close(story, until=MONDAY + 40 * DAY)

    assert told["moved"] == [{"booking": booking, "from": wall(eight), "to": wall(eight + 40 * DAY)}]


def test_a_booking_that_is_past_its_time_without_a_place_is_no_no_show(new_story, eight):
    story = new_story()
    story.given_an_office(counters=1)
    story.given_a_service()
    story.given_published(MONDAY.date())
    booking = story.book(1, eight)
    close(story)

    person = story.state.persons[story.state.bookings[booking].person]

    assert person.overdue(eight + DAY) == {}
    with pytest.raises(SlotClosed):
        story.when(RecordOutcome, booking=booking, outcome="no_show", at=eight + DAY)


# -- who stays --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("at", "displaced"), [(timedelta(), 0), (-SECOND, 1)])
def test_a_booking_that_has_begun_stays_and_its_slot_closes_for_others(story, eight, at, displaced):
    booking = story.book(1, eight)

    told = close(story, at=eight + at)

    assert told["displaced"] == displaced
    assert (story.slot_at(eight).places == {booking}) == (displaced == 0)
    with pytest.raises(SlotClosed) as refusal:
        story.book(2, eight, at=eight + at, channel="kiosk")
    assert refusal.value.evidence == {"slot": f"{OFFICE}@2011-01-03T08:00", "reason": "closure", "announced": WATER}


def test_who_has_checked_in_stays(story, eight):
    booking = story.book(1, eight)
    state = story.state.bookings[booking]
    checked_in = CheckedIn(
        by="kiosk", office=OFFICE, service="SV-CA-02", starts_at=eight, minutes=15, channel="portal", reschedules=0
    )
    story.record(slot_stream(OFFICE, eight), checked_in, booking=booking, person=state.person, at=eight - SLOT)

    told = close(story, at=eight - SLOT)

    assert told["displaced"] == 0
    assert (state.status, state.starts_at) == ("checked_in", eight)


@pytest.mark.parametrize(("at", "withdrawn"), [(timedelta(), 23), (-SECOND, 24)])
def test_slots_that_are_over_were_open(story, eight, at, withdrawn):
    told = close(story, at=eight + SLOT + at)

    assert told["units_withdrawn"] == 2 * withdrawn
    assert story.slot_at(eight).is_open == (withdrawn == 23)


def test_a_closure_moves_no_counter(story, eight):
    booking = story.book(1, eight)
    story.when(Reschedule, booking=booking, starts_at=eight + SLOT)

    close(story)

    displaced = [fact.event for fact in story.log if isinstance(fact.event, BookingDisplacedOut | BookingDisplacedIn)]
    assert [event.reschedules for event in displaced] == [1, 1]
    assert [event.reason for event in displaced] == [WATER, WATER]
    assert story.state.bookings[booking].reschedules == 1


# -- the announcement -------------------------------------------------------------------------------------------------


def test_a_preview_writes_nothing_and_says_what_the_act_then_does(story, eight):
    for n in range(5):
        story.book(n, eight + (n // 2) * SLOT)
    before, position = list(story.log), story.state.position

    preview = close(story, preview=True)

    assert (story.log, story.state.position) == (before, position)
    assert story.slot_at(eight).is_open
    assert preview == close(story)


def test_announced_twice_changes_nothing(story, eight):
    story.book(1, eight)
    close(story)
    before = len(story.log)

    told = [close(story, preview=preview) for preview in (False, True)]

    nothing = {"displaced": 0, "moved": [], "unplaced": [], "units_withdrawn": 0, "notices": 0}
    assert told == [nothing, nothing]
    assert len(story.log) == before


def test_announced_again_later_the_same_day_changes_nothing(story, eight):
    close(story, at=eight)
    before = len(story.log)

    close(story, at=eight + timedelta(hours=2))

    assert len(story.log) == before


def test_a_closed_day_says_so_in_the_words_of_the_announcement(story, eight):
    close(story)

    day = story.state.office(OFFICE).days[MONDAY.date()]
    assert (day.starts, day.reason, day.name_ar, day.name_en) == ((), "closure", WATER, WATER)
    with pytest.raises(SlotClosed):
        story.book(1, eight)


def test_a_part_of_a_day_closes_and_the_rest_stays_open(story, eight):
    told = close(story, since=eight + timedelta(hours=1), until=eight + timedelta(hours=2))

    day = story.state.office(OFFICE).days[MONDAY.date()]
    assert told["units_withdrawn"] == 4 * 2
    assert (len(day.starts), day.reason) == (20, None)
    story.book(1, eight)
    with pytest.raises(SlotClosed):
        story.book(2, eight + timedelta(hours=1))
    story.book(3, eight + timedelta(hours=2))


def test_a_slot_of_which_a_minute_is_closed_is_closed(story, eight):
    told = close(story, since=eight + timedelta(minutes=14), until=eight + timedelta(minutes=16))

    assert told["units_withdrawn"] == 2 * 2


def test_publication_opens_nothing_in_a_closed_range(story, eight):
    wednesday, saturday = MONDAY + 2 * DAY, MONDAY + 5 * DAY
    close(story, since=wednesday, until=saturday + timedelta(hours=10))

    again = story.when(PublishDay, office=OFFICE, day=wednesday.date())
    late = story.when(PublishDay, office=OFFICE, day=saturday.date())

    assert (again.said["units_published"], again.facts) == (0, [])
    assert late.said["units_published"] == 16 * 2
    with pytest.raises(SlotClosed) as refusal:
        story.book(1, saturday + timedelta(hours=8))
    assert (refusal.value.reason, refusal.value.announced) == ("closure", WATER)


def test_a_start_that_was_neither_published_nor_closed_is_not_published(story, eight):
    close(story)

    with pytest.raises(SlotNotPublished):
        story.book(1, eight + 5 * DAY)


def test_a_booked_slot_that_a_later_publication_left_out_is_closed_too(new_story, eight):
    """Ramadan hours begin at 10:00: what was booked before stays open until somebody moves it."""
    story = new_story()
    story.given_an_office()
    story.given_a_service()
    story.given_published(MONDAY.date(), (MONDAY + DAY).date())
    booking = story.book(1, eight)
    told_before = story.state.office(OFFICE).days[MONDAY.date()]
    shorter = DayPublished(by="operator", office=OFFICE, day=MONDAY.date(), starts=told_before.starts[8:])
    story.record(f"office/{OFFICE}", shorter)

    told = close(story)

    assert [each["booking"] for each in told["moved"]] == [booking]


@pytest.mark.parametrize(
    ("since", "until", "at"),
    [
        (MONDAY, MONDAY, ADVANCE),
        (MONDAY + DAY, MONDAY, ADVANCE),
        (MONDAY, MONDAY + DAY, MONDAY + DAY),
        (MONDAY, MONDAY + 60 * DAY, ADVANCE),
    ],
    ids=["empty", "backwards", "past", "more than 1,000 slots"],
)
def test_a_closure_is_of_a_time_to_come(story, since, until, at):
    story.given_published(*(MONDAY.date() + timedelta(days=n) for n in range(60)))
    before = len(story.log)

    with pytest.raises(InvalidRequest) as refusal:
        close(story, since=since, until=until, at=at)

    assert refusal.value.field == "to"
    assert len(story.log) == before


def test_an_announcement_to_an_office_that_does_not_exist_is_heard_by_none(story):
    with pytest.raises(InvalidRequest) as refusal:
        close(story, among=(OFFICE, "CA-XX-99"))

    assert refusal.value.field == "offices"
    assert not any(isinstance(fact.event, ClosureAnnounced) for fact in story.log)


# -- holds and offers -------------------------------------------------------------------------------------------------


def test_a_hold_of_a_closed_slot_ends_in_all_its_slots(story, eight):
    story.given_a_service("SV-CA-30", minutes=30)
    hold = story.hold(1, eight, service="SV-CA-30")
    before = len(story.log)

    close(story, since=eight + SLOT, until=eight + 2 * SLOT)

    assert story.topics(before)[-2:] == ["HoldReleased.v1", "PlaceReturned.v1"]
    assert [story.slot_at(eight + n * SLOT).claims for n in range(2)] == [{}, {}]
    with pytest.raises(HoldExpired):
        story.book(1, eight, service="SV-CA-30", hold=hold)


@pytest.mark.parametrize(("after", "n"), [(timedelta(minutes=10) - SECOND, 1), (timedelta(minutes=10), 0)])
def test_a_held_place_is_not_free_for_the_displaced_until_the_hold_has_run_out(story, eight, after, n):
    story.hold(9, nth(MONDAY + DAY, 0))
    story.book(8, nth(MONDAY + DAY, 0))
    story.book(1, eight)

    told = close(story, at=ADVANCE + after)

    assert told["moved"][0]["to"] == wall(nth(MONDAY + DAY, n))


def given_an_offer(story, start):
    """To the first in line, of a place at `start` that somebody has given up; the entry, and the next one's."""
    bookings = [story.book(n, start) for n in range(2)]
    entries = [story.wait(10 + n, start.date(), start.date()) for n in range(2)]
    story.when(Cancel, booking=bookings[0])
    assert story.state.bookings[entries[0]].offer.starts_at == start
    return entries


def test_an_offer_of_a_closed_slot_is_withdrawn_and_the_next_gets_none(story, eight):
    offered, waiting = given_an_offer(story, eight)

    close(story)

    assert story.state.bookings[offered].left == "withdrawn"
    assert story.slot_at(eight).claims == {}
    assert list(story.state.waiting_list(OFFICE).entries) == [waiting]
    assert story.state.bookings[waiting].offer is None


def test_an_offered_place_is_not_free_for_the_displaced(story, eight):
    given_an_offer(story, eight + DAY)
    story.book(5, eight)

    told = close(story)

    assert told["moved"][0]["to"] == wall(eight + DAY + SLOT)


def test_what_is_given_up_in_a_slot_that_stays_open_goes_to_the_first_in_line(new_story, eight):
    story = new_story()
    story.given_an_office(counters=1)
    story.given_a_service()
    story.given_a_service("SV-CA-30", minutes=30)
    story.given_published(MONDAY.date(), (MONDAY + DAY).date())
    story.book(1, eight, service="SV-CA-30")
    entry = story.wait(2, MONDAY.date(), MONDAY.date())

    close(story, since=eight + SLOT, until=MONDAY + DAY)

    assert story.state.bookings[entry].offer.starts_at == eight


def test_a_place_that_rests_in_a_closed_slot_rests_no_longer(story, eight):
    claimed = PlaceClaimed(by="system", office=OFFICE, starts_at=eight, until=ADVANCE + timedelta(minutes=20))
    story.record(slot_stream(OFFICE, eight), claimed, booking="r3sts")

    close(story)

    assert story.slot_at(eight).claims == {}


# -- any history ------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32))
def test_in_any_history_each_booking_is_placed_where_the_slots_say_and_replay_agrees(seed):
    """Against a search that knows nothing of the plan: start by start, from the slots as they are at that fact."""
    story, chance = given_a_crowd(random.Random(seed)), random.Random(seed + 1)
    first = MONDAY + timedelta(hours=8) + SLOT * chance.randrange(24)
    since, until = chance.choice([(MONDAY, MONDAY + DAY), (first, first + SLOT * chance.randrange(1, 8))])
    before, places = len(story.log), {stream: set(slot.places) for stream, slot in slots_of(story).items()}
    preview = close(story, since=since, until=until, preview=True)

    told = close(story, since=since, until=until)

    assert preview == told
    displaced = sorted(
        (
            story.state.bookings[booking]
            for booking in {b for start in starts_in(since, until) for b in places[slot_stream(OFFICE, start)]}
        ),
        key=lambda booking: (moved_from(story, booking, before), booking.order),
    )
    assert [*told["moved"], *told["unplaced"]] != [] or not displaced
    assert told["displaced"] == len(displaced)
    expected = {}
    for booking in displaced:
        n, left = booking.minutes // 15, moved_from(story, booking, before)
        for k in range(n):
            places[slot_stream(OFFICE, left + k * SLOT)].remove(booking.booking)
        free = [start for start in every_start() if fits(places, start, n, (since, until))]
        expected[booking.booking] = wall(free[0]) if free else None
        for k in range(n if free else 0):
            places[slot_stream(OFFICE, free[0] + k * SLOT)].add(booking.booking)
    found = {each["booking"]: each["to"] for each in told["moved"]} | dict.fromkeys(told["unplaced"])
    assert found == expected
    replayed = story.replayed()
    assert {stream: slot.places for stream, slot in slots_of(story).items()} == places
    assert {s: replayed.slot(s).places for s in places} == places


def given_a_crowd(chance):
    story = Story()
    story.given_an_office(counters=2)
    for minutes in (15, 30, 45):
        story.given_a_service(f"SV-CA-{minutes}", minutes=minutes)
    story.given_published(MONDAY.date(), (MONDAY + DAY).date())
    for seed in range(chance.randrange(20, 110)):
        day = MONDAY + DAY * (chance.random() < 0.6)
        start = nth(day, chance.randrange(24))
        try:
            story.book(seed, start, service=f"SV-CA-{chance.choice((15, 30, 45))}")
        except Refused:
            continue
    return story


def slots_of(story):
    return {stream: slot for stream, slot in story.state.streams.items() if isinstance(slot, Slot) and slot.opened}


def every_start():
    return [nth(MONDAY + days * DAY, n) for days in range(2) for n in range(24)]


def starts_in(since, until):
    return [start for start in every_start() if since <= start < until]


def moved_from(story, booking, before):
    """Where it stood before the closure."""
    outs = [f.event for f in story.log[before:] if isinstance(f.event, BookingDisplacedOut)]
    tags = [f.booking for f in story.log[before:] if isinstance(f.event, BookingDisplacedOut)]
    return outs[tags.index(booking.booking)].starts_at


def fits(places, start, slots, closed):
    needed = [start + k * SLOT for k in range(slots)]
    is_within = all(each.time() <= time(13, 45) for each in needed)
    return is_within and all(
        not closed[0] <= each < closed[1] and len(places[slot_stream(OFFICE, each)]) < 2 for each in needed
    )
