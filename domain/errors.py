"""Why a command is refused: the class is the reason, the fields are the evidence, the sentence is for people.

`name` is the last part of the problem's `type`. HTTP status codes live in api/problems.py.
"""

from typing import Any, ClassVar

import msgspec


class Refused(Exception):
    """A command that is not carried out. It changes nothing and is answered the same way for 24 hours."""

    name: ClassVar[str]

    @property
    def evidence(self) -> dict[str, Any]:
        """The fields that prove the reason, as JSON types."""
        return {key: value for key, value in vars(self).items() if value is not None}


class InvalidRequest(Refused):
    name = "invalid-request"

    def __init__(self, field: str, problem: str, index: int | None = None) -> None:
        self.field, self.problem, self.index = field, problem, index
        super().__init__(f"{field}: {problem}")


class NotFound(Refused):
    name = "not-found"

    def __init__(self) -> None:
        super().__init__("there is no such thing, or it is not yours to see")


class NotTheirDependant(Refused):
    """Of a citizen who asks for a number that is not their own."""

    name = "forbidden"

    def __init__(self, until: str | None) -> None:
        self.until = until
        ended = f"; the guardianship ended with {until}" if until is not None else ""
        super().__init__(f"a citizen asks for their own number, or for a dependant of theirs{ended}")


class OfficeNotLive(Refused):
    name = "office-not-live"

    def __init__(self, office: str, live_from: str | None) -> None:
        self.office, self.live_from = office, live_from
        super().__init__(f"{office} takes bookings from {live_from or 'a day not yet announced'}")


class OfficeIsPaused(Refused):
    """Until it resumes; what is booked stands."""

    name = "office-not-live"

    def __init__(self, office: str) -> None:
        self.office, self.paused = office, True
        super().__init__(f"{office} takes no bookings for now")


class ServiceNotOffered(Refused):
    name = "service-not-offered"

    def __init__(self, office: str, service: str, channel: str | None = None, opens_at: str | None = None) -> None:
        self.office, self.service, self.channel, self.opens_at = office, service, channel, opens_at
        over = f" over {channel}" if channel else ""
        until = f" before {opens_at}" if opens_at else ""
        super().__init__(f"{service} cannot be booked at {office}{over}{until}")


class Audience(Refused):
    name = "audience"

    def __init__(self, service: str, audience: str) -> None:
        self.service, self.audience = service, audience
        super().__init__(f"{service} is for {audience} numbers")


class Section(Refused):
    name = "section"

    def __init__(self, office: str, section: str) -> None:
        self.office, self.section = office, section
        super().__init__(f"{office} serves {section}")


class SlotInThePast(Refused):
    name = "slot-in-the-past"

    def __init__(self, starts_at: str) -> None:
        self.starts_at = starts_at
        super().__init__(f"{starts_at} has begun")


class VisitBeforeBooking(Refused):
    """Of imported history: the one rule it is judged by."""

    name = "slot-in-the-past"

    def __init__(self, visit: str, booked: str) -> None:
        self.visit, self.booked = visit, booked
        super().__init__(f"the visit's date, {visit}, is before the booking's, {booked}")


class TooLateToBook(Refused):
    name = "too-late-to-book"

    def __init__(self, starts_at: str, last_moment: str) -> None:
        self.starts_at, self.last_moment = starts_at, last_moment
        super().__init__(f"{starts_at} could be booked until {last_moment}")


class BeyondHorizon(Refused):
    name = "beyond-horizon"

    def __init__(self, starts_at: str, last_day: str) -> None:
        self.starts_at, self.last_day = starts_at, last_day
        super().__init__(f"bookings are taken up to {last_day}")


class Banned(Refused):
    name = "banned"

    def __init__(self, service: str | None, until: str, no_shows: list[str]) -> None:
        self.service, self.until, self.no_shows = service, until, no_shows
        super().__init__(f"{service or 'every service'} is barred until {until}, the last day")


class ActiveBookingExists(Refused):
    name = "active-booking-exists"

    def __init__(self, booking: str, service: str) -> None:
        self.booking, self.service = booking, service
        super().__init__(f"there is an active booking for {service}: {booking}")


class TooManyActiveBookings(Refused):
    name = "too-many-active-bookings"

    def __init__(self, active: int, most: int) -> None:
        self.active, self.most = active, most
        super().__init__(f"{active} bookings are active and {most} are allowed")


class SlotClosed(Refused):
    name = "slot-closed"

    def __init__(self, slot: str, reason: str | None = None, announced: str | None = None) -> None:
        """`reason`: weekend, holiday or closure; `announced`: the words of the closure."""
        self.slot, self.reason, self.announced = slot, reason, announced
        super().__init__(f"{slot} is closed")


class SlotNotPublished(Refused):
    name = "slot-not-published"

    def __init__(self, slot: str) -> None:
        self.slot = slot
        super().__init__(f"{slot} is not published")


class SlotFull(Refused):
    name = "slot-full"

    """`share`: the places that one channel may take there, all taken though others may be free."""

    def __init__(self, slot: str, capacity: int, channel: str | None = None, share: int | None = None) -> None:
        self.slot, self.capacity, self.channel, self.share = slot, capacity, channel, share
        most = f"{capacity} bookings" if channel is None else f"{share} bookings over {channel}"
        super().__init__(f"{slot} already holds its {most}")


class OnlyTheirOwnFreed(Refused):
    """At an office that releases fairly."""

    name = "slot-full"

    def __init__(self, slot: str, capacity: int, freed: int) -> None:
        self.slot, self.capacity, self.freed = slot, capacity, freed
        super().__init__(f"{slot} has {freed} free places, which are those that the same person gave up")


class CapacityInUse(Refused):
    name = "slot-full"

    def __init__(self, slot: str, booked: int, counters: int) -> None:
        self.slot, self.booked, self.counters = slot, booked, counters
        super().__init__(f"{slot} holds {booked} bookings and cannot be cut to {counters}")


class AlreadyCancelled(Refused):
    name = "already-cancelled"

    def __init__(self, booking: str) -> None:
        self.booking = booking
        super().__init__(f"{booking} is cancelled")


class AlreadyCheckedIn(Refused):
    name = "already-checked-in"

    def __init__(self, booking: str, status: str) -> None:
        self.booking, self.status = booking, status
        super().__init__(f"{booking} is {status}")


class RescheduleLimit(Refused):
    name = "reschedule-limit"

    def __init__(self, booking: str, reschedules: int) -> None:
        self.booking, self.reschedules = booking, reschedules
        super().__init__(f"{booking} has been rescheduled {reschedules} times")


class TooLateToReschedule(Refused):
    name = "too-late-to-reschedule"

    def __init__(self, booking: str, last_moment: str) -> None:
        self.booking, self.last_moment = booking, last_moment
        super().__init__(f"{booking} could be rescheduled until {last_moment}")


class TooLateToCancel(Refused):
    name = "too-late-to-cancel"

    def __init__(self, booking: str, starts_at: str) -> None:
        self.booking, self.starts_at = booking, starts_at
        super().__init__(f"{booking} began at {starts_at}")


class HoldExpired(Refused):
    """Of a hold, or of an offer to someone on a waiting list."""

    name = "hold-expired"

    def __init__(self, hold: str, expires_at: str) -> None:
        self.hold, self.expires_at = hold, expires_at
        super().__init__(f"{hold} was kept until {expires_at}")


class WaitingListFull(Refused):
    name = "slot-full"

    def __init__(self, office: str, waiting: int) -> None:
        self.office, self.waiting = office, waiting
        super().__init__(f"{waiting} wait at {office} already")


class NotDisplaceable(Refused):
    name = "not-displaceable"

    def __init__(self, booking: str, reason: str) -> None:
        self.booking, self.reason = booking, reason
        super().__init__(f"{booking} cannot be moved: {reason}")


class NoShowTooEarly(Refused):
    name = "no-show-too-early"

    def __init__(self, booking: str, earliest: str) -> None:
        self.booking, self.earliest = booking, earliest
        super().__init__(f"{booking} is no no-show before {earliest}")


class SecondOperatorNeeded(Refused):
    """Whoever asked for an erasure cannot approve it."""

    name = "second-operator-needed"

    def __init__(self, request: str) -> None:
        self.request = request
        super().__init__(f"the erasure {request} is approved by another operator than the one who asked for it")


class ErasureLapsed(Refused):
    name = "erasure-lapsed"

    def __init__(self, request: str, lapsed_at: str) -> None:
        self.request, self.lapsed_at = request, lapsed_at
        super().__init__(f"the erasure {request} could be approved until {lapsed_at}; ask for it again")


class KeyReused(Refused):
    """Never stored: the first command of the key keeps its answer."""

    name = "idempotency-key-reused"

    def __init__(self) -> None:
        super().__init__("this Idempotency-Key was used for another request")


class Refusal(msgspec.Struct, frozen=True):
    """A refusal as it is stored and answered."""

    name: str
    detail: str
    evidence: dict[str, Any]

    @classmethod
    def of(cls, refused: Refused) -> "Refusal":
        return cls(refused.name, str(refused), refused.evidence)
