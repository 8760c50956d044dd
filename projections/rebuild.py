"""A view folded once more from the first fact, beside the live one: compared with it byte for byte, put in its place.

The live view goes on meanwhile. Its row of view_position is locked only while the last facts are folded, so that both
stand at one position; they are then compared in a snapshot taken under that lock.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from time import monotonic

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from projections.log import facts_after, head
from projections.projection import AsOf, Projection, position_of
from projections.storage import as_of, begin, connect, create, live_position, live_schema, place

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
    events: int  # folded: the position at which the rebuilt view stands
    seconds: float
    equal: bool | None  # None: not asked for, or no live view of this version to compare with
    difference: Difference | None


def rebuild(dsn: str, view: Projection, *, compare: bool) -> Rebuilt:
    """The rebuilt view takes the live one's place, whatever the comparison says: it is what the log says."""
    return _rebuild(dsn, view, compare=compare, swap=True)


def self_check(dsn: str, views: Sequence[Projection]) -> Sequence[Rebuilt]:
    """Whether each live view is what the log says. The live views are left as they are."""
    return [_rebuild(dsn, view, compare=True, swap=False) for view in views]


def _rebuild(dsn: str, view: Projection, *, compare: bool, swap: bool) -> Rebuilt:
    started, equal, difference = monotonic(), None, None
    # `lock` keeps the live view still for a moment, in a transaction that spans several of `work`.
    with closing(connect(dsn)) as work, closing(psycopg.connect(dsn, autocommit=True)) as lock:
        side = _SideView(work, view)
        if compare:
            side.fold_upto(position_of(work, view.name).position)  # most of it, before anybody has to wait
            with lock.transaction():
                live = live_position(lock, view)
                if live is not None:
                    side.fold_upto(live)
                    work.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                    work.execute("SELECT")  # takes the snapshot
            if live is not None:
                difference = _difference(work, view, side.schema)
                equal = difference is None
                work.execute("COMMIT")
        if swap:
            if equal is None:
                side.fold_upto(head(work))
            side.analyze()
            with lock.transaction():
                side.fold_upto(live_position(lock, view) or 0)
                side.take_place(lock)
        side.drop()
    return Rebuilt(view.name, side.at.position, monotonic() - started, equal, difference)


class _SideView:
    """The view in a schema of its own, from the first fact on. What a killed rebuild left there is dropped first."""

    def __init__(self, work: Connection[TupleRow], view: Projection) -> None:
        self.schema = f"rebuild_{view.name}"
        self._retired = f"retired_{view.name}"
        self.at = AsOf(0, None)
        self._work = work
        self._view = view
        work.execute("SELECT pg_advisory_lock(hashtextextended('mawid rebuilds ' || %s, 0))", (view.name,))
        self.drop()
        with work.transaction():
            create(work, view, self.schema)

    def fold_upto(self, position: int) -> None:
        """Does nothing when it is there, or beyond."""
        while (lacking := position - self.at.position) > 0:
            page = facts_after(self._work, self.at.position, min(lacking, PAGE_EVENTS_MAX))
            begin(self._work, self.schema)
            self._view.fold(page, self._work.cursor())
            self._work.execute("COMMIT")
            self.at = as_of(page)

    def analyze(self) -> None:
        """The queries to come need statistics from the first moment on."""
        for table in _tables(self._work, self.schema):
            self._work.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(self.schema, table)))

    def take_place(self, lock: Connection[TupleRow]) -> None:
        """In the transaction that holds the live view's lock: who waits for it then finds the new tables."""
        live = live_schema(self._view)
        rename = sql.SQL("ALTER SCHEMA {} RENAME TO {}")
        if _tables(lock, live):
            lock.execute(rename.format(sql.Identifier(live), sql.Identifier(self._retired)))
        lock.execute(rename.format(sql.Identifier(self.schema), sql.Identifier(live)))
        place(lock, self._view, self.at)

    def drop(self) -> None:
        for schema in (self.schema, self._retired):
            self._work.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema)))


# -- comparing --------------------------------------------------------------------------------------------------------


def _difference(connection: Connection[TupleRow], view: Projection, rebuilt: str) -> Difference | None:
    live = live_schema(view)
    live_tables, rebuilt_tables = _tables(connection, live), _tables(connection, rebuilt)
    if live_tables != rebuilt_tables:
        return Difference("", ", ".join(live_tables), ", ".join(rebuilt_tables))
    for table in rebuilt_tables:
        key = sql.SQL(", ").join(map(sql.Identifier, _key(connection, rebuilt, table)))
        ours, theirs = sql.Identifier(live, table), sql.Identifier(rebuilt, table)
        if _hash(connection, ours, key) != _hash(connection, theirs, key):
            return _first_difference(connection, table, ours, theirs, key)
    return None


def _hash(connection: Connection[TupleRow], table: sql.Identifier, key: sql.Composable) -> bytes:
    """Of all rows with all columns, in the order of the key."""
    rows = sql.SQL("COPY (SELECT * FROM {} ORDER BY {}) TO STDOUT (FORMAT binary)").format(table, key)
    digest = sha256()
    with connection.cursor().copy(rows) as copy:
        for row in copy:
            digest.update(row)
    return digest.digest()


def _first_difference(
    connection: Connection[TupleRow], table: str, live: sql.Identifier, rebuilt: sql.Identifier, key: sql.Composable
) -> Difference:
    query = sql.SQL(
        """SELECT live::text, rebuilt::text FROM {} AS live FULL JOIN {} AS rebuilt USING ({key})
           WHERE live IS DISTINCT FROM rebuilt ORDER BY {key} LIMIT 1"""
    ).format(live, rebuilt, key=key)
    row = connection.execute(query).fetchone()
    return Difference(table, *(row or (None, None)))


def _tables(connection: Connection[TupleRow], schema: str) -> Sequence[str]:
    query = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = to_regnamespace(%s) ORDER BY relname"
    return [row[0] for row in connection.execute(query, (schema,))]


def _key(connection: Connection[TupleRow], schema: str, table: str) -> Sequence[str]:
    query = """
        SELECT attname FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY(indkey)
        WHERE indisprimary AND indrelid = (SELECT oid FROM pg_class
                                           WHERE relname = %s AND relnamespace = to_regnamespace(%s))
        ORDER BY array_position(indkey::smallint[], attnum)
    """
    return [row[0] for row in connection.execute(query, (table, schema))]
