"""The commands about persons as such: what is put right, and who may act for whom."""

from collections.abc import Sequence
from typing import Final

from api.command_builders import beneficiary
from api.command_specs import Asked, Spec
from api.person_schemas import GuardianshipAnswer, GuardianshipIn, PersonCorrectionAnswer, PersonCorrectionIn
from api.schemas import BeneficiaryIn
from domain.commands import AppointGuardian, CorrectPerson


def correct_person(asked: Asked) -> Sequence[CorrectPerson]:
    body: PersonCorrectionIn = asked.body
    person = beneficiary(asked, BeneficiaryIn(number=body.number, name=body.name, mobile=body.mobile))
    new_number = None
    if body.new_number is not None:
        new_number = beneficiary(asked, BeneficiaryIn(number=body.new_number))
    return (CorrectPerson(**asked.stamp(), person=person, new_number=new_number, reason=body.reason),)


def appoint_guardian(asked: Asked) -> Sequence[AppointGuardian]:
    body: GuardianshipIn = asked.body
    guardian, dependant = beneficiary(asked, body.guardian), beneficiary(asked, body.dependant)
    return (AppointGuardian(**asked.stamp(), guardian=guardian, dependant=dependant, until=body.until),)


CORRECT_PERSON: Final = Spec(
    name="correct_person",
    summary="Put a person's number, name or mobile right",
    description="A wrong number, a national id after an iqama, a new mobile. The person stays the same, with all their "
    "bookings; the old number is a stranger's from here on. The fact says which of the three was put right, never what "
    "it is. For whoever has or had a booking at the caller's office (a region's manager: at one of the region's); "
    "anybody else is not-found. A new number that belongs to another person is refused: two are never made one.",
    path="/v1/persons/correction",
    body=PersonCorrectionIn,
    build=correct_person,
    answer=PersonCorrectionAnswer,
    refusals=("invalid-number", "invalid-mobile", "not-found"),
)
APPOINT_GUARDIAN: Final = Spec(
    name="appoint_guardian",
    summary="Let a guardian act for a dependant",
    description="From now up to and including `until`, an office date. The guardian, as a citizen, books, moves, "
    "cancels and reads for the dependant as for themselves; limits and bans count on the dependant. Appointed again, "
    "the new `until` counts; one that is past ends it. Either may be new to Mawid.",
    path="/v1/persons/guardianships",
    body=GuardianshipIn,
    build=appoint_guardian,
    creates=True,
    answer=GuardianshipAnswer,
    refusals=("invalid-number", "invalid-mobile"),
)
PERSON_COMMANDS: Final = (CORRECT_PERSON, APPOINT_GUARDIAN)
