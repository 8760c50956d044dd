"""The commands about persons as such: what is put right, who may act for whom, and who is to be erased."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from starlette.concurrency import run_in_threadpool

from api.command_builders import beneficiary
from api.command_specs import Asked, Spec
from api.person_schemas import (
    ErasureAnswer,
    ErasureIn,
    ErasureRequestAnswer,
    GuardianshipAnswer,
    GuardianshipIn,
    PersonCorrectionAnswer,
    PersonCorrectionIn,
)
from api.schemas import BeneficiaryIn, NothingIn
from api.services import Services
from domain.commands import AppointGuardian, ApproveErasure, CorrectPerson, RequestErasure
from domain.ports import Receipt


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


def request_erasure(asked: Asked) -> Sequence[RequestErasure]:
    services = asked.services
    command = RequestErasure(
        **asked.stamp(),
        request=services.booking_id(asked.command_id, 0),
        person=beneficiary(asked, BeneficiaryIn(number=asked.body.number)),
        lapses_at=asked.at + timedelta(days=services.limits.erasure_request_days_max),
    )
    return (command,)


def approve_erasure(asked: Asked) -> Sequence[ApproveErasure]:
    return (ApproveErasure(**asked.stamp(), request=asked.request),)


async def _erased(services: Services, receipt: Receipt) -> dict[str, Any]:
    await run_in_threadpool(services.keep_erasures)
    return {"position": receipt.position}


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
REQUEST_ERASURE: Final = Spec(
    name="request_erasure",
    summary="Ask that a person be erased",
    description="Nothing is erased until another operator approves the `request` that this is answered with. It lapses "
    "after MAWID_ERASURE_REQUEST_DAYS_MAX days. Asked again meanwhile, the request is the one there is. A number that "
    "nobody has, or has any more, is not-found.",
    path="/v1/persons/erasure",
    body=ErasureIn,
    build=request_erasure,
    accepts=True,
    answer=ErasureRequestAnswer,
    refusals=("invalid-number", "not-found"),
)
APPROVE_ERASURE: Final = Spec(
    name="approve_erasure",
    summary="Approve, as a second operator, that a person be erased",
    description="At once and for good: number, name, mobile, language and the words of reasons are gone with the key "
    "they were sealed under. Bookings stand, and a desk serves them by their reference; holds, places in line and "
    "guardianships end. The facts, which never held any of it, stay, and with them every count and proof. The number "
    "is a new person's from here on. Operators are told apart by the names in their tokens (`mawid token --role "
    "operator --name`); two tokens without a name are two operators.",
    path="/v1/persons/erasure/{request}/approve",
    body=NothingIn,
    body_is_optional=True,
    build=approve_erasure,
    tell=_erased,
    answer=ErasureAnswer,
    refusals=("not-found", "second-operator-needed", "erasure-lapsed"),
)
PERSON_COMMANDS: Final = (CORRECT_PERSON, APPOINT_GUARDIAN, REQUEST_ERASURE, APPROVE_ERASURE)
