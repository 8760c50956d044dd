"""A slot: one 15-minute start at one office, and the places in it. The aggregate that keeps the capacity rule."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from domain.errors import CapacityInUse, SlotClosed, SlotFull, SlotNotPublished
from domain.events import (
    BookingCancelled,
    BookingDisplacedIn,
    BookingDisplacedOut,
    BookingMovedIn,
    BookingMovedOut,
    Event,
    Fact,
    HoldExpired,
    HoldReleased,
    PlaceClaimed,
    PlaceHeld,
    PlaceReturned,
    SlotBooked,
    SlotOccupied,
    SlotOpened,
    SlotReleased,
    SlotResized,
    SlotWithdrawn,
    WalkedIn,
)
from domain.identifiers import parse_slot_id

SLOT = timedelta(minutes=15)
#: Minutes of a service → how far each of its starts is from the first (POL-17).
OFFSETS = {15 * slots: tuple(SLOT * n for n in range(slots)) for slots in (1, 2, 3)}


def starts_of(starts_at: datetime, minutes: int) -> list[datetime]:
    """The 1-3 consecutive starts that a visit of `minutes` takes (POL-17)."""
    return [starts_at + offset for offset in OFFSETS[minutes]]


class Slot:
    """Counters are anonymous: any set of bookings with at most `capacity` at each start can be seated."""

    __slots__ = ("capacity", "claims", "freed", "opened", "places", "reason", "stream", "version", "withdrawn")

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.version = 0
        self.opened = False
        self.withdrawn = False
        self.capacity = 0
        self.reason: str | None = None  # of the closure that withdrew it
        self.places: set[str] = set()  # bookings that hold a place
        self.claims: dict[str, datetime] = {}  # hold or offer → until when it keeps a place; past ones may linger
        self.freed: dict[
            str, str | None
        ] = {}  # a place that rests or has rested → who gave it up; until it is taken again

    def free(self, at: datetime) -> int:
        """Places that nobody has at `at`: a claim ends at its instant, whether or not a fact has said so yet."""
        return max(0, self.capacity - self.taken(at))

    def taken(self, at: datetime) -> int:
        taken = len(self.places)
        return taken + sum(until > at for until in self.claims.values()) if self.claims else taken

    def free_for(self, person: str | None, at: datetime) -> int:
        """Places that are free, and not only because the person gave them up."""
        free = self.free(at)
        if person is None or not self.freed:
            return free
        own = sum(who == person for freed, who in self.freed.items() if self.claims.get(freed, at) <= at)
        return max(0, free - own)

    def has(self, booking: str) -> bool:
        """Whether a place is the booking's, or was kept for it."""
        return booking in self.places or booking in self.claims

    def due(self, at: datetime) -> list[str]:
        """Claims that have ended by `at` and whose end no fact has recorded yet."""
        return [claim for claim, until in self.claims.items() if until <= at]

    @property
    def is_open(self) -> bool:
        return self.opened and not self.withdrawn

    # -- decide ---------------------------------------------------------------------------------------------------

    def refuse_unless_open(self) -> None:
        if self.withdrawn:
            raise SlotClosed(self.name, "closure", self.reason) if self.reason else SlotClosed(self.name)
        if not self.opened:
            raise SlotNotPublished(self.name)

    def refuse_unless_free(self, booking: str, at: datetime) -> None:
        """A booking that has a place here, or a claim to one, needs no second (a move within its own slots)."""
        taken = len(self.places) - (booking in self.places)
        if self.claims:
            taken += sum(until > at for claim, until in self.claims.items() if claim != booking)
        if taken >= self.capacity:
            raise SlotFull(self.name, self.capacity)

    def open(self, capacity: int, *, by: str, policy: int, office: str, starts_at: datetime) -> list[Event]:
        """What publication has to say here: nothing when the slot is open already. Who is booked here stays."""
        if self.is_open:
            return []
        capacity = max(capacity, len(self.places))
        return [SlotOpened(by=by, policy=policy, office=office, starts_at=starts_at, capacity=capacity)]

    def withdraw(self, *, by: str, policy: int, office: str, starts_at: datetime) -> list[Event]:
        """Publication takes back only empty slots: bookings are moved by a closure, never dropped."""
        if not self.is_open or self.places or self.claims:
            return []
        return [SlotWithdrawn(by=by, policy=policy, office=office, starts_at=starts_at, capacity=self.capacity)]

    def refuse_cut(self, capacity: int, at: datetime) -> None:
        if self.is_open and capacity < (taken := self.taken(at)):
            raise CapacityInUse(self.name, taken, capacity)

    def resize(self, capacity: int, *, by: str, policy: int, office: str, starts_at: datetime) -> list[Event]:
        if not self.is_open or capacity == self.capacity:
            return []
        return [SlotResized(by=by, policy=policy, office=office, starts_at=starts_at, capacity=capacity)]

    @property
    def name(self) -> str:
        return self.stream.removeprefix("slot/")

    @property
    def office(self) -> str:
        return self.name.partition("@")[0]

    @property
    def starts_at(self) -> datetime:
        return parse_slot_id(self.name)[1]

    # -- evolve: never refuses, never reads a clock -----------------------------------------------------------------

    def evolve(self, fact: Fact) -> None:
        self.version = fact.originator_version
        match fact.event:
            case SlotBooked() | SlotOccupied() | BookingMovedIn() | BookingDisplacedIn() | WalkedIn():
                assert fact.booking is not None
                self.places.add(fact.booking)
                if self.claims:
                    self.claims.pop(fact.booking, None)
                if self.freed:
                    self._take_freed()
            case BookingCancelled() | SlotReleased() | BookingMovedOut() | BookingDisplacedOut():
                assert fact.booking is not None
                self.places.discard(fact.booking)
            case PlaceHeld(expires_at=until) | PlaceClaimed(until=until):
                assert fact.booking is not None
                self.claims[fact.booking] = until
                if isinstance(fact.event, PlaceClaimed) and fact.event.rests:
                    self.freed[fact.booking] = fact.person
            case HoldReleased() | HoldExpired() | PlaceReturned():
                assert fact.booking is not None
                self.claims.pop(fact.booking, None)
            case SlotOpened(capacity=capacity):
                self.opened, self.withdrawn, self.reason, self.capacity = True, False, None, capacity
            case SlotResized(capacity=capacity):
                self.capacity = capacity
            case SlotWithdrawn(reason=reason):
                self.withdrawn, self.reason, self.capacity = True, reason, 0

    def _take_freed(self) -> None:
        """Of the places that have rested, whoever takes one takes the one given up first."""
        taken = next((freed for freed in self.freed if freed not in self.claims), None)
        if taken is not None:
            del self.freed[taken]

    @classmethod
    def replay(cls, stream: str, facts: Iterable[Fact]) -> "Slot":
        slot = cls(stream)
        for fact in facts:
            slot.evolve(fact)
        return slot
