"""Where each booking stands: by its id, by the hash of its secret reference, by its person, by its office's day."""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from psycopg import Connection, Cursor
from psycopg.rows import TupleRow, class_row

from domain.answers import status_after
from domain.calendar import RIYADH
from domain.events import BookingDisplacedOut, BookingEvent, BookingMovedOut, Fact, SlotBooked, WalkedIn
from projections.arrays import bigints, booleans, byteas, columns, instants, integers, texts, times, words
from projections.log import Page
from projections.projection import expect_rows


class Bookings:
    name = "bookings"
    version = 2
    ddl = """
        CREATE TABLE booking (
            booking        text PRIMARY KEY,
            reference_hash bytea NOT NULL,         -- SHA-256 of the canonical reference: 13 characters, no dashes
            person         text,
            office         text NOT NULL,
            service        text NOT NULL,
            starts_at      timestamptz NOT NULL,
            ends_at        timestamptz NOT NULL,
            channel        text NOT NULL,          -- over which it was made
            status         text NOT NULL,
            reschedules    integer NOT NULL,
            unplaced       boolean NOT NULL,       -- a closure took its place at starts_at, and no other start was free
            section        text,
            booked_at      timestamptz NOT NULL,
            last_position  bigint NOT NULL         -- of the last fact that told its state
        ) WITH (fillfactor = 80);
    """
    indexes = """
        CREATE UNIQUE INDEX booking_reference ON booking (reference_hash);
        CREATE INDEX booking_person ON booking (person);
        CREATE INDEX booking_day ON booking (office, starts_at);
    """

    def __init__(self, reference_hash: Callable[[str, str], bytes]) -> None:
        """`reference_hash`: booking id, id of its key → SHA-256 of its canonical reference. No view holds the key."""
        self._reference_hash = reference_hash

    def fold(self, facts: Page, cursor: Cursor[TupleRow]) -> None:
        made: dict[str, tuple[bytes, str | None, str | None, datetime]] = {}
        last: dict[str, tuple[int, BookingEvent]] = {}
        for position, fact in facts:
            event = fact.event
            if not isinstance(event, BookingEvent) or _is_of_the_place_left(event):
                continue
            assert fact.booking is not None
            if isinstance(event, SlotBooked | WalkedIn):
                reference_hash = self._reference_hash(fact.booking, event.reference_key)
                made[fact.booking] = reference_hash, fact.person, event.section, fact.at
            last[fact.booking] = position, event
        new = [(booking, *first, *_standing(*last[booking])) for booking, first in made.items()]
        changed = [(booking, *_standing(*stands)) for booking, stands in last.items() if booking not in made]
        if new:
            _insert(new, cursor)
        if changed:
            _change(changed, cursor)


def _is_of_the_place_left(event: BookingEvent) -> bool:
    """Where the booking stands is in the fact beside it."""
    return isinstance(event, BookingMovedOut) or (
        isinstance(event, BookingDisplacedOut) and event.to_starts_at is not None
    )


#: office, service, channel, starts_at, minutes, status, reschedules, unplaced, last_position
Standing = tuple[str, str, str, datetime, int, str, int, bool, int]
_STANDING = words, words, words, times, integers, words, integers, booleans, bigints


def _standing(position: int, event: BookingEvent) -> Standing:
    return (
        event.office,
        event.service,
        event.channel,
        event.starts_at,
        event.minutes,
        status_after(event),
        event.reschedules,
        isinstance(event, BookingDisplacedOut),
        position,
    )


def _insert(rows: Sequence[tuple[object, ...]], cursor: Cursor[TupleRow]) -> None:
    cursor.execute(
        """INSERT INTO booking (booking, reference_hash, person, section, booked_at, office, service, channel,
                                starts_at, ends_at, status, reschedules, unplaced, last_position)
           SELECT booking, reference_hash, person, section, booked_at, office, service, channel,
                  starts_at, starts_at + minutes * interval '1 minute', status, reschedules, unplaced, last_position
           FROM unnest(%b::text[], %b::bytea[], %b::text[], %b::text[], %b::timestamptz[], %b::text[], %b::text[],
                       %b::text[], %b::timestamptz[], %b::integer[], %b::text[], %b::integer[], %b::boolean[],
                       %b::bigint[])
                AS made (booking, reference_hash, person, section, booked_at, office, service, channel, starts_at,
                         minutes, status, reschedules, unplaced, last_position)""",
        columns(rows, texts, byteas, texts, words, instants, *_STANDING),
    )


def _change(rows: Sequence[tuple[object, ...]], cursor: Cursor[TupleRow]) -> None:
    cursor.execute(
        """UPDATE booking
           SET (office, service, channel, starts_at, ends_at, status, reschedules, unplaced, last_position) =
               (now.office, now.service, now.channel, now.starts_at, now.starts_at + minutes * interval '1 minute',
                now.status, now.reschedules, now.unplaced, now.last_position)
           FROM unnest(%b::text[], %b::text[], %b::text[], %b::text[], %b::timestamptz[], %b::integer[],
                       %b::text[], %b::integer[], %b::boolean[], %b::bigint[])
                AS now (booking, office, service, channel, starts_at, minutes, status, reschedules, unplaced,
                        last_position)
           WHERE booking.booking = now.booking""",
        columns(rows, texts, *_STANDING),
    )
    expect_rows(cursor, len(rows))


# -- queries ----------------------------------------------------------------------------------------------------------


class BookingRow(NamedTuple):
    booking: str
    reference_hash: bytes  # empty in a row told from facts: nobody looks it up by this
    person: str | None
    office: str
    service: str
    starts_at: datetime
    ends_at: datetime
    channel: str
    status: str
    reschedules: int
    unplaced: bool
    section: str | None
    booked_at: datetime
    last_position: int


def by_id(connection: Connection[TupleRow], booking: str) -> BookingRow | None:
    with connection.cursor(row_factory=class_row(BookingRow)) as cursor:
        return cursor.execute("SELECT * FROM view_bookings.booking WHERE booking = %s", (booking,)).fetchone()


def after(facts: Iterable[Fact]) -> BookingRow | None:
    """The row of a booking after facts of its own, in their order. None: it is not made by any of them."""
    made: Fact | None = None
    last: Standing | None = None
    for fact in facts:
        event = fact.event
        if not isinstance(event, BookingEvent) or _is_of_the_place_left(event):
            continue
        if isinstance(event, SlotBooked | WalkedIn):
            made, section = fact, event.section
        last = _standing(fact.position, event)
    if made is None or last is None:
        return None
    assert made.booking is not None
    office, service, channel, starts_at, minutes, status, reschedules, unplaced, position = last
    ends_at = starts_at + timedelta(minutes=minutes)
    place = office, service, starts_at, ends_at, channel
    how = status, reschedules, unplaced
    return BookingRow(made.booking, b"", made.person, *place, *how, section, made.at, position)


def all_after(facts: Iterable[Fact]) -> Sequence[BookingRow]:
    """The rows of several, the latest made first."""
    by_booking: dict[str | None, list[Fact]] = {}
    for fact in facts:
        by_booking.setdefault(fact.booking, []).append(fact)
    rows = [row for own in by_booking.values() if (row := after(own)) is not None]
    return sorted(rows, key=lambda row: (-row.booked_at.timestamp(), row.booking))


def by_reference(connection: Connection[TupleRow], reference_hash: bytes) -> BookingRow | None:
    query = "SELECT * FROM view_bookings.booking WHERE reference_hash = %s"
    with connection.cursor(row_factory=class_row(BookingRow)) as cursor:
        return cursor.execute(query, (reference_hash,)).fetchone()


def of_person(
    connection: Connection[TupleRow], person: str, *, offices: Collection[str] | None = None, limit: int = 100
) -> Sequence[BookingRow]:
    """A person's bookings, the latest made first; `offices`: only those that stand there."""
    query = """
        SELECT * FROM view_bookings.booking
        WHERE person = %(person)s AND (%(offices)s::text[] IS NULL OR office = ANY(%(offices)s))
        ORDER BY booked_at DESC, booking LIMIT %(limit)s
    """
    asked = {"person": person, "offices": None if offices is None else list(offices), "limit": limit}
    with connection.cursor(row_factory=class_row(BookingRow)) as cursor:
        return cursor.execute(query, asked).fetchall()


def of_day(connection: Connection[TupleRow], office: str, day: date) -> Sequence[BookingRow]:
    """Those that stand at the office on the day, cancelled ones too, in the order of their starts."""
    query = """
        SELECT * FROM view_bookings.booking
        WHERE office = %(office)s AND starts_at >= %(midnight)s AND starts_at < %(midnight)s + interval '1 day'
        ORDER BY starts_at, booked_at, booking
    """
    asked = {"office": office, "midnight": datetime.combine(day, time(), RIYADH)}
    with connection.cursor(row_factory=class_row(BookingRow)) as cursor:
        return cursor.execute(query, asked).fetchall()
