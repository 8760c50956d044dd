"""Whether the log still is what was written: every leaf hashed anew from its bytes, the tree held against its head."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import psycopg
from psycopg import Connection

from infra.merkle import Frontier, leaf_hash
from infra.packing import microseconds

PAGE_EVENTS: Final = 5_000
_PAGE: Final = """
    SELECT position, stream, stream_version, type, person, booking, command_id, at, recorded_at, state, leaf
    FROM log WHERE position > %s AND position <= %s ORDER BY position LIMIT %s
"""


class Breach(NamedTuple):
    position: int  # the first that is wrong, as far as the log alone can tell
    problem: str  # a sentence without its full stop


class Wholeness(NamedTuple):
    position: int  # the head as it was at the start
    breach: Breach | None


def check_log(dsn: str, told: Callable[[int], None] = lambda _events: None) -> Wholeness:
    """`told` hears after each page how many events were checked so far. Bookings go on meanwhile.

    Who can rewrite rows, leaves and head together is found by checkpoints kept elsewhere, not here.
    """
    with psycopg.connect(dsn) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        row = connection.execute("SELECT position, frontier FROM log_head").fetchone()
        assert row is not None
        head, frontier = row
        return Wholeness(head, _breach(connection, head, bytes(frontier), told))


def _breach(connection: Connection[Any], head: int, frontier: bytes, told: Callable[[int], None]) -> Breach | None:
    tree = Frontier()
    with connection.cursor(binary=True) as cursor:
        while rows := cursor.execute(_PAGE, (tree.size, head, PAGE_EVENTS)).fetchall():
            for n, row in enumerate(rows, tree.size + 1):
                if row[0] != n:
                    return Breach(n, f"event {n} is missing")
                if row[-1] != _leaf(row):
                    return Breach(n, f"event {n} is not what was written: its bytes do not give its leaf")
            tree.extend([row[-1] for row in rows])
            told(tree.size)
    if tree.size != head:
        return Breach(tree.size + 1, f"event {tree.size + 1} is missing: the log ends before its head, {head}")
    if tree.to_bytes() != frontier:
        return Breach(1, "the leaves do not give the tree of the head: rows were rewritten with their leaves")
    return None


def _leaf(row: tuple[Any, ...]) -> bytes:
    position, stream, version, topic, person, booking, command_id, at, recorded_at, state, _ = row
    times = microseconds(at), microseconds(recorded_at)
    return leaf_hash(position, stream, version, topic, person, booking, command_id, *times, state)
