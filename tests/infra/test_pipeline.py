"""A pipeline gives every answer or the first error, and leaves the connection fit for the next."""

import psycopg
import pytest
from psycopg import errors

from infra.packing import INT8, TEXT, int8
from infra.pipeline import Pipeline, Statement, prepare

DIVIDE = Statement(b"divide", b"SELECT 6 / $1", (INT8,))
ECHO = Statement(b"echo", b"SELECT $1", (TEXT,))


@pytest.fixture
def connection(database_url):
    with psycopg.connect(database_url, autocommit=True) as made:
        prepare(made, [DIVIDE, ECHO])
        yield made


def test_results_come_in_the_order_of_what_was_sent(connection):
    pipeline = Pipeline(connection)

    for divisor in (1, 2, 3):
        pipeline.send(DIVIDE, int8(divisor))

    assert [pipeline.rows(result) for result in pipeline.receive()] == [[(6,)], [(3,)], [(2,)]]


def test_the_first_error_is_raised_and_the_connection_goes_on(connection):
    failing = Pipeline(connection)
    for divisor in (1, 0, 2):
        failing.send(DIVIDE, int8(divisor))

    with pytest.raises(errors.DivisionByZero):
        failing.receive()

    after = Pipeline(connection)
    after.send(DIVIDE, int8(6))
    assert [after.rows(result) for result in after.receive()] == [[(1,)]]
    assert connection.execute("SELECT 1").fetchone() == (1,)


def test_more_than_a_socket_holds_goes_both_ways_at_once(connection):
    """Neither side may wait for the other to read first."""
    pipeline, megabyte = Pipeline(connection), b"x" * 2**20

    for _ in range(20):
        pipeline.send(ECHO, megabyte)

    results = pipeline.receive()
    assert [len(pipeline.rows(result)[0][0]) for result in results] == [2**20] * 20


def test_a_session_that_was_ended_is_an_operational_error(connection, database_url):
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))
    pipeline = Pipeline(connection)
    pipeline.send(DIVIDE, int8(1))

    with pytest.raises(psycopg.OperationalError):
        pipeline.receive()


def test_a_null_parameter_is_null(connection):
    pipeline = Pipeline(connection)

    pipeline.send(ECHO, None)

    assert [pipeline.rows(result) for result in pipeline.receive()] == [[(None,)]]
