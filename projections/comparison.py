"""Whether two schemas hold the same rows, byte for byte: compared by the database, which need not send them."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import Connection, sql
from psycopg.rows import TupleRow

from projections.side import tables

#: A session for folding is told to find rows by their keys; here all of them are met.
_WHOLE_TABLES = """
    SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on; SET LOCAL enable_seqscan = on;
    SET LOCAL work_mem = '32MB';
"""


@dataclass(frozen=True)
class Difference:
    """The first row that differs, in the order of its table's key; None: that side has no such row."""

    table: str
    live: str | None
    rebuilt: str | None


def difference(connection: Connection[TupleRow], live: str, rebuilt: str) -> Difference | None:
    """Within a snapshot."""
    live_tables, rebuilt_tables = tables(connection, live), tables(connection, rebuilt)
    if live_tables != rebuilt_tables:
        return Difference("", ", ".join(live_tables), ", ".join(rebuilt_tables))
    connection.execute(_WHOLE_TABLES)
    for table in rebuilt_tables:
        key = sql.SQL(", ").join(map(sql.Identifier, _key(connection, rebuilt, table)))
        # *<> compares the stored images; = would hold 1.0 and 1.00 for equal.
        query = sql.SQL(
            """SELECT live::text, rebuilt::text FROM {} AS live FULL JOIN {} AS rebuilt USING ({key})
               WHERE live *<> rebuilt OR live IS NULL OR rebuilt IS NULL ORDER BY {key} LIMIT 1"""
        ).format(sql.Identifier(live, table), sql.Identifier(rebuilt, table), key=key)
        row = connection.execute(query).fetchone()
        if row is not None:
            return Difference(table, *row)
    return None


def _key(connection: Connection[TupleRow], schema: str, table: str) -> Sequence[str]:
    query = """
        SELECT attname FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY(indkey)
        WHERE indisprimary AND indrelid = (SELECT oid FROM pg_class
                                           WHERE relname = %s AND relnamespace = to_regnamespace(%s))
        ORDER BY array_position(indkey::smallint[], attnum)
    """
    return [row[0] for row in connection.execute(query, (table, schema))]
