"""What an office decides about the rules it is booked by."""

from collections.abc import Iterable, Sequence
from typing import Final

from pydantic import ConfigDict

from api import answers, schemas
from api.command_specs import Asked, Spec
from domain.commands import AssignFairRelease


class FairReleaseIn(schemas.Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"on": True}]})

    on: bool


class FairReleaseAnswer(answers.OfficeAnswer):
    on: bool

    model_config = ConfigDict(json_schema_extra={"examples": [{"office": "CA-TB-01", "on": True, "position": 1251}]})


def _assign_fair_release(asked: Asked) -> Sequence[AssignFairRelease]:
    return (AssignFairRelease(**asked.stamp(), office=asked.office, is_on=asked.body.on),)


def _office_of_path(_body: object, office: str) -> Iterable[str]:
    return (office,)


POLICY_COMMANDS: Final = (
    Spec(
        name="assign_fair_release",
        summary="Turn fair release on or off",
        description="On: a place that is given up less than 24 hours before its start, and that nobody in line wants, "
        "is free again only after 1 to 30 minutes, drawn by chance, and not for whoever gave it up: they are refused "
        "(`slot-full`, with `freed`) where no other place is free. Off, as at first: it is free at once.",
        path="/v1/offices/{office}/fair-release",
        body=FairReleaseIn,
        build=_assign_fair_release,
        offices=_office_of_path,
        answer=FairReleaseAnswer,
    ),
)
