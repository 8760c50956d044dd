"""How the service itself did over a time: indicators B1 to B3, from the hours that its processes watched, and C2, from
those of its reminders.
"""

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from domain.opening_hours import SLOT_MINUTES
from domain.operation import ALL_MINUTES, MINUTES

_HOUR: Final = timedelta(hours=1)


class _Hour(NamedTuple):
    since: datetime
    watched: int  # minutes, as bits
    ready: int
    stale: int
    confirmations: int
    prompt: int


def shares(connection: Connection[TupleRow], *, since: datetime, until: datetime) -> dict[str, tuple[int, int]]:
    """Indicator → numerator, denominator; the latter 0 where there is nothing to tell of. `until` is not included."""
    query = """
        SELECT since, watched, ready, stale, confirmations, prompt FROM view_measurement_inputs.hour
        WHERE since >= %s AND since < %s
    """
    with connection.cursor(row_factory=class_row(_Hour)) as cursor:
        hours = cursor.execute(query, (since, until)).fetchall()
    ready = {hour.since.astimezone(UTC): hour.ready for hour in hours}
    opening = _opening_minutes(connection, since, until) if hours else {}
    return {
        "B1": (
            sum((minutes & ready.get(hour, 0)).bit_count() for hour, minutes in opening.items()),
            sum(minutes.bit_count() for minutes in opening.values()),
        ),
        "B2": (sum(hour.prompt for hour in hours), sum(hour.confirmations for hour in hours)),
        "B3": (
            sum((hour.watched & ~hour.stale).bit_count() for hour in hours),
            sum(hour.watched.bit_count() for hour in hours),
        ),
        "C2": _reminders(connection, since, until),
    }


def _reminders(connection: Connection[TupleRow], since: datetime, until: datetime) -> tuple[int, int]:
    query = """
        SELECT coalesce(sum(delivered), 0)::bigint, coalesce(sum(sent), 0)::bigint
        FROM view_measurement_inputs.reminded WHERE since >= %s AND since < %s
    """
    [(delivered, sent)] = connection.execute(query, (since, until)).fetchall()
    return delivered, sent


def _opening_minutes(connection: Connection[TupleRow], since: datetime, until: datetime) -> dict[datetime, int]:
    """Hour → its minutes at which some office was open, while the service ran."""
    query = """
        SELECT DISTINCT starts_at FROM view_measurement_inputs.slot
        WHERE capacity > 0 AND starts_at >= %s AND starts_at < %s
    """
    opening: dict[datetime, int] = {}
    for (told,) in connection.execute(query, (since, until)):
        starts_at: datetime = told.astimezone(UTC)
        hour = starts_at.replace(minute=0, second=0, microsecond=0)
        minutes = ((1 << SLOT_MINUTES) - 1) << starts_at.minute
        opening[hour] = opening.get(hour, 0) | minutes & ALL_MINUTES
        opening[hour + _HOUR] = opening.get(hour + _HOUR, 0) | minutes >> MINUTES
    first, last = _watched(connection)
    return {
        hour: minutes & _from(first, hour) & ~_from(last, hour) for hour, minutes in opening.items() if hour < until
    }


def _watched(connection: Connection[TupleRow]) -> tuple[datetime, datetime]:
    """The first minute ever watched, and the end of the last: between them the service ran, or was down."""
    query = """
        (SELECT since, watched FROM view_measurement_inputs.hour WHERE watched > 0 ORDER BY since LIMIT 1)
        UNION ALL
        (SELECT since, watched FROM view_measurement_inputs.hour WHERE watched > 0 ORDER BY since DESC LIMIT 1)
    """
    first, last = connection.execute(query).fetchall()
    begun, ended = first[1] & -first[1], last[1].bit_length()
    return first[0] + timedelta(minutes=begun.bit_length() - 1), last[0] + timedelta(minutes=ended)


def _from(instant: datetime, hour: datetime) -> int:
    """The minutes of the hour from the instant on."""
    minutes = (instant - hour) // timedelta(minutes=1)
    return ALL_MINUTES & ~((1 << min(max(minutes, 0), MINUTES)) - 1)
