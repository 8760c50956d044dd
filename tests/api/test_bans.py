"""POL-08 to POL-10 over HTTP: who misses a visit is barred from the day after; a correction lifts it."""

from datetime import datetime, time, timedelta

import pytest

from domain.calendar import RIYADH
from tests.api.client import MONDAY, new_number
from tests.api.test_refusals import refused

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
SERVICE, OTHER = "SV-CA-02", "SV-CA-03"
MONTHS = ("2011-01-03", "2011-04-30")


@pytest.fixture(scope="module")
def office(shared_api):
    """One with many counters, published for four months in two parts."""
    office = shared_api.given_an_office(counters=20, days=None)
    for since, until in (("2011-01-03", "2011-03-03"), ("2011-03-04", "2011-04-30")):
        days = {"from": since, "to": until}
        assert shared_api.post(f"/v1/offices/{office}/publications", days).status_code == 200
    return office


def midnight(day):
    return datetime.combine(day.date(), time(), RIYADH)


def workday_after(instant, days):
    day = instant + days * DAY
    while day.weekday() in (3, 4):
        day += DAY
    return day.replace(hour=8, minute=0, second=0)


def missed(api, office, number, start, service=SERVICE):
    """A booking whose customer did not come, as the clerk recorded it."""
    booked = api.given_a_booking(office, number=number, start=start, service=service, at=start - 2 * DAY)
    outcome = {"outcome": "no_show"}
    done = api.post(f"/v1/bookings/{booked['reference']}/outcome", outcome, at=start + timedelta(minutes=15))
    assert done.status_code == 200, done.text
    return booked


def test_pol_09_the_ban_runs_from_the_day_after_to_the_fifteenth_day(api, office):
    number = new_number()
    missed(api, office, number, MONDAY)
    next_visit = workday_after(MONDAY, 20)

    refused(
        api.book(office, number=number, start=next_visit, at=midnight(MONDAY + DAY)),
        "banned",
        service=SERVICE,
        until="2011-01-18",
    )
    refused(api.book(office, number=number, start=next_visit, at=midnight(MONDAY + 16 * DAY) - SECOND), "banned")
    assert api.book(office, number=number, start=next_visit, service=OTHER, at=MONDAY + DAY).status_code == 201
    assert api.book(office, number=number, start=next_visit, at=midnight(MONDAY + 16 * DAY)).status_code == 201


def test_pol_09_on_the_day_of_the_missed_visit_itself_nothing_is_barred_yet(api, office):
    number = new_number()
    missed(api, office, number, MONDAY)

    later = api.book(office, number=number, start=workday_after(MONDAY, 1), at=midnight(MONDAY + DAY) - SECOND)

    assert later.status_code == 201


def test_pol_10_the_third_no_show_within_180_days_bars_every_service_for_thirty_days(api, office):
    number = new_number()
    starts = [MONDAY, workday_after(MONDAY, 20), workday_after(MONDAY, 40)]
    for start, service in zip(starts, (SERVICE, OTHER, "SV-CA-01"), strict=True):
        missed(api, office, number, start, service)
    third = starts[-1]
    last_day = midnight(third + 30 * DAY)

    refusal = refused(
        api.book(office, number=number, start=workday_after(third, 25), service="SV-CA-04", at=midnight(third + DAY)),
        "banned",
        until=f"{last_day:%Y-%m-%d}",
    )
    assert "service" not in refusal
    next_visit = workday_after(third, 33)
    refused(api.book(office, number=number, start=next_visit, service="SV-CA-04", at=last_day + DAY - SECOND), "banned")
    assert api.book(office, number=number, start=next_visit, service="SV-CA-04", at=last_day + DAY).status_code == 201


def test_two_no_shows_bar_no_other_service(api, office):
    number = new_number()
    missed(api, office, number, MONDAY)
    missed(api, office, number, workday_after(MONDAY, 20), OTHER)

    booked = api.book(office, number=number, start=workday_after(MONDAY, 30), service="SV-CA-04", at=MONDAY + 22 * DAY)

    assert booked.status_code == 201


def test_a_correction_lifts_the_ban_it_had_caused(api, office):
    number = new_number()
    booked = missed(api, office, number, MONDAY)
    at = midnight(MONDAY + DAY)
    refused(api.book(office, number=number, start=workday_after(MONDAY, 5), at=at), "banned")

    told = {"outcome": "served", "reason": "was at the other counter"}
    corrected = api.post(f"/v1/bookings/{booked['reference']}/outcome/correction", told, at=at + SECOND)

    assert corrected.status_code == 200, corrected.text
    assert api.book(office, number=number, start=workday_after(MONDAY, 5), at=at + SECOND).status_code == 201


def test_a_visit_nobody_recorded_is_a_no_show_at_the_offices_close_and_bars_like_one(api, office):
    number = new_number()
    api.given_a_booking(office, number=number, start=MONDAY)

    response = api.book(office, number=number, start=workday_after(MONDAY, 5), at=midnight(MONDAY + DAY))

    refused(response, "banned", until="2011-01-18")


@pytest.mark.parametrize("path", ["/v1/holds", "/v1/waiting-list", "/v1/walk-ins"])
def test_a_ban_holds_whichever_way_one_comes(api, office, path):
    number = new_number()
    missed(api, office, number, MONDAY)
    start = workday_after(MONDAY, 1)
    day = f"{start:%Y-%m-%d}"
    told = {"office": office, "service": SERVICE, "beneficiary": {"number": number}}
    more = {
        "/v1/holds": {"starts_at": f"{start:%Y-%m-%dT%H:%M}", "channel": "kiosk"},
        "/v1/waiting-list": {"from": day, "to": day, "channel": "portal"},
        "/v1/walk-ins": {},
    }

    refused(api.post(path, told | more[path], at=start), "banned", service=SERVICE)
