"""The history of another system, taken over as it was: judged by its dates only, and every fact says so."""

from domain.calendar import local_date
from domain.commands import ImportVisit
from domain.decision import Decision
from domain.errors import InvalidRequest, VisitBeforeBooking
from domain.events import SlotBooked, SlotOpened
from domain.identifiers import slot_stream
from domain.outcomes import add_outcome
from domain.reservations import places
from domain.state import Needs, State


def needs_of_visit(command: ImportVisit, state: State) -> Needs:
    return Needs(
        streams=places(state, command.office, command.service, command.starts_at),
        lookups={command.beneficiary.lookup},
    )


def import_visit(command: ImportVisit, state: State, decision: Decision) -> None:
    """Hours, live dates, audience and the person rules are off, and the fact says so."""
    visit, booked_on = local_date(command.starts_at), local_date(command.at)
    if visit < booked_on:
        raise VisitBeforeBooking(visit.isoformat(), booked_on.isoformat())
    service = state.service(command.service)
    if service is None or service.registered is None:
        raise InvalidRequest("service", f"there is no service {command.service}")
    slot, by, policy = state.slot(slot_stream(command.office, command.starts_at)), command.caller.by, decision.policy
    if not slot.opened:
        opened = SlotOpened(
            by=by,
            policy=policy.version,
            office=command.office,
            starts_at=command.starts_at,
            capacity=command.capacity,
        )
        decision.record(slot, opened)
    slot.refuse_unless_free(command.booking, command.at)
    booked = SlotBooked(
        by=by,
        policy=policy.version,
        office=command.office,
        service=command.service,
        starts_at=command.starts_at,
        minutes=15,
        channel=command.channel,
        reference_key=state.reference_key,
        judged_by="dates",
    )
    decision.record(slot, booked, person=decision.person_id(command.beneficiary), booking=command.booking)
    after = max(command.at, command.starts_at + policy.no_show_after)
    add_outcome(decision, state.bookings[command.booking], command.outcome, by, after)
