"""The fact that a visit came to something, as a clerk, the clock or an import records it."""

from datetime import datetime

from domain.booking import Booking
from domain.decision import Decision
from domain.events import OutcomeRecorded
from domain.identifiers import slot_stream


def add_outcome(decision: Decision, booking: Booking, outcome: str, by: str, at: datetime) -> None:
    slot = decision.state.slot(slot_stream(booking.office, booking.starts_at))
    recorded = OutcomeRecorded(
        by=by,
        policy=decision.policy.version,
        office=booking.office,
        service=booking.service,
        starts_at=booking.starts_at,
        minutes=booking.minutes,
        channel=booking.channel,
        reschedules=booking.reschedules,
        outcome=outcome,
    )
    decision.record(slot, recorded, person=booking.person, booking=booking.booking, at=at)
