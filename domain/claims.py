"""The end of a claim whose start is taken away: a hold, an offer to someone in line, or a place that rests."""

from domain import offers
from domain.decision import Decision
from domain.identifiers import slot_stream
from domain.slot import Slot, starts_of
from domain.state import Needs, State


def widen(needs: Needs, state: State, slot: Slot, claim: str) -> None:
    """What ending the claim found in `slot` reads, once its booking is known."""
    booking = state.bookings[claim]
    starts = [slot.starts_at]
    if booking.claimed_until is not None:
        starts = starts_of(booking.starts_at, booking.minutes)
        needs.streams |= {slot_stream(slot.office, start) for start in starts}
    offers.widen(needs, state, slot.office, starts)


def end_claim(decision: Decision, slot: Slot, claim: str) -> None:
    """In all of its slots; those that stay open go to the first in line. Who was offered it leaves the line."""
    state, command, office = decision.state, decision.command, slot.office
    by, at, booking = command.caller.by, command.at, state.bookings[claim]
    entry = state.waiting_list(office).entries.get(claim)
    if entry is not None:
        offers.leave(decision, office, entry, "withdrawn", by=by, at=at)
    elif booking.hold is not None and booking.claimed_until is not None:
        offers.end_hold(decision, claim, booking.hold, booking.person, by=by, at=at)
    else:
        offers.return_places(decision, claim, office, [slot.starts_at], by=by, at=at)
