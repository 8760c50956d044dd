"""The folded log as one process knows it: slots, bookings, persons, offices, services, and who a number is.

An entry is either absent or complete up to `position`: absent ones are loaded before a decision needs them.
"""

from collections.abc import Callable, Iterable
from copy import copy
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from domain.booking import Booking, Person
from domain.erasure import Erasure
from domain.events import (
    Event,
    Fact,
    PersonCorrected,
    PersonErased,
    PlaceHeld,
    SlotBooked,
    WaitingListJoined,
    WalkedIn,
)
from domain.measurement import Measurement
from domain.office import Office, Service
from domain.opening_hours import Calendar
from domain.policies import POLICY_STREAM, Policies
from domain.policy import Policy
from domain.slot import Slot
from domain.waiting_list import WaitingList

Stream = Slot | Office | Service | WaitingList | Measurement | Policies | Erasure
T = TypeVar("T")


class Bare:
    """A stream that only counts its versions, such as a region's."""

    __slots__ = ("stream", "version")

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.version = 0

    def evolve(self, fact: Fact) -> None:
        self.version = fact.originator_version


KINDS: dict[str, type[Stream]] = {
    "slot": Slot,
    "office": Office,
    "service": Service,
    "waiting": WaitingList,
    "measurement": Measurement,
    "erasure": Erasure,
    POLICY_STREAM: Policies,
}


class Needs(msgspec.Struct):
    """What a decision reads and the state may lack."""

    streams: set[str] = msgspec.field(default_factory=set)
    bookings: set[str] = msgspec.field(default_factory=set)
    persons: set[str] = msgspec.field(default_factory=set)
    lookups: set[bytes] = msgspec.field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.streams or self.bookings or self.persons or self.lookups)


class State:
    def __init__(self, *, calendar: Calendar, reference_key: str, new_person: Callable[[bytes], str]) -> None:
        self.calendar = calendar
        self.reference_key = reference_key
        self.new_person = new_person
        self.position = 0
        self.forget()

    def forget(self) -> None:
        """Drop everything folded: after a batch that failed, any of it may rest on a fact that never was."""
        self.position = 0
        self.streams: dict[str, Stream | Bare] = {}
        self.policies = Policies(POLICY_STREAM)  # complete once it is in `streams` as well
        self.bookings: dict[str, Booking] = {}
        self.persons: dict[str, Person] = {}
        self._strangers: set[bytes] = set()
        self.people: dict[bytes, str | None] = {}  # number's look-up → person id; None: the vault has no such number

    # -- reading ------------------------------------------------------------------------------------------------------

    def slot(self, stream: str) -> Slot:
        slot = self.streams[stream]
        assert isinstance(slot, Slot)
        return slot

    def policy_at(self, at: datetime) -> Policy:
        return self.policies.at(at)

    def terms_of(self, booking: Booking, at: datetime) -> Policy:
        """What holds for the booking at `at`: a change of the rules after it was made is never to its harm."""
        return self.policy_at(at).for_booking_made_under(self.policies.of_version(booking.terms))

    def waiting_list(self, office: str) -> WaitingList:
        waiting = self.streams[f"waiting/{office}"]
        assert isinstance(waiting, WaitingList)
        return waiting

    def office(self, office: str) -> Office | None:
        found = self.streams.get(f"office/{office}")
        return found if isinstance(found, Office) and found.registered else None

    def service(self, service: str) -> Service | None:
        found = self.streams.get(f"service/{service}")
        return found if isinstance(found, Service) and found.registered else None

    def person_of(self, lookup: bytes) -> Person:
        person = self.people[lookup]
        return Person(None) if person is None else self.persons[person]

    def meet(self, lookup: bytes) -> str:
        """A new person for a number that no fact has named: complete from here on."""
        person = self.new_person(lookup)
        self.people[lookup] = person
        self.persons[person] = Person(person)
        return person

    def lacking(self, needs: Needs) -> Needs:
        """The part of `needs` that has to be loaded first; persons of known numbers and the policies included."""
        persons = needs.persons | {p for n in needs.lookups if (p := self.people.get(n)) is not None}
        streams = needs.streams.difference(self.streams)
        if POLICY_STREAM not in self.streams:
            streams.add(POLICY_STREAM)  # every decision reads it
        return Needs(
            streams=streams,
            bookings=needs.bookings.difference(self.bookings),
            persons=persons.difference(self.persons),
            lookups=needs.lookups.difference(self.people),
        )

    # -- folding ------------------------------------------------------------------------------------------------------

    def admit(self, needs: Needs) -> None:
        """Make room for what is about to be loaded: from here on these entries are kept complete."""
        for stream in needs.streams:
            self.streams[stream] = kept = KINDS.get(stream.partition("/")[0], Bare)(stream)
            if isinstance(kept, Policies):
                self.policies = kept
        for booking in needs.bookings:
            self.bookings[booking] = Booking(booking)
        for person in needs.persons:
            self.persons[person] = Person(person)

    def introduce(self, lookups: Iterable[bytes], found: dict[bytes, str]) -> None:
        """Who these numbers are, as the vault has it under the lock."""
        for lookup in lookups:
            self.people[lookup] = found.get(lookup)
        self._strangers.update(lookup for lookup in lookups if lookup not in found)

    def apply(self, fact: Fact) -> None:
        stream = self.streams.get(fact.originator_id)
        if stream is not None:
            stream.evolve(fact)
        if fact.booking is not None:
            booking = self.bookings.get(fact.booking)
            if booking is None and _is_first(fact.event):  # complete from here on
                booking = self.bookings[fact.booking] = Booking(fact.booking)
            if booking is not None:
                booking.evolve(fact)
        elif _parts_from_number(fact.event):
            assert fact.person is not None
            self.forget_number_of(fact.person)
        if fact.person is not None:
            person = self.persons.get(fact.person)
            if person is not None:
                person.evolve(fact)

    def load(self, needs: Needs, facts: Iterable[Fact]) -> None:
        """Fold what was read for `needs` (each fact once, in log order) into the entries made for it, and no others."""
        self.admit(needs)
        for fact in facts:
            if fact.originator_id in needs.streams:
                self.streams[fact.originator_id].evolve(fact)
            if fact.booking is not None and fact.booking in needs.bookings:
                self.bookings[fact.booking].evolve(fact)
            if fact.person is not None and fact.person in needs.persons:
                self.persons[fact.person].evolve(fact)

    def tells_more(self, loaded: Needs) -> bool:
        """Whether what was loaded may show a command to need more: anything but strangers, and slots that say nothing
        about others: without claims, and where no channel has a share of the places."""
        if loaded.bookings or loaded.persons:
            return True
        for stream in loaded.streams:
            entry = self.streams[stream]
            if not isinstance(entry, Slot) or entry.claims or self.policies.limit_shares:
                return True
        return False

    # -- forgetting ---------------------------------------------------------------------------------------------------

    def forget_strangers(self) -> None:
        """That the vault has no such number is true only under the lock it was read under."""
        for lookup in self._strangers:
            if self.people.get(lookup, "") is None:
                del self.people[lookup]
        self._strangers.clear()

    def forget_number_of(self, person: str) -> None:
        """Their number has changed or is gone: whose the one known here is, the vault is asked again."""
        for lookup in [lookup for lookup, known in self.people.items() if known == person]:
            del self.people[lookup]

    def trim(self, entries_max: int) -> None:
        """Keep each cache below its bound, oldest entries first. Offices and services stay."""
        for cache in (self.bookings, self.persons, self.people):
            _trim(cache, entries_max)
        if len(self.streams) > entries_max:
            passing = [stream for stream, kept in self.streams.items() if _may_go(kept)]
            for stream in passing[: len(self.streams) - entries_max + entries_max // 10]:
                del self.streams[stream]

    def savepoint(self, needs: Needs) -> "Savepoint":
        return Savepoint(self, needs)


def _may_go(kept: Stream | Bare) -> bool:
    return isinstance(kept, Slot | Erasure) or kept.version == 0 or kept.stream.startswith("person/")


def _parts_from_number(event: Event) -> bool:
    return isinstance(event, PersonErased) or (isinstance(event, PersonCorrected) and "number" in event.corrected)


def _is_first(event: Event) -> bool:
    if isinstance(event, SlotBooked):
        return not (event.from_hold or event.from_waiting_list)
    return isinstance(event, (PlaceHeld, WaitingListJoined, WalkedIn))


class Savepoint:
    """Copies of all that one command may change, to put back when the second half of it is refused."""

    def __init__(self, state: State, needs: Needs) -> None:
        self._state = state
        self._position = state.position
        self._streams = {stream: _clone(state.streams[stream]) for stream in needs.streams if stream in state.streams}
        self._people = {lookup: state.people.get(lookup) for lookup in needs.lookups}
        self._bookings = {tag: copy(state.bookings[tag]) for tag in needs.bookings if tag in state.bookings}
        self._persons = {
            person: _clone(state.persons[person]) for person in self._people.values() if person is not None
        }

    def restore(self, facts: Iterable[Fact]) -> None:
        self._state.position = self._position
        for fact in facts:
            if fact.booking is not None:
                self._state.bookings.pop(fact.booking, None)
            if fact.person is not None:
                self._state.persons.pop(fact.person, None)
        self._state.streams.update(self._streams)
        self._state.bookings.update(self._bookings)
        self._state.persons.update(self._persons)
        self._state.people.update(self._people)


def _clone(entry: T) -> T:
    twin = copy(entry)
    if isinstance(twin, Slot):
        twin.places, twin.claims, twin.freed = set(twin.places), dict(twin.claims), dict(twin.freed)
    elif isinstance(twin, WaitingList):
        twin.entries = {entry: copy(waiting) for entry, waiting in twin.entries.items()}
    elif isinstance(twin, Person):
        twin.open_bookings, twin.holds = dict(twin.open_bookings), dict(twin.holds)
        twin.waiting, twin.no_shows = dict(twin.waiting), dict(twin.no_shows)
    return twin


def _trim(cache: dict[Any, Any], entries_max: int) -> None:
    if len(cache) > entries_max:
        for key in list(cache)[: len(cache) - entries_max + entries_max // 10]:
            del cache[key]
