"""What happened, fact by fact, straight from the log: of one booking, one stream, one person."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from psycopg import Connection
from psycopg.rows import TupleRow

from domain import wire
from domain.events import Fact

POSITION_MAX: Final = 2**63 - 1

_BY_TAG = {
    tag: f"""
        SELECT position, type, at, recorded_at, stream, stream_version, person, booking, command_id, state
        FROM public.log WHERE {tag} = %s AND position > %s AND position <= %s ORDER BY position LIMIT %s
    """
    for tag in ("booking", "stream", "person")
}


class Told(NamedTuple):
    position: int
    type: str
    at: datetime  # what it was decided for
    recorded_at: datetime
    fact: Fact


def of_booking(
    connection: Connection[TupleRow], booking: str, *, after: int = 0, upto: int = POSITION_MAX, limit: int = 1000
) -> Sequence[Told]:
    """In the order of the log: positions after `after`, at most `upto`, the first `limit` of them. So too below."""
    return _told(connection, "booking", booking, after=after, upto=upto, limit=limit)


def last_position_of_booking(connection: Connection[TupleRow], booking: str, *, upto: int) -> int | None:
    """Of its latest fact; None: it has none up to there."""
    query = "SELECT max(position) FROM public.log WHERE booking = %s AND position <= %s"
    row = connection.execute(query, (booking, upto)).fetchone()
    return row[0] if row is not None else None


def of_stream(
    connection: Connection[TupleRow], stream: str, *, after: int = 0, upto: int = POSITION_MAX, limit: int = 1000
) -> Sequence[Told]:
    return _told(connection, "stream", stream, after=after, upto=upto, limit=limit)


def of_person(
    connection: Connection[TupleRow], person: str, *, after: int = 0, upto: int = POSITION_MAX, limit: int = 1000
) -> Sequence[Told]:
    return _told(connection, "person", person, after=after, upto=upto, limit=limit)


def all_of_person(connection: Connection[TupleRow], person: str, *, upto: int) -> Iterator[Told]:
    """However many there are, a page at a time."""
    after = 0
    while page := of_person(connection, person, after=after, upto=upto):
        yield from page
        after = page[-1].position


def _told(
    connection: Connection[TupleRow], tag: str, value: str, *, after: int, upto: int, limit: int
) -> Sequence[Told]:
    with connection.cursor(binary=True) as cursor:
        rows = cursor.execute(_BY_TAG[tag], (value, after, upto, limit)).fetchall()
    return [
        Told(
            position,
            topic,
            at,
            recorded_at,
            Fact(stream, version, at, command_id, person, booking, wire.decode(topic, state), position),
        )
        for position, topic, at, recorded_at, stream, version, person, booking, command_id, state in rows
    ]
