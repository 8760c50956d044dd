"""What a message says, in its reader's language: both calendars, the right plurals, and safe where directions mix."""

import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any, Final, NamedTuple

from babel import Locale
from babel.dates import format_date, format_time

from consumers.notices import Kind, Notice
from domain.booking import visit_length
from domain.calendar import RIYADH, hijri, local_date
from domain.calendar_entry import Appointment, Language, revision_after
from domain.events import BookingDisplacedIn, BookingEvent, BookingMovedIn, Fact, PlaceOffered

_FIRST_STRONG: Final = "\u2068"
_LEFT_TO_RIGHT: Final = "\u2066"
_END: Final = "\u2069"
_RTL: Final = frozenset({"R", "AL"})
_ARABIC_DIGITS: Final = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
_LOCALES: Final[dict[Language, Locale]] = {"ar": Locale("ar"), "en": Locale("en")}
#: Where the booking stands, or is to be given a new time by its code; an offer has no code yet.
_WITH_CODE: Final = frozenset({Kind.CONFIRMATION, Kind.CHANGE, Kind.DISPLACEMENT, Kind.UNPLACED, Kind.REMINDER})
_IN_THE_CALENDAR: Final = _WITH_CODE - {Kind.REMINDER} | {Kind.CANCELLATION}
_HOUR: Final = timedelta(hours=1)
_MINUTE: Final = timedelta(minutes=1)


class Name(NamedTuple):
    ar: str
    en: str


class Names(NamedTuple):
    """Of offices and services, by their codes."""

    offices: Mapping[str, Name]
    services: Mapping[str, Name]


class Message(NamedTuple):
    kind: Kind
    language: Language
    subject: str
    text: str  # tells of no person and no code: anybody may read it
    code: str | None  # the sentence with the booking's reference: for its person alone
    signature: str
    appointment: Appointment | None  # what a calendar is to show

    @property
    def personal_text(self) -> str:
        return self.text if self.code is None else f"{self.text} {self.code}"


def compose(notice: Notice, facts: Sequence[Fact], *, names: Names, reference: str, language: Language) -> Message:
    """`facts`: those of the booking, up to the notice's own at least; what is told is how things stood after it."""
    until_then = [fact for fact in facts if fact.position <= notice.position]
    event = until_then[-1].event
    assert isinstance(event, BookingEvent | PlaceOffered)
    words, office = _words(language), _name(names.offices, event.office, language)
    service = _name(names.services, event.service, language)
    values = {
        "office": _isolated(office, language),
        "service": _isolated(service, language),
        "when": _instant(event.starts_at, language),
        "length": _length(visit_length(event.minutes), language),
    }
    match event:
        case PlaceOffered(expires_at=expires_at):
            values["until"] = _instant(expires_at, language)
            values["window"] = _length(expires_at - until_then[-1].at, language)
        case BookingMovedIn(from_starts_at=was) | BookingDisplacedIn(from_starts_at=was):
            values["was"] = _instant(was, language)
    code = None
    if notice.kind in _WITH_CODE:
        code = words["code"].format(reference=_isolated(reference, language, mark=_LEFT_TO_RIGHT))
    return Message(
        kind=notice.kind,
        language=language,
        subject=words[notice.kind]["subject"],
        text=words[notice.kind]["text"].format_map(values),
        code=code,
        signature=words["signature"],
        appointment=Appointment(
            booking=notice.booking,
            reference=reference,
            starts_at=event.starts_at,
            ends_at=event.starts_at + visit_length(event.minutes),
            is_cancelled=notice.kind is Kind.CANCELLATION,
            is_unplaced=notice.kind is Kind.UNPLACED,
            service=service,
            office=office,
            revision=revision_after(until_then),
        )
        if notice.kind in _IN_THE_CALENDAR
        else None,
    )


def language_of(told: str | None) -> Language:
    """Arabic first."""
    return "en" if told == "en" else "ar"


# -- parts ------------------------------------------------------------------------------------------------------------


@cache
def _words(language: Language) -> dict[str, Any]:
    return tomllib.loads((files("consumers") / "wording" / f"{language}.toml").read_text("utf-8"))


def _name(names: Mapping[str, Name], code: str, language: Language) -> str:
    """By its code, should the catalogue not have it yet."""
    name = names.get(code)
    if name is None:
        return code
    return name.ar if language == "ar" else name.en


def _instant(instant: datetime, language: Language) -> str:
    words, day, local = _words(language), local_date(instant), instant.astimezone(RIYADH)
    values = {
        "weekday": format_date(day, "EEEE", locale=_LOCALES[language]),
        "day": format_date(day, "d MMMM y", locale=_LOCALES[language]),
        "time": format_time(local.time(), "h:mm a", locale=_LOCALES[language]),
    }
    in_hijri = hijri(day)
    if in_hijri is None:
        return _isolated(_digits(words["when_without_hijri"].format_map(values), language), language)
    year, month, day_of_month = map(int, in_hijri.split("-"))
    values["hijri"] = f"{day_of_month} {words['hijri_months'][month - 1]} {year} {words['hijri_era']}"
    return _isolated(_digits(words["when"].format_map(values), language), language)


def _length(length: timedelta, language: Language) -> str:
    if length % _HOUR:
        return counted("minutes", length // _MINUTE, language)
    return counted("hours", length // _HOUR, language)


def counted(unit: str, n: int, language: Language) -> str:
    """`n` of a unit in the plural that the language has for that many (CLDR)."""
    forms = _words(language)[unit]
    form = forms.get(_LOCALES[language].plural_form(n), forms["other"])
    return _digits(str(form).format(n=n), language)


def _digits(text: str, language: Language) -> str:
    return text.translate(_ARABIC_DIGITS) if language == "ar" else text


def _isolated(value: str, language: Language, mark: str = _FIRST_STRONG) -> str:
    """Kept from reordering the text around it. English among English needs no marks, and fits into GSM's 7 bits."""
    if language == "en" and not any(unicodedata.bidirectional(character) in _RTL for character in value):
        return value
    return f"{mark}{value}{_END}"
