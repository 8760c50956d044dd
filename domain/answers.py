"""What a command is answered: a pure function of the facts it made, so that a replay answers the same again."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from domain.calendar import RIYADH, hijri
from domain.commands import BookGroup, CloseOffice, Command
from domain.events import (
    BookingCancelled,
    BookingDisplacedIn,
    BookingDisplacedOut,
    BookingEvent,
    BookingMovedOut,
    CheckedIn,
    CustomerCalled,
    Fact,
    OutcomeCorrected,
    OutcomeRecorded,
    SlotWithdrawn,
    WalkedIn,
)

#: Facts of a place that was left: where the booking stands is in the next one.
LEFT = (BookingMovedOut, BookingDisplacedOut)


def answer(command: Command, facts: Iterable[Fact]) -> dict[str, Any]:
    if isinstance(command, CloseOffice):
        return closure(facts)
    states = [
        booking_state(fact.booking, fact.event)
        for fact in facts
        if fact.booking is not None and isinstance(fact.event, BookingEvent) and not isinstance(fact.event, LEFT)
    ]
    return {"bookings": states} if isinstance(command, BookGroup) else states[-1]


def closure(facts: Iterable[Fact]) -> dict[str, Any]:
    """Who moved where, and who found no place, in the order in which they did. A notice is owed to each."""
    moved: list[dict[str, Any]] = []
    unplaced: list[str | None] = []
    units = 0
    for fact in facts:
        match fact.event:
            case BookingDisplacedIn(from_starts_at=left, starts_at=starts_at):
                moved.append({"booking": fact.booking, "from": _office_time(left), "to": _office_time(starts_at)})
            case BookingDisplacedOut(to_starts_at=None):
                unplaced.append(fact.booking)
            case SlotWithdrawn(capacity=capacity):
                units += capacity
    displaced = len(moved) + len(unplaced)
    told = {"displaced": displaced, "moved": moved, "unplaced": unplaced}
    return told | {"units_withdrawn": units, "notices": displaced}


def _office_time(instant: datetime) -> str:
    return instant.astimezone(RIYADH).isoformat()


def booking_state(booking: str, event: BookingEvent) -> dict[str, Any]:
    """A booking right after `event`, as JSON types."""
    state = place(booking, status_after(event), event.office, event.service, event.starts_at, event.minutes)
    state |= {"channel": event.channel, "reschedules": event.reschedules}
    if isinstance(event, BookingCancelled):
        state["late"] = event.late
    elif isinstance(event, CustomerCalled):
        state["waited_s"] = event.waited_s
    return state


def status_after(event: BookingEvent) -> str:
    match event:
        case BookingCancelled():
            return "cancelled"
        case WalkedIn() | CheckedIn() | CustomerCalled():
            return "checked_in"
        case OutcomeRecorded(outcome=outcome) | OutcomeCorrected(outcome=outcome):
            return outcome
    return "confirmed"


def place(  # noqa: PLR0917 - the parts of a booking in the order they are shown
    booking: str, status: str, office: str, service: str, starts_at: datetime, minutes: int
) -> dict[str, Any]:
    """The part of a booking that every answer shows, in office time and with its Umm al-Qura date."""
    start, end, hijri_date = _shown(starts_at, minutes)
    return {
        "booking": booking,
        "status": status,
        "office": office,
        "service": service,
        "starts_at": start,
        "ends_at": end,
        "hijri": hijri_date,
    }


@lru_cache(maxsize=8192)  # of the few thousand starts of the coming weeks
def _shown(starts_at: datetime, minutes: int) -> tuple[str, str, str | None]:
    start = starts_at.astimezone(RIYADH)
    return start.isoformat(), (start + timedelta(minutes=minutes)).isoformat(), hijri(start.date())
