"""POL-14: a citizen asks for themselves, or for a dependant up to the last day of the guardianship."""

from datetime import date, datetime, timedelta

import pytest

from domain.calendar import RIYADH
from domain.commands import AppointGuardian, BookGroup, Caller, Cancel, RecordOutcome, Reschedule
from domain.errors import (
    ActiveBookingExists,
    Banned,
    InvalidRequest,
    NotFound,
    NotTheirDependant,
    TooManyActiveBookings,
)
from domain.events import GuardianAppointed, SlotBooked
from tests.domain.conftest import ADVANCE, beneficiary

PARENT, CHILD, OTHER = 1, 2, 3
LAST_DAY = date(2011, 1, 2)
MIDNIGHT = datetime(2011, 1, 3, tzinfo=RIYADH)  # after the last day
SECOND = timedelta(seconds=1)


def citizen(seed):
    return Caller(role="citizen", subject=f"person:{seed}", lookup=beneficiary(seed).lookup)


def appoint(story, guardian=PARENT, dependant=CHILD, until=LAST_DAY, **asked):
    return story.when(
        AppointGuardian, guardian=beneficiary(guardian), dependant=beneficiary(dependant), until=until, **asked
    )


def book(story, by, seed, starts_at, **asked):
    command = story.booking(seed, starts_at, **asked)
    fields = {name: getattr(command, name) for name in command.__struct_fields__} | {"caller": citizen(by)}
    return story.decide(type(command)(**fields))


def test_without_a_guardianship_a_citizen_books_for_themselves_only(story, eight):
    with pytest.raises(NotTheirDependant) as refusal:
        book(story, PARENT, CHILD, eight)
    assert refusal.value.evidence == {}

    book(story, PARENT, PARENT, eight)


def test_a_guardian_books_for_a_dependant_who_is_new_and_is_named_as_the_booker(story, eight):
    appointed = appoint(story)

    decision = book(story, PARENT, CHILD, eight)

    (fact,) = decision.facts
    assert isinstance(fact.event, SlotBooked)
    assert (fact.person, fact.event.booker) == (story.vault[beneficiary(CHILD).lookup], appointed.said["guardian"])
    assert [sealing.is_new for sealing in appointed.sealings] == [True, True]
    assert decision.sealings == []


def test_a_guardianship_is_a_fact_of_the_dependant(story):
    decision = appoint(story)

    (fact,) = decision.facts
    assert isinstance(fact.event, GuardianAppointed)
    assert fact.originator_id == f"person/{fact.person}"
    assert (fact.person, fact.event.until) == (decision.said["dependant"], LAST_DAY)


def test_a_guardian_acts_until_the_end_of_the_last_day_and_not_a_second_longer(story, eight):
    appoint(story)
    tuesday = eight + timedelta(days=1)
    book(story, PARENT, CHILD, tuesday, at=MIDNIGHT - SECOND)
    booking = story.log[-1].booking

    with pytest.raises(NotTheirDependant) as refusal:
        book(story, PARENT, CHILD, tuesday, at=MIDNIGHT)
    assert refusal.value.until == "2011-01-02"
    with pytest.raises(NotFound):
        story.when(Cancel, booking=booking, caller=citizen(PARENT), at=MIDNIGHT)

    story.when(Cancel, booking=booking, caller=citizen(PARENT), at=MIDNIGHT - SECOND)


def test_a_guardian_moves_and_cancels_what_the_dependant_booked(story, eight):
    appoint(story)
    booking = book(story, CHILD, CHILD, eight).facts[0].booking

    story.when(Reschedule, booking=booking, starts_at=eight + timedelta(hours=1), caller=citizen(PARENT))
    story.when(Cancel, booking=booking, caller=citizen(PARENT))

    assert story.state.bookings[booking].status == "cancelled"


def test_a_dependant_does_not_act_for_the_guardian(story, eight):
    appoint(story)
    booking = story.book(PARENT, eight)

    with pytest.raises(NotTheirDependant):
        book(story, CHILD, PARENT, eight, service="SV-CA-03")
    with pytest.raises(NotFound):
        story.when(Cancel, booking=booking, caller=citizen(CHILD))


def test_limits_count_on_the_dependant(story, eight):
    services = [f"SV-CA-1{n}" for n in range(4)]
    for service in services:
        story.given_a_service(service)
    appoint(story)
    for n, service in enumerate(services[:3]):
        book(story, PARENT, CHILD, eight + timedelta(minutes=15 * n), service=service)

    with pytest.raises(TooManyActiveBookings):
        book(story, PARENT, CHILD, eight + timedelta(hours=2), service=services[3])

    book(story, PARENT, PARENT, eight + timedelta(hours=2), service=services[0])


def test_a_ban_is_the_dependants_and_not_the_guardians(story, eight):
    appoint(story, until=date(2011, 2, 1))
    booking = book(story, PARENT, CHILD, eight).facts[0].booking
    missed = eight + timedelta(minutes=15)
    story.when(RecordOutcome, booking=booking, outcome="no_show", at=missed)

    tomorrow, early = eight + timedelta(days=1), eight + timedelta(hours=22)

    with pytest.raises(Banned):
        book(story, PARENT, CHILD, tomorrow, at=early)

    book(story, PARENT, PARENT, tomorrow, at=early)


def test_a_past_last_day_ends_a_guardianship(story, eight):
    appoint(story)

    appoint(story, until=LAST_DAY - timedelta(days=2))

    with pytest.raises(NotTheirDependant) as refusal:
        book(story, PARENT, CHILD, eight)
    assert refusal.value.until == "2010-12-31"


def test_a_last_day_that_is_past_ends_nothing_where_there_is_nothing(story):
    with pytest.raises(InvalidRequest) as refusal:
        appoint(story, until=ADVANCE.date() - timedelta(days=1))
    assert refusal.value.field == "until"

    appoint(story, until=ADVANCE.date())


def test_the_same_guardianship_again_changes_nothing(story):
    first = appoint(story)

    again = appoint(story)

    assert again.facts == []
    assert again.said == first.said


def test_nobody_is_their_own_guardian(story):
    with pytest.raises(InvalidRequest) as refusal:
        appoint(story, guardian=CHILD)

    assert refusal.value.field == "guardian"


def test_a_family_is_booked_whole_and_a_stranger_among_them_refuses_it_whole(story, eight):
    appoint(story)

    def family(*seeds):
        every = [story.booking(seed, eight + timedelta(minutes=15 * n)) for n, seed in enumerate(seeds)]
        fields = [{name: getattr(one, name) for name in one.__struct_fields__} for one in every]
        return tuple(type(one)(**told | {"caller": citizen(PARENT)}) for one, told in zip(every, fields, strict=True))

    with pytest.raises(NotTheirDependant) as stranger:
        story.when(BookGroup, bookings=family(PARENT, CHILD, OTHER), caller=citizen(PARENT))
    assert stranger.value.evidence["index"] == 2
    with pytest.raises(ActiveBookingExists) as twice:
        story.when(BookGroup, bookings=family(PARENT, CHILD, CHILD), caller=citizen(PARENT))
    assert twice.value.evidence["index"] == 2

    decision = story.when(BookGroup, bookings=family(PARENT, CHILD), caller=citizen(PARENT))

    guardian = story.vault[beneficiary(PARENT).lookup]
    assert [fact.event.booker for fact in decision.facts] == [None, guardian]


def test_a_replayed_log_knows_the_same_guardians(story):
    appoint(story)
    appoint(story, until=LAST_DAY + timedelta(days=9))

    person = story.vault[beneficiary(CHILD).lookup]
    guardians = story.replayed().persons[person].guardians

    assert guardians == {story.vault[beneficiary(PARENT).lookup]: LAST_DAY + timedelta(days=9)}
