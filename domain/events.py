"""Every fact Mawid knows, in one file, grouped by life cycle. What is stored under a TOPIC is never changed.

A stored event is an envelope (`Fact`) around one of the classes below. The envelope's fields are columns of the log;
the class, as JSON, is its `state`. A new shape of an old fact is a new class with a `.v2` topic and
an upcaster (domain/upcasting.py).
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
    position: int = 0  # in the log; 0: not known here


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
    reason: str | None = None  # weekend, holiday or closure, on a closed day
    name_ar: str | None = None
    name_en: str | None = None


# -- announcements: they override the calendar ------------------------------------------------------------------------


class OfficePaused(Event, kw_only=True):
    """The office takes no booking commands until it resumes; what is booked stands."""

    TOPIC = "OfficePaused.v1"
    office: str
    reason: str | None = None  # for the public


class OfficeResumed(Event, kw_only=True):
    TOPIC = "OfficeResumed.v1"
    office: str


class ClosureAnnounced(Event, kw_only=True):
    TOPIC = "ClosureAnnounced.v1"
    office: str
    since: datetime  # the first instant that is closed
    until: datetime  # the first instant that no longer is
    reason: str


class OpeningAnnounced(Event, kw_only=True):
    """Hours in which the office opens, whatever the calendar says of these days."""

    TOPIC = "OpeningAnnounced.v1"
    office: str
    since: date
    until: date  # included
    hours: tuple[tuple[str, str], ...]  # wall times from, to: (("16:00", "18:00"),)


class DailyPauseAssigned(Event, kw_only=True):
    """A daily break, such as a prayer; from `since` on, until another takes its place."""

    TOPIC = "DailyPauseAssigned.v1"
    office: str
    since: date
    pauses: tuple[tuple[str, str], ...]  # wall times from, to; none ends the pauses


class FairReleaseAssigned(Event, kw_only=True):
    """Whether places freed in the last 24 hours before their start return after a while drawn by chance."""

    TOPIC = "FairReleaseAssigned.v1"
    office: str
    is_on: bool


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
    reason: str | None = None  # of the closure that took it


class SlotOccupied(SlotEvent, kw_only=True):
    """A booking that began in an earlier slot goes on through this one."""

    TOPIC = "SlotOccupied.v1"
    was_claimed: bool = False  # by the hold or offer that it confirms


class SlotReleased(SlotEvent, kw_only=True):
    TOPIC = "SlotReleased.v1"


# -- a place that is kept for a while: by a hold, or by an offer to the first in line ---------------------------------
#
# A hold and an entry of a waiting list carry the id (`Fact.booking`) that their booking will have.


class PlaceHeld(SlotEvent, kw_only=True):
    """The first slot of a hold. It ends by the clock alone; a fact that says so may come later, or never."""

    TOPIC = "PlaceHeld.v1"
    service: str
    minutes: int
    channel: str
    expires_at: datetime


class PlaceClaimed(SlotEvent, kw_only=True):
    """A place kept until an instant: a further slot of a hold, each slot of an offer, or a place that rests."""

    TOPIC = "PlaceClaimed.v1"
    until: datetime
    rests: bool = False  # given up in its last hours by the fact's person, whose it is not to be again


class PlaceReturned(SlotEvent, kw_only=True):
    """The end of a claim that became no booking."""

    TOPIC = "PlaceReturned.v1"


class HoldReleased(SlotEvent, kw_only=True):
    TOPIC = "HoldReleased.v1"


class HoldExpired(SlotEvent, kw_only=True):
    TOPIC = "HoldExpired.v1"


class WaitingListJoined(Event, kw_only=True):
    TOPIC = "WaitingListJoined.v1"
    office: str
    service: str
    minutes: int
    since: date  # the window of days, both included
    until: date
    channel: str
    reachable: bool = False
    section: str | None = None


class PlaceOffered(Event, kw_only=True):
    TOPIC = "PlaceOffered.v1"
    office: str
    service: str
    starts_at: datetime
    minutes: int
    expires_at: datetime


class WaitingListLeft(Event, kw_only=True):
    """`reason`: booked, declined, lapsed, left, window_ended, withdrawn (the offered start was closed) or erased."""

    TOPIC = "WaitingListLeft.v1"
    office: str
    service: str
    reason: str


# -- a booking: each fact carries where the booking stood, so that no reader has to look it up ------------------------


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
    from_hold: bool = False
    from_waiting_list: bool = False
    judged_by: str = "policy"  # "dates": imported history, judged by one rule only


class BookingMovedOut(BookingEvent, kw_only=True):
    TOPIC = "BookingMovedOut.v1"
    to_office: str
    to_starts_at: datetime
    unplaced: bool = False  # it had no place here: a closure had taken it


class BookingMovedIn(BookingEvent, kw_only=True):
    TOPIC = "BookingMovedIn.v1"
    from_office: str
    from_starts_at: datetime


class BookingCancelled(BookingEvent, kw_only=True):
    TOPIC = "BookingCancelled.v1"
    late: bool = False  # less than 24 hours before the start
    reason_given: bool = False  # the words themselves are sealed in the vault
    unplaced: bool = False  # it had no place here: a closure had taken it


class BookingDisplacedOut(BookingEvent, kw_only=True):
    """A closure, or a cut of counters, took its place. It stays confirmed; without `to_starts_at` it has no place."""

    TOPIC = "BookingDisplacedOut.v1"
    reason: str
    to_starts_at: datetime | None = None  # at the same office


class BookingDisplacedIn(BookingEvent, kw_only=True):
    TOPIC = "BookingDisplacedIn.v1"
    reason: str
    from_starts_at: datetime


# -- a visit -----------------------------------------------------------------------------------------------------------


class WalkedIn(BookingEvent, kw_only=True):
    """Somebody without a booking took a free place of the current start; they are checked in from here on."""

    TOPIC = "WalkedIn.v1"
    reference_key: str
    reachable: bool = False
    section: str | None = None


class CheckedIn(BookingEvent, kw_only=True):
    TOPIC = "CheckedIn.v1"


class CustomerCalled(BookingEvent, kw_only=True):
    TOPIC = "CustomerCalled.v1"
    waited_s: int  # since check-in, or the start where they came before it
    is_walk_in: bool = False


class OutcomeRecorded(BookingEvent, kw_only=True):
    TOPIC = "OutcomeRecorded.v1"
    outcome: str  # served, not_completed or no_show


class OutcomeCorrected(BookingEvent, kw_only=True):
    TOPIC = "OutcomeCorrected.v1"
    outcome: str  # served, not_completed or no_show
    corrected: str  # what had been recorded
    outcome_at: datetime  # when the first outcome was recorded: the day its counts stand under


# -- a person ----------------------------------------------------------------------------------------------------------


class PersonCorrected(Event, kw_only=True):
    """Staff put right what the vault holds: the values themselves are only there."""

    TOPIC = "PersonCorrected.v1"
    corrected: tuple[str, ...]  # of number, name, mobile
    kind: str | None = None  # of the new number: citizen, resident or border
    reason_given: bool = False  # the words themselves are sealed in the vault


class GuardianAppointed(Event, kw_only=True):
    """In the dependant's stream. The last one of a guardian counts: with an `until` that is past it ends what was."""

    TOPIC = "GuardianAppointed.v1"
    guardian: str  # person id
    until: date  # the last day


class ErasureRequested(Event, kw_only=True):
    """In the stream of the request. `operator`: who asked, for another has to approve."""

    TOPIC = "ErasureRequested.v1"
    request: str
    operator: str
    lapses_at: datetime


class PersonErased(Event, kw_only=True):
    """The vault has forgotten the person in the append that holds this; guardianships end with it, both ways."""

    TOPIC = "PersonErased.v1"
    request: str
    operator: str | None = None  # who approved; None: repeated after a restore, from the erasure ledger


# -- policy, operation, measurement -----------------------------------------------------------------------------------


class PolicyAdopted(Event, kw_only=True):
    TOPIC = "PolicyAdopted.v1"
    version: int
    since: date  # decisions from 00:00 of this day, office time
    rules: dict[str, object]  # as in POLICY_FILE, whole


class HourOperated(Event, kw_only=True):
    """How one API process did in one hour: what indicators B1 to B3 are made of. Minutes such as `0-14,17-59`."""

    TOPIC = "HourOperated.v1"
    since: datetime  # the hour
    process: str  # drawn by chance when it began
    minutes_watched: str  # from their first second to their last
    minutes_ready: str  # of those: it was ready throughout
    minutes_fresh: str  # of those: no view was more than 5 s behind the log
    confirmations: int  # bookings confirmed to whoever asked, one call at a time
    confirmations_prompt: int  # within 2 s


class RemindersDelivered(Event, kw_only=True):
    """What became of the reminders of one hour, once that is known of all of them: what indicator C2 is made of."""

    TOPIC = "RemindersDelivered.v1"
    since: datetime  # the hour they were first tried in
    sent: int  # those that were tried, each once, however many ways it went
    delivered: int  # by any of them


class MeasurementMade(Event, kw_only=True):
    TOPIC = "MeasurementMade.v1"
    measurement: str
    period_from: date
    period_to: date
    as_of: int  # position the inputs were read at
    values: dict[str, str]  # indicator → numerator/denominator, or an exact decimal
    given: tuple[str, ...] = ()  # those that came from outside
    source: str | None = None  # of those
    missing: tuple[str, ...] = ()
    overall_index: str | None = None  # decimal, as domain/measurement.py writes it; None: incomplete
    compared_with: str | None = None  # the measurement that an improvement is told against


class MeasurementCorrected(Event, kw_only=True):
    TOPIC = "MeasurementCorrected.v1"
    measurement: str
    overall_index: str  # published from here on; decimal
    source: str


EVENTS: tuple[type[Event], ...] = (
    RegionRegistered,
    ServiceRegistered,
    OfficeRegistered,
    LiveDateAnnounced,
    CountersAssigned,
    DayPublished,
    OfficePaused,
    OfficeResumed,
    ClosureAnnounced,
    OpeningAnnounced,
    DailyPauseAssigned,
    FairReleaseAssigned,
    SlotOpened,
    SlotResized,
    SlotWithdrawn,
    SlotOccupied,
    SlotReleased,
    PlaceHeld,
    PlaceClaimed,
    PlaceReturned,
    HoldReleased,
    HoldExpired,
    WaitingListJoined,
    PlaceOffered,
    WaitingListLeft,
    SlotBooked,
    BookingMovedOut,
    BookingMovedIn,
    BookingCancelled,
    BookingDisplacedOut,
    BookingDisplacedIn,
    WalkedIn,
    CheckedIn,
    CustomerCalled,
    OutcomeRecorded,
    OutcomeCorrected,
    PersonCorrected,
    GuardianAppointed,
    ErasureRequested,
    PersonErased,
    PolicyAdopted,
    HourOperated,
    RemindersDelivered,
    MeasurementMade,
    MeasurementCorrected,
)
