"""What a page of facts adds to the rows that a measurement is made of: put together first, then written."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

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
    CustomerCalled,
    DayPublished,
    Fact,
    HourOperated,
    LiveDateAnnounced,
    MeasurementMade,
    OfficeRegistered,
    OutcomeCorrected,
    OutcomeRecorded,
    RemindersDelivered,
    ServiceRegistered,
    SlotBooked,
    SlotOpened,
    SlotResized,
    SlotWithdrawn,
    WalkedIn,
)
from domain.opening_hours import SLOT_MINUTES
from domain.operation import minutes_of
from domain.policy import ELECTRONIC_CHANNELS
from projections.arrays import bigints, booleans, columns, dates, integers, times, words

_OfficeDay = tuple[str, date]
#: Columns of `visit`, in the order of the fold's tallies.
_PENDING, _UNITS = 0, 4
_OUTCOMES = {"served": 1, "not_completed": 2, "no_show": 3}


class _Rows:
    """How a table takes rows: those it has are changed by what comes."""

    def __init__(self, table: str, columns: str, key: str, change: str) -> None:
        names, types = zip(*(column.split() for column in columns.split(", ")), strict=True)
        unnested = ", ".join(f"%b::{kind}[]" for kind in types)
        self._packs = [_PACKS[kind] for kind in types]
        self._query = f"""INSERT INTO {table} ({", ".join(names)}) SELECT * FROM unnest({unnested})
                          ON CONFLICT ({key}) DO UPDATE SET {change}"""

    def write(self, rows: Sequence[tuple[Any, ...]], cursor: Cursor[TupleRow]) -> None:
        cursor.execute(self._query, columns(rows, *self._packs))


def _counting(table: str, key: str, *counts: str) -> _Rows:
    """Rows whose counts are added to those of the same key, which is told with its types."""
    change = ", ".join(f"{count} = {table}.{count} + excluded.{count}" for count in counts)
    names = ", ".join(column.split()[0] for column in key.split(", "))
    return _Rows(table, ", ".join([key, *[f"{count} integer" for count in counts]]), names, change)


_PACKS: dict[str, Callable[[Sequence[Any]], Any]] = {
    "text": words,
    "date": dates,
    "timestamptz": times,
    "integer": integers,
    "bigint": bigints,
    "boolean": booleans,
}
_BOOKED = _counting("booked", "day date, lead_days integer", "bookings", "reachable", "electronic")
_DONE = _counting("done", "day date", "walk_ins", "late_cancellations")
_VISIT = _counting("visit", "office text, day date", "pending", "served", "not_completed", "no_show", "served_units")
_OUTCOME = _counting("outcome", "office text, day date, recorded_on date", "visits")
_WAIT = _counting("wait", "day date, waited_s integer", "calls")
_REMINDED = _counting("reminded", "since timestamptz", "sent", "delivered")
_SLOT = _Rows(
    "slot", "office text, starts_at timestamptz, capacity integer", "starts_at, office", "capacity = excluded.capacity"
)
_PUBLISHED = _Rows(
    "published",
    "office text, day date, first_on date, is_open boolean",
    "day, office",
    "first_on = least(published.first_on, excluded.first_on), is_open = excluded.is_open",
)
_HOUR = _Rows(
    "hour",
    "since timestamptz, watched bigint, ready bigint, stale bigint, confirmations bigint, prompt bigint",
    "since",
    """watched = hour.watched | excluded.watched, ready = hour.ready | excluded.ready,
       stale = hour.stale | excluded.stale, confirmations = hour.confirmations + excluded.confirmations,
       prompt = hour.prompt + excluded.prompt""",
)


class Tally:
    """What one page of facts adds to the rows."""

    def __init__(self, cursor: Cursor[TupleRow]) -> None:
        self._cursor = cursor
        self.booked: dict[tuple[date, int], list[int]] = defaultdict(lambda: [0] * 3)
        self.done: dict[date, list[int]] = defaultdict(lambda: [0] * 2)
        self.visits: dict[_OfficeDay, list[int]] = defaultdict(lambda: [0] * 5)
        self.outcomes: dict[tuple[str, date, date], int] = defaultdict(int)
        self.waits: dict[tuple[date, int], int] = defaultdict(int)
        self.slots: dict[tuple[str, datetime], int] = {}
        self.published: dict[_OfficeDay, tuple[date, bool]] = {}
        self.reminded: dict[datetime, list[int]] = defaultdict(lambda: [0] * 2)
        self.hours: dict[datetime, list[int]] = defaultdict(lambda: [0] * 5)

    # -- bookings -----------------------------------------------------------------------------------------------------

    def book(self, _position: int, fact: Fact, event: SlotBooked) -> None:
        day, visit = local_date(fact.at), local_date(event.starts_at)
        booked = self.booked[day, (visit - day).days]
        booked[0] += 1
        booked[1] += event.reachable
        booked[2] += event.channel in ELECTRONIC_CHANNELS
        self.visits[event.office, visit][_PENDING] += 1

    def walk_in(self, _position: int, fact: Fact, event: WalkedIn) -> None:
        self.done[local_date(fact.at)][0] += 1
        self.visits[_visit(event)][_PENDING] += 1

    def arrive(self, _position: int, _fact: Fact, event: BookingMovedIn | BookingDisplacedIn) -> None:
        self.visits[_visit(event)][_PENDING] += 1

    def move_out(self, _position: int, _fact: Fact, event: BookingMovedOut) -> None:
        if not event.unplaced:
            self.visits[_visit(event)][_PENDING] -= 1

    def displace(self, _position: int, _fact: Fact, event: BookingDisplacedOut) -> None:
        """Whoever finds no other place is awaited on no day."""
        self.visits[_visit(event)][_PENDING] -= 1

    def cancel(self, _position: int, fact: Fact, event: BookingCancelled) -> None:
        if not event.unplaced:
            self.visits[_visit(event)][_PENDING] -= 1
        if event.late:
            self.done[local_date(fact.at)][1] += 1

    def record_outcome(self, _position: int, fact: Fact, event: OutcomeRecorded) -> None:
        office, day = visit = _visit(event)
        self.visits[visit][_PENDING] -= 1
        self.outcomes[office, day, local_date(fact.at)] += 1
        self._count(visit, event, event.outcome, 1)

    def correct_outcome(self, _position: int, _fact: Fact, event: OutcomeCorrected) -> None:
        visit = _visit(event)
        self._count(visit, event, event.corrected, -1)
        self._count(visit, event, event.outcome, 1)

    def call(self, _position: int, fact: Fact, event: CustomerCalled) -> None:
        self.waits[local_date(fact.at), event.waited_s] += 1

    def _count(self, visit: _OfficeDay, event: BookingEvent, outcome: str, by: int) -> None:
        counts = self.visits[visit]
        counts[_OUTCOMES[outcome]] += by
        if outcome == "served":
            counts[_UNITS] += by * (event.minutes // SLOT_MINUTES)

    # -- offices ------------------------------------------------------------------------------------------------------

    def register_office(self, _position: int, _fact: Fact, event: OfficeRegistered) -> None:
        self._cursor.execute("INSERT INTO office (office) VALUES (%s)", (event.office,))

    def announce_live_date(self, _position: int, _fact: Fact, event: LiveDateAnnounced) -> None:
        self._cursor.execute("UPDATE office SET live_from = %s WHERE office = %s", (event.live_from, event.office))

    def register_service(self, _position: int, _fact: Fact, event: ServiceRegistered) -> None:
        query = "INSERT INTO service (service, electronic) VALUES (%s, %s)"
        self._cursor.execute(query, (event.service, event.electronic))

    def publish(self, _position: int, fact: Fact, event: DayPublished) -> None:
        first_on, _ = self.published.get((event.office, event.day), (date.max, False))
        if event.starts:
            first_on = min(first_on, local_date(fact.at))
        self.published[event.office, event.day] = first_on, bool(event.starts)

    def size(self, _position: int, _fact: Fact, event: SlotOpened | SlotResized) -> None:
        self.slots[event.office, event.starts_at] = event.capacity

    def withdraw(self, _position: int, _fact: Fact, event: SlotWithdrawn) -> None:
        self.slots[event.office, event.starts_at] = 0

    # -- the service itself -------------------------------------------------------------------------------------------

    def operate(self, _position: int, _fact: Fact, event: HourOperated) -> None:
        watched = minutes_of(event.minutes_watched)
        hour = self.hours[event.since]
        hour[0] |= watched
        hour[1] |= minutes_of(event.minutes_ready)
        hour[2] |= watched & ~minutes_of(event.minutes_fresh)
        hour[3] += event.confirmations
        hour[4] += event.confirmations_prompt

    def remind(self, _position: int, _fact: Fact, event: RemindersDelivered) -> None:
        reminded = self.reminded[event.since]
        reminded[0] += event.sent
        reminded[1] += event.delivered

    def measure(self, position: int, _fact: Fact, event: MeasurementMade) -> None:
        self._cursor.execute(
            """INSERT INTO measurement (measurement, position, period_from, period_to, is_complete)
               VALUES (%s, %s, %s, %s, %s)""",
            (event.measurement, position, event.period_from, event.period_to, event.overall_index is not None),
        )

    # -- rows ---------------------------------------------------------------------------------------------------------

    def write(self) -> None:
        for rows, tallied in (
            (_BOOKED, _flat(self.booked)),
            (_DONE, [(day, *counts) for day, counts in self.done.items()]),
            (_VISIT, _flat(self.visits)),
            (_OUTCOME, [(*key, visits) for key, visits in self.outcomes.items()]),
            (_WAIT, [(*key, calls) for key, calls in self.waits.items()]),
            (_SLOT, [(*key, capacity) for key, capacity in self.slots.items()]),
            (_PUBLISHED, _flat(self.published)),
            (_REMINDED, [(since, *counts) for since, counts in self.reminded.items()]),
            (_HOUR, [(since, *of) for since, of in self.hours.items()]),
        ):
            if tallied:
                rows.write(tallied, self._cursor)


def _visit(event: BookingEvent) -> _OfficeDay:
    return event.office, local_date(event.starts_at)


def _flat(tallies: Mapping[tuple[Any, Any], Sequence[object]]) -> list[tuple[object, ...]]:
    return [(*key, *counts) for key, counts in tallies.items()]
