"""The country at a glance: places that can still be booked, over all offices that are live."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from domain.calendar import RIYADH, local_date


class Offices(NamedTuple):
    live: int
    all: int


class Places(NamedTuple):
    """Of 15 minutes. Starts that are past do not count."""

    day: date
    region: str | None  # None: all of them
    offices: int  # that have places
    capacity: int
    free: int


class ClosedDay(NamedTuple):
    day: date
    reason: str  # weekend or holiday
    name_ar: str | None  # of the holiday
    name_en: str | None


_PLACES = """
    WITH start AS (
        SELECT office.office, office.region, (slot.starts_at AT TIME ZONE 'Asia/Riyadh')::date AS day,
               sum(slot.capacity) AS capacity, sum(greatest(slot.capacity - slot.taken, 0)) AS free
        FROM view_catalogue.office
        CROSS JOIN LATERAL (
            SELECT starts_at, capacity, taken FROM view_availability.slot
            WHERE slot.office = office.office AND slot.starts_at >= %(now)s AND slot.starts_at < %(until)s
              AND NOT slot.withdrawn) AS slot
        WHERE office.live_from <= %(today)s
        GROUP BY 1, 2, 3
    )
    SELECT start.day, start.region, count(*)::integer AS offices, sum(capacity)::bigint AS capacity,
           sum(free)::bigint AS free
    FROM start LEFT JOIN view_availability.day USING (office, day)
    WHERE capacity > 0 AND day.open IS NOT FALSE
    GROUP BY GROUPING SETS ((start.day), (start.day, start.region))
    ORDER BY start.day, start.region NULLS FIRST
"""
_CLOSED = """
    SELECT day.day, min(day.reason) AS reason, min(day.name_ar) AS name_ar, min(day.name_en) AS name_en
    FROM view_catalogue.office
    JOIN view_availability.day ON day.office = office.office AND day.day BETWEEN %(today)s AND %(last)s
    WHERE office.live_from <= %(today)s
    GROUP BY day.day HAVING NOT bool_or(day.open)
"""


def offices(connection: Connection[TupleRow], now: datetime) -> Offices:
    query = "SELECT count(*) FILTER (WHERE live_from <= %s), count(*) FROM view_catalogue.office"
    row = connection.execute(query, (local_date(now),)).fetchone()
    assert row is not None
    return Offices(*row)


def places(connection: Connection[TupleRow], now: datetime, days: int) -> Sequence[Places]:
    """Of today and the days after it, `days` in all, those that have any: each day's sum, then its regions."""
    with connection.cursor(row_factory=class_row(Places)) as cursor:
        return cursor.execute(_PLACES, _asked(now, days)).fetchall()


def closed_days(connection: Connection[TupleRow], now: datetime, days: int) -> Sequence[ClosedDay]:
    """Those of the coming days on which every published office is closed."""
    with connection.cursor(row_factory=class_row(ClosedDay)) as cursor:
        return cursor.execute(_CLOSED, _asked(now, days)).fetchall()


def _asked(now: datetime, days: int) -> dict[str, object]:
    today = local_date(now)
    until = datetime.combine(today + timedelta(days=days), time(), RIYADH)
    return {"now": now, "today": today, "last": today + timedelta(days=days - 1), "until": until}
