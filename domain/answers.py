"""What a booking command is answered: a pure function of the facts it made, so that a replay answers the same again."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from domain.calendar import RIYADH, hijri
from domain.commands import BookGroup, Command
from domain.events import (
    BookingCancelled,
    BookingDisplacedOut,
    BookingEvent,
    BookingMovedOut,
    CheckedIn,
    CustomerCalled,
    Fact,
    OutcomeCorrected,
    OutcomeRecorded,
    WalkedIn,
)

#: Facts of a place that was left: where the booking stands is in the next one.
LEFT = (BookingMovedOut, BookingDisplacedOut)


def answer(command: Command, facts: Iterable[Fact]) -> dict[str, Any]:
    states = [
        booking_state(fact.booking, fact.event)
        for fact in facts
        if fact.booking is not None
        and isinstance(fact.event, BookingEvent)
        and not isinstance(fact.event, LEFT)
    ]
    return {"bookings": states} if isinstance(command, BookGroup) else states[-1]


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
