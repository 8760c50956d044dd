"""A booking as an iCalendar entry (RFC 5545)."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Final, Literal, Protocol
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, Timezone, vText

from domain.calendar import hijri, local_date
from projections.bookings import BookingRow

Language = Literal["ar", "en"]
_WORDS: Final = {
    "ar": {"summary": "موعد", "cancelled": "موعد ملغى", "reference": "رمز الحجز", "hijri": "التاريخ الهجري"},
    "en": {"summary": "Appointment", "cancelled": "Cancelled", "reference": "Booking code", "hijri": "Hijri date"},
}


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


def calendar_entry(
    row: BookingRow, names: Sequence[Named], reference: str, language: Language, now: datetime
) -> bytes:
    """`names`: the office's and then the service's, as far as the catalogue has them."""
    words = _WORDS[language]
    called = [name.name_ar if language == "ar" else name.name_en for name in names]
    is_cancelled = row.status == "cancelled"
    zone = ZoneInfo("Asia/Riyadh")
    event = Event()
    event.add("uid", f"{row.booking}@mawid")
    event.add("dtstamp", now)
    event.add("sequence", row.reschedules + is_cancelled)
    event.add("status", "CANCELLED" if is_cancelled else "CONFIRMED")
    event.add("dtstart", row.starts_at.astimezone(zone))
    event.add("dtend", row.ends_at.astimezone(zone))
    title = words["cancelled" if is_cancelled else "summary"]
    event.add("summary", _text(": ".join([title, *called[1:]]), language))
    event.add("location", _text(", ".join(called[:1]) or row.office, language))
    day = hijri(local_date(row.starts_at))
    event.add("description", _text(f"{words['reference']}: {reference}\n{words['hijri']}: {day}", language))
    calendar = Calendar()
    calendar.add("prodid", "-//Mawid//Mawid//AR")
    calendar.add("version", "2.0")
    calendar.add("method", "CANCEL" if is_cancelled else "PUBLISH")
    calendar.add_component(_riyadh())
    calendar.add_component(event)
    return calendar.to_ical()


def _text(words: str, language: Language) -> vText:
    text = vText(words)
    text.params["LANGUAGE"] = language
    return text


@cache
def _riyadh() -> Timezone:
    return Timezone.from_tzid("Asia/Riyadh")
