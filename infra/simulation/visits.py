"""Visits as the story remembers them: where each stands, and what has become of it."""

from datetime import datetime, timedelta

from domain.commands import Beneficiary
from domain.opening_hours import SLOT_MINUTES
from infra.simulation.demand import Service
from infra.simulation.people import Person
from infra.simulation.places import Day

SLOT_S = SLOT_MINUTES * 60
_LENGTHS = [timedelta(seconds=SLOT_S * slots) for slots in range(4)]  # of a visit of so many slots


class Visit:
    """A booking that may be changed, cancelled or displaced."""

    __slots__ = (
        "beneficiary",
        "booking",
        "changes",
        "channel",
        "day",
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
