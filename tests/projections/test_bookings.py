import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain import commands
from domain.events import BookingDisplacedOut, BookingEvent, BookingMovedOut, SlotBooked, WalkedIn
from domain.state import State
from projections.bookings import BookingRow, Bookings, by_id, by_reference, of_day, of_person
from tests.projections.conftest import reference_hash
from tests.projections.story import EVE, OFFICES, WORKDAYS, Facts, Story, play, start

TB, RD = OFFICES


def expected_row(state: State, facts: Facts, booking: str) -> BookingRow:
    """From the booking as the domain folds it."""
    stands = state.bookings[booking]
    assert stands.status is not None
    told = [(position, fact) for position, fact in facts if fact.booking == booking]
    last = max(p for p, f in told if isinstance(f.event, BookingEvent) and not _is_half_of_a_move(f.event))
    return BookingRow(
        booking=booking,
        reference_hash=reference_hash(booking),
        person=stands.person,
        office=stands.office,
        service=stands.service,
        starts_at=stands.starts_at,
        ends_at=stands.ends_at,
        channel=stands.channel,
        status=stands.status,
        reschedules=stands.reschedules,
        unplaced=stands.status == "confirmed" and not stands.has_place,
        section=stands.section,
        booked_at=told[0][1].at,
        last_position=last,
    )


def _is_half_of_a_move(event: BookingEvent) -> bool:
    """The other half says where the booking stands now."""
    return isinstance(event, BookingMovedOut) or (
        isinstance(event, BookingDisplacedOut) and event.to_starts_at is not None
    )


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), steps=st.integers(1, 120), page_size=st.integers(1, 400))
def test_any_history_in_any_pages_leaves_each_booking_where_the_domain_has_it(folded, seed, steps, page_size):
    story = play(random.Random(seed), steps)
    first_facts = [fact for _, fact in story.facts if isinstance(fact.event, SlotBooked | WalkedIn)]
    made = {str(fact.booking): str(fact.person) for fact in first_facts}

    with folded([Bookings(reference_hash)], story.facts, page_size) as connection:
        rows = {booking: expected_row(story.state, story.facts, booking) for booking in made}
        assert {booking: by_id(connection, booking) for booking in made} == rows
        assert {booking: by_reference(connection, reference_hash(booking)) for booking in made} == rows
        for person in set(made.values()):
            theirs = [row for row in rows.values() if row.person == person]
            theirs.sort(key=lambda row: row.booking)
            theirs.sort(key=lambda row: row.booked_at, reverse=True)
            assert of_person(connection, person) == theirs
            assert of_person(connection, person, offices=[RD], limit=1) == [r for r in theirs if r.office == RD][:1]
        for office in OFFICES:
            there = [row for row in rows.values() if (row.office, row.starts_at.date()) == (office, WORKDAYS[0])]
            there.sort(key=lambda row: (row.starts_at, row.booked_at, row.booking))
            assert of_day(connection, office, WORKDAYS[0]) == there


def test_what_does_not_exist_is_not_found(folded):
    with folded([Bookings(reference_hash)], Story().facts) as connection:
        assert by_id(connection, "none") is None
        assert by_reference(connection, b"none") is None
        assert of_person(connection, "none") == []


def test_a_moved_booking_keeps_its_reference_and_its_channel(folded):
    story = Story()
    asked = {"service": "SV-CA-01", "channel": "sms"}
    story.book(1, office=TB, starts_at=start(WORKDAYS[1], 0), **asked)
    story.do(commands.Reschedule, booking=story.bookings[0], starts_at=start(WORKDAYS[1], 1), office=RD, at=EVE)

    with folded([Bookings(reference_hash)], story.facts) as connection:
        row = by_reference(connection, reference_hash(story.bookings[0]))

    assert row is not None
    assert (row.office, row.channel, row.reschedules, row.status) == (RD, "sms", 1, "confirmed")
    assert (row.starts_at, row.ends_at) == (start(WORKDAYS[1], 1), start(WORKDAYS[1], 3))
