from datetime import timedelta
from typing import Any

import pytest

from tests.api.client import MONDAY, new_number, start_after

MINUTE = timedelta(minutes=1)


@pytest.fixture
def office(api):
    return api.given_an_office(counters=3)


@pytest.fixture
def clerk(api, office):
    return api.token("staff", office=office)


def queue_of(api, office, *, by=None, at=MONDAY, date=None):
    headers = {"Mawid-Now": at.isoformat(), "Mawid-At-Least": str(api.head())}
    params = {"date": date} if date else {}
    return api.get(f"/v1/offices/{office}/queue", by or api.operator, headers=headers, params=params)


def given_a_morning(api, office, clerk):
    """One served, one called, two waiting, one missed, one cancelled, one expected; in that order."""

    def act(booked, command, body=None, *, at):
        assert api.post(f"/v1/bookings/{booked['booking']}/{command}", body, by=clerk, at=at).status_code == 200

    served, called, missed = (api.given_a_booking(office) for _ in range(3))
    waiting, cancelled = (api.given_a_booking(office, start=start_after(1)) for _ in range(2))
    expected = api.given_a_booking(office, start=start_after(2))
    api.post(f"/v1/bookings/{cancelled['booking']}/cancel", {})
    act(served, "check-in", at=MONDAY - MINUTE)
    act(called, "check-in", at=MONDAY + MINUTE)
    for minutes in (2, 7):
        api.post(f"/v1/offices/{office}/queue/next", by=clerk, at=MONDAY + minutes * MINUTE)
    act(served, "outcome", {"outcome": "served"}, at=MONDAY + 6 * MINUTE)
    act(waiting, "check-in", at=MONDAY + 10 * MINUTE)
    act(missed, "outcome", {"outcome": "no_show"}, at=MONDAY + 15 * MINUTE)
    beneficiary = {"office": office, "service": "SV-CA-03", "beneficiary": {"number": new_number()}}
    walked_in = api.post("/v1/walk-ins", beneficiary, by=clerk, at=MONDAY + 16 * MINUTE).json()
    return served, called, missed, waiting, walked_in, expected


def test_the_day_shows_who_is_expected_waits_was_called_and_served(api, office, clerk):
    served, called, missed, waiting, walked_in, expected = given_a_morning(api, office, clerk)

    day = queue_of(api, office, by=clerk, at=MONDAY + 20 * MINUTE).json()

    counts = ("expected", "checked_in", "waiting", "called", "served", "not_completed", "no_show")
    assert {name: day[name] for name in counts} == {
        "expected": 1,
        "checked_in": 3,
        "waiting": 2,
        "called": 1,
        "served": 1,
        "not_completed": 0,
        "no_show": 1,
    }
    assert (day["date"], day["hijri"], day["as_of"]["position"]) == ("2011-01-03", "1432-01-28", api.head())
    assert (day["median_waited_s"], day["longest_waited_s"]) == (240, 360)
    listed = [(each["booking"], each["status"], each["waited_s"]) for each in day["bookings"]]
    assert listed == [
        (served["booking"], "served", 120),
        (called["booking"], "checked_in", 360),
        (missed["booking"], "no_show", None),
        (waiting["booking"], "checked_in", 300),
        (walked_in["booking"], "checked_in", 240),
        (expected["booking"], "confirmed", None),
    ]
    assert [each["walk_in"] for each in day["bookings"]] == [False] * 4 + [True, False]


def test_the_day_names_nobody(api, office, clerk):
    number = new_number()
    booked = api.given_a_booking(office, number=number, told={"name": "نورة", "mobile": "0500000001"})

    response = queue_of(api, office, by=clerk)

    assert booked["booking"] in response.text
    for secret in (number, "نورة", "500000001", booked["reference"]):
        assert secret not in response.text


def test_an_empty_day_is_shown_empty(api, office, clerk):
    day = queue_of(api, office, by=clerk, date="2011-01-05").json()

    assert (day["date"], day["expected"], day["bookings"]) == ("2011-01-05", 0, [])
    assert (day["median_waited_s"], day["longest_waited_s"]) == (None, None)


def test_today_is_the_offices_today(api, office):
    booked = api.given_a_booking(office)
    midnight = MONDAY.replace(hour=0)

    days: dict[str, Any] = {
        name: queue_of(api, office, at=at).json()
        for name, at in (("before", midnight - timedelta(seconds=1)), ("at", midnight))
    }

    assert (days["before"]["date"], days["before"]["bookings"]) == ("2011-01-02", [])
    assert [each["booking"] for each in days["at"]["bookings"]] == [booked["booking"]]


def test_who_was_left_waiting_on_another_day_has_no_wait(api, office, clerk):
    given_a_morning(api, office, clerk)

    day = queue_of(api, office, by=clerk, at=MONDAY + timedelta(days=1), date="2011-01-03").json()

    assert [each["waited_s"] for each in day["bookings"]] == [120, 360, None, None, None, None]


@pytest.mark.parametrize("role", ["staff", "manager"])
def test_a_queue_is_its_own_offices(api, office, role):
    by = api.token(role, office=office)

    assert queue_of(api, office, by=by).status_code == 200
    assert queue_of(api, api.given_an_office(), by=by).status_code == 403


def test_a_regions_manager_sees_the_queues_of_the_region(api, office):
    far = api.given_an_office(region="RD")
    by = api.token("manager", region="TB")

    assert [queue_of(api, each, by=by).status_code for each in (office, far)] == [200, 403]


def test_an_office_that_does_not_exist_has_no_day(api):
    response = queue_of(api, "CA-XX-99")

    assert (response.status_code, response.json()["field"]) == (422, "office")
