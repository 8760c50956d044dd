"""What the indicators of a measurement are made of, day by day, so that any period can be measured.

How each of them is made of it stands in projections/indicator_values.py.
"""

from collections.abc import Callable
from typing import Any

from psycopg import Cursor
from psycopg.rows import TupleRow

from domain.events import (
    BookingCancelled,
    BookingDisplacedIn,
    BookingDisplacedOut,
    BookingMovedIn,
    BookingMovedOut,
    CustomerCalled,
    DayPublished,
    Event,
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
from projections.log import Page
from projections.measurement_tally import Tally


class MeasurementInputs:
    name = "measurement_inputs"
    version = 2
    indexes = ""
    ddl = """
        CREATE TABLE office (office text PRIMARY KEY, live_from date);
        CREATE TABLE service (service text PRIMARY KEY, electronic boolean NOT NULL);
        CREATE TABLE published (
            office   text NOT NULL,
            day      date NOT NULL,
            first_on date NOT NULL,         -- the first day it was published with starts; 9999-12-31: never
            is_open  boolean NOT NULL,      -- as last published
            PRIMARY KEY (day, office)
        );
        CREATE TABLE slot (
            office    text NOT NULL,
            starts_at timestamptz NOT NULL,
            capacity  integer NOT NULL,     -- now
            PRIMARY KEY (starts_at, office)
        );
        CREATE TABLE booked (               -- first confirmations
            day        date NOT NULL,       -- when they were made
            lead_days  integer NOT NULL,    -- from that day to the visit's
            bookings   integer NOT NULL,
            reachable  integer NOT NULL,
            electronic integer NOT NULL,
            PRIMARY KEY (day, lead_days)
        ) WITH (fillfactor = 50);
        CREATE TABLE done (                 -- what else was done on a day
            day                date PRIMARY KEY,
            walk_ins           integer NOT NULL,
            late_cancellations integer NOT NULL
        ) WITH (fillfactor = 50);
        CREATE TABLE visit (
            office        text NOT NULL,
            day           date NOT NULL,
            pending       integer NOT NULL, -- stand here, neither cancelled nor with an outcome
            served        integer NOT NULL,
            not_completed integer NOT NULL,
            no_show       integer NOT NULL,
            served_units  integer NOT NULL,
            PRIMARY KEY (day, office)
        ) WITH (fillfactor = 50);
        CREATE TABLE outcome (              -- first ones, by when they were recorded
            office      text NOT NULL,
            day         date NOT NULL,      -- of the visit
            recorded_on date NOT NULL,
            visits      integer NOT NULL,
            PRIMARY KEY (day, office, recorded_on)
        );
        CREATE TABLE wait (
            day      date NOT NULL,
            waited_s integer NOT NULL,
            calls    integer NOT NULL,
            PRIMARY KEY (day, waited_s)
        );
        CREATE TABLE hour (                 -- minutes are bits, of all processes together
            since         timestamptz PRIMARY KEY,
            watched       bigint NOT NULL,
            ready         bigint NOT NULL,
            stale         bigint NOT NULL,
            confirmations bigint NOT NULL,
            prompt        bigint NOT NULL
        );
        CREATE TABLE reminded (             -- by the hour the reminders were first tried in
            since     timestamptz PRIMARY KEY,
            sent      integer NOT NULL,
            delivered integer NOT NULL
        );
        CREATE TABLE measurement (
            measurement text PRIMARY KEY,
            position    bigint NOT NULL,
            period_from date NOT NULL,
            period_to   date NOT NULL,
            is_complete boolean NOT NULL
        );
    """

    def fold(self, facts: Page, cursor: Cursor[TupleRow]) -> None:
        tally = Tally(cursor)
        for position, fact in facts:
            add = _ADD.get(type(fact.event))
            if add is not None:
                add(tally, position, fact, fact.event)
        tally.write()


_ADD: dict[type[Event], Callable[[Tally, int, Fact, Any], None]] = {
    SlotBooked: Tally.book,
    WalkedIn: Tally.walk_in,
    BookingMovedIn: Tally.arrive,
    BookingDisplacedIn: Tally.arrive,
    BookingMovedOut: Tally.move_out,
    BookingDisplacedOut: Tally.displace,
    BookingCancelled: Tally.cancel,
    OutcomeRecorded: Tally.record_outcome,
    OutcomeCorrected: Tally.correct_outcome,
    CustomerCalled: Tally.call,
    OfficeRegistered: Tally.register_office,
    LiveDateAnnounced: Tally.announce_live_date,
    ServiceRegistered: Tally.register_service,
    DayPublished: Tally.publish,
    SlotOpened: Tally.size,
    SlotResized: Tally.size,
    SlotWithdrawn: Tally.withdraw,
    HourOperated: Tally.operate,
    RemindersDelivered: Tally.remind,
    MeasurementMade: Tally.measure,
}
