"""A person is erased over HTTP: two operators, one answer for who is gone and who never was, the rest as before."""

from datetime import timedelta

import psycopg
import pytest

from tests.api.client import ADVANCE, MONDAY, new_key, new_number, start_after
from tests.api.test_guardians import appoint, seen
from tests.api.test_idempotency import same
from tests.api.test_persons import export

ERASURE = "/v1/persons/erasure"


def ask(api, number, *, by, **asked):
    return api.post(ERASURE, {"number": number}, by=by, **asked)


def approve(api, request, *, by, **asked):
    return api.post(f"{ERASURE}/{request}/approve", by=by, **asked)


def erase(api, number):
    request = ask(api, number, by=api.token("operator", name="huda")).json()["request"]
    return approve(api, request, by=api.token("operator", name="salem"))


def rows(api, query, *parameters):
    with psycopg.connect(api.instance.dsn) as connection:
        return connection.execute(query, parameters).fetchall()


@pytest.fixture
def huda(api):
    return api.token("operator", name="huda")


@pytest.fixture
def salem(api):
    return api.token("operator", name="salem")


@pytest.fixture
def office(api):
    return api.given_an_office(counters=3)


@pytest.fixture
def staff(api, office):
    return api.token("staff", office=office)


def test_tokens_without_a_name_are_told_apart_by_themselves(api, office):
    number = new_number()
    api.given_a_booking(office, number=number)
    one, other = api.token("operator"), api.token("operator")
    request = ask(api, number, by=one).json()["request"]

    alone = approve(api, request, by=one)
    together = approve(api, request, by=other)

    assert (alone.status_code, alone.json()["type"]) == (403, "/problems/second-operator-needed")
    assert together.status_code == 200


def test_one_operator_asks_and_another_approves(api, office, huda, salem):
    number = new_number()
    api.given_a_booking(office, number=number, told={"name": "سارة", "mobile": "+966500000001"})
    with psycopg.connect(api.instance.dsn) as connection:
        person = api.instance.vault.find_person(connection, api.instance.vault.lookup(number))

    asked = ask(api, number, by=huda)
    own = approve(api, asked.json()["request"], by=huda)
    other = approve(api, asked.json()["request"], by=salem)

    assert (asked.status_code, list(asked.json())) == (202, ["request", "position"])
    assert (own.status_code, own.json()["type"]) == (403, "/problems/second-operator-needed")
    assert (other.status_code, other.json()) == (200, {"position": api.head()})
    assert person is not None
    assert rows(api, "SELECT FROM vault.person WHERE person = %s", person) == []
    [(topic, state)] = rows(api, "SELECT type, state FROM log WHERE position = %s", api.head())
    assert topic == "PersonErased.v1"
    assert number.encode() not in state


def test_both_commands_are_answered_again_as_they_were(api, office, huda, salem):
    number, key, other_key = new_number(), new_key(), new_key()
    api.given_a_booking(office, number=number)
    asked = ask(api, number, by=huda, key=key)
    approved = approve(api, asked.json()["request"], by=salem, key=other_key)
    head = api.head()

    same(asked, ask(api, number, by=huda, key=key))
    same(approved, approve(api, asked.json()["request"], by=salem, key=other_key))

    assert api.head() == head


def test_who_never_was_and_who_is_gone_are_not_found_alike(api, office, huda, salem):
    number = new_number()
    api.given_a_booking(office, number=number)
    request = ask(api, number, by=huda).json()["request"]
    approve(api, request, by=salem)

    gone, unknown = (ask(api, each, by=huda) for each in (number, new_number()))
    again, never = (approve(api, each, by=salem) for each in (request, "0" * 20))

    for response in (gone, unknown, again, never):
        assert response.status_code == 404
        assert {**response.json(), "position": 0} == {**gone.json(), "position": 0}


def test_a_request_that_nobody_approves_lapses(api, office, huda, salem):
    number = new_number()
    api.given_a_booking(office, number=number)
    request = ask(api, number, by=huda).json()["request"]

    late = approve(api, request, by=salem, at=ADVANCE + timedelta(days=30))

    assert (late.status_code, late.json()["type"]) == (409, "/problems/erasure-lapsed")
    assert late.json()["lapsed_at"].startswith("2011-01-31T09:00:00")


def test_a_number_that_is_none_is_refused_as_everywhere(api, huda):
    response = ask(api, "1234567890", by=huda)

    assert (response.status_code, response.json()["type"]) == (422, "/problems/invalid-number")


def test_bookings_stand_and_the_desk_serves_them_by_reference_and_no_longer_by_number(api, office, staff):
    number = new_number()
    booked = api.given_a_booking(office, number=number)
    path = f"/v1/bookings/{booked['reference']}"
    erase(api, number)

    by_reference = api.get(path, staff, headers=seen(api))
    by_number = api.get(f"/v1/bookings?number={number}", staff, headers=seen(api))
    checked_in = api.post(f"{path}/check-in", by=staff, at=MONDAY)
    served = api.post(f"{path}/outcome", {"outcome": "served"}, by=staff, at=MONDAY + timedelta(minutes=15))

    assert (by_reference.status_code, by_reference.json()["status"]) == (200, "confirmed")
    assert (by_number.status_code, by_number.json()["bookings"]) == (200, [])
    assert (checked_in.status_code, served.status_code) == (200, 200)
    history = api.get(f"{path}/history", api.token("auditor"), headers=seen(api)).json()["facts"]
    assert [fact["type"] for fact in history] == ["SlotBooked.v1", "CheckedIn.v1", "OutcomeRecorded.v1"]


def test_the_number_is_somebody_new_who_finds_nothing_and_may_book(api, office, staff):
    number = new_number()
    booked = api.given_a_booking(office, number=number)
    path = f"/v1/bookings/{booked['reference']}"
    erase(api, number)

    theirs = [
        api.get(path, api.citizen(number), headers=seen(api)),
        api.post(f"{path}/cancel", {}, by=api.citizen(number)),
        export(api, number, api.citizen(number)),
        export(api, number, staff),
    ]
    again = api.book(office, number=number, by=api.citizen(number), start=start_after(1))

    assert [response.status_code for response in theirs] == [404] * 4
    assert again.status_code == 201
    assert export(api, number, api.citizen(number)).json()["bookings"][0]["booking"] == again.json()["booking"]


def test_a_guardian_reads_nothing_more_of_whoever_is_gone(api, office):
    guardian, dependant = new_number(), new_number()
    booked = api.given_a_booking(office, number=dependant)
    appoint(api, guardian, dependant)
    path = f"/v1/bookings/{booked['reference']}"
    assert api.get(path, api.citizen(guardian), headers=seen(api, ADVANCE)).status_code == 200

    erase(api, dependant)

    assert api.get(path, api.citizen(guardian), headers=seen(api, ADVANCE)).status_code == 404
    assert export(api, guardian, api.citizen(guardian)).json()["guardianships"] == []


def test_what_the_store_of_answers_keeps_can_be_compared_with_no_number_any_more(api, office):
    number, key = new_number(), new_key()
    booked = api.book(office, number=number, key=key)
    other = api.given_a_booking(office, start=start_after(1))
    erase(api, number)

    of_booking = """
        SELECT fingerprint FROM command_outcome
        WHERE command_id IN (SELECT command_id FROM log WHERE booking = %s)
    """
    assert rows(api, of_booking, booked.json()["booking"]) == [(b"",)]
    assert rows(api, of_booking, other["booking"]) != [(b"",)]
    same(booked, api.book(office, number=number, key=key))


@pytest.mark.parametrize("role", ["staff", "manager", "auditor", "citizen"])
def test_only_operators_erase(api, office, role):
    number = new_number()
    api.given_a_booking(office, number=number)
    place = {"office": office} if role in ("staff", "manager") else {}
    token = api.token(role, **place, number=number if role == "citizen" else None)

    assert ask(api, number, by=token).status_code == 403
    assert approve(api, "0" * 20, by=token).status_code == 403
