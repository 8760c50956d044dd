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
    token: str | None = None  # id of the token it came with

    @property
    def signatory(self) -> str:
        """Who answers for an act that takes two: their name, or the token itself where it bears none."""
        return self.subject if self.subject != self.role or self.token is None else f"{self.role}/{self.token}"

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
    hold: str | None = None  # confirmed by this booking, which then has its id


class BookGroup(Command, kw_only=True):
    bookings: tuple[Book, ...]


class Reschedule(Command, kw_only=True):
    booking: str
    starts_at: datetime
    office: str | None = None


class Cancel(Command, kw_only=True):
    booking: str
    reason: str | None = None


# -- holds and waiting lists ------------------------------------------------------------------------------------------


class PlaceHold(Command, kw_only=True):
    hold: str  # its id, which will be the booking's
    office: str
    service: str
    starts_at: datetime
    beneficiary: Beneficiary
    channel: str


class ReleaseHold(Command, kw_only=True):
    hold: str


class JoinWaitingList(Command, kw_only=True):
    entry: str  # its id, which will be the booking's
    office: str
    service: str
    since: date
    until: date  # included
    beneficiary: Beneficiary
    channel: str


class AcceptOffer(Command, kw_only=True):
    entry: str


class LeaveWaitingList(Command, kw_only=True):
    """Also declines what was offered."""

    entry: str


# -- visits -----------------------------------------------------------------------------------------------------------


class WalkIn(Command, kw_only=True):
    booking: str
    office: str
    service: str
    beneficiary: Beneficiary
    channel: str


class CheckIn(Command, kw_only=True):
    booking: str


class CallNext(Command, kw_only=True):
    office: str


class RecordOutcome(Command, kw_only=True):
    booking: str
    outcome: str  # served, not_completed or no_show


class CorrectOutcome(Command, kw_only=True):
    booking: str
    outcome: str
    reason: str


class DueAct(Command, kw_only=True):
    """Nobody's: what the clock has decided, at the time it was due."""


class SettleDay(Command, kw_only=True):
    """The sweep: record what the clock has decided at an office's day, such as no-shows after its close."""

    office: str
    day: date


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
    displace: bool = False  # move what no longer fits; else a cut below what is booked is refused


class PublishDay(Command, kw_only=True):
    office: str
    day: date


class CloseOffice(Command, kw_only=True):
    """The slots from `since` to before `until` are taken away, and who is booked there moves."""

    office: str
    since: datetime
    until: datetime
    reason: str
    preview: bool = False  # only say what would happen
    among: tuple[str, ...] = ()  # all offices of the announcement: it is refused whole if one does not exist


class AnnounceOpening(Command, kw_only=True):
    office: str
    since: date
    until: date  # included
    hours: tuple[tuple[str, str], ...]  # wall times from, to
    among: tuple[str, ...] = ()  # as above


class PauseOffice(Command, kw_only=True):
    office: str
    reason: str | None = None


class ResumeOffice(Command, kw_only=True):
    office: str


class AssignDailyPause(Command, kw_only=True):
    office: str
    since: date
    pauses: tuple[tuple[str, str], ...]


class AssignFairRelease(Command, kw_only=True):
    office: str
    is_on: bool


# -- persons ----------------------------------------------------------------------------------------------------------


class CorrectPerson(Command, kw_only=True):
    """Staff put right a number, a name or a mobile."""

    person: Beneficiary  # under the number the vault has; name and mobile as they should be
    new_number: Beneficiary | None = None  # the number as it should be: it was wrong, or iqama → national id
    reason: str | None = None


class AppointGuardian(Command, kw_only=True):
    guardian: Beneficiary
    dependant: Beneficiary
    until: date  # the last day


class RequestErasure(Command, kw_only=True):
    request: str  # its id, derived from the command's
    person: Beneficiary
    lapses_at: datetime  # if nobody has approved by then


class ApproveErasure(Command, kw_only=True):
    request: str


class RepeatErasure(Command, kw_only=True):
    """Of the instance itself: the database was restored from before an erasure that was carried out."""

    request: str
    person: str


# -- policy, operation, measurement -----------------------------------------------------------------------------------


class AdoptPolicy(Command, kw_only=True):
    since: date
    rules: dict[str, object]


class RecordOperation(Command, kw_only=True):
    since: datetime  # the hour
    process: str
    minutes_watched: str  # such as 0-14,17-59
    minutes_ready: str
    minutes_fresh: str
    confirmations: int
    confirmations_prompt: int


class RecordReminders(Command, kw_only=True):
    since: datetime  # the hour
    sent: int
    delivered: int


class MakeMeasurement(Command, kw_only=True):
    measurement: str
    period_from: date
    period_to: date
    as_of: int
    values: dict[str, str]
    given: tuple[str, ...] = ()
    source: str | None = None
    compared_with: str | None = None


class CorrectMeasurement(Command, kw_only=True):
    measurement: str
    overall_index: str
    source: str
