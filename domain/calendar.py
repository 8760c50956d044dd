"""Office time, and the Umm al-Qura date that stands beside every date shown to people."""

from datetime import date, datetime, timedelta, timezone
from functools import lru_cache

from hijridate import Gregorian

RIYADH = timezone(timedelta(hours=3), "Asia/Riyadh")  # no daylight saving (POL-22)


@lru_cache(maxsize=4096)
def hijri(day: date) -> str | None:
    """Such as 1432-06-11; None outside the published tables, 1343-1500 AH (1924-08-01 to 2077-11-16)."""
    if isinstance(day, datetime):
        raise TypeError("an instant has no date of its own: use local_date first")
    try:
        return Gregorian(day.year, day.month, day.day).to_hijri().isoformat()
    except OverflowError:
        return None


def local_date(instant: datetime) -> date:
    """The office's date at an aware instant: its day begins at 21:00 UTC of the day before."""
    if instant.tzinfo is None:
        raise ValueError("the instant has no time zone")
    return instant.astimezone(RIYADH).date()


@lru_cache(maxsize=8192)
def slot_date(start: datetime) -> date:
    """As `local_date`, of the few thousand starts of the coming weeks that every booking asks for again."""
    return local_date(start)
