"""A booking as an iCalendar entry (RFC 5545)."""

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import Final, Literal, Protocol
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, Timezone, vText

from domain.calendar import hijri, local_date
from domain.events import BookingCancelled, BookingDisplacedIn, BookingDisplacedOut, BookingMovedIn, Fact
from projections.bookings import BookingRow

Language = Literal["ar", "en"]
_WORDS: Final = {
    "ar": {
        "summary": "موعد",
        "cancelled": "موعد ملغى",
        "unplaced": "موعد يحتاج إلى وقت جديد",
        "reference": "رمز الحجز",
        "hijri": "التاريخ الهجري",
    },
    "en": {
        "summary": "Appointment",
        "cancelled": "Cancelled",
        "unplaced": "Appointment that needs a new time",
        "reference": "Booking code",
        "hijri": "Hijri date",
    },
}
_STATUS: Final = {"summary": "CONFIRMED", "unplaced": "TENTATIVE", "cancelled": "CANCELLED"}


class Named(Protocol):
    @property
    def name_ar(self) -> str: ...
    @property
    def name_en(self) -> str: ...


def language_of(accepted: str) -> Language:
    """Arabic unless Accept-Language prefers English."""
    best: tuple[float, Language] = (0.0, "ar")
    for choice in accepted.split(",")[:20]:
        tag, _, parameters = choice.partition(";")
        quality = _quality(parameters)
        name = tag.strip().lower().partition("-")[0]
        if name in ("ar", "en") and quality > best[0]:
            best = quality, "en" if name == "en" else "ar"
    return best[1]


def _quality(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    try:
        return float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0


def revision_after(facts: Iterable[Fact]) -> int:
    """How often a booking's time or fate has changed: by it a calendar tells which of two entries is the later."""
    return len([fact for fact in facts if _is_change(fact)])


def _is_change(fact: Fact) -> bool:
    match fact.event:
        case BookingMovedIn() | BookingDisplacedIn() | BookingCancelled() | BookingDisplacedOut(to_starts_at=None):
            return True
    return False


def calendar_entry(
    row: BookingRow,
    office: Named | None,
    service: Named | None,
    *,
    revision: int,
    reference: str,
    language: Language,
    now: datetime,
) -> bytes:
    words = _WORDS[language]
    is_cancelled = row.status == "cancelled"
    title = "cancelled" if is_cancelled else "unplaced" if row.unplaced else "summary"
    zone = ZoneInfo("Asia/Riyadh")
    event = Event()
    event.add("uid", f"{row.booking}@mawid")
    event.add("dtstamp", now)
    event.add("sequence", revision)
    event.add("status", _STATUS[title])
    event.add("dtstart", row.starts_at.astimezone(zone))
    event.add("dtend", row.ends_at.astimezone(zone))
    event.add("summary", _text(f"{words[title]}: {_called(service, row.service, language)}", language))
    event.add("location", _text(_called(office, row.office, language), language))
    day = hijri(local_date(row.starts_at))
    event.add("description", _text(f"{words['reference']}: {reference}\n{words['hijri']}: {day}", language))
    calendar = Calendar()
    calendar.add("prodid", "-//Mawid//Mawid//AR")
    calendar.add("version", "2.0")
    calendar.add("method", "CANCEL" if is_cancelled else "PUBLISH")
    calendar.add_component(_riyadh())
    calendar.add_component(event)
    entry: bytes = calendar.to_ical()
    return entry


def _called(thing: Named | None, otherwise: str, language: Language) -> str:
    """By its code, should the catalogue's view not have it yet."""
    if thing is None:
        return otherwise
    return thing.name_ar if language == "ar" else thing.name_en


def _text(words: str, language: Language) -> vText:
    text = vText(words)
    text.params["LANGUAGE"] = language
    return text


@cache
def _riyadh() -> Timezone:
    return Timezone.from_tzid("Asia/Riyadh")
