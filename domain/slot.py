"""A slot: one 15-minute start at one office, and the places in it. The aggregate that keeps the capacity rule."""

from collections.abc import Iterable
from datetime import datetime

from domain.errors import CapacityInUse, SlotClosed, SlotFull, SlotNotPublished
from domain.events import (
    BookingCancelled,
    BookingMovedIn,
    BookingMovedOut,
    Event,
    Fact,
    SlotBooked,
    SlotOccupied,
    SlotOpened,
    SlotReleased,
    SlotResized,
    SlotWithdrawn,
)


class Slot:
    """Counters are anonymous: any set of bookings with at most `capacity` at each start can be seated."""

    __slots__ = ("capacity", "opened", "places", "stream", "version", "withdrawn")

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.version = 0
        self.opened = False
        self.withdrawn = False
        self.capacity = 0
        self.places: set[str] = set()  # bookings that hold a place

    @property
    def free(self) -> int:
        return max(0, self.capacity - len(self.places))

    # -- decide ---------------------------------------------------------------------------------------------------

    def refuse_unless_open(self) -> None:
        if self.withdrawn:
            raise SlotClosed(self.name)
        if not self.opened:
            raise SlotNotPublished(self.name)

    def refuse_unless_free(self, booking: str) -> None:
        """A booking that already holds a place here needs no second one (a move within its own slots)."""
        if booking not in self.places and len(self.places) >= self.capacity:
            raise SlotFull(self.name, self.capacity)

    def open(self, capacity: int, *, by: str, policy: int, office: str, starts_at: datetime) -> list[Event]:
        """What publication has to say here: nothing when the slot is open already."""
        if self.opened and not self.withdrawn:
            return []
        return [SlotOpened(by=by, policy=policy, office=office, starts_at=starts_at, capacity=capacity)]

    def withdraw(self, *, by: str, policy: int, office: str, starts_at: datetime) -> list[Event]:
        """Publication takes back only empty slots: bookings are moved by a closure, never dropped."""
        if not self.opened or self.withdrawn or self.places:
            return []
        return [SlotWithdrawn(by=by, policy=policy, office=office, starts_at=starts_at, capacity=self.capacity)]

    def resize(self, capacity: int, *, by: str, policy: int, office: str, starts_at: datetime) -> list[Event]:
        if not self.opened or self.withdrawn or capacity == self.capacity:
            return []
        if capacity < len(self.places):
            raise CapacityInUse(self.name, len(self.places), capacity)
        return [SlotResized(by=by, policy=policy, office=office, starts_at=starts_at, capacity=capacity)]

    @property
    def name(self) -> str:
        return self.stream.removeprefix("slot/")

    # -- evolve: never refuses, never reads a clock -----------------------------------------------------------------

    def evolve(self, fact: Fact) -> None:
        self.version = fact.originator_version
        match fact.event:
            case SlotBooked() | SlotOccupied() | BookingMovedIn():
                assert fact.booking is not None
                self.places.add(fact.booking)
            case BookingCancelled() | SlotReleased() | BookingMovedOut():
                assert fact.booking is not None
                self.places.discard(fact.booking)
            case SlotOpened(capacity=capacity):
                self.opened, self.withdrawn, self.capacity = True, False, capacity
            case SlotResized(capacity=capacity):
                self.capacity = capacity
            case SlotWithdrawn():
                self.withdrawn, self.capacity = True, 0

    @classmethod
    def replay(cls, stream: str, facts: Iterable[Fact]) -> "Slot":
        slot = cls(stream)
        for fact in facts:
            slot.evolve(fact)
        return slot
