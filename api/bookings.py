"""Reading bookings: where one stands, what happened to it, its calendar entry, and those of one person."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import JSONResponse, Response

from api import answers, as_of, guardians, proofs, queries, views
from api.as_of import Moment
from api.calendar_entry import appointment_of, language_of
from api.openapi import BOOKING_NAMED, problem_responses
from api.policy_table import is_office_of, sees_references
from api.problems import forbidden, not_found
from api.references import VIEW, References
from api.routes import GuardedRoute, TheCaller, TheReferences, TheServices, TheTime, at_least
from api.services import Services
from domain.answers import place
from domain.calendar_entry import calendar_entry, revision_after
from domain.commands import Caller
from projections import bookings, catalogue, history
from projections.bookings import BookingRow
from projections.projection import position_of, snapshot

#: Bookings of one person that are listed, and that are looked at to find those made by a moment of the past.
LISTED_MAX: Final = 100
_CANDIDATES_MAX: Final = 1_000

router = APIRouter(route_class=GuardedRoute, tags=["bookings"])
_problems = problem_responses("not-found", "view-behind")


async def _named(references: TheReferences, reference: Annotated[str, Path(description=BOOKING_NAMED)]) -> str:
    return await references.booking_named(reference)


TheBooking = Annotated[str, Depends(_named)]
Past = Annotated[Moment | None, as_of.then(VIEW)]


@router.get(
    "/v1/bookings/{reference}",  # noqa: FAST003 - read by TheBooking
    summary="Where a booking stands",
    description="As of before it was made it is not found. With `receipt=true` it carries a `receipt` of its latest "
    "fact that a checkpoint covers: the leaf, the proof that it is in the log (RFC 6962) and the signed checkpoint. "
    "Whoever keeps it can show later that the fact was there. Null in the second before the first fact of a new "
    "booking is covered." + as_of.DESCRIBED,
    response_model=answers.BookingState,
    responses=_problems,
    dependencies=[at_least(VIEW, guardians.VIEW)],
)
def booking(
    *,
    named: TheBooking,
    services: TheServices,
    caller: TheCaller,
    references: TheReferences,
    now: TheTime,
    past: Past,
    receipt: Annotated[bool, Query(description="Carry a receipt of the booking's latest fact")] = False,
) -> Response:
    with services.pool.connection() as connection, snapshot(connection):
        row, of = bookings.by_id(connection, named), position_of(connection, VIEW)
        then = row if past is None else _after(history.of_booking(connection, named, upto=past.position))
        upto = of.position if past is None else past.position
        proof = {"receipt": proofs.receipt(services, connection, named, upto=upto)} if receipt else {}
    _readable(row, caller, services, now)
    shown = _shown(_made(then), caller, references)
    return JSONResponse(shown | {"as_of": views.shown(of if past is None else past.place)} | proof)


@router.get(
    "/v1/bookings/{reference}/history",  # noqa: FAST003 - as above
    summary="What happened to a booking, fact by fact",
    description="In the order of the log. A fact names the booking by its id and persons not at all. As of before the "
    "booking was made it is not found." + as_of.DESCRIBED,
    response_model=answers.History,
    responses=_problems,
    dependencies=[at_least(VIEW, guardians.VIEW)],
)
def booking_history(named: TheBooking, services: TheServices, caller: TheCaller, now: TheTime, past: Past) -> Response:
    with services.pool.connection() as connection, snapshot(connection):
        row, of = bookings.by_id(connection, named), position_of(connection, VIEW)
        of = of if past is None else past.place
        told = history.of_booking(connection, named, upto=of.position)
    _readable(row, caller, services, now)
    _made(_after(told))
    return JSONResponse({"facts": [fact_shown(each) for each in told], "as_of": views.shown(of)})


@router.get(
    "/v1/bookings/{reference}/calendar.ics",  # noqa: FAST003 - as above
    summary="A booking as an entry for the customer's calendar",
    description="Its UID stays and its SEQUENCE grows, so that a calendar moves the entry when the booking moves. "
    "In Arabic, or in English if Accept-Language prefers it.",
    response_class=Response,
    responses=_problems | {200: {"content": {"text/calendar": {"schema": {"type": "string"}}}}},
    dependencies=[at_least(VIEW, guardians.VIEW)],
)
def calendar(
    *,
    request: Request,
    named: TheBooking,
    services: TheServices,
    caller: TheCaller,
    references: TheReferences,
    now: TheTime,
) -> Response:
    with services.pool.connection() as connection, snapshot(connection):
        row = bookings.by_id(connection, named)
        offices = catalogue.offices(connection, now=now, office=row.office) if row is not None else []
        offered = catalogue.services(connection)
        told = history.of_booking(connection, named, upto=position_of(connection, VIEW).position)
    row = _readable(row, caller, services, now)
    language = language_of(request.headers.get("accept-language", ""))
    appointment = appointment_of(
        row,
        offices[0] if offices else None,
        next((each for each in offered if each.service == row.service), None),
        revision=revision_after(each.fact for each in told),
        reference=references.show(row.booking),
        language=language,
    )
    entry = calendar_entry(appointment, language, now)
    headers = {"Content-Disposition": f'inline; filename="{row.booking}.ics"', "Vary": "Accept-Language"}
    return Response(entry, media_type="text/calendar; charset=utf-8", headers=headers)


@router.get(
    "/v1/bookings",
    summary="The bookings of one person",
    description="A citizen's own, or a dependant's; at a desk, the customer's at that office. The latest made first."
    + as_of.DESCRIBED,
    response_model=answers.BookingsOfPerson,
    responses=problem_responses("invalid-number", "view-behind"),
    dependencies=[at_least(VIEW, guardians.VIEW)],
)
def bookings_of_person(
    *,
    services: TheServices,
    caller: TheCaller,
    references: TheReferences,
    now: TheTime,
    number: Annotated[str, Query(max_length=64, description="A beneficiary number")],
    past: Past,
) -> Response:
    lookup = services.lookup(queries.beneficiary_number(number))
    person = services.person_of(lookup)
    is_own = lookup == caller.lookup
    if caller.role == "citizen" and not is_own and not guardians.reads_for(caller, person, services, now):
        raise forbidden("a citizen reads the bookings of their own number, or of a dependant's")
    offices = None if caller.office is None else [caller.office]
    with services.pool.connection() as connection, snapshot(connection):
        of = position_of(connection, VIEW)
        most = LISTED_MAX if past is None else _CANDIDATES_MAX
        rows = [] if person is None else bookings.of_person(connection, person, offices=offices, limit=most)
        theirs = [row for row in rows if is_office_of(caller, row.office, services.region_of)]
        if past is not None:
            told = history.of_bookings(connection, [row.booking for row in theirs], upto=past.position)
            theirs, of = list(bookings.all_after(told)[:LISTED_MAX]), past.place
    shown = [_shown(row, caller, references) for row in theirs]
    return JSONResponse({"bookings": shown, "as_of": views.shown(of)})


# -- parts ------------------------------------------------------------------------------------------------------------


def _readable(row: BookingRow | None, caller: Caller, services: Services, now: datetime) -> BookingRow:
    """Somebody else's booking is answered as one that does not exist."""
    if row is None or not _is_theirs(row, caller, services, now):
        raise not_found()
    return row


def _after(told: Iterable[history.Told]) -> BookingRow | None:
    return bookings.after(each.fact for each in told)


def _made(row: BookingRow | None) -> BookingRow:
    if row is None:
        raise not_found()
    return row


def _is_theirs(row: BookingRow, caller: Caller, services: Services, now: datetime) -> bool:
    if caller.role == "citizen":
        return guardians.reads_for(caller, row.person, services, now)
    return is_office_of(caller, row.office, services.region_of)


def _shown(row: BookingRow, caller: Caller, references: References) -> dict[str, Any]:
    minutes = int((row.ends_at - row.starts_at).total_seconds()) // 60
    state = place(row.booking, row.status, row.office, row.service, row.starts_at, minutes)
    if sees_references(caller):
        state = {"booking": row.booking, "reference": references.show(row.booking), **state}
    state |= {"channel": row.channel, "reschedules": row.reschedules}
    return state | {"unplaced": True} if row.unplaced else state


def fact_shown(told: history.Told) -> dict[str, Any]:
    event: dict[str, Any] = msgspec.to_builtins(told.fact.event)
    start = {"position": told.position, "type": told.type, "at": views.office_time(told.at), "by": event.pop("by")}
    channel = {"channel": event.pop("channel")} if "channel" in event else {}
    return {**start, **channel, "policy": told.fact.event.policy, **event}
