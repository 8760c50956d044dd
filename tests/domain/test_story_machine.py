"""Any order of bookings, moves, cancellations and counters: the capacity rule and the person rules hold after each
step, and the log, folded from nothing, gives the same slots, bookings and persons.
"""

from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test

from domain.calendar import RIYADH
from domain.commands import AssignCounters, Cancel, PublishDay, Reschedule
from domain.errors import ActiveBookingExists, CapacityInUse, Refused, SlotFull, TooManyActiveBookings
from domain.slot import Slot

DAYS = [date(2011, 1, 3) + timedelta(days=n) for n in range(3)]
STARTS = [
    datetime.combine(day, time(hour, minute), RIYADH) for day in DAYS for hour in (8, 9) for minute in (0, 15, 30)
]
SERVICES = {"SV-1": 15, "SV-2": 30, "SV-3": 45, "SV-4": 15}


@pytest.fixture
def machine_for(new_story):
    def build() -> type[RuleBasedStateMachine]:
        class Office(RuleBasedStateMachine):
            booked = Bundle("booked")

            def __init__(self) -> None:
                super().__init__()
                self.story = new_story()
                self.story.given_an_office(counters=2)
                for service, minutes in SERVICES.items():
                    self.story.given_a_service(service, minutes=minutes)
                self.story.given_published(*DAYS)
                self.standing: dict[str, tuple[int, str, datetime]] = {}  # the model: booking → person, service, start

            @rule(
                target=booked,
                person=st.integers(1, 6),
                service=st.sampled_from(list(SERVICES)),
                start=st.sampled_from(STARTS),
            )
            def book(self, person, service, start):
                theirs = [held for who, held, _ in self.standing.values() if who == person]
                try:
                    booking = self.story.book(person, start, service=service)
                except ActiveBookingExists:
                    assert service in theirs
                except TooManyActiveBookings:
                    assert len(theirs) == 3
                except SlotFull:
                    assert any(self.taken(at) >= self.capacity(at) for at in self.span(service, start))
                else:
                    assert service not in theirs
                    assert len(theirs) < 3
                    self.standing[booking] = (person, service, start)
                    return booking
                return None

            @rule(booking=booked, start=st.sampled_from(STARTS))
            def move(self, booking, start):
                if booking not in self.standing:
                    return
                person, service, _ = self.standing[booking]
                try:
                    self.story.when(Reschedule, booking=booking, starts_at=start)
                except Refused:
                    return
                self.standing[booking] = (person, service, start)

            @rule(booking=consumes(booked))
            def cancel(self, booking):
                if self.standing.pop(booking, None):
                    self.story.when(Cancel, booking=booking)

            @rule(start=st.sampled_from(STARTS), hours=st.integers(1, 3), counters=st.integers(0, 4))
            def assign_counters(self, start, hours, counters):
                until = start + timedelta(hours=hours)
                try:
                    self.story.when(AssignCounters, office="CA-TB-01", since=start, until=until, counters=counters)
                except CapacityInUse:
                    assert any(self.taken(at) > counters for at in STARTS_ALL if start <= at < until)

            @rule(day=st.sampled_from(DAYS))
            def publish_again(self, day):
                """Publishing what is published changes nothing."""
                before = len(self.story.log)
                self.story.when(PublishDay, office="CA-TB-01", day=day)
                assert len(self.story.log) == before

            @invariant()
            def no_slot_holds_more_than_its_capacity(self):
                for kept in self.story.state.streams.values():
                    if isinstance(kept, Slot):
                        assert len(kept.places) <= kept.capacity

            @invariant()
            def the_model_agrees(self):
                for at in STARTS:
                    assert self.taken(at) == sum(
                        at in self.span(service, start) for _, service, start in self.standing.values()
                    )

            @invariant()
            def the_log_replayed_gives_the_same_state(self):
                replayed, live = self.story.replayed(), self.story.state
                for part in ("streams", "bookings", "persons"):
                    ours, theirs = getattr(live, part), getattr(replayed, part)
                    assert {key: facts_of(kept) for key, kept in ours.items()} == {
                        key: facts_of(kept) for key, kept in theirs.items()
                    }

            @invariant()
            def versions_in_a_stream_have_no_gap(self):
                seen: dict[str, int] = {}
                for fact in self.story.log:
                    assert fact.originator_version == seen.get(fact.originator_id, 0) + 1
                    seen[fact.originator_id] = fact.originator_version

            def span(self, service, start):
                return [start + timedelta(minutes=15 * n) for n in range(SERVICES[service] // 15)]

            def taken(self, at):
                return len(self.slot(at).places) if self.slot(at) else 0

            def capacity(self, at):
                return self.slot(at).capacity if self.slot(at) else 0

            def slot(self, at):
                return self.story.state.streams.get(f"slot/CA-TB-01@{at:%Y-%m-%dT%H:%M}")

        return Office

    return build


STARTS_ALL = [datetime.combine(day, time(8), RIYADH) + timedelta(minutes=15 * n) for day in DAYS for n in range(24)]


def facts_of(kept):
    """Every attribute of a folded thing, to compare two of them by."""
    names = {name for kind in type(kept).__mro__ for name in getattr(kind, "__slots__", ())}
    return {name: getattr(kept, name, None) for name in names - {"stream"}}


def test_an_office_lives_through_any_story(machine_for):
    run_state_machine_as_test(machine_for(), settings=settings(max_examples=60, stateful_step_count=40, deadline=None))
