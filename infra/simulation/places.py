"""Free places as people see them: a cheap copy of what the desk decides, so that nearly every try is for a free one."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from itertools import chain
from random import Random

from domain.calendar import RIYADH
from domain.opening_hours import Calendar
from infra.catalogue import OfficeRow

#: Of the tries that find the start full which they had in mind: those who press the button all the same, because
#: their page is some seconds old. Inferred; it makes a few percent of all tries.
STALE_SHARE = 0.08


class Day:
    """One office's day. A closed day has no starts."""

    __slots__ = ("free", "left", "office", "ordinal", "starts")

    def __init__(self, office: str, ordinal: int, starts: Sequence[datetime], counters: int) -> None:
        self.office = office
        self.ordinal = ordinal
        self.starts = starts
        self.free = [counters] * len(starts)
        self.left = counters * len(starts)

    def take(self, first: int, slots: int) -> None:
        for index in range(first, first + slots):
            self.free[index] -= 1
        self.left -= slots

    def give_back(self, first: int, slots: int) -> None:
        for index in range(first, first + slots):
            self.free[index] += 1
        self.left += slots


class Place:
    """The start of a visit: free for all its slots, or known to be full and tried all the same."""

    __slots__ = ("day", "first", "is_free")

    def __init__(self, day: Day, first: int, *, is_free: bool) -> None:
        self.day = day
        self.first = first
        self.is_free = is_free

    @property
    def starts_at(self) -> datetime:
        return self.day.starts[self.first]


class Places:
    """Days of live offices, published up to the policy's horizon."""

    def __init__(self, calendar: Calendar, offices: Sequence[OfficeRow], horizon_days: int, chance: Random) -> None:
        self._calendar = calendar
        self._offices = sorted(offices, key=lambda office: office.live_from)
        self._horizon_days = horizon_days
        self._chance = chance
        self._days: dict[tuple[str, int], Day] = {}
        self._published: dict[str, int] = {}  # office → last day published, as an ordinal
        self._closed: set[int] = set()  # days, as announced
        self._starts: dict[int, tuple[datetime, ...]] = {}

    def publish(self, today: date) -> Iterator[tuple[str, date]]:
        """What has to be published today: from each office's live date on, up to the horizon."""
        last = today.toordinal() + self._horizon_days
        for ordinal in [ordinal for ordinal in self._starts if ordinal < today.toordinal()]:
            del self._starts[ordinal]
        for office in self._offices:
            live = office.live_from.toordinal()
            if live > last:
                break
            first = max(live, today.toordinal(), self._published.get(office.office, 0) + 1)
            self._days.pop((office.office, today.toordinal() - 1), None)
            for ordinal in range(first, last + 1):
                self._days[office.office, ordinal] = Day(
                    office.office, ordinal, self.starts_of(ordinal), office.counters
                )
                yield office.office, date.fromordinal(ordinal)
            self._published[office.office] = last

    def starts_of(self, ordinal: int) -> tuple[datetime, ...]:
        starts = self._starts.get(ordinal)
        if starts is None:
            day = date.fromordinal(ordinal)
            opening = () if ordinal in self._closed else self._calendar.day(day).starts
            starts = tuple(datetime.combine(day, start, RIYADH) for start in opening)
            self._starts[ordinal] = starts
        return starts

    def close(self, ordinal: int) -> None:
        """No office has starts on the day any more; visits that stand there have to be moved."""
        self._closed.add(ordinal)
        self._starts.pop(ordinal, None)
        for office in self._offices:
            if (office.office, ordinal) in self._days:
                self._days[office.office, ordinal] = Day(office.office, ordinal, (), office.counters)

    def earliest(self, office: str, today: int, slots: int) -> Place | None:
        """Where the desk puts who is displaced at the beginning of today."""
        for ordinal in range(today, today + self._horizon_days + 1):
            day = self._days.get((office, ordinal))
            if day is None or day.left < slots:
                continue
            for first in range(len(day.free) - slots + 1):
                if _is_free(day.free, first, slots):
                    return Place(day, first, is_free=True)
        return None

    def find(self, office: str, today: int, lead: int, slots: int, not_before: datetime) -> Place | None:
        """Near `lead` days ahead: on that day, else on a later one, else on an earlier one; None if all is taken.

        `slots` consecutive starts, none before `not_before`.
        """
        for ahead in chain(range(lead, self._horizon_days + 1), range(lead - 1, -1, -1)):
            day = self._days.get((office, today + ahead))
            if day is None or day.left < slots:
                continue
            place = self._find_in(day, slots, not_before if ahead == 0 else None)
            if place is not None:
                return place
        return None

    def _find_in(self, day: Day, slots: int, not_before: datetime | None) -> Place | None:
        free, last = day.free, len(day.free) - slots
        earliest = 0
        if not_before is not None:
            earliest = next((n for n, start in enumerate(day.starts) if start >= not_before), last + 1)
        choices = last - earliest + 1
        if choices <= 0:
            return None
        wanted = earliest + int(self._chance.random() * choices)
        for shift in range(choices):
            first = wanted + shift if wanted + shift <= last else wanted + shift - choices
            if _is_free(free, first, slots):
                return Place(day, first, is_free=True)
            if shift == 0 and self._chance.random() < STALE_SHARE:
                return Place(day, first, is_free=False)
        return None


def _is_free(free: Sequence[int], first: int, slots: int) -> bool:
    return free[first] > 0 and (slots == 1 or all(free[index] > 0 for index in range(first + 1, first + slots)))
