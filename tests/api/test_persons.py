"""Persons put right at a desk, and all that is kept of them told to themselves."""

import logging
from datetime import timedelta

import pytest
import structlog

from tests.api.client import ADVANCE, booking, new_key, new_number, start_after
from tests.api.test_guardians import AFTER, LAST_DAY, appoint, seen
from tests.api.test_idempotency import same

CORRECTION = "/v1/persons/correction"
HOUR = timedelta(hours=1)


def correct(api, number, **asked):
    told = {name: asked.pop(name) for name in ("new_number", "name", "mobile", "reason") if name in asked}
    return api.post(CORRECTION, {"number": number} | told, **asked)


def export(api, number, by, at=ADVANCE):
    return api.get(f"/v1/persons/export?number={number}", by, headers=seen(api, at))


@pytest.fixture
def office(api):
    return api.given_an_office(counters=3)


@pytest.fixture
def staff(api, office):
    return api.token("staff", office=office)


# -- corrections ------------------------------------------------------------------------------------------------------


def test_a_new_number_is_the_same_person_and_the_old_one_a_stranger(api, office, staff):
    iqama, national_id = new_number("resident"), new_number()
    booked = api.given_a_booking(office, number=iqama)

    response = correct(api, iqama, new_number=national_id, reason="naturalised", by=staff)

    assert response.status_code == 200
    assert list(response.json()) == ["person", "corrected", "position"]
    assert (response.json()["corrected"], response.json()["position"]) == (["number"], api.head())
    path = f"/v1/bookings/{booked['reference']}"
    assert api.get(path, api.citizen(national_id), headers=seen(api)).status_code == 200
    assert api.get(path, api.citizen(iqama), headers=seen(api)).status_code == 404
    again = api.book(office, number=national_id, start=start_after(1))
    assert (again.status_code, again.json()["booking"]) == (409, booked["booking"])
    assert api.book(office, number=iqama, start=start_after(1)).status_code == 201
    assert api.post(f"{path}/cancel", {}, by=api.citizen(iqama)).status_code == 404
    assert api.post(f"{path}/cancel", {}, by=api.citizen(national_id)).status_code == 200


def test_an_audience_goes_by_the_new_number(api, office, staff):
    iqama, national_id = new_number("resident"), new_number()
    api.given_a_booking(office, number=iqama)
    correct(api, iqama, new_number=national_id, by=staff)

    citizens_only = api.book(office, number=national_id, service="SV-CA-10", start=start_after(1))
    residents_only = api.book(office, number=national_id, service="SV-CA-20", start=start_after(2))

    assert (citizens_only.status_code, residents_only.status_code) == (201, 409)


def test_a_number_of_another_person_is_refused_and_the_field_named(api, office, staff):
    number, others = new_number(), new_number()
    for each in (number, others):
        api.given_a_booking(office, number=each)
    head = api.head()

    taken, own = (correct(api, number, new_number=new, by=staff) for new in (others, number))

    for response in (taken, own):
        assert (response.status_code, response.json()["type"]) == (422, "/problems/invalid-request")
        assert response.json()["field"] == "new_number"
        assert number not in response.text
        assert others not in response.text
    assert api.head() == head


@pytest.mark.parametrize("who", ["staff", "manager", "region"])
def test_a_desk_puts_right_whom_it_serves_and_others_are_as_unknown(api, office, who):
    elsewhere = api.given_an_office(region="RD")
    number = new_number()
    api.given_a_booking(office, number=number)
    scope = {"staff": {"office": office}, "manager": {"office": office}, "region": {"region": "TB"}}[who]
    other = {"staff": {"office": elsewhere}, "manager": {"office": elsewhere}, "region": {"region": "RD"}}[who]
    role = "staff" if who == "staff" else "manager"

    foreign, unknown = (correct(api, each, name="سارة", by=api.token(role, **other)) for each in (number, new_number()))
    served = correct(api, number, name="سارة", by=api.token(role, **scope))

    assert (foreign.status_code, foreign.json()["type"]) == (404, "/problems/not-found")
    assert foreign.content == unknown.content
    assert served.status_code == 200


def test_whoever_had_a_booking_at_the_office_is_still_served(api, office, staff):
    number, elsewhere = new_number(), api.given_an_office()
    booked = api.given_a_booking(office, number=number)
    moved = {"starts_at": start_after(2).isoformat(), "office": elsewhere}
    assert api.post(f"/v1/bookings/{booked['booking']}/reschedule", moved).status_code == 200

    assert correct(api, number, mobile="0512345678", by=staff).status_code == 200


def test_a_correction_replays_after_the_number_has_moved_on(api, office, staff):
    numbers = [new_number() for _ in range(3)]
    api.given_a_booking(office, number=numbers[0])
    key = new_key()
    first = correct(api, numbers[0], new_number=numbers[1], by=staff, key=key)
    assert correct(api, numbers[1], new_number=numbers[2], by=staff).status_code == 200

    same(first, correct(api, numbers[0], new_number=numbers[1], by=staff, key=key))
    assert correct(api, numbers[0], new_number=numbers[1], by=staff).status_code == 404


def test_what_was_asked_under_the_old_number_replays_after_the_correction(api, office, staff):
    number, key = new_number(), new_key()
    body, by = booking(office, number=number), api.citizen(number)
    first = api.post("/v1/bookings", body, by=by, key=key)
    refused_key = new_key()
    refused = api.post("/v1/bookings", body, by=by, key=refused_key)
    correct(api, number, new_number=new_number(), by=staff)

    same(first, api.post("/v1/bookings", body, by=by, key=key))
    same(refused, api.post("/v1/bookings", body, by=by, key=refused_key))
    assert refused.json()["type"] == "/problems/active-booking-exists"


def test_another_process_knows_the_number_anew(open_api):
    here, there = open_api(), open_api()
    office, number, new = here.given_an_office(counters=3), new_number(), new_number()
    booked = there.given_a_booking(office, number=number)
    staff = here.token("staff", office=office)

    assert correct(here, number, new_number=new, by=staff).status_code == 200

    again = there.book(office, number=new, start=start_after(1))
    assert (again.status_code, again.json()["booking"]) == (409, booked["booking"])
    assert there.book(office, number=number, start=start_after(1)).status_code == 201


@pytest.mark.parametrize(
    ("body", "problem", "field"),
    [
        ({"number": "1000000008"}, "invalid-request", "body"),
        ({"number": "1000000008", "reason": "x"}, "invalid-request", "body"),
        ({"number": "1000000009", "name": "x"}, "invalid-number", "number"),
        ({"number": "1000000008", "new_number": "100000000"}, "invalid-number", "new_number"),
        ({"number": "1000000008", "mobile": "0110000000"}, "invalid-mobile", "mobile"),
        ({"number": "1000000008", "name": ""}, "invalid-request", "name"),
        ({"new_number": "1000000008"}, "invalid-request", "number"),
        ({"number": "1000000008", "language": "ar"}, "invalid-request", "language"),
    ],
)
def test_what_corrects_nothing_is_refused(api, body, problem, field):
    response = api.post(CORRECTION, body)

    assert (response.status_code, response.json()["type"]) == (422, f"/problems/{problem}")
    assert response.json()["field"] == field


# -- a person's own data ----------------------------------------------------------------------------------------------


def test_a_person_is_told_all_that_is_kept_of_them_and_who_has_looked(api, office, staff):
    number, guardian = new_number(), new_number()
    appointed = appoint(api, guardian, number).json()
    told = {"name": "سارة", "mobile": "0500000001", "language": "ar"}
    booked = api.given_a_booking(office, number=number, told=told)
    api.post(f"/v1/bookings/{booked['booking']}/cancel", {"reason": "سفر"}, at=ADVANCE + HOUR)
    corrected = correct(api, number, mobile="0512345678", reason="new phone", by=staff, at=ADVANCE + HOUR).json()

    file = export(api, number, api.citizen(number)).json()

    assert list(file) == [
        "person",
        "number",
        "name",
        "mobile",
        "language",
        "bookings",
        "waiting",
        "facts",
        "guardianships",
        "notes",
        "openings",
        "as_of",
    ]
    assert (file["number"], file["name"], file["mobile"], file["language"]) == (number, "سارة", "+966512345678", "ar")
    assert file["person"] == corrected["person"] == appointed["dependant"]
    (shown,) = file["bookings"]
    assert (shown["booking"], shown["reference"], shown["status"]) == (
        booked["booking"],
        booked["reference"],
        "cancelled",
    )
    assert [fact["type"] for fact in shown["history"]] == ["SlotBooked.v1", "BookingCancelled.v1"]
    assert [fact["type"] for fact in file["facts"]] == ["GuardianAppointed.v1", "PersonCorrected.v1"]
    assert file["guardianships"] == [
        {"guardian": appointed["guardian"], "dependant": file["person"], "until": LAST_DAY}
    ]
    assert {note["about"]: note["words"] for note in file["notes"]} == {
        booked["booking"]: "سفر",
        f"person/{file['person']}/2": "new phone",
    }
    (opening,) = file["openings"]
    assert (opening["who"], opening["why"]) == (f"person/{file['person']}", "export")
    assert file["as_of"]["position"] == corrected["position"]


def test_holds_and_waiting_are_told_with_their_history(api):
    number = new_number()
    office = api.given_an_office(days=("2011-01-03", "2011-01-03"))
    held = api.post("/v1/holds", booking(office, number=number, service="SV-CA-03")).json()["hold"]
    window = {"office": office, "service": "SV-CA-02", "from": "2011-01-03", "to": "2011-01-04", "channel": "portal"}
    entry = api.post("/v1/waiting-list", window | {"beneficiary": {"number": number}}).json()["entry"]

    file = export(api, number, api.citizen(number)).json()

    (waiting,) = file["waiting"]
    history = waiting.pop("history")
    assert waiting == {
        "entry": entry,
        "status": "waiting",
        "office": office,
        "service": "SV-CA-02",
        "from": "2011-01-03",
        "to": "2011-01-04",
    }
    assert [fact["type"] for fact in history] == ["WaitingListJoined.v1"]
    assert [(fact["type"], fact["booking"]) for fact in file["facts"]] == [("PlaceHeld.v1", held)]
    assert file["bookings"] == []


def test_every_opening_is_logged_and_the_person_sees_each(api, office, staff):
    number, guardian = new_number(), new_number()
    api.given_a_booking(office, number=number)
    guardian_id = appoint(api, guardian, number).json()["guardian"]
    for by in (staff, api.citizen(guardian)):
        assert export(api, number, by).status_code == 200

    openings = export(api, number, api.citizen(number)).json()["openings"]

    person = export(api, number, api.citizen(number)).json()["person"]
    assert [(opening["who"], opening["why"]) for opening in openings] == [
        (f"staff@{office}", "export"),
        (f"person/{guardian_id}", "export by a guardian"),
        (f"person/{person}", "export"),
    ]


def test_a_guardian_is_told_up_to_the_last_day(api, office):
    number, guardian = new_number(), new_number()
    appoint(api, guardian, number)

    held, ended = (export(api, number, api.citizen(guardian), at=at) for at in (AFTER - timedelta(seconds=1), AFTER))

    assert (held.status_code, ended.status_code) == (200, 403)


def test_a_stranger_is_told_nothing_of_known_and_unknown_numbers_alike(api, office):
    number = new_number()
    api.given_a_booking(office, number=number)
    stranger = api.citizen(new_number())

    known, unknown = (export(api, each, stranger) for each in (number, new_number()))

    assert (known.status_code, known.content) == (403, unknown.content)


def test_whoever_mawid_does_not_know_has_no_file(api):
    number = new_number()

    assert export(api, number, api.citizen(number)).status_code == 404


def test_a_desk_is_told_what_concerns_its_office(api, office, staff):
    elsewhere, number = api.given_an_office(region="RD"), new_number()
    here = api.given_a_booking(office, number=number)
    there = api.given_a_booking(elsewhere, number=number, service="SV-CA-03")
    api.post(f"/v1/bookings/{there['booking']}/cancel", {"reason": "elsewhere"})
    other_desk = api.token("staff", office=elsewhere)
    assert export(api, number, other_desk).status_code == 200

    file = export(api, number, staff).json()

    assert [each["booking"] for each in file["bookings"]] == [here["booking"]]
    assert there["booking"] not in str(file)
    assert file["notes"] == []
    assert [opening["who"] for opening in file["openings"]] == [f"staff@{office}"]
    region = export(api, number, api.token("manager", region="RD")).json()
    assert [each["booking"] for each in region["bookings"]] == [there["booking"]]
    assert [opening["who"] for opening in region["openings"]] == [f"staff@{elsewhere}", "manager@RD"]


def test_a_desk_that_does_not_serve_them_finds_nobody_and_opens_nothing(api, office):
    number = new_number()
    api.given_a_booking(office, number=number)
    elsewhere = api.token("staff", office=api.given_an_office())

    foreign, unknown = (export(api, each, elsewhere) for each in (number, new_number()))

    assert (foreign.status_code, foreign.content) == (404, unknown.content)
    assert len(export(api, number, api.citizen(number)).json()["openings"]) == 1


@pytest.mark.parametrize("role", ["operator", "auditor", "dashboard"])
def test_those_who_run_it_read_no_persons_data(api, role):
    assert export(api, new_number(), api.token(role)).status_code == 403


def test_a_long_life_is_told_whole(api, office):
    """More facts than one page of the log holds."""
    number = new_number()
    lines = []
    for n in range(501):
        line = booking(office, number=number) | {"command": "book", "key": f"{number}-{n}"}
        lines += [line, {"command": "cancel", "key": f"{number}-c{n}", "booking_key": f"{number}-{n}"}]
    answers = api.lines(*lines)
    assert {answer["status"] for answer in answers} == {200, 201}

    file = export(api, number, api.citizen(number)).json()

    assert len(file["bookings"]) == 501
    assert {each["status"] for each in file["bookings"]} == {"cancelled"}


def test_no_log_line_and_no_refusal_tells_a_number(api, office, staff, capfd, caplog):
    number, new = new_number(), new_number()
    api.given_a_booking(office, number=number, told={"name": "سارة الحربي"})
    with caplog.at_level(logging.DEBUG), structlog.testing.capture_logs() as logged:
        answers = [
            correct(api, number, new_number=number, name="نورة", reason="confidential", by=staff),
            correct(api, new_number(), new_number=new, by=staff),
            correct(api, number, new_number=new, name="نورة", reason="confidential", by=staff),
            appoint(api, new, number),
            appoint(api, new, new),
            export(api, new, staff),
            export(api, number, api.citizen(new)),
        ]

    said = "".join(answer.text for answer in answers if "/export" not in str(answer.request.url))
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    said += str(logged) + str(ours) + "".join(capfd.readouterr())
    assert [line["route"] for line in logged if line["event"] == "request"][-1] == "/v1/persons/export"
    for secret in (number, new, "نورة", "سارة", "confidential"):
        assert secret not in said
