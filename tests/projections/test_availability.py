import random
from datetime import date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain import commands
from domain.calendar import RIYADH
from domain.identifiers import parse_slot_id, slot_stream
from domain.office import Office
from domain.slot import Slot
from domain.state import State
from projections.availability import Availability, Day, OpenStart, days, starts
from projections.projection import RowsMissing
from tests.projections.story import EVE, HOLIDAY, OFFICES, WEEKEND, WORKDAYS, Story, play, start

SLOT = timedelta(minutes=15)
TB = OFFICES[0]
MORNING, NEXT_MORNING = WORKDAYS
IMPORTED, NEVER = date(2010, 5, 3), date(2011, 2, 7)
NEVER_YET = datetime(2011, 1, 1, tzinfo=RIYADH)  # no story here holds places, so any instant will do


def expected_starts(state: State, office: str, minutes: int, day: date) -> list[OpenStart]:
    """Start by start, from the slots as the domain folds them."""
    published = known_office(state, office).days.get(day)
    if published is not None and not published.starts:
        return []
    slots = {stream: slot for stream, slot in state.streams.items() if isinstance(slot, Slot) and slot.opened}
    found = []
    for place, first in sorted(parse_slot_id(stream.removeprefix("slot/")) for stream in slots):
        needed = [slots.get(slot_stream(office, first + n * SLOT)) for n in range(minutes // 15)]
        usable = [slot for slot in needed if slot is not None and not slot.withdrawn]
        if (place, first.date()) == (office, day) and len(usable) == len(needed):
            found.append(
                OpenStart(first, min(slot.free(NEVER_YET) for slot in usable), min(slot.capacity for slot in usable))
            )
    return found


def expected_day(state: State, office: str, minutes: int, day: date) -> Day:
    published, open_starts = known_office(state, office).days.get(day), expected_starts(state, office, minutes, day)
    capacity, free = sum(one.capacity for one in open_starts), sum(one.free for one in open_starts)
    if published is None:
        return Day(day, bool(open_starts), None if open_starts else "not-published", None, None, capacity, free)
    return Day(day, bool(published.starts), published.reason, published.name_ar, published.name_en, capacity, free)


def known_office(state: State, office: str) -> Office:
    known = state.office(office)
    assert known is not None
    return known


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), steps=st.integers(0, 120), page_size=st.integers(1, 400))
def test_any_history_in_any_pages_shows_the_places_that_the_slots_have(folded, seed, steps, page_size):
    story = play(random.Random(seed), steps)

    with folded([Availability()], story.facts, page_size) as connection:
        for office in OFFICES:
            for minutes in (15, 30, 45):
                asked = [IMPORTED, WEEKEND, *WORKDAYS, NEVER]
                assert [starts(connection, office, minutes, day, now=NEVER_YET) for day in asked] == [
                    expected_starts(story.state, office, minutes, day) for day in asked
                ]
                shown = days(connection, office, minutes, IMPORTED, NEVER, now=NEVER_YET)
                assert [day for day in shown if day.date in asked] == [
                    expected_day(story.state, office, minutes, day) for day in asked
                ]


def test_a_longer_service_has_the_least_free_of_its_slots_and_needs_all_of_them(folded):
    story = Story()
    story.book(1, office=TB, service="SV-CA-02", starts_at=start(MORNING, 1))
    story.do(commands.AssignCounters, office=TB, since=start(MORNING, 3), until=start(MORNING, 4), counters=0)

    with folded([Availability()], story.facts) as connection:
        shown = starts(connection, TB, 30, MORNING, now=NEVER_YET)

    assert [(one.free, one.capacity) for one in shown[:5]] == [(1, 2), (1, 2), (0, 0), (0, 0), (2, 2)]
    assert len(shown) == 23
    assert shown[-1].starts_at == start(MORNING, 22)


def test_days_say_why_they_are_closed(folded):
    story = Story()
    story.state.calendar = HOLIDAY
    story.do(commands.PublishDay, office=TB, day=MORNING)

    with folded([Availability()], story.facts) as connection:
        shown = days(connection, TB, 15, WEEKEND, NEVER, now=NEVER_YET)

    assert [(one.open, one.reason, one.name_en, one.capacity) for one in shown] == [
        (False, "weekend", None, 0),
        (False, "holiday", "Eid", 0),
        (True, None, None, 48),
        (False, "not-published", None, 0),
    ]


def test_a_closed_day_has_no_free_place_although_a_booked_slot_stays(folded):
    story = Story()
    story.book(1, office=TB, service="SV-CA-02", starts_at=start(MORNING, 0))
    story.state.calendar = HOLIDAY
    story.do(commands.PublishDay, office=TB, day=MORNING)

    with folded([Availability()], story.facts) as connection:
        (shown,) = days(connection, TB, 15, MORNING, MORNING, now=NEVER_YET)

        assert starts(connection, TB, 15, MORNING, now=NEVER_YET) == []
        assert (shown.open, shown.free, shown.capacity) == (False, 0, 0)


def test_a_day_begins_at_midnight_of_the_office(folded):
    story = Story()
    story.import_visit(
        1, office=TB, starts_at=datetime(2010, 5, 3, 0, 0, tzinfo=RIYADH), outcome="served", channel="sms"
    )
    story.import_visit(
        2, office=TB, starts_at=datetime(2010, 5, 3, 23, 45, tzinfo=RIYADH), outcome="served", channel="sms"
    )

    with folded([Availability()], story.facts) as connection:
        shown = days(connection, TB, 15, IMPORTED - timedelta(days=1), IMPORTED + timedelta(days=1), now=NEVER_YET)

    assert [one.capacity for one in shown] == [0, 6, 0]


def test_a_service_of_another_length_is_refused(connection):
    with pytest.raises(ValueError, match="20"):
        days(connection, TB, 20, MORNING, MORNING, now=NEVER_YET)


def test_a_booking_in_a_slot_that_was_never_opened_is_not_passed_over(folded):
    story = Story()
    booked = story.book(1, at=EVE, office=TB, service="SV-CA-02", starts_at=start(MORNING, 0))

    with pytest.raises(RowsMissing), folded([Availability()], [(1, booked[0])]):
        pass


def test_the_first_and_last_days_that_there_are_can_be_asked_for(folded):
    with folded([Availability()], Story().facts) as connection:
        shown = [
            *days(connection, TB, 15, date.min, date.min, now=NEVER_YET),
            *days(connection, TB, 15, date.max, date.max, now=NEVER_YET),
        ]

    assert [(one.date, one.reason) for one in shown] == [(date.min, "not-published"), (date.max, "not-published")]
