"""Streams for auditors: the state of any as of any place of the log, and the facts that made it."""

from datetime import timedelta
from urllib.parse import quote

import pytest

from tests.api.client import ADVANCE, DAYS, MONDAY, booking, new_number, start_after

MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def auditor(shared_api):
    return shared_api.token("auditor")


def told(api, auditor, stream, **asked):
    response = api.get(f"/v1/audit/streams/{stream}", auditor, params=asked)
    assert response.status_code == 200, response.text
    return response.json()


def test_a_slot_is_told_as_of_each_of_its_facts_with_who_did_it_over_which_channel(api, auditor):
    office, number = api.given_an_office(counters=2), new_number()
    booked = api.given_a_booking(office, number=number, by=api.citizen(number))
    cancelled = api.post(f"/v1/bookings/{booked['booking']}/cancel", {}, by=api.citizen(number), at=ADVANCE + MINUTE)
    stream = f"slot/{office}@2011-01-03T08:00"

    whole = told(api, auditor, stream)

    opened, made, ended = whole["facts"]
    assert [fact["type"] for fact in whole["facts"]] == ["SlotOpened.v1", "SlotBooked.v1", "BookingCancelled.v1"]
    assert (whole["events"], whole["next"], whole["as_of"]["position"]) == (3, None, api.head())
    assert (made["position"], ended["position"]) == (booked["position"], cancelled.json()["position"])
    assert (made["by"], made["channel"], made["policy"], made["booking"]) == ("citizen", "portal", 1, booked["booking"])
    assert (made["stream"], made["stream_version"], made["hijri"]) == (stream, 2, "1432-01-26")
    assert (made["at"], made["starts_at"]) == (ADVANCE.isoformat(), MONDAY.isoformat())
    assert len(bytes.fromhex(made["command_id"])) == 16
    assert made["command_id"] != ended["command_id"]
    assert number not in str(whole)
    assert booked["reference"] not in str(whole)
    states = [told(api, auditor, stream, at_position=fact["position"])["state"] for fact in whole["facts"]]
    assert [(state["status"], state["capacity"], state["taken"]) for state in states] == [
        ("open", 2, 0),
        ("open", 2, 1),
        ("open", 2, 0),
    ]
    assert states[1]["bookings"] == [booked["booking"]]
    before = told(api, auditor, stream, at_position=opened["position"] - 1)
    assert (before["state"]["status"], before["facts"]) == ("not-published", [])


def test_a_booking_and_a_person_are_told_by_their_facts_in_whatever_stream(api, auditor):
    office, number = api.given_an_office(), new_number()
    held = api.post("/v1/holds", booking(office, number=number)).json()
    booked = api.post(
        "/v1/bookings", booking(office, number=number) | {"hold": held["hold"]}, at=ADVANCE + MINUTE
    ).json()
    moved = {"starts_at": start_after(4).isoformat()}
    api.post(f"/v1/bookings/{booked['booking']}/reschedule", moved, at=ADVANCE + 2 * MINUTE)

    of_booking = told(api, auditor, f"booking/{booked['booking']}")

    types = [fact["type"].partition(".")[0] for fact in of_booking["facts"]]
    assert types[:2] == ["PlaceHeld", "SlotBooked"]
    assert sorted(types[2:]) == ["BookingMovedIn", "BookingMovedOut"]
    assert (of_booking["state"]["starts_at"], of_booking["state"]["reschedules"]) == (start_after(4).isoformat(), 1)
    held_then = told(api, auditor, f"booking/{booked['booking']}", at_position=held["position"])["state"]
    assert (held_then["status"], held_then["hold"]["kept"]) == (None, True)
    person = of_booking["state"]["person"]
    of_person = told(api, auditor, f"person/{person}", at_position=booked["position"])
    assert of_person["state"]["active"] == {booked["booking"]: "SV-CA-02"}
    assert of_person["state"]["open_bookings"][booked["booking"]]["starts_at"] == MONDAY.isoformat()
    assert of_person["facts"][-1]["position"] == booked["position"]
    assert number not in str(of_person)


def test_other_streams_are_told_in_the_words_of_the_contract(api, auditor):
    office = api.given_an_office(counters=3)
    wait = {"office": office, "service": "SV-CA-02", "from": DAYS[0], "to": DAYS[1], "channel": "portal"}
    entry = api.post("/v1/waiting-list", wait | {"beneficiary": {"number": new_number()}}).json()["entry"]
    closure = {"offices": [office], "from": DAYS[1], "to": DAYS[1], "reason": "water", "preview": False}
    api.post("/v1/closures", closure)
    api.post(f"/v1/offices/{office}/pause", {"reason": "flood"})

    streams = {"office": f"office/{office}", "service": "service/SV-CA-30", "waiting": f"waiting/{office}"}
    state = {kind: told(api, auditor, stream)["state"] for kind, stream in streams.items()}

    assert (state["office"]["counters"], state["office"]["paused"], state["office"]["live_from"]) == (
        3,
        True,
        "2010-11-27",
    )
    assert [each["reason"] for each in state["office"]["announcements"]] == ["water"]
    assert (state["office"]["first_day"], state["office"]["days_open"]) == (DAYS[0], 1)
    assert state["service"]["minutes"] == 30
    assert [each["entry"] for each in state["waiting"]["entries"]] == [entry]


def test_the_policy_is_known_before_anything_was_adopted(api, auditor):
    first = told(api, auditor, "policy", at_position=0)

    assert (first["state"]["in_force"], first["facts"]) == (1, [])
    assert first["state"]["versions"][0]["rules"]["horizon_days"] == 30


def test_it_carries_the_checkpoint_that_it_was_read_under(api, auditor):
    office = api.given_an_office()
    api.sign()

    read_under = told(api, auditor, f"office/{office}", at_position=1)["checkpoint"]

    assert read_under == api.get("/v1/audit/checkpoint", auditor).text


def test_a_long_stream_is_read_page_by_page_with_one_state(api, auditor):
    office = api.given_an_office(counters=20)
    for _ in range(6):
        api.given_a_booking(office)
    stream = f"slot/{office}@2011-01-03T08:00"
    whole = told(api, auditor, stream)

    pages, after = [], 0
    while after is not None:
        page = told(api, auditor, stream, after=after, limit=2)
        pages.append(page)
        after = page["next"]

    assert [len(page["facts"]) for page in pages] == [2, 2, 2, 1]
    assert [fact for page in pages for fact in page["facts"]] == whole["facts"]
    assert all(page["state"] == whole["state"] and page["events"] == 7 for page in pages)


def test_a_stream_of_more_facts_than_are_folded_is_refused_with_its_field(open_api):
    api = open_api(MAWID_STREAM_FOLDED_EVENTS_MAX="3")
    office = api.given_an_office()

    response = api.get(f"/v1/audit/streams/office/{office}", api.token("auditor"))

    assert (response.status_code, response.json()["field"]) == (422, "stream")
    assert api.get("/v1/audit/streams/service/SV-CA-01", api.token("auditor")).status_code == 200


def test_a_slash_of_the_name_stands_as_it_is_or_escaped(api, auditor):
    office = api.given_an_office()
    stream = f"slot/{office}@2011-01-03T08:00"

    raw, escaped = (
        api.get(f"/v1/audit/streams/{name}", auditor, params={"at_position": api.head()})
        for name in (stream, quote(stream, safe=""))
    )

    assert raw.status_code == escaped.status_code == 200
    assert raw.json() == escaped.json()


@pytest.mark.parametrize(
    "stream",
    [
        "slot/CA-TB-99@2011-01-03T08:00",
        "slot/CA-TB-01@2011-01-03T8:00",
        "slot/nonsense",
        "office/none",
        "booking/00000000000000000000",
        "booking/",
        "person/none",
        "none",
        "/",
        "x" * 200,
    ],
)
def test_a_stream_that_the_log_does_not_have_is_not_found_at_any_place(api, auditor, stream):
    for asked in ({}, {"at_position": 0}, {"at_position": api.head()}):
        response = api.get(f"/v1/audit/streams/{stream}", auditor, params=asked)
        assert (response.status_code, response.json()["type"]) == (404, "/problems/not-found")


def test_only_auditors_and_operators_read_streams(api, auditor):
    office = api.given_an_office()

    by = {"staff": api.token("staff", office=office), "dashboard": api.token("dashboard"), "operator": api.operator}
    answered = {role: api.get(f"/v1/audit/streams/office/{office}", token).status_code for role, token in by.items()}

    assert answered == {"staff": 403, "dashboard": 403, "operator": 200}
