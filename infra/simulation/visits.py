"""Visits as the story remembers them: where each stands, and what will become of it when."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import Enum
from heapq import heappop, heappush
from itertools import count

from domain.commands import Beneficiary
from domain.opening_hours import SLOT_MINUTES
from infra.simulation.demand import Service
from infra.simulation.people import Person
from infra.simulation.places import Day

SLOT_S = SLOT_MINUTES * 60
_LENGTHS = [timedelta(seconds=SLOT_S * slots) for slots in range(4)]  # of a visit of so many slots


class Fate(Enum):
    """What will become of a visit. Nobody does anything about one that is missed: the office's close tells it."""

    CHANGED = "changed"
    CANCELLED = "cancelled"
    SERVED = "served"
    MISSED = "missed"


class Visit:
    """A booking that stands somewhere, until its fate."""

    __slots__ = (
        "beneficiary",
        "booking",
        "changes",
        "channel",
        "day",
        "due_s",
        "fate",
        "first",
        "is_cancelled",
        "order",
        "person",
        "service",
    )

    def __init__(  # noqa: PLR0917 - who, what, how
        self, booking: str, order: int, channel: str, service: Service, person: Person, beneficiary: Beneficiary
    ) -> None:
        self.booking = booking
        self.order = order  # who booked before whom
        self.channel = channel
        self.service = service
        self.person = person
        self.beneficiary = beneficiary
        self.changes = 0
        self.is_cancelled = False
        self.fate: Fate | None = None
        self.due_s = 0  # when the fate comes
        self.day: Day
        self.first: int

    def stand(self, day: Day, first: int) -> None:
        self.day, self.first = day, first
        day.take(first, self.service.slots)
        self.person.open_until[self.service.service] = day.starts[first] + _LENGTHS[self.service.slots]

    def stands_on(self, ordinal: int) -> bool:
        return not self.is_cancelled and self.day.ordinal == ordinal

    @property
    def starts_at(self) -> datetime:
        return self.day.starts[self.first]

    @property
    def ends_s(self) -> int:
        return int(self.starts_at.timestamp()) + SLOT_S * self.service.slots


class Agenda:
    """Fates in the order of their time; a visit has one, and a later one takes the place of the one before."""

    def __init__(self) -> None:
        self._entries: list[tuple[int, int, Visit]] = []  # when, a tie-breaker, whose
        self._order = count()

    def expect(self, at_s: int, fate: Fate, visit: Visit) -> None:
        visit.fate, visit.due_s = fate, at_s
        heappush(self._entries, (at_s, next(self._order), visit))

    def upto(self, at_s: int) -> Iterator[Visit]:
        """Those whose fate has come by then; what that brings meanwhile too."""
        entries = self._entries
        while entries and entries[0][0] <= at_s:
            due_s, _, visit = heappop(entries)
            if visit.due_s == due_s and visit.fate not in (None, Fate.MISSED):
                yield visit
