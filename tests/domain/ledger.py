"""An independent book-keeping of the log, for tests: it knows facts by their names and fields on disk, and no rule of
the domain's. What it counts has to agree with what the domain decided, after each step.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from domain.events import Fact

SLOT = timedelta(minutes=15)
OFFER_LEAD = timedelta(minutes=60)
ELECTRONIC = {"portal", "kiosk", "sms"}
FREEING = {"BookingCancelled", "BookingMovedOut", "SlotReleased", "PlaceReturned", "HoldReleased", "HoldExpired"}


class Disagreement(AssertionError):
    pass


@dataclass
class SlotLine:
    capacity: int = 0
    is_open: bool = False
    places: set[str] = field(default_factory=set)
    claims: dict[str, datetime] = field(default_factory=dict)
    given_up: dict[str, str] = field(default_factory=dict)  # a place that rests or has rested → who gave it up

    def free_for(self, person: str, at: datetime) -> int:
        own = sum(who == person and self.claims.get(tag, at) <= at for tag, who in self.given_up.items())
        return self.capacity - self.taken(at) - own

    def taken(self, at: datetime) -> int:
        return len(self.places) + sum(until > at for until in self.claims.values())


@dataclass
class BookingLine:
    person: str
    service: str
    starts_at: datetime
    ends_at: datetime
    status: str = "confirmed"


@dataclass
class EntryLine:
    person: str
    office: str
    service: str
    minutes: int
    since: date
    until: date
    offer: str | None = None  # the offered start


class Ledger:
    def __init__(self) -> None:
        self.slots: dict[str, SlotLine] = {}
        self.bookings: dict[str, BookingLine] = {}
        self.unplaced: dict[str, dict[str, Any]] = {}  # booking → how it lost its place
        self.no_shows: dict[str, dict[str, tuple[str, datetime]]] = {}  # person → booking → service, start
        self.line: dict[str, EntryLine] = {}
        self.left: set[str] = set()
        self.counts: Counter[str] = Counter()
        self.versions: dict[str, int] = {}
        self.is_fair = False
        self.freed_by: dict[bytes, str | None] = {}  # command → whose place it gave up
        self.is_paused = False
        self.taken_away: tuple[datetime, datetime, int] | None = None  # from, to, places left: the last announcement's

    def enter(self, fact: Fact) -> None:
        name = type(fact.event).TOPIC.removesuffix(".v1")
        told: dict[str, Any] = msgspec.structs.asdict(fact.event)
        version = self.versions.get(fact.originator_id, 0) + 1
        if fact.originator_version != version:
            raise Disagreement(f"{fact.originator_id} goes from version {version - 1} to {fact.originator_version}")
        self.versions[fact.originator_id] = version
        match name:
            case "FairReleaseAssigned":
                self.is_fair = told["is_on"]
            case "OfficePaused" | "OfficeResumed":
                self.is_paused = name == "OfficePaused"
            case "ClosureAnnounced":
                self.taken_away = told["since"], told["until"], 0
            case "CountersAssigned":
                self.taken_away = told["since"], told["until"], told["counters"]
        if self.is_paused and name in {"SlotBooked", "BookingMovedIn", "WalkedIn", "PlaceHeld", "WaitingListJoined"}:
            raise Disagreement(f"{name} at an office that is paused")
        if fact.originator_id.startswith("slot/"):
            self._enter_slot(name, fact, told)
        self._enter_line(name, fact, told)
        self._enter_booking(name, fact, told)

    # -- slots ---------------------------------------------------------------------------------------------------------

    def _enter_slot(self, name: str, fact: Fact, told: dict[str, Any]) -> None:
        slot = self.slots.setdefault(fact.originator_id, SlotLine())
        tag = fact.booking or ""
        if name in {"BookingCancelled", "BookingMovedOut"}:
            self.freed_by[fact.command_id] = fact.person
        is_displaced = name == "BookingDisplacedIn" or (name == "BookingDisplacedOut" and told["to_starts_at"] is None)
        if is_displaced and (earlier := self._earlier_start(tag, told, fact.at)) is not None:
            raise Disagreement(f"{tag} was displaced by {name}, though {earlier} is free")
        match name:
            case "SlotOpened":
                slot.capacity, slot.is_open = told["capacity"], True
            case "SlotResized":
                slot.capacity = told["capacity"]
            case "SlotWithdrawn":
                slot.capacity, slot.is_open = 0, False
            case "SlotBooked" | "SlotOccupied" | "BookingMovedIn" | "BookingDisplacedIn" | "WalkedIn":
                if tag in slot.places:
                    raise Disagreement(f"{tag} took a second place at {fact.originator_id}")
                is_new = slot.claims.pop(tag, None) is None and name in {"SlotBooked", "WalkedIn"}
                if is_new and slot.free_for(fact.person or "", fact.at) < 1:
                    raise Disagreement(f"{fact.person} was given the place at {fact.originator_id} they gave up")
                rested = [given_up for given_up in slot.given_up if given_up not in slot.claims]
                if rested:
                    del slot.given_up[rested[0]]
                slot.places.add(tag)
                if slot.taken(fact.at) > slot.capacity or not slot.is_open:
                    raise Disagreement(f"{fact.originator_id} holds {slot.taken(fact.at)} of {slot.capacity}: {name}")
            case "PlaceHeld" | "PlaceClaimed":
                if told.get("rests"):
                    self._give_up(slot, fact, told)
                slot.claims[tag] = told.get("expires_at") or told["until"]
                if slot.taken(fact.at) > slot.capacity or not slot.is_open:
                    raise Disagreement(f"{fact.originator_id} keeps {slot.taken(fact.at)} of {slot.capacity}: {name}")
            case "BookingCancelled" | "SlotReleased" | "BookingMovedOut" | "BookingDisplacedOut":
                slot.places.discard(tag)
            case "PlaceReturned" | "HoldReleased" | "HoldExpired":
                slot.claims.pop(tag, None)

    def _earlier_start(self, tag: str, told: dict[str, Any], at: datetime) -> datetime | None:
        """One that a displaced booking could have had instead of the start it is given, or of none."""
        assert self.taken_away is not None
        since, until, left = self.taken_away
        free = {}
        for stream, slot in self.slots.items():
            start = datetime.fromisoformat(f"{stream.rpartition('@')[2]}:00+03:00")
            if slot.is_open and start > at:
                is_touched = since < start + SLOT and start < until
                free[start] = (left if is_touched else slot.capacity) - slot.taken(at) + (tag in slot.places)
        for start in sorted(free):
            if start == told["starts_at"] and "from_starts_at" in told:
                return None
            if all(free.get(start + SLOT * n, 0) > 0 for n in range(told["minutes"] // 15)):
                return start
        return None

    def _give_up(self, slot: SlotLine, fact: Fact, told: dict[str, Any]) -> None:
        rest_min = (told["until"] - fact.at) / timedelta(minutes=1)
        if not (0 < rest_min <= 30 and fact.at < told["starts_at"] < fact.at + timedelta(hours=24)):
            raise Disagreement(f"a place at {fact.originator_id} rests for {rest_min} min at {fact.at}")
        for entry, line in self.line.items():
            could_take = line.offer is None and self._could_take(line, told["office"], told["starts_at"], fact.at)
            if could_take and line.person != fact.person:
                raise Disagreement(f"a place at {fact.originator_id} rests while {entry} waits for it")
        slot.given_up[fact.booking or ""] = fact.person or ""

    def over_capacity(self, streams: set[str], at: datetime) -> list[str]:
        """Those of the slots that hold more than they have; a closure withdraws a slot only once it is empty."""
        touched = {stream: slot for stream in streams if (slot := self.slots.get(stream)) is not None}
        return [stream for stream, slot in touched.items() if slot.is_open and slot.taken(at) > slot.capacity]

    # -- the line ------------------------------------------------------------------------------------------------------

    def _enter_line(self, name: str, fact: Fact, told: dict[str, Any]) -> None:
        entry = fact.booking or ""
        match name:
            case "WaitingListJoined":
                window = told["since"], told["until"]
                self.line[entry] = EntryLine(
                    fact.person or "", told["office"], told["service"], told["minutes"], *window
                )
            case "PlaceOffered":
                waiting = self.line[entry]
                if waiting.offer is not None:
                    raise Disagreement(f"{entry} is offered two places")
                if not waiting.since <= told["starts_at"].date() <= waiting.until:
                    raise Disagreement(f"{entry} is offered a day outside its window")
                waiting.offer = told["starts_at"].isoformat()
                before = [
                    other
                    for other, line in self.line.items()
                    if line.offer is None
                    and self._could_take(line, told["office"], told["starts_at"], fact.at)
                    and not (self.is_fair and line.person == self.freed_by.get(fact.command_id))
                ]
                if before and list(self.line).index(before[0]) < list(self.line).index(entry):
                    raise Disagreement(f"{entry} is offered what {before[0]} stood before them for")
            case "WaitingListLeft":
                del self.line[entry]
                self.left.add(entry)

    def _could_take(self, line: EntryLine, office: str, starts_at: datetime, at: datetime) -> bool:
        """Whether a waiting entry of one slot's length could be offered this start now."""
        if line.office != office or line.minutes != 15 or starts_at - OFFER_LEAD <= at:
            return False
        slot = self.slots[f"slot/{office}@{starts_at:%Y-%m-%dT%H:%M}"]
        return line.since <= starts_at.date() <= line.until and slot.is_open and slot.free_for(line.person, at) > 0

    def passed_over(self, freed: set[tuple[str, datetime]], at: datetime, by: set[str | None]) -> list[str]:
        """Entries in line that a place just freed could have been offered to, and was not.

        With fair release nothing is offered to the persons it was freed `by`.
        """
        return [
            entry
            for entry, line in self.line.items()
            if line.offer is None
            and not (self.is_fair and line.person in by)
            and any(self._could_take(line, office, start, at) for office, start in freed)
        ]

    # -- bookings and persons ------------------------------------------------------------------------------------------

    def _enter_booking(self, name: str, fact: Fact, told: dict[str, Any]) -> None:
        tag, person = fact.booking or "", fact.person or ""
        match name:
            case "SlotBooked" | "WalkedIn":
                self._refuse_unless_allowed(fact, told)
                starts_at = told["starts_at"]
                ends_at = starts_at + timedelta(minutes=told["minutes"])
                status = "confirmed" if name == "SlotBooked" else "checked_in"
                self.bookings[tag] = BookingLine(person, told["service"], starts_at, ends_at, status)
                self.counts["made"] += 1
                self.counts["running"] += name == "SlotBooked" and told["channel"] in ELECTRONIC
            case "BookingDisplacedOut" if told["to_starts_at"] is None:
                self.unplaced[tag] = told
            case "BookingMovedIn" | "BookingDisplacedIn":
                booking = self.bookings[tag]
                self.unplaced.pop(tag, None)
                others = [line for line in self.active(person, fact.at) if line is not booking]
                if name == "BookingMovedIn" and any(line.service == booking.service for line in others):
                    raise Disagreement(f"{person} moved into a second active booking for {booking.service}")
                booking.starts_at = told["starts_at"]
                booking.ends_at = told["starts_at"] + timedelta(minutes=told["minutes"])
                self.counts["rescheduled"] += name == "BookingMovedIn"
            case "BookingCancelled":
                self.bookings[tag].status = "cancelled"
                self.counts["cancelled"] += 1
            case "CheckedIn":
                self.bookings[tag].status = "checked_in"
            case "OutcomeRecorded" | "OutcomeCorrected":
                booking = self.bookings[tag]
                if name == "OutcomeCorrected":
                    self.counts[booking.status] -= 1
                if tag in self.unplaced:
                    raise Disagreement(f"{tag} has no place, and came to {told['outcome']}")
                booking.status = told["outcome"]
                self.counts[told["outcome"]] += 1
                missed = self.no_shows.setdefault(person, {})
                missed.pop(tag, None)
                if told["outcome"] == "no_show":
                    missed[tag] = booking.service, told["starts_at"]

    def active(self, person: str, at: datetime) -> list[BookingLine]:
        return [
            line
            for line in self.bookings.values()
            if line.person == person and line.status in {"confirmed", "checked_in"} and line.ends_at > at
        ]

    def bars(self, person: str, service: str, at: datetime) -> bool:
        """POL-09, POL-10, told by dates alone."""
        missed = [(barred, start) for barred, start in self.no_shows.get(person, {}).values() if start <= at]
        today = at.date()
        for barred, start in missed:
            if barred == service and start.date() < today <= start.date() + timedelta(days=15):
                return True
        recent = [start.date() for _, start in missed if start > at - timedelta(days=180)]
        return any(missed < today <= missed + timedelta(days=30) for missed in sorted(recent)[2:])

    def _refuse_unless_allowed(self, fact: Fact, told: dict[str, Any]) -> None:
        person, at = fact.person or "", fact.at
        active = self.active(person, at)
        if any(line.service == told["service"] for line in active):
            raise Disagreement(f"{person} has two active bookings for {told['service']}")
        if len(active) >= 3:
            raise Disagreement(f"{person} has more than three active bookings")
        if self.bars(person, told["service"], at):
            raise Disagreement(f"{person} is barred from {told['service']} and booked it")
