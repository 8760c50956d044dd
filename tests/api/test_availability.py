from datetime import timedelta

import pytest

from tests.api.client import DAYS, start_after

SLOTS = 24  # a day has so many starts


def read(api, path, **asked):
    return api.get(path, headers={"Mawid-At-Least": str(api.head())}, **asked)


def days(api, office, since, until=None, service="SV-CA-02"):
    last = f"&to={until}" if until else ""
    return read(api, f"/v1/availability?office={office}&service={service}&from={since}{last}").json()["days"]


def slots(api, office, service="SV-CA-02", day=DAYS[0]):
    return read(api, f"/v1/availability/slots?office={office}&service={service}&date={day}").json()["slots"]


def test_a_day_shows_its_places_and_its_date_in_both_calendars(api):
    office = api.given_an_office(counters=2)
    api.given_a_booking(office)

    assert days(api, office, DAYS[0]) == [
        {"date": "2011-01-03", "hijri": "1432-01-28", "open": True, "capacity": 2 * SLOTS, "free": 2 * SLOTS - 1}
    ]


def test_both_ends_are_included_and_closed_days_say_why_in_both_languages(api):
    office = api.given_an_office(days=("2011-01-05", "2011-01-06"))

    wednesday, thursday, friday = days(api, office, "2011-01-05", "2011-01-07")

    assert (wednesday["open"], wednesday["free"]) == (True, SLOTS)
    assert thursday == {
        "date": "2011-01-06",
        "hijri": "1432-02-02",
        "open": False,
        "reason": "weekend",
        "reason_ar": "عطلة نهاية الأسبوع",
        "reason_en": "Weekend",
        "capacity": 0,
        "free": 0,
    }
    assert (friday["open"], friday["reason"], friday["reason_en"]) == (False, "not-published", "Not published yet")


def test_a_holiday_is_called_by_its_name(api):
    office = api.given_an_office(days=("2010-11-16", "2010-11-16"))

    (day,) = days(api, office, "2010-11-16")

    assert (day["open"], day["reason"]) == (False, "holiday")
    assert "Adha" in day["reason_en"]
    assert "الأضحى" in day["reason_ar"]


def test_a_longer_service_has_as_many_places_as_the_least_of_its_slots(api):
    office = api.given_an_office(counters=2)
    api.given_a_booking(office, start=start_after(1))

    first, second, third, *_ = slots(api, office, "SV-CA-30")

    assert first == {"starts_at": "2011-01-03T08:00:00+03:00", "free": 1, "capacity": 2}
    assert (second["free"], third["free"]) == (1, 2)
    assert len(slots(api, office, "SV-CA-45")) == SLOTS - 2


def test_a_cancelled_booking_gives_its_place_back(api):
    office = api.given_an_office()
    booked = api.given_a_booking(office)
    assert slots(api, office)[0]["free"] == 0

    api.post(f"/v1/bookings/{booked['reference']}/cancel", {})

    assert slots(api, office)[0]["free"] == 1


def test_a_closed_day_has_no_starts(api):
    assert slots(api, api.given_an_office(), day="2011-01-07") == []


def test_an_answer_says_as_of_when_it_is(api):
    office = api.given_an_office()

    answer = read(api, f"/v1/availability?office={office}&service=SV-CA-02&from={DAYS[0]}")

    assert answer.json()["as_of"]["position"] == api.head()
    assert answer.headers["cache-control"] == "no-cache"
    again = api.get(str(answer.request.url), headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize("service", ["SV-CA-90", "SV-TR-01"])
@pytest.mark.parametrize("path", ["/v1/availability?from=2011-01-03", "/v1/availability/slots?date=2011-01-03"])
def test_what_is_not_booked_at_an_office_is_not_offered(api, path, service):
    office = api.given_an_office(days=None)

    response = read(api, f"{path}&office={office}&service={service}")

    problem = response.json()
    assert (response.status_code, problem["type"]) == (409, "/problems/service-not-offered")
    assert (problem["office"], problem["service"]) == (office, service)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"office": "CA-XX-99"}, "office"),
        ({"office": "ca-tb-01"}, "office"),
        ({"office": "\x00"}, "office"),
        ({"office": None}, "office"),
        ({"service": "SV-XX-99"}, "service"),
        ({"service": ""}, "service"),
        ({"from": "2011-01-32"}, "from"),
        ({"from": "1432-01-28"}, "from"),
        ({"from": None}, "from"),
        ({"to": "2011-01-02"}, "to"),
        ({"to": "2011-03-06"}, "to"),
        ({"date": "2011-01-03"}, "date"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_the_name_of_its_parameter(api, asked, field):
    usual = {"office": api.given_an_office(days=None), "service": "SV-CA-02", "from": "2011-01-03"}
    parameters = {name: value for name, value in (usual | asked).items() if value is not None}

    response = api.get("/v1/availability", params=parameters, headers={"Mawid-At-Least": str(api.head())})

    assert (response.status_code, response.json()["field"]) == (422, field)


def test_so_many_days_are_shown_at_a_time(api):
    office = api.given_an_office(days=None)
    last = (start_after(0) + timedelta(days=61)).date().isoformat()

    assert len(days(api, office, DAYS[0], last)) == 62


def test_who_asks_for_a_position_is_not_told_what_was_told_to_others(api):
    office = api.given_an_office()
    path = f"/v1/availability?office={office}&service=SV-CA-02&from={DAYS[0]}"
    read(api, path)
    assert api.get(path).json()["days"][0]["free"] == SLOTS

    api.given_a_booking(office)

    assert read(api, path).json()["days"][0]["free"] == SLOTS - 1
