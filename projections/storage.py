"""Where a view's rows live: tables in a schema of their own, and a row of view_position that says how far they are."""

import psycopg
from psycopg import Connection, Cursor, sql
from psycopg.rows import TupleRow

from projections.log import Page
from projections.projection import AsOf, Projection

#: The database is away, or this session of it: begin again on a new connection.
AWAY = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.ReadOnlySqlTransaction)

_SESSION = """
    SET synchronous_commit = off;  -- what a crash takes back is folded again, rows and position together
    SET idle_in_transaction_session_timeout = '30s';  -- a stopped process must not keep the view's lock
    -- A fold touches few rows of large tables, each by its key, whatever the statistics make of it.
    SET plan_cache_mode = force_generic_plan;
    SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off; SET jit = off;
"""


class PositionMoved(Exception):
    """Somebody else has folded into the view, or put another in its place: read its position anew."""


class NewerView(Exception):
    def __init__(self, view: Projection, version: int) -> None:
        super().__init__(f"the view {view.name} is of version {version}, this Mawid's of {view.version}")


def connect(dsn: str) -> Connection[TupleRow]:
    """A session for folding, in autocommit."""
    connection = psycopg.connect(dsn, autocommit=True, connect_timeout=5)
    connection.execute(_SESSION)
    return connection


def live_schema(view: Projection) -> str:
    return f"view_{view.name}"


def begin(connection: Connection[TupleRow], schema: str) -> None:
    """A transaction in which unqualified names are the schema's tables."""
    connection.execute(sql.SQL("BEGIN; SET LOCAL search_path = {}").format(sql.Identifier(schema)))


def create(connection: Connection[TupleRow], view: Projection, schema: str, *, indexed: bool = True) -> None:
    """Empty tables in place of whatever the schema held. Within a transaction of the caller's."""
    name = sql.Identifier(schema)
    connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE; CREATE SCHEMA {}").format(name, name))
    connection.execute(sql.SQL("SET LOCAL search_path = {}").format(name))
    connection.execute(view.ddl)
    if indexed and view.indexes:
        connection.execute(view.indexes)


def ensure(connection: Connection[TupleRow], view: Projection) -> int:
    """Make the view's tables if they are missing or of an older version. Returns its position."""
    with connection.transaction():
        found = live_position(connection, view)
        if found is None:
            create(connection, view, live_schema(view))
            place(connection, view, AsOf(0, None))
    return 0 if found is None else found


def place(connection: Connection[TupleRow], view: Projection, as_of: AsOf) -> None:
    """Say how far the view is, without asking how far it was."""
    connection.execute(
        """INSERT INTO public.view_position (name, version, position, at) VALUES (%s, %s, %s, %s)
           ON CONFLICT (name) DO UPDATE SET version = excluded.version, position = excluded.position,
                                            at = excluded.at, updated_at = clock_timestamp()""",
        (view.name, view.version, *as_of),
    )


def advance(cursor: Cursor[TupleRow], view: Projection, old: int, new: AsOf) -> None:
    """First thing in a fold's transaction: whoever comes second waits here, and finds the position moved.

    It comes before the rows because a rebuild swaps schemas under the same lock: names of tables are resolved after it.
    """
    cursor.execute(
        """UPDATE public.view_position SET position = %s, at = %s, updated_at = clock_timestamp()
           WHERE name = %s AND position = %s AND version = %s""",
        (*new, view.name, old, view.version),
    )
    if cursor.rowcount != 1:
        raise PositionMoved(view.name)


def as_of(page: Page) -> AsOf:
    position, fact = page[-1]
    return AsOf(position, fact.at)


def live_position(connection: Connection[TupleRow], view: Projection) -> int | None:
    """Of the live view, under its lock until the transaction ends. None: there is none, or one of an older version."""
    row = connection.execute(
        """SELECT version, position, to_regnamespace(%s) IS NOT NULL FROM public.view_position
           WHERE name = %s FOR UPDATE""",
        (live_schema(view), view.name),
    ).fetchone()
    if row is None or not row[2]:
        return None
    version, position, _ = row
    if version > view.version:
        raise NewerView(view, version)
    return position if version == view.version else None
