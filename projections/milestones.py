"""Thresholds of the running count, and the booking that crossed each, exactly once: by a count of this view's own."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from psycopg import Connection, Cursor
from psycopg.rows import TupleRow, class_row

from domain.events import SlotBooked
from domain.policy import ELECTRONIC_CHANNELS, milestone_after
from projections.log import Page


class Milestone(NamedTuple):
    threshold: int  # of first confirmations over electronic channels (POL-20)
    booking: str
    position: int  # of the fact that crossed it
    at: datetime


class Milestones:
    name = "milestones"
    version = 1
    indexes = ""
    ddl = """
        CREATE TABLE tally (
            only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
            count    bigint NOT NULL
        );
        INSERT INTO tally (count) VALUES (0);
        CREATE TABLE milestone (
            threshold bigint PRIMARY KEY,
            booking   text NOT NULL,
            position  bigint NOT NULL,
            at        timestamptz NOT NULL
        );
    """

    def fold(self, facts: Page, cursor: Cursor[TupleRow]) -> None:
        confirmed = [
            (position, fact)
            for position, fact in facts
            if isinstance(fact.event, SlotBooked) and fact.event.channel in ELECTRONIC_CHANNELS
        ]
        if not confirmed:
            return
        cursor.execute("UPDATE tally SET count = count + %s RETURNING count", (len(confirmed),))
        row = cursor.fetchone()
        assert row is not None
        count: int = row[0]
        before = count - len(confirmed)
        threshold = milestone_after(before)
        while threshold <= count:
            position, fact = confirmed[threshold - before - 1]
            cursor.execute(
                "INSERT INTO milestone (threshold, booking, position, at) VALUES (%s, %s, %s, %s)",
                (threshold, fact.booking, position, fact.at),
            )
            threshold = milestone_after(threshold)


# -- queries ----------------------------------------------------------------------------------------------------------


class Ladder(NamedTuple):
    milestones: Sequence[Milestone]  # crossed, in order
    next_threshold: int
    running: int


def upto(connection: Connection[TupleRow], position: int) -> Sequence[Milestone]:
    """Those crossed up to a position that the view has seen, in order."""
    query = """
        SELECT threshold, booking, position, at FROM view_milestones.milestone WHERE position <= %s ORDER BY threshold
    """
    with connection.cursor(row_factory=class_row(Milestone)) as cursor:
        return cursor.execute(query, (position,)).fetchall()


def ladder(connection: Connection[TupleRow]) -> Ladder:
    """Within a snapshot, or count and milestones may be of different moments."""
    query = "SELECT threshold, booking, position, at FROM view_milestones.milestone ORDER BY threshold"
    with connection.cursor(row_factory=class_row(Milestone)) as cursor:
        milestones = cursor.execute(query).fetchall()
    row = connection.execute("SELECT count FROM view_milestones.tally").fetchone()
    assert row is not None
    return Ladder(milestones, milestone_after(row[0]), row[0])
