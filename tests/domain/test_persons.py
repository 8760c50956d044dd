"""A person put right stays who they are; the number they had is a stranger's."""

from datetime import timedelta

import pytest

from domain.commands import AppointGuardian, Caller, Cancel, CorrectPerson, RecordOutcome, Reschedule
from domain.errors import ActiveBookingExists, Banned, InvalidRequest, NotFound
from domain.events import PersonCorrected
from tests.domain.conftest import beneficiary

STAFF = Caller(role="staff", subject="staff@CA-TB-01", office="CA-TB-01")
ELSEWHERE = Caller(role="staff", subject="staff@CA-TB-02", office="CA-TB-02")
OF_REGION = Caller(role="manager", subject="manager@TB", region="TB")
OF_OTHER_REGION = Caller(role="manager", subject="manager@RD", region="RD")


def told(seed, **contact):
    known = beneficiary(seed)
    return type(known)(number=known.number, kind=known.kind, lookup=known.lookup, **contact)


def renumber(story, old, new, *, caller=STAFF, **asked):
    return story.when(CorrectPerson, person=told(old), new_number=beneficiary(new), caller=caller, **asked)


def test_a_new_number_keeps_the_person_and_their_bookings(story, eight):
    booking = story.book(1, eight)
    person = story.vault[beneficiary(1).lookup]

    renumber(story, 1, 2)

    with pytest.raises(ActiveBookingExists) as refusal:
        story.book(2, eight + timedelta(hours=1))
    assert refusal.value.booking == booking
    assert story.vault == {beneficiary(2).lookup: person}


def test_the_old_number_is_a_strangers(story, eight):
    booking = story.book(1, eight)
    renumber(story, 1, 2)
    citizen = Caller(role="citizen", subject="person:1", lookup=beneficiary(1).lookup)

    with pytest.raises(NotFound):
        story.when(Cancel, booking=booking, caller=citizen)
    story.book(1, eight)

    assert len(set(story.vault.values())) == 2


def test_a_ban_goes_with_the_person_and_not_with_the_number(story, eight):
    booking = story.book(1, eight)
    missed, early, tomorrow = (eight + timedelta(minutes=minutes) for minutes in (15, 22 * 60, 24 * 60))
    story.when(RecordOutcome, booking=booking, outcome="no_show", at=missed)

    renumber(story, 1, 2, at=missed)

    with pytest.raises(Banned):
        story.book(2, tomorrow, at=early)
    story.book(1, tomorrow, at=early)


def test_the_fact_says_what_was_put_right_and_never_what_it_is(story, eight):
    story.book(1, eight)
    new = beneficiary(2, kind="resident")

    decision = story.when(
        CorrectPerson,
        person=told(1, name="سارة", mobile="+966500000001"),
        new_number=new,
        reason="typed wrong",
        caller=STAFF,
    )

    (fact,) = decision.facts
    assert fact.event == PersonCorrected(
        by="staff@CA-TB-01", corrected=("number", "name", "mobile"), kind="resident", reason_given=True
    )
    assert fact.originator_id == f"person/{fact.person}"
    (note,) = decision.notes
    assert (note.person, note.about, note.text) == (fact.person, f"person/{fact.person}/1", "typed wrong")
    (sealing,) = decision.sealings
    assert (sealing.beneficiary.name, sealing.beneficiary.mobile, sealing.is_new) == ("سارة", "+966500000001", False)


def test_a_number_of_another_person_is_refused_and_nobody_becomes_somebody_else(story, eight):
    for seed in (1, 2):
        story.book(seed, eight)
    before = dict(story.vault)

    with pytest.raises(InvalidRequest) as refusal:
        renumber(story, 1, 2)

    assert refusal.value.field == "new_number"
    assert story.vault == before


def test_the_number_they_have_is_no_correction(story, eight):
    story.book(1, eight)

    with pytest.raises(InvalidRequest) as refusal:
        renumber(story, 1, 1)

    assert refusal.value.field == "new_number"


def test_a_number_goes_there_and_back(story, eight):
    story.book(1, eight)
    person = story.vault[beneficiary(1).lookup]

    for old, new in ((1, 2), (2, 1), (1, 3)):
        renumber(story, old, new)

    assert story.vault == {beneficiary(3).lookup: person}
    assert story.state.streams[f"person/{person}"].version == 3


@pytest.mark.parametrize(("caller", "serves"), [(STAFF, True), (ELSEWHERE, False), (OF_REGION, True)])
def test_a_desk_puts_right_whom_it_serves(story, eight, caller, serves):
    story.book(1, eight)

    if serves:
        renumber(story, 1, 2, caller=caller)
    else:
        with pytest.raises(NotFound) as foreign:
            renumber(story, 1, 2, caller=caller)
        with pytest.raises(NotFound) as unknown:
            renumber(story, 9, 2, caller=caller)
        assert (str(foreign.value), foreign.value.evidence) == (str(unknown.value), unknown.value.evidence)


def test_another_regions_manager_does_not_serve_them(story, eight):
    story.book(1, eight)

    with pytest.raises(NotFound):
        renumber(story, 1, 2, caller=OF_OTHER_REGION)


def test_whoever_had_a_booking_there_is_still_served(story, eight):
    story.given_an_office("CA-TB-02")
    story.given_published(eight.date(), office="CA-TB-02")
    booking = story.book(1, eight)
    story.when(Reschedule, booking=booking, starts_at=eight, office="CA-TB-02")
    story.when(Cancel, booking=booking)

    renumber(story, 1, 2, caller=STAFF)
    renumber(story, 2, 3, caller=ELSEWHERE)


def test_whoever_has_only_a_number_is_nobodys_customer(story, eight):
    """Known as a guardian, and never at an office."""
    story.when(AppointGuardian, guardian=beneficiary(1), dependant=beneficiary(2), until=eight.date())

    with pytest.raises(NotFound):
        renumber(story, 1, 3)
    renumber(story, 1, 3, caller=Caller(role="operator", subject="operator"))
