"""A year of one office, driven by chance from a seed: every command there is, at any time, beside the ledger."""

import random
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from domain import commands
from domain.answers import closure
from domain.calendar import RIYADH
from domain.commands import Command
from domain.decision import Decision
from domain.decisions import decide, needs_of, settle
from domain.errors import Banned, Refused
from domain.events import Fact, SlotEvent
from domain.opening_hours import Calendar
from domain.slot import Slot
from tests.domain.conftest import OPERATOR, Story, beneficiary
from tests.domain.ledger import FREEING, Disagreement, Ledger

OFFICE = "CA-TB-01"
SERVICES = {"SV-1": 15, "SV-2": 15, "SV-3": 30, "SV-4": 45}
OUTCOMES = ("served", "not_completed", "no_show")
PERSONS = 40
REFOLD_EVERY = 500
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OPENS = datetime(2011, 1, 1, 7, tzinfo=RIYADH)


class Year(Story):
    """Facts are indexed, so that a decision late in the year loads what it needs as quickly as an early one."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.ledger = Ledger()
        self._by: dict[str, list[tuple[int, Fact]]] = defaultdict(list)
        super().__init__(Calendar([]))
        self.now = OPENS
        self.published_until = self.now.date() - DAY
        self.bookings: list[str] = []
        self.holds: list[tuple[str, int, str, datetime]] = []
        self.entries: list[str] = []
        self.refusals: dict[str, int] = defaultdict(int)
        self.given_an_office(OFFICE, counters=2)
        for service, minutes in SERVICES.items():
            self.given_a_service(service, minutes=minutes)

    # -- deciding ------------------------------------------------------------------------------------------------------

    def decide(self, command: Command) -> Decision:
        state = self.state
        while True:
            while lacking := state.lacking(needs := needs_of(command, state)):
                state.introduce(lacking.lookups, {})
                tags = {f"#{tag}" for tag in lacking.bookings} | {f"@{who}" for who in lacking.persons}
                found = dict(sorted(pair for key in lacking.streams | tags for pair in self._by.get(key, ())))
                state.load(lacking, found.values())
            due = settle(command, needs, state)
            if not due:
                break
            self._keep(due)
        decision = decide(command, state)
        self._keep(decision.facts)
        return decision

    def _keep(self, facts: list[Fact]) -> None:
        for fact in facts:
            at = len(self.log)
            self.log.append(fact)
            self._by[fact.originator_id].append((at, fact))
            if fact.booking is not None:
                self._by[f"#{fact.booking}"].append((at, fact))
            if fact.person is not None:
                self._by[f"@{fact.person}"].append((at, fact))
            self.ledger.enter(fact)

    # -- one step ------------------------------------------------------------------------------------------------------

    def step(self) -> None:
        before = len(self.log)
        self._let_time_pass()
        kind = self.chance.choices(list(STEPS), list(STEPS.values()))[0]
        try:
            kind(self)
        except Banned as refused:
            self.refusals[refused.name] += 1
            self.banned_rightly(refused)
        except Refused as refused:
            self.refusals[refused.name] += 1
        self.check(self.log[before:])

    def check(self, made: list[Fact]) -> None:
        if crowded := self.ledger.over_capacity({fact.originator_id for fact in made}, self.now):
            raise Disagreement(f"over capacity: {crowded}")
        for at in sorted({fact.at for fact in made}):
            freed = {
                (fact.event.office, fact.event.starts_at)
                for fact in made
                if isinstance(fact.event, SlotEvent) and fact.at == at and fact.event.TOPIC[:-3] in FREEING
            }
            by = {fact.person for fact in made if fact.at == at and isinstance(fact.event, SlotEvent)}
            if at == made[-1].at and (over := self.ledger.passed_over(freed, at, by)):
                raise Disagreement(f"a freed place was not offered to {over}")

    def refold(self) -> None:
        """Everything folded from nothing is what the decisions were made on."""
        replayed = self.replayed()
        for part in ("streams", "bookings", "persons"):
            ours, theirs = getattr(self.state, part), getattr(replayed, part)
            for key, kept in ours.items():
                if (mine := _attributes(kept)) != (again := _attributes(theirs[key])):
                    raise Disagreement(f"{part} {key}: {mine} is, replayed, {again}")
        for stream, line in self.ledger.slots.items():
            slot = self.state.streams.get(stream)
            if isinstance(slot, Slot) and (slot.places, slot.claims) != (line.places, line.claims):
                raise Disagreement(f"{stream}: {slot.places} {slot.claims} and {line.places} {line.claims}")

    def banned_rightly(self, refused: Banned) -> None:
        if not any(self.ledger.bars(who, refused.service or "SV-1", self.now) for who in self.ledger.no_shows):
            raise Disagreement("refused as banned, and nobody is")

    def _let_time_pass(self) -> None:
        chance = self.chance
        minutes = chance.uniform(0, 30) if chance.random() < 0.7 else chance.uniform(60, 28 * 60)
        self.now += timedelta(minutes=round(minutes * 60) / 60)
        horizon = self.now.date() + 10 * DAY
        while self.published_until < horizon:
            self.published_until += DAY
            self.when(commands.PublishDay, at=self.now, office=OFFICE, day=self.published_until)

    # -- what happens --------------------------------------------------------------------------------------------------

    def some_start(self) -> datetime:
        """Mostly of the next working days' first hours, so that places are fought for."""
        day = self.now + self.chance.choice([0, 1, 1, 2, 3, 9]) * DAY
        return day.replace(hour=8, minute=0, second=0, microsecond=0) + self.chance.randrange(6) * timedelta(minutes=15)

    def some_person(self) -> int:
        return self.chance.randrange(PERSONS)

    def some_service(self) -> str:
        return self.chance.choice(list(SERVICES))

    def books(self) -> None:
        seed, service, start = self.some_person(), self.some_service(), self.some_start()
        channel = self.chance.choice(["portal", "portal", "sms", "kiosk", "counter"])
        self.bookings.append(self.book(seed, start, at=self.now, service=service, channel=channel))

    def holds_a_place(self) -> None:
        seed, service, start = self.some_person(), self.some_service(), self.some_start()
        hold = self.hold(seed, start, at=self.now, service=service)
        self.holds.append((hold, seed, service, start))

    def confirms_a_hold(self) -> None:
        if self.holds:
            hold, seed, service, start = self.holds.pop()
            self.book(seed, start, at=self.now, service=service, hold=hold)
            self.bookings.append(hold)

    def lets_go(self) -> None:
        if self.holds:
            self.when(commands.ReleaseHold, at=self.now, hold=self.holds.pop()[0])

    def waits(self) -> None:
        first = self.now.date() + self.chance.randrange(3) * DAY
        last = first + self.chance.randrange(4) * DAY
        self.entries.append(self.wait(self.some_person(), first, last, at=self.now, service=self.some_service()))

    def accepts(self) -> None:
        offered = [entry for entry in self.entries if (line := self.ledger.line.get(entry)) and line.offer]
        if offered:
            entry = self.chance.choice(offered)
            self.when(commands.AcceptOffer, at=self.now, entry=entry)
            self.bookings.append(entry)

    def leaves(self) -> None:
        if self.entries:
            self.when(commands.LeaveWaitingList, at=self.now, entry=self.chance.choice(self.entries[-5:]))

    def cancels(self) -> None:
        if self.bookings:
            self.when(commands.Cancel, at=self.now, booking=self.chance.choice(self.bookings[-15:]))

    def moves(self) -> None:
        if self.bookings:
            booking = self.chance.choice(self.bookings[-15:])
            self.when(commands.Reschedule, at=self.now, booking=booking, starts_at=self.some_start())

    def checks_in(self) -> None:
        if self.bookings:
            self.when(commands.CheckIn, at=self.now, booking=self.chance.choice(self.todays() or self.bookings[-5:]))

    def records(self) -> None:
        if self.bookings:
            outcome = self.chance.choice(OUTCOMES)
            booking = self.chance.choice(self.todays() or self.bookings[-5:])
            self.when(commands.RecordOutcome, at=self.now, booking=booking, outcome=outcome)

    def corrects(self) -> None:
        ended = [tag for tag in self.bookings[-60:] if self.ledger.bookings[tag].status in OUTCOMES]
        if ended:
            told: dict[str, Any] = {
                "booking": self.chance.choice(ended),
                "outcome": self.chance.choice(OUTCOMES),
                "reason": "came",
            }
            self.when(commands.CorrectOutcome, at=self.now, **told)

    def walks_in(self) -> None:
        start = self.now.replace(hour=8) + timedelta(minutes=self.chance.randrange(60))
        self.now = max(self.now, start)
        told: dict[str, Any] = {"office": OFFICE, "service": self.some_service(), "channel": "counter"}
        booking = self._new_id()
        self.when(commands.WalkIn, at=self.now, booking=booking, beneficiary=beneficiary(self.some_person()), **told)
        self.bookings.append(booking)

    def calls_next(self) -> None:
        self.when(commands.CallNext, at=self.now, office=OFFICE)

    def changes_counters(self) -> None:
        since = self.some_start()
        until = since + timedelta(hours=self.chance.randrange(1, 3))
        told: dict[str, Any] = {"since": since, "until": until, "counters": self.chance.randrange(4)}
        told["displace"] = self.chance.random() < 0.5
        self.when(commands.AssignCounters, at=self.now, office=OFFICE, **told)

    def closes(self) -> None:
        """The preview has to say what the act then does."""
        since = self.some_start()
        until = since + self.chance.choice([HOUR, HOUR, 2 * HOUR, 2 * HOUR, DAY, DAY, 12 * DAY])
        told: dict[str, Any] = {"office": OFFICE, "since": since, "until": until, "reason": "water"}
        preview = self.when(commands.CloseOffice, at=self.now, preview=True, **told)
        act = self.when(commands.CloseOffice, at=self.now, **told)
        if preview.facts or preview.said != closure(act.facts):
            raise Disagreement(f"{preview.said} was previewed, {closure(act.facts)} was done")

    def opens_longer(self) -> None:
        day = (self.now + self.chance.choice([0, 1, 2, 3]) * DAY).date()
        hours = self.chance.choice([(("14:00", "15:00"),), (("08:00", "10:00"),)])
        self.when(commands.AnnounceOpening, at=self.now, office=OFFICE, since=day, until=day, hours=hours)

    def pauses_daily(self) -> None:
        since = (self.now + self.chance.choice([0, 1, 5]) * DAY).date()
        pauses = self.chance.choice([(), (("08:30", "09:00"),), (("09:00", "09:15"),)])
        self.when(commands.AssignDailyPause, at=self.now, office=OFFICE, since=since, pauses=pauses)

    def pauses(self) -> None:
        self.when(commands.PauseOffice, at=self.now, office=OFFICE)

    def resumes(self) -> None:
        self.when(commands.ResumeOffice, at=self.now, office=OFFICE)

    def turns_fair_release(self) -> None:
        """Mostly on, once it was: what rests is worth watching."""
        self.when(commands.AssignFairRelease, at=self.now, office=OFFICE, is_on=self.chance.random() < 0.8)

    def gives_a_place_up_late_and_wants_it_back(self) -> None:
        soon = [
            tag
            for tag in self.bookings[-30:]
            if (line := self.ledger.bookings[tag]).status == "confirmed"
            and timedelta(hours=2) < line.starts_at - self.now < DAY
        ]
        if soon:
            tag = self.chance.choice(soon)
            given_up = self.ledger.bookings[tag]
            seeds = {self.state.people.get(beneficiary(seed).lookup): seed for seed in range(PERSONS)}
            self.when(commands.Cancel, at=self.now, booking=tag)
            self.now += timedelta(minutes=31)
            told: dict[str, Any] = {"service": given_up.service, "channel": "kiosk"}
            self.bookings.append(self.book(seeds[given_up.person], given_up.starts_at, at=self.now, **told))

    def sweeps(self) -> None:
        self.when(commands.SettleDay, at=self.now, office=OFFICE, day=self.now.date(), caller=OPERATOR)

    def todays(self) -> list[str]:
        return [tag for tag in self.bookings[-30:] if self.ledger.bookings[tag].starts_at.date() == self.now.date()]


#: What happens, and how often beside the rest.
STEPS: dict[Callable[[Year], None], int] = {
    Year.books: 30,
    Year.holds_a_place: 10,
    Year.confirms_a_hold: 8,
    Year.lets_go: 2,
    Year.waits: 10,
    Year.accepts: 6,
    Year.leaves: 3,
    Year.cancels: 12,
    Year.moves: 8,
    Year.checks_in: 6,
    Year.records: 5,
    Year.corrects: 3,
    Year.walks_in: 3,
    Year.calls_next: 2,
    Year.changes_counters: 2,
    Year.closes: 1,
    Year.opens_longer: 1,
    Year.pauses_daily: 1,
    Year.pauses: 1,
    Year.resumes: 12,
    Year.turns_fair_release: 1,
    Year.gives_a_place_up_late_and_wants_it_back: 3,
    Year.sweeps: 1,
}


def live(seed: int, steps: int) -> Year:
    """Raises Disagreement at the first step after which domain and ledger do not agree."""
    year = Year(seed)
    for step in range(1, steps + 1):
        year.step()
        if step % REFOLD_EVERY == 0:
            year.refold()
    return year


def _attributes(kept: object) -> dict[str, object]:
    names = {name for kind in type(kept).__mro__ for name in getattr(kind, "__slots__", ())}
    return {name: getattr(kept, name, None) for name in names - {"stream"}}
