"""What a view is, and from which place of the log an answer read from it is."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from time import monotonic, sleep
from typing import NamedTuple, Protocol

from psycopg import Connection, Cursor
from psycopg.rows import TupleRow

from projections.log import Page

#: Between two looks of `wait_for`; the first is the usual time from a fact to its views.
_LOOK_S_MIN, _LOOK_S_MAX = 0.002, 0.020


class Projection(Protocol):
    """Tables and the fold that fills them: a function of the facts alone, in whatever pages they come.

    Table names in `ddl` and `fold` are unqualified, since a rebuild folds into another schema; the queries beside them
    read the live one, view_<name>.
    """

    name: str
    version: int  # raised with every change of ddl, indexes or fold: the view is then replayed from the first fact
    ddl: str  # tables, each with a primary key
    indexes: str  # what queries need besides, and no fold does: a rebuild makes them last

    def fold(self, facts: Page, cursor: Cursor[TupleRow]) -> None: ...


class RowsMissing(Exception):
    """A fact is about rows that the view does not have: it was not folded from this log."""


def expect_rows(cursor: Cursor[TupleRow], expected: int) -> None:
    """The last statement has changed `expected` rows."""
    if cursor.rowcount != expected:
        raise RowsMissing(f"{cursor.rowcount} of {expected} rows found")


class AsOf(NamedTuple):
    position: int  # of the last fact folded; 0: none
    at: datetime | None


@contextmanager
def snapshot(connection: Connection[TupleRow]) -> Iterator[None]:
    """All reads within see the views as of one moment, so that rows and `position_of` belong together."""
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("COMMIT")


def position_of(connection: Connection[TupleRow], view: str) -> AsOf:
    row = connection.execute("SELECT position, at FROM view_position WHERE name = %s", (view,)).fetchone()
    return AsOf(*row) if row is not None else AsOf(0, None)


def lag_s(connection: Connection[TupleRow], views: Collection[str]) -> float:
    """Age of the oldest fact that one of the views has not folded yet; 0: none lacks any."""
    query = """
        SELECT coalesce(max(extract(epoch FROM clock_timestamp() - log.recorded_at)), 0)::double precision
        FROM public.view_position JOIN public.log ON log.position = view_position.position + 1
        WHERE view_position.name = ANY(%s)
    """
    row = connection.execute(query, (list(views),)).fetchone()
    assert row is not None
    lag: float = row[0]
    return lag


def wait_for(connection: Connection[TupleRow], views: Collection[str], position: int, timeout_s: float) -> bool:
    """Until each of the views has folded the fact at `position`. False: not in time.

    On a connection in autocommit: inside a snapshot nothing would ever arrive.
    """
    until, pause = monotonic() + timeout_s, _LOOK_S_MIN
    while True:
        query = "SELECT count(*) FROM view_position WHERE name = ANY(%s) AND position >= %s"
        row = connection.execute(query, (list(views), position)).fetchone()
        assert row is not None
        if row[0] == len(set(views)):
            return True
        left = until - monotonic()
        if left <= 0:
            return False
        sleep(min(pause, left))
        pause = min(pause * 1.5, _LOOK_S_MAX)
