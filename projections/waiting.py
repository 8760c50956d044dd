"""The waiting lists: who is in line, what they were offered, and how it ended."""

from datetime import date, datetime
from typing import NamedTuple

from psycopg import Connection, Cursor
from psycopg.rows import TupleRow, class_row

from domain.calendar import local_date
from domain.events import PlaceOffered, WaitingListJoined, WaitingListLeft
from projections.arrays import bigints, columns, dates, instants, texts, times, words
from projections.log import Page
from projections.projection import expect_rows


class Waiting:
    name = "waiting"
    version = 1
    ddl = """
        CREATE TABLE entry (
            entry      text PRIMARY KEY,
            person     text NOT NULL,
            office     text NOT NULL,
            service    text NOT NULL,
            since      date NOT NULL,
            until      date NOT NULL,
            joined     bigint NOT NULL,  -- position: the order of the line
            status     text NOT NULL,    -- waiting, offered, or why it left
            starts_at  timestamptz,      -- of what was offered last
            expires_at timestamptz
        );
    """
    indexes = """
        CREATE INDEX entry_line ON entry (office, service, joined) WHERE status IN ('waiting', 'offered');
        CREATE INDEX entry_person ON entry (person);
    """

    def fold(self, facts: Page, cursor: Cursor[TupleRow]) -> None:
        joined: list[tuple[object, ...]] = []
        changed: dict[str, tuple[str, PlaceOffered | None]] = {}
        for position, fact in facts:
            match fact.event:
                case WaitingListJoined() as event:
                    told = (fact.booking, fact.person, event.office, event.service, event.since, event.until)
                    joined.append((*told, position))
                case PlaceOffered() as event:
                    assert fact.booking is not None
                    changed[fact.booking] = "offered", event
                case WaitingListLeft(reason=reason):
                    assert fact.booking is not None
                    changed[fact.booking] = reason, changed.get(fact.booking, ("", None))[1]
        if joined:
            cursor.execute(
                """INSERT INTO entry (entry, person, office, service, since, until, joined, status)
                   SELECT *, 'waiting' FROM unnest(%b::text[], %b::text[], %b::text[], %b::text[], %b::date[],
                                                   %b::date[], %b::bigint[])""",
                columns(joined, texts, texts, words, words, dates, dates, bigints),
            )
        if changed:
            rows = [
                (entry, status, offer and offer.starts_at, offer and offer.expires_at)
                for entry, (status, offer) in changed.items()
            ]
            cursor.execute(
                """UPDATE entry SET status = now.status, starts_at = coalesce(now.starts_at, entry.starts_at),
                                    expires_at = coalesce(now.expires_at, entry.expires_at)
                   FROM unnest(%b::text[], %b::text[], %b::timestamptz[], %b::timestamptz[])
                        AS now (entry, status, starts_at, expires_at)
                   WHERE entry.entry = now.entry""",
                columns(rows, texts, words, times, instants),
            )
            expect_rows(cursor, len(rows))


# -- queries ----------------------------------------------------------------------------------------------------------


class EntryRow(NamedTuple):
    entry: str
    person: str
    office: str
    service: str
    since: date
    until: date
    joined: int
    status: str
    starts_at: datetime | None
    expires_at: datetime | None
    place: int  # in line, 1 for the first; of those who still wait or have an offer

    def status_at(self, now: datetime) -> str:
        """By the clock of whoever reads: an offer ends at its instant, a window with its last day."""
        if self.status == "offered" and self.expires_at is not None and self.expires_at <= now:
            return "lapsed"
        if self.status == "waiting" and self.until < local_date(now):
            return "window_ended"
        return self.status


_ENTRY = """
    SELECT entry.*, 1 + (SELECT count(*) FROM view_waiting.entry AS other
                         WHERE other.office = entry.office AND other.service = entry.service
                           AND other.joined < entry.joined AND other.status IN ('waiting', 'offered'))::integer AS place
    FROM view_waiting.entry
"""


def by_id(connection: Connection[TupleRow], entry: str) -> EntryRow | None:
    with connection.cursor(row_factory=class_row(EntryRow)) as cursor:
        return cursor.execute(_ENTRY + "WHERE entry.entry = %s", (entry,)).fetchone()
