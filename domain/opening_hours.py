"""When offices open: weekends, holidays, Ramadan hours, pauses; and the starts of a day (POL-17, POL-18, POL-22)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal, get_args

HolidayKind = Literal["closure", "ramadan_hours", "weekend_change", "adhoc_closure"]
Pauses = Sequence[tuple[time, time]]  # from, to: starts again at `to`

SLOT_MINUTES = 15
FRIDAY_SATURDAY_SINCE = date(2013, 6, 29)
_THURSDAY, _FRIDAY, _SATURDAY = 3, 4, 5


def _starts(first_hour: int, count: int) -> tuple[time, ...]:
    return tuple(time(first_hour + i // 4, i % 4 * SLOT_MINUTES) for i in range(count))


STARTS = _starts(8, 24)  # 08:00 to 13:45
RAMADAN_STARTS = _starts(10, 20)  # 10:00 to 14:45


@dataclass(frozen=True, slots=True)
class Holiday:
    """A run of days that differ, both ends included. Ramadan hours and the weekend change are such runs too."""

    kind: HolidayKind
    name_ar: str
    name_en: str
    start: date
    end: date
    last_workday_before: date | None

    def days(self) -> Iterator[date]:
        return (date.fromordinal(n) for n in range(self.start.toordinal(), self.end.toordinal() + 1))


@dataclass(frozen=True, slots=True)
class OfficeDay:
    open: bool
    reason: Literal["weekend", "holiday", "closure"] | None  # of a closed day; a holiday on a weekend is a holiday
    name_ar: str | None  # of the holiday; of a closure, what was announced
    name_en: str | None
    starts: tuple[time, ...]

    def fits(self, start: time, slots: int) -> bool:
        """Whether a booking of `slots` consecutive starts lies within the day and spans no pause (POL-17)."""
        first = _minute(start)
        return {first + i * SLOT_MINUTES for i in range(slots)} <= set(map(_minute, self.starts))


class Calendar:
    """What publication knows of the days. Announcements are facts: the file's own are listed, never applied."""

    def __init__(self, holidays: Sequence[Holiday]) -> None:
        self.announcements = tuple(holiday for holiday in holidays if holiday.kind == "adhoc_closure")
        self._closed: dict[date, Holiday] = {}
        self._ramadan: set[date] = set()
        for holiday in holidays:
            if holiday.kind == "ramadan_hours":
                self._ramadan.update(holiday.days())
            elif holiday.kind != "adhoc_closure":
                for day in holiday.days():
                    self._closed.setdefault(day, holiday)

    def day(self, day: date, pauses: Pauses = ()) -> OfficeDay:
        holiday = self._closed.get(day)
        if holiday is not None:
            reason: Literal["weekend", "holiday"] = "weekend" if holiday.kind == "weekend_change" else "holiday"
            return OfficeDay(open=False, reason=reason, name_ar=holiday.name_ar, name_en=holiday.name_en, starts=())
        if is_weekend(day):
            return OfficeDay(open=False, reason="weekend", name_ar=None, name_en=None, starts=())
        starts = RAMADAN_STARTS if day in self._ramadan else STARTS
        if pauses:
            starts = outside(pauses, starts)
        return OfficeDay(open=True, reason=None, name_ar=None, name_en=None, starts=starts)


def is_weekend(day: date) -> bool:
    if day < FRIDAY_SATURDAY_SINCE:
        return day.weekday() in (_THURSDAY, _FRIDAY)
    return day.weekday() in (_FRIDAY, _SATURDAY)


def slots_of(minutes: int) -> int:
    """How many consecutive slots a service of `minutes` takes (POL-17)."""
    if minutes not in (15, 30, 45):
        raise ValueError(f"a service takes 15, 30 or 45 minutes, not {minutes}")
    return minutes // SLOT_MINUTES


def consecutive(start: datetime, slots: int) -> tuple[datetime, ...]:
    """The starts a booking of `slots` slots occupies."""
    return tuple(start + timedelta(minutes=SLOT_MINUTES * i) for i in range(slots))


def parse_holidays(rows: Iterable[Mapping[str, str]]) -> tuple[Holiday, ...]:
    """Rows with at least kind, name_ar, name_en, start, end and last_workday_before (which may be empty)."""
    return tuple(_parse_holiday(number, row) for number, row in enumerate(rows, start=1))


def _parse_holiday(number: int, row: Mapping[str, str]) -> Holiday:
    kind = next((known for known in get_args(HolidayKind) if known == row["kind"]), None)
    if kind is None:
        raise ValueError(f"holiday {number}: there is no kind {row['kind']!r}")
    start, end = date.fromisoformat(row["start"]), date.fromisoformat(row["end"])
    if end < start:
        raise ValueError(f"holiday {number}: it ends on {end}, before it starts on {start}")
    before = row["last_workday_before"]
    return Holiday(kind, row["name_ar"], row["name_en"], start, end, date.fromisoformat(before) if before else None)


def outside(pauses: Pauses, starts: tuple[time, ...]) -> tuple[time, ...]:
    """The starts whose 15 minutes touch no pause."""
    closed = [(_minute(since), _minute(until)) for since, until in pauses]
    if any(until <= since for since, until in closed):
        raise ValueError("a pause ends after it begins, on the same day")
    return tuple(
        start
        for start in starts
        if not any(since < _minute(start) + SLOT_MINUTES and _minute(start) < until for since, until in closed)
    )


def _minute(at: time) -> int:
    return at.hour * 60 + at.minute
