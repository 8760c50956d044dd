"""Offices and services as the facts of the catalogue made them."""

from datetime import date, datetime, time

from domain.calendar import RIYADH
from domain.events import CountersAssigned, DayPublished, Fact, LiveDateAnnounced, OfficeRegistered, ServiceRegistered


class Office:
    __slots__ = ("assignments", "days", "live_from", "registered", "stream", "version")

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.version = 0
        self.registered: OfficeRegistered | None = None
        self.live_from: date | None = None
        self.days: dict[date, DayPublished] = {}
        self.assignments: list[CountersAssigned] = []  # later ones override earlier ones

    def is_live(self, at: datetime) -> bool:
        """Bookings are taken from 00:00 of the live date, whatever the slot's date (POL-21)."""
        return self.live_from is not None and at >= datetime.combine(self.live_from, time(), RIYADH)

    def counters_at(self, start: datetime) -> int:
        for assignment in reversed(self.assignments):
            if assignment.since <= start < assignment.until:
                return assignment.counters
        return self.registered.counters if self.registered else 0

    def evolve(self, fact: Fact) -> None:
        self.version = fact.originator_version
        match fact.event:
            case OfficeRegistered() as event:
                self.registered = event
            case LiveDateAnnounced(live_from=live_from):
                self.live_from = live_from
            case DayPublished(day=day) as event:
                self.days[day] = event
            case CountersAssigned() as event:
                self.assignments.append(event)


class Service:
    __slots__ = ("registered", "stream", "version")

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.version = 0
        self.registered: ServiceRegistered | None = None

    def offered_at(self, office: OfficeRegistered) -> bool:
        return self.registered is not None and self.registered.needs_visit and self.registered.sector in office.sectors

    def evolve(self, fact: Fact) -> None:
        self.version = fact.originator_version
        if isinstance(fact.event, ServiceRegistered):
            self.registered = fact.event
