"""A view folded once more from the first fact, beside the live one: compared with it byte for byte, put in its place.

The live view goes on meanwhile. Its row of view_position is locked only while the last facts are folded, so that both
stand at one position; they are then compared in a snapshot taken under that lock.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from time import monotonic

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from projections.log import facts_after, head
from projections.projection import AsOf, Projection
from projections.storage import as_of, begin, connect, create, live_schema, place

PAGE_EVENTS_MAX = 20_000


@dataclass(frozen=True)
class Difference:
    """The first row that differs, in the order of its table's key; None: that side has no such row."""

    table: str
    live: str | None
    rebuilt: str | None


@dataclass(frozen=True)
class Rebuilt:
    view: str
    position: int  # up to which it was folded, and compared
    events: int
    seconds: float
    equal: bool | None  # None: not compared, or there was no live view of this version to compare with
    difference: Difference | None


def rebuild(dsn: str, view: Projection, *, compare: bool) -> Rebuilt:
    """The rebuilt view becomes the live one, whatever the comparison says: it is what the log says."""
    return _rebuild(dsn, view, compare=compare, swap=True)


def self_check(dsn: str, views: Sequence[Projection]) -> Sequence[Rebuilt]:
    """Whether each live view is what the log says. Nothing is changed."""
    return [_rebuild(dsn, view, compare=True, swap=False) for view in views]


def _rebuild(dsn: str, view: Projection, *, compare: bool, swap: bool) -> Rebuilt:
    started = monotonic()
    difference: Difference | None = None
    with closing(connect(dsn)) as work, closing(psycopg.connect(dsn, autocommit=True)) as lock:
        side = _Side(work, view)
        is_comparable = False
        if compare:
            with _live_position(lock, view) as live:
                known = live
            side.fold_upto(known or 0)  # most of it, before anybody has to wait
            with _live_position(lock, view) as live:
                is_comparable = live is not None
                side.fold_upto(live or 0)
                work.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                work.execute("SELECT")  # takes the snapshot
            position = side.at.position
            if is_comparable:
                difference = _difference(work, view)
            work.execute("COMMIT")
        else:
            side.fold_upto(head(work))
            position = side.at.position
        if swap:
            with _live_position(lock, view) as live:
                side.fold_upto(head(work) if live is None else live)
                _swap(lock, view, side)
            position = side.at.position
        side.drop_leftovers()
    equal = difference is None if is_comparable else None
    return Rebuilt(view.name, position, side.at.position, monotonic() - started, equal, difference)
