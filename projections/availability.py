"""Free places by office, day and start. A claim counts until its end, by the clock of whoever reads."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

from psycopg import Connection, Cursor
from psycopg.rows import TupleRow, class_row

from domain.events import (
    BookingCancelled,
    BookingDisplacedIn,
    BookingDisplacedOut,
    BookingMovedIn,
    BookingMovedOut,
    DayPublished,
    Fact,
    HoldExpired,
    HoldReleased,
    PlaceClaimed,
    PlaceHeld,
    PlaceReturned,
    SlotBooked,
    SlotEvent,
    SlotOccupied,
    SlotOpened,
    SlotReleased,
    SlotResized,
    SlotWithdrawn,
    WalkedIn,
)
from domain.opening_hours import slots_of
from projections.arrays import booleans, columns, dates, instants, integers, texts, times, words
from projections.log import Page
from projections.projection import expect_rows

Start = tuple[str, datetime]  # office, start
Claim = tuple[str, datetime, str]  # office, start, hold or entry


class Availability:
    name = "availability"
    version = 3
    indexes = ""
    ddl = """
        CREATE TABLE slot (
            office    text NOT NULL,
            starts_at timestamptz NOT NULL,
            capacity  integer NOT NULL,
            taken     integer NOT NULL,
            withdrawn boolean NOT NULL,
            PRIMARY KEY (office, starts_at)
        ) WITH (fillfactor = 60);
        CREATE TABLE claim (
            office    text NOT NULL,
            starts_at timestamptz NOT NULL,
            claim     text NOT NULL,             -- a hold, or an entry of the waiting list
            until     timestamptz NOT NULL,      -- its end is told by the clock: compared when read
            PRIMARY KEY (office, starts_at, claim)
        );
        CREATE TABLE day (
            office  text NOT NULL,
            day     date NOT NULL,
            open    boolean NOT NULL,
            reason  text,
            name_ar text,
            name_en text,
            PRIMARY KEY (office, day)
        );
    """

    def fold(self, facts: Page, cursor: Cursor[TupleRow]) -> None:
        days: dict[tuple[str, date], DayPublished] = {}
        capacities: dict[Start, tuple[int, bool]] = {}
        taken: defaultdict[Start, int] = defaultdict(int)
        claims: dict[Claim, datetime | None] = {}
        for _, fact in facts:
            match fact.event:
                case (
                    SlotBooked(from_hold=True) | SlotBooked(from_waiting_list=True) | SlotOccupied(was_claimed=True)
                ) as event:
                    taken[event.office, event.starts_at] += 1
                    claims[_claim(event, fact)] = None
                case PlaceHeld(expires_at=until) | PlaceClaimed(until=until) as event:
                    claims[_claim(event, fact)] = until
                case HoldReleased() | HoldExpired() | PlaceReturned() as event:
                    claims[_claim(event, fact)] = None
                case SlotBooked() | SlotOccupied() | BookingMovedIn() | BookingDisplacedIn() | WalkedIn() as event:
                    taken[event.office, event.starts_at] += 1
                case BookingCancelled(unplaced=True) | BookingMovedOut(unplaced=True):
                    pass  # a closure had taken its place already
                case BookingCancelled() | SlotReleased() | BookingMovedOut() | BookingDisplacedOut() as event:
                    taken[event.office, event.starts_at] -= 1
                case SlotOpened(capacity=capacity) | SlotResized(capacity=capacity) as event:
                    capacities[event.office, event.starts_at] = capacity, False
                case SlotWithdrawn() as event:
                    capacities[event.office, event.starts_at] = 0, True
                case DayPublished() as event:
                    days[event.office, event.day] = event
        if days:
            _publish(days, cursor)
        if capacities:
            _resize(capacities, cursor)
        if taken:
            _take(taken, cursor)
        if claims:
            _claim_or_return(claims, cursor)


def _claim(event: SlotEvent, fact: Fact) -> Claim:
    assert fact.booking is not None
    return event.office, event.starts_at, fact.booking


def _claim_or_return(claims: dict[Claim, datetime | None], cursor: Cursor[TupleRow]) -> None:
    ended = [claim for claim, until in claims.items() if until is None]
    kept = [(*claim, until) for claim, until in claims.items() if until is not None]
    if ended:
        cursor.execute(
            """DELETE FROM claim
               USING unnest(%b::text[], %b::timestamptz[], %b::text[]) AS ended (office, starts_at, claim)
               WHERE (claim.office, claim.starts_at, claim.claim) = (ended.office, ended.starts_at, ended.claim)""",
            columns(ended, words, times, texts),
        )
    if kept:
        cursor.execute(
            """INSERT INTO claim SELECT * FROM unnest(%b::text[], %b::timestamptz[], %b::text[], %b::timestamptz[])
               ON CONFLICT (office, starts_at, claim) DO UPDATE SET until = excluded.until""",
            columns(kept, words, times, texts, instants),
        )


def _publish(days: dict[tuple[str, date], DayPublished], cursor: Cursor[TupleRow]) -> None:
    rows = [(d.office, d.day, bool(d.starts), d.reason, d.name_ar, d.name_en) for d in days.values()]
    cursor.execute(
        """INSERT INTO day (office, day, open, reason, name_ar, name_en)
           SELECT * FROM unnest(%b::text[], %b::date[], %b::boolean[], %b::text[], %b::text[], %b::text[])
           ON CONFLICT (office, day) DO UPDATE
           SET (open, reason, name_ar, name_en) =
               (excluded.open, excluded.reason, excluded.name_ar, excluded.name_en)""",
        columns(rows, words, dates, booleans, words, words, words),
    )


def _resize(capacities: dict[Start, tuple[int, bool]], cursor: Cursor[TupleRow]) -> None:
    rows = [(*start, *capacity) for start, capacity in capacities.items()]
    cursor.execute(
        """INSERT INTO slot (office, starts_at, capacity, withdrawn, taken)
           SELECT *, 0 FROM unnest(%b::text[], %b::timestamptz[], %b::integer[], %b::boolean[])
           ON CONFLICT (office, starts_at) DO UPDATE
           SET (capacity, withdrawn) = (excluded.capacity, excluded.withdrawn)""",
        columns(rows, words, times, integers, booleans),
    )


def _take(taken: dict[Start, int], cursor: Cursor[TupleRow]) -> None:
    rows = [(*start, change) for start, change in taken.items()]
    cursor.execute(
        """UPDATE slot SET taken = slot.taken + change.taken
           FROM unnest(%b::text[], %b::timestamptz[], %b::integer[]) AS change (office, starts_at, taken)
           WHERE slot.office = change.office AND slot.starts_at = change.starts_at""",
        columns(rows, words, times, integers),
    )
    expect_rows(cursor, len(rows))


# -- queries ----------------------------------------------------------------------------------------------------------


class Day(NamedTuple):
    date: date
    open: bool
    reason: str | None  # of a closed day: weekend, holiday, closure or not-published
    name_ar: str | None  # of the holiday; of a closure, what was announced
    name_en: str | None
    capacity: int  # places of the service, over all its starts; those of a longer service overlap
    free: int


class OpenStart(NamedTuple):
    starts_at: datetime
    free: int
    capacity: int


#: Starts of a service of n slots: all n must exist, be open, and follow each other; the least of them counts.
_STARTS = """
    SELECT starts_at, free, capacity FROM (
        SELECT starts_at, min(free) OVER visit AS free, min(capacity) OVER visit AS capacity,
               count(*) OVER visit AS slots
        FROM (
            SELECT slot.starts_at, slot.capacity,
                   greatest(slot.capacity - slot.taken - coalesce(claimed.places, 0), 0)::integer AS free
            FROM view_availability.slot
            LEFT JOIN (SELECT starts_at, count(*) AS places FROM view_availability.claim
                       WHERE office = %(office)s AND until > %(now)s GROUP BY starts_at) AS claimed USING (starts_at)
            WHERE slot.office = %(office)s AND NOT slot.withdrawn
              AND slot.starts_at >= %(first)s::date::timestamp AT TIME ZONE interval '3 hours'
              AND slot.starts_at < (%(last)s::date + 1)::timestamp AT TIME ZONE interval '3 hours'
        ) AS open
        WINDOW visit AS (ORDER BY starts_at
                         RANGE BETWEEN CURRENT ROW AND (%(slots)s - 1) * interval '15 minutes' FOLLOWING)
    ) AS first
    WHERE slots = %(slots)s
"""
_DAYS = (
    "WITH start AS ("
    + _STARTS
    + """), by_day AS (
        SELECT (starts_at AT TIME ZONE interval '3 hours')::date AS day, sum(free) AS free, sum(capacity) AS capacity
        FROM start GROUP BY 1
    )
    SELECT asked::date AS date, coalesce(day.open, by_day.day IS NOT NULL) AS open,
           CASE WHEN day.day IS NOT NULL THEN day.reason WHEN by_day.day IS NULL THEN 'not-published' END AS reason,
           day.name_ar, day.name_en,
           CASE WHEN day.open IS FALSE THEN 0 ELSE coalesce(by_day.capacity, 0) END AS capacity,
           CASE WHEN day.open IS FALSE THEN 0 ELSE coalesce(by_day.free, 0) END AS free
    FROM generate_series(%(first)s::date::timestamp, %(last)s::date, '1 day') AS asked
    LEFT JOIN view_availability.day ON day.office = %(office)s AND day.day = asked
    LEFT JOIN by_day ON by_day.day = asked
    ORDER BY asked
    """
)


def days(
    connection: Connection[TupleRow], office: str, minutes: int, first: date, last: date, *, now: datetime
) -> Sequence[Day]:
    """Each day from `first` to `last`, both included, in places of a service of `minutes`."""
    asked = {"office": office, "slots": slots_of(minutes), "first": first, "last": last, "now": now}
    with connection.cursor(row_factory=class_row(Day)) as cursor:
        return cursor.execute(_DAYS, asked).fetchall()


def starts(
    connection: Connection[TupleRow], office: str, minutes: int, day: date, *, now: datetime
) -> Sequence[OpenStart]:
    """The starts of a service of `minutes` on a day, in order; none on a closed one."""
    query = (
        "SELECT starts_at, free, capacity FROM ("
        + _STARTS
        + """) AS start
        WHERE NOT EXISTS (SELECT FROM view_availability.day
                          WHERE day.office = %(office)s AND day.day = %(first)s AND NOT day.open)
        ORDER BY starts_at"""
    )
    asked = {"office": office, "slots": slots_of(minutes), "first": day, "last": day, "now": now}
    with connection.cursor(row_factory=class_row(OpenStart)) as cursor:
        return cursor.execute(query, asked).fetchall()
