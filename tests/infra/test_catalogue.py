from collections import Counter
from dataclasses import FrozenInstanceError
from datetime import date, timedelta
from importlib.resources import files

import pytest

from domain.calendar import hijri
from domain.identifiers import parse_slot_id, parse_start, slot_id
from domain.opening_hours import Calendar, slots_of
from infra.catalogue import holidays, load_model, offices, regions, sectors, services


def quantile(shares: tuple[float, ...], part: float) -> int:
    reached = 0.0
    for value, share in enumerate(shares):
        reached += share / sum(shares)
        if reached >= part:
            return value
    raise AssertionError(part)


def test_the_offices_are_171_of_which_45_came_first_with_230_counters():
    first = [office for office in offices() if office.in_first_45]

    assert (len(offices()), len(first), sum(office.counters for office in first)) == (171, 45, 230)
    assert len({office.office for office in offices()}) == 171


def test_every_office_has_its_region_and_every_region_counts_its_offices():
    assert len(regions()) == 13
    for region in regions():
        here = [office for office in offices() if office.region == region.region]
        assert len(here) == region.offices
        assert sum(office.in_first_45 for office in here) == region.offices_in_first_45
    assert sum(region.offices for region in regions()) == 171


def test_offices_open_wave_by_wave():
    waves = Counter((office.rollout_wave, office.live_from) for office in offices())

    assert len(waves) == 8
    assert sorted(waves) == sorted(waves, key=lambda wave: wave[1])
    assert min(live_from for _, live_from in waves) == date(2010, 11, 27)
    assert all(office.in_first_45 == (office.rollout_wave <= 3) for office in offices())


def test_every_office_can_be_used_as_it_stands():
    for office in offices():
        start = parse_start("2011-02-05T09:00")
        assert parse_slot_id(slot_id(office.office, start)) == (office.office, start)
        assert office.section in {"men", "women", "mixed"}
        assert office.kind in {"main", "branch", "women"}
        assert office.counters >= 1
        assert (office.latitude is None) == (office.longitude is None) == (office.geoname_id is None)
        assert office.latitude is None or (16 < office.latitude < 33 and 34 < (office.longitude or 0) < 56)


def test_the_services_are_88_of_which_67_need_a_visit():
    assert len(services()) == len({service.service for service in services()}) == 88
    assert sum(service.needs_visit for service in services()) == 67


def test_every_service_has_a_sector_an_audience_and_a_length():
    known = {sector.sector for sector in sectors()}

    assert known == {"civil_affairs", "passports", "traffic", "police"} == {service.sector for service in services()}
    for service in services():
        assert service.audience in {"citizen", "resident", "both"}
        assert 1 <= slots_of(service.minutes) <= 3
        assert service.counter_minutes <= service.minutes


def test_every_name_stands_in_both_languages():
    names = [(row.name_ar, row.name_en) for row in offices()]
    names += [(row.name_ar, row.name_en) for row in services()]
    names += [(row.name_ar, row.name_en) for row in regions()]
    names += [(row.name_ar, row.name_en) for row in sectors()]
    names += [(row.name_ar, row.name_en) for row in holidays()]

    for name_ar, name_en in names:
        assert name_en.isascii()
        assert any("\u0621" <= letter <= "\u064a" for letter in name_ar)


def test_every_holiday_row_parses():
    kinds = Counter(holiday.kind for holiday in holidays())

    assert kinds == {"closure": 67, "ramadan_hours": 18, "adhoc_closure": 2, "weekend_change": 1}


def test_every_published_closure_is_closed_on_all_its_days():
    calendar = Calendar(holidays())

    for holiday in holidays():
        if holiday.kind in ("closure", "weekend_change"):
            assert not any(calendar.day(day).open for day in holiday.days())


def test_every_announcement_is_a_working_day_to_publication_and_so_is_the_day_it_is_posted_after():
    calendar = Calendar(holidays())

    assert [announcement.start for announcement in calendar.announcements] == [date(2011, 2, 26), date(2022, 11, 23)]
    for announcement in calendar.announcements:
        assert announcement.last_workday_before is not None
        assert calendar.day(announcement.start).open
        assert calendar.day(announcement.last_workday_before).open


def test_no_working_day_lies_between_the_last_one_before_a_holiday_and_the_holiday():
    calendar = Calendar(holidays())

    for holiday in holidays():
        before = holiday.last_workday_before or holiday.start
        between = (before + timedelta(days=n) for n in range(1, (holiday.start - before).days))
        assert not any(calendar.day(day).open for day in between), holiday


def test_every_open_day_of_ramadan_has_the_hours_of_ramadan():
    calendar = Calendar(holidays())
    days = [day for holiday in holidays() if holiday.kind == "ramadan_hours" for day in holiday.days()]

    assert {(hijri(day) or "")[5:7] for day in days} == {"09"}
    assert {len(calendar.day(day).starts) for day in days} == {0, 20}


def test_the_first_year_has_the_working_days_it_is_known_to_have():
    """From the launch to the last day of 1432H: 364 days, 245 of them working days once the King's return is posted."""
    calendar = Calendar(holidays())
    days = [date(2010, 11, 27) + timedelta(days=n) for n in range(364)]
    announced = {announcement.start for announcement in calendar.announcements}

    assert days[-1] == date(2011, 11, 25)
    assert sum(calendar.day(day).open and day not in announced for day in days) == 245


def test_the_load_model_is_made_of_shares():
    model = load_model()

    assert (len(model.hour_share), len(model.weekday_share), len(model.bookings_per_person_share)) == (24, 7, 5)
    for shares in (
        model.hour_share,
        model.weekday_share,
        model.lead_day_share,
        model.bookings_per_person_share,
        tuple(share for _, share in model.channel_share),
    ):
        assert sum(shares) == pytest.approx(1, abs=0.001)
        assert all(0 < share < 1 for share in shares)


def test_leads_within_the_horizon_lie_where_public_offices_saw_theirs():
    within = load_model().lead_day_share[:31]

    assert 6.2 <= quantile(within, 0.5) <= 10.9
    assert 11.1 <= quantile(within, 0.9) <= 22.0


def test_the_working_week_begins_with_its_busiest_day():
    model = load_model()
    busiest, quietest = max(model.weekday_share), min(model.weekday_share)

    assert model.share_of_weekday(date(2011, 2, 5)) == busiest  # a Saturday
    assert model.share_of_weekday(date(2011, 2, 3)) == quietest  # a Thursday
    assert model.share_of_weekday(date(2013, 6, 29)) == model.weekday_share[6]
    assert model.share_of_weekday(date(2013, 6, 30)) == busiest  # a Sunday
    assert model.share_of_weekday(date(2013, 7, 5)) == quietest  # a Friday


def test_bookings_far_ahead_are_cancelled_more_often():
    model = load_model()
    shares = [model.cancel_share(timedelta(days=days)) for days in (0, 1, 7, 8, 30, 31, 365)]

    assert shares == [0.068, 0.11, 0.11, 0.279, 0.279, 0.377, 0.377]
    assert list(model.lead_left_at_cancel) == sorted(model.lead_left_at_cancel)


def test_visits_booked_further_ahead_are_missed_more_often():
    model = load_model()
    shares = [model.no_show_share(days) for days in (0, 1, 2, 3, 8, 14, 15, 30, 365)]

    assert shares == [0.0465, 0.2135, 0.2374, 0.2374, 0.3047, 0.3047, 0.3259, 0.3259, 0.3415]


def test_bookings_come_over_the_channels_that_take_them():
    assert [channel for channel, _ in load_model().channel_share] == ["portal", "kiosk", "sms", "counter"]


def test_the_catalogue_cannot_be_changed_and_is_read_once():
    assert offices() is offices()
    with pytest.raises(FrozenInstanceError):
        offices()[0].counters = 99  # type: ignore[misc]


def test_the_credit_for_the_coordinates_is_beside_them():
    credit = files("infra.catalogue").joinpath("README.md").read_text(encoding="utf-8")

    assert "GeoNames" in credit
    assert "CC BY 4.0" in credit
