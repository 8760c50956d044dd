"""The queue of an office: who came when, who was called and how long they had waited; and an office's day from it."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, time
from statistics import median
from typing import NamedTuple

from psycopg import Connection, Cursor
from psycopg.rows import TupleRow, class_row

from domain.calendar import RIYADH
from domain.events import CheckedIn, CustomerCalled, WalkedIn
from projections.arrays import booleans, columns, instants, integers, texts
from projections.log import Page
from projections.projection import expect_rows


class Queue:
    name = "queue"
    version = 1
    indexes = ""
    ddl = """
        CREATE TABLE visit (
            booking       text PRIMARY KEY,
            is_walk_in    boolean NOT NULL,
            checked_in_at timestamptz NOT NULL,
            called_at     timestamptz,
            waited_s      integer              -- when called
        ) WITH (fillfactor = 80);
    """

    def fold(self, facts: Page, cursor: Cursor[TupleRow]) -> None:
        came: dict[str, tuple[bool, datetime]] = {}
        called: dict[str, tuple[datetime, int]] = {}
        for _, fact in facts:
            match fact.event:
                case CheckedIn() | WalkedIn():
                    assert fact.booking is not None
                    came[fact.booking] = isinstance(fact.event, WalkedIn), fact.at
                case CustomerCalled(waited_s=waited_s):
                    assert fact.booking is not None
                    called[fact.booking] = fact.at, waited_s
        if came:
            _add([(booking, *arrival) for booking, arrival in came.items()], cursor)
        if called:
            _call([(booking, *call) for booking, call in called.items()], cursor)


def _add(rows: Sequence[tuple[object, ...]], cursor: Cursor[TupleRow]) -> None:
    cursor.execute(
        """INSERT INTO visit (booking, is_walk_in, checked_in_at)
           SELECT * FROM unnest(%b::text[], %b::boolean[], %b::timestamptz[])""",
        columns(rows, texts, booleans, instants),
    )


def _call(rows: Sequence[tuple[object, ...]], cursor: Cursor[TupleRow]) -> None:
    cursor.execute(
        """UPDATE visit SET (called_at, waited_s) = (call.called_at, call.waited_s)
           FROM unnest(%b::text[], %b::timestamptz[], %b::integer[]) AS call (booking, called_at, waited_s)
           WHERE visit.booking = call.booking""",
        columns(rows, texts, instants, integers),
    )
    expect_rows(cursor, len(rows))


# -- queries ----------------------------------------------------------------------------------------------------------


class Visit(NamedTuple):
    booking: str
    service: str
    starts_at: datetime
    status: str  # the booking's
    is_walk_in: bool
    checked_in_at: datetime | None  # None: has not come
    called_at: datetime | None
    waited_s: int | None  # when called

    @property
    def waits(self) -> bool:
        return self.status == "checked_in" and self.called_at is None

    def waited_until(self, now: datetime) -> int:
        """Of who still waits: seconds since they came, or since their start where they came before it."""
        since = max(self.checked_in_at or self.starts_at, self.starts_at)
        return max(0, int((now - since).total_seconds()))


class Figures(NamedTuple):
    """Of a day."""

    expected: int  # booked, and neither come nor missed yet
    checked_in: int  # waiting or called
    waiting: int
    called: int  # and not done yet
    served: int
    not_completed: int
    no_show: int
    median_waited_s: float | None  # of all who were called
    longest_waited_s: int | None


def of_day(connection: Connection[TupleRow], office: str, day: date) -> Sequence[Visit]:
    """All who have a place at the office on the day and are not cancelled; those who wait, in the order of their call.

    The bookings view may be some facts ahead of this one, or behind it, for a moment.
    """
    query = """
        SELECT booking, booking.service, booking.starts_at, booking.status,
               coalesce(visit.is_walk_in, false) AS is_walk_in, visit.checked_in_at, visit.called_at, visit.waited_s
        FROM view_bookings.booking LEFT JOIN view_queue.visit USING (booking)
        WHERE booking.office = %(office)s AND booking.status <> 'cancelled' AND NOT booking.unplaced
          AND booking.starts_at >= %(midnight)s AND booking.starts_at < %(midnight)s + interval '1 day'
        ORDER BY booking.starts_at, is_walk_in, visit.checked_in_at, booking
    """
    with connection.cursor(row_factory=class_row(Visit)) as cursor:
        asked = {"office": office, "midnight": datetime.combine(day, time(), RIYADH)}
        return cursor.execute(query, asked).fetchall()


def figures(visits: Sequence[Visit]) -> Figures:
    statuses = Counter(visit.status for visit in visits)
    waiting = sum(visit.waits for visit in visits)
    waits = [visit.waited_s for visit in visits if visit.waited_s is not None]
    return Figures(
        expected=statuses["confirmed"],
        checked_in=statuses["checked_in"],
        waiting=waiting,
        called=statuses["checked_in"] - waiting,
        served=statuses["served"],
        not_completed=statuses["not_completed"],
        no_show=statuses["no_show"],
        median_waited_s=median(waits) if waits else None,
        longest_waited_s=max(waits, default=None),
    )
