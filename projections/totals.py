"""Counts of bookings by office, service, channel and visit, or by the day something was done; the running count."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple, TypeVar

from psycopg import Connection, Cursor, sql
from psycopg.rows import TupleRow

from projections import blocks, changes
from projections.arrays import columns, dates, integers, times, words
from projections.changes import KINDS, Counts
from projections.log import Page

_VisitKey = tuple[str, str, str, datetime, int]  # office, service, channel, start, minutes
_DoneKey = tuple[str, str, str, date]  # office, service, channel, day
_Key = TypeVar("_Key", _VisitKey, _DoneKey)


class Totals:
    name = "totals"
    version = 4
    indexes = ""
    ddl = f"""
        CREATE TABLE visit (  -- each fact counts where its booking stood: made where it was made, moved where it went
            office        text NOT NULL,
            service       text NOT NULL,
            channel       text NOT NULL,
            starts_at     timestamptz NOT NULL,
            ends_at       timestamptz NOT NULL,
            confirmed     integer NOT NULL,  -- stand here now, neither cancelled nor with an outcome
            made          integer NOT NULL,  -- first confirmations, and walk-ins
            cancelled     integer NOT NULL,
            rescheduled   integer NOT NULL,  -- to here
            served        integer NOT NULL,
            not_completed integer NOT NULL,
            no_show       integer NOT NULL,
            PRIMARY KEY (starts_at, office, service, channel, ends_at)
        ) WITH (fillfactor = 70);
        CREATE TABLE done (  -- the same facts by the office's date of their own `at`; a correction by the outcome's
            office        text NOT NULL,
            service       text NOT NULL,
            channel       text NOT NULL,
            made_date     date NOT NULL,
            made          integer NOT NULL,
            cancelled     integer NOT NULL,
            rescheduled   integer NOT NULL,
            served        integer NOT NULL,
            not_completed integer NOT NULL,
            no_show       integer NOT NULL,
            PRIMARY KEY (made_date, office, service, channel)
        ) WITH (fillfactor = 50);
        CREATE TABLE running (
            only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
            count    bigint NOT NULL  -- first confirmations over electronic channels, ever (POL-20)
        );
        INSERT INTO running (count) VALUES (0);
        {changes.DDL}
        {blocks.DDL}
    """

    def fold(self, facts: Page, cursor: Cursor[TupleRow]) -> None:
        visits: dict[_VisitKey, list[int]] = {}
        done: dict[_DoneKey, list[int]] = {}
        found = changes.changes(facts)
        for _, event, day, kind in found:
            counts = KINDS[kind]
            key = event.office, event.service, event.channel, event.starts_at, event.minutes
            _add(visits, key, counts)
            if day is not None:
                _add(done, (event.office, event.service, event.channel, day), counts)
        if found:
            _add_visits(visits, cursor)
            changes.keep(found, cursor)
        if done:
            _add_done(done, cursor)
        if electronic := blocks.keep(facts, cursor):
            cursor.execute("UPDATE running SET count = count + %s", (electronic,))


def _add(tally: dict[_Key, list[int]], key: _Key, counts: Counts) -> None:
    if (sums := tally.get(key)) is None:
        tally[key] = list(counts)
    else:
        for counter, change in enumerate(counts):
            sums[counter] += change


def _add_visits(visits: Mapping[_VisitKey, list[int]], cursor: Cursor[TupleRow]) -> None:
    rows = [(*key, *counts) for key, counts in visits.items()]
    cursor.execute(
        """INSERT INTO visit (office, service, channel, starts_at, ends_at,
                              confirmed, made, cancelled, rescheduled, served, not_completed, no_show)
           SELECT office, service, channel, starts_at, starts_at + minutes * interval '1 minute',
                  confirmed, made, cancelled, rescheduled, served, not_completed, no_show
           FROM unnest(%b::text[], %b::text[], %b::text[], %b::timestamptz[], %b::integer[], %b::integer[],
                       %b::integer[], %b::integer[], %b::integer[], %b::integer[], %b::integer[], %b::integer[])
                AS change (office, service, channel, starts_at, minutes, confirmed, made, cancelled, rescheduled,
                           served, not_completed, no_show)
           ON CONFLICT (starts_at, office, service, channel, ends_at) DO UPDATE
           SET confirmed = visit.confirmed + excluded.confirmed, made = visit.made + excluded.made,
               cancelled = visit.cancelled + excluded.cancelled,
               rescheduled = visit.rescheduled + excluded.rescheduled, served = visit.served + excluded.served,
               not_completed = visit.not_completed + excluded.not_completed,
               no_show = visit.no_show + excluded.no_show""",
        columns(rows, words, words, words, times, *[integers] * 8),
    )


def _add_done(done: Mapping[_DoneKey, list[int]], cursor: Cursor[TupleRow]) -> None:
    rows = [(*key, *counts[1:]) for key, counts in done.items()]
    cursor.execute(
        """INSERT INTO done (office, service, channel, made_date,
                             made, cancelled, rescheduled, served, not_completed, no_show)
           SELECT * FROM unnest(%b::text[], %b::text[], %b::text[], %b::date[], %b::integer[], %b::integer[],
                                %b::integer[], %b::integer[], %b::integer[], %b::integer[])
           ON CONFLICT (made_date, office, service, channel) DO UPDATE
           SET made = done.made + excluded.made, cancelled = done.cancelled + excluded.cancelled,
               rescheduled = done.rescheduled + excluded.rescheduled, served = done.served + excluded.served,
               not_completed = done.not_completed + excluded.not_completed,
               no_show = done.no_show + excluded.no_show""",
        columns(rows, words, words, words, dates, *[integers] * 6),
    )


# -- queries ----------------------------------------------------------------------------------------------------------


class Total(NamedTuple):
    group: dict[str, Any]  # what it was asked by → value: text, a date, or the hour as a number
    live: int | None  # active: confirmed, end not past. None by made_date: those who stay booked do nothing on any day
    made: int
    cancelled: int
    rescheduled: int
    served: int
    not_completed: int
    no_show: int


NARROWING = ("office", "service", "sector", "region", "channel")
_DIMENSIONS = {
    "office": sql.SQL("counted.office"),
    "service": sql.SQL("counted.service"),
    "channel": sql.SQL("counted.channel"),
    "sector": sql.SQL("service.sector"),
    "region": sql.SQL("office.region"),
    "date": sql.SQL("(counted.starts_at AT TIME ZONE interval '3 hours')::date"),
    "hour": sql.SQL("extract(hour FROM counted.starts_at AT TIME ZONE interval '3 hours')::integer"),
    "made_date": sql.SQL("counted.made_date"),
}
_TOTALS = sql.SQL(
    """
    SELECT {by} {live},
           coalesce(sum(made), 0)::bigint, coalesce(sum(cancelled), 0)::bigint,
           coalesce(sum(rescheduled), 0)::bigint, coalesce(sum(served), 0)::bigint,
           coalesce(sum(not_completed), 0)::bigint, coalesce(sum(no_show), 0)::bigint
    FROM {table} AS counted
    LEFT JOIN view_catalogue.office ON office.office = counted.office
    LEFT JOIN view_catalogue.service ON service.service = counted.service
    WHERE {where}
    {group}
    """
)
_LIVE = sql.SQL("coalesce(sum(confirmed) FILTER (WHERE ends_at > %(now)s), 0)::bigint")
#: The visit's own column is compared, not its date: so its index serves.
_VISIT_FROM = sql.SQL("starts_at >= %(date_from)s::date::timestamp AT TIME ZONE interval '3 hours'")
_VISIT_TO = sql.SQL("starts_at < (%(date_to)s::date + 1)::timestamp AT TIME ZONE interval '3 hours'")
_DONE_FROM, _DONE_TO = sql.SQL("made_date >= %(date_from)s"), sql.SQL("made_date <= %(date_to)s")


def totals(
    connection: Connection[TupleRow],
    by: Sequence[str],
    *,
    now: datetime,
    date_from: date | None = None,
    date_to: date | None = None,
    upto: int | None = None,
    **only: Collection[str],
) -> Sequence[Total]:
    """Counts grouped by any of `_DIMENSIONS`; by none, one row. The dates are the visit's, or those of `made_date`.
    `upto`: as of that position, which the view has seen; then `now` is the time it was.

    `only`: names of NARROWING and the values wanted. Raises ValueError for what cannot be asked.
    """
    _refuse_unaskable(by, only)
    by_made_date = "made_date" in by
    where: list[sql.Composable] = [
        sql.SQL("{} = ANY({})").format(_DIMENSIONS[name], sql.Placeholder(name)) for name in only
    ]
    if date_from is not None:
        where.append(_DONE_FROM if by_made_date else _VISIT_FROM)
    if date_to is not None:
        where.append(_DONE_TO if by_made_date else _VISIT_TO)
    table: sql.Composable = sql.Identifier("view_totals", "done" if by_made_date else "visit")
    if upto is not None:
        table = changes.UPTO
        if by_made_date:
            where.append(sql.SQL("made_date IS NOT NULL"))
    groups = sql.SQL(", ").join(_DIMENSIONS[name] for name in by)
    query = _TOTALS.format(
        by=sql.SQL("{},").format(groups) if by else sql.SQL(""),
        live=sql.SQL("NULL::bigint") if by_made_date else _LIVE,
        table=table,
        where=sql.SQL(" AND ").join(where) if where else sql.SQL("true"),
        group=sql.SQL("GROUP BY {} ORDER BY {}").format(groups, groups) if by else sql.SQL(""),
    )
    asked: dict[str, Any] = {name: list(wanted) for name, wanted in only.items()}
    asked |= {"now": now, "date_from": date_from, "date_to": date_to, "upto": upto}
    rows = connection.execute(query, asked).fetchall()
    return [Total(dict(zip(by, row, strict=False)), *row[len(by) :]) for row in rows]


def _refuse_unaskable(by: Sequence[str], only: Collection[str]) -> None:
    for name in by:
        if name not in _DIMENSIONS:
            raise ValueError(f"there is no grouping by {name}: ask for some of {', '.join(_DIMENSIONS)}")
        if by.count(name) > 1:
            raise ValueError(f"{name} is asked for twice")
    for name in only:
        if name not in NARROWING:
            raise ValueError(f"totals cannot be narrowed by {name}: only by {', '.join(NARROWING)}")
    if "made_date" in by and ("date" in by or "hour" in by):
        raise ValueError("made_date is the day something was done, date and hour are the visit's: ask for them apart")


def running_count(connection: Connection[TupleRow], *, upto: int | None = None) -> int:
    """First confirmations over electronic channels, ever (POL-20), or up to a position that the view has seen."""
    if upto is not None:
        return blocks.electronic_upto(connection, upto)
    row = connection.execute("SELECT count FROM view_totals.running").fetchone()
    assert row is not None
    count: int = row[0]
    return count
