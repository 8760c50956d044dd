"""Offices and services as the facts of the catalogue made them."""

from datetime import date, datetime, time, timedelta

from domain.calendar import RIYADH, local_date
from domain.events import (
    ClosureAnnounced,
    CountersAssigned,
    DailyPauseAssigned,
    DayPublished,
    Fact,
    FairReleaseAssigned,
    LiveDateAnnounced,
    OfficePaused,
    OfficeRegistered,
    OfficeResumed,
    OpeningAnnounced,
    ServiceRegistered,
)


class Office:
    __slots__ = (
        "announcements",
        "assignments",
        "daily_pauses",
        "days",
        "is_paused",
        "live_at",
        "live_from",
        "registered",
        "releases_fairly",
        "stream",
        "version",
    )

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.version = 0
        self.registered: OfficeRegistered | None = None
        self.live_from: date | None = None
        self.live_at: datetime | None = None  # 00:00 of that day
        self.days: dict[date, DayPublished] = {}
        self.assignments: list[CountersAssigned] = []  # later ones override earlier ones
        self.announcements: list[ClosureAnnounced | OpeningAnnounced] = []  # likewise, and the calendar
        self.daily_pauses: list[DailyPauseAssigned] = []
        self.is_paused = False
        self.releases_fairly = False

    def is_live(self, at: datetime) -> bool:
        """Bookings are taken from 00:00 of the live date, whatever the slot's date (POL-21)."""
        return self.live_at is not None and at >= self.live_at

    def counters_at(self, start: datetime) -> int:
        for assignment in reversed(self.assignments):
            if assignment.since <= start < assignment.until:
                return assignment.counters
        return self.registered.counters if self.registered else 0

    def closes_at(self, start: datetime) -> datetime:
        """When the office closes on the day of `start`: after its last start, or at midnight where none is known."""
        day = local_date(start)
        published = self.days.get(day)
        if published is None or not published.starts:
            return datetime.combine(day + timedelta(days=1), time(), RIYADH)
        return datetime.combine(day, time.fromisoformat(published.starts[-1]), RIYADH) + timedelta(minutes=15)

    def evolve(self, fact: Fact) -> None:
        self.version = fact.originator_version
        match fact.event:
            case OfficeRegistered() as event:
                self.registered = event
            case LiveDateAnnounced(live_from=live_from):
                self.live_from, self.live_at = live_from, datetime.combine(live_from, time(), RIYADH)
            case DayPublished(day=day) as event:
                self.days[day] = event
            case CountersAssigned() as event:
                self.assignments.append(event)
            case ClosureAnnounced() | OpeningAnnounced() as event:
                self.announcements.append(event)
            case DailyPauseAssigned() as event:
                self.daily_pauses.append(event)
            case OfficePaused():
                self.is_paused = True
            case OfficeResumed():
                self.is_paused = False
            case FairReleaseAssigned(is_on=is_on):
                self.releases_fairly = is_on


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
