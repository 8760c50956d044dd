import asyncio

import pytest

from tests.api.client import ADVANCE, MONDAY, booking, new_key, new_number, start_after


def same(first, again):
    """The very same answer, and it says that it is one."""
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["mawid-position"] == first.headers["mawid-position"]


def test_a_retry_gets_the_same_bytes_and_writes_nothing(api):
    body, key = booking(api.given_an_office()), new_key()
    first = api.post("/v1/bookings", body, key=key)
    head = api.head()

    again = api.post("/v1/bookings", body, key=key)

    same(first, again)
    assert api.head() == head


def test_every_command_replays(api):
    office = api.given_an_office(counters=4, days=None)
    bookings = [api.given_an_office(), api.given_an_office()]
    moved, cancelled = (api.given_a_booking(each)["reference"] for each in bookings)
    names = {"name_ar": "م", "name_en": "o", "city_ar": "م", "city_en": "c"}
    new = names | {"office": "CA-NEW-01", "region": "TB", "section": "mixed", "counters": 1}
    group = {"bookings": [booking(bookings[0], start=start_after(9)), booking(bookings[0], start=start_after(10))]}
    commands = [
        ("/v1/bookings/group", group),
        (f"/v1/bookings/{moved}/reschedule", {"starts_at": start_after(5).isoformat()}),
        (f"/v1/bookings/{cancelled}/cancel", {"reason": "x"}),
        ("/v1/offices", new),
        ("/v1/offices/CA-NEW-01/live", {"from": "2011-01-01"}),
        (f"/v1/offices/{office}/publications", {"from": "2011-01-03", "to": "2011-01-09"}),
        (f"/v1/offices/{office}/counters", {"from": "2011-01-03", "to": "2011-01-04", "counters": 2}),
    ]

    for path, body in commands:
        key = new_key()
        first = api.post(path, body, key=key)
        assert first.status_code in (200, 201), first.text
        same(first, api.post(path, body, key=key))


def test_a_replay_tells_the_state_of_then(api):
    office, key = api.given_an_office(), new_key()
    body = booking(office)
    first = api.post("/v1/bookings", body, key=key)
    api.post(f"/v1/bookings/{first.json()['booking']}/cancel")

    again = api.post("/v1/bookings", body, key=key)

    same(first, again)
    assert again.json()["status"] == "confirmed"


def test_another_process_knows_the_key_too(open_api):
    here = open_api()
    body, key = booking(here.given_an_office()), new_key()
    first = here.post("/v1/bookings", body, key=key)

    there = open_api()

    same(first, there.post("/v1/bookings", body, key=key))


def test_a_refusal_replays_byte_for_byte_after_its_reason_is_gone(api):
    office, key = api.given_an_office(), new_key()
    taken = api.given_a_booking(office)
    body = booking(office)
    first = api.post("/v1/bookings", body, key=key)
    api.post(f"/v1/bookings/{taken['booking']}/cancel")

    again = api.post("/v1/bookings", body, key=key)

    assert first.status_code == 409
    same(first, again)


def test_a_refusal_that_names_a_booking_replays_after_that_has_moved_away(api):
    here, there, number = api.given_an_office(), api.given_an_office(), new_number()
    staff, key = api.token("staff", office=here), new_key()
    booked = api.given_a_booking(here, number=number)
    body = booking(here, number=number, start=start_after(1), channel="counter")
    first = api.post("/v1/bookings", body, key=key, by=staff)
    api.post(f"/v1/bookings/{booked['booking']}/reschedule", {"starts_at": MONDAY.isoformat(), "office": there})

    again = api.post("/v1/bookings", body, key=key, by=staff)

    assert first.json()["reference"] == booked["reference"]
    same(first, again)


def test_the_clock_is_no_part_of_what_is_asked_for(api):
    body, key = booking(api.given_an_office()), new_key()
    first = api.post("/v1/bookings", body, key=key, at=ADVANCE)

    again = api.post("/v1/bookings", body, key=key, at=MONDAY)

    same(first, again)


def test_another_spelling_of_the_same_body_is_the_same_body(api):
    office, key = api.given_an_office(), new_key()
    number = "1000000016"
    body = booking(office, number=number, told={"mobile": "0500000001", "name": "سارة"})
    first = api.post("/v1/bookings", body, key=key)
    told = {"name": " سارة ", "mobile": "+966 50 000 0001", "number": "١٠٠٠٠٠٠٠١٦", "sex": None}
    spelled = {"channel": "portal", "beneficiary": told, "starts_at": "2011-01-03T08:00", "service": "SV-CA-02"}

    again = api.post("/v1/bookings", spelled | {"office": office}, key=key)

    same(first, again)


@pytest.mark.parametrize(
    "changed",
    [{"starts_at": "2011-01-03T08:15"}, {"service": "SV-CA-03"}, {"channel": "sms"}, {"beneficiary": None}],
    ids=lambda changed: next(iter(changed)),
)
def test_the_same_key_with_another_body_is_refused_and_changes_nothing(api, changed):
    office, key = api.given_an_office(), new_key()
    body = booking(office)
    first = api.post("/v1/bookings", body, key=key)
    other = body | (changed if changed.get("beneficiary", 1) else {"beneficiary": {"number": new_number()}})
    head = api.head()

    response = api.post("/v1/bookings", other, key=key)

    assert (response.status_code, response.json()["type"]) == (422, "/problems/idempotency-key-reused")
    assert api.head() == head
    same(first, api.post("/v1/bookings", body, key=key))


def test_the_same_key_for_another_call_is_refused(api):
    key = new_key()
    booked = api.given_a_booking(api.given_an_office(), key=key)

    response = api.post(f"/v1/bookings/{booked['booking']}/cancel", key=key)

    assert response.json()["type"] == "/problems/idempotency-key-reused"


def test_a_publication_of_other_days_under_the_same_key_is_refused_whole(api):
    office, key = api.given_an_office(days=None), new_key()
    path = f"/v1/offices/{office}/publications"
    api.post(path, {"from": "2011-01-03", "to": "2011-01-04"}, key=key)
    head = api.head()

    responses = [
        api.post(path, {"from": first, "to": last}, key=key)
        for first, last in [("2011-01-10", "2011-01-12"), ("2011-01-03", "2011-01-05"), ("2011-01-02", "2011-01-04")]
    ]

    assert {response.json()["type"] for response in responses} == {"/problems/idempotency-key-reused"}
    assert api.head() == head


def test_a_key_belongs_to_its_principal(api):
    key, numbers = new_key(), [new_number(), new_number()]
    office = api.given_an_office(counters=2)

    responses = [api.book(office, number=number, by=api.citizen(number), key=key) for number in numbers]

    assert [response.status_code for response in responses] == [201, 201]
    assert responses[0].json()["booking"] != responses[1].json()["booking"]


def test_a_key_outlives_the_token_it_came_with(api):
    office, key, number = api.given_an_office(), new_key(), new_number()
    first = api.book(office, number=number, by=api.citizen(number), key=key)

    again = api.book(office, number=number, by=api.citizen(number), key=key)

    same(first, again)


def test_twins_in_flight_get_one_answer(api):
    body, key = booking(api.given_an_office(counters=8)), new_key()
    headers = {"Idempotency-Key": key, "Mawid-Now": ADVANCE.isoformat()}

    async def race():
        return await asyncio.gather(
            *(api.calling("POST", "/v1/bookings", by=api.operator, headers=headers, json=body) for _ in range(8))
        )

    answers = api.run(race())

    assert {answer.content for answer in answers} == {answers[0].content}
    assert [answer.status_code for answer in answers] == [201] * 8
    assert sorted("idempotency-replayed" in answer.headers for answer in answers) == [False] + [True] * 7


@pytest.mark.parametrize("key", [None, b"", b"k" * 256, b"k\x7f", b"k\tk", "مفتاح".encode(), b"k\xe9"], ids=repr)
def test_a_command_without_a_usable_key_is_refused(api, key):
    headers = {"Mawid-Now": ADVANCE.isoformat()} | ({} if key is None else {"Idempotency-Key": key})

    response = api.call("POST", "/v1/bookings", by=api.operator, json=booking("CA-TB-01"), headers=headers)

    assert (response.status_code, response.json()["type"]) == (400, "/problems/idempotency-key-missing")


@pytest.mark.parametrize("key", ["k" * 255, " ", '!"#~ []{}', "a"])
def test_a_key_is_any_printable_ascii(api, key):
    assert api.book(api.given_an_office(), by=api.token("kiosk", office="CA-TB-01"), key=key).status_code != 400


def test_a_key_that_comes_twice_is_refused(api):
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]

    response = api.call("POST", "/v1/bookings", by=api.operator, json=booking("CA-TB-01"), headers=headers)

    assert (response.status_code, response.json()["field"]) == (400, "Idempotency-Key")


def test_what_is_refused_for_its_form_leaves_the_key_free(api):
    office, key = api.given_an_office(), new_key()
    wrong = booking(office) | {"starts_at": "yesterday"}

    assert api.post("/v1/bookings", wrong, key=key).status_code == 422
    assert api.post("/v1/bookings", booking(office), key=key).status_code == 201
