import random
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain import commands
from domain.calendar import local_date
from domain.events import CustomerCalled
from projections.bookings import Bookings
from projections.queue import Queue, Visit, of_day
from tests.projections.conftest import reference_hash
from tests.projections.story import OFFICES, WORKDAYS, Facts, Story, play, start

TB, RD = OFFICES
MINUTE = timedelta(minutes=1)
NINE = start(WORKDAYS[0], 4)


def expected(story: Story, facts: Facts, office: str) -> list[Visit]:
    """From the bookings as the domain folds them."""
    waited = {fact.booking: fact.event.waited_s for _, fact in facts if isinstance(fact.event, CustomerCalled)}
    standing = [
        Visit(
            booking=tag,
            service=stands.service,
            starts_at=stands.starts_at,
            status=stands.status,
            is_walk_in=stands.is_walk_in,
            checked_in_at=stands.checked_in_at,
            called_at=stands.called_at,
            waited_s=waited.get(tag),
        )
        for tag, stands in story.state.bookings.items()
        if stands.status not in (None, "cancelled")
        and stands.has_place
        and (stands.office, local_date(stands.starts_at)) == (office, WORKDAYS[0])
    ]
    return sorted(standing, key=lambda visit: visit.booking)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), steps=st.integers(1, 150), page_size=st.integers(1, 400))
def test_any_history_in_any_pages_shows_each_visit_as_the_domain_has_it(folded, seed, steps, page_size):
    story = play(random.Random(seed), steps)

    with folded([Bookings(reference_hash), Queue()], story.facts, page_size) as connection:
        for office in OFFICES:
            shown = of_day(connection, office, WORKDAYS[0])
            assert sorted(shown, key=lambda visit: visit.booking) == expected(story, story.facts, office)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), steps=st.integers(1, 150))
def test_those_who_wait_stand_in_the_order_in_which_they_are_called(folded, seed, steps):
    story = play(random.Random(seed), steps)

    with folded([Bookings(reference_hash), Queue()], story.facts) as connection:
        waiting = [visit.booking for visit in of_day(connection, TB, WORKDAYS[0]) if visit.waits]

    called = [story.do(commands.CallNext, at=start(WORKDAYS[0], 60), office=TB) for _ in range(len(waiting) + 1)]
    assert [fact.booking for facts in called for fact in facts] == waiting


def test_a_wait_begins_with_the_check_in_or_the_start_whichever_is_later(folded):
    story = Story()
    for number in (1, 2):
        story.book(number, office=TB, service="SV-CA-02", starts_at=NINE)
    early, late = story.bookings
    story.do(commands.CheckIn, booking=early, at=NINE - 10 * MINUTE)
    story.do(commands.CheckIn, booking=late, at=NINE + 2 * MINUTE)

    with folded([Bookings(reference_hash), Queue()], story.facts) as connection:
        waiting = of_day(connection, TB, WORKDAYS[0])

    assert [visit.booking for visit in waiting] == [early, late]
    assert [visit.waited_until(NINE + 5 * MINUTE) for visit in waiting] == [300, 180]
    assert [visit.waited_until(NINE - MINUTE) for visit in waiting] == [0, 0]
