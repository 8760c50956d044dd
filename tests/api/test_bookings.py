from datetime import datetime, timedelta

import icalendar
import pytest

from domain.calendar import RIYADH
from tests.api.client import ADVANCE, booking, new_number, start_after

DAY = timedelta(days=1)


def state(booked, **changed):
    """What a booking shows wherever it is shown."""
    return {name: value for name, value in booked.items() if name not in ("position", "as_of", "late")} | changed


def read_own_write(api, path, booked, by=None):
    return api.get(path, by or api.operator, headers={"Mawid-At-Least": str(booked["position"])})


# -- commands ---------------------------------------------------------------------------------------------------------


def test_a_booking_answers_with_its_place_its_reference_and_its_position(api):
    office = api.given_an_office()

    response = api.book(office, service="SV-CA-30")

    booked = response.json()
    assert response.status_code == 201
    assert response.headers["mawid-position"] == str(booked["position"])
    assert list(booked) == [
        "booking",
        "reference",
        "status",
        "office",
        "service",
        "starts_at",
        "ends_at",
        "hijri",
        "channel",
        "reschedules",
        "position",
    ]
    assert state(booked, booking=None, reference=None) == {
        "booking": None,
        "reference": None,
        "status": "confirmed",
        "office": office,
        "service": "SV-CA-30",
        "starts_at": "2011-01-03T08:00:00+03:00",
        "ends_at": "2011-01-03T08:30:00+03:00",
        "hijri": "1432-01-28",
        "channel": "portal",
        "reschedules": 0,
    }
    assert booked["position"] == api.head()


@pytest.mark.parametrize("start", ["2011-01-03T08:00", "2011-01-03T05:00:00Z", "2011-01-03T00:00-05:00"])
def test_a_start_is_an_instant_or_the_offices_wall_time(api, start):
    body = booking(api.given_an_office()) | {"starts_at": start}

    response = api.post("/v1/bookings", body)

    assert response.json()["starts_at"] == "2011-01-03T08:00:00+03:00"


def test_a_group_is_booked_as_a_whole(api):
    office = api.given_an_office(counters=2)

    response = api.post("/v1/bookings/group", {"bookings": [booking(office), booking(office)]})

    group = response.json()
    assert response.status_code == 201
    assert group["position"] == api.head()
    assert len({one["reference"] for one in group["bookings"]}) == 2
    assert [one["status"] for one in group["bookings"]] == ["confirmed"] * 2
    assert api.book(office).status_code == 409


def test_a_group_has_a_size(api):
    office = api.given_an_office(counters=11)

    response = api.post("/v1/bookings/group", {"bookings": [booking(office)] * 11})

    assert (response.status_code, response.json()["field"]) == (422, "bookings")
    assert api.post("/v1/bookings/group", {"bookings": []}).json()["field"] == "bookings"


def test_a_moved_booking_keeps_its_reference_and_gives_its_place_back(api):
    office = api.given_an_office()
    booked = api.given_a_booking(office)

    response = api.post(f"/v1/bookings/{booked['reference']}/reschedule", {"starts_at": start_after(4).isoformat()})

    moved = response.json()
    assert response.status_code == 200
    assert state(moved) == state(
        booked, starts_at="2011-01-03T09:00:00+03:00", ends_at="2011-01-03T09:15:00+03:00", reschedules=1
    )
    assert api.book(office).status_code == 201


def test_a_booking_moves_to_another_office(api):
    booked = api.given_a_booking(api.given_an_office())
    other = api.given_an_office()

    moved = api.post(
        f"/v1/bookings/{booked['booking']}/reschedule", {"starts_at": start_after(1).isoformat(), "office": other}
    )

    assert moved.json()["office"] == other


@pytest.mark.parametrize("body", [None, {}, {"reason": "سفر"}, {"reason": None}])
def test_a_booking_is_cancelled_with_a_reason_or_without(api, body):
    office = api.given_an_office()
    booked = api.given_a_booking(office)

    response = api.post(f"/v1/bookings/{booked['reference']}/cancel", body)

    cancelled = response.json()
    assert response.status_code == 200
    assert state(cancelled) == state(booked, status="cancelled")
    assert cancelled["late"] is False
    assert api.book(office).status_code == 201


@pytest.mark.parametrize(
    "spelling",
    [
        str,
        str.lower,
        lambda reference: reference.replace("-", " "),
        lambda reference: reference.replace("-", ""),
        lambda reference: reference.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")),
        lambda reference: reference.replace("0", "o").replace("1", "l"),
    ],
)
def test_a_reference_is_taken_in_any_spelling(api, spelling):
    booked = api.given_a_booking(api.given_an_office())

    found = read_own_write(api, f"/v1/bookings/{spelling(booked['reference'])}", booked)

    assert found.json()["booking"] == booked["booking"]


def test_a_reference_works_at_another_process_as_soon_as_it_is_answered(open_api):
    here = open_api()
    there = open_api()
    booked = here.given_a_booking(here.given_an_office())

    response = there.post(f"/v1/bookings/{booked['reference']}/cancel")

    assert response.json()["status"] == "cancelled"


# -- reading ----------------------------------------------------------------------------------------------------------


def test_a_read_after_a_position_shows_the_write(api):
    booked = api.given_a_booking(api.given_an_office())

    response = read_own_write(api, f"/v1/bookings/{booked['reference']}", booked)

    found = response.json()
    assert response.status_code == 200
    assert state(found) == state(booked)
    assert found["as_of"] == {"position": booked["position"], "at": ADVANCE.isoformat()}


def test_a_read_of_what_will_never_be_there_gives_up(open_api):
    api = open_api(MAWID_AT_LEAST_WAIT_S_MAX="0")
    booked = api.given_a_booking(api.given_an_office())

    response = api.get(f"/v1/bookings/{booked['booking']}", api.operator, headers={"Mawid-At-Least": "1000000"})

    assert (response.status_code, response.json()["type"]) == (503, "/problems/view-behind")
    assert int(response.headers["retry-after"]) >= 1


@pytest.mark.parametrize("position", ["", "-1", "1.0", "x", "٣", "9223372036854775808", "9" * 40])
def test_a_position_that_is_none_is_refused(api, position):
    headers = {"Mawid-At-Least": position.encode()}

    response = api.get(f"/v1/bookings/{'0' * 20}", api.operator, headers=headers)

    assert (response.status_code, response.json()["field"]) == (400, "Mawid-At-Least")


def test_a_history_tells_every_fact_in_order(api):
    office = api.given_an_office()
    booked = api.given_a_booking(office, service="SV-CA-30")
    path = f"/v1/bookings/{booked['booking']}"
    api.post(f"{path}/reschedule", {"starts_at": start_after(4).isoformat()}, at=ADVANCE + DAY / 24)
    cancelled = api.post(f"{path}/cancel", {"reason": "travel"}, at=ADVANCE + DAY / 12).json()

    history = read_own_write(api, f"{path}/history", cancelled).json()

    assert [fact["type"] for fact in history["facts"]] == [
        "SlotBooked.v1",
        "SlotOccupied.v1",
        "BookingMovedOut.v1",
        "SlotReleased.v1",
        "BookingMovedIn.v1",
        "SlotOccupied.v1",
        "BookingCancelled.v1",
        "SlotReleased.v1",
    ]
    first = history["facts"][0]
    assert list(first)[:6] == ["position", "type", "at", "by", "channel", "policy"]
    assert first["position"] + 1 == booked["position"]
    assert (first["at"], first["by"], first["office"]) == (ADVANCE.isoformat(), "operator", office)
    assert history["as_of"]["position"] == cancelled["position"]
    assert "travel" not in str(history)
    assert booked["reference"] not in str(history)


def test_an_auditor_reads_a_booking_and_never_its_reference(api):
    booked = api.given_a_booking(api.given_an_office())
    auditor = api.token("auditor")

    found = read_own_write(api, f"/v1/bookings/{booked['booking']}", booked, auditor).json()

    assert found["booking"] == booked["booking"]
    assert "reference" not in found


def test_a_calendar_entry_follows_the_booking(api):
    booked = api.given_a_booking(api.given_an_office())
    path = f"/v1/bookings/{booked['reference']}"
    before = read_own_write(api, f"{path}/calendar.ics", booked)
    moved = api.post(f"{path}/reschedule", {"starts_at": start_after(1).isoformat()}).json()
    after = read_own_write(api, f"{path}/calendar.ics", moved)

    first, second = (icalendar.Calendar.from_ical(response.content).walk("VEVENT")[0] for response in (before, after))

    assert before.headers["content-type"] == "text/calendar; charset=utf-8"
    assert first["UID"] == second["UID"] == f"{booked['booking']}@mawid"
    assert (first["SEQUENCE"], second["SEQUENCE"]) == (0, 1)
    assert first["DTSTART"].dt.isoformat() == "2011-01-03T08:00:00+03:00"
    assert second["DTSTART"].dt.isoformat() == "2011-01-03T08:15:00+03:00"
    assert second["DTEND"].dt.isoformat() == "2011-01-03T08:30:00+03:00"
    assert first["DTSTART"].params["TZID"] == "Asia/Riyadh"
    assert b"BEGIN:VTIMEZONE" in before.content
    assert first["SUMMARY"] == "موعد: تجديد الهوية"
    assert booked["reference"] in str(first["DESCRIPTION"])


def test_a_cancelled_booking_leaves_the_calendar(api):
    booked = api.given_a_booking(api.given_an_office())
    cancelled = api.post(f"/v1/bookings/{booked['booking']}/cancel").json()

    response = read_own_write(api, f"/v1/bookings/{booked['booking']}/calendar.ics", cancelled)

    calendar = icalendar.Calendar.from_ical(response.content)
    assert calendar["METHOD"] == "CANCEL"
    assert calendar.walk("VEVENT")[0]["STATUS"] == "CANCELLED"
    assert calendar.walk("VEVENT")[0]["SEQUENCE"] == 1


@pytest.mark.parametrize(
    ("accepted", "summary"),
    [
        ("ar", "موعد: تجديد الهوية"),
        ("en-GB,en;q=0.9", "Appointment: Renew national ID"),
        ("en;q=0.2, ar;q=0.3", "موعد: تجديد الهوية"),
        ("fr, en;q=nonsense", "موعد: تجديد الهوية"),
    ],
)
def test_a_calendar_entry_speaks_the_customers_language(api, accepted, summary):
    booked = api.given_a_booking(api.given_an_office())
    headers = {"Accept-Language": accepted, "Mawid-At-Least": str(booked["position"])}

    response = api.get(f"/v1/bookings/{booked['booking']}/calendar.ics", api.operator, headers=headers)

    assert icalendar.Calendar.from_ical(response.content).walk("VEVENT")[0]["SUMMARY"] == summary


def test_a_citizen_lists_their_own_bookings_and_nobody_elses(api):
    office, number = api.given_an_office(counters=2), new_number()
    first = api.given_a_booking(office, number=number, at=ADVANCE)
    second = api.given_a_booking(office, number=number, service="SV-CA-03", at=ADVANCE + DAY / 24)
    api.given_a_booking(office, start=start_after(1))
    headers = {"Mawid-At-Least": str(api.head())}

    listed = api.get(f"/v1/bookings?number={number}", api.citizen(number), headers=headers).json()

    assert listed["bookings"] == [state(second), state(first)]
    other = api.get(f"/v1/bookings?number={new_number()}", api.citizen(number))
    assert (other.status_code, other.json()["type"]) == (403, "/problems/forbidden")


def test_a_desk_lists_a_customers_bookings_at_its_office(api):
    here, there, number = api.given_an_office(), api.given_an_office(), new_number()
    booked = api.given_a_booking(here, number=number)
    api.given_a_booking(there, number=number, service="SV-CA-03")
    headers = {"Mawid-At-Least": str(api.head())}

    listed = api.get(f"/v1/bookings?number={number}", api.token("staff", office=here), headers=headers).json()

    assert listed["bookings"] == [state(booked)]
    assert api.get(f"/v1/bookings?number={new_number()}", api.operator).json()["bookings"] == []


@pytest.mark.parametrize(("query", "field"), [("", "number"), ("?number=1", "number"), ("?number=1000000008&x=1", "x")])
def test_a_list_is_of_one_valid_number(api, query, field):
    response = api.get(f"/v1/bookings{query}", api.operator)

    assert (response.status_code, response.json()["field"]) == (422, field)


def test_a_read_is_as_of_its_own_clock(api):
    booked = api.given_a_booking(api.given_an_office())
    headers = {"Mawid-At-Least": str(booked["position"]), "Mawid-Now": "2011-01-02T10:00:00+03:00"}

    response = api.get(f"/v1/bookings/{booked['booking']}/calendar.ics", api.operator, headers=headers)

    stamp = icalendar.Calendar.from_ical(response.content).walk("VEVENT")[0]["DTSTAMP"].dt
    assert stamp == datetime(2011, 1, 2, 10, tzinfo=RIYADH)
