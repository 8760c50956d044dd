"""How many counters an office has open, up or down for a time: a cut is refused, or moves what no longer fits."""

from collections.abc import Sequence
from datetime import datetime
from itertools import islice

from domain import offers
from domain.booking import Booking
from domain.calendar import local_date
from domain.commands import AssignCounters
from domain.decision import Decision
from domain.displacement import (
    Capacities,
    Leaving,
    Move,
    displace,
    figures,
    hand_on,
    in_order,
    may_be_displaced,
    moves_of,
    needs_of_change,
)
from domain.errors import InvalidRequest, NotDisplaceable
from domain.events import CountersAssigned
from domain.identifiers import slot_stream
from domain.office import Office
from domain.publication import known_office
from domain.slot import SLOT, Slot
from domain.state import Needs, State

#: Slots one command may change; a longer range is asked for in parts.
SLOTS_MAX = 1_000
#: What a displaced booking's facts say.
REASON = "counters"


def needs_of_counters(command: AssignCounters, state: State) -> Needs:
    streams = {f"office/{command.office}"}
    office = state.office(command.office)
    starts = _starts(office, command) if office is not None else []
    if office is None or len(starts) > SLOTS_MAX:  # refused before any is read
        return Needs(streams=streams)
    needs = Needs(streams={slot_stream(command.office, start) for start in starts})
    if command.displace:
        needs = needs_of_change(state, office, dict.fromkeys(starts, command.counters), _leaving, command.at)
    needs.streams |= streams
    offers.widen(needs, state, command.office, starts)
    return needs


def assign_counters(command: AssignCounters, state: State, decision: Decision) -> None:
    """A cut below what is booked is refused whole, or moves the last in booking order until the rest fits."""
    office, by, policy = known_office(state, command.office), command.caller.by, decision.policy.version
    if command.until <= command.since:
        raise InvalidRequest("to", "is not after `from`")
    starts = _starts(office, command)
    if len(starts) > SLOTS_MAX:
        raise InvalidRequest("to", f"the range holds more than {SLOTS_MAX} slots")

    capacities = dict.fromkeys(starts, command.counters)
    slots = {start: state.slot(slot_stream(command.office, start)) for start in starts}
    leaving = Leaving((), {})
    moves: Sequence[Move] = ()
    if command.displace:
        leaving = _leaving(state, office, capacities, command.at)
        if leaving.stuck is not None:
            raise NotDisplaceable(leaving.stuck.booking, leaving.stuck.status or "held")
        moves = moves_of(state, office, capacities, leaving, command.at)
    else:
        for slot in slots.values():
            slot.refuse_cut(command.counters, command.at)

    assigned = CountersAssigned(
        by=by,
        policy=policy,
        office=command.office,
        since=command.since,
        until=command.until,
        counters=command.counters,
    )
    decision.record(office, assigned)
    for move in moves:
        displace(decision, move, reason=REASON)
    changed = withdrawn = 0
    for start, slot in slots.items():
        before = slot.capacity
        for event in slot.resize(command.counters, by=by, policy=policy, office=command.office, starts_at=start):
            decision.record(slot, event)
            changed, withdrawn = changed + 1, withdrawn + max(0, before - command.counters)
    hand_on(decision, command.office, leaving, moves)
    offers.offer_freed(decision, command.office, starts, at=command.at)
    decision.said = {"office": command.office, "counters": command.counters, "slots": changed}
    if command.displace:
        decision.said |= figures(moves, withdrawn)


def _starts(office: Office, command: AssignCounters) -> list[datetime]:
    """The published starts of the range that are not over, in order; one more than allowed is enough."""
    every = office.starts_ever(local_date(command.since), local_date(command.until))
    within = (start for start in every if command.since <= start < command.until and start + SLOT > command.at)
    return list(islice(within, SLOTS_MAX + 1))


def _leaving(state: State, office: Office, capacities: Capacities, at: datetime) -> Leaving:
    """Slot by slot, the last first until the rest fits: what is held or offered before what is booked."""
    assert office.registered is not None
    displaced: dict[str, Booking] = {}
    ended: dict[str, Slot] = {}
    for start, capacity in capacities.items():
        slot = state.slot(slot_stream(office.registered.office, start))
        if not slot.is_open:
            continue
        claims = [claim for claim, until in slot.claims.items() if until > at and claim not in ended]
        booked = [state.bookings[booking] for booking in slot.places if booking not in displaced]
        over = len(booked) + len(claims) - capacity
        if over <= 0:
            continue
        ended |= dict.fromkeys(claims[::-1][:over], slot)
        over -= min(over, len(claims))
        movable = sorted((each for each in booked if may_be_displaced(each, at)), key=lambda each: each.order)
        if over > len(movable):
            return Leaving((), {}, stuck=min(set(booked) - set(movable), key=lambda each: each.order))
        displaced |= {each.booking: each for each in movable[len(movable) - over :]}
    return Leaving(in_order(list(displaced.values())), ended)
