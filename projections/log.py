"""The log as views read it: facts in order of position, a page at a time."""

from collections.abc import Sequence

import msgspec
from psycopg import Connection
from psycopg.rows import TupleRow

from domain import wire
from domain.events import Fact

Page = Sequence[tuple[int, Fact]]

_AFTER = """
    SELECT position, stream, stream_version, type, state, person, booking, command_id, at
    FROM public.log WHERE position > %s ORDER BY position LIMIT %s
"""


class UnreadableLog(Exception):  # noqa: N818 - the log is what is at fault, from this position on
    def __init__(self, position: int, problem: str) -> None:
        self.position = position
        super().__init__(f"position {position} of the log: {problem}")


def facts_after(connection: Connection[TupleRow], position: int, limit: int) -> list[tuple[int, Fact]]:
    """The next facts, at most `limit`; those before an unreadable one first. Raises UnreadableLog."""
    page: list[tuple[int, Fact]] = []
    decode = wire.decode
    with connection.cursor(binary=True) as cursor:
        rows = cursor.execute(_AFTER, (position, limit)).fetchall()
    following = position
    try:
        for place, stream, version, topic, state, person, booking, command_id, at in rows:
            following += 1
            if place != following:
                raise UnreadableLog(following, "there is no such fact, and there are later ones")
            page.append((place, Fact(stream, version, at, command_id, person, booking, decode(topic, state))))
    except (wire.UnknownEvent, msgspec.DecodeError, UnreadableLog) as error:
        if not page:
            raise error if isinstance(error, UnreadableLog) else UnreadableLog(following, str(error)) from error
    return page


def head(connection: Connection[TupleRow]) -> int:
    """Position of the last fact; 0: none."""
    row = connection.execute("SELECT position FROM public.log_head").fetchone()
    assert row is not None
    position: int = row[0]
    return position
