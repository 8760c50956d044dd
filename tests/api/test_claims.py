"""Holds and waiting lists over HTTP: what is kept, for whom, until when, and what everybody else is told meanwhile."""

import asyncio
from datetime import datetime, timedelta

import pytest

from tests.api.client import ADVANCE, DAYS, MONDAY, booking, new_key, new_number, start_after
from tests.api.test_refusals import refused

SECOND = timedelta(seconds=1)
LIVES, OFFER_LIVES = timedelta(minutes=10), timedelta(hours=2)


def hold(api, office, *, number=None, start=MONDAY, service="SV-CA-02", **asked):
    return api.post("/v1/holds", booking(office, start=start, service=service, number=number or new_number()), **asked)


def wait(api, office, *, number=None, days=DAYS, service="SV-CA-02", **asked):
    told = {"office": office, "service": service, "from": days[0], "to": days[1], "channel": "portal"}
    return api.post("/v1/waiting-list", told | {"beneficiary": {"number": number or new_number()}}, **asked)


def free(api, office, at, service="SV-CA-02"):
    """Of Monday's first start, as read at `at`, once the view knows all there is."""
    asked = {"office": office, "service": service, "date": DAYS[0]}
    headers = {"Mawid-Now": at.isoformat(), "Mawid-At-Least": str(api.head())}
    return api.get("/v1/availability/slots", params=asked, headers=headers).json()["slots"][0]["free"]


# -- holds ------------------------------------------------------------------------------------------------------------


def test_a_hold_is_answered_with_its_id_its_end_and_its_position(api):
    office = api.given_an_office()

    response = hold(api, office)

    assert response.status_code == 201
    assert set(response.json()) == {"hold", "expires_at", "position"}
    assert datetime.fromisoformat(response.json()["expires_at"]) == ADVANCE + LIVES


def test_a_held_place_is_free_to_nobody_until_exactly_ten_minutes_are_over(api):
    office = api.given_an_office()
    hold(api, office)

    refused(api.book(office, at=ADVANCE + LIVES - SECOND), "slot-full", capacity=1)
    assert free(api, office, ADVANCE + LIVES - SECOND) == 0
    assert free(api, office, ADVANCE + LIVES) == 1
    assert api.book(office, at=ADVANCE + LIVES).status_code == 201


def test_a_hold_confirmed_a_second_before_its_end_is_a_booking_with_the_holds_id(api):
    office, number = api.given_an_office(), new_number()
    held = hold(api, office, number=number).json()["hold"]
    body = booking(office, number=number) | {"hold": held}

    booked = api.post("/v1/bookings", body, at=ADVANCE + LIVES - SECOND)

    assert (booked.status_code, booked.json()["booking"]) == (201, held)
    assert free(api, office, ADVANCE + LIVES) == 0


def test_a_hold_confirmed_at_its_end_is_refused_and_says_when_it_ended(api):
    office, number = api.given_an_office(), new_number()
    held = hold(api, office, number=number).json()["hold"]

    response = api.post("/v1/bookings", booking(office, number=number) | {"hold": held}, at=ADVANCE + LIVES)

    refused(response, "hold-expired", hold=held, expires_at=(ADVANCE + LIVES).isoformat())


def test_a_hold_of_somebody_else_confirms_nothing(api):
    office = api.given_an_office()
    held = hold(api, office).json()["hold"]

    response = api.post("/v1/bookings", booking(office) | {"hold": held})

    refused(response, "invalid-request", 422, field="hold")


def test_a_hold_is_let_go_of_and_the_place_is_free_at_once(api):
    office = api.given_an_office()
    held = hold(api, office).json()["hold"]

    response = api.delete(f"/v1/holds/{held}")

    assert (response.status_code, response.json()["status"]) == (200, "released")
    assert free(api, office, ADVANCE) == 1
    refused(api.delete(f"/v1/holds/{held}"), "hold-expired")


def test_another_customers_hold_answers_as_one_that_does_not_exist(api):
    office = api.given_an_office()
    held = hold(api, office).json()["hold"]
    stranger = api.citizen(new_number())

    foreign, none = (api.delete(f"/v1/holds/{named}", by=stranger) for named in (held, "0" * 20))

    assert (foreign.status_code, foreign.content) == (404, none.content)


def test_the_same_key_gets_the_same_hold_again(api):
    office, number, key = api.given_an_office(), new_number(), new_key()
    first = hold(api, office, number=number, key=key)

    again = hold(api, office, number=number, key=key, at=ADVANCE + timedelta(minutes=5))

    assert again.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"


def test_a_hold_obeys_what_a_booking_obeys(api):
    office, number = api.given_an_office(), new_number()
    api.given_a_booking(office, number=number, start=start_after(1))

    refused(hold(api, office, number=number), "active-booking-exists")
    refused(hold(api, office, start=start_after(1)), "slot-full")
    refused(hold(api, office, service="SV-TR-01"), "service-not-offered")
    refused(hold(api, office, at=MONDAY - timedelta(minutes=60) + SECOND), "too-late-to-book")


def status_of(api, entry):
    headers = {"Mawid-At-Least": str(api.head()), "Mawid-Now": ADVANCE.isoformat()}
    return api.get(f"/v1/waiting-list/{entry}", api.operator, headers=headers).json()["status"]


# -- waiting lists ----------------------------------------------------------------------------------------------------


@pytest.fixture
def full(api):
    """An office with one counter, booked at Monday's first start: its id, and the booking."""
    office = api.given_an_office()
    return office, api.given_a_booking(office)


def test_a_freed_place_is_offered_to_the_first_in_line_and_never_free_in_between(api, full):
    office, booked = full
    first, second = (wait(api, office).json()["entry"] for _ in range(2))

    cancelled = api.post(f"/v1/bookings/{booked['reference']}/cancel", {})

    head = {"Mawid-At-Least": str(cancelled.json()["position"]), "Mawid-Now": ADVANCE.isoformat()}
    shown, behind = (api.get(f"/v1/waiting-list/{e}", api.operator, headers=head).json() for e in (first, second))
    offer = {"starts_at": MONDAY.isoformat(), "expires_at": (ADVANCE + OFFER_LIVES).isoformat()}
    assert (shown["status"], shown["offer"]) == ("offered", offer)
    assert (behind["status"], behind["place"]) == ("waiting", 2)
    assert free(api, office, ADVANCE) == 0
    refused(api.book(office), "slot-full")


def test_an_offer_accepted_in_its_last_second_is_a_first_confirmation(api, full):
    office, booked = full
    number = new_number()
    entry = wait(api, office, number=number).json()["entry"]
    api.post(f"/v1/bookings/{booked['reference']}/cancel", {})
    before = api.get("/v1/statistics/running-count", headers={"Mawid-At-Least": str(api.head())}).json()["count"]

    accepted = api.post(f"/v1/waiting-list/{entry}/accept", by=api.citizen(number), at=ADVANCE + OFFER_LIVES - SECOND)

    assert accepted.status_code == 201, accepted.text
    assert (accepted.json()["booking"], accepted.json()["starts_at"]) == (entry, MONDAY.isoformat())
    assert accepted.json()["reference"]
    after = api.get("/v1/statistics/running-count", headers={"Mawid-At-Least": str(api.head())}).json()["count"]
    assert after == before + 1


def test_an_offer_accepted_after_exactly_two_hours_has_gone_to_the_next(api, full):
    office, booked = full
    first, second = (wait(api, office).json()["entry"] for _ in range(2))
    api.post(f"/v1/bookings/{booked['reference']}/cancel", {})

    late = api.post(f"/v1/waiting-list/{first}/accept", at=ADVANCE + OFFER_LIVES)

    refused(late, "hold-expired", hold=first)
    accepted = api.post(f"/v1/waiting-list/{second}/accept", at=ADVANCE + 2 * OFFER_LIVES - SECOND)
    assert accepted.status_code == 201


def test_a_declined_offer_goes_to_the_next(api, full):
    office, booked = full
    first, second = (wait(api, office).json()["entry"] for _ in range(2))
    api.post(f"/v1/bookings/{booked['reference']}/cancel", {})

    declined = api.delete(f"/v1/waiting-list/{first}")

    assert (declined.status_code, declined.json()["status"]) == (200, "declined")
    assert api.post(f"/v1/waiting-list/{second}/accept").status_code == 201


def test_an_entry_is_seen_by_its_person_and_its_office_and_is_nothing_to_others(api, full):
    office, _ = full
    number = new_number()
    entry = wait(api, office, number=number).json()["entry"]
    head = {"Mawid-At-Least": str(api.head())}

    seen = [
        api.get(f"/v1/waiting-list/{entry}", by, headers=head).status_code
        for by in (api.citizen(number), api.token("staff", office=office), api.citizen(new_number()))
    ]

    assert seen == [200, 200, 404]


def test_what_cannot_be_waited_for_is_refused_with_the_field(api, full):
    office, _ = full

    refused(wait(api, office, days=("2011-01-04", "2011-01-03")), "invalid-request", 422, field="to")
    refused(wait(api, office, days=("2010-12-01", "2010-12-31")), "invalid-request", 422, field="to")
    refused(wait(api, office, days=("2011-02-01", "2011-02-02")), "beyond-horizon")
    entry = wait(api, office).json()["entry"]
    refused(api.post(f"/v1/waiting-list/{entry}/accept"), "invalid-request", 422, field="entry")


def test_fifty_citizens_twice_each_for_four_counters_then_two_cancellations_and_three_in_line(api):
    office = api.given_an_office(counters=4)
    numbers = [new_number() for _ in range(50)]
    bodies = [booking(office, number=number) for number in numbers for _ in range(2)]

    def asking(body):
        headers = {"Idempotency-Key": new_key(), "Mawid-Now": ADVANCE.isoformat()}
        return api.calling("POST", "/v1/bookings", by=api.operator, json=body, headers=headers)

    async def race():
        return await asyncio.gather(*map(asking, bodies))

    booked = [answer.json() for answer in api.run(race()) if answer.status_code == 201]
    assert len(booked) == 4
    entries = [wait(api, office).json()["entry"] for _ in range(3)]
    for one in booked[:2]:
        api.post(f"/v1/bookings/{one['reference']}/cancel", {})

    assert [status_of(api, entry) for entry in entries] == ["offered", "offered", "waiting"]
    assert {api.book(office).json()["type"] for _ in range(5)} == {"/problems/slot-full"}
    assert [api.post(f"/v1/waiting-list/{entry}/accept").status_code for entry in entries] == [201, 201, 422]
