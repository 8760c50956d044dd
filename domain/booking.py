"""A booking and a person, folded from the facts that carry their tag."""

from datetime import datetime, timedelta

from domain.events import (
    BookingCancelled,
    BookingEvent,
    BookingMovedIn,
    BookingMovedOut,
    Fact,
    OutcomeRecorded,
    SlotBooked,
)


class Booking:
    """Where a booking stands now. `status` is None until its first fact."""

    __slots__ = (
        "booking",
        "channel",
        "last_at",
        "minutes",
        "office",
        "person",
        "reschedules",
        "section",
        "service",
        "starts_at",
        "status",
    )

    office: str
    service: str
    starts_at: datetime
    minutes: int
    channel: str
    reschedules: int
    section: str | None
    last_at: datetime

    def __init__(self, booking: str) -> None:
        self.booking = booking
        self.status: str | None = None
        self.person: str | None = None
        self.section = None

    @property
    def ends_at(self) -> datetime:
        return self.starts_at + timedelta(minutes=self.minutes)

    def evolve(self, fact: Fact) -> None:
        event = fact.event
        if not isinstance(event, BookingEvent):
            return  # an occupied or released further slot says nothing new about the booking
        self.last_at = fact.at
        match event:
            case BookingMovedOut():
                return  # the place it came from; where it stands is in BookingMovedIn
            case SlotBooked(section=section):
                self.status = "confirmed"
                self.person = fact.person
                self.section = section
                self.service = event.service
                self.channel = event.channel
            case BookingCancelled():
                self.status = "cancelled"
            case OutcomeRecorded(outcome=outcome):
                self.status = outcome
        self.office = event.office
        self.starts_at = event.starts_at
        self.minutes = event.minutes
        self.reschedules = event.reschedules


class Person:
    """The bookings of one beneficiary that have neither been cancelled nor had an outcome."""

    __slots__ = ("open_bookings", "person")

    def __init__(self, person: str | None) -> None:
        self.person = person  # None: a number no fact has named yet
        self.open_bookings: dict[str, tuple[str, datetime]] = {}  # booking → service, end

    def active(self, at: datetime) -> dict[str, str]:
        """Booking → service of those whose end is not past: what POL-01 and POL-02 count."""
        return {booking: service for booking, (service, ends_at) in self.open_bookings.items() if ends_at > at}

    def evolve(self, fact: Fact) -> None:
        booking = fact.booking
        match fact.event:
            case SlotBooked() | BookingMovedIn() as event:
                assert booking is not None
                self.open_bookings[booking] = (event.service, event.starts_at + timedelta(minutes=event.minutes))
            case BookingCancelled() | OutcomeRecorded():
                assert booking is not None
                self.open_bookings.pop(booking, None)
