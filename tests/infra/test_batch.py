"""What a batch tells the vault: in the order it was decided, and whoever decides next goes by it."""

from datetime import date

from domain.commands import AppointGuardian, Cancel, CorrectPerson
from infra.person_file import open_person_file
from tests.offices import MONDAY

SECRETS = ("نورة", "512345678", "naturalised", "went to Jeddah")


def correction(office, old, new, **told):
    return office.command(
        CorrectPerson, person=office.beneficiary(old, **told), new_number=office.beneficiary(new), reason="naturalised"
    )


def person_of(office, receipt):
    [person] = [fact.person for position, fact in office.instance.recorder.facts_after(receipt.position - 1, 1)]
    return person


def file_of(office, person):
    with office.instance.recorder.connection() as connection:
        return open_person_file(office.instance.vault, connection, person, "operator", "test")


def test_another_process_drops_the_number_it_had_seen(make_office):
    here = make_office(counters=9)
    there = here.beside()
    person = person_of(here, here.submit(here.booking(1)))
    there.given_a_service("SV-CA-03")
    there.submit(there.booking(1, service="SV-CA-03"))  # and so knows whose the number is

    assert here.submit(correction(here, 1, 2)).answer == {"person": person, "corrected": ["number"]}

    assert there.submit(there.booking(2)).refusal.name == "active-booking-exists"
    stranger = there.submit(there.booking(1))
    assert person_of(there, stranger) != person
    assert file_of(here, person).number == here.beneficiary(2).number
    assert file_of(here, person_of(there, stranger)).number == here.beneficiary(1).number


def test_numbers_change_hands_within_what_waits_at_the_desk(make_office):
    """Met, renumbered, renumbered again, while others take the numbers that became free."""
    office = make_office(counters=9)
    commands = [
        office.booking(1),
        correction(office, 1, 2),
        office.booking(1),
        correction(office, 2, 3),
        office.booking(2, start=office.start_after(1)),
        office.booking(3, start=office.start_after(1)),
        correction(office, 1, 2),
        correction(office, 1, 4),
        office.booking(1, start=office.start_after(2)),
    ]

    with office.desk_held():
        futures = [office.instance.desk.submit(command) for command in commands]
    receipts = [future.result(20) for future in futures]

    assert [receipt.refusal and receipt.refusal.name for receipt in receipts] == [
        None,
        None,
        None,
        None,
        None,
        "active-booking-exists",
        "invalid-request",
        None,
        None,
    ]
    first, second, third, fourth = (person_of(office, receipts[n]) for n in (0, 2, 4, 8))
    numbers = {person: file_of(office, person).number for person in (first, second, third, fourth)}
    assert numbers == {
        first: office.beneficiary(3).number,
        second: office.beneficiary(4).number,
        third: office.beneficiary(2).number,
        fourth: office.beneficiary(1).number,
    }


def test_a_correction_replays_after_the_number_has_moved_on(office):
    office.submit(office.booking(1))
    command = correction(office, 1, 2)
    first = office.submit(command)
    office.submit(correction(office, 2, 3))

    again = office.submit(command)

    assert (again.answer, again.position, again.replayed) == (first.answer, first.position, True)


def test_what_a_person_tells_twice_in_their_first_batch_is_kept(office):
    """The second booking's mobile found no row to be written to."""
    office.given_a_service("SV-CA-03")
    booking = office.booking(1, name="نورة")
    with office.desk_held():
        futures = [
            office.instance.desk.submit(booking),
            office.instance.desk.submit(office.booking(1, service="SV-CA-03", mobile="+966512345678")),
            office.instance.desk.submit(office.command(Cancel, booking=booking.booking, reason="went to Jeddah")),
        ]
    receipts = [future.result(20) for future in futures]
    person = person_of(office, receipts[0])

    file = file_of(office, person)

    assert (file.name, file.mobile) == ("نورة", "+966512345678")
    assert file.notes == {booking.booking: "went to Jeddah"}


def test_a_corrected_name_and_mobile_take_the_place_of_the_old_ones(office):
    person = person_of(office, office.submit(office.booking(1, name="نوره", mobile="+966500000001")))

    office.submit(correction(office, 1, 2, name="نورة", mobile="+966512345678"))

    file = file_of(office, person)
    assert (file.number, file.name, file.mobile) == (office.beneficiary(2).number, "نورة", "+966512345678")
    assert file.notes == {f"person/{person}/1": "naturalised"}


def test_no_personal_data_of_a_correction_or_a_guardianship_leaves_the_vault(office):
    office.submit(office.booking(1, start=MONDAY))
    office.submit(correction(office, 1, 2, name="نورة", mobile="+966512345678"))
    guardian = office.beneficiary(3, name="نورة")
    office.submit(
        office.command(AppointGuardian, guardian=guardian, dependant=office.beneficiary(2), until=date(2011, 12, 31))
    )

    rows = office.all_rows_outside_the_vault()

    assert any(b"GuardianAppointed" in row for row in rows)
    for secret in (*SECRETS, *(office.beneficiary(seed).number for seed in (1, 2, 3))):
        for form in (secret.encode(), secret.encode("utf-16-le"), secret.encode().hex().encode()):
            assert not any(form in row for row in rows)


def test_every_opening_of_a_file_is_in_it(office):
    person = person_of(office, office.submit(office.booking(1)))

    files = [file_of(office, person) for _ in range(2)]

    assert [len(file.openings) for file in files] == [1, 2]
    assert {(opening.who, opening.why) for opening in files[1].openings} == {("operator", "test")}
    assert files[1].openings[0].at < files[1].openings[1].at


def test_a_person_without_a_row_has_no_file(office):
    assert file_of(office, "nobody") is None


def test_a_file_shows_nothing_when_printed(office):
    shown = repr(file_of(office, person_of(office, office.submit(office.booking(1, name="نورة")))))

    assert "نورة" not in shown
    assert office.beneficiary(1).number not in shown
