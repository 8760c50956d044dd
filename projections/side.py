"""A view folded beside the live one, in a schema of its own, until it takes the live one's place or is dropped."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from psycopg import Connection, sql
from psycopg.rows import TupleRow

from projections.log import Page
from projections.projection import AsOf, Projection
from projections.storage import as_of, begin, connect, create, live_schema, place


class SideView:
    """What a killed rebuild left there is dropped first."""

    def __init__(self, dsn: str, view: Projection, *, is_kept: bool) -> None:
        """Unless it `is_kept`, no crash has to be survived: then it writes nothing to the write-ahead log."""
        self.view = view
        self.schema = f"rebuild_{view.name}"
        self._retired = f"retired_{view.name}"
        self.at = AsOf(0, None)
        self.connection = connect(dsn)
        self._is_kept = is_kept

    def __enter__(self) -> Self:
        lock = "SELECT pg_advisory_lock(hashtextextended('mawid rebuilds ' || %s, 0))"
        self.connection.execute(lock, (self.view.name,))
        self.drop()
        with self.connection.transaction():
            create(self.connection, self.view, self.schema, indexed=False)
            if not self._is_kept:
                for table in tables(self.connection, self.schema):
                    self.connection.execute(sql.SQL("ALTER TABLE {} SET UNLOGGED").format(sql.Identifier(table)))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.connection.close()

    def fold(self, page: Page, upto: int) -> None:
        """Its facts that the view lacks, but none beyond `upto`."""
        first = page[0][0]
        lacking = page[self.at.position + 1 - first : upto + 1 - first]
        begin(self.connection, self.schema)
        self.view.fold(lacking, self.connection.cursor())
        self.connection.execute("COMMIT")
        self.at = as_of(lacking)

    def finish(self) -> None:
        """The queries to come need indexes and statistics from the first moment on."""
        begin(self.connection, self.schema)
        if self.view.indexes:
            self.connection.execute(self.view.indexes)
        for table in tables(self.connection, self.schema):
            self.connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(table)))
        self.connection.execute("COMMIT")

    def take_place(self, lock: Connection[TupleRow]) -> None:
        """In the transaction that holds the live view's lock: who waits for it then finds the new tables."""
        live = live_schema(self.view)
        rename = sql.SQL("ALTER SCHEMA {} RENAME TO {}")
        if tables(lock, live):
            lock.execute(rename.format(sql.Identifier(live), sql.Identifier(self._retired)))
        lock.execute(rename.format(sql.Identifier(self.schema), sql.Identifier(live)))
        place(lock, self.view, self.at)

    def drop(self) -> None:
        for schema in (self.schema, self._retired):
            self.connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema)))


def tables(connection: Connection[TupleRow], schema: str) -> Sequence[str]:
    query = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = to_regnamespace(%s) ORDER BY relname"
    return [row[0] for row in connection.execute(query, (schema,))]
