"""Book, one or a group: every check first, then the facts; a refusal leaves nothing."""

from collections.abc import Sequence
from datetime import datetime

from domain import channels, eligibility, fair_release, guardianship, offers
from domain.booking import Person
from domain.calendar import slot_date
from domain.commands import Book, BookGroup, WalkIn
from domain.decision import Decision
from domain.eligibility import wall
from domain.errors import HoldExpired, InvalidRequest, Refused, SlotClosed, SlotInThePast
from domain.events import PlaceHeld, SlotBooked, SlotOccupied
from domain.identifiers import slot_id, slot_stream
from domain.office import Office
from domain.slot import SLOT, Slot, starts_of
from domain.state import Needs, State

# -- what each command reads ------------------------------------------------------------------------------------------


def needs_of_book(command: Book, state: State) -> Needs:
    lookups = guardianship.lookups_of(command.caller, command.beneficiary, command.booker)
    needs = Needs(streams=places(state, command.office, command.service, command.starts_at), lookups=lookups)
    if command.hold is not None:
        needs.bookings.add(command.hold)
    who = state.persons.get(state.people.get(command.beneficiary.lookup) or "")
    if who is not None and who.waiting:
        line_of(needs, state, who, command.service)
    if state.policies.limit_shares:
        channels.widen(needs, state, command.channel, command.at)
    return needs


def line_of(needs: Needs, state: State, who: Person, service: str) -> None:
    """Whoever books leaves the line for that service, and what they were offered goes to the next."""
    for entry, joined in who.waiting.items():
        if joined.service == service:
            booking = state.bookings.get(entry)
            offer = booking.offer if booking is not None and booking.claimed_until is not None else None
            starts = starts_of(offer.starts_at, offer.minutes) if offer is not None else []
            needs.bookings.add(entry)
            needs.streams |= {slot_stream(joined.office, start) for start in starts}
            offers.widen(needs, state, joined.office, starts)


def needs_of_group(command: BookGroup, state: State) -> Needs:
    needs = Needs()
    for book in command.bookings:
        one = needs_of_book(book, state)
        needs.streams |= one.streams
        needs.bookings |= one.bookings
        needs.lookups |= one.lookups
    return needs


def places(state: State, office: str, service: str, starts_at: datetime) -> set[str]:
    """The streams a visit touches; how many slots is known once the service is."""
    offered = state.service(service)
    minutes = offered.registered.minutes if offered is not None and offered.registered is not None else 15
    streams = {f"office/{office}", f"service/{service}"}
    streams.update([slot_stream(office, start) for start in starts_of(starts_at, minutes)])
    return streams


# -- what each command becomes ----------------------------------------------------------------------------------------


def book(command: Book, state: State, decision: Decision) -> None:
    policy, starts_at, at = decision.policy, command.starts_at, command.at
    guardian = guardianship.guardian_asking(command.caller, command.beneficiary, state, at)
    office, service = eligibility.office_and_service(state, command.office, command.service, at)
    assert office.registered is not None
    is_new = policy.channels and not _is_held_over(command, state)
    if is_new:
        channels.refuse_unless_offered(policy, command.office, command.service, command.channel, at)
    eligibility.audience(service, command.beneficiary)
    section = eligibility.section(office.registered, command.beneficiary)
    who = state.person_of(command.beneficiary.lookup)
    held = _hold(command, state, who) if command.hold is not None else None
    if held is None:  # a hold that was placed in time may be confirmed to its end
        eligibility.time_of_booking(policy, starts_at, at, command.channel)
    eligibility.person(policy, who, command.service, at)
    booking = command.hold or command.booking
    slots = free_slots(state, office, starts_at, service.minutes, booking, person=who.person, at=at)
    if is_new:
        channels.refuse_beyond_share(policy, state, slots, command.channel, booking=booking, at=at)

    person = decision.person_id(command.beneficiary)
    booker = decision.person_id(command.booker) if command.booker is not None else guardian
    booked = SlotBooked(
        by=command.caller.by,
        policy=policy.version,
        office=command.office,
        service=command.service,
        starts_at=starts_at,
        minutes=service.minutes,
        channel=command.channel,
        reference_key=state.reference_key,
        reachable=command.beneficiary.mobile is not None,
        section=section,
        booker=booker,
        from_hold=held is not None,
    )
    decision.record(slots[0], booked, person=person, booking=booking)
    occupy(decision, slots[1:], by=booked.by, office=command.office, starts_at=starts_at, booking=booking)
    if who.waiting:
        leave_line(decision, who, command)


def book_group(command: BookGroup, state: State, decision: Decision) -> None:
    """All or none: what the first ones took is given back when a later one is refused."""
    savepoint = state.savepoint(needs_of_group(command, state))
    for index, one in enumerate(command.bookings):
        try:
            book(one, state, decision)
        except Refused as refused:
            savepoint.restore(decision.facts)
            decision.facts.clear()
            decision.sealings.clear()
            vars(refused)["index"] = index
            raise


def _hold(command: Book, state: State, who: Person) -> PlaceHeld:
    """The hold that the booking confirms: the same person's, for the same place."""
    assert command.hold is not None
    kept = state.bookings[command.hold]
    if kept.hold is None or kept.status is not None or kept.person is None or kept.person != who.person:
        raise InvalidRequest("hold", "there is no such hold for this beneficiary")
    if (kept.office, kept.service, kept.starts_at) != (command.office, command.service, command.starts_at):
        raise InvalidRequest("hold", "it keeps another place")
    if command.at < kept.last_at and kept.has_place:
        raise InvalidRequest("at", f"is earlier than the hold, {wall(kept.last_at)}")
    if not kept.has_place or command.at >= kept.hold.expires_at:
        raise HoldExpired(command.hold, wall(kept.hold.expires_at))
    if command.at > kept.starts_at:
        raise SlotInThePast(wall(kept.starts_at))
    return kept.hold


def _is_held_over(command: Book, state: State) -> bool:
    """Whether a hold over the same channel was judged by that channel's rules already."""
    held = state.bookings[command.hold].hold if command.hold is not None else None
    return held is not None and held.channel == command.channel


def leave_line(decision: Decision, who: Person, command: Book | WalkIn) -> None:
    for entry, joined in list(who.waiting.items()):
        if joined.service == command.service:
            waiting = decision.state.waiting_list(joined.office).entries[entry]
            offers.leave(decision, joined.office, waiting, "booked", by=command.caller.by, at=command.at)


# -- parts ------------------------------------------------------------------------------------------------------------


def free_slots(
    state: State, office: Office, starts_at: datetime, minutes: int, booking: str, *, person: str | None, at: datetime
) -> Sequence[Slot]:
    assert office.registered is not None
    name = office.registered.office
    day = office.days.get(slot_date(starts_at))
    if day is not None and not day.starts:
        raise SlotClosed(slot_id(name, starts_at), day.reason, day.name_ar if day.reason == "closure" else None)
    starts = starts_of(starts_at, minutes)
    slots = [state.slot(slot_stream(name, start)) for start in starts]
    for start, slot in zip(starts, slots, strict=True):
        if not slot.opened and (closure := office.closure_at(start)) is not None:
            raise SlotClosed(slot.name, "closure", closure.reason)
        slot.refuse_unless_open()
    for slot in slots:
        slot.refuse_unless_free(booking, at)
        if slot.freed:
            fair_release.refuse_own(slot, person, booking, at)
    return slots


def occupy(
    decision: Decision, further: Sequence[Slot], *, by: str, office: str, starts_at: datetime, booking: str
) -> None:
    for n, slot in enumerate(further, start=1):
        occupied = SlotOccupied(
            by=by,
            policy=decision.policy.version,
            office=office,
            starts_at=starts_at + SLOT * n,
            was_claimed=booking in slot.claims,
        )
        decision.record(slot, occupied, booking=booking)
