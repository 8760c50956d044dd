"""Histories as the domain makes them: commands decided one after another, and the facts they became, numbered."""

import random
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from itertools import count
from typing import Any

from domain import commands
from domain.calendar import RIYADH
from domain.commands import Beneficiary, Caller, Command
from domain.decisions import decide, needs_of
from domain.errors import Refused
from domain.events import Fact
from domain.opening_hours import Calendar, Holiday, is_weekend
from domain.state import State

OPERATOR = Caller(role="operator", subject="operator")
EVE = datetime(2011, 2, 1, 9, tzinfo=RIYADH)  # a Tuesday
WORKDAYS = (date(2011, 2, 5), date(2011, 2, 6))
WEEKEND = date(2011, 2, 4)
OFFICES = ("CA-TB-01", "CA-RD-01")
SERVICES = {"SV-CA-02": 15, "SV-CA-01": 30, "SV-PP-01": 45}
CHANNELS = ("portal", "kiosk", "sms", "counter")
FIRST_START = time(8)
USUAL = Calendar([])
HOLIDAY = Calendar([Holiday("closure", "عيد", "Eid", WORKDAYS[0], WORKDAYS[0], None)])
RAMADAN = Calendar([Holiday("ramadan_hours", "رمضان", "Ramadan", WORKDAYS[0], WORKDAYS[0], None)])  # 10:00 to 14:45

Facts = list[tuple[int, Fact]]


class Story:
    """Two offices of two counters, three services, two open days and a closed one."""

    def __init__(self, offices: Sequence[str] = OFFICES, days: Sequence[date] = (*WORKDAYS, WEEKEND)) -> None:
        people = count(1)
        self.state = State(calendar=USUAL, reference_key="k1", new_person=lambda _: f"person-{next(people)}")
        self.facts: Facts = []
        self.bookings: list[str] = []
        self._keys = count(1)
        for region in ("TB", "RD"):
            self.do(commands.RegisterRegion, region=region, name_ar=f"منطقة {region}", name_en=region)
        for service, minutes in SERVICES.items():
            self.do(
                commands.RegisterService,
                service=service,
                sector="passports" if "PP" in service else "civil_affairs",
                name_ar="خدمة",
                name_en=service,
                audience="both",
                minutes=minutes,
                electronic=True,
                needs_visit=True,
                border_number=False,
                documents="",
            )
        for office in offices:
            self.do(
                commands.RegisterOffice,
                office=office,
                name_ar=f"مكتب {office}",
                name_en=office,
                city_ar="مدينة",
                city_en="City",
                region=office[3:5],
                section="mixed",
                counters=2,
                sectors=("civil_affairs", "passports"),
            )
            self.do(commands.AnnounceLiveDate, office=office, live_from=EVE.date())
            for day in days:
                self.do(commands.PublishDay, office=office, day=day)

    def do(self, kind: type[Command], *, at: datetime = EVE, **asked: Any) -> list[Fact]:
        """The facts the command became; none when it is refused."""
        key = next(self._keys).to_bytes(16, "big")
        asked.setdefault("caller", OPERATOR)
        return self.decide(kind(command_id=key, fingerprint=key, at=at, **asked))

    def decide(self, command: Command) -> list[Fact]:
        while lacking := self.state.lacking(needs_of(command, self.state)):
            self.state.introduce(lacking.lookups, {})
            self.state.load(lacking, [])  # whatever has facts is in the state already: it saw every one of them
        try:
            made = decide(command, self.state).facts
        except Refused:
            return []
        first = len(self.facts) + 1
        self.facts += zip(count(first), made, strict=False)
        return made

    def book(self, number: int, *, office: str, service: str, starts_at: datetime, **asked: Any) -> list[Fact]:
        booking = f"booking-{next(self._keys)}"
        asked = {"channel": "portal"} | asked
        made = self.do(
            commands.Book,
            booking=booking,
            office=office,
            service=service,
            starts_at=starts_at,
            beneficiary=person(number),
            **asked,
        )
        if made:
            self.bookings.append(booking)
        return made

    def walk_in(self, number: int, *, at: datetime, **asked: Any) -> list[Fact]:
        booking = f"booking-{next(self._keys)}"
        made = self.do(commands.WalkIn, at=at, booking=booking, beneficiary=person(number), **asked)
        if made:
            self.bookings.append(booking)
        return made

    def import_visit(self, number: int, *, office: str, starts_at: datetime, outcome: str, channel: str) -> None:
        booking = f"booking-{next(self._keys)}"
        self.do(
            commands.ImportVisit,
            at=starts_at - timedelta(days=1),
            booking=booking,
            office=office,
            service="SV-CA-01",
            starts_at=starts_at,
            beneficiary=person(number),
            channel=channel,
            outcome=outcome,
            capacity=3,
        )


def person(number: int) -> Beneficiary:
    return Beneficiary(number=f"{number:010}", kind="citizen", lookup=number.to_bytes(8, "big"))


def start(day: date, n: int) -> datetime:
    """The nth start of a day."""
    return datetime.combine(day, FIRST_START, RIYADH) + n * timedelta(minutes=15)


def play(chance: random.Random, steps: int) -> Story:
    """A dense little history: everything that can happen to bookings does, in few slots."""
    story = Story()
    go_on(story, chance, steps)
    return story


def go_on(story: Story, chance: random.Random, steps: int) -> Facts:
    """The facts that come of it."""
    before = len(story.facts)
    for _ in range(steps):
        _step(story, chance)
    return story.facts[before:]


def _step(story: Story, chance: random.Random) -> None:
    office, day = chance.choice(OFFICES), chance.choice(WORKDAYS)
    starts_at = start(day, chance.randrange(6))
    booking = chance.choice(story.bookings or ["none"])
    match chance.choice(
        ["book"] * 10
        + ["move"] * 5
        + ["cancel"] * 3
        + ["outcome", "check-in", "walk-in", "call"] * 2
        + ["correction", "counters", "visit", "publish", "announce"]
    ):
        case "book":
            at = EVE + timedelta(minutes=chance.randrange(2000))
            asked = {"service": chance.choice(list(SERVICES)), "channel": chance.choice(CHANNELS)}
            story.book(chance.randrange(12), at=at, office=office, starts_at=starts_at, **asked)
        case "move":
            at = EVE + timedelta(days=2)
            story.do(commands.Reschedule, at=at, booking=booking, starts_at=starts_at, office=office)
        case "cancel":
            story.do(commands.Cancel, at=EVE + timedelta(days=3), booking=booking)
        case "outcome":
            outcome = chance.choice(("served", "not_completed", "no_show"))
            story.do(commands.RecordOutcome, at=EVE + timedelta(days=8), booking=booking, outcome=outcome)
        case "correction":
            outcome = chance.choice(("served", "not_completed", "no_show"))
            at = EVE + timedelta(days=9)
            story.do(commands.CorrectOutcome, at=at, booking=booking, outcome=outcome, reason="wrong line")
        case "check-in":
            stands = story.state.bookings.get(booking)
            if stands is not None and stands.status is not None:
                at = stands.starts_at + timedelta(minutes=chance.randrange(-5, 20))
                story.do(commands.CheckIn, at=at, booking=booking)
        case "walk-in":
            at = starts_at + timedelta(minutes=chance.randrange(15))
            asked = {"service": chance.choice(list(SERVICES)), "channel": chance.choice(("kiosk", "counter"))}
            story.walk_in(chance.randrange(12), at=at, office=office, **asked)
        case "call":
            story.do(commands.CallNext, at=starts_at + timedelta(minutes=30), office=office)
        case "counters":
            until = starts_at + timedelta(minutes=45)
            counters, displace = chance.randrange(4), chance.random() < 0.5
            told: dict[str, Any] = {"since": starts_at, "until": until, "counters": counters, "displace": displace}
            story.do(commands.AssignCounters, office=office, **told)
        case "announce":
            _announce(story, chance, office, starts_at)
        case "visit":
            at = start(date(2010, 5, 3), chance.randrange(6)) + timedelta(minutes=7)  # another system's grid
            told = {"outcome": chance.choice(("served", "no_show")), "channel": chance.choice(CHANNELS)}
            story.import_visit(chance.randrange(12), office=office, starts_at=at, **told)
        case "publish":
            story.state.calendar = chance.choice((USUAL, HOLIDAY, RAMADAN))
            story.do(commands.PublishDay, office=office, day=WORKDAYS[0])


def _announce(story: Story, chance: random.Random, office: str, starts_at: datetime) -> None:
    at = EVE + timedelta(minutes=chance.randrange(8000))
    if chance.random() < 0.6:
        until = starts_at + chance.choice((timedelta(minutes=45), timedelta(days=1)))
        story.do(commands.CloseOffice, at=at, office=office, since=starts_at, until=until, reason="ماء")
    else:
        hours, day = ((wall(starts_at), wall(starts_at + timedelta(minutes=30))),), starts_at.date()
        story.do(commands.AnnounceOpening, at=at, office=office, since=day, until=day, hours=hours)


def wall(instant: datetime) -> str:
    return instant.strftime("%H:%M")


def pages(facts: Facts, size: int) -> Iterator[Facts]:
    for first in range(0, len(facts), size):
        yield facts[first : first + size]


def rush(bookings: int, offices: int = 40) -> Story:
    """Four weeks of a country: every person once, a tenth moves, a tenth cancels, a third has come."""
    chance = random.Random(offices)
    names = [f"CA-{'TB' if n % 2 else 'RD'}-{n:02}" for n in range(offices)]
    days = [EVE.date() + timedelta(days=n) for n in range(1, 29)]
    story = Story(names, days)
    open_days = [day for day in days if not is_weekend(day)]
    for office in names:
        for day in open_days:
            story.do(commands.AssignCounters, office=office, since=start(day, 0), until=start(day, 24), counters=12)
    for number in range(bookings):
        office, starts_at = chance.choice(names), start(chance.choice(open_days), chance.randrange(21))
        asked = {"service": chance.choice(list(SERVICES)), "channel": chance.choice(CHANNELS)}
        if not story.book(number, office=office, starts_at=starts_at, **asked):
            continue
        booking, fate = story.bookings[-1], chance.random()
        if fate < 0.1:
            story.do(commands.Reschedule, booking=booking, starts_at=starts_at + timedelta(minutes=15))
        elif fate < 0.2:
            story.do(commands.Cancel, booking=booking)
        elif fate < 0.5:
            at = starts_at + timedelta(minutes=20)
            story.do(commands.RecordOutcome, at=at, booking=booking, outcome=chance.choice(("served", "no_show")))
    return story
