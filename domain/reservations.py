"""Book, one or a group: every check first, then the facts; a refusal leaves nothing."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from domain import eligibility
from domain.calendar import slot_date
from domain.commands import Book, BookGroup
from domain.decision import Decision
from domain.errors import Refused, SlotClosed
from domain.events import SlotBooked, SlotOccupied
from domain.identifiers import slot_id, slot_stream
from domain.office import Office
from domain.slot import Slot
from domain.state import Needs, State

SLOT = timedelta(minutes=15)
#: Minutes of a service → how far each of its starts is from the first (POL-17).
OFFSETS = {15 * slots: tuple(SLOT * n for n in range(slots)) for slots in (1, 2, 3)}


# -- what each command reads ------------------------------------------------------------------------------------------


def needs_of_book(command: Book, state: State) -> Needs:
    lookups = {command.beneficiary.lookup}
    if command.booker is not None:
        lookups.add(command.booker.lookup)
    return Needs(streams=places(state, command.office, command.service, command.starts_at), lookups=lookups)


def needs_of_group(command: BookGroup, state: State) -> Needs:
    needs = Needs()
    for book in command.bookings:
        one = needs_of_book(book, state)
        needs.streams |= one.streams
        needs.lookups |= one.lookups
    return needs


def starts_of(starts_at: datetime, minutes: int) -> list[datetime]:
    """The 1-3 consecutive starts that a visit of `minutes` takes (POL-17)."""
    return [starts_at + offset for offset in OFFSETS[minutes]]


def places(state: State, office: str, service: str, starts_at: datetime) -> set[str]:
    """The streams a visit touches; how many slots is known once the service is."""
    offered = state.service(service)
    minutes = offered.registered.minutes if offered is not None and offered.registered is not None else 15
    slots = {slot_stream(office, start) for start in starts_of(starts_at, minutes)}
    return slots | {f"office/{office}", f"service/{service}"}


# -- what each command becomes ----------------------------------------------------------------------------------------


def book(command: Book, state: State, decision: Decision) -> None:
    policy, starts_at, at = state.policy, command.starts_at, command.at
    office, service = eligibility.office_and_service(state, command.office, command.service, at)
    assert office.registered is not None
    eligibility.audience(service, command.beneficiary)
    section = eligibility.section(office.registered, command.beneficiary)
    eligibility.time_of_booking(policy, starts_at, at, command.channel)
    eligibility.person(policy, state.person_of(command.beneficiary.lookup), command.service, at)
    slots = free_slots(state, office, starts_at, service.minutes, command.booking, at=at)

    person = decision.person_id(command.beneficiary)
    booker = decision.person_id(command.booker) if command.booker is not None else None
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
    )
    decision.record(slots[0], booked, person=person, booking=command.booking)
    occupy(decision, slots[1:], by=booked.by, office=command.office, starts_at=starts_at, booking=command.booking)


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


# -- parts ------------------------------------------------------------------------------------------------------------


def free_slots(
    state: State, office: Office, starts_at: datetime, minutes: int, booking: str, *, at: datetime
) -> Sequence[Slot]:
    assert office.registered is not None
    name = office.registered.office
    day = office.days.get(slot_date(starts_at))
    if day is not None and not day.starts:
        raise SlotClosed(slot_id(name, starts_at), day.reason)
    slots = [state.slot(slot_stream(name, start)) for start in starts_of(starts_at, minutes)]
    for slot in slots:
        slot.refuse_unless_open()
    for slot in slots:
        slot.refuse_unless_free(booking, at)
    return slots


def occupy(
    decision: Decision, further: Sequence[Slot], *, by: str, office: str, starts_at: datetime, booking: str
) -> None:
    for n, slot in enumerate(further, start=1):
        occupied = SlotOccupied(
            by=by, policy=decision.state.policy.version, office=office, starts_at=starts_at + SLOT * n
        )
        decision.record(slot, occupied, booking=booking)
