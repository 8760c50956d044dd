"""Fair release over HTTP: who turns it on, and what a citizen sees of a place that rests."""

from datetime import timedelta

import pytest

from tests.api.client import MONDAY, new_number

LATE = MONDAY - timedelta(hours=20)
AN_HOUR_LATER = LATE + timedelta(hours=1)


@pytest.fixture
def office(api):
    """With one counter, and fair release on."""
    office = api.given_an_office()
    response = turn(api, office, on=True)
    assert (response.status_code, response.json()) == (200, {"office": office, "on": True, "position": api.head()})
    return office


def turn(api, office, by=None, *, on):
    return api.post(f"/v1/offices/{office}/fair-release", {"on": on}, by=by)


def free(api, office, now):
    path = f"/v1/availability/slots?office={office}&service=SV-CA-02&date={MONDAY.date()}"
    starts = api.get(path, headers={"Mawid-At-Least": str(api.head()), "Mawid-Now": now.isoformat()}).json()["slots"]
    return starts[0]["free"]


def test_a_place_given_up_late_is_free_again_within_half_an_hour_and_not_for_whoever_gave_it_up(api, office):
    number = new_number()
    booking = api.given_a_booking(office, number=number)
    api.post(f"/v1/bookings/{booking['booking']}/cancel", at=LATE)

    at_once = api.book(office, at=LATE + timedelta(seconds=59))
    seen = [free(api, office, at) for at in (LATE, AN_HOUR_LATER)]
    again = api.book(office, number=number, at=AN_HOUR_LATER)
    somebody = api.book(office, at=AN_HOUR_LATER)

    assert (at_once.status_code, at_once.json()["type"]) == (409, "/problems/slot-full")
    assert seen == [0, 1]
    assert (again.status_code, again.json()["type"]) == (409, "/problems/slot-full")
    assert (again.json()["capacity"], again.json()["freed"]) == (1, 1)
    assert somebody.status_code == 201


def test_turned_off_a_place_is_free_at_once(api, office):
    assert turn(api, office, on=False).json()["on"] is False
    booking = api.given_a_booking(office)
    api.post(f"/v1/bookings/{booking['booking']}/cancel", at=LATE)

    assert api.book(office, at=LATE).status_code == 201


def test_it_is_the_offices_own_head_who_turns_it_on(api, office):
    other = api.given_an_office(days=None)

    assert turn(api, office, by=api.token("manager", office=office), on=True).status_code == 200
    assert turn(api, office, by=api.token("manager", office=other), on=True).status_code == 403
    assert turn(api, office, by=api.token("staff", office=office), on=True).status_code == 403


@pytest.mark.parametrize("body", [{}, {"on": "yes"}, {"on": 1}, {"on": True, "office": "CA-TB-01"}])
def test_it_is_on_or_off_and_nothing_else(api, office, body):
    response = api.post(f"/v1/offices/{office}/fair-release", body)

    assert (response.status_code, response.json()["type"]) == (422, "/problems/invalid-request")


def test_an_office_that_is_not_there_cannot_turn_it_on(api):
    response = turn(api, "CA-XX-99", on=True)

    assert (response.status_code, response.json()["field"]) == (422, "office")
