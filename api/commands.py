"""The commands one can ask for over HTTP: one table, from which both doors, the bulk and the OpenAPI are made."""

from collections.abc import Iterable
from typing import Final

from api import announcement_commands, answers, schemas
from api import command_builders as builders
from api.command_specs import Spec


def _office_of_booking(body: schemas.BookIn, _office: str) -> Iterable[str]:
    return (body.office,)


def _offices_of_group(body: schemas.BookGroupIn, _office: str) -> Iterable[str]:
    return {booking.office for booking in body.bookings}


def _new_office(body: schemas.RescheduleIn, _office: str) -> Iterable[str]:
    return (body.office,) if body.office is not None else ()


def _office_of_path(_body: object, office: str) -> Iterable[str]:
    return (office,)


FORM: Final = ("invalid-number", "invalid-mobile")
ELIGIBILITY: Final = ("office-not-live", "service-not-offered", "audience", "section")
TIME: Final = ("slot-in-the-past", "too-late-to-book", "beyond-horizon")
PERSON: Final = ("banned", "active-booking-exists", "too-many-active-bookings")
PLACE: Final = ("slot-closed", "slot-not-published", "slot-full")

BOOK: Final = Spec(
    name="book",
    summary="Book a slot",
    description="One beneficiary, one service, the 1-3 slots it takes. The first refusal that applies is answered.",
    path="/v1/bookings",
    body=schemas.BookIn,
    build=builders.book,
    offices=_office_of_booking,
    creates=True,
    answer=answers.BookingAnswer,
    refusals=(*FORM, *ELIGIBILITY, *TIME, *PERSON, "hold-expired", *PLACE),
)
BOOK_GROUP: Final = Spec(
    name="book_group",
    summary="Book several slots, all or none",
    description="A refusal names the booking it is about in `index`, counted from 0.",
    path="/v1/bookings/group",
    body=schemas.BookGroupIn,
    build=builders.book_group,
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
    build=builders.reschedule,
    offices=_new_office,
    answer=answers.BookingAnswer,
    refusals=(
        "already-cancelled",
        "already-checked-in",
        "reschedule-limit",
        "too-late-to-reschedule",
        *ELIGIBILITY,
        *TIME,
        *PLACE,
    ),
)
CANCEL: Final = Spec(
    name="cancel",
    summary="Cancel a booking",
    description="Any time before the start; `late` says whether that was less than 24 hours before it.",
    path="/v1/bookings/{reference}/cancel",
    body=schemas.CancelIn,
    body_is_optional=True,
    build=builders.cancel,
    answer=answers.CancelledAnswer,
    refusals=("already-cancelled", "already-checked-in", "too-late-to-cancel"),
)
REGISTER_OFFICE: Final = Spec(
    name="register_office",
    summary="Register an office",
    description="The same office again changes nothing; another one under its id is refused.",
    path="/v1/offices",
    body=schemas.OfficeIn,
    build=builders.register_office,
    creates=True,
    answer=answers.OfficeAnswer,
)
ANNOUNCE_LIVE_DATE: Final = Spec(
    name="announce_live_date",
    summary="Say from which day an office takes bookings",
    description="From 00:00 of that day, office time, whatever the date of the slot.",
    path="/v1/offices/{office}/live",
    body=schemas.LiveIn,
    build=builders.announce_live_date,
    offices=_office_of_path,
    answer=answers.LiveAnswer,
)
PUBLISH: Final = Spec(
    name="publish",
    summary="Open the slots of a range of days",
    description="Both ends included. Opens what the calendar opens and is not open yet, and takes back empty slots "
    "that it no longer opens; again: 0 new. It may precede the live date.",
    path="/v1/offices/{office}/publications",
    body=schemas.PublicationIn,
    build=builders.publish,
    combine=builders.published,
    offices=_office_of_path,
    answer=answers.PublicationAnswer,
)

COMMANDS: Final = (
    BOOK,
    BOOK_GROUP,
    RESCHEDULE,
    CANCEL,
    REGISTER_OFFICE,
    ANNOUNCE_LIVE_DATE,
    PUBLISH,
    *announcement_commands.COMMANDS,
)
