"""The waiting list of an office: who is in line, in the order they joined, and what they have been offered (POL-11)."""

from datetime import date

import msgspec

from domain.events import Fact, PlaceOffered, WaitingListJoined, WaitingListLeft


class Entry(msgspec.Struct, gc=False):
    entry: str
    person: str
    service: str
    minutes: int
    since: date  # the window of days, both included
    until: date
    offer: PlaceOffered | None = None

    def waits_for(self, day: date) -> bool:
        """Whether a place on `day` is what it waits for. With an offer it is not in line."""
        return self.offer is None and self.since <= day <= self.until


class WaitingList:
    __slots__ = ("entries", "stream", "version")

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.version = 0
        self.entries: dict[str, Entry] = {}  # in the order they joined

    def place_of(self, entry: str) -> int:
        """1 for the first in line of its service; those with an offer stand before the rest until they answer."""
        service = self.entries[entry].service
        return 1 + sum(other.service == service for other in self._before(entry))

    def ended_before(self, day: date) -> list[Entry]:
        return [entry for entry in self.entries.values() if entry.until < day and entry.offer is None]

    def _before(self, entry: str) -> list[Entry]:
        entries = list(self.entries)
        return [self.entries[other] for other in entries[: entries.index(entry)]]

    def evolve(self, fact: Fact) -> None:
        self.version = fact.originator_version
        match fact.event:
            case WaitingListJoined() as event:
                assert fact.booking is not None
                assert fact.person is not None
                entry = Entry(fact.booking, fact.person, event.service, event.minutes, event.since, event.until)
                self.entries[fact.booking] = entry
            case PlaceOffered() as event:
                assert fact.booking is not None
                self.entries[fact.booking].offer = event
            case WaitingListLeft():
                assert fact.booking is not None
                del self.entries[fact.booking]


def waiting_stream(office: str) -> str:
    return f"waiting/{office}"
