"""The vault forgets in the transaction of the fact, and every process knows before it decides again."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from domain.commands import ApproveErasure, Caller, Cancel, CorrectPerson, RequestErasure
from tests.offices import ADVANCE

HUDA = Caller(role="operator", subject="huda")
SALEM = Caller(role="operator", subject="salem")


def stamped(office, kind, caller, **asked):
    stamp = office.instance.stamp(caller, repr(asked), ADVANCE, repr((kind, asked)))
    return kind(**stamp, **asked)


def ask(office, seed, request="r1"):
    person, lapses_at = office.beneficiary(seed), ADVANCE.replace(year=2012)
    return stamped(office, RequestErasure, HUDA, request=request, person=person, lapses_at=lapses_at)


def approve(office, request="r1"):
    return stamped(office, ApproveErasure, SALEM, request=request)


def person_of(office, seed):
    with psycopg.connect(office.instance.dsn) as connection:
        return office.instance.vault.find_person(connection, office.beneficiary(seed).lookup)


def persons_of(office, command):
    return {person for (person,) in office._rows(f"SELECT person FROM log WHERE booking = '{command.booking}'")}


@pytest.fixture
def booked(office):
    command = office.booking(1, name="سارة", mobile="+966500000001")
    office.submit(command)
    return command


def test_row_key_and_words_go_in_the_append_of_the_fact(office, booked):
    office.submit(office.command(Cancel, booking=booked.booking, reason="moving to Tabuk"))
    assert (office.count("vault.person"), office.count("vault.note")) == (1, 1)
    office.submit(ask(office, 1))

    receipt = office.submit(approve(office))

    assert (receipt.refusal, receipt.position) == (None, office.head())
    assert (office.count("vault.person"), office.count("vault.note")) == (0, 0)


def test_words_told_in_the_same_batch_as_the_erasure_go_with_it(office, booked):
    office.submit(ask(office, 1))
    with office.desk_held():
        first = office.instance.desk.submit(office.booking(2))
        futures = [
            office.instance.desk.submit(office.command(Cancel, booking=booked.booking, reason="moving to Tabuk")),
            office.instance.desk.submit(
                office.command(CorrectPerson, person=office.beneficiary(1, name="نورة"), reason="typed wrong")
            ),
            office.instance.desk.submit(approve(office)),
        ]

    assert [future.result(10).refusal for future in (first, *futures)] == [None] * 4

    assert (office.count("vault.person"), office.count("vault.note")) == (1, 0)


def test_another_process_that_knew_the_number_meets_a_stranger(office, booked):
    beside = office.beside()
    again = beside.submit(beside.booking(1, start=office.start_after(1)))
    assert again.refusal.name == "active-booking-exists"  # it knows whose the number is
    office.submit(ask(office, 1))
    office.submit(approve(office))

    new = beside.booking(1, start=office.start_after(1))
    receipt = beside.submit(new)

    assert receipt.refusal is None
    assert persons_of(office, new) == {person_of(office, 1)}
    assert persons_of(office, new).isdisjoint(persons_of(office, booked))


def test_an_erasure_that_is_rolled_back_has_erased_nothing(office, booked):
    office.submit(ask(office, 1))
    with psycopg.connect(office.instance.dsn, autocommit=True) as connection:
        connection.execute("""
            CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
            CREATE TRIGGER fail AFTER DELETE ON vault.person EXECUTE FUNCTION fail()
        """)
        future = office.instance.desk.submit(approve(office))
        assert future.exception(10) is not None
        connection.execute("DROP TRIGGER fail ON vault.person")

    assert office.count("vault.person") == 1
    assert office._rows("SELECT FROM log WHERE type = 'PersonErased.v1'") == []
    assert office.submit(office.booking(1, start=office.start_after(1))).refusal.name == "active-booking-exists"
    assert office.submit(approve(office)).refusal is None
    assert office.count("vault.person") == 0


def test_a_booking_that_races_an_erasure_is_the_old_persons_or_a_new_ones_and_never_mixed(make_office):
    """Two desks, the same number: whatever the order, a fact after the erasure names nobody who is gone."""
    office = make_office(counters=40)
    beside = office.beside()
    for service in ("SV-CA-03", "SV-CA-04"):
        office.given_a_service(service)
    outcomes = set()
    for seed in range(1, 31):
        office.submit(office.booking(seed, start=office.start_after(seed % 40)))
        old = person_of(office, seed)
        office.submit(ask(office, seed, f"r{seed}"))
        racing = [
            desk.booking(seed, start=office.start_after((seed + n) % 40), service=service)
            for n, (desk, service) in enumerate([(office, "SV-CA-03"), (beside, "SV-CA-04")], start=1)
        ]
        with ThreadPoolExecutor(3) as pool:
            results = [
                pool.submit(office.submit, racing[0]),
                pool.submit(beside.submit, approve(beside, f"r{seed}")),
                pool.submit(beside.submit, racing[1]),
            ]
            receipts = [result.result() for result in results]
        assert [receipt.refusal for receipt in receipts] == [None] * 3

        erased_at = receipts[1].position
        for command, receipt in zip(racing, (receipts[0], receipts[2]), strict=True):
            (person,) = persons_of(office, command)
            assert (person == old) == (receipt.position < erased_at)
            assert person == old or person == person_of(office, seed)
            outcomes.add(person == old)
    assert outcomes == {True, False}
