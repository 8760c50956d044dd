"""A booking as a calendar entry, in the language a client asks for."""

from typing import Protocol

from domain.calendar_entry import Appointment, Language
from projections.bookings import BookingRow


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


def appointment_of(
    row: BookingRow, office: Named | None, service: Named | None, *, revision: int, reference: str, language: Language
) -> Appointment:
    return Appointment(
        booking=row.booking,
        reference=reference,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        is_cancelled=row.status == "cancelled",
        is_unplaced=row.unplaced,
        service=_called(service, row.service, language),
        office=_called(office, row.office, language),
        revision=revision,
    )


def _called(thing: Named | None, otherwise: str, language: Language) -> str:
    """By its code, should the catalogue's view not have it yet."""
    if thing is None:
        return otherwise
    return thing.name_ar if language == "ar" else thing.name_en
