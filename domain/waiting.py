"""Waiting in line at an office: join, accept what is offered, leave (POL-11)."""

from domain import channels, eligibility, guardianship, offers
from domain.booking import Booking, Person
from domain.calendar import local_date
from domain.changes import may_act_on
from domain.commands import AcceptOffer, JoinWaitingList, LeaveWaitingList
from domain.decision import Decision
from domain.eligibility import wall
from domain.errors import ActiveBookingExists, AlreadyCancelled, HoldExpired, InvalidRequest, NotFound, WaitingListFull
from domain.events import SlotBooked, WaitingListJoined
from domain.identifiers import slot_stream
from domain.reservations import occupy
from domain.slot import starts_of
from domain.state import Needs, State
from domain.waiting_list import waiting_stream

# -- what each command reads ------------------------------------------------------------------------------------------


def needs_of_join(command: JoinWaitingList, _state: State) -> Needs:
    streams = {waiting_stream(command.office), f"office/{command.office}", f"service/{command.service}"}
    return Needs(streams=streams, lookups=guardianship.lookups_of(command.caller, command.beneficiary))


def needs_of_entry(command: AcceptOffer | LeaveWaitingList, state: State) -> Needs:
    needs = Needs(bookings={command.entry})
    if command.caller.lookup is not None:
        needs.lookups.add(command.caller.lookup)
    booking = state.bookings.get(command.entry)
    if booking is None or booking.joined is None:
        return needs
    assert booking.person is not None
    needs.persons.add(booking.person)
    needs.streams |= {waiting_stream(booking.office), f"office/{booking.office}", f"service/{booking.service}"}
    if booking.claimed_until is not None:
        starts = starts_of(booking.starts_at, booking.minutes)
        needs.streams |= {slot_stream(booking.office, start) for start in starts}
        offers.widen(needs, state, booking.office, starts)
    return needs


# -- what each command becomes ----------------------------------------------------------------------------------------


def join(command: JoinWaitingList, state: State, decision: Decision) -> None:
    """Once per person, office and service: asked again for the same window, the entry is the one they have."""
    policy, at, beneficiary = decision.policy, command.at, command.beneficiary
    guardianship.guardian_asking(command.caller, beneficiary, state, at)
    office, service = eligibility.office_and_service(state, command.office, command.service, at)
    assert office.registered is not None
    channels.refuse_unless_offered(policy, command.office, command.service, command.channel, at)
    eligibility.audience(service, beneficiary)
    section = eligibility.section(office.registered, beneficiary)
    if command.until < max(command.since, local_date(at)):
        raise InvalidRequest("to", "the window is past" if command.until >= command.since else "is before `from`")
    eligibility.horizon(policy, command.since, at, asked=command.since.isoformat())
    who = state.person_of(beneficiary.lookup)
    eligibility.person(policy, who, command.service, at)

    waiting = state.waiting_list(command.office)
    entry = _joined_already(command, who)
    if entry is None:
        if len(waiting.entries) >= policy.waiting_max:
            raise WaitingListFull(command.office, len(waiting.entries))
        entry = command.entry
        joined = WaitingListJoined(
            by=command.caller.by,
            policy=policy.version,
            office=command.office,
            service=command.service,
            minutes=service.minutes,
            since=command.since,
            until=command.until,
            channel=command.channel,
            reachable=beneficiary.mobile is not None,
            section=section,
        )
        decision.record(waiting, joined, person=decision.person_id(beneficiary), booking=entry)
    decision.said = {"entry": entry, "place": waiting.place_of(entry)}


def accept(command: AcceptOffer, state: State, decision: Decision) -> None:
    """A first confirmation, of the place that was kept."""
    policy, at = decision.policy, command.at
    booking = _entry(command, state)
    joined, offer = booking.joined, booking.offer
    assert joined is not None
    if booking.left is not None:
        if booking.left == "lapsed" and offer is not None:
            raise HoldExpired(booking.booking, wall(offer.expires_at))
        raise AlreadyCancelled(booking.booking)
    if offer is None:
        raise InvalidRequest("entry", "nothing has been offered yet")
    assert booking.person is not None
    if at >= offer.expires_at:
        raise HoldExpired(booking.booking, wall(offer.expires_at))
    eligibility.office_and_service(state, booking.office, booking.service, at)
    eligibility.person(policy, state.persons[booking.person], booking.service, at)

    first, *further = [
        state.slot(slot_stream(booking.office, start)) for start in starts_of(offer.starts_at, offer.minutes)
    ]
    booked = SlotBooked(
        by=command.caller.by,
        policy=policy.version,
        office=booking.office,
        service=booking.service,
        starts_at=offer.starts_at,
        minutes=offer.minutes,
        channel=joined.channel,
        reference_key=state.reference_key,
        reachable=joined.reachable,
        section=joined.section,
        booker=guardianship.booker(command.caller, booking.person, state),
        from_waiting_list=True,
    )
    decision.record(first, booked, person=booking.person, booking=booking.booking)
    occupy(decision, further, by=booked.by, office=booking.office, starts_at=offer.starts_at, booking=booking.booking)
    entry = state.waiting_list(booking.office).entries[booking.booking]
    offers.leave(decision, booking.office, entry, "booked", by=booked.by, at=at)


def leave(command: LeaveWaitingList, state: State, decision: Decision) -> None:
    booking = _entry(command, state)
    if booking.left is not None:
        raise AlreadyCancelled(booking.booking)
    entry = state.waiting_list(booking.office).entries[booking.booking]
    reason = "left" if entry.offer is None else "declined"
    offers.leave(decision, booking.office, entry, reason, by=command.caller.by, at=command.at)
    decision.said = {"entry": booking.booking, "status": reason}


# -- parts ------------------------------------------------------------------------------------------------------------


def _joined_already(command: JoinWaitingList, who: Person) -> str | None:
    for entry, joined in who.waiting.items():
        if (joined.office, joined.service) == (command.office, command.service):
            if (joined.since, joined.until) != (command.since, command.until):
                raise InvalidRequest("from", f"they wait already, for other days: {entry}")
            return entry
    return None


def _entry(command: AcceptOffer | LeaveWaitingList, state: State) -> Booking:
    booking = state.bookings[command.entry]
    if booking.joined is None or not may_act_on(command.caller, booking, state, command.at):
        raise NotFound
    if command.at < booking.last_at:
        raise InvalidRequest("at", f"is earlier than the entry's last fact, {wall(booking.last_at)}")
    if booking.status is not None:
        raise ActiveBookingExists(booking.booking, booking.service)
    return booking
