"""Reading bookings: where one stands, what happened to it, its calendar entry, and those of one person."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from psycopg import Connection
from starlette.responses import JSONResponse, Response

from api import answers, bodies, views
from api.calendar_entry import calendar_entry, language_of
from api.openapi import problem_responses
from api.policy_table import is_office_of, sees_references
from api.problems import forbidden, not_found
from api.references import VIEW, References
from api.routes import GuardedRoute, TheCaller, TheReferences, TheServices, TheTime, at_least
from api.services import Services
from domain.answers import place
from domain.calendar import RIYADH
from domain.commands import Caller
from domain.identifiers import InvalidNumber, parse_number
from projections import bookings, catalogue, history, log
from projections.bookings import BookingRow
from projections.projection import AsOf, position_of, snapshot

router = APIRouter(route_class=GuardedRoute, tags=["bookings"])
_problems = problem_responses("not-found", "view-behind")


@router.get(
    "/v1/bookings/{reference}",
    summary="Where a booking stands",
    response_model=answers.BookingState,
    responses=_problems,
    dependencies=[at_least(VIEW)],
)
async def booking(
    reference: str, services: TheServices, caller: TheCaller, references: TheReferences
) -> Response:
    named = await references.booking_named(reference)

    def read(connection: Connection[Any]) -> dict[str, Any]:
        with snapshot(connection):
            row = _readable(services, connection, named, caller)
            as_of = position_of(connection, VIEW)
        return _shown(row, caller, references) | {"as_of": views.shown(as_of)}

    return JSONResponse(await views.reading(services, read))


@router.get(
    "/v1/bookings/{reference}/history",
    summary="What happened to a booking, fact by fact",
    description="In the order of the log. A fact names the booking by its id and persons not at all.",
    response_model=answers.History,
    responses=_problems,
    dependencies=[at_least(VIEW)],
)
async def booking_history(
    reference: str, services: TheServices, caller: TheCaller, references: TheReferences
) -> Response:
    named = await references.booking_named(reference)

    def read(connection: Connection[Any]) -> dict[str, Any]:
        with snapshot(connection):
            _readable(services, connection, named, caller)
            told = history.of_booking(connection, named)
            head = log.head(connection)
        as_of = AsOf(head, told[-1].at)
        return {"facts": [_fact(each) for each in told], "as_of": views.shown(as_of)}

    return JSONResponse(await views.reading(services, read))


@router.get(
    "/v1/bookings/{reference}/calendar.ics",
    summary="A booking as an entry for the customer's calendar",
    description="Its UID stays and its SEQUENCE grows, so that a calendar moves the entry when the booking moves. "
    "In Arabic, or in English if Accept-Language prefers it.",
    response_class=Response,
    responses=_problems | {200: {"content": {"text/calendar": {"schema": {"type": "string"}}}}},
    dependencies=[at_least(VIEW)],
)
async def calendar(
    request: Request,
    reference: str,
    services: TheServices,
    caller: TheCaller,
    references: TheReferences,
    now: TheTime,
) -> Response:
    named = await references.booking_named(reference)
    language = language_of(request.headers.get("accept-language", ""))

    def read(connection: Connection[Any]) -> bytes:
        with snapshot(connection):
            row = _readable(services, connection, named, caller)
            offices = catalogue.offices(connection, now=now, office=row.office)
            offered = [each for each in catalogue.services(connection) if each.service == row.service]
        names = [*offices, *offered]
        return calendar_entry(row, names, references.show(row.booking), language, now)

    entry = await views.reading(services, read)
    disposition = f'inline; filename="{named}.ics"'
    return Response(entry, media_type="text/calendar; charset=utf-8", headers={"Content-Disposition": disposition})


@router.get(
    "/v1/bookings",
    summary="The bookings of one person",
    description="A citizen's own; at a desk, the customer's at that office. The latest made come first.",
    response_model=answers.BookingsOfPerson,
    responses=problem_responses("invalid-number", "view-behind"),
    dependencies=[at_least(VIEW)],
)
async def bookings_of_person(
    services: TheServices,
    caller: TheCaller,
    references: TheReferences,
    number: Annotated[str, Query(max_length=64, description="A beneficiary number")],
) -> Response:
    lookup = services.lookup(_digits(number))
    if caller.role == "citizen" and lookup != caller.lookup:
        raise forbidden("a citizen reads the bookings of their own number")

    def read(connection: Connection[Any]) -> dict[str, Any]:
        person = services.person_of(lookup)
        with snapshot(connection):
            rows = bookings.of_person(connection, person) if person is not None else []
            as_of = position_of(connection, VIEW)
        theirs = [_shown(row, caller, references) for row in rows if is_office_of(caller, row.office, services.region_of)]
        return {"bookings": theirs, "as_of": views.shown(as_of)}

    return JSONResponse(await views.reading(services, read))


# -- parts ------------------------------------------------------------------------------------------------------------


def _readable(services: Services, connection: Connection[Any], booking: str, caller: Caller) -> BookingRow:
    """Somebody else's booking is answered as one that does not exist."""
    row = bookings.by_id(connection, booking)
    if row is None:
        raise not_found()
    if caller.role == "citizen":
        assert caller.lookup is not None
        is_theirs = row.person is not None and row.person == services.person_of(caller.lookup)
    else:
        is_theirs = is_office_of(caller, row.office, services.region_of)
    if not is_theirs:
        raise not_found()
    return row


def _shown(row: BookingRow, caller: Caller, references: References) -> dict[str, Any]:
    minutes = int((row.ends_at - row.starts_at).total_seconds()) // 60
    state = place(row.booking, row.status, row.office, row.service, row.starts_at, minutes)
    if sees_references(caller):
        state = {"booking": row.booking, "reference": references.show(row.booking), **state}
    return state | {"channel": row.channel, "reschedules": row.reschedules}


def _fact(told: history.Told) -> dict[str, Any]:
    event = msgspec.to_builtins(told.fact.event)
    start = {"position": told.position, "type": told.type, "at": _office_time(told.at), "by": event.pop("by")}
    channel = {"channel": event.pop("channel")} if "channel" in event else {}
    return start | channel | {"policy": told.fact.event.policy} | event


def _office_time(instant: datetime) -> str:
    return instant.astimezone(RIYADH).isoformat()


def _digits(number: str) -> str:
    try:
        return parse_number(number).digits
    except InvalidNumber as error:
        raise bodies.invalid_number("number", error) from None
