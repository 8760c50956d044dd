"""The days of an office as of a place of the log: what is free, and who comes. Folded from their facts by the domain
itself, which has to come to what the views showed when the log ended there.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from psycopg import Connection
from psycopg.rows import TupleRow

from domain.booking import Booking
from domain.calendar import local_date
from domain.events import BookingEvent, CustomerCalled, DayPublished
from domain.office import Office
from domain.slot import Slot, starts_of
from projections import history
from projections.availability import Day, OpenStart
from projections.queue import Visit

_NOT_PUBLISHED: Final = "not-published"


def days(
    connection: Connection[TupleRow], office: str, minutes: int, first: date, last: date, *, upto: int, now: datetime
) -> Sequence[Day]:
    """As projections.availability.days would have told at `now`, had the log ended at `upto`."""
    by_day: dict[date, list[OpenStart]] = {}
    for start in _starts(_slots(connection, office, first, last, upto), minutes, now):
        by_day.setdefault(local_date(start.starts_at), []).append(start)
    published = _published(connection, office, upto)
    asked = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return [_day(day, published.get(day), by_day.get(day, ())) for day in asked]


def starts(
    connection: Connection[TupleRow], office: str, minutes: int, day: date, *, upto: int, now: datetime
) -> Sequence[OpenStart]:
    published = _published(connection, office, upto).get(day)
    if published is not None and not published.starts:
        return []
    return _starts(_slots(connection, office, day, day, upto), minutes, now)


def visits(connection: Connection[TupleRow], office: str, day: date, *, upto: int) -> Sequence[Visit]:
    """As projections.queue.of_day would have told, had the log ended at `upto`."""
    told = history.of_slots(connection, office, day, day, upto=upto)
    came_by = {fact.booking for fact in told if isinstance(fact.event, BookingEvent) and fact.booking is not None}
    found: dict[str, Booking] = {}
    waited_s: dict[str, int] = {}
    for fact in history.of_bookings(connection, came_by, upto=upto):
        assert fact.booking is not None
        found.setdefault(fact.booking, Booking(fact.booking)).evolve(fact)
        if isinstance(fact.event, CustomerCalled):
            waited_s[fact.booking] = fact.event.waited_s
    there = [
        Visit(
            booking.booking,
            booking.service,
            booking.starts_at,
            booking.status,
            booking.is_walk_in,
            booking.checked_in_at,
            booking.called_at,
            waited_s.get(booking.booking),
        )
        for booking in found.values()
        if booking.status not in {None, "cancelled"}
        and not booking.is_unplaced
        and (booking.office, local_date(booking.starts_at)) == (office, day)
    ]
    return sorted(there, key=_order)


def _order(visit: Visit) -> tuple[datetime, bool, bool, datetime, str]:
    """Who has not come yet stands after those who have."""
    came_at = visit.checked_in_at
    return visit.starts_at, visit.is_walk_in, came_at is None, came_at or visit.starts_at, visit.booking


def _slots(connection: Connection[TupleRow], office: str, first: date, last: date, upto: int) -> dict[datetime, Slot]:
    """Those that are open, by their start, in order."""
    found: dict[str, Slot] = {}
    for fact in history.of_slots(connection, office, first, last, upto=upto):
        stream = fact.originator_id
        slot = found.get(stream)
        if slot is None:
            slot = found[stream] = Slot(stream)
        slot.evolve(fact)
    return dict(sorted((slot.starts_at, slot) for slot in found.values() if slot.is_open))


def _starts(slots: Mapping[datetime, Slot], minutes: int, now: datetime) -> list[OpenStart]:
    """Those of a service: all its slots are open and follow each other; the least of them counts."""
    found = []
    for start in slots:
        visit = [slots.get(at) for at in starts_of(start, minutes)]
        if None not in visit:
            least = [(slot.free(now), slot.capacity) for slot in visit if slot is not None]
            found.append(OpenStart(start, min(free for free, _ in least), min(capacity for _, capacity in least)))
    return found


def _published(connection: Connection[TupleRow], name: str, upto: int) -> Mapping[date, DayPublished]:
    office = Office(f"office/{name}")
    for told in history.all_of(connection, "stream", office.stream, upto=upto):
        office.evolve(told.fact)
    return office.days


def _day(day: date, published: DayPublished | None, starts: Sequence[OpenStart]) -> Day:
    if published is not None:
        is_open, told = bool(published.starts), (published.reason, published.name_ar, published.name_en)
    else:
        is_open, told = bool(starts), (None if starts else _NOT_PUBLISHED, None, None)
    if not is_open:
        starts = ()
    return Day(day, is_open, *told, sum(each.capacity for each in starts), sum(each.free for each in starts))
