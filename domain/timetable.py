"""What a day of an office looks like: the calendar, its daily pauses, and what was announced, the last word last."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from itertools import chain

from domain.calendar import RIYADH
from domain.events import ClosureAnnounced, OpeningAnnounced
from domain.office import Office, closes
from domain.opening_hours import SLOT_MINUTES, Calendar, OfficeDay, outside

Announcement = ClosureAnnounced | OpeningAnnounced


def day_of(office: Office, calendar: Calendar, day: date) -> OfficeDay:
    """Pauses hold in announced hours too."""
    pauses = office.pauses_on(day)
    usual = calendar.day(day, pauses)
    announced = [each for each in office.announcements if _is_about(each, day)]
    if not announced:
        return usual
    starts, closure = set(usual.starts), None
    for each in announced:
        if isinstance(each, OpeningAnnounced):
            starts.update(outside(pauses, starts_within(each.hours)))
            continue
        left = {start for start in starts if not closes(each, datetime.combine(day, start, RIYADH))}
        if left != starts:
            starts, closure = left, each
    if starts:
        return OfficeDay(open=True, reason=None, name_ar=None, name_en=None, starts=tuple(sorted(starts)))
    if closure is None:
        return usual
    return OfficeDay(open=False, reason="closure", name_ar=closure.reason, name_en=closure.reason, starts=())


def possible_starts(
    office: Office, calendar: Calendar, day: date, more: Sequence[OpeningAnnounced] = ()
) -> set[datetime]:
    """Every start that publishing the day may open or take back. `more`: openings about to be announced."""
    openings = [each for each in (*office.announcements, *more) if isinstance(each, OpeningAnnounced)]
    hours = [starts_within(each.hours) for each in openings if _is_about(each, day)]
    starts = {*calendar.day(day).starts, *chain.from_iterable(hours)}
    return {*office.starts_ever(day, day), *(datetime.combine(day, start, RIYADH) for start in starts)}


def is_settled(office: Office, announced: Announcement) -> bool:
    """Whether the office has been told so already, and nothing else since about any of that time."""
    since, until = _time_of(announced)
    for before in reversed(office.announcements):
        first, last = _time_of(before)
        if _says_as_much(before, announced):
            return True
        if first < until and since < last:
            return False
    return False


def _says_as_much(before: Announcement, announced: Announcement) -> bool:
    match before, announced:
        case ClosureAnnounced(), ClosureAnnounced():
            covers = before.since <= announced.since and announced.until <= before.until
            return covers and before.reason == announced.reason
        case OpeningAnnounced(), OpeningAnnounced():
            covers = before.since <= announced.since and announced.until <= before.until
            return covers and before.hours == announced.hours
    return False


def starts_within(hours: Sequence[tuple[str, str]]) -> tuple[time, ...]:
    """The starts whose 15 minutes lie within the hours (wall times from, to)."""
    return tuple(
        time(minute // 60, minute % 60)
        for since, until in hours
        for minute in range(minute_of(since), minute_of(until) - SLOT_MINUTES + 1, SLOT_MINUTES)
    )


def minute_of(wall: str) -> int:
    at = time.fromisoformat(wall)
    return at.hour * 60 + at.minute


def current_start(at: datetime) -> datetime:
    """The quarter of an hour, office time, that `at` lies in."""
    at = at.astimezone(RIYADH)
    return at.replace(minute=at.minute - at.minute % SLOT_MINUTES, second=0, microsecond=0)


def _is_about(announced: Announcement, day: date) -> bool:
    since, until = _time_of(announced)
    midnight = datetime.combine(day, time(), RIYADH)
    return since < midnight + timedelta(days=1) and midnight < until


def _time_of(announced: Announcement) -> tuple[datetime, datetime]:
    """From the first instant it is about to the first that it no longer is."""
    if isinstance(announced, ClosureAnnounced):
        return announced.since, announced.until
    after = announced.until + timedelta(days=1)
    return datetime.combine(announced.since, time(), RIYADH), datetime.combine(after, time(), RIYADH)
