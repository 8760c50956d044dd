"""A freed place is offered to the first in line in the append that freed it: nobody in between can take it (POL-11).

Also how a claim ends: a hold's, an offer's, or that of a place that rests.
"""

from collections.abc import Iterable
from datetime import datetime

from domain.calendar import local_date
from domain.decision import Decision
from domain.events import (
    HoldExpired,
    HoldReleased,
    PlaceClaimed,
    PlaceHeld,
    PlaceOffered,
    PlaceReturned,
    WaitingListLeft,
)
from domain.identifiers import slot_stream
from domain.slot import SLOT, Slot, starts_of
from domain.state import Needs, State
from domain.waiting_list import Entry, WaitingList, waiting_stream


def widen(needs: Needs, state: State, office: str, freed: Iterable[datetime]) -> None:
    """Whoever frees these starts reads the waiting list, and as far around them as its longest service reaches."""
    needs.streams.add(waiting_stream(office))
    waiting = state.streams.get(waiting_stream(office))
    if isinstance(waiting, WaitingList) and waiting.entries:
        reach = max(entry.minutes for entry in waiting.entries.values()) // 15
        needs.streams |= {slot_stream(office, start + SLOT * n) for start in freed for n in range(1 - reach, reach)}


def offer_freed(
    decision: Decision, office: str, freed: Iterable[datetime], *, at: datetime, besides: str | None = None
) -> None:
    """Each in line, first come first served, is offered the earliest start that the freed places make possible.

    `besides`: a person that none of them is for.
    """
    state = decision.state
    waiting = state.waiting_list(office)
    if not waiting.entries:
        return
    freed = sorted(freed)
    for entry in list(waiting.entries.values()):
        if entry.offer is not None or entry.person == besides:
            continue
        if (starts_at := _first_fit(state, office, entry, freed, at)) is not None:
            _offer(decision, office, entry, starts_at, at=at)


def _first_fit(state: State, office: str, entry: Entry, freed: Iterable[datetime], at: datetime) -> datetime | None:
    slots = entry.minutes // 15
    for starts_at in sorted({start - SLOT * n for start in freed for n in range(slots)}):
        if not entry.waits_for(local_date(starts_at)) or starts_at - state.policy_at(at).offer_lead <= at:
            continue
        needed = [state.streams.get(slot_stream(office, start)) for start in starts_of(starts_at, entry.minutes)]
        if all(isinstance(slot, Slot) and slot.is_open and slot.free_for(entry.person, at) for slot in needed):
            return starts_at
    return None


def _offer(decision: Decision, office: str, entry: Entry, starts_at: datetime, *, at: datetime) -> None:
    policy, waiting = decision.policy, decision.state.waiting_list(office)
    expires_at = min(at + policy.offer_lives, starts_at - policy.offer_lead)
    offered = PlaceOffered(
        by="system",
        policy=policy.version,
        office=office,
        service=entry.service,
        starts_at=starts_at,
        minutes=entry.minutes,
        expires_at=expires_at,
    )
    decision.record(waiting, offered, person=entry.person, booking=entry.entry, at=at)
    for start in starts_of(starts_at, entry.minutes):
        claimed = PlaceClaimed(by="system", policy=policy.version, office=office, starts_at=start, until=expires_at)
        decision.record(decision.state.slot(slot_stream(office, start)), claimed, booking=entry.entry, at=at)


# -- the end of a claim -----------------------------------------------------------------------------------------------


def end_hold(decision: Decision, hold: str, held: PlaceHeld, person: str | None, *, by: str, at: datetime) -> None:
    """By its customer, or by the clock (`by` = system); its places go to the first in line."""
    kind = HoldExpired if by == "system" else HoldReleased
    first, *further = starts_of(held.starts_at, held.minutes)
    policy = decision.policy.version
    slot = decision.state.slot(slot_stream(held.office, first))
    ended = kind(by=by, policy=policy, office=held.office, starts_at=first)
    decision.record(slot, ended, person=person, booking=hold, at=at)
    return_places(decision, hold, held.office, further, by=by, at=at)
    offer_freed(decision, held.office, [first, *further], at=at)


def leave(decision: Decision, office: str, entry: Entry, reason: str, *, by: str, at: datetime) -> None:
    """Out of the line. What was offered goes to the next."""
    offer = entry.offer
    starts = starts_of(offer.starts_at, offer.minutes) if offer is not None else []
    waiting = decision.state.waiting_list(office)
    left = WaitingListLeft(by=by, policy=decision.policy.version, office=office, service=entry.service, reason=reason)
    decision.record(waiting, left, person=entry.person, booking=entry.entry, at=at)
    returned = return_places(decision, entry.entry, office, starts, by=by, at=at)
    offer_freed(decision, office, returned, at=at)


def return_places(
    decision: Decision, claim: str, office: str, starts: Iterable[datetime], *, by: str, at: datetime
) -> list[datetime]:
    """Those of the starts that the claim still kept."""
    kept = [start for start in starts if claim in decision.state.slot(slot_stream(office, start)).claims]
    for start in kept:
        returned = PlaceReturned(by=by, policy=decision.policy.version, office=office, starts_at=start)
        decision.record(decision.state.slot(slot_stream(office, start)), returned, booking=claim, at=at)
    return kept
