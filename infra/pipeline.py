"""Prepared statements sent to PostgreSQL one behind the other, and all their results read at once: one round trip.

psycopg has a pipeline too, but what its cursors do for each statement costs more than PostgreSQL takes for a batch.
This one speaks to libpq itself: parameters are bytes in PostgreSQL's binary formats (infra/packing.py), a result is
asked for its rows by whoever needs them.
"""

from collections.abc import Iterable
from contextlib import suppress
from select import POLLIN, POLLOUT, poll
from typing import Any, Final, NamedTuple

from psycopg import Connection, DatabaseError, OperationalError, errors
from psycopg.adapt import Transformer
from psycopg.pq import ConnStatus, ExecStatus, Format, PipelineStatus
from psycopg.pq.abc import PGresult
from psycopg.rows import TupleRow

_BINARY: Final = 1


class Statement(NamedTuple):
    name: bytes
    query: bytes
    types: tuple[int, ...]  # of its parameters, as in pg_type.oid


def prepare(connection: Connection[TupleRow], statements: Iterable[Statement]) -> None:
    """Once for the life of a connection."""
    for statement in statements:
        result = connection.pgconn.prepare(statement.name, statement.query, statement.types)
        _refuse_failure(connection, [result])


def roll_back(connection: Connection[TupleRow]) -> None:
    """Whatever was under way."""
    with suppress(DatabaseError):
        Pipeline(connection).drain()
    connection.execute("ROLLBACK", prepare=False)


class Pipeline:
    """`send` what there is, then `receive` once; and again."""

    def __init__(self, connection: Connection[TupleRow]) -> None:
        self._connection = connection
        self._pgconn = connection.pgconn

    def send(self, statement: Statement, *parameters: bytes | None) -> None:
        self._begin()
        self._pgconn.send_query_prepared(statement.name, parameters, [_BINARY] * len(parameters), _BINARY)

    def send_plain(self, query: bytes) -> None:
        self._begin()
        self._pgconn.send_query_params(query, None)

    def push(self) -> None:
        """Let the server begin with what was sent, as far as the socket takes it."""
        self._pgconn.flush()

    def drain(self) -> None:
        """What was sent is done, or its first error is raised; the connection may be used for anything."""
        if self._pgconn.pipeline_status != PipelineStatus.OFF:
            self.receive()

    def receive(self) -> list[PGresult]:
        """One result for each statement sent; the first error of any is raised. No connection is left half read."""
        pgconn = self._pgconn
        pgconn.pipeline_sync()
        results = []
        while True:
            self._await_result()
            result = pgconn.get_result()
            if result is None:  # stands between the results of two statements
                continue
            if result.status == ExecStatus.PIPELINE_SYNC:
                break
            results.append(result)
            if pgconn.status == ConnStatus.BAD:
                break
        pgconn.exit_pipeline_mode()
        _refuse_failure(self._connection, results)
        return results

    def rows(self, result: PGresult) -> list[tuple[Any, ...]]:
        if not result.ntuples:
            return []
        transformer = Transformer(self._connection)
        transformer.set_pgresult(result, format=Format.BINARY)
        return transformer.load_rows(0, result.ntuples, tuple)

    def _begin(self) -> None:
        if self._pgconn.pipeline_status == PipelineStatus.OFF:
            self._pgconn.enter_pipeline_mode()

    def _await_result(self) -> None:
        """Send on what the socket did not take at once, and read meanwhile: the server may be waiting for us to."""
        pgconn = self._pgconn
        unsent = pgconn.flush()
        if not pgconn.is_busy():
            return
        waiting = poll()
        while pgconn.is_busy():
            waiting.register(pgconn.socket, POLLIN | POLLOUT if unsent else POLLIN)
            waiting.poll()
            pgconn.consume_input()
            unsent = unsent and pgconn.flush()


def _refuse_failure(connection: Connection[TupleRow], results: Iterable[PGresult]) -> None:
    for result in results:
        if result.status == ExecStatus.FATAL_ERROR:
            if connection.pgconn.status == ConnStatus.BAD:
                raise OperationalError(result.get_error_message(connection.info.encoding))
            raise errors.error_from_result(result, encoding=connection.info.encoding)
