import json

import pytest

from tests.api.client import ADVANCE, start_after

PATH = "/v1/audit/events"
LINES = {"Accept": "application/x-ndjson"}


@pytest.fixture
def auditor(api):
    return api.token("auditor")


@pytest.fixture(scope="module")
def booked(shared_api):
    """An office with two bookings, one of which is cancelled."""
    office = shared_api.given_an_office()
    first = shared_api.given_a_booking(office, start=start_after(0))
    shared_api.post(f"/v1/bookings/{first['reference']}/cancel", {"reason": "travel"})
    second = shared_api.given_a_booking(office, start=start_after(1))  # so that the cancellation is not the last fact
    return first, second


def stream_of(booked):
    return f"slot/{booked['office']}@{booked['starts_at'][:16]}"


def lines(response):
    return [json.loads(line) for line in response.content.splitlines()]


def test_a_fact_is_shown_as_it_is_stored(api, auditor, booked):
    answer = api.get(PATH, auditor, params={"after": booked[0]["position"] - 1, "limit": 1}).json()

    (event,) = answer["events"]
    stream = stream_of(booked[0])
    assert list(event) == [
        "position",
        "id",
        "type",
        "stream",
        "stream_version",
        "at",
        "recorded_at",
        "person",
        "booking",
        "command_id",
        "data",
    ]
    assert (event["position"], event["id"]) == (booked[0]["position"], f"{stream}/2")
    assert (event["type"], event["stream"], event["stream_version"]) == ("SlotBooked.v1", stream, 2)
    assert (event["at"], event["booking"]) == (ADVANCE.isoformat(), booked[0]["booking"])
    assert event["recorded_at"] > event["at"]
    assert len(bytes.fromhex(event["command_id"])) == 16
    assert event["data"]["office"] == booked[0]["office"]
    assert answer["next"] == booked[0]["position"]
    assert answer["as_of"] == {"position": api.head(), "at": ADVANCE.isoformat()}


def test_nothing_of_a_person_is_shown(api, auditor):
    office, number = api.given_an_office(), "1000000008"
    told = {"name": "Sara Ali", "mobile": "0500000001"}
    booked = api.given_a_booking(office, number=number, told=told)

    shown = api.get(PATH, auditor, params={"after": booked["position"] - 1}).text

    assert not [secret for secret in (number, "Sara", "500000001", booked["reference"]) if secret in shown]


def test_pages_lead_through_the_whole_log(api, auditor, booked):
    after, seen = 0, []
    while after is not None:
        page = api.get(PATH, auditor, params={"after": after, "limit": 13}).json()
        seen += [event["position"] for event in page["events"]]
        after = page["next"]

    assert seen == list(range(1, api.head() + 1))


def test_lines_are_the_same_events(api, auditor, booked):
    page = api.get(PATH, auditor, params={"limit": 1000}).json()

    response = api.get(PATH, auditor, headers=LINES)

    assert response.headers["content-type"] == "application/x-ndjson"
    assert response.headers["mawid-position"] == str(api.head())
    assert lines(response) == page["events"]
    assert lines(api.get(PATH, auditor, headers=LINES, params={"after": 5, "limit": 3})) == page["events"][5:8]


def test_a_stream_is_told_in_its_order(api, auditor, booked):
    page = api.get(PATH, auditor, params={"stream": stream_of(booked[0])}).json()

    told = [(event["type"], event["stream_version"]) for event in page["events"]]
    assert told == [("SlotOpened.v1", 1), ("SlotBooked.v1", 2), ("BookingCancelled.v1", 3)]
    assert page["next"] is None


def test_facts_are_picked_by_their_type(api, auditor, booked):
    page = api.get(PATH, auditor, params={"type": "BookingCancelled.v1", "limit": 1}).json()

    (event,) = page["events"]
    assert (event["booking"], event["data"]["reason_given"]) == (booked[0]["booking"], True)
    assert page["next"] == event["position"]
    following = api.get(PATH, auditor, params={"type": "BookingCancelled.v1", "after": page["next"]}).json()
    assert (following["events"], following["next"]) == ([], None)


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        ("2011-01-01", "2011-01-01", True),
        ("2011-01-02", None, False),
        (None, "2010-12-31", False),
        (ADVANCE.isoformat(), ADVANCE.isoformat(), True),
        ("2011-01-01T09:00:00.000001+03:00", None, False),
        (None, "2011-01-01T05:59:59.999999Z", False),
    ],
)
def test_facts_are_picked_by_the_time_they_were_decided_for(api, booked, since, until, expected):
    asked = {"from": since, "to": until, "type": "SlotBooked.v1"}

    page = api.get(PATH, api.operator, params={name: value for name, value in asked.items() if value}).json()

    assert (booked[1]["booking"] in [event["booking"] for event in page["events"]]) == expected


@pytest.mark.parametrize(
    ("query", "field", "headers"),
    [
        ("after=-1", "after", {}),
        ("after=99999999999999999999", "after", {}),
        ("after=x", "after", {}),
        ("limit=0", "limit", {}),
        ("limit=1001", "limit", {}),
        ("limit=1000001", "limit", LINES),
        ("limit=0", "limit", LINES),
        ("type=SlotBooked", "type", {}),
        ("stream=%00", "stream", {}),
        ("stream=", "stream", {}),
        ("from=yesterday", "from", {}),
        ("to=2011-01-01T10:00", "to", {}),
        ("person=x", "person", {}),
    ],
)
def test_what_cannot_be_asked_is_refused_by_the_name_of_its_parameter(api, query, field, headers):
    response = api.get(f"{PATH}?{query}", api.operator, headers=headers)

    assert (response.status_code, response.json()["field"]) == (422, field)


@pytest.mark.parametrize(
    ("accept", "is_stream"),
    [("*/*", False), ("application/json", False), ("text/html, application/X-NDJSON;q=0.9", True)],
)
def test_lines_are_for_who_asks_for_them(api, auditor, accept, is_stream):
    response = api.get(f"{PATH}?limit=1", auditor, headers={"Accept": accept})

    assert ("ndjson" in response.headers["content-type"]) == is_stream
    assert response.headers["vary"] == "Accept"
