"""What each fact changes in the counts of bookings; kept one by one, they give the counts of any place of the log."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Final, NamedTuple

from psycopg import Cursor, sql
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

_OUTCOMES: Final = ("served", "not_completed", "no_show")


def _counts(confirmed: int, counter: str | None = None, *, corrected: str | None = None) -> Counts:
    changed = [(name == counter) - (name == corrected) for name in COUNTERS[1:]]
    return (confirmed, *changed)  # type: ignore[return-value] # mypy does not count a list's elements


#: By the number that a row has for it.
KINDS: Final[dict[int, Counts]] = {
    1: _counts(1, "made"),
    2: _counts(1, "rescheduled"),  # to here
    3: _counts(1),  # displaced to here: no counter but where it is live
    4: _counts(-1),  # moved or displaced from here
    5: _counts(-1, "cancelled"),
    **{6 + n: _counts(-1, outcome) for n, outcome in enumerate(_OUTCOMES)},
    **{
        9 + 3 * n + m: _counts(0, outcome, corrected=corrected)
        for n, corrected in enumerate(_OUTCOMES)
        for m, outcome in enumerate(_OUTCOMES)
    },
}
_MADE, _MOVED_IN, _HERE, _GONE, _CANCELLED = range(1, 6)
_RECORDED: Final = {outcome: 6 + n for n, outcome in enumerate(_OUTCOMES)}
_CORRECTED: Final = {
    (corrected, outcome): 9 + 3 * n + m for n, corrected in enumerate(_OUTCOMES) for m, outcome in enumerate(_OUTCOMES)
}

#: A row a change: as many as bookings have facts, in the order of the log, and so as narrow as can be.
DDL: Final = """
    CREATE TABLE change (
        position  bigint PRIMARY KEY,
        starts_at timestamptz NOT NULL,  -- of the visit
        made_date date,                  -- NULL: nothing that counts by the day it was done
        minutes   smallint NOT NULL,
        kind      smallint NOT NULL,     -- which counters it changes: projections/changes.py, KINDS
        office    text NOT NULL,
        service   text NOT NULL,
        channel   text NOT NULL
    );
"""
#: The rows up to a position, with the columns that the counts of the present have.
UPTO: Final = sql.SQL(
    """(SELECT change.*, starts_at + minutes * interval '1 minute' AS ends_at, {counters}
        FROM view_totals.change JOIN (VALUES {kinds}) AS counts (kind, {counters}) USING (kind)
        WHERE position <= %(upto)s)"""
).format(
    counters=sql.SQL(", ").join(map(sql.Identifier, COUNTERS)),
    kinds=sql.SQL(", ").join(
        sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Literal, (kind, *counts)))) for kind, counts in KINDS.items()
    ),
)


class Change(NamedTuple):
    position: int
    event: BookingEvent  # where its booking stood: made where it was made, moved where it went
    day: date | None  # the office's date of the fact; of a correction, the outcome's
    kind: int


def changes(facts: Iterable[tuple[int, Fact]]) -> list[Change]:
    """Of the facts that change any count, in their order."""
    return [
        Change(position, fact.event, *change)
        for position, fact in facts
        if isinstance(fact.event, BookingEvent) and (change := _change(fact, fact.event)) is not None
    ]


def _change(fact: Fact, event: BookingEvent) -> tuple[date | None, int] | None:
    match event:
        case SlotBooked() | WalkedIn():
            return local_date(fact.at), _MADE
        case BookingMovedOut() | BookingDisplacedOut(to_starts_at=datetime()):
            return None, _GONE
        case BookingMovedIn():
            return local_date(fact.at), _MOVED_IN
        case BookingDisplacedIn():
            return None, _HERE
        case BookingCancelled():
            return local_date(fact.at), _CANCELLED
        case OutcomeRecorded(outcome=outcome):
            return local_date(fact.at), _RECORDED[outcome]
        case OutcomeCorrected(corrected=corrected, outcome=outcome, outcome_at=outcome_at):
            return local_date(outcome_at), _CORRECTED[corrected, outcome]
    return None


def keep(found: Iterable[Change], cursor: Cursor[TupleRow]) -> None:
    rows = [
        (position, event.starts_at, day, event.minutes, kind, event.office, event.service, event.channel)
        for position, event, day, kind in found
    ]
    cursor.execute(
        """INSERT INTO change (position, starts_at, made_date, minutes, kind, office, service, channel)
           SELECT * FROM unnest(%b::bigint[], %b::timestamptz[], %b::date[], %b::integer[], %b::integer[], %b::text[],
                                %b::text[], %b::text[])""",
        columns(rows, bigints, times, dates, integers, integers, words, words, words),
    )
