from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.calendar import RIYADH, hijri, local_date


def test_the_hijri_date_is_the_umm_al_qura_one():
    assert hijri(date(2011, 5, 14)) == "1432-06-11"
    assert hijri(date(2011, 11, 25)) == "1432-12-29"  # the last day of 1432
    assert hijri(date(2011, 11, 26)) == "1433-01-01"


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(1924, 7, 31), None),
        (date(1924, 8, 1), "1343-01-01"),
        (date(2077, 11, 16), "1500-12-30"),
        (date(2077, 11, 17), None),
        (date(2080, 1, 1), None),
        (date.min, None),
        (date.max, None),
    ],
)
def test_outside_the_tables_there_is_no_hijri_date_and_no_error(day, expected):
    assert hijri(day) == expected


def test_an_instant_is_refused_where_a_date_is_meant():
    with pytest.raises(TypeError):
        hijri(datetime(2011, 2, 5, 22, tzinfo=UTC))


def test_the_office_day_begins_at_21_utc():
    assert local_date(datetime(2011, 2, 4, 20, 59, 59, 999999, tzinfo=UTC)) == date(2011, 2, 4)
    assert local_date(datetime(2011, 2, 4, 21, tzinfo=UTC)) == date(2011, 2, 5)
    assert local_date(datetime(2011, 2, 5, tzinfo=RIYADH)) == date(2011, 2, 5)


def test_an_instant_without_a_zone_has_no_office_date():
    with pytest.raises(ValueError, match="time zone"):
        local_date(datetime.fromisoformat("2011-02-05T09:00"))


@given(st.datetimes(datetime.fromisoformat("1990-01-01"), datetime.fromisoformat("2199-12-31")), st.integers(-720, 840))
def test_the_office_date_depends_on_the_instant_alone(wall, offset_minutes):
    instant = wall.replace(tzinfo=UTC)
    elsewhere = instant.astimezone(timezone(timedelta(minutes=offset_minutes)))

    assert local_date(elsewhere) == local_date(instant) == (wall + timedelta(hours=3)).date()
