"""A history made fact by fact, by chance, of all that a measurement counts; and the same indicators counted from it
with lists and loops, by nothing that the view or its queries are made of.
"""

import random
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from statistics import median
from typing import Any

from domain import events
from domain.calendar import RIYADH
from domain.events import Event, Fact
from tests.projections.story import Facts

OFFICES = ("CA-TB-01", "CA-RD-01", "CA-RD-02")
SERVICES = {"SV-CA-01": True, "SV-CA-02": True, "SV-CA-03": False}
CHANNELS = ("portal", "kiosk", "sms", "counter")
FIRST = date(2011, 2, 1)  # a Tuesday
DAYS = [FIRST + timedelta(days=n) for n in range(20)]
HOURS = (8, 9, 10)


class History:
    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.facts: Facts = []
        self._bookings = 0
        self._offices()
        self._days()
        for _ in range(60):
            self._live(f"booking-{self._bookings}")
            self._bookings += 1
        self._operate()

    def tell(self, event: Event, at: datetime, booking: str | None = None) -> None:
        position = len(self.facts) + 1
        self.facts.append((position, Fact("stream", position, at, b"c", None, booking, event)))

    def _offices(self) -> None:
        at = noon(FIRST - timedelta(days=60))
        names: dict[str, Any] = {"name_ar": "م", "name_en": "o", "city_ar": "م", "city_en": "c"}
        for office in OFFICES:
            place: dict[str, Any] = {"region": office[3:5], "section": "mixed", "counters": 2}
            self.tell(events.OfficeRegistered(by="operator", office=office, **names, **place), at)
            if self.chance.random() < 0.7:
                live = self.chance.choice([FIRST, DAYS[5], DAYS[-1] + timedelta(days=30)])
                self.tell(events.LiveDateAnnounced(by="operator", office=office, live_from=live), at)
        told: dict[str, Any] = {"sector": "civil_affairs", "name_ar": "خ", "name_en": "s", "audience": "both"}
        told |= {"minutes": 15}
        for service, electronic in SERVICES.items():
            event = events.ServiceRegistered(by="o", service=service, electronic=electronic, needs_visit=True, **told)
            self.tell(event, at)

    def _days(self) -> None:
        for office in OFFICES:
            for day in DAYS:
                for _ in range(self.chance.choice([0, 1, 1, 1, 2])):  # not yet, once, again
                    ahead = self.chance.choice([3, 13, 14, 30])
                    is_open = self.chance.random() < 0.75
                    starts = ("08:00", "08:15") if is_open else ()
                    at = noon(day - timedelta(days=ahead))
                    self.tell(events.DayPublished(by="o", office=office, day=day, starts=starts), at)
                    if is_open:
                        self._slots(office, day, at)

    def _slots(self, office: str, day: date, at: datetime) -> None:
        for n in range(6):
            slot: dict[str, Any] = {"by": "o", "office": office, "starts_at": start(day, n)}
            self.tell(events.SlotOpened(**slot, capacity=self.chance.randint(1, 4)), at)
            fate = self.chance.random()
            if fate < 0.2:
                self.tell(events.SlotResized(**slot, capacity=self.chance.randint(0, 9)), at)
            elif fate < 0.3:
                self.tell(events.SlotWithdrawn(**slot, capacity=2), at)

    def _live(self, booking: str) -> None:
        """A booking, or somebody who walked in, to its end or a part of the way."""
        chance = self.chance
        place = self._somewhere()
        told: dict[str, Any] = {"by": "o", "service": "SV-CA-01", "minutes": chance.choice([15, 30, 45])}
        told |= {"channel": chance.choice(CHANNELS)}
        at = place["starts_at"] - timedelta(days=chance.choice([0, 0, 1, 2, 5]), hours=2)
        if chance.random() < 0.2:
            self.tell(events.WalkedIn(**told, **place, reference_key="k"), place["starts_at"], booking)
        else:
            is_reachable = chance.random() < 0.6
            self.tell(events.SlotBooked(**told, **place, reference_key="k", reachable=is_reachable), at, booking)
            for _ in range(chance.choice([0, 0, 1, 2])):
                there = place | {"starts_at": self._somewhere()["starts_at"]}
                place = self._move(told, place, there, at, booking)
            if chance.random() < 0.2:
                cancelled = events.BookingCancelled(
                    **told, **place, late=chance.random() < 0.5, unplaced=not self._has_place(booking)
                )
                self.tell(cancelled, at, booking)
                return
        if self._has_place(booking):
            self._visit(told | place, booking)

    def _somewhere(self) -> dict[str, Any]:
        starts_at = start(self.chance.choice(DAYS), self.chance.randrange(9))
        return {"office": self.chance.choice(OFFICES), "starts_at": starts_at}

    def _move(self, told: Any, here: Any, there: Any, at: datetime, booking: str) -> Any:
        kind = self.chance.choice(["move", "displace", "lose its place"])
        if kind == "lose its place" and self._has_place(booking):
            self.tell(events.BookingDisplacedOut(**told, **here, reason="water"), at, booking)
            return here
        if kind == "displace" and self._has_place(booking):
            moved_out = events.BookingDisplacedOut(**told, **here, reason="water", to_starts_at=there["starts_at"])
            self.tell(moved_out, at, booking)
            moved_in = events.BookingDisplacedIn(**told, **there, reason="water", from_starts_at=here["starts_at"])
            self.tell(moved_in, at, booking)
            return there
        to, since = there["starts_at"], here["starts_at"]
        self.tell(
            events.BookingMovedOut(
                **told, **here, unplaced=not self._has_place(booking), to_office=there["office"], to_starts_at=to
            ),
            at,
            booking,
        )
        self.tell(events.BookingMovedIn(**told, **there, from_office=here["office"], from_starts_at=since), at, booking)
        return there

    def _has_place(self, booking: str) -> bool:
        last = [fact.event for _, fact in self.facts if fact.booking == booking][-1]
        return not isinstance(last, events.BookingDisplacedOut)

    def _visit(self, told: Any, booking: str) -> None:
        chance, starts_at = self.chance, told["starts_at"]
        if chance.random() < 0.5:
            called = events.CustomerCalled(**told, waited_s=chance.choice([0, 61, 300, 301, 4000]))
            self.tell(called, starts_at, booking)
        if chance.random() < 0.2:
            return
        outcome = chance.choice(["served", "served", "not_completed", "no_show"])
        at = starts_at + timedelta(days=chance.choice([0, 0, 1, 2, 3, 6]))
        self.tell(events.OutcomeRecorded(**told, outcome=outcome), at, booking)
        if chance.random() < 0.3:
            other = chance.choice(["served", "not_completed", "no_show"])
            self.tell(events.OutcomeCorrected(**told, outcome=other, corrected=outcome, outcome_at=at), at, booking)

    def _operate(self) -> None:
        for day in DAYS[:5]:
            for hour in HOURS:
                for process in range(self.chance.choice([0, 1, 2])):
                    since = datetime.combine(day, time(hour), RIYADH)
                    first, last = sorted(self.chance.sample(range(60), 2))
                    bad = self.chance.randint(first, last)
                    watched = f"{first}-{last}"
                    but_one = ",".join(f"{a}-{b}" for a, b in ((first, bad - 1), (bad + 1, last)) if a <= b)
                    confirmed = self.chance.randint(0, 50)
                    event = events.HourOperated(
                        by="system",
                        since=since,
                        process=str(process),
                        minutes_watched=watched,
                        minutes_ready=self.chance.choice([watched, but_one]),
                        minutes_fresh=self.chance.choice([watched, but_one]),
                        confirmations=confirmed,
                        confirmations_prompt=self.chance.randint(0, confirmed),
                    )
                    self.tell(event, since + timedelta(hours=1))


def start(day: date, n: int) -> datetime:
    return datetime.combine(day, time(8), RIYADH) + n * timedelta(minutes=15)


def noon(day: date) -> datetime:
    return datetime.combine(day, time(12), RIYADH)


# -- the same figures, the long way round -----------------------------------------------------------------------------


def counted(facts: Facts, first: date, last: date, at: datetime) -> dict[str, Fraction]:
    """Indicator → value; those without data are left out."""
    told = [fact for _, fact in facts]

    def of(*kinds: type[Event]) -> list[Any]:
        return [fact for fact in told if isinstance(fact.event, kinds)]

    def within(day: date) -> bool:
        return first <= day <= last

    booked = [fact for fact in of(events.SlotBooked) if within(fact.at.date())]
    walked_in = [fact for fact in of(events.WalkedIn) if within(fact.at.date())]
    late = [fact for fact in of(events.BookingCancelled) if fact.event.late and within(fact.at.date())]
    live = {fact.event.office: fact.event.live_from for fact in of(events.LiveDateAnnounced)}
    offices = of(events.OfficeRegistered)
    services = [fact.event.electronic for fact in of(events.ServiceRegistered)]
    shares: dict[str, tuple[int, int]] = {
        "A1": (len([day for day in live.values() if day <= last]), len(offices)),
        "A2": (sum(services), len(services)),
        "A3": _published_ahead(of(events.DayPublished), within),
        "C1": (len([fact for fact in booked if fact.event.reachable]), len(booked)),
        "D1": (len([fact for fact in booked if fact.event.channel != "counter"]), len(booked) + len(walked_in)),
        "D4": (len(late), len(booked)),
        **_visits(told, within, at),
        **_operation(told, within),
    }
    values = {name: Fraction(part, whole) for name, (part, whole) in shares.items() if whole}
    if booked:
        leads = [Fraction((fact.event.starts_at.date() - fact.at.date()).days) for fact in booked]
        values["D2"] = Fraction(median(leads))
    waits = [Fraction(fact.event.waited_s, 60) for fact in of(events.CustomerCalled) if within(fact.at.date())]
    if waits:
        values["D6"] = Fraction(median(waits))
    return values


def _published_ahead(published: list[Any], within: Any) -> tuple[int, int]:
    ahead = total = 0
    for office, day in {(fact.event.office, fact.event.day) for fact in published if within(fact.event.day)}:
        told = [fact for fact in published if (fact.event.office, fact.event.day) == (office, day)]
        if told[-1].event.starts:
            total += 1
            first = min(fact.at.date() for fact in told if fact.event.starts)
            ahead += (day - first).days >= 14
    return ahead, total


def _visits(told: list[Any], within: Any, at: datetime) -> dict[str, tuple[int, int]]:
    in_time = due = no_shows = outcomes = units = 0
    for booking in {fact.booking for fact in told if fact.booking is not None}:
        own = [fact for fact in told if fact.booking == booking and not isinstance(fact.event, events.CustomerCalled)]
        last = own[-1].event
        if isinstance(last, events.BookingCancelled | events.BookingDisplacedOut) or not within(last.starts_at.date()):
            continue
        deadline = _next_working_day(told, last.office, last.starts_at.date())
        recorded = [fact for fact in own if isinstance(fact.event, events.OutcomeRecorded)]
        if recorded:
            due += 1
            in_time += recorded[0].at.date() <= deadline
            outcomes += 1
            no_shows += last.outcome == "no_show"
            units += last.minutes // 15 if last.outcome == "served" else 0
        elif deadline < at.date():
            due += 1
    capacity: dict[Any, int] = {}
    for fact in told:
        event = fact.event
        if isinstance(event, events.SlotOpened | events.SlotResized):
            capacity[event.office, event.starts_at] = event.capacity
        elif isinstance(event, events.SlotWithdrawn):
            capacity[event.office, event.starts_at] = 0
    begun = [n for (_, starts_at), n in capacity.items() if within(starts_at.date()) and starts_at <= at]
    return {"C3": (in_time, due), "D3": (no_shows, outcomes), "D5": (units, sum(begun))}


def _next_working_day(told: list[Any], office: str, day: date) -> date:
    published = {
        fact.event.day: bool(fact.event.starts)
        for fact in told
        if isinstance(fact.event, events.DayPublished) and fact.event.office == office
    }
    while True:
        day += timedelta(days=1)
        if published.get(day, day.weekday() not in (3, 4)):
            return day


def _operation(told: list[Fact], within: Any) -> dict[str, tuple[int, int]]:
    hours = [fact.event for fact in told if isinstance(fact.event, events.HourOperated)]
    watched = {minute for hour in hours for minute in _minutes(hour.since, hour.minutes_watched)}
    ready = {minute for hour in hours for minute in _minutes(hour.since, hour.minutes_ready)}
    stale = {
        minute
        for hour in hours
        for minute in set(_minutes(hour.since, hour.minutes_watched)) - set(_minutes(hour.since, hour.minutes_fresh))
    }
    asked = [hour for hour in hours if within(hour.since.date())]
    capacity: dict[Any, int] = {}
    for fact in told:
        event = fact.event
        if isinstance(event, events.SlotOpened | events.SlotResized):
            capacity[event.office, event.starts_at] = event.capacity
        elif isinstance(event, events.SlotWithdrawn):
            capacity[event.office, event.starts_at] = 0
    opening = {
        starts_at + timedelta(minutes=n)
        for (_, starts_at), places in capacity.items()
        if places and within(starts_at.date())
        for n in range(15)
    }
    ran = {minute for minute in opening if watched and min(watched) <= minute <= max(watched)} if asked else set()
    watched_then = {minute for minute in watched if within(minute.date())}
    return {
        "B1": (len(ran & ready), len(ran)),
        "B2": (sum(hour.confirmations_prompt for hour in asked), sum(hour.confirmations for hour in asked)),
        "B3": (len(watched_then - stale), len(watched_then)),
    }


def _minutes(since: datetime, text: str) -> list[datetime]:
    runs = [run.split("-") for run in text.split(",") if run]
    return [since + timedelta(minutes=n) for run in runs for n in range(int(run[0]), int(run[-1]) + 1)]
