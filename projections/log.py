"""The log as views read it: facts in order of position, a page at a time."""

from collections.abc import Sequence
from contextlib import suppress

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


class UnreadableLog(Exception):
    def __init__(self, position: int, problem: str) -> None:
        self.position = position
        super().__init__(f"position {position} of the log: {problem}")


def facts_after(connection: Connection[TupleRow], position: int, limit: int) -> list[tuple[int, Fact]]:
    """The next facts, at most `limit`. Raises UnreadableLog when the first cannot be read; stops before a later one."""
    with connection.cursor(binary=True) as cursor:
        rows = cursor.execute(_AFTER, (position, limit)).fetchall()
    page: list[tuple[int, Fact]] = []
    decode = wire.decode
    following = position + 1
    problem = "there is no such fact, though there are later ones"
    try:
        for place, stream, version, topic, state, person, booking, command_id, at in rows:
            if place != following:
                break
            page.append((place, Fact(stream, version, at, command_id, person, booking, decode(topic, state), place)))
            following += 1
    except (wire.UnknownEvent, msgspec.DecodeError) as error:
        problem = f"{type(error).__name__}: {error}"
    if rows and not page:
        raise UnreadableLog(following, problem)
    return page


class Pages:
    """Pages of the log, each read while the one before it is folded."""

    def __init__(self, connection: Connection[TupleRow], events_max: int) -> None:
        self._connection = connection
        self._events_max = events_max
        self._ahead: tuple[int, Page] | None = None  # after which position, and what

    def after(self, position: int) -> Page:
        """Raises UnreadableLog."""
        if self._ahead is not None and self._ahead[0] == position:
            return self._ahead[1]
        return facts_after(self._connection, position, self._events_max)

    def read_ahead(self, page: Page) -> None:
        """What follows the page, if it was a full one."""
        self._ahead = None
        if len(page) == self._events_max:
            last = page[-1][0]
            with suppress(UnreadableLog):  # it is met again when its turn comes
                following = facts_after(self._connection, last, self._events_max)
                self._ahead = (last, following) if following else None


def head(connection: Connection[TupleRow]) -> int:
    """Position of the last fact; 0: none."""
    row = connection.execute("SELECT position FROM public.log_head").fetchone()
    assert row is not None
    position: int = row[0]
    return position
