"""What may be asked of Mawid. A command is whole: who asks, for when, under which key. The desk adds the order."""

from datetime import date, datetime
from typing import dataclass_transform

import msgspec


class Caller(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """On whose behalf a command is decided or a page is read."""

    role: str  # citizen, kiosk, staff, manager, auditor, dashboard, operator, system
    subject: str  # the stable principal; Idempotency-Keys are its own
    office: str | None = None
    region: str | None = None
    lookup: bytes | None = None  # a citizen's number, as the vault finds it

    @property
    def by(self) -> str:
        """How facts name the caller: the role and its place, never the person."""
        return f"{self.role}@{self.office or self.region}" if self.office or self.region else self.role


class Beneficiary(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A person as a command names them. Lives in memory only: facts hold the person id."""

    number: str  # ASCII digits, checked
    kind: str  # citizen, resident or border: what the number's first digit says
    lookup: bytes  # HMAC of the number, by which the vault finds the person
    sex: str | None = None  # male or female
    name: str | None = None
    mobile: str | None = None  # E.164, checked
    language: str | None = None  # ar or en

    def __repr__(self) -> str:
        return f"Beneficiary(kind={self.kind!r})"  # never the person, whatever prints it

    def __rich_repr__(self) -> list[tuple[str, str]]:
        return [("kind", self.kind)]

    @property
    def has_contact(self) -> bool:
        return bool(self.name or self.mobile or self.language)


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Command(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    command_id: bytes  # 16 bytes: HMAC of the principal and its key
    fingerprint: bytes  # 16 bytes: keyed hash of the validated request
    caller: Caller
    at: datetime  # the time it is decided for; aware


# -- bookings ---------------------------------------------------------------------------------------------------------


class Book(Command, kw_only=True):
    booking: str  # its id, derived from the command's, so a retry is the same booking
    office: str
    service: str
    starts_at: datetime
    beneficiary: Beneficiary
    channel: str
    booker: Beneficiary | None = None


class BookGroup(Command, kw_only=True):
    bookings: tuple[Book, ...]


class Reschedule(Command, kw_only=True):
    booking: str
    starts_at: datetime
    office: str | None = None


class Cancel(Command, kw_only=True):
    booking: str
    reason: str | None = None


class RecordOutcome(Command, kw_only=True):
    booking: str
    outcome: str  # served, not_completed or no_show


class ImportVisit(Command, kw_only=True):
    """A booking of another system's history, judged by one rule: the visit's date is not before the booking's."""

    booking: str
    office: str
    service: str
    starts_at: datetime
    beneficiary: Beneficiary
    channel: str
    outcome: str
    capacity: int  # of the slot, should this be its first visit


# -- offices ----------------------------------------------------------------------------------------------------------


class RegisterRegion(Command, kw_only=True):
    region: str
    name_ar: str
    name_en: str


class RegisterService(Command, kw_only=True):
    service: str
    sector: str
    name_ar: str
    name_en: str
    audience: str
    minutes: int
    electronic: bool
    needs_visit: bool
    border_number: bool
    documents: str


class RegisterOffice(Command, kw_only=True):
    office: str
    name_ar: str
    name_en: str
    city_ar: str
    city_en: str
    region: str
    section: str
    counters: int
    sectors: tuple[str, ...] = ("civil_affairs",)
    latitude: float | None = None
    longitude: float | None = None


class AnnounceLiveDate(Command, kw_only=True):
    office: str
    live_from: date


class AssignCounters(Command, kw_only=True):
    office: str
    since: datetime
    until: datetime
    counters: int


class PublishDay(Command, kw_only=True):
    office: str
    day: date
