"""A booking and a person, folded from the facts that carry their tag."""

from datetime import date, datetime, timedelta
from functools import cache
from typing import NamedTuple

from domain.events import (
    BookingCancelled,
    BookingDisplacedIn,
    BookingDisplacedOut,
    BookingEvent,
    BookingMovedIn,
    BookingMovedOut,
    CheckedIn,
    CustomerCalled,
    ErasureRequested,
    Event,
    Fact,
    GuardianAppointed,
    HoldExpired,
    HoldReleased,
    OutcomeCorrected,
    OutcomeRecorded,
    PersonErased,
    PlaceHeld,
    PlaceOffered,
    SlotBooked,
    WaitingListJoined,
    WaitingListLeft,
    WalkedIn,
)

ARRIVED = (WalkedIn, CheckedIn)
#: Statuses of a booking that has an outcome.
OUTCOMES = frozenset({"served", "not_completed", "no_show"})


@cache
def visit_length(minutes: int) -> timedelta:
    return timedelta(minutes=minutes)


class Booking:
    """Where a booking stands now. Until it is confirmed `status` is None: it may be a hold, or wait in line."""

    __slots__ = (
        "booking",
        "called_at",
        "channel",
        "checked_in_at",
        "has_place",
        "hold",
        "is_walk_in",
        "joined",
        "last_at",
        "left",
        "minutes",
        "offer",
        "office",
        "order",
        "outcome_at",
        "person",
        "reschedules",
        "section",
        "service",
        "starts_at",
        "status",
        "terms",
    )

    office: str
    service: str
    starts_at: datetime
    minutes: int
    channel: str
    reschedules: int
    last_at: datetime
    order: int  # position of its first confirmation: who booked before whom

    def __init__(self, booking: str) -> None:
        self.booking = booking
        self.status: str | None = None
        self.person: str | None = None
        self.section: str | None = None
        self.terms = 1  # version of the policy it was made under
        self.has_place = True  # False: a hold that ended, or displaced and no start was free
        self.is_walk_in = False
        self.checked_in_at: datetime | None = None
        self.called_at: datetime | None = None
        self.outcome_at: datetime | None = None  # when it was first recorded, whatever was corrected since
        self.hold: PlaceHeld | None = None  # what it began as; with `has_place` a fact has not ended it yet
        self.joined: WaitingListJoined | None = None  # a waiting list, with this id as the entry's
        self.offer: PlaceOffered | None = None  # the last one
        self.left: str | None = None  # why the entry has left the list

    @property
    def ends_at(self) -> datetime:
        return self.starts_at + visit_length(self.minutes)

    @property
    def is_unplaced(self) -> bool:
        """A closure took its place, no other start was free, and nothing has become of it since."""
        return self.status == "confirmed" and not self.has_place

    @property
    def claimed_until(self) -> datetime | None:
        """Until when it keeps a place without being confirmed: a hold, or an offer that has not been answered."""
        if self.status is not None:
            return None
        if self.hold is not None:
            return self.hold.expires_at if self.has_place else None
        return self.offer.expires_at if self.offer is not None and self.left is None else None

    def evolve(self, fact: Fact) -> None:
        event = fact.event
        if not isinstance(event, BookingEvent):
            self._evolve_before_confirmation(fact, event)
            return
        self.last_at = fact.at
        match event:
            case BookingMovedOut():
                return  # the place it came from; where it stands is in BookingMovedIn
            case SlotBooked(section=section):
                self.status, self.order = "confirmed", fact.position
                self.person = fact.person
                self.section = section
                self.service = event.service
                self.channel = event.channel
                self.terms = event.policy
            case WalkedIn(section=section):
                self.status, self.is_walk_in, self.checked_in_at = "checked_in", True, fact.at
                self.order = fact.position
                self.person, self.section = fact.person, section
                self.service, self.channel, self.terms = event.service, event.channel, event.policy
            case BookingDisplacedOut(to_starts_at=to):
                self.has_place = to is not None
                return
            case BookingMovedIn() | BookingDisplacedIn():
                self.has_place = True
            case CheckedIn():
                self.status, self.checked_in_at = "checked_in", fact.at
            case CustomerCalled():
                self.called_at = fact.at
            case BookingCancelled():
                self.status = "cancelled"
            case OutcomeRecorded(outcome=outcome):
                self.status, self.outcome_at = outcome, fact.at
            case OutcomeCorrected(outcome=outcome):
                self.status = outcome
        self.office = event.office
        self.starts_at = event.starts_at
        self.minutes = event.minutes
        self.reschedules = event.reschedules

    def _evolve_before_confirmation(self, fact: Fact, event: Event) -> None:
        """Holds and waiting lists; an occupied or released further slot says nothing new about the booking."""
        match event:
            case PlaceHeld():
                self.hold, self.person, self.last_at = event, fact.person, fact.at
                self.office, self.service, self.channel = event.office, event.service, event.channel
                self.starts_at, self.minutes, self.reschedules = event.starts_at, event.minutes, 0
            case HoldReleased() | HoldExpired():
                self.has_place, self.last_at = False, fact.at
            case WaitingListJoined(section=section):
                self.joined, self.person, self.section, self.last_at = event, fact.person, section, fact.at
                self.office, self.service, self.channel = event.office, event.service, event.channel
            case PlaceOffered(starts_at=starts_at, minutes=minutes):
                self.offer, self.last_at = event, fact.at
                self.starts_at, self.minutes, self.reschedules = starts_at, minutes, 0
            case WaitingListLeft(reason=reason):
                self.left, self.last_at = reason, fact.at


class OpenBooking(NamedTuple):
    """A booking that has neither been cancelled nor had an outcome."""

    service: str
    office: str
    starts_at: datetime
    ends_at: datetime
    is_checked_in: bool
    has_place: bool = True  # False: displaced, and no start was free


class Person:
    """What the rules about a beneficiary are judged by."""

    __slots__ = (
        "erasure",
        "guardians",
        "holds",
        "is_erased",
        "no_shows",
        "offices",
        "open_bookings",
        "person",
        "waiting",
    )

    def __init__(self, person: str | None) -> None:
        self.person = person  # None: a number no fact has named yet
        self.open_bookings: dict[str, OpenBooking] = {}
        self.holds: dict[str, PlaceHeld] = {}  # as long as no fact has ended them
        self.waiting: dict[str, WaitingListJoined] = {}
        self.no_shows: dict[str, tuple[str, datetime]] = {}  # booking → service, start
        self.guardians: dict[str, date] = {}  # guardian → last day
        self.offices: tuple[str, ...] = ()  # where a booking of theirs stands or once stood
        self.erasure: ErasureRequested | None = None  # the last one asked for
        self.is_erased = False

    def active(self, at: datetime) -> dict[str, str]:
        """Booking → service of those whose end is not past: what POL-01 and POL-02 count."""
        return {booking: open_.service for booking, open_ in self.open_bookings.items() if open_.ends_at > at}

    def overdue(self, at: datetime) -> dict[str, OpenBooking]:
        """Bookings whose time has passed without a check-in: at their office's close they are no-shows (POL-08).

        Who was displaced and found no other start has missed nothing.
        """
        return {
            booking: open_
            for booking, open_ in self.open_bookings.items()
            if open_.ends_at <= at and not open_.is_checked_in and open_.has_place
        }

    def has_guardian(self, guardian: str, day: date) -> bool:
        """POL-14: up to the last day of the guardianship, that day included."""
        until = self.guardians.get(guardian)
        return until is not None and day <= until

    def evolve(self, fact: Fact) -> None:
        booking, event = fact.booking, fact.event
        match event:
            case SlotBooked() | BookingMovedIn() | BookingDisplacedIn() | WalkedIn() | CheckedIn():
                assert booking is not None
                ends_at = event.starts_at + visit_length(event.minutes)
                is_checked_in = isinstance(event, ARRIVED)
                self.open_bookings[booking] = OpenBooking(
                    event.service, event.office, event.starts_at, ends_at, is_checked_in
                )
                if self.holds:
                    self.holds.pop(booking, None)
                if event.office not in self.offices:
                    self.offices += (event.office,)
            case BookingDisplacedOut(to_starts_at=None):
                assert booking is not None
                self.open_bookings[booking] = self.open_bookings[booking]._replace(has_place=False)
            case BookingCancelled():
                assert booking is not None
                self.open_bookings.pop(booking, None)
            case OutcomeRecorded(outcome=outcome) | OutcomeCorrected(outcome=outcome):
                assert booking is not None
                self.open_bookings.pop(booking, None)
                self.no_shows.pop(booking, None)
                if outcome == "no_show":
                    self.no_shows[booking] = event.service, event.starts_at
            case PlaceHeld():
                assert booking is not None
                self.holds[booking] = event
            case HoldReleased() | HoldExpired():
                assert booking is not None
                self.holds.pop(booking, None)
            case WaitingListJoined():
                assert booking is not None
                self.waiting[booking] = event
            case WaitingListLeft():
                assert booking is not None
                self.waiting.pop(booking, None)
            case GuardianAppointed(guardian=guardian, until=until):
                self.guardians[guardian] = until
            case ErasureRequested():
                self.erasure = event
            case PersonErased():
                self.is_erased = True
                self.guardians.clear()
