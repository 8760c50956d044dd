"""Closures, openings, pauses and cuts of counters, as a manager announces them and a customer finds them."""

import time
from datetime import timedelta

import icalendar
import pytest

from tests.api.client import ADVANCE, DAYS, MONDAY, booking, new_key, new_number, start_after

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
MONDAY_ALONE = {"from": DAYS[0], "to": DAYS[0]}
TUESDAY = MONDAY + DAY
NOTHING = {"displaced": 0, "moved": [], "unplaced": [], "units_withdrawn": 0, "notices": 0}


def close(api, office, **asked):
    told = {name: asked.pop(name) for name in ("by", "at", "key") if name in asked}
    body = {"offices": [office] if isinstance(office, str) else office, "reason": "انقطاع المياه"} | MONDAY_ALONE
    return api.post("/v1/closures", body | asked, **told)


def closed(api, office, **asked):
    response = close(api, office, **asked)
    assert response.status_code == 200, response.text
    return response.json()


def seen(api, path, by=None):
    """What is read at ADVANCE, of what has been written so far."""
    headers = {"Mawid-At-Least": str(api.head()), "Mawid-Now": ADVANCE.isoformat()}
    return api.get(path, by=by or api.operator, headers=headers).json()


def standing(api, booked):
    return seen(api, f"/v1/bookings/{booked['booking']}")


def days(api, office):
    return seen(api, f"/v1/availability?office={office}&service=SV-CA-02&from={DAYS[0]}&to={DAYS[1]}")["days"]


def problem(response):
    return response.status_code, response.json()["type"].removeprefix("/problems/")


# -- POL-16 -----------------------------------------------------------------------------------------------------------


def test_a_closure_moves_its_bookings_and_says_who_moved_where(api):
    office = api.given_an_office()
    later, first = api.given_a_booking(office, start=start_after(3)), api.given_a_booking(office)
    api.given_a_booking(office, start=TUESDAY)

    preview = closed(api, office, preview=True)
    told = closed(api, office)

    assert told == {
        "displaced": 2,
        "moved": [
            {
                "booking": first["booking"],
                "from": "2011-01-03T08:00:00+03:00",
                "to": "2011-01-04T08:15:00+03:00",
            },
            {
                "booking": later["booking"],
                "from": "2011-01-03T08:45:00+03:00",
                "to": "2011-01-04T08:30:00+03:00",
            },
        ],
        "unplaced": [],
        "units_withdrawn": 24,
        "notices": 2,
        "position": api.head(),
    }
    assert preview == told | {"position": preview["position"]}
    assert preview["position"] < told["position"]


def test_a_displaced_booking_stands_where_it_went_under_its_own_reference(api):
    office, number = api.given_an_office(), new_number()
    booked = api.given_a_booking(office, number=number)

    closed(api, office)

    path = f"/v1/bookings/{booked['reference']}"
    found = seen(api, path, api.citizen(number))
    facts = seen(api, f"{path}/history", api.citizen(number))["facts"]
    assert (found["starts_at"], found["status"], found["reschedules"]) == (TUESDAY.isoformat(), "confirmed", 0)
    assert "unplaced" not in found
    assert [fact["type"] for fact in facts] == ["SlotBooked.v1", "BookingDisplacedOut.v1", "BookingDisplacedIn.v1"]
    assert [fact["reason"] for fact in facts[1:]] == ["انقطاع المياه"] * 2


def test_no_counter_of_cancellations_reschedules_or_milestones_moves(api):
    office = api.given_an_office(counters=2)
    moved = api.given_a_booking(office)
    api.post(f"/v1/bookings/{moved['booking']}/reschedule", {"starts_at": start_after(1).isoformat()})
    cancelled = api.given_a_booking(office)
    api.post(f"/v1/bookings/{cancelled['booking']}/cancel")

    def counters():
        rows = seen(api, f"/v1/statistics/totals?by=date&office={office}")["rows"]
        totals = {name: sum(row[name] for row in rows) for name in ("made", "cancelled", "rescheduled", "live")}
        milestones = [each["threshold"] for each in seen(api, "/v1/milestones")["milestones"]]
        return totals, seen(api, "/v1/statistics/running-count")["count"], milestones

    before = counters()
    told = closed(api, office)

    assert told["displaced"] == 1
    assert counters() == before
    live = {row["date"]: row["live"] for row in seen(api, f"/v1/statistics/totals?by=date&office={office}")["rows"]}
    assert live == {DAYS[0]: 0, DAYS[1]: 1}


@pytest.mark.parametrize(("at", "displaced"), [(MONDAY - SECOND, 1), (MONDAY, 0)])
def test_a_booking_that_has_begun_stays(api, at, displaced):
    office = api.given_an_office()
    booked = api.given_a_booking(office)

    told = closed(api, office, at=at)

    assert told["displaced"] == displaced
    assert standing(api, booked)["starts_at"] == (TUESDAY if displaced else MONDAY).isoformat()


@pytest.mark.parametrize("preview", [True, False])
@pytest.mark.parametrize(("after", "status"), [(timedelta(), 200), (-SECOND, 422)])
def test_a_closure_that_is_earlier_than_the_last_fact_of_whom_it_moves_is_refused(api, after, status, preview):
    office = api.given_an_office()
    api.given_a_booking(office, at=ADVANCE + DAY)

    response = close(api, office, at=ADVANCE + DAY + after, preview=preview)

    assert response.status_code == status
    if status == 422:
        assert response.json()["field"] == "at"


@pytest.mark.parametrize(("until", "displaced"), [("2011-01-03T08:15", 0), ("2011-01-03T08:30", 1)])
def test_a_booking_is_displaced_if_any_of_its_slots_is_closed(api, until, displaced):
    office = api.given_an_office()
    api.given_a_booking(office, start=start_after(1), service="SV-CA-45")

    told = closed(api, office, **{"from": "2011-01-03T08:00", "to": until})

    assert told["displaced"] == displaced


@pytest.mark.parametrize(("since", "displaced"), [("2011-01-03T08:45", 1), ("2011-01-03T09:00", 0)])
def test_its_last_slot_counts_too(api, since, displaced):
    office = api.given_an_office()
    api.given_a_booking(office, service="SV-CA-45", start=start_after(1))

    told = closed(api, office, **{"from": since, "to": "2011-01-03T10:00"})

    assert told["displaced"] == displaced


def test_announced_twice_changes_nothing(api):
    office = api.given_an_office()
    api.given_a_booking(office)
    closed(api, office)
    head = api.head()

    again = closed(api, office)

    assert again == NOTHING | {"position": head}
    assert api.head() == head


def test_a_closed_day_shows_the_closure_in_its_own_words(api):
    office = api.given_an_office()

    closed(api, office)

    monday, tuesday = days(api, office)
    assert (monday["open"], monday["reason"], monday["reason_ar"]) == (False, "closure", "انقطاع المياه")
    assert (monday["capacity"], monday["free"]) == (0, 0)
    assert (tuesday["open"], tuesday["free"]) == (True, 24)
    refused = api.book(office)
    assert problem(refused) == (409, "slot-closed")
    assert (refused.json()["reason"], refused.json()["announced"]) == ("closure", "انقطاع المياه")


def test_a_part_of_a_day_is_closed_and_publication_opens_nothing_there(api):
    office = api.given_an_office()
    hours = {"from": "2011-01-03T09:00", "to": "2011-01-03T10:00"}

    told = closed(api, office, **hours)
    again = api.post(f"/v1/offices/{office}/publications", {"from": DAYS[0], "to": DAYS[1]}).json()

    assert told["units_withdrawn"] == 4
    assert (again["units_published"], again["units_withdrawn"]) == (0, 0)
    assert days(api, office)[0]["capacity"] == 20
    statuses = [api.book(office, start=start_after(n)).status_code for n in (3, 4, 7, 8)]
    assert statuses == [201, 409, 409, 201]


def test_a_closure_of_days_not_yet_published_is_published_as_closed(api):
    office = api.given_an_office(days=None)

    told = closed(api, office)
    published = api.post(f"/v1/offices/{office}/publications", {"from": DAYS[0], "to": DAYS[1]}).json()

    assert told["units_withdrawn"] == 0
    assert (published["units_published"], published["days_open"], published["days_closed"]) == (24, 1, 1)
    assert problem(api.book(office)) == (409, "slot-closed")


def test_an_announcement_overrides_the_calendar_until_the_next(api):
    """2011-01-06 is a Thursday, of the weekend."""
    office = api.given_an_office(days=(DAYS[0], "2011-01-06"))
    thursday = {"from": "2011-01-06", "to": "2011-01-06"}

    opened = api.post("/v1/openings", thursday | {"offices": [office], "hours": "08:00-10:00"}).json()
    booked = api.given_a_booking(office, start=MONDAY + 3 * DAY)
    told = closed(api, office, **thursday)

    assert opened == {"units_published": 8, "days_published": 1, "days_to_publish": 0, "position": opened["position"]}
    assert [each["booking"] for each in told["moved"]] == [booked["booking"]]


# -- who finds no place -----------------------------------------------------------------------------------------------


@pytest.fixture
def unplaced(api):
    """A booking without a place: the office had one day, and it is closed."""
    office = api.given_an_office(days=(DAYS[0], DAYS[0]))
    booked = api.given_a_booking(office)
    for n in (1, 2):
        path = f"/v1/bookings/{booked['booking']}/reschedule"
        assert api.post(path, {"starts_at": start_after(n).isoformat()}).status_code == 200
    assert closed(api, office)["unplaced"] == [booked["booking"]]
    return booked


def open_tuesday(api, office):
    return api.post(f"/v1/offices/{office}/publications", {"from": DAYS[1], "to": DAYS[1]})


def test_who_finds_no_place_stays_confirmed_and_is_told_so(api, unplaced):
    found = standing(api, unplaced)

    assert (found["status"], found["unplaced"], found["reschedules"]) == ("confirmed", True, 2)
    assert found["starts_at"] == start_after(2).isoformat()
    entry = api.get(f"/v1/bookings/{unplaced['booking']}/calendar.ics", by=api.operator).content
    (event,) = icalendar.Calendar.from_ical(entry).walk("VEVENT")
    assert (event["STATUS"], event["SEQUENCE"]) == ("TENTATIVE", 3)


def test_who_has_no_place_is_rescheduled_beyond_limit_and_lead(api, unplaced):
    office = unplaced["office"]
    open_tuesday(api, office)

    told = api.post(
        f"/v1/bookings/{unplaced['booking']}/reschedule", {"starts_at": TUESDAY.isoformat()}, at=start_after(2) - SECOND
    ).json()

    assert (told["starts_at"], told["reschedules"]) == (TUESDAY.isoformat(), 2)
    assert "unplaced" not in standing(api, unplaced)
    assert [day["free"] for day in days(api, office)] == [0, 23]
    again = api.post(f"/v1/bookings/{unplaced['booking']}/reschedule", {"starts_at": start_after(97).isoformat()})
    assert problem(again) == (422, "invalid-request")  # earlier than its last fact
    at = start_after(2) - SECOND
    path = f"/v1/bookings/{unplaced['booking']}/reschedule"
    assert problem(api.post(path, {"starts_at": start_after(97).isoformat()}, at=at)) == (409, "reschedule-limit")


def test_who_has_no_place_cancels_at_any_time_and_never_late(api, unplaced):
    path = f"/v1/bookings/{unplaced['booking']}/cancel"

    told = api.post(path, {}, at=MONDAY + 2 * DAY).json()

    assert (told["status"], told["late"]) == ("cancelled", False)
    reopened = api.post("/v1/openings", MONDAY_ALONE | {"offices": [unplaced["office"]], "hours": "08:00-14:00"})
    assert reopened.json()["units_published"] == 24
    assert days(api, unplaced["office"])[0]["free"] == 24


@pytest.mark.parametrize(("after", "status"), [(timedelta(minutes=15) - SECOND, 409), (timedelta(minutes=15), 201)])
def test_without_a_place_a_booking_is_active_until_its_time_is_past(api, after, status):
    office, number = api.given_an_office(days=(DAYS[0], DAYS[0])), new_number()
    booked = api.given_a_booking(office, number=number)
    closed(api, office)
    open_tuesday(api, office)

    response = api.book(office, number=number, start=TUESDAY, at=MONDAY + after)

    assert response.status_code == status
    if status == 201:
        path = f"/v1/bookings/{booked['booking']}/reschedule"
        moved = api.post(path, {"starts_at": start_after(97).isoformat()}, at=MONDAY + after)
        assert problem(moved) == (409, "active-booking-exists")


def test_an_unplaced_booking_becomes_no_no_show(api, unplaced):
    path = f"/v1/bookings/{unplaced['booking']}/cancel"

    assert api.post(path, {}, at=MONDAY + 20 * DAY).status_code == 200


# -- several offices --------------------------------------------------------------------------------------------------


def test_a_closure_of_several_offices_is_one_announcement(api):
    offices = [api.given_an_office() for _ in range(2)]
    bookings = [api.given_a_booking(office)["booking"] for office in offices]
    key = new_key()

    told = close(api, offices, key=key)
    again = close(api, offices, key=key)

    assert [each["booking"] for each in told.json()["moved"]] == bookings
    assert (told.json()["displaced"], told.json()["units_withdrawn"]) == (2, 48)
    assert again.content == told.content
    assert again.headers["Idempotency-Replayed"] == "true"
    assert problem(close(api, offices[:1], key=key)) == (422, "idempotency-key-reused")


def test_an_announcement_that_names_no_office_is_heard_by_none(api):
    office = api.given_an_office()
    head = api.head()

    response = close(api, [office, "CA-XX-99"])

    assert (problem(response), response.json()["field"]) == ((422, "invalid-request"), "offices")
    assert api.head() == head


def test_an_operator_closes_all_offices(open_api):
    api = open_api()
    offices = [api.given_an_office(region=region) for region in ("TB", "RD")]
    for office in offices:
        api.given_a_booking(office)
    seen(api, "/v1/offices")

    told = closed(api, "all", offices="all")

    assert (told["displaced"], told["units_withdrawn"]) == (2, 48)


@pytest.mark.parametrize("path", ["/v1/closures", "/v1/openings"])
def test_a_manager_speaks_for_their_own_office_or_region(api, path):
    here, there = api.given_an_office(region="TB"), api.given_an_office(region="RD")
    seen(api, "/v1/offices")
    body = MONDAY_ALONE | ({"reason": "x"} if path == "/v1/closures" else {"hours": "16:00-17:00"})
    of_office, of_region = api.token("manager", office=here), api.token("manager", region="TB")

    def status(by, offices):
        return api.post(path, body | {"offices": offices}, by=by).status_code

    assert [status(of_office, offices) for offices in ([here], [there], [here, there], "all")] == [200, 403, 403, 403]
    assert [status(of_region, offices) for offices in ([here], [there], [here, there], "all")] == [200, 403, 403, 403]


@pytest.mark.parametrize(
    ("field", "asked"),
    [
        ("offices", {"offices": []}),
        ("offices", {"offices": "none"}),
        ("offices", {"offices": ["CA-TB-01", "CA-TB-01"]}),
        ("reason", {"reason": ""}),
        ("reason", {"reason": "\u202e"}),
        ("to", {"to": "2011-01-02"}),
        ("to", {"from": "2010-12-01", "to": "2010-12-01"}),
        ("to", {"from": "2011-01-03T09:00", "to": "2011-01-03T09:00"}),
        ("from", {"from": "monday"}),
        ("preview", {"preview": "yes"}),
        ("until", {"until": "2011-01-03"}),
    ],
)
def test_a_closure_is_described_as_the_contract_says(api, field, asked):
    office = api.given_an_office()

    response = close(api, office, **asked)

    assert response.status_code == 422
    assert response.json()["field"].partition(".")[0] == field


# -- openings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hours", ["16:00-18:00", ["16:00-18:00"], ["16:00-17:00", "17:00-18:00"]])
def test_hours_are_one_span_or_several(api, hours):
    office = api.given_an_office()

    told = api.post("/v1/openings", MONDAY_ALONE | {"offices": [office], "hours": hours}).json()

    assert told["units_published"] == 8
    assert api.book(office, start=MONDAY.replace(hour=16)).status_code == 201


@pytest.mark.parametrize("hours", ["16-18", "16:00", [], ["25:00-26:00"], "16:05-17:00", "18:00-16:00", 16])
def test_hours_are_quarters_of_a_day(api, hours):
    response = api.post("/v1/openings", MONDAY_ALONE | {"offices": [api.given_an_office()], "hours": hours})

    assert (response.status_code, response.json()["field"].partition(".")[0]) == (422, "hours")


# -- pauses -----------------------------------------------------------------------------------------------------------


def test_a_paused_office_refuses_bookings_until_it_resumes(api):
    office = api.given_an_office()
    booked = api.given_a_booking(office)
    path = f"/v1/offices/{office}"

    paused = api.post(f"{path}/pause", {"reason": "عطل"}).json()
    refused = api.book(office, start=start_after(1))
    cancelled = api.post(f"/v1/bookings/{booked['booking']}/cancel")
    shown = seen(api, "/v1/offices")["offices"]
    resumed = api.post(f"{path}/resume").json()

    assert (paused["paused"], resumed["paused"]) == (True, False)
    assert problem(refused) == (409, "office-not-live")
    assert refused.json()["paused"] is True
    assert cancelled.status_code == 200
    assert [each["paused"] for each in shown if each["office"] == office] == [True]
    assert api.book(office, start=start_after(1)).status_code == 201


def test_a_daily_pause_leaves_its_starts_out(api):
    office = api.given_an_office()

    told = api.post(f"/v1/offices/{office}/daily-pauses", {"from": DAYS[1], "pauses": ["12:00-12:30"]}).json()

    assert (told["units_withdrawn"], told["units_published"]) == (2, 0)
    assert [day["capacity"] for day in days(api, office)] == [24, 22]
    assert problem(api.book(office, start=TUESDAY.replace(hour=12))) == (409, "slot-closed")
    assert problem(api.book(office, start=TUESDAY.replace(hour=11, minute=45), service="SV-CA-30"))[0] == 409
    ended = api.post(f"/v1/offices/{office}/daily-pauses", {"from": DAYS[1], "pauses": []}).json()
    assert ended["units_published"] == 2


# -- counters ---------------------------------------------------------------------------------------------------------


def test_a_cut_is_refused_or_displaces_by_choice(api):
    office = api.given_an_office(counters=2)
    first, last = (api.given_a_booking(office)["booking"] for _ in range(2))
    path, cut = f"/v1/offices/{office}/counters", {"from": "2011-01-03T08:00", "to": "2011-01-03T08:15", "counters": 1}

    refused = api.post(path, cut)
    told = api.post(path, cut | {"displace": True}).json()

    assert (problem(refused), refused.json()["booked"]) == ((409, "slot-full"), 2)
    assert told == {
        "office": office,
        "counters": 1,
        "slots": 1,
        "displaced": 1,
        "moved": [{"booking": last, "from": "2011-01-03T08:00:00+03:00", "to": "2011-01-03T08:15:00+03:00"}],
        "unplaced": [],
        "units_withdrawn": 1,
        "notices": 1,
        "position": api.head(),
    }
    assert standing(api, {"booking": first})["starts_at"] == MONDAY.isoformat()


@pytest.mark.parametrize(("at", "status"), [(MONDAY - SECOND, 200), (MONDAY, 409)])
def test_who_has_begun_cannot_be_displaced(api, at, status):
    office = api.given_an_office(counters=1)
    booked = api.given_a_booking(office)
    cut = {"from": "2011-01-03T08:00", "to": "2011-01-03T09:00", "counters": 0, "displace": True}

    response = api.post(f"/v1/offices/{office}/counters", cut, at=at)

    assert response.status_code == status
    if status == 409:
        assert problem(response) == (409, "not-displaceable")
        assert response.json()["booking"] == booked["booking"]


# -- speed ------------------------------------------------------------------------------------------------------------


def test_a_full_day_of_a_large_office_is_closed_within_a_second(open_api):
    """336 bookings at 14 counters; read from the log by a process that has seen none of it."""
    office_api = open_api()
    office = office_api.given_an_office(counters=14, days=("2011-01-03", "2011-02-02"))
    bodies = [booking(office, start=start_after(n // 14), number=new_number()) for n in range(336)]
    lines = [body | {"command": "book", "key": new_key()} for body in bodies]
    answers = office_api.lines(*lines)
    assert {answer["status"] for answer in answers} == {201}
    api = open_api()

    seconds = {}
    for name, asked in {"preview": {"preview": True}, "act": {}}.items():
        before = time.perf_counter()
        response = close(api, office, **asked)
        seconds[name] = time.perf_counter() - before
        assert response.status_code == 200
        told = response.json()
        assert (told["displaced"], told["units_withdrawn"], told["unplaced"]) == (336, 336, [])
        expected = [(answer["body"]["booking"], start_after(96 + n // 14)) for n, answer in enumerate(answers)]
        assert [(each["booking"], each["to"]) for each in told["moved"]] == [
            (name, start.isoformat()) for name, start in expected
        ]

    assert seconds["preview"] < 1, seconds
    assert seconds["act"] < 1, seconds
