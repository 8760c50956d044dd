"""The log in stretches, each with all that an export makes of it: by two processes where there is much of it.

Whoever reads a stretch hashes it and makes its lines; what depends on those before it is left to the draft.
All read one snapshot.
"""

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from typing import Any, Final

import msgspec
import psycopg
from psycopg import sql

from infra.export.figures import Tally
from infra.export.lines import COLUMNS, END, HEADER_BYTES, row_of

STRETCH_EVENTS: Final = 5_000
PROCESSES: Final = 2
IN_FLIGHT_MAX: Final = 6
#: Below that, processes take longer to start than they help.
ALONE_EVENTS_MAX: Final = 100_000


class Stretch(msgspec.Struct):
    lines: bytes
    leaves: bytes  # of what the rows hold, one after another
    tally: Tally
    position: int  # of the last event
    stored_leaf: str  # of the last event, as the database has it, in hex
    first_unfit: int | None = None  # position of an event that is not what its stored leaf was hashed over


def stretch_of(rows: Iterable[bytes]) -> Stretch | None:
    """RowError. None: there are no rows."""
    lines, leaves, tally, unfit, row = [], [], Tally(), None, None
    for data in rows:
        row = row_of(data)
        lines.append(row.line)
        leaves.append(row.leaf)
        tally.add(row)
        if not row.is_leaf_stored and unfit is None:
            unfit = row.position
    if row is None:
        return None
    stored = row.line.partition(b'"leaf":"')[2].partition(b'"')[0].decode()
    return Stretch(b"".join(lines), b"".join(leaves), tally, row.position, stored, unfit)


def copied(connection: psycopg.Connection[Any], after: int | None, upto: int) -> Generator[bytes]:
    """Rows in PostgreSQL's binary form; `after` None: from whatever is first."""
    query = sql.SQL(
        f"COPY (SELECT {COLUMNS} FROM log WHERE position <= {{}} {{}} ORDER BY position, stream_version)"
        " TO STDOUT (FORMAT binary)"
    ).format(
        sql.Literal(upto), sql.SQL("AND position > {}").format(sql.Literal(after)) if after is not None else sql.SQL("")
    )
    with connection.cursor().copy(query) as copy:
        is_first = True
        for block in copy:
            data = bytes(block)
            if is_first:
                data, is_first = data[HEADER_BYTES:], False
            if data and data != END:
                yield data


def stretches_here(connection: psycopg.Connection[Any], after: int | None, upto: int) -> Generator[Stretch]:
    rows = copied(connection, after, upto)
    try:
        while (stretch := stretch_of(islice(rows, STRETCH_EVENTS))) is not None:
            yield stretch
    finally:
        rows.close()  # whatever ends it, the COPY ends first


def stretches_apart(connection: psycopg.Connection[Any], dsn: str, after: int, upto: int) -> Generator[Stretch]:
    """By processes of their own, in order. The positions are dense: so many numbers are about so many events."""
    [snapshot] = connection.execute("SELECT pg_export_snapshot()").fetchone() or [""]
    pool = ProcessPoolExecutor(PROCESSES, get_context("spawn"), initializer=_open, initargs=(dsn, snapshot))
    in_flight: deque[Future[Stretch | None]] = deque()
    begins = iter(range(after, upto, STRETCH_EVENTS))
    try:
        while True:
            for begin in islice(begins, IN_FLIGHT_MAX - len(in_flight)):
                in_flight.append(pool.submit(_read, begin, min(begin + STRETCH_EVENTS, upto)))
            if not in_flight:
                return
            stretch = in_flight.popleft().result()
            if stretch is not None:
                yield stretch
    finally:
        pool.shutdown(cancel_futures=True)


def _open(dsn: str, snapshot: str) -> None:
    """In a process of its own: a session for all its stretches."""
    connection = psycopg.connect(dsn)
    connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    connection.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(snapshot)))
    _sessions.append(connection)


_sessions: list[psycopg.Connection[Any]] = []


def _read(after: int, upto: int) -> Stretch | None:
    return stretch_of(copied(_sessions[0], after, upto))
