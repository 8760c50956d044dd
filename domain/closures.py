"""An office closes for some days or hours: its slots are taken away, and who is booked in them moves (POL-16)."""

from datetime import datetime
from itertools import islice

from domain.calendar import RIYADH, local_date
from domain.commands import CloseOffice
from domain.decision import Decision
from domain.displacement import (
    Capacities,
    Leaving,
    displace,
    figures,
    hand_on,
    in_order,
    may_be_displaced,
    moves_of,
    needs_of_change,
)
from domain.errors import InvalidRequest
from domain.events import ClosureAnnounced, DayPublished, SlotWithdrawn
from domain.identifiers import slot_stream
from domain.office import Office, closes
from domain.publication import known_office, refuse_unknown_offices
from domain.slot import SLOT
from domain.state import Needs, State
from domain.timetable import current_start, is_settled

#: Slots one command may change; a longer range is asked for in parts.
SLOTS_MAX = 1_000


def needs_of_closure(command: CloseOffice, state: State) -> Needs:
    needs = Needs(streams={f"office/{office}" for office in (command.office, *command.among)})
    office = state.office(command.office)
    if office is None:
        return needs
    starts = _starts(office, command)
    if len(starts) > SLOTS_MAX:  # refused before any is read
        return needs
    more = needs_of_change(state, office, dict.fromkeys(starts, 0), _leaving, command.at)
    more.streams |= needs.streams
    return more


def close_office(command: CloseOffice, state: State, decision: Decision) -> None:
    refuse_unknown_offices(state, command.among)
    office, by, policy = known_office(state, command.office), command.caller.by, decision.policy.version
    if command.until <= command.since:
        raise InvalidRequest("to", "is not after `from`")
    if command.until <= command.at:
        raise InvalidRequest("to", "is past")
    starts = _starts(office, command)
    if len(starts) > SLOTS_MAX:
        raise InvalidRequest("to", f"the range holds more than {SLOTS_MAX} slots")

    closed = dict.fromkeys(starts, 0)
    leaving = _leaving(state, office, closed, command.at)
    moves = moves_of(state, office, closed, leaving, command.at)
    slots = {start: state.slot(slot_stream(command.office, start)) for start in starts}
    withdrawn = [
        (
            slot,
            SlotWithdrawn(
                by=by,
                policy=policy,
                office=command.office,
                starts_at=start,
                capacity=slot.capacity,
                reason=command.reason,
            ),
        )
        for start, slot in slots.items()
        if slot.is_open
    ]
    if command.preview:
        decision.said = figures(moves, sum(event.capacity for _, event in withdrawn))
        return

    announced = _announcement(command, policy)
    if not is_settled(office, announced):
        decision.record(office, announced)
    for move in moves:
        displace(decision, move, reason=command.reason)
    for slot, event in withdrawn:
        decision.record(slot, event)
    _tell_days(decision, office, announced)
    hand_on(decision, command.office, leaving, moves)


def _starts(office: Office, command: CloseOffice) -> list[datetime]:
    """Those of the range that are not over, in order; one more than allowed is enough."""
    announced = _announcement(command, 0)
    every = office.starts_ever(local_date(command.since), local_date(command.until))
    within = (start for start in every if closes(announced, start) and start + SLOT > command.at)
    return list(islice(within, SLOTS_MAX + 1))


def _announcement(command: CloseOffice, policy: int) -> ClosureAnnounced:
    """It begins with the slot that is going on: what was open before that has been open."""
    return ClosureAnnounced(
        by=command.caller.by,
        policy=policy,
        office=command.office,
        since=max(command.since, current_start(command.at)),
        until=command.until,
        reason=command.reason,
    )


def _leaving(state: State, office: Office, closed: Capacities, at: datetime) -> Leaving:
    """Bookings and claims of which any slot is closed. Who has begun stays: their slot closes for others."""
    assert office.registered is not None
    name = office.registered.office
    slots = [state.slot(slot_stream(name, start)) for start in closed]
    booked = {booking for slot in slots for booking in slot.places}
    claims = {claim: slot for slot in slots for claim, until in slot.claims.items() if until > at}
    displaced = [state.bookings[booking] for booking in booked if may_be_displaced(state.bookings[booking], at)]
    return Leaving(in_order(displaced), claims)


def _tell_days(decision: Decision, office: Office, closure: ClosureAnnounced) -> None:
    """The days already published, as they are now; the others when they are published."""
    first, last = local_date(closure.since), local_date(closure.until)
    for day in sorted(day for day in office.days if first <= day <= last):
        known = office.days[day]
        left = tuple(
            start.astimezone(RIYADH).strftime("%H:%M") for start in office.starts_on(day) if not closes(closure, start)
        )
        if left == known.starts:
            continue
        words = None if left else closure.reason
        told = DayPublished(
            by=closure.by,
            policy=closure.policy,
            office=closure.office,
            day=day,
            starts=left,
            reason=None if left else "closure",
            name_ar=words,
            name_en=words,
        )
        decision.record(office, told)
