"""Two operators erase a person: what waits for them ends, what is counted stays, and their number is a stranger's."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.commands import (
    AppointGuardian,
    ApproveErasure,
    Caller,
    Cancel,
    CheckIn,
    RepeatErasure,
    RequestErasure,
)
from domain.errors import ErasureLapsed, InvalidRequest, NotFound, Refused, SecondOperatorNeeded
from domain.events import ErasureRequested, PersonErased
from tests.domain.conftest import ADVANCE, MONDAY, Story, beneficiary

HUDA = Caller(role="operator", subject="huda")
SALEM = Caller(role="operator", subject="salem")
LATER = ADVANCE + timedelta(days=30)
SECOND = timedelta(seconds=1)


def ask(story, seed, request="r1", *, by=HUDA, at=ADVANCE, lapses_at=LATER):
    return story.when(RequestErasure, request=request, person=beneficiary(seed), lapses_at=lapses_at, caller=by, at=at)


def approve(story, request="r1", *, by=SALEM, at=ADVANCE):
    return story.when(ApproveErasure, request=request, caller=by, at=at)


def erase(story, seed, request="r1"):
    ask(story, seed, request)
    return approve(story, request)


def citizen(seed):
    return Caller(role="citizen", subject=f"person:{seed}", lookup=beneficiary(seed).lookup)


def test_the_facts_name_the_person_by_id_and_both_operators(story, eight):
    story.book(1, eight)
    person = story.vault[beneficiary(1).lookup]

    (asked,) = ask(story, 1).facts
    (erased,) = approve(story).facts

    assert (asked.originator_id, asked.person, asked.booking) == ("erasure/r1", person, None)
    assert asked.event == ErasureRequested(by="operator", request="r1", operator="huda", lapses_at=LATER)
    assert (erased.originator_id, erased.originator_version, erased.person) == ("erasure/r1", 2, person)
    assert erased.event == PersonErased(by="operator", request="r1", operator="salem")
    assert story.vault == {}


def test_nothing_is_erased_by_asking(story, eight):
    story.book(1, eight)

    decision = ask(story, 1)

    assert decision.erased == []
    assert decision.said == {"request": "r1"}
    assert beneficiary(1).lookup in story.vault


def test_whoever_asked_cannot_approve_and_a_second_operator_can(story, eight):
    story.book(1, eight)
    ask(story, 1)

    with pytest.raises(SecondOperatorNeeded):
        approve(story, by=HUDA)

    assert approve(story, by=SALEM).erased


def test_asked_again_the_request_is_the_one_there_is_and_its_first_operator_still_cannot_approve(story, eight):
    story.book(1, eight)
    ask(story, 1, "r1", by=HUDA)

    again = ask(story, 1, "r2", by=SALEM)

    assert (again.facts, again.said) == ([], {"request": "r1"})
    with pytest.raises(NotFound):
        approve(story, "r2", by=HUDA)
    with pytest.raises(SecondOperatorNeeded):
        approve(story, "r1", by=HUDA)
    assert approve(story, "r1", by=SALEM).erased


def test_a_request_lapses_at_its_instant_and_another_one_may_be_made(story, eight):
    story.book(1, eight)
    ask(story, 1)

    with pytest.raises(ErasureLapsed):
        approve(story, at=LATER)
    ask(story, 1, "r2", at=LATER, lapses_at=LATER + timedelta(days=30))

    assert approve(story, "r2", at=LATER + SECOND).erased
    with pytest.raises(NotFound):
        approve(story, "r1", at=LATER - SECOND)


def test_no_approval_is_earlier_than_its_request(story, eight):
    story.book(1, eight)
    ask(story, 1)

    with pytest.raises(InvalidRequest):
        approve(story, at=ADVANCE - SECOND)


def test_a_number_nobody_knows_and_one_that_was_erased_are_not_found_alike(story, eight):
    story.book(1, eight)
    erase(story, 1)

    with pytest.raises(NotFound) as unknown:
        ask(story, 9, "r2")
    with pytest.raises(NotFound) as gone:
        ask(story, 1, "r3")
    with pytest.raises(NotFound):
        approve(story, "r1")
    with pytest.raises(NotFound):
        approve(story, "never")

    assert str(unknown.value) == str(gone.value)


def test_the_number_is_a_new_person_from_then_on(story, eight):
    booking = story.book(1, eight)
    person = story.vault[beneficiary(1).lookup]
    erase(story, 1)

    story.book(1, eight)  # the same service on the same day: whoever had it is somebody else

    assert story.vault[beneficiary(1).lookup] != person
    with pytest.raises(NotFound):
        story.when(Cancel, booking=booking, caller=citizen(1))


def test_bookings_stand_and_a_desk_serves_them_by_their_reference(story, eight):
    first, second = story.book(1, eight), story.book(2, eight)
    erase(story, 1)

    assert story.slot_at(eight).places == {first, second}
    checked_in = story.when(CheckIn, booking=first, at=eight)

    assert checked_in.facts[0].event.TOPIC == "CheckedIn.v1"


def test_words_about_whoever_is_gone_are_kept_by_nobody_and_the_fact_says_so(story, eight):
    booking = story.book(1, eight)
    erase(story, 1)

    cancelled = story.when(Cancel, booking=booking, reason="has moved away")

    assert cancelled.notes == []
    assert cancelled.facts[0].event.reason_given is False


def test_what_was_kept_for_them_goes_to_the_next_in_line_in_the_same_append(story, eight):
    window = {"since": eight.date(), "until": eight.date()}
    story.given_a_service("SV-CA-03")
    full = story.book(1, eight), story.book(2, eight)
    others = {eight + timedelta(minutes=15 * n) for n in range(1, 24)}
    entry = story.wait(3, **window)
    following = story.wait(4, **window)
    story.when(Cancel, booking=full[0])
    assert story.slot_at(eight).claims.keys() == {entry}
    held_at = min(others)
    hold = story.hold(3, held_at, service="SV-CA-03")
    ask(story, 3)
    before = len(story.log)

    approve(story)

    assert story.topics(before) == [
        "WaitingListLeft.v1",
        "PlaceReturned.v1",
        "PlaceOffered.v1",
        "PlaceClaimed.v1",
        "HoldReleased.v1",
        "PersonErased.v1",
    ]
    assert len({fact.command_id for fact in story.log[before:]}) == 1
    assert story.log[before].event.reason == "erased"
    assert story.slot_at(eight).claims.keys() == {following}
    assert hold not in story.slot_at(held_at).claims
    assert story.replayed().waiting_list("CA-TB-01").entries.keys() == {following}


def test_a_guardian_of_whoever_is_gone_acts_no_more(story, eight):
    story.when(AppointGuardian, guardian=beneficiary(1), dependant=beneficiary(2), until=date(2012, 1, 1))
    booking = story.book(2, eight)
    person = story.vault[beneficiary(2).lookup]
    erase(story, 2)

    with pytest.raises(NotFound):
        story.when(Cancel, booking=booking, caller=citizen(1))

    assert story.state.persons[person].guardians == {}


def test_a_guardian_who_is_gone_acts_no_more_under_the_same_number(story, eight):
    story.when(AppointGuardian, guardian=beneficiary(1), dependant=beneficiary(2), until=date(2012, 1, 1))
    booking = story.book(2, eight)
    erase(story, 1)

    with pytest.raises(NotFound):
        story.when(Cancel, booking=booking, caller=citizen(1))


# -- after a restore --------------------------------------------------------------------------------------------------


def test_an_erasure_that_the_log_has_forgotten_is_carried_out_again(story, eight):
    story.book(1, eight)
    person = story.vault[beneficiary(1).lookup]

    decision = story.when(RepeatErasure, request="r1", person=person)

    (fact,) = decision.facts
    assert (fact.originator_id, fact.originator_version) == ("erasure/r1", 1)
    assert fact.event == PersonErased(by="operator", request="r1", operator=None)
    assert decision.erased == [person]


def test_an_erasure_that_the_log_knows_of_is_no_second_fact_and_the_row_goes_all_the_same(story, eight):
    story.book(1, eight)
    person = story.vault[beneficiary(1).lookup]
    erase(story, 1)

    decision = story.when(RepeatErasure, request="r1", person=person)

    assert (decision.facts, decision.erased) == ([], [person])


# -- whatever happened before -----------------------------------------------------------------------------------------

SEEDS = st.integers(1, 4)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("book"), SEEDS, st.integers(0, 5)),
        st.tuples(st.just("hold"), SEEDS, st.integers(0, 5)),
        st.tuples(st.just("wait"), SEEDS, st.just(0)),
        st.tuples(st.just("appoint"), SEEDS, SEEDS),
        st.tuples(st.just("erase"), SEEDS, st.just(0)),
    ),
    max_size=25,
)


@given(STEPS)
def test_whatever_happened_nothing_is_kept_for_the_erased_and_nobody_elses_is_touched(steps):
    story = Story()
    story.given_an_office()
    story.given_a_service()
    story.given_published(MONDAY.date())
    eight, gone = MONDAY.replace(hour=8), set()

    for n, (step, seed, other) in enumerate(steps):
        start = eight + timedelta(minutes=15 * other)
        places = _places(story)
        try:
            if step == "book":
                story.book(seed, start)
            elif step == "hold":
                story.hold(seed, start)
            elif step == "wait":
                story.wait(seed, MONDAY.date(), MONDAY.date())
            elif step == "appoint":
                story.when(
                    AppointGuardian,
                    guardian=beneficiary(seed),
                    dependant=beneficiary(other),
                    until=MONDAY.date(),
                )
            else:
                person = story.vault.get(beneficiary(seed).lookup)
                erase(story, seed, f"r{n}")
                gone.add(person)
                assert _places(story) == places  # every booking stands
        except Refused:
            continue

    state = story.replayed()
    assert gone.isdisjoint(story.vault.values())
    for person in gone & state.persons.keys():
        who = state.persons[person]
        assert (who.is_erased, who.holds, who.waiting, who.guardians) == (True, {}, {}, {})
    entries = state.streams.get("waiting/CA-TB-01")
    assert entries is None or gone.isdisjoint(entry.person for entry in entries.entries.values())


def _places(story):
    return {name: set(slot.places) for name, slot in story.state.streams.items() if name.startswith("slot/")}
