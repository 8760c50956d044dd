"""The day of a visit: who comes and who does not, who walks in, who is called next, and what came of it."""

from collections.abc import Iterable
from datetime import datetime
from typing import TypedDict

from domain import channels, eligibility
from domain.booking import OUTCOMES, Booking
from domain.calendar import local_date
from domain.changes import standing
from domain.commands import CallNext, CheckIn, CorrectOutcome, RecordOutcome, WalkIn
from domain.decision import Decision
from domain.eligibility import wall
from domain.errors import AlreadyCheckedIn, InvalidRequest, NoShowTooEarly, SlotClosed
from domain.events import CheckedIn, CustomerCalled, OutcomeCorrected, WalkedIn
from domain.identifiers import slot_stream
from domain.outcomes import add_outcome
from domain.policy import Policy
from domain.reservations import free_slots, leave_line, line_of, occupy, places
from domain.slot import Slot
from domain.state import Needs, State
from domain.timetable import current_start

# -- what each command reads ------------------------------------------------------------------------------------------


def needs_of_visit(command: CheckIn | RecordOutcome | CorrectOutcome, state: State) -> Needs:
    needs = Needs(bookings={command.booking})
    booking = state.bookings.get(command.booking)
    if booking is not None and booking.status is not None:
        needs.streams = {slot_stream(booking.office, booking.starts_at), f"office/{booking.office}"}
    return needs


def needs_of_walk_in(command: WalkIn, state: State) -> Needs:
    streams = places(state, command.office, command.service, current_start(command.at))
    needs = Needs(streams=streams, lookups={command.beneficiary.lookup})
    who = state.persons.get(state.people.get(command.beneficiary.lookup) or "")
    if who is not None and who.waiting:
        line_of(needs, state, who, command.service)
    return needs


def needs_of_call(command: CallNext, state: State) -> Needs:
    needs = Needs(streams={f"office/{command.office}"})
    for start in _starts_of_day(command, state):
        stream = slot_stream(command.office, start)
        needs.streams.add(stream)
        slot = state.streams.get(stream)
        if isinstance(slot, Slot):
            needs.bookings |= slot.places
    return needs


# -- what each command becomes ----------------------------------------------------------------------------------------


def check_in(command: CheckIn, state: State, decision: Decision) -> None:
    """On the day of the visit, however late, as long as no no-show has been recorded."""
    booking = standing(command, state)
    if booking.status != "confirmed":
        raise _already(booking)
    slot = _slot(state, booking)
    if local_date(command.at) != local_date(booking.starts_at):
        raise InvalidRequest("at", f"the visit is on {local_date(booking.starts_at)}")
    checked_in = CheckedIn(by=command.caller.by, policy=decision.policy.version, **_of(booking))
    decision.record(slot, checked_in, person=booking.person, booking=booking.booking)


def walk_in(command: WalkIn, state: State, decision: Decision) -> None:
    """POL-12: judged like a booking, but for a free place of the current start."""
    at, starts_at = command.at, current_start(command.at)
    office, service = eligibility.office_and_service(state, command.office, command.service, at)
    assert office.registered is not None
    channels.refuse_unless_offered(decision.policy, command.office, command.service, command.channel, at)
    eligibility.audience(service, command.beneficiary)
    section = eligibility.section(office.registered, command.beneficiary)
    who = state.person_of(command.beneficiary.lookup)
    eligibility.person(decision.policy, who, command.service, at)
    slots = free_slots(state, office, starts_at, service.minutes, command.booking, person=who.person, at=at)

    walked_in = WalkedIn(
        by=command.caller.by,
        policy=decision.policy.version,
        office=command.office,
        service=command.service,
        starts_at=starts_at,
        minutes=service.minutes,
        channel=command.channel,
        reference_key=state.reference_key,
        reachable=command.beneficiary.mobile is not None,
        section=section,
    )
    person = decision.person_id(command.beneficiary)
    decision.record(slots[0], walked_in, person=person, booking=command.booking)
    occupy(decision, slots[1:], by=walked_in.by, office=command.office, starts_at=starts_at, booking=command.booking)
    if who.waiting:
        leave_line(decision, who, command)


def call_next(command: CallNext, state: State, decision: Decision) -> None:
    """Of those who wait: the earliest start, the booked before the walk-in, then who checked in first."""
    at = command.at
    if state.office(command.office) is None:
        raise InvalidRequest("office", f"there is no office {command.office}")
    slots = (state.slot(slot_stream(command.office, start)) for start in _starts_of_day(command, state))
    waiting = _waiting((state.bookings[booking] for slot in slots for booking in slot.places), at)
    if not waiting:
        decision.said = {"booking": None}
        return
    since, booking = min(waiting, key=_turn)
    called = CustomerCalled(
        by=command.caller.by,
        policy=decision.policy.version,
        **_of(booking),
        waited_s=max(0, int((at - max(since, booking.starts_at)).total_seconds())),
        is_walk_in=booking.is_walk_in,
    )
    decision.record(_slot(state, booking), called, person=booking.person, booking=booking.booking)


def record_outcome(command: RecordOutcome, state: State, decision: Decision) -> None:
    booking = standing(command, state)
    is_no_show = command.outcome == "no_show"
    if booking.status != "confirmed" and (is_no_show or booking.status != "checked_in"):
        raise _already(booking)
    _slot(state, booking)
    if is_no_show:
        _refuse_early_no_show(state.terms_of(booking, command.at), booking, command.at)
    elif local_date(command.at) < local_date(booking.starts_at):
        raise InvalidRequest("at", f"the visit is on {local_date(booking.starts_at)}")
    add_outcome(decision, booking, command.outcome, command.caller.by, command.at)


def correct_outcome(command: CorrectOutcome, state: State, decision: Decision) -> None:
    """What was recorded stays in the history; what it caused, such as a ban, is derived from what is right now."""
    booking = standing(command, state)
    recorded, outcome_at = booking.status, booking.outcome_at
    if recorded not in OUTCOMES or outcome_at is None:
        raise InvalidRequest("outcome", "none has been recorded that could be corrected")
    if command.outcome == recorded:
        raise InvalidRequest("outcome", f"{recorded} is what has been recorded")
    if command.outcome == "no_show":
        if booking.checked_in_at is not None:
            raise AlreadyCheckedIn(booking.booking, "checked_in")
        _refuse_early_no_show(state.terms_of(booking, command.at), booking, command.at)
    corrected = OutcomeCorrected(
        by=command.caller.by,
        policy=decision.policy.version,
        **_of(booking),
        outcome=command.outcome,
        corrected=recorded,
        outcome_at=outcome_at,
    )
    decision.record(_slot(state, booking), corrected, person=booking.person, booking=booking.booking)
    if booking.person is not None:
        decision.note(booking.person, booking.booking, command.reason)


# -- parts ------------------------------------------------------------------------------------------------------------


def _starts_of_day(command: CallNext, state: State) -> set[datetime]:
    """Of the command's day; also those that it has lost since, as by a closure: who had come by then stays."""
    office, day = state.office(command.office), local_date(command.at)
    return set(office.starts_ever(day, day)) if office is not None else set()


def _waiting(bookings: Iterable[Booking], at: datetime) -> list[tuple[datetime, Booking]]:
    return [
        (booking.checked_in_at, booking)
        for booking in bookings
        if booking.status == "checked_in"
        and booking.called_at is None
        and booking.checked_in_at is not None
        and booking.last_at <= at
    ]


def _turn(waiting: tuple[datetime, Booking]) -> tuple[datetime, bool, datetime, str]:
    since, booking = waiting
    return booking.starts_at, booking.is_walk_in, since, booking.booking


def _slot(state: State, booking: Booking) -> Slot:
    """Where the booking stands. One that a closure has left without a place is not visited."""
    slot = state.slot(slot_stream(booking.office, booking.starts_at))
    if not booking.has_place:
        raise SlotClosed(slot.name, "closure", slot.reason)
    return slot


def _already(booking: Booking) -> AlreadyCheckedIn:
    assert booking.status is not None
    return AlreadyCheckedIn(booking.booking, booking.status)


def _refuse_early_no_show(policy: Policy, booking: Booking, at: datetime) -> None:
    """POL-08."""
    earliest = booking.starts_at + policy.no_show_after
    if at < earliest:
        raise NoShowTooEarly(booking.booking, wall(earliest))


class _Standing(TypedDict):
    office: str
    service: str
    starts_at: datetime
    minutes: int
    channel: str
    reschedules: int


def _of(booking: Booking) -> _Standing:
    return _Standing(
        office=booking.office,
        service=booking.service,
        starts_at=booking.starts_at,
        minutes=booking.minutes,
        channel=booking.channel,
        reschedules=booking.reschedules,
    )
