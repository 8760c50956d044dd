"""The values of the indicators over a period, from the view of projections/measurement.py: TABLE says what of."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from domain.calendar import RIYADH, local_date
from domain.measurement import Period
from domain.opening_hours import is_weekend
from projections import operation

#: What each is made of, as the description of the API tells too.
TABLE: Final = """
| indicator | numerator / denominator | what puts it into the period |
|---|---|---|
| A1 | offices announced live by the end of the period / offices registered | known at the position |
| A2 | services registered as electronic / services registered | known at the position |
| A3 | those first published with starts 14 days before them or earlier / days published with starts | the day |
| B1 | opening minutes in which a process was ready / opening minutes, while the service ran | the minute |
| B2 | confirmations within 2 s / confirmations | the hour |
| B3 | minutes in which no process saw a view lag more than 5 s / minutes watched | the hour |
| C1 | first confirmations with a valid mobile / first confirmations | the day it was booked |
| C2 | reminders delivered / sent, each once, as soon as receipts have told of all of its hour | the hour |
| C3 | outcomes recorded by the end of the next working day / outcomes, and visits without one after it | their day |
| D1 | first confirmations over portal, kiosk, SMS / first confirmations and walk-ins | the day it was booked |
| D2 | median of the days from booking to visit, as first confirmed | the day it was booked |
| D3 | no-shows / outcomes, as corrected | the visit's day |
| D4 | late cancellations / first confirmations | the day it was cancelled; booked |
| D5 | 15-minute places of visits served, as corrected / places of the starts that have begun | the visit's day |
| D6 | median of the waits of those called, in minutes | the day they were called |

Days are the office's. Opening minutes are those of a start with capacity, at whatever office; the service ran from the
first minute ever watched to the last, so that minutes in which it was down count against it. A working day is one that
the office published with starts; where it has published nothing yet, one that is no weekend.
"""
#: How far ahead the next working day is looked for: longer than any run of holidays.
_CLOSED_DAYS_MAX: Final = 60
_DAY: Final = timedelta(days=1)


class Asked(NamedTuple):
    period_from: date
    period_to: date  # included
    at: datetime  # when it is measured: what has not begun by then is left out


def values(connection: Connection[TupleRow], asked: Asked) -> dict[str, str]:
    """Indicator → `numerator/denominator`, or a median as a whole number; those without data are left out."""
    booked, done, visits = _booked(connection, asked), _done(connection, asked), _visits(connection, asked)
    shares = {
        "A1": _row(
            connection,
            "SELECT count(*) FILTER (WHERE live_from <= %(period_to)s), count(*) FROM view_measurement_inputs.office",
            asked,
        ),
        "A2": _row(
            connection,
            "SELECT count(*) FILTER (WHERE electronic), count(*) FROM view_measurement_inputs.service",
            asked,
        ),
        "A3": _row(
            connection,
            """SELECT count(*) FILTER (WHERE day - first_on >= 14), count(*) FROM view_measurement_inputs.published
               WHERE is_open AND day BETWEEN %(period_from)s AND %(period_to)s""",
            asked,
        ),
        **operation.shares(connection, since=_midnight(asked.period_from), until=_midnight(asked.period_to + _DAY)),
        "C1": (booked.reachable, booked.bookings),
        "C3": _outcomes_in_time(connection, asked),
        "D1": (booked.electronic, booked.bookings + done.walk_ins),
        "D3": (visits.no_show, visits.served + visits.not_completed + visits.no_show),
        "D4": (done.late_cancellations, booked.bookings),
        "D5": (visits.served_units, _capacity(connection, asked)),
    }
    medians = {
        "D2": _median(connection, _LEADS, asked),
        "D6": _median(connection, _WAITS, asked, unit=60),
    }
    found = {name: f"{part}/{whole}" for name, (part, whole) in shares.items() if whole}
    found |= {name: str(median) for name, median in medians.items() if median is not None}
    return dict(sorted(found.items()))


def periods(connection: Connection[TupleRow]) -> Sequence[Period]:
    """Of the complete measurements, in the order they were made."""
    query = """
        SELECT measurement, period_from, period_to, position FROM view_measurement_inputs.measurement
        WHERE is_complete ORDER BY position
    """
    with connection.cursor(row_factory=class_row(Period)) as cursor:
        return cursor.execute(query).fetchall()


def measurements(connection: Connection[TupleRow], upto: int) -> Sequence[str]:
    """All of them, made at a position up to `upto`, in the order they were made."""
    query = "SELECT measurement FROM view_measurement_inputs.measurement WHERE position <= %s ORDER BY position"
    return [measurement for (measurement,) in connection.execute(query, (upto,))]


# -- bookings and visits ----------------------------------------------------------------------------------------------


class _Booked(NamedTuple):
    bookings: int
    reachable: int
    electronic: int


class _Done(NamedTuple):
    walk_ins: int
    late_cancellations: int


class _Visits(NamedTuple):
    served: int
    not_completed: int
    no_show: int
    served_units: int


def _booked(connection: Connection[TupleRow], asked: Asked) -> _Booked:
    query = """
        SELECT coalesce(sum(bookings), 0)::bigint, coalesce(sum(reachable), 0)::bigint,
               coalesce(sum(electronic), 0)::bigint
        FROM view_measurement_inputs.booked WHERE day BETWEEN %(period_from)s AND %(period_to)s
    """
    return _Booked(*_row(connection, query, asked))


def _done(connection: Connection[TupleRow], asked: Asked) -> _Done:
    query = """
        SELECT coalesce(sum(walk_ins), 0)::bigint, coalesce(sum(late_cancellations), 0)::bigint
        FROM view_measurement_inputs.done WHERE day BETWEEN %(period_from)s AND %(period_to)s
    """
    return _Done(*_row(connection, query, asked))


def _visits(connection: Connection[TupleRow], asked: Asked) -> _Visits:
    query = """
        SELECT coalesce(sum(served), 0)::bigint, coalesce(sum(not_completed), 0)::bigint,
               coalesce(sum(no_show), 0)::bigint, coalesce(sum(served_units), 0)::bigint
        FROM view_measurement_inputs.visit WHERE day BETWEEN %(period_from)s AND %(period_to)s
    """
    return _Visits(*_row(connection, query, asked))


def _capacity(connection: Connection[TupleRow], asked: Asked) -> int:
    query = """
        SELECT coalesce(sum(capacity), 0)::bigint FROM view_measurement_inputs.slot
        WHERE starts_at >= %(since)s AND starts_at < %(until)s AND starts_at <= %(at)s
    """
    return int(_row(connection, query, asked)[0])


_LEADS = """
    SELECT lead_days, sum(bookings)::bigint FROM view_measurement_inputs.booked
    WHERE day BETWEEN %(period_from)s AND %(period_to)s GROUP BY lead_days ORDER BY lead_days
"""
_WAITS = """
    SELECT waited_s, sum(calls)::bigint FROM view_measurement_inputs.wait
    WHERE day BETWEEN %(period_from)s AND %(period_to)s GROUP BY waited_s ORDER BY waited_s
"""


def _median(connection: Connection[TupleRow], query: str, asked: Asked, *, unit: int = 1) -> Fraction | None:
    """Exact: of an even number the mean of the two in the middle. `query`: values in order, and how often each."""
    histogram = connection.execute(query, _parameters(asked)).fetchall()
    count = sum(often for _, often in histogram)
    if not count:
        return None
    middle = [_nth(histogram, (count - 1) // 2), _nth(histogram, count // 2)]
    return Fraction(sum(middle), 2 * unit)


def _nth(histogram: Sequence[tuple[Any, ...]], n: int) -> int:
    for value, often in histogram:
        if n < often:
            return int(value)
        n -= often
    raise IndexError(n)


def _outcomes_in_time(connection: Connection[TupleRow], asked: Asked) -> tuple[int, int]:
    """An outcome recorded late counts against it, and so does one that is not recorded when its time is over."""
    recorded = """
        SELECT office, day, recorded_on, visits FROM view_measurement_inputs.outcome
        WHERE day BETWEEN %(period_from)s AND %(period_to)s
    """
    pending = """
        SELECT office, day, pending FROM view_measurement_inputs.visit
        WHERE pending > 0 AND day BETWEEN %(period_from)s AND %(period_to)s
    """
    parameters, today = _parameters(asked), local_date(asked.at)
    published = _published(connection, asked)
    in_time = due = 0
    for office, day, recorded_on, visits in connection.execute(recorded, parameters):
        due += visits
        if recorded_on <= _next_working_day(published, office, day):
            in_time += visits
    for office, day, visits in connection.execute(pending, parameters):
        if _next_working_day(published, office, day) < today:
            due += visits
    return in_time, due


def _published(connection: Connection[TupleRow], asked: Asked) -> dict[tuple[str, date], bool]:
    query = """
        SELECT office, day, is_open FROM view_measurement_inputs.published
        WHERE day > %(period_from)s AND day <= %(last)s
    """
    last = asked.period_to + timedelta(days=_CLOSED_DAYS_MAX)
    rows = connection.execute(query, {"period_from": asked.period_from, "last": last})
    return {(office, day): is_open for office, day, is_open in rows}


def _next_working_day(published: Mapping[tuple[str, date], bool], office: str, day: date) -> date:
    for _ in range(_CLOSED_DAYS_MAX):
        day += _DAY
        if published.get((office, day), not is_weekend(day)):
            break
    return day


# -- reading ----------------------------------------------------------------------------------------------------------


def _row(connection: Connection[TupleRow], query: str, asked: Asked) -> tuple[int, ...]:
    row = connection.execute(query, _parameters(asked)).fetchone()
    assert row is not None
    return row


def _parameters(asked: Asked) -> dict[str, object]:
    return asked._asdict() | {"since": _midnight(asked.period_from), "until": _midnight(asked.period_to + _DAY)}


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), RIYADH)
