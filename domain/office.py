"""Offices and services as the facts of the catalogue and of announcements made them."""

from collections.abc import Iterator
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
from domain.opening_hours import Pauses
from domain.slot import SLOT


class Office:
    __slots__ = (
        "announcements",
        "assignments",
        "daily_pauses",
        "days",
        "dropped_starts",
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
        self.dropped_starts: dict[date, set[str]] = {}  # of a day published before with more: their slots may be open
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

    def starts_on(self, day: date) -> list[datetime]:
        """As the day was last published, in order."""
        published = self.days.get(day)
        return [_on(day, start) for start in published.starts] if published is not None else []

    def starts_ever(self, first: date, last: date) -> Iterator[datetime]:
        """Every start from `first` to `last` that has ever been published, in order: a booked one stays open even if a
        later publication leaves it out."""
        for day in sorted(day for day in self.days if first <= day <= last):
            for start in sorted({*self.days[day].starts, *self.dropped_starts.get(day, ())}):
                yield _on(day, start)

    def pauses_on(self, day: date) -> Pauses:
        """Each assignment holds from its date on, until the date of the next."""
        holding = [assigned for assigned in self.daily_pauses if assigned.since <= day]
        if not holding:
            return ()
        since = max(assigned.since for assigned in holding)
        last = [assigned for assigned in holding if assigned.since == since][-1]
        return tuple((time.fromisoformat(first), time.fromisoformat(until)) for first, until in last.pauses)

    def closure_at(self, start: datetime) -> ClosureAnnounced | None:
        """The announcement that closes the slot, unless a later one has opened it again."""
        for announced in reversed(self.announcements):
            if isinstance(announced, ClosureAnnounced):
                if closes(announced, start):
                    return announced
            elif _opens(announced, start):
                return None
        return None

    def closes_at(self, start: datetime) -> datetime:
        """When the office closes on the day of `start`: after its last start, or at midnight where none is known.

        Where the rest of a day was closed in the middle of it, not before who had come by then is done.
        """
        day = local_date(start)
        published = self.days.get(day)
        if published is None or not published.starts:
            return datetime.combine(day + timedelta(days=1), time(), RIYADH)
        return max(_on(day, published.starts[-1]), start) + SLOT

    def evolve(self, fact: Fact) -> None:
        self.version = fact.originator_version
        match fact.event:
            case OfficeRegistered() as event:
                self.registered = event
            case LiveDateAnnounced(live_from=live_from):
                self.live_from, self.live_at = live_from, datetime.combine(live_from, time(), RIYADH)
            case DayPublished(day=day) as event:
                before = self.days.get(day)
                if before is not None and before.starts != event.starts:
                    self.dropped_starts.setdefault(day, set()).update(before.starts)
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


def closes(closure: ClosureAnnounced, start: datetime) -> bool:
    """Whether any of the slot's minutes is closed."""
    return closure.since < start + SLOT and start < closure.until


def _on(day: date, start: str) -> datetime:
    return datetime.combine(day, time.fromisoformat(start), RIYADH)


def _opens(opening: OpeningAnnounced, start: datetime) -> bool:
    if not opening.since <= local_date(start) <= opening.until:
        return False
    wall = start.astimezone(RIYADH).strftime("%H:%M")
    return any(first <= wall < until for first, until in opening.hours)


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
