"""What happened, fact by fact, straight from the log: of one booking, one stream, one person."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from itertools import starmap
from typing import Final, Literal, NamedTuple

from psycopg import Connection
from psycopg.rows import TupleRow

from domain import wire
from domain.events import Fact

POSITION_MAX: Final = 2**63 - 1

Tag = Literal["booking", "stream", "person"]

_FACTS = """
    SELECT position, type, at, recorded_at, stream, stream_version, person, booking, command_id, state
    FROM public.log
"""
_BY_TAG: Final[dict[Tag, str]] = {
    "booking": _FACTS + "WHERE booking = %s AND position > %s AND position <= %s ORDER BY position LIMIT %s",
    "stream": _FACTS + "WHERE stream = %s AND position > %s AND position <= %s ORDER BY position LIMIT %s",
    "person": _FACTS + "WHERE person = %s AND position > %s AND position <= %s ORDER BY position LIMIT %s",
}
_OF_SLOTS: Final = _FACTS + (
    "WHERE stream BETWEEN %s AND %s AND starts_with(stream, %s) AND position <= %s ORDER BY stream, stream_version"
)
_OF_BOOKINGS: Final = _FACTS + "WHERE booking = ANY(%s) AND position <= %s ORDER BY position"


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
    return all_of(connection, "person", person, upto=upto)


def all_of(connection: Connection[TupleRow], tag: Tag, value: str, *, upto: int) -> Iterator[Told]:
    """However many there are, a page at a time."""
    after = 0
    while page := _told(connection, tag, value, after=after, upto=upto, limit=1000):
        yield from page
        after = page[-1].position


def is_known(connection: Connection[TupleRow], tag: Tag, value: str) -> bool:
    """Whether the log has any fact of it."""
    return bool(_told(connection, tag, value, after=0, upto=POSITION_MAX, limit=1))


def of_slots(connection: Connection[TupleRow], office: str, first: date, last: date, *, upto: int) -> Sequence[Fact]:
    """Of an office's starts from `first` to `last`, both included, start by start, each in its order."""
    # A range of the index by stream. Where the database's collation is not C it may hold other streams too.
    slots = f"slot/{office}@"
    asked = (f"{slots}{first}T00:00", f"{slots}{last}T23:59", slots, upto)
    with connection.cursor(binary=True) as cursor:
        return list(starmap(_fact, cursor.execute(_OF_SLOTS, asked)))


def of_bookings(connection: Connection[TupleRow], bookings: Iterable[str], *, upto: int) -> Sequence[Fact]:
    """Of all of them, in the order of the log."""
    with connection.cursor(binary=True) as cursor:
        return list(starmap(_fact, cursor.execute(_OF_BOOKINGS, (list(bookings), upto))))


def _told(
    connection: Connection[TupleRow], tag: Tag, value: str, *, after: int, upto: int, limit: int
) -> Sequence[Told]:
    with connection.cursor(binary=True) as cursor:
        rows = cursor.execute(_BY_TAG[tag], (value, after, upto, limit)).fetchall()
    return [Told(row[0], row[1], row[2], row[3], _fact(*row)) for row in rows]


def _fact(  # noqa: PLR0917 - a row of the log
    position: int,
    topic: str,
    at: datetime,
    _recorded_at: datetime,
    stream: str,
    version: int,
    person: str | None,
    booking: str | None,
    command_id: bytes,
    state: bytes,
) -> Fact:
    return Fact(stream, version, at, command_id, person, booking, wire.decode(topic, state), position)
