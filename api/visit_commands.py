"""The commands of the day of a visit: check-in, walk-in, the call, the outcome and its correction."""

from collections.abc import Iterable, Sequence
from typing import Final

from api import answers, schemas
from api.command_builders import beneficiary
from api.command_specs import Asked, Spec
from api.commands import ELIGIBILITY, FORM, PERSON, PLACE
from api.visit_schemas import CalledAnswer, CorrectionIn, WalkInIn
from domain.commands import CallNext, CheckIn, CorrectOutcome, RecordOutcome, WalkIn


def _check_in(asked: Asked) -> Sequence[CheckIn]:
    return (CheckIn(**asked.stamp(), booking=asked.booking),)


def _walk_in(asked: Asked) -> Sequence[WalkIn]:
    body: WalkInIn = asked.body
    return (
        WalkIn(
            **asked.stamp(),
            booking=asked.services.booking_id(asked.command_id, 0),
            office=body.office,
            service=body.service,
            beneficiary=beneficiary(asked, body.beneficiary),
            channel="kiosk" if asked.caller.role == "kiosk" else "counter",
        ),
    )


def _call_next(asked: Asked) -> Sequence[CallNext]:
    return (CallNext(**asked.stamp(), office=asked.office),)


def _record_outcome(asked: Asked) -> Sequence[RecordOutcome]:
    return (RecordOutcome(**asked.stamp(), booking=asked.booking, outcome=asked.body.outcome),)


def _correct_outcome(asked: Asked) -> Sequence[CorrectOutcome]:
    body: CorrectionIn = asked.body
    return (CorrectOutcome(**asked.stamp(), booking=asked.booking, outcome=body.outcome, reason=body.reason),)


def _office_of_walk_in(body: WalkInIn, _office: str) -> Iterable[str]:
    return (body.office,)


def _office_of_path(_body: object, office: str) -> Iterable[str]:
    return (office,)


CHECK_IN: Final = Spec(
    name="check_in",
    summary="Check in a customer who has come",
    description="On the day of the visit, office time, as long as no no-show has been recorded: who comes late may "
    "still be checked in.",
    path="/v1/bookings/{reference}/check-in",
    body=schemas.NothingIn,
    body_is_optional=True,
    build=_check_in,
    answer=answers.BookingAnswer,
    refusals=("already-cancelled", "already-checked-in", "slot-closed"),
)
WALK_IN: Final = Spec(
    name="walk_in",
    summary="Take in a customer without a booking",
    description="Takes a free place of the current start (the quarter of an hour, office time, that it is now) for as "
    "long as the service lasts, and checks the customer in. Judged like a booking, but for the time it is made. Its "
    "channel is kiosk from a kiosk and counter from a desk; it is not electronic and the running count does not "
    "count it.",
    path="/v1/walk-ins",
    body=WalkInIn,
    build=_walk_in,
    offices=_office_of_walk_in,
    creates=True,
    answer=answers.BookingAnswer,
    refusals=(*FORM, *ELIGIBILITY, *PERSON, *PLACE),
)
CALL_NEXT: Final = Spec(
    name="call_next",
    summary="Call the next customer who waits",
    description="Of today's customers who are checked in and not yet called: the earliest start first, at one start "
    "the booked before the walk-in, then who checked in first. `waited_s` counts from the check-in, or from the start "
    "where they came before it. Where nobody waits the answer is 200 with `booking: null`: an empty waiting room is no "
    "error.",
    path="/v1/offices/{office}/queue/next",
    body=schemas.NothingIn,
    body_is_optional=True,
    build=_call_next,
    offices=_office_of_path,
    answer=CalledAnswer,
)
OUTCOME: Final = Spec(
    name="record_outcome",
    summary="Record what came of a visit",
    description="`served` and `not_completed` with or without a check-in; `no_show` from 15 minutes after the start "
    "on, and never after a check-in. There is one outcome: another one is a correction.",
    path="/v1/bookings/{reference}/outcome",
    body=schemas.OutcomeIn,
    build=_record_outcome,
    answer=answers.BookingAnswer,
    refusals=("already-cancelled", "already-checked-in", "no-show-too-early", "slot-closed"),
)
CORRECTION: Final = Spec(
    name="correct_outcome",
    summary="Correct what was recorded of a visit",
    description="Both facts stay in the history; what the outcome had caused, such as a ban, is judged by what is "
    "right now. The reason is sealed with the customer's data.",
    path="/v1/bookings/{reference}/outcome/correction",
    body=CorrectionIn,
    build=_correct_outcome,
    answer=answers.BookingAnswer,
    refusals=("already-checked-in", "no-show-too-early"),
)

VISIT_COMMANDS: Final = (CHECK_IN, WALK_IN, CALL_NEXT, OUTCOME, CORRECTION)
