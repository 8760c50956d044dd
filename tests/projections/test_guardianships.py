"""Who acts for whom, from either side, and until when."""

from datetime import date, timedelta

from domain.commands import AppointGuardian, ApproveErasure, Caller, RequestErasure
from domain.events import GuardianAppointed
from projections.guardianships import Guardianship, Guardianships, is_guardian, of_person
from tests.projections.story import EVE, Story, person

LAST_DAY = EVE.date() + timedelta(days=10)
DAY = timedelta(days=1)


def appoint(story: Story, guardian: int, dependant: int, until: date) -> tuple[str, str]:
    [fact] = story.do(AppointGuardian, guardian=person(guardian), dependant=person(dependant), until=until)
    assert isinstance(fact.event, GuardianAppointed)
    return fact.event.guardian, str(fact.person)


def test_a_guardianship_holds_up_to_its_last_day_and_one_way(folded):
    story = Story()
    guardian, dependant = appoint(story, 1, 2, LAST_DAY)

    with folded([Guardianships()], story.facts) as connection:
        held = [is_guardian(connection, guardian, dependant, day) for day in (EVE.date(), LAST_DAY, LAST_DAY + DAY)]

        assert held == [True, True, False]
        assert not is_guardian(connection, dependant, guardian, LAST_DAY)
        assert not is_guardian(connection, guardian, guardian, LAST_DAY)


def test_the_last_appointment_counts_in_whatever_pages_it_comes(folded):
    story = Story()
    guardian, dependant = appoint(story, 1, 2, LAST_DAY)
    appoint(story, 1, 2, LAST_DAY + DAY)
    appoint(story, 1, 2, EVE.date() - DAY)

    for page_size in (1, 2, 1000):
        with folded([Guardianships()], story.facts, page_size) as connection:
            assert of_person(connection, guardian) == [Guardianship(guardian, dependant, EVE.date() - DAY)]
            assert not is_guardian(connection, guardian, dependant, EVE.date())


def test_a_person_is_told_their_guardians_and_their_dependants(folded):
    story = Story()
    parent, child = appoint(story, 1, 2, LAST_DAY)
    _, other_child = appoint(story, 1, 3, LAST_DAY + DAY)
    grandparent, _ = appoint(story, 4, 1, LAST_DAY + 2 * DAY)
    appoint(story, 5, 6, LAST_DAY)

    with folded([Guardianships()], story.facts) as connection:
        assert of_person(connection, parent) == [
            Guardianship(parent, child, LAST_DAY),
            Guardianship(parent, other_child, LAST_DAY + DAY),
            Guardianship(grandparent, parent, LAST_DAY + 2 * DAY),
        ]
        assert of_person(connection, child) == [Guardianship(parent, child, LAST_DAY)]


def test_an_erasure_ends_guardianships_both_ways_in_whatever_pages_it_comes(folded):
    story = Story()
    parent, child = appoint(story, 1, 2, LAST_DAY)
    grandparent, _ = appoint(story, 3, 1, LAST_DAY)
    others = appoint(story, 4, 5, LAST_DAY)
    operators = [Caller(role="operator", subject=name) for name in ("huda", "salem")]
    story.do(RequestErasure, request="r", person=person(1), lapses_at=EVE + DAY, caller=operators[0])
    story.do(ApproveErasure, request="r", caller=operators[1])

    for page_size in (1, 2, 1000):
        with folded([Guardianships()], story.facts, page_size) as connection:
            assert [of_person(connection, each) for each in (parent, child, grandparent)] == [[], [], []]
            assert of_person(connection, others[0]) == [Guardianship(*others, LAST_DAY)]
