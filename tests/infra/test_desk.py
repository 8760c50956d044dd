"""The desk commits whole batches, answers nothing before COMMIT, and knows every command again."""

import asyncio
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Thread

import psycopg
import pytest

from domain.commands import Cancel, PlaceHold, WalkIn
from domain.ports import Overloaded
from infra.desk import CommandFault
from tests.offices import MONDAY


def test_a_retry_answers_the_same_and_changes_nothing(office):
    command = office.booking(1)
    first = office.submit(command)

    again = office.submit(command)

    assert first.answer == again.answer
    assert first.position == again.position
    assert (first.replayed, again.replayed) == (False, True)
    assert office.topics_of(command.booking) == ["SlotBooked.v1"]


def test_a_log_whose_first_customer_held_a_place_or_walked_in_opens_again(make_office):
    """Which fact tells the key of the references: not every fact about a booking has it."""
    office = make_office()
    beneficiary = office.beneficiary(1)
    asked = {"office": "CA-TB-01", "service": "SV-CA-02"}
    held = office.command(PlaceHold, hold="h", starts_at=MONDAY, beneficiary=beneficiary, channel="portal", **asked)
    walked_in = office.command(WalkIn, at=MONDAY, booking="w", beneficiary=beneficiary, channel="counter", **asked)

    for command in (held, walked_in):
        assert office.submit(command).refusal is None
        office.beside()


def test_a_retry_of_a_refusal_is_refused_the_same_way_even_when_the_place_is_free_again(office):
    bookings = [office.booking(n) for n in range(3)]
    receipts = [office.submit(command) for command in bookings]
    assert [receipt.refusal and receipt.refusal.name for receipt in receipts] == [None, None, "slot-full"]

    office.submit(office.command(Cancel, booking=bookings[0].booking))

    again = office.submit(bookings[2])
    assert again.refusal == receipts[2].refusal
    assert again.position == receipts[2].position


def test_the_same_key_with_another_request_is_refused_and_the_first_answer_stands(office):
    command = office.booking(1)
    first = office.submit(command)
    other = office.booking(2, key_of=command)

    reused = office.submit(other)

    assert reused.refusal.name == "idempotency-key-reused"
    assert office.submit(command).answer == first.answer


def test_twins_in_one_batch_take_effect_once(office):
    command = office.booking(1)
    with office.desk_held():
        futures = [office.instance.desk.submit(command) for _ in range(20)]

    answers = [future.result(10).answer for future in futures]

    assert all(answer == answers[0] for answer in answers)
    assert office.topics_of(command.booking) == ["SlotBooked.v1"]


def test_two_bookings_of_one_new_number_in_a_batch_share_a_person(office):
    office.given_a_service("SV-CA-03")
    with office.desk_held():
        futures = [
            office.instance.desk.submit(office.booking(1)),
            office.instance.desk.submit(office.booking(1, service="SV-CA-03")),
        ]
    positions = [future.result(10).position for future in futures]

    persons = {fact.person for position, fact in office.instance.recorder.facts_after(0, 1000) if position in positions}

    assert len(persons) == 1
    assert office.count("vault.person") == 1


def test_a_refused_stranger_leaves_no_row_in_the_vault(office):
    receipt = office.submit(office.booking(1, at=office.start))

    assert receipt.refusal.name == "too-late-to-book"
    assert office.count("vault.person") == 0


def test_a_poison_command_fails_alone(office):
    """A constraint of the database that no rule knows of stands for a fault of ours."""
    poison = office.booking(0)
    with psycopg.connect(office.instance.dsn) as connection:
        connection.execute(f"ALTER TABLE log ADD CONSTRAINT poison CHECK (booking IS DISTINCT FROM '{poison.booking}')")
    good = [office.booking(n, start=office.start_after(n)) for n in range(1, 20)]
    with office.desk_held():
        futures = [office.instance.desk.submit(command) for command in [*good[:10], poison, *good[10:]]]
    wait(futures, 20)

    with pytest.raises(CommandFault):
        futures[10].result()
    assert all(future.result().refusal is None for n, future in enumerate(futures) if n != 10)
    assert office.positions() == list(range(1, office.head() + 1))


def test_a_full_queue_refuses_at_once_and_says_when_to_come_back(make_office):
    office = make_office(MAWID_QUEUE_COMMANDS_MAX="5")

    with office.desk_held():
        futures = [office.instance.desk.submit(office.booking(n, start=office.start_after(n))) for n in range(5)]
        with pytest.raises(Overloaded) as refusal:
            office.instance.desk.submit(office.booking(9))

    assert refusal.value.retry_after_s >= 1
    assert all(future.result(10).refusal is None for future in futures)


def test_closing_commits_what_is_queued(make_office):
    office = make_office()
    with office.desk_held():
        futures = [office.instance.desk.submit(office.booking(n, start=office.start_after(n))) for n in range(20)]

    office.close()

    assert all(future.result(0).refusal is None for future in futures)


def test_closing_while_a_batch_waits_for_the_log_commits_what_came_before(make_office):
    """The mark of closing is drained together with the last commands, and must not be lost with them."""
    office = make_office()
    with office.desk_held():
        futures = [office.instance.desk.submit(office.booking(n, start=office.start_after(n))) for n in range(20)]
        closing = Thread(target=office.close)
        closing.start()
        late = office.booking(21, start=office.start_after(21))
        wait_for_refusal(office.instance.desk, late)

    closing.join(20)

    assert not closing.is_alive()
    assert all(future.result(0).refusal is None for future in futures)


def test_callers_in_an_event_loop_are_answered_there(office):
    async def book(n):
        return await office.instance.desk.submit_async(office.booking(n, start=office.start_after(n)))

    async def all_at_once():
        return await asyncio.gather(*(book(n) for n in range(48)))

    receipts = asyncio.run(all_at_once())

    assert len({receipt.position for receipt in receipts}) == 48
    assert office.instance.desk.counts.batches < 60


def test_two_desks_race_for_forty_slots_without_a_breach(make_office):
    """Two writers on one log: each folds what the other appended before it decides."""
    first = make_office(counters=3)
    second = first.beside()
    people, starts = 240, [first.start_after(n) for n in range(40)]

    def attempt(n):
        desk = (first, second)[n % 2]
        return desk.submit(desk.booking(n % people, start=starts[n % 40], channel="kiosk"))

    with ThreadPoolExecutor(64) as pool:
        receipts = list(pool.map(attempt, range(600)))

    booked = [receipt for receipt in receipts if receipt.refusal is None]
    places = [(receipt.answer["office"], receipt.answer["starts_at"]) for receipt in booked]
    assert max(places.count(place) for place in set(places)) <= 3
    assert len(booked) == 120
    assert {receipt.refusal.name for receipt in receipts if receipt.refusal} <= {"slot-full", "active-booking-exists"}
    assert first.positions() == list(range(1, first.head() + 1))
    assert first.count("vault.person") == len(booked)


def test_no_personal_data_leaves_the_vault(office):
    office.submit(office.booking(7, name="نورة العتيبي", mobile="+966512345678"))
    number = office.beneficiary(7).number

    rows = office.all_rows_outside_the_vault()

    assert rows
    for secret in (number, "نورة", "512345678"):
        for form in (secret.encode(), secret.encode("utf-16-le"), secret.encode().hex().encode()):
            assert not any(form in row for row in rows)


def wait_for_refusal(desk, command) -> None:
    """Until the desk has heard that it is closing."""
    while True:
        try:
            desk.submit(command)
        except Overloaded:
            return
