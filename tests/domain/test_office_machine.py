"""The whole policy under Hypothesis, which shrinks what it finds: any order of commands, with the clock moved by hand,
beside the same independent ledger as the seeded years.
"""

from datetime import date, datetime, time, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test

from domain import commands
from domain.calendar import RIYADH
from domain.errors import Refused
from tests.domain.year import OFFICE, Year

DAYS = [date(2011, 1, 3), date(2011, 1, 4)]
STARTS = [datetime.combine(day, time(8, minute), RIYADH) for day in DAYS for minute in (0, 15, 30)]
people = st.integers(1, 6)
services = st.sampled_from(["SV-1", "SV-2", "SV-3"])
starts = st.sampled_from(STARTS)
OUTCOMES = st.sampled_from(["served", "not_completed", "no_show"])


class Office(RuleBasedStateMachine):
    booked = Bundle("booked")
    held = Bundle("held")
    waiting = Bundle("waiting")

    def __init__(self) -> None:
        super().__init__()
        self.year = Year(0)
        self.year.when(commands.AssignCounters, office=OFFICE, since=STARTS[0], until=STARTS[-1], counters=1)
        for day in DAYS:
            self.year.when(commands.PublishDay, at=self.year.now, office=OFFICE, day=day)
        self.before = len(self.year.log)

    def attempt(self, act, *arguments, **asked):
        """What came of it; None: refused, which changes nothing but what the clock had decided."""
        self.before = len(self.year.log)
        try:
            return act(*arguments, at=self.year.now, **asked)
        except Refused:
            return None

    @rule(minutes=st.sampled_from([1, 5, 9, 10, 30, 119, 120, 600, 1_440, 4_320]))
    def time_passes(self, minutes):
        self.before = len(self.year.log)
        self.year.now += timedelta(minutes=minutes)

    @rule(target=booked, person=people, service=services, start=starts)
    def book(self, person, service, start):
        return self.attempt(self.year.book, person, start, service=service, channel="kiosk")

    @rule(target=held, person=people, service=services, start=starts)
    def hold(self, person, service, start):
        hold = self.attempt(self.year.hold, person, start, service=service, channel="kiosk")
        return hold and (hold, person, service, start)

    @rule(target=booked, hold=consumes(held))
    def confirm(self, hold):
        if hold is None:
            return None
        tag, person, service, start = hold
        booked = self.attempt(self.year.book, person, start, service=service, channel="kiosk", hold=tag)
        return booked and tag

    @rule(target=waiting, person=people, service=services, first=st.sampled_from(DAYS), days=st.integers(0, 2))
    def wait(self, person, service, first, days):
        return self.attempt(self.year.wait, person, first, first + timedelta(days=days), service=service)

    @rule(target=booked, entry=waiting)
    def accept(self, entry):
        return self.attempt(self.year.when, commands.AcceptOffer, entry=entry) and entry if entry else None

    @rule(entry=waiting)
    def leave(self, entry):
        if entry:
            self.attempt(self.year.when, commands.LeaveWaitingList, entry=entry)

    @rule(booking=booked)
    def cancel(self, booking):
        if booking:
            self.attempt(self.year.when, commands.Cancel, booking=booking)

    @rule(booking=booked, start=starts)
    def move(self, booking, start):
        if booking:
            self.attempt(self.year.when, commands.Reschedule, booking=booking, starts_at=start)

    @rule(booking=booked)
    def check_in(self, booking):
        if booking:
            self.attempt(self.year.when, commands.CheckIn, booking=booking)

    @rule(booking=booked, outcome=OUTCOMES)
    def record(self, booking, outcome):
        if booking:
            self.attempt(self.year.when, commands.RecordOutcome, booking=booking, outcome=outcome)

    @rule(booking=booked, outcome=OUTCOMES)
    def correct(self, booking, outcome):
        if booking:
            self.attempt(self.year.when, commands.CorrectOutcome, booking=booking, outcome=outcome, reason="came")

    @rule(start=starts, slots=st.integers(1, 3))
    def close(self, start, slots):
        until = start + timedelta(minutes=15 * slots)
        self.attempt(self.year.when, commands.CloseOffice, office=OFFICE, since=start, until=until, reason="water")

    @rule(start=starts, counters=st.integers(1, 3), displace=st.booleans())
    def assign_counters(self, start, counters, displace):
        told = {"since": start, "until": start + timedelta(minutes=30), "counters": counters, "displace": displace}
        self.attempt(self.year.when, commands.AssignCounters, office=OFFICE, **told)

    @invariant()
    def the_ledger_agrees(self):
        self.year.check(self.year.log[self.before :])

    def teardown(self):
        self.year.refold()


def test_an_office_lives_through_any_story_of_the_whole_policy():
    run_state_machine_as_test(Office, settings=settings(max_examples=30, stateful_step_count=80, deadline=None))
