from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.calendar import RIYADH
from domain.opening_hours import Calendar, Holiday, OfficeDay, consecutive, parse_holidays, slots_of

EID = Holiday("closure", "عيد الفطر", "Eid al-Fitr", date(2011, 8, 25), date(2011, 9, 3), date(2011, 8, 24))
RAMADAN = Holiday("ramadan_hours", "رمضان", "Ramadan", date(2011, 8, 1), date(2011, 8, 29), None)
WEEKEND_CHANGE = Holiday(
    "weekend_change", "تغيير", "Weekend change", date(2013, 6, 29), date(2013, 6, 29), date(2013, 6, 26)
)
KINGS_RETURN = Holiday(
    "adhoc_closure", "عودة", "The King's return", date(2011, 2, 26), date(2011, 2, 26), date(2011, 2, 23)
)
CALENDAR = Calendar([RAMADAN, EID, WEEKEND_CHANGE, KINGS_RETURN])
SATURDAY = date(2011, 2, 5)
DAYS = st.dates(date(2010, 1, 1), date(2030, 1, 1))
TIMES = st.times().map(lambda at: at.replace(second=0, microsecond=0))


def minutes(at: time) -> int:
    return at.hour * 60 + at.minute


# -- days -------------------------------------------------------------------------------------------------------------


def test_a_working_day_has_24_starts_from_8_to_a_quarter_to_14():
    day = CALENDAR.day(SATURDAY)

    assert (day.open, day.reason, day.name_ar, day.name_en) == (True, None, None, None)
    assert (len(day.starts), day.starts[0], day.starts[1], day.starts[-1]) == (24, time(8), time(8, 15), time(13, 45))


def test_a_ramadan_day_has_20_starts_from_10_to_a_quarter_to_15():
    day = CALENDAR.day(date(2011, 8, 6))

    assert day.open
    assert (len(day.starts), day.starts[0], day.starts[-1]) == (20, time(10), time(14, 45))


def test_ramadan_hours_hold_on_both_edges_and_not_beside_them():
    calendar = Calendar([RAMADAN])  # Monday 1 to Monday 29 August
    one = timedelta(days=1)

    assert [calendar.day(day).starts[0] for day in (RAMADAN.start - one, RAMADAN.start)] == [time(8), time(10)]
    assert [calendar.day(day).starts[0] for day in (RAMADAN.end, RAMADAN.end + one)] == [time(10), time(8)]


def test_a_closure_is_closed_on_both_edges_even_inside_ramadan():
    for day in (EID.start, EID.end):
        assert CALENDAR.day(day) == OfficeDay(False, "holiday", EID.name_ar, EID.name_en, ())
    assert CALENDAR.day(EID.start - timedelta(days=1)).starts[0] == time(10)  # still Ramadan
    assert CALENDAR.day(EID.end + timedelta(days=1)).starts[0] == time(8)


def test_a_holiday_on_a_weekend_is_a_holiday():
    assert CALENDAR.day(date(2011, 8, 26)).reason == "holiday"  # a Friday


@pytest.mark.parametrize(
    ("day", "reason"),
    [
        (date(2013, 6, 26), None),
        (date(2013, 6, 27), "weekend"),  # the last Thursday off
        (date(2013, 6, 28), "weekend"),
        (date(2013, 6, 29), "weekend"),  # the first Saturday off
        (date(2013, 6, 30), None),
        (date(2013, 7, 1), None),
        (date(2013, 7, 2), None),
        (date(2013, 7, 3), None),
        (date(2013, 7, 4), None),  # the first working Thursday
        (date(2013, 7, 5), "weekend"),
        (date(2013, 7, 6), "weekend"),
        (date(2013, 7, 7), None),
        (date(2013, 6, 22), None),  # the last working Saturday
    ],
)
def test_the_weekend_moves_from_thursday_and_friday_to_friday_and_saturday(day, reason):
    for calendar in (CALENDAR, Calendar([])):
        assert calendar.day(day).reason == reason
        assert calendar.day(day).open == (reason is None)


def test_the_day_the_weekend_changed_says_so():
    assert CALENDAR.day(date(2013, 6, 29)).name_en == WEEKEND_CHANGE.name_en


def test_an_announcement_is_listed_and_not_known_to_publication():
    assert CALENDAR.announcements == (KINGS_RETURN,)
    assert CALENDAR.day(KINGS_RETURN.start).open


@given(DAYS)
def test_no_start_lies_outside_the_hours_and_none_on_a_closed_day(day):
    office_day = CALENDAR.day(day)
    in_ramadan = RAMADAN.start <= day <= RAMADAN.end
    opens, closes = (10 * 60, 15 * 60) if in_ramadan else (8 * 60, 14 * 60)

    assert office_day.open == (office_day.reason is None) == bool(office_day.starts)
    assert all(opens <= minutes(start) <= closes - 15 for start in office_day.starts)
    assert all(minutes(start) % 15 == 0 for start in office_day.starts)
    assert list(office_day.starts) == sorted(set(office_day.starts))


@given(DAYS)
def test_a_week_has_five_working_days_but_four_around_the_change(day):
    week = [Calendar([]).day(day + timedelta(days=n)).open for n in range(7)]
    holds_the_long_weekend = day <= date(2013, 6, 27) and day + timedelta(days=6) >= date(2013, 6, 29)

    assert sum(week) == (4 if holds_the_long_weekend else 5)


# -- pauses -----------------------------------------------------------------------------------------------------------


def test_a_pause_takes_the_starts_it_touches():
    whole = CALENDAR.day(SATURDAY).starts
    paused = CALENDAR.day(SATURDAY, [(time(12), time(12, 30))]).starts
    crooked = CALENDAR.day(SATURDAY, [(time(11, 50), time(12, 20))]).starts

    assert set(whole) - set(paused) == {time(12), time(12, 15)}
    assert set(whole) - set(crooked) == {time(11, 45), time(12), time(12, 15)}


@pytest.mark.parametrize("pause", [(time(12), time(12)), (time(23), time(1))])
def test_a_pause_ends_after_it_begins(pause):
    with pytest.raises(ValueError, match="pause"):
        CALENDAR.day(SATURDAY, [pause])


@given(
    st.lists(st.tuples(TIMES, TIMES).filter(lambda pause: pause[0] < pause[1]), max_size=3), TIMES, st.integers(1, 3)
)
def test_a_booking_that_fits_touches_no_pause_and_ends_within_the_hours(pauses, start, slots):
    begins, ends = minutes(start), minutes(start) + 15 * slots
    on_the_grid = begins % 15 == 0
    in_the_hours = begins >= 8 * 60 and ends <= 14 * 60
    meets_a_pause = any(minutes(since) < ends and begins < minutes(until) for since, until in pauses)

    day = CALENDAR.day(SATURDAY, pauses)

    assert day.fits(start, slots) == (on_the_grid and in_the_hours and not meets_a_pause)


# -- bookings of several slots ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("start", "slots", "fits"), [
    (time(8), 1, True),
    (time(8), 3, True),
    (time(13, 45), 1, True),
    (time(13, 45), 2, False),
    (time(13, 30), 2, True),
    (time(13, 30), 3, False),
    (time(7, 45), 2, False),
    (time(8, 5), 1, False),
    (time(23, 45), 3, False),
])  # fmt: skip
def test_a_booking_lies_within_the_day(start, slots, fits):
    assert CALENDAR.day(SATURDAY).fits(start, slots) == fits


def test_nothing_fits_a_closed_day():
    assert not CALENDAR.day(EID.start).fits(time(10), 1)


def test_no_booking_spans_a_pause():
    day = CALENDAR.day(SATURDAY, [(time(12), time(12, 15))])

    assert day.fits(time(11, 45), 1)
    assert not day.fits(time(11, 45), 2)
    assert not day.fits(time(11, 45), 3)
    assert day.fits(time(12, 15), 3)


def test_services_of_15_30_and_45_minutes_take_1_2_and_3_slots():
    assert [slots_of(length) for length in (15, 30, 45)] == [1, 2, 3]


@pytest.mark.parametrize("length", [0, 10, 20, 60, -15])
def test_there_are_no_other_services(length):
    with pytest.raises(ValueError, match="minutes"):
        slots_of(length)


def test_the_starts_of_a_booking_follow_each_other():
    start = datetime(2011, 2, 5, 9, tzinfo=RIYADH)

    assert consecutive(start, 3) == tuple(start.replace(minute=minute) for minute in (0, 15, 30))
    assert consecutive(start, 1) == (start,)


# -- the file ---------------------------------------------------------------------------------------------------------


def row(**changes: str) -> dict[str, str]:
    return {
        "kind": "closure",
        "name_ar": EID.name_ar,
        "name_en": EID.name_en,
        "start": "2011-08-25",
        "end": "2011-09-03",
        "last_workday_before": "2011-08-24",
        "basis": "a column that is not read",
    } | changes


def test_a_row_becomes_a_holiday():
    assert parse_holidays([row()]) == (EID,)
    assert parse_holidays([row(last_workday_before="")])[0].last_workday_before is None
    assert parse_holidays([]) == ()


@pytest.mark.parametrize(
    "changes", [{"kind": "party"}, {"kind": ""}, {"start": "2011-02-30"}, {"end": ""}, {"end": "2011-08-24"}]
)
def test_a_row_that_makes_no_sense_is_refused(changes):
    with pytest.raises(ValueError, match=r"."):
        parse_holidays([row(), row(**changes)])
