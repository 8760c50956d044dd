"""Holds: a place kept while a customer makes up their mind (POL-05). The booking that confirms one has its id."""

from domain import channels, eligibility, guardianship, offers
from domain.booking import Person
from domain.changes import may_act_on
from domain.commands import PlaceHold, ReleaseHold
from domain.decision import Decision
from domain.eligibility import wall
from domain.errors import ActiveBookingExists, HoldExpired, InvalidRequest, NotFound
from domain.events import PlaceClaimed, PlaceHeld
from domain.identifiers import slot_stream
from domain.reservations import free_slots, places
from domain.slot import SLOT, starts_of
from domain.state import Needs, State

# -- what each command reads ------------------------------------------------------------------------------------------


def needs_of_place(command: PlaceHold, state: State) -> Needs:
    needs = Needs(
        streams=places(state, command.office, command.service, command.starts_at),
        lookups=guardianship.lookups_of(command.caller, command.beneficiary),
    )
    who = state.persons.get(state.people.get(command.beneficiary.lookup) or "")
    for held in _of_service(who, command.service).values():
        places_of(needs, state, held)
    if state.policies.limit_shares:
        channels.widen(needs, state, command.channel, command.at)
    return needs


def needs_of_release(command: ReleaseHold, state: State) -> Needs:
    needs = Needs(bookings={command.hold})
    if command.caller.lookup is not None:
        needs.lookups.add(command.caller.lookup)
    booking = state.bookings.get(command.hold)
    if booking is not None and booking.hold is not None:
        if booking.person is not None:
            needs.persons.add(booking.person)
        needs.streams.add(f"office/{booking.office}")
        places_of(needs, state, booking.hold)
    return needs


# -- what each command becomes ----------------------------------------------------------------------------------------


def place(command: PlaceHold, state: State, decision: Decision) -> None:
    """One hold per person and service: another one lets go of the first, the same one again is the one they have."""
    policy, at, starts_at = decision.policy, command.at, command.starts_at
    guardianship.guardian_asking(command.caller, command.beneficiary, state, at)
    office, service = eligibility.office_and_service(state, command.office, command.service, at)
    assert office.registered is not None
    channels.refuse_unless_offered(policy, command.office, command.service, command.channel, at)
    eligibility.audience(service, command.beneficiary)
    eligibility.section(office.registered, command.beneficiary)
    eligibility.time_of_booking(policy, starts_at, at, command.channel)
    who = state.person_of(command.beneficiary.lookup)
    eligibility.person(policy, who, command.service, at)
    before = _of_service(who, command.service)
    for hold, held in before.items():
        if (held.office, held.starts_at) == (command.office, starts_at) and at < held.expires_at:
            decision.said = {"hold": hold, "expires_at": wall(held.expires_at)}
            return
    slots = free_slots(state, office, starts_at, service.minutes, command.hold, person=who.person, at=at)
    channels.refuse_beyond_share(policy, state, slots, command.channel, booking=command.hold, at=at)

    by, expires_at, person = command.caller.by, at + policy.hold_lives, decision.person_id(command.beneficiary)
    for hold, held in before.items():
        offers.end_hold(decision, hold, held, person, by=by, at=at)
    event = PlaceHeld(
        by=by,
        policy=policy.version,
        office=command.office,
        starts_at=starts_at,
        service=command.service,
        minutes=service.minutes,
        channel=command.channel,
        expires_at=expires_at,
    )
    decision.record(slots[0], event, person=person, booking=command.hold)
    for n, slot in enumerate(slots[1:], start=1):
        claimed = PlaceClaimed(
            by=by, policy=policy.version, office=command.office, starts_at=starts_at + SLOT * n, until=expires_at
        )
        decision.record(slot, claimed, booking=command.hold)
    decision.said = {"hold": command.hold, "expires_at": wall(expires_at)}


def release(command: ReleaseHold, state: State, decision: Decision) -> None:
    booking = state.bookings[command.hold]
    if booking.hold is None or not may_act_on(command.caller, booking, state, command.at):
        raise NotFound
    if command.at < booking.last_at:
        raise InvalidRequest("at", f"is earlier than the hold's last fact, {wall(booking.last_at)}")
    if booking.status is not None:
        raise ActiveBookingExists(booking.booking, booking.service)
    if not booking.has_place or command.at >= booking.hold.expires_at:
        raise HoldExpired(booking.booking, wall(booking.hold.expires_at))
    offers.end_hold(decision, command.hold, booking.hold, booking.person, by=command.caller.by, at=command.at)
    decision.said = {"hold": command.hold, "status": "released"}


# -- parts ------------------------------------------------------------------------------------------------------------


def _of_service(who: Person | None, service: str) -> dict[str, PlaceHeld]:
    if who is None:
        return {}
    return {hold: held for hold, held in who.holds.items() if held.service == service}


def places_of(needs: Needs, state: State, held: PlaceHeld) -> None:
    """What letting go of a hold reads."""
    starts = starts_of(held.starts_at, held.minutes)
    needs.streams |= {slot_stream(held.office, start) for start in starts}
    offers.widen(needs, state, held.office, starts)
