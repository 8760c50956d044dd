"""A booking as an iCalendar entry (RFC 5545): the same one wherever it is fetched, or sent to."""

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, Timezone, vCalAddress, vText

from domain.calendar import hijri, local_date
from domain.events import BookingCancelled, BookingDisplacedIn, BookingDisplacedOut, BookingMovedIn, Fact

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


class Appointment(NamedTuple):
    """Where a booking stands, in the words of `language`."""

    booking: str
    reference: str
    starts_at: datetime
    ends_at: datetime
    is_cancelled: bool
    is_unplaced: bool
    service: str
    office: str
    revision: int


class Invitation(NamedTuple):
    """Who sends the entry to whom: e-mail addresses. A calendar takes it in by itself (RFC 5546)."""

    organizer: str
    attendee: str


def revision_after(facts: Iterable[Fact]) -> int:
    """How often a booking's time or fate has changed: by it a calendar tells which of two entries is the later."""
    return len([fact for fact in facts if _is_change(fact)])


def _is_change(fact: Fact) -> bool:
    match fact.event:
        case BookingMovedIn() | BookingDisplacedIn() | BookingCancelled() | BookingDisplacedOut(to_starts_at=None):
            return True
    return False


def calendar_entry(
    appointment: Appointment, language: Language, now: datetime, invitation: Invitation | None = None
) -> bytes:
    words = _WORDS[language]
    title = "cancelled" if appointment.is_cancelled else "unplaced" if appointment.is_unplaced else "summary"
    zone = ZoneInfo("Asia/Riyadh")
    event = Event()
    event.add("uid", f"{appointment.booking}@mawid")
    event.add("dtstamp", now)
    event.add("sequence", appointment.revision)
    event.add("status", _STATUS[title])
    event.add("dtstart", appointment.starts_at.astimezone(zone))
    event.add("dtend", appointment.ends_at.astimezone(zone))
    event.add("summary", _text(f"{words[title]}: {appointment.service}", language))
    event.add("location", _text(appointment.office, language))
    day = hijri(local_date(appointment.starts_at))
    told = f"{words['reference']}: {appointment.reference}\n{words['hijri']}: {day}"
    event.add("description", _text(told, language))
    if invitation is not None:
        event.add("organizer", vCalAddress(f"mailto:{invitation.organizer}"))
        event.add("attendee", _invited(invitation.attendee))
    calendar = Calendar()
    calendar.add("prodid", "-//Mawid//Mawid//AR")
    calendar.add("version", "2.0")
    calendar.add("method", method_of(appointment, invitation))
    calendar.add_component(_riyadh())
    calendar.add_component(event)
    entry: bytes = calendar.to_ical()
    return entry


def method_of(appointment: Appointment, invitation: Invitation | None) -> Literal["CANCEL", "REQUEST", "PUBLISH"]:
    if appointment.is_cancelled:
        return "CANCEL"
    return "PUBLISH" if invitation is None else "REQUEST"


def _invited(address: str) -> vCalAddress:
    """Nothing is to be answered: the booking is made."""
    attendee = vCalAddress(f"mailto:{address}")
    attendee.params["PARTSTAT"] = "ACCEPTED"
    attendee.params["RSVP"] = "FALSE"
    return attendee


def _text(words: str, language: Language) -> vText:
    text = vText(words)
    text.params["LANGUAGE"] = language
    return text


@cache
def _riyadh() -> Timezone:
    return Timezone.from_tzid("Asia/Riyadh")
