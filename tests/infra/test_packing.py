"""What is packed here means to PostgreSQL what it meant to us."""

from datetime import UTC, datetime, timedelta, timezone

import psycopg
import pytest

from infra.packing import (
    ARRAY_OF,
    BOOL,
    BYTEA,
    INT8,
    TEXT,
    TIMESTAMPTZ,
    bool_array,
    bytea_array,
    int8,
    int8_array,
    microseconds,
    text_array,
    timestamptz,
    timestamptz_array,
)
from infra.pipeline import Pipeline, Statement, prepare

INSTANTS = [
    datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC),
    datetime(2011, 2, 5, 9, tzinfo=timezone(timedelta(hours=3))),
    datetime(2099, 12, 31, 23, 59, 59, 999_999, UTC),
]


@pytest.fixture
def read_back(database_url):
    with psycopg.connect(database_url, autocommit=True) as connection:

        def read(oid: int, packed: bytes):
            statement = Statement(f"read_{oid}".encode(), b"SELECT $1", (oid,))
            prepare(connection, [statement])
            pipeline = Pipeline(connection)
            pipeline.send(statement, packed)
            [result] = pipeline.receive()
            return pipeline.rows(result)[0][0]

        yield read


@pytest.mark.parametrize(
    ("element", "pack", "values"),
    [
        (TEXT, text_array, ["", "slot/CA-TB-01@2011-02-05T09:00", None, "نورة"]),
        (BYTEA, bytea_array, [b"", b"\x00\xff", None, bytes(70_000)]),
        (INT8, int8_array, [0, -1, None, 2**63 - 1, -(2**63)]),
        (BOOL, bool_array, [True, False]),
        (TEXT, text_array, []),
        (INT8, int8_array, [7]),
    ],
)
def test_an_array_is_read_as_it_was_packed(read_back, element, pack, values):
    assert read_back(ARRAY_OF[element], pack(values)) == values


def test_instants_are_read_to_the_microsecond(read_back):
    since_1970 = [microseconds(instant) for instant in INSTANTS]

    assert read_back(ARRAY_OF[TIMESTAMPTZ], timestamptz_array(since_1970)) == INSTANTS
    assert read_back(TIMESTAMPTZ, timestamptz(since_1970[0])) == INSTANTS[0]


def test_an_integer_that_does_not_fit_is_refused_here():
    with pytest.raises(OverflowError):
        int8(2**63)
