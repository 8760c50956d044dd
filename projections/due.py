"""Where the clock has decided something that no fact says yet: the office-days a sweep has to settle."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

from psycopg import Connection
from psycopg.rows import TupleRow, class_row


class OfficeDay(NamedTuple):
    office: str
    day: date


_OFFICE_DAYS = """
    WITH closed AS (
        SELECT office, (starts_at AT TIME ZONE interval '3 hours')::date AS day,
               min(starts_at) AS first, max(starts_at) AS last
        FROM view_availability.slot WHERE starts_at > %(since)s AND starts_at <= %(now)s
        GROUP BY 1, 2 HAVING max(starts_at) + interval '15 minutes' <= %(now)s
    )
    SELECT office, (starts_at AT TIME ZONE interval '3 hours')::date AS day
    FROM view_availability.claim WHERE until <= %(now)s AND until > %(since)s
    UNION
    SELECT office, day FROM closed
    WHERE EXISTS (SELECT FROM view_bookings.booking
                  WHERE booking.office = closed.office AND starts_at BETWEEN closed.first AND closed.last
                    AND status = 'confirmed' AND NOT unplaced AND ends_at <= %(now)s)
    UNION
    SELECT office, until FROM view_waiting.entry
    WHERE status = 'waiting' AND until < (%(now)s AT TIME ZONE interval '3 hours')::date
      AND until >= (%(since)s AT TIME ZONE interval '3 hours')::date
    ORDER BY 2, 1 LIMIT %(limit)s
"""


def office_days(connection: Connection[TupleRow], *, since: datetime, now: datetime, limit: int) -> Sequence[OfficeDay]:
    """With a claim, an unattended visit or a window that ended between the two instants; the oldest first."""
    with connection.cursor(row_factory=class_row(OfficeDay)) as cursor:
        return cursor.execute(_OFFICE_DAYS, {"since": since, "now": now, "limit": limit}).fetchall()
