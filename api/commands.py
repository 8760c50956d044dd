"""The commands one can ask for over HTTP: what each is built from. Rules are the domain's; here it is only put together."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from api import answers, schemas
from api.command_specs import Asked, Spec
from api.idempotency import part_key
from api.policy_table import CHANNELS
from api.problems import forbidden, invalid
from domain.calendar import RIYADH
from domain.commands import (
    AnnounceLiveDate,
    AssignCounters,
    Beneficiary,
    Book,
    BookGroup,
    Cancel,
    Caller,
    PublishDay,
    RecordOutcome,
    RegisterOffice,
    Reschedule,
)
from domain.identifiers import parse_number
from domain.ports import Receipt

# -- bookings ---------------------------------------------------------------------------------------------------------


def book(asked: Asked) -> Sequence[Book]:
    return (_book(asked, asked.body, 0),)


def book_group(asked: Asked) -> Sequence[BookGroup]:
    bookings, most = asked.body.bookings, asked.services.limits.group_bookings_max
    if len(bookings) > most:
        raise invalid("bookings", f"a group has at most {most} bookings")
    return (BookGroup(**asked.stamp(), bookings=tuple(_book(asked, one, n) for n, one in enumerate(bookings))),)


def reschedule(asked: Asked) -> Sequence[Reschedule]:
    body: schemas.RescheduleIn = asked.body
    return (Reschedule(**asked.stamp(), booking=asked.booking, starts_at=body.starts_at, office=body.office),)


def cancel(asked: Asked) -> Sequence[Cancel]:
    return (Cancel(**asked.stamp(), booking=asked.booking, reason=asked.body.reason),)


def record_outcome(asked: Asked) -> Sequence[RecordOutcome]:
    return (RecordOutcome(**asked.stamp(), booking=asked.booking, outcome=asked.body.outcome),)


def _book(asked: Asked, body: schemas.BookIn, index: int) -> Book:
    caller = asked.caller
    if body.channel not in CHANNELS[caller.role]:
        raise forbidden(f"the role {caller.role} does not book over {body.channel}")
    return Book(
        command_id=asked.command_id,
        fingerprint=asked.fingerprint,
        caller=caller,
        at=asked.at,
        booking=asked.services.booking_id(asked.command_id, index),
        office=body.office,
        service=body.service,
        starts_at=body.starts_at,
        beneficiary=_person(asked, caller, body.beneficiary),
        channel=body.channel,
        booker=_person(asked, caller, body.booker) if body.booker is not None else None,
    )


def _person(asked: Asked, caller: Caller, told: schemas.BeneficiaryIn) -> Beneficiary:
    """A citizen books for themselves only."""
    lookup = asked.services.lookup(told.number)
    if caller.role == "citizen" and lookup != caller.lookup:
        raise forbidden("a citizen books for their own number")
    return Beneficiary(
        number=told.number,
        kind=parse_number(told.number).kind,
        lookup=lookup,
        sex=told.sex,
        name=told.name,
        mobile=told.mobile,
        language=told.language,
    )


# -- offices ----------------------------------------------------------------------------------------------------------


def register_office(asked: Asked) -> Sequence[RegisterOffice]:
    body: schemas.OfficeIn = asked.body
    told = {name: getattr(body, name) for name in schemas.OfficeIn.model_fields}
    return (RegisterOffice(**asked.stamp(), **told | {"sectors": tuple(body.sectors)}),)


def announce_live_date(asked: Asked) -> Sequence[AnnounceLiveDate]:
    return (AnnounceLiveDate(**asked.stamp(), office=asked.office, live_from=asked.body.since),)


def assign_counters(asked: Asked) -> Sequence[AssignCounters]:
    """Whole days include both ends; a wall time is the first start that `to` no longer holds for."""
    body: schemas.CountersIn = asked.body
    return (
        AssignCounters(
            **asked.stamp(),
            office=asked.office,
            since=_start(body.since),
            until=_start(body.until, after_days=1),
            counters=body.counters,
        ),
    )


def publish(asked: Asked) -> Sequence[PublishDay]:
    """A command for each day, so that a long range holds up nobody. The first carries the key itself: another body
    under the same key is refused there, before any of its days is published."""
    body: schemas.PublicationIn = asked.body
    days, most = (body.until - body.since).days + 1, asked.services.limits.publication_days_max
    if days < 1:
        raise invalid("to", "is before `from`")
    if days > most:
        raise invalid("to", f"at most {most} days are published at a time")
    stamp, principal, command_id = asked.stamp(), asked.caller.subject, asked.services.command_id
    commands = [PublishDay(**stamp, office=asked.office, day=body.since)]
    for n in range(1, days):
        day = body.since + timedelta(days=n)
        stamp["command_id"] = command_id(principal, part_key(asked.key, day.isoformat()))
        commands.append(PublishDay(**stamp, office=asked.office, day=day))
    return commands


def published(receipts: Sequence[Receipt]) -> Receipt:
    said = {"units_published": 0, "units_withdrawn": 0, "days_open": 0, "days_closed": 0}
    position, is_replayed = 0, True
    for receipt in receipts:
        if receipt.answer is None:
            return receipt
        said["units_published"] += receipt.answer["units_published"]
        said["units_withdrawn"] += receipt.answer["units_withdrawn"]
        said["days_open" if receipt.answer["open"] else "days_closed"] += 1
        position, is_replayed = max(position, receipt.position), is_replayed and receipt.replayed
    return Receipt(position, said, None, is_replayed)


def _start(told: date, *, after_days: int = 0) -> datetime:
    if isinstance(told, datetime):
        return told
    return datetime.combine(told + timedelta(days=after_days), time(), RIYADH)


# -- the table --------------------------------------------------------------------------------------------------------


def _office_of_booking(body: schemas.BookIn, _office: str) -> Iterable[str]:
    return (body.office,)


def _offices_of_group(body: schemas.BookGroupIn, _office: str) -> Iterable[str]:
    return {booking.office for booking in body.bookings}


def _new_office(body: schemas.RescheduleIn, _office: str) -> Iterable[str]:
    return (body.office,) if body.office is not None else ()


def _office_of_path(_body: Any, office: str) -> Iterable[str]:
    return (office,)


_FORM = ("invalid-number", "invalid-mobile")
_ELIGIBILITY = ("office-not-live", "service-not-offered", "audience", "section")
_TIME = ("slot-in-the-past", "too-late-to-book", "beyond-horizon")
_PERSON = ("active-booking-exists", "too-many-active-bookings")
_PLACE = ("slot-closed", "slot-not-published", "slot-full")

BOOK: Final = Spec(
    name="book",
    summary="Book a slot",
    description="One beneficiary, one service, the 1-3 slots it takes. The first refusal that applies is answered.",
    path="/v1/bookings",
    body=schemas.BookIn,
    build=book,
    offices=_office_of_booking,
    creates=True,
    answer=answers.BookingAnswer,
    refusals=(*_FORM, *_ELIGIBILITY, *_TIME, *_PERSON, *_PLACE),
)
BOOK_GROUP: Final = Spec(
    name="book_group",
    summary="Book several slots, all or none",
    description="A refusal names the booking it is about in `index`, counted from 0.",
    path="/v1/bookings/group",
    body=schemas.BookGroupIn,
    build=book_group,
    offices=_offices_of_group,
    creates=True,
    answer=answers.GroupAnswer,
    refusals=BOOK.refusals,
)
RESCHEDULE: Final = Spec(
    name="reschedule",
    summary="Move a booking to another start, or another office",
    description="One act: the old place is given up if, and only if, the new one is got. The reference stays.",
    path="/v1/bookings/{reference}/reschedule",
    body=schemas.RescheduleIn,
    build=reschedule,
    offices=_new_office,
    answer=answers.BookingAnswer,
    refusals=(
        "already-cancelled",
        "already-checked-in",
        "reschedule-limit",
        "too-late-to-reschedule",
        *_ELIGIBILITY,
        *_TIME,
        *_PLACE,
    ),
)
CANCEL: Final = Spec(
    name="cancel",
    summary="Cancel a booking",
    description="Any time before the start; `late` says whether that was less than 24 hours before it.",
    path="/v1/bookings/{reference}/cancel",
    body=schemas.CancelIn,
    body_is_optional=True,
    build=cancel,
    answer=answers.CancelledAnswer,
    refusals=("already-cancelled", "already-checked-in", "too-late-to-cancel"),
)
REGISTER_OFFICE: Final = Spec(
    name="register_office",
    summary="Register an office",
    description="The same office again changes nothing; another one under its id is refused.",
    path="/v1/offices",
    body=schemas.OfficeIn,
    build=register_office,
    creates=True,
    answer=answers.OfficeAnswer,
)
ANNOUNCE_LIVE_DATE: Final = Spec(
    name="announce_live_date",
    summary="Say from which day an office takes bookings",
    description="From 00:00 of that day, office time, whatever the date of the slot.",
    path="/v1/offices/{office}/live",
    body=schemas.LiveIn,
    build=announce_live_date,
    offices=_office_of_path,
    answer=answers.LiveAnswer,
)
ASSIGN_COUNTERS: Final = Spec(
    name="assign_counters",
    summary="Open or close counters for a time",
    description="Dates are whole days, both ends included; wall times end before the start at `to`. "
    "A cut below what is booked is refused whole: it never drops a booking.",
    path="/v1/offices/{office}/counters",
    body=schemas.CountersIn,
    build=assign_counters,
    offices=_office_of_path,
    answer=answers.CountersAnswer,
    refusals=("slot-full",),
)
PUBLISH: Final = Spec(
    name="publish",
    summary="Open the slots of a range of days",
    description="Both ends included. Opens what the calendar opens and is not open yet, and takes back empty slots that "
    "it no longer opens; again: 0 new. It may precede the live date.",
    path="/v1/offices/{office}/publications",
    body=schemas.PublicationIn,
    build=publish,
    combine=published,
    offices=_office_of_path,
    answer=answers.PublicationAnswer,
)
#: Known to the bulk alone.
OUTCOME: Final = Spec(
    name="record_outcome",
    summary="What became of a visit",
    method="LINE",
    path="outcome",
    body=schemas.OutcomeIn,
    build=record_outcome,
    answer=answers.BookingAnswer,
    refusals=("already-cancelled", "already-checked-in", "no-show-too-early"),
)

COMMANDS: Final = (
    BOOK,
    BOOK_GROUP,
    RESCHEDULE,
    CANCEL,
    REGISTER_OFFICE,
    ANNOUNCE_LIVE_DATE,
    ASSIGN_COUNTERS,
    PUBLISH,
)
