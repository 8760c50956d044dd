import struct
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from projections import arrays

RIYADH = timezone(timedelta(hours=3))
INSTANTS = [
    datetime(2011, 2, 5, 9, 15, tzinfo=RIYADH),
    datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2000, 1, 1, tzinfo=UTC),
    datetime(2261, 7, 8, 1, 2, 3, 4, tzinfo=UTC),
    datetime(1, 1, 2, tzinfo=UTC),
    None,
]


@pytest.mark.parametrize(
    ("pack", "kind", "values"),
    [
        (arrays.texts, "text[]", ["", "موعد", None, "a,b{}\"'\\ NULL", "x" * 70_000]),
        (arrays.words, "text[]", ["portal", None, "portal", "جوال"]),
        (arrays.byteas, "bytea[]", [b"", b"\x00\xff", None]),
        (arrays.integers, "integer[]", [0, -1, 2**31 - 1, -(2**31)]),
        (arrays.bigints, "bigint[]", [0, -1, 2**63 - 1, -(2**63)]),
        (arrays.booleans, "boolean[]", [True, False]),
        (arrays.instants, "timestamptz[]", INSTANTS),
        (arrays.times, "timestamptz[]", [*INSTANTS, INSTANTS[0]]),
        (arrays.dates, "date[]", [date(2011, 2, 5), date(1999, 12, 31), date(1, 1, 1), date(9999, 12, 31)]),
    ],
)
def test_a_packed_column_arrives_as_it_was(connection, pack, kind, values):
    rows = connection.execute(f"SELECT unnest(%b::{kind})", [pack(values)], binary=True).fetchall()

    assert [value for (value,) in rows] == values


@pytest.mark.parametrize("pack", [arrays.texts, arrays.integers, arrays.times])
def test_a_column_without_rows_is_an_empty_array(connection, pack):
    kind = {arrays.texts: "text", arrays.integers: "integer", arrays.times: "timestamptz"}[pack]

    assert connection.execute(f"SELECT count(*) FROM unnest(%b::{kind}[])", [pack([])]).fetchone() == (0,)


def test_what_cannot_be_held_by_the_column_is_refused():
    with pytest.raises(struct.error):
        arrays.integers([2**31])


def test_rows_are_sent_by_column(connection):
    rows = [("portal", 1), ("kiosk", 2)]

    query = "SELECT * FROM unnest(%b::text[], %b::integer[])"

    assert connection.execute(query, arrays.columns(rows, arrays.words, arrays.integers)).fetchall() == rows


def test_more_different_values_than_are_kept_arrive_too(connection, monkeypatch):
    monkeypatch.setattr(arrays, "_KEPT_MAX", 3)
    values = [f"word {n}" for n in range(10)] * 2

    rows = connection.execute("SELECT unnest(%b::text[])", [arrays.words(values)]).fetchall()

    assert [value for (value,) in rows] == values
