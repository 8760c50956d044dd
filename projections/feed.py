"""The log itself, event by event: for auditors, and for other systems that follow it. `state` is what is stored."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from psycopg import Connection, sql
from psycopg.rows import TupleRow, class_row

from projections.projection import AsOf


class StoredEvent(NamedTuple):
    position: int
    stream: str
    stream_version: int
    type: str
    person: str | None
    booking: str | None
    command_id: bytes | None
    at: datetime  # the time it was decided for
    recorded_at: datetime  # by the system's clock
    state: bytes  # JSON, byte for byte what its leaf was hashed over


class Only(NamedTuple):
    """Which events are wanted; None: any."""

    stream: str | None = None
    type: str | None = None
    since: datetime | None = None  # of `at`
    until: datetime | None = None  # of `at`, not included


EVERYTHING = Only()
_CONDITIONS = {
    "stream": sql.SQL("stream = %(stream)s"),
    "type": sql.SQL("type = %(type)s"),
    "since": sql.SQL("at >= %(since)s"),
    "until": sql.SQL("at < %(until)s"),
}
_EVENTS = sql.SQL(
    """
    SELECT position, stream, stream_version, type, person, booking, command_id, at, recorded_at, state
    FROM public.log WHERE position > %(after)s AND position <= %(upto)s {only} ORDER BY position LIMIT %(limit)s
    """
)


def events(
    connection: Connection[TupleRow], *, after: int, upto: int, limit: int, only: Only = EVERYTHING
) -> Sequence[StoredEvent]:
    """The next events after a position, up to another, in order: at most `limit` of those wanted."""
    wanted = {name: value for name, value in only._asdict().items() if value is not None}
    conditions = [sql.SQL("AND {}").format(_CONDITIONS[name]) for name in wanted]
    asked = {"after": after, "upto": upto, "limit": limit} | wanted
    with connection.cursor(binary=True, row_factory=class_row(StoredEvent)) as cursor:
        return cursor.execute(_EVENTS.format(only=sql.SQL(" ").join(conditions)), asked).fetchall()


def end(connection: Connection[TupleRow]) -> AsOf:
    """The last event of the log: its position, and the time it was decided for."""
    query = "SELECT log_head.position, log.at FROM public.log_head LEFT JOIN public.log USING (position)"
    row = connection.execute(query).fetchone()
    assert row is not None
    return AsOf(*row)


def at_position(connection: Connection[TupleRow], position: int) -> AsOf:
    """A place of the log. 0: before everything."""
    row = connection.execute("SELECT at FROM public.log WHERE position = %s", (position,)).fetchone()
    return AsOf(position, row[0] if row is not None else None)
