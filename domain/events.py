"""Every fact Mawid knows, in one file, grouped by life cycle. What is stored under a TOPIC is never changed.

A stored event is an envelope (`Fact`) around one of the classes below. The envelope's fields are columns of the log;
the class, as JSON, is its `state`. A new shape of an old fact is a new class with a `.v2` topic and an upcaster.
No event holds personal data: a person is an id drawn by chance, whose number, name and mobile live sealed in the vault.
"""

from datetime import date, datetime
from typing import ClassVar, dataclass_transform

import msgspec


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What happened. `by`: the role that asked, such as `staff@CA-TB-01`, or `system` for the clock's own acts."""

    TOPIC: ClassVar[str]

    by: str
    policy: int = 1  # version of the policy it was decided under


class Fact(msgspec.Struct, frozen=True, gc=False):
    """An event in its stream: the library's event protocol, and the tags by which a fact is found again."""

    originator_id: str  # the stream, such as slot/CA-TB-01@2011-02-05T09:00
    originator_version: int  # 1, 2, 3 … within the stream
    at: datetime  # what it was decided for; aware
    command_id: bytes  # 16 bytes; of the command that made it
    person: str | None  # the beneficiary, where the fact is about one
    booking: str | None
    event: Event


# -- the catalogue ----------------------------------------------------------------------------------------------------


class RegionRegistered(Event, kw_only=True):
    TOPIC = "RegionRegistered.v1"
    region: str  # code, such as TB
    name_ar: str
    name_en: str


class ServiceRegistered(Event, kw_only=True):
    TOPIC = "ServiceRegistered.v1"
    service: str
    sector: str
    name_ar: str
    name_en: str
    audience: str  # citizen, resident or both
    minutes: int  # 15, 30 or 45
    electronic: bool
    needs_visit: bool  # False: nothing to book
    border_number: bool = False  # whether a visitor may book with a border number
    documents: str = ""


class OfficeRegistered(Event, kw_only=True):
    TOPIC = "OfficeRegistered.v1"
    office: str
    name_ar: str
    name_en: str
    city_ar: str
    city_en: str
    region: str
    section: str  # men, women or mixed
    counters: int
    sectors: tuple[str, ...] = ("civil_affairs",)
    latitude: float | None = None
    longitude: float | None = None


class LiveDateAnnounced(Event, kw_only=True):
    TOPIC = "LiveDateAnnounced.v1"
    office: str
    live_from: date  # takes booking commands from 00:00 of this day, office time


class CountersAssigned(Event, kw_only=True):
    TOPIC = "CountersAssigned.v1"
    office: str
    since: datetime  # the first start it holds for
    until: datetime  # the first start it no longer holds for
    counters: int


class DayPublished(Event, kw_only=True):
    TOPIC = "DayPublished.v1"
    office: str
    day: date
    starts: tuple[str, ...]  # office wall times, such as 09:15; none on a closed day
    reason: str | None = None  # weekend or holiday, on a closed day
    name_ar: str | None = None
    name_en: str | None = None


# -- a slot -----------------------------------------------------------------------------------------------------------


class SlotEvent(Event, kw_only=True):
    office: str
    starts_at: datetime  # office time


class SlotOpened(SlotEvent, kw_only=True):
    TOPIC = "SlotOpened.v1"
    capacity: int  # open counters


class SlotResized(SlotEvent, kw_only=True):
    TOPIC = "SlotResized.v1"
    capacity: int


class SlotWithdrawn(SlotEvent, kw_only=True):
    TOPIC = "SlotWithdrawn.v1"
    capacity: int  # what was taken away


class SlotOccupied(SlotEvent, kw_only=True):
    """A booking that began in an earlier slot goes on through this one."""

    TOPIC = "SlotOccupied.v1"


class SlotReleased(SlotEvent, kw_only=True):
    TOPIC = "SlotReleased.v1"


# -- a booking: each fact carries where the booking stood, so that no reader has to look it up -------------------------


class BookingEvent(SlotEvent, kw_only=True):
    service: str
    minutes: int
    channel: str
    reschedules: int = 0  # made so far


class SlotBooked(BookingEvent, kw_only=True):
    TOPIC = "SlotBooked.v1"
    reference_key: str  # id of the key that derives the booking's reference
    reachable: bool = False  # a valid mobile was given
    section: str | None = None  # the beneficiary's, where the office asked for it
    booker: str | None = None  # person id of whoever booked for the beneficiary
    judged_by: str = "policy"  # "dates": imported history, judged by one rule only


class BookingMovedOut(BookingEvent, kw_only=True):
    TOPIC = "BookingMovedOut.v1"
    to_office: str
    to_starts_at: datetime


class BookingMovedIn(BookingEvent, kw_only=True):
    TOPIC = "BookingMovedIn.v1"
    from_office: str
    from_starts_at: datetime


class BookingCancelled(BookingEvent, kw_only=True):
    TOPIC = "BookingCancelled.v1"
    late: bool = False  # less than 24 hours before the start
    reason_given: bool = False  # the words themselves are sealed in the vault


class OutcomeRecorded(BookingEvent, kw_only=True):
    TOPIC = "OutcomeRecorded.v1"
    outcome: str  # served, not_completed or no_show


EVENTS: tuple[type[Event], ...] = (
    RegionRegistered,
    ServiceRegistered,
    OfficeRegistered,
    LiveDateAnnounced,
    CountersAssigned,
    DayPublished,
    SlotOpened,
    SlotResized,
    SlotWithdrawn,
    SlotOccupied,
    SlotReleased,
    SlotBooked,
    BookingMovedOut,
    BookingMovedIn,
    BookingCancelled,
    OutcomeRecorded,
)
