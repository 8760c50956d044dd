from datetime import date, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from domain import commands
from domain.calendar import RIYADH
from domain.commands import Beneficiary, Caller, Command
from domain.decision import Decision
from domain.decisions import decide, needs_of, settle
from domain.events import Event, Fact
from domain.identifiers import NumberKind, booking_id, make_number, parse_number, slot_stream
from domain.opening_hours import Calendar
from domain.slot import Slot
from domain.state import Needs, State

OPERATOR = Caller(role="operator", subject="operator")
MONDAY = datetime(2011, 1, 3, tzinfo=RIYADH)  # a working day of an office that is live
ADVANCE = datetime(2011, 1, 1, 9, tzinfo=RIYADH)  # two days earlier, in the morning


class Story:
    """A log in memory: commands are decided as the desk decides them, and what they became is kept in order."""

    def __init__(self, calendar: Calendar | None = None) -> None:
        self._keys = count(1)
        self._ids = count(1)
        self.log: list[Fact] = []
        self.vault: dict[bytes, str] = {}  # number's look-up → person id
        self.state = self._empty(calendar or Calendar([]))

    def _empty(self, calendar: Calendar) -> State:
        return State(calendar=calendar, reference_key="k", new_person=lambda _: f"person{next(self._ids)}")

    # -- given --------------------------------------------------------------------------------------------------------

    def given_an_office(self, office: str = "CA-TB-01", *, section: str = "mixed", counters: int = 2) -> None:
        office_fields: dict[str, Any] = {"name_ar": "م", "name_en": "o", "city_ar": "م", "city_en": "c", "region": "TB"}
        self.when(commands.RegisterOffice, office=office, section=section, counters=counters, **office_fields)
        self.when(commands.AnnounceLiveDate, office=office, live_from=date(2010, 11, 27))

    def given_a_service(
        self, service: str = "SV-CA-02", *, minutes: int = 15, audience: str = "both", **fields: Any
    ) -> None:
        defaults: dict[str, Any] = {"electronic": True, "needs_visit": True, "border_number": False, "documents": ""}
        self.when(
            commands.RegisterService,
            service=service,
            sector="civil_affairs",
            name_ar="خ",
            name_en="s",
            audience=audience,
            minutes=minutes,
            **(defaults | fields),
        )

    def given_published(self, *days: date, office: str = "CA-TB-01") -> None:
        for day in days:
            self.when(commands.PublishDay, office=office, day=day)

    # -- when ---------------------------------------------------------------------------------------------------------

    def when(self, kind: type[Command], *, at: datetime = ADVANCE, caller: Caller = OPERATOR, **asked: Any) -> Decision:
        key = next(self._keys).to_bytes(16, "big")
        return self.decide(kind(command_id=key, fingerprint=key, caller=caller, at=at, **asked))

    def decide(self, command: Command) -> Decision:
        while True:
            while lacking := self.state.lacking(needs_of(command, self.state)):
                self.state.introduce(lacking.lookups, self.vault)
                self.state.load(lacking, self.log)
            due = settle(command, needs_of(command, self.state), self.state)
            if not due:
                break
            self.log += due
        decision = decide(command, self.state)
        self.log += decision.facts
        self.vault |= {sealing.beneficiary.lookup: sealing.person for sealing in decision.sealings if sealing.is_new}
        for renumbering in decision.renumberings:
            self.vault = {lookup: person for lookup, person in self.vault.items() if person != renumbering.person}
            self.vault[renumbering.beneficiary.lookup] = renumbering.person
        self.vault = {lookup: person for lookup, person in self.vault.items() if person not in decision.erased}
        self.state.forget_strangers()
        return decision

    def book(
        self,
        seed: int,
        starts_at: datetime,
        *,
        at: datetime = ADVANCE,
        channel: str = "portal",
        kind: NumberKind = "citizen",
        **asked: Any,
    ) -> str:
        """Books for the person of `seed`; the booking's id."""
        command = self.booking(seed, starts_at, at=at, channel=channel, kind=kind, **asked)
        self.decide(command)
        return command.booking

    def booking(
        self,
        seed: int,
        starts_at: datetime,
        *,
        at: datetime = ADVANCE,
        channel: str = "portal",
        kind: NumberKind = "citizen",
        sex: str | None = None,
        office: str = "CA-TB-01",
        service: str = "SV-CA-02",
        hold: str | None = None,
    ) -> commands.Book:
        key = next(self._keys).to_bytes(16, "big")
        return commands.Book(
            command_id=key,
            fingerprint=key,
            caller=OPERATOR,
            at=at,
            booking=booking_id(key, key=b"test"),
            office=office,
            service=service,
            starts_at=starts_at,
            beneficiary=beneficiary(seed, kind=kind, sex=sex),
            channel=channel,
            hold=hold,
        )

    def hold(self, seed: int, starts_at: datetime, *, at: datetime = ADVANCE, **asked: Any) -> str:
        """Keeps a place for the person of `seed`; the hold's id."""
        told: dict[str, Any] = {"office": "CA-TB-01", "service": "SV-CA-02", "channel": "portal"} | asked
        hold = self._new_id()
        decision = self.when(
            commands.PlaceHold, at=at, hold=hold, starts_at=starts_at, beneficiary=beneficiary(seed), **told
        )
        return str(decision.said["hold"])

    def wait(self, seed: int, since: date, until: date, *, at: datetime = ADVANCE, **asked: Any) -> str:
        """Puts the person of `seed` in line; the entry's id."""
        told: dict[str, Any] = {"office": "CA-TB-01", "service": "SV-CA-02", "channel": "portal"} | asked
        window: dict[str, Any] = {"entry": self._new_id(), "since": since, "until": until}
        decision = self.when(commands.JoinWaitingList, at=at, beneficiary=beneficiary(seed), **window, **told)
        return str(decision.said["entry"])

    def _new_id(self) -> str:
        return booking_id(next(self._keys).to_bytes(16, "big"), key=b"test")

    def record(
        self,
        stream: str,
        event: Event,
        *,
        booking: str | None = None,
        person: str | None = None,
        at: datetime = ADVANCE,
    ) -> None:
        """A fact as another part of the domain would have decided it."""
        version = 1 + sum(fact.originator_id == stream for fact in self.log)
        self.state.position += 1
        fact = Fact(stream, version, at, b"elsewhere", person, booking, event, self.state.position)
        self.state.apply(fact)
        self.log.append(fact)

    # -- then ---------------------------------------------------------------------------------------------------------

    def replayed(self) -> State:
        """A state of its own, folded from the log alone."""
        fresh = self._empty(self.state.calendar)
        known = self.state
        fresh.admit(Needs(streams={*known.streams}, bookings={*known.bookings}, persons={*known.persons}))
        for fact in self.log:
            fresh.apply(fact)
        return fresh

    def slot_at(self, start: datetime, office: str = "CA-TB-01") -> Slot:
        return self.state.slot(slot_stream(office, start))

    def topics(self, since: int = 0) -> list[str]:
        return [fact.event.TOPIC for fact in self.log[since:]]


def beneficiary(seed: int, *, kind: NumberKind = "citizen", sex: str | None = None) -> Beneficiary:
    number = parse_number(make_number(kind, seed))
    return Beneficiary(number=number.digits, kind=number.kind, lookup=number.digits.encode(), sex=sex)


@pytest.fixture
def new_story() -> type[Story]:
    return Story


@pytest.fixture
def story() -> Story:
    """One mixed office with two counters, live and published for a week, and a 15-minute service for everybody."""
    told = Story()
    told.given_an_office()
    told.given_a_service()
    told.given_published(*(MONDAY.date() + timedelta(days=n) for n in range(3)))
    return told


@pytest.fixture
def monday() -> datetime:
    return MONDAY


@pytest.fixture
def eight() -> datetime:
    return MONDAY.replace(hour=8)
