"""Whether the log still is what was written: every leaf hashed anew from its bytes, the tree held against its head."""

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import psycopg
from psycopg import Connection

from infra.merkle import Frontier
from infra.stored_tree import ROW, leaf_of

PAGE_EVENTS: Final = 5_000
_ROWS: Final = f"SELECT {ROW}, leaf FROM log WHERE position > %s AND position <= %s ORDER BY position LIMIT %s"


class InconsistentLog(Exception):
    """The log is not what was written, or not what was signed. `position`: the first in doubt."""

    def __init__(self, position: int, reason: str) -> None:
        self.position = position
        super().__init__(reason)


class Wholeness(NamedTuple):
    position: int  # the head as it was at the start
    breach: InconsistentLog | None


def leaves_anew(connection: Connection[Any], after: int, upto: int) -> Iterator[list[bytes]]:
    """Of the events after one position up to another, hashed from their stored bytes. Raises InconsistentLog."""
    while after < upto:
        try:
            with connection.cursor(binary=True) as cursor:
                rows = cursor.execute(_ROWS, (after, upto, PAGE_EVENTS)).fetchall()
        except psycopg.DataError as error:  # a value that only a superuser can have put there
            last = min(upto, after + PAGE_EVENTS)
            raise InconsistentLog(after + 1, f"a row from {after + 1} to {last} cannot be read: {error}") from error
        leaves = []
        for *row, stored in rows:
            after += 1
            if row[0] != after:
                raise InconsistentLog(after, f"position {after} is missing")
            leaf = leaf_of(row)
            if leaf != stored:
                raise InconsistentLog(after, f"the event at position {after} is not the one that was written")
            leaves.append(leaf)
        if not rows:
            raise InconsistentLog(after + 1, f"position {after + 1} is missing")
        yield leaves


def check_log(dsn: str, told: Callable[[int], None] = lambda _events: None) -> Wholeness:
    """`told` hears after each page how many events were checked so far. Bookings go on meanwhile.

    Who can rewrite rows, leaves and head together is found by checkpoints kept elsewhere, not here.
    """
    with psycopg.connect(dsn) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        row = connection.execute("SELECT position, frontier FROM log_head").fetchone()
        assert row is not None
        head, frontier = row
        tree = Frontier()
        try:
            for leaves in leaves_anew(connection, 0, head):
                tree.extend(leaves)
                told(tree.size)
        except InconsistentLog as breach:
            return Wholeness(head, breach)
    if tree.to_bytes() != frontier:
        reason = (
            "the events are not those of the tree in log_head: rows were rewritten with their leaves, or the head was"
        )
        return Wholeness(head, InconsistentLog(1, reason))
    return Wholeness(head, None)
