"""What each fact changes in the counts of bookings; kept one by one, they give the counts of any place of the log."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Final, NamedTuple

from psycopg import Cursor
from psycopg.rows import TupleRow

from domain.calendar import local_date
from domain.events import (
    BookingCancelled,
    BookingDisplacedIn,
    BookingDisplacedOut,
    BookingEvent,
    BookingMovedIn,
    BookingMovedOut,
    Fact,
    OutcomeCorrected,
    OutcomeRecorded,
    SlotBooked,
    WalkedIn,
)
from projections.arrays import bigints, columns, dates, integers, times, words

#: In the order of every tally; the first is of a visit only, not of the day on which something was done.
COUNTERS: Final = ("confirmed", "made", "cancelled", "rescheduled", "served", "not_completed", "no_show")
Counts = tuple[int, int, int, int, int, int, int]

_MADE: Final[Counts] = (1, 1, 0, 0, 0, 0, 0)
_CANCELLED: Final[Counts] = (-1, 0, 1, 0, 0, 0, 0)
_MOVED_IN: Final[Counts] = (1, 0, 0, 1, 0, 0, 0)
_HERE: Final[Counts] = (1, 0, 0, 0, 0, 0, 0)
_GONE: Final[Counts] = (-1, 0, 0, 0, 0, 0, 0)
_OUTCOMES: Final = ("served", "not_completed", "no_show")

#: A row a change: as many as bookings have facts, in the order of the log.
DDL: Final = """
    CREATE TABLE change (
        position      bigint PRIMARY KEY,
        office        text NOT NULL,
        service       text NOT NULL,
        channel       text NOT NULL,
        starts_at     timestamptz NOT NULL,  -- of the visit
        ends_at       timestamptz NOT NULL,
        made_date     date,                  -- NULL: nothing that counts by the day it was done
        confirmed     smallint NOT NULL,
        made          smallint NOT NULL,
        cancelled     smallint NOT NULL,
        rescheduled   smallint NOT NULL,
        served        smallint NOT NULL,
        not_completed smallint NOT NULL,
        no_show       smallint NOT NULL
    );
"""


class Change(NamedTuple):
    position: int
    event: BookingEvent  # where its booking stood: made where it was made, moved where it went
    day: date | None  # the office's date of the fact; of a correction, the outcome's
    counts: Counts


def changes(facts: Iterable[tuple[int, Fact]]) -> list[Change]:
    """Of the facts that change any count, in their order."""
    return [
        Change(position, fact.event, *change)
        for position, fact in facts
        if isinstance(fact.event, BookingEvent) and (change := _change(fact, fact.event)) is not None
    ]


def _change(fact: Fact, event: BookingEvent) -> tuple[date | None, Counts] | None:
    match event:
        case SlotBooked() | WalkedIn():
            return local_date(fact.at), _MADE
        case BookingMovedOut() | BookingDisplacedOut(to_starts_at=datetime()):
            return None, _GONE
        case BookingDisplacedIn():  # no counter but where it is live
            return None, _HERE
        case BookingMovedIn():
            return local_date(fact.at), _MOVED_IN
        case BookingCancelled():
            return local_date(fact.at), _CANCELLED
        case OutcomeRecorded(outcome=outcome):
            return local_date(fact.at), _outcome(-1, outcome, None)
        case OutcomeCorrected(corrected=corrected, outcome=outcome, outcome_at=outcome_at):
            return local_date(outcome_at), _outcome(0, outcome, corrected)
    return None


def _outcome(confirmed: int, outcome: str, corrected: str | None) -> Counts:
    served, not_completed, no_show = ((name == outcome) - (name == corrected) for name in _OUTCOMES)
    return confirmed, 0, 0, 0, served, not_completed, no_show


def keep(found: Iterable[Change], cursor: Cursor[TupleRow]) -> None:
    rows = [
        (position, event.office, event.service, event.channel, event.starts_at, event.minutes, day, *counts)
        for position, event, day, counts in found
    ]
    cursor.execute(
        """INSERT INTO change (position, office, service, channel, starts_at, ends_at, made_date,
                               confirmed, made, cancelled, rescheduled, served, not_completed, no_show)
           SELECT position, office, service, channel, starts_at, starts_at + minutes * interval '1 minute', made_date,
                  confirmed, made, cancelled, rescheduled, served, not_completed, no_show
           FROM unnest(%b::bigint[], %b::text[], %b::text[], %b::text[], %b::timestamptz[], %b::integer[], %b::date[],
                       %b::integer[], %b::integer[], %b::integer[], %b::integer[], %b::integer[], %b::integer[],
                       %b::integer[])
                AS change (position, office, service, channel, starts_at, minutes, made_date, confirmed, made,
                           cancelled, rescheduled, served, not_completed, no_show)""",
        columns(rows, bigints, words, words, words, times, integers, dates, *[integers] * 7),
    )
