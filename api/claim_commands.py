"""Holds and waiting lists: places that are kept for somebody until they are booked."""

from collections.abc import Iterable, Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict

from api import answers, schemas
from api.command_builders import beneficiary, refuse_other_channel
from api.command_specs import Asked, Spec
from api.commands import ELIGIBILITY, FORM, PERSON, PLACE, TIME
from domain.commands import AcceptOffer, JoinWaitingList, LeaveWaitingList, PlaceHold, ReleaseHold


class HoldAnswer(BaseModel):
    hold: str
    expires_at: str
    position: int

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"hold": "4z7ms8qk2v9tx0c1wjhe", "expires_at": "2011-02-01T10:10:00+03:00", "position": 4711}]
        }
    )


class HoldReleased(BaseModel):
    hold: str
    status: str
    position: int


class EntryAnswer(BaseModel):
    entry: str
    place: int
    position: int

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"entry": "4z7ms8qk2v9tx0c1wjhe", "place": 1, "position": 4711}]}
    )


class EntryLeft(BaseModel):
    entry: str
    status: str
    position: int


def _place_hold(asked: Asked) -> Sequence[PlaceHold]:
    body: schemas.HoldIn = asked.body
    refuse_other_channel(asked.caller, body.channel)
    return (
        PlaceHold(
            **asked.stamp(),
            hold=asked.services.booking_id(asked.command_id, 0),
            office=body.office,
            service=body.service,
            starts_at=body.starts_at,
            beneficiary=beneficiary(asked, body.beneficiary),
            channel=body.channel,
        ),
    )


def _release_hold(asked: Asked) -> Sequence[ReleaseHold]:
    return (ReleaseHold(**asked.stamp(), hold=asked.booking),)


def _join(asked: Asked) -> Sequence[JoinWaitingList]:
    body: schemas.WaitIn = asked.body
    refuse_other_channel(asked.caller, body.channel)
    return (
        JoinWaitingList(
            **asked.stamp(),
            entry=asked.services.booking_id(asked.command_id, 0),
            office=body.office,
            service=body.service,
            since=body.since,
            until=body.until,
            beneficiary=beneficiary(asked, body.beneficiary),
            channel=body.channel,
        ),
    )


def _accept(asked: Asked) -> Sequence[AcceptOffer]:
    return (AcceptOffer(**asked.stamp(), entry=asked.booking),)


def _leave(asked: Asked) -> Sequence[LeaveWaitingList]:
    return (LeaveWaitingList(**asked.stamp(), entry=asked.booking),)


def _office_of(body: schemas.HoldIn | schemas.WaitIn, _office: str) -> Iterable[str]:
    return (body.office,)


CLAIM_COMMANDS: Final = (
    Spec(
        name="place_hold",
        summary="Keep a place for ten minutes",
        description="The booking that confirms it names it in `hold` and gets its id. It ends by the clock alone; at "
        "exactly `expires_at` it has ended. Another hold of the same person for the service lets go of the first.",
        path="/v1/holds",
        body=schemas.HoldIn,
        build=_place_hold,
        offices=_office_of,
        creates=True,
        answer=HoldAnswer,
        refusals=(*FORM, *ELIGIBILITY, *TIME, *PERSON, *PLACE),
    ),
    Spec(
        name="release_hold",
        summary="Let go of a hold",
        method="DELETE",
        path="/v1/holds/{hold}",
        body=schemas.NothingIn,
        body_is_optional=True,
        build=_release_hold,
        answer=HoldReleased,
        refusals=("hold-expired", "active-booking-exists"),
    ),
    Spec(
        name="join_waiting_list",
        summary="Wait in line for a place",
        description="First come, first served. A place that becomes free on one of these days is offered to the first "
        "in line for two hours, at the latest until an hour before its start, and to nobody else meanwhile. A person "
        "waits once per office and service: the same again is answered with the entry they have.",
        path="/v1/waiting-list",
        body=schemas.WaitIn,
        build=_join,
        offices=_office_of,
        creates=True,
        answer=EntryAnswer,
        refusals=(*FORM, *ELIGIBILITY, "beyond-horizon", *PERSON, "slot-full"),
    ),
    Spec(
        name="accept_offer",
        summary="Take the place that was offered",
        description="A first confirmation: the booking gets the entry's id.",
        path="/v1/waiting-list/{entry}/accept",
        body=schemas.NothingIn,
        body_is_optional=True,
        build=_accept,
        creates=True,
        answer=answers.BookingAnswer,
        refusals=("hold-expired", "already-cancelled", *ELIGIBILITY, *PERSON),
    ),
    Spec(
        name="leave_waiting_list",
        summary="Leave the line, and decline what was offered",
        method="DELETE",
        path="/v1/waiting-list/{entry}",
        body=schemas.NothingIn,
        body_is_optional=True,
        build=_leave,
        answer=EntryLeft,
        refusals=("already-cancelled", "active-booking-exists"),
    ),
)
