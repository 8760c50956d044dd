"""What becomes of a booking before its day: moved, cancelled. A move gives up its places before it takes new ones."""

from collections.abc import Sequence
from datetime import datetime

from domain import channels, eligibility, fair_release, guardianship, offers
from domain.booking import Booking
from domain.commands import Caller, Cancel, CheckIn, CorrectOutcome, RecordOutcome, Reschedule
from domain.decision import Decision
from domain.eligibility import wall
from domain.errors import (
    AlreadyCancelled,
    AlreadyCheckedIn,
    InvalidRequest,
    NotFound,
    RescheduleLimit,
    TooLateToCancel,
    TooLateToReschedule,
)
from domain.events import BookingCancelled, BookingMovedIn, BookingMovedOut, SlotReleased
from domain.identifiers import slot_stream
from domain.reservations import free_slots, occupy
from domain.slot import SLOT, Slot, starts_of
from domain.state import Needs, State

OfBooking = Cancel | Reschedule | CheckIn | RecordOutcome | CorrectOutcome


def needs_of_move(command: Reschedule, state: State) -> Needs:
    needs = needs_of_booking(command, state)
    booking = state.bookings.get(command.booking)
    if booking is not None and booking.status is not None:
        starts = starts_of(command.starts_at, booking.minutes)
        to_office = command.office or booking.office
        needs.streams |= {slot_stream(to_office, start) for start in starts}
        needs.streams |= {f"office/{to_office}", f"service/{booking.service}"}
        if state.policies.limit_shares:
            channels.widen(needs, state, _channel_of_move(command, booking), command.at)
    return needs


def needs_of_booking(command: Cancel | Reschedule, state: State) -> Needs:
    needs = Needs(bookings={command.booking})
    if command.caller.lookup is not None:
        needs.lookups.add(command.caller.lookup)
    booking = state.bookings.get(command.booking)
    if booking is not None and booking.status is not None:
        starts = starts_of(booking.starts_at, booking.minutes)
        needs.streams = {slot_stream(booking.office, start) for start in starts}
        needs.streams.add(f"office/{booking.office}")
        offers.widen(needs, state, booking.office, starts)
        if booking.person is not None:
            needs.persons.add(booking.person)
    return needs


def reschedule(command: Reschedule, state: State, decision: Decision) -> None:
    policy, at = decision.policy, command.at
    booking = _confirmed(command, state)
    terms = state.terms_of(booking, at)
    to_office, to_start = command.office or booking.office, command.starts_at
    if not booking.has_place:
        _refuse_second_active(booking, state, at)
    elif booking.reschedules >= terms.reschedules_max:
        raise RescheduleLimit(booking.booking, booking.reschedules)
    elif at > (last_moment := booking.starts_at - terms.reschedule_lead):
        raise TooLateToReschedule(booking.booking, wall(last_moment))
    elif (to_office, to_start) == (booking.office, booking.starts_at):
        raise InvalidRequest("starts_at", "the booking is there already")
    office, _ = eligibility.office_and_service(state, to_office, booking.service, at)
    assert office.registered is not None
    channel = _channel_of_move(command, booking)
    channels.refuse_before_opening(policy, to_office, booking.service, channel, at)
    eligibility.section_again(office.registered, booking.section)
    eligibility.time_of_booking(policy, to_start, at, channel)
    slots = free_slots(state, office, to_start, booking.minutes, booking.booking, person=booking.person, at=at)
    channels.refuse_beyond_share(policy, state, slots, channel, booking=booking.booking, at=at)

    by, from_office, from_start, tag = command.caller.by, booking.office, booking.starts_at, booking.booking
    left = [state.slot(slot_stream(from_office, start)) for start in starts_of(from_start, booking.minutes)]
    moved_out = BookingMovedOut(
        by=by,
        policy=policy.version,
        office=from_office,
        service=booking.service,
        starts_at=from_start,
        minutes=booking.minutes,
        channel=booking.channel,
        reschedules=booking.reschedules,
        to_office=to_office,
        to_starts_at=to_start,
        unplaced=not booking.has_place,
    )
    counted = booking.has_place  # who lost their place has not chosen to move
    decision.record(left[0], moved_out, person=booking.person, booking=tag)
    if counted:
        _release(decision, left[1:], by=by, office=from_office, starts_at=from_start, booking=tag)
    moved_in = BookingMovedIn(
        by=by,
        policy=policy.version,
        office=to_office,
        service=booking.service,
        starts_at=to_start,
        minutes=booking.minutes,
        channel=booking.channel,
        reschedules=booking.reschedules + counted,
        from_office=from_office,
        from_starts_at=from_start,
    )
    decision.record(slots[0], moved_in, person=booking.person, booking=tag)
    occupy(decision, slots[1:], by=by, office=to_office, starts_at=to_start, booking=tag)
    if counted:
        given_up = starts_of(from_start, booking.minutes)
        fair_release.give_up(decision, from_office, given_up, booking=tag, person=booking.person, at=at)


def cancel(command: Cancel, state: State, decision: Decision) -> None:
    booking = _confirmed(command, state)
    had_place = booking.has_place
    if had_place and command.at >= booking.starts_at:
        raise TooLateToCancel(booking.booking, wall(booking.starts_at))

    slots = [state.slot(slot_stream(booking.office, start)) for start in starts_of(booking.starts_at, booking.minutes)]
    starts_at, office, by = booking.starts_at, booking.office, command.caller.by
    is_of_erased = booking.person is not None and state.persons[booking.person].is_erased
    keeps_words = command.reason is not None and not is_of_erased  # there is no key left to seal them under
    cancelled = BookingCancelled(
        by=by,
        policy=decision.policy.version,
        office=office,
        service=booking.service,
        starts_at=starts_at,
        minutes=booking.minutes,
        channel=booking.channel,
        reschedules=booking.reschedules,
        late=had_place and starts_at - command.at < state.terms_of(booking, command.at).late_cancel_lead,
        reason_given=keeps_words,
        unplaced=not had_place,
    )
    decision.record(slots[0], cancelled, person=booking.person, booking=booking.booking)
    if had_place:
        given_up, tag = starts_of(starts_at, booking.minutes), booking.booking
        _release(decision, slots[1:], by=by, office=office, starts_at=starts_at, booking=tag)
        fair_release.give_up(decision, office, given_up, booking=tag, person=booking.person, at=command.at)
    if keeps_words and command.reason is not None and booking.person is not None:
        decision.note(booking.person, booking.booking, command.reason)


def _refuse_second_active(booking: Booking, state: State, at: datetime) -> None:
    """Who found no place keeps the booking. Once its time is past it no longer bars another of the same service, and
    becomes active again by a move."""
    if booking.ends_at <= at and booking.person is not None:
        eligibility.person(state.policy_at(at), state.persons[booking.person], booking.service, at)


def _confirmed(command: Cancel | Reschedule, state: State) -> Booking:
    booking = standing(command, state)
    if booking.status != "confirmed":
        assert booking.status is not None
        raise AlreadyCheckedIn(booking.booking, booking.status)
    return booking


def standing(command: OfBooking, state: State) -> Booking:
    """The booking, if it is the caller's to act on and has not been cancelled."""
    booking = state.bookings[command.booking]
    if booking.status is None or not may_act_on(command.caller, booking, state, command.at):
        raise NotFound
    if command.at < booking.last_at:
        raise InvalidRequest("at", f"is earlier than the booking's last fact, {wall(booking.last_at)}")
    if booking.status == "cancelled":
        raise AlreadyCancelled(booking.booking)
    return booking


def _channel_of_move(command: Reschedule, booking: Booking) -> str:
    """A citizen's is the booking's own; whoever moves it for them does so at a counter."""
    return booking.channel if command.caller.role == "citizen" else "counter"


def may_act_on(caller: Caller, booking: Booking, state: State, at: datetime) -> bool:
    """A citizen on their own booking or a dependant's, a desk on its office's, a manager on the region's too."""
    match caller.role:
        case "citizen":
            assert caller.lookup is not None
            if booking.person is None:
                return False
            is_own = state.people[caller.lookup] == booking.person
            return is_own or guardianship.is_guardian(caller, state.persons[booking.person], state, at)
        case "operator" | "system":
            return True
        case "manager" if caller.region is not None:
            office = state.office(booking.office)
            return office is not None and office.registered is not None and office.registered.region == caller.region
        case "staff" | "kiosk" | "manager":
            return booking.office == caller.office
    return False


def _release(
    decision: Decision, further: Sequence[Slot], *, by: str, office: str, starts_at: datetime, booking: str
) -> None:
    for n, slot in enumerate(further, start=1):
        released = SlotReleased(by=by, policy=decision.policy.version, office=office, starts_at=starts_at + SLOT * n)
        decision.record(slot, released, booking=booking)
