"""Which facts a citizen is told of, and until when telling them makes sense."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from domain.booking import Booking
from domain.events import (
    BookingCancelled,
    BookingDisplacedIn,
    BookingDisplacedOut,
    BookingMovedIn,
    Event,
    Fact,
    PlaceOffered,
    SlotBooked,
)


class Kind(StrEnum):
    CONFIRMATION = "confirmation"
    CHANGE = "change"
    CANCELLATION = "cancellation"
    DISPLACEMENT = "displacement"
    UNPLACED = "unplaced"  # displaced, and no other start was free
    OFFER = "offer"
    REMINDER = "reminder"


class Notice(NamedTuple):
    """That a person is to be told of a fact. It is one message, whatever becomes of it: position and kind name it."""

    position: int
    kind: Kind
    person: str
    booking: str  # or the entry of a waiting list


class Outdated(StrEnum):
    SUPERSEDED = "superseded"  # a later fact says otherwise
    PAST = "past"  # the visit has begun, or the offer has lapsed
    ENDED = "ended"  # cancelled, checked in, or with an outcome
    LATE = "late"  # so long after the fact that it would be no news


#: What the person has asked for themselves, and knows without being told days later.
_NEWS_OF_THEIR_OWN: Final = frozenset({Kind.CONFIRMATION, Kind.CHANGE, Kind.CANCELLATION})


def notice_of(fact: Fact) -> Notice | None:
    """Most facts are nobody's message. A reminder is no fact's: see `reminder_of`."""
    kind = kind_of(fact.event)
    if kind is None or fact.person is None or fact.booking is None:
        return None
    return Notice(fact.position, kind, fact.person, fact.booking)


def kind_of(event: Event) -> Kind | None:
    match event:
        case SlotBooked(judged_by="policy"):
            return Kind.CONFIRMATION
        case BookingMovedIn():
            return Kind.CHANGE
        case BookingCancelled():
            return Kind.CANCELLATION
        case BookingDisplacedIn():
            return Kind.DISPLACEMENT
        case BookingDisplacedOut(to_starts_at=None):
            return Kind.UNPLACED
        case PlaceOffered():
            return Kind.OFFER
    return None


def reminder_of(fact: Fact) -> Notice | None:
    """Of the visit that the fact has fixed the start of: moved, it is reminded of anew."""
    if isinstance(fact.event, SlotBooked | BookingMovedIn | BookingDisplacedIn) and fact.person and fact.booking:
        return Notice(fact.position, Kind.REMINDER, fact.person, fact.booking)
    return None


def outdated(notice: Notice, facts: Sequence[Fact], now: datetime, late_after: timedelta) -> Outdated | None:
    """Judged by all facts of the booking there are when the message would be sent. None: it is still true."""
    cause = next(fact for fact in facts if fact.position == notice.position)
    booking = Booking(notice.booking)
    for fact in facts:
        booking.evolve(fact)
    if notice.kind is Kind.OFFER:
        return _outdated_offer(cause, booking, now)
    if any(fact.position > notice.position and _supersedes(fact) for fact in facts):
        return Outdated.ENDED if notice.kind is Kind.REMINDER and booking.status == "cancelled" else Outdated.SUPERSEDED
    if notice.kind is not Kind.CANCELLATION and booking.status != "confirmed":
        return Outdated.ENDED
    if booking.starts_at <= now:
        return Outdated.PAST
    if notice.kind in _NEWS_OF_THEIR_OWN and cause.at + late_after < now:
        return Outdated.LATE
    return None


def _supersedes(fact: Fact) -> bool:
    kind = kind_of(fact.event)
    return kind is not None and kind is not Kind.OFFER


def _outdated_offer(cause: Fact, entry: Booking, now: datetime) -> Outdated | None:
    assert isinstance(cause.event, PlaceOffered)
    if entry.status is not None or entry.left is not None:
        return Outdated.ENDED
    if entry.offer != cause.event:
        return Outdated.SUPERSEDED
    return Outdated.PAST if cause.event.expires_at <= now else None
