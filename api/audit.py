"""The log for auditors: every fact as it is stored, a page at a time, or all of it as a stream of lines."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Query, Request
from psycopg import Connection
from pydantic import BaseModel, ConfigDict, StringConstraints
from starlette.responses import Response, StreamingResponse

from api import answers, event_pages, views
from api.event_pages import After, DayOrInstant
from api.problems import invalid
from api.routes import GuardedRoute, TheServices
from api.services import Services
from domain.events import EVENTS
from projections import feed
from projections.feed import Only, StoredEvent

NDJSON: Final = "application/x-ndjson"
#: Lines read, encoded and sent together: memory stays flat whatever the limit.
_LINES_AT_ONCE: Final = 2_000
_TYPES: Final = frozenset(event.TOPIC for event in EVENTS)

router = APIRouter(route_class=GuardedRoute, tags=["audit"])

Stream = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
Type = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class AuditedEvent(BaseModel):
    position: int
    id: str
    type: str
    stream: str
    stream_version: int
    at: str
    recorded_at: str
    person: str | None
    booking: str | None
    command_id: str | None
    data: dict[str, Any]


class AuditPage(BaseModel):
    events: list[AuditedEvent]
    next: int | None
    as_of: answers.AsOf

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "events": [
                        {
                            "position": 4711,
                            "id": "slot/CA-TB-01@2011-02-05T09:00/2",
                            "type": "SlotBooked.v1",
                            "stream": "slot/CA-TB-01@2011-02-05T09:00",
                            "stream_version": 2,
                            "at": "2011-02-01T10:00:00+03:00",
                            "recorded_at": "2011-02-01T10:00:00.012000+03:00",
                            "person": "p5v3qy0m8h1d2rk7",
                            "booking": "4z7ms8qk2v9tx0c1wjhe",
                            "command_id": "9f86d081884c7d659a2feaa0c55ad015",
                            "data": {"by": "citizen", "office": "CA-TB-01", "service": "SV-CA-02", "minutes": 15},
                        }
                    ],
                    "next": None,
                    "as_of": {"position": 4711, "at": "2011-02-01T10:00:00+03:00"},
                }
            ]
        }
    )


@router.get(
    "/v1/audit/events",
    summary="Facts of the log, in order",
    description="As JSON a page: at most 1,000, 100 unless told otherwise; ask again with `after` = `next` until it "
    "is null. With `Accept: application/x-ndjson` a stream of lines, one an event, at most 1,000,000, up to the "
    "head seen at its start, which `Mawid-Position` names. `from` and `to` are about `at`, the time a fact was "
    "decided for: whole days or instants, both ends included. `data` is the event as it is stored, `id` its stream "
    "and version. Facts know persons by an id drawn by chance.",
    response_model=AuditPage,
    responses={200: {"content": {NDJSON: {"schema": {"$ref": "#/components/schemas/AuditedEvent"}}}}},
)
def audit_events(
    *,
    request: Request,
    services: TheServices,
    after: After = 0,
    limit: int | None = None,
    stream: Stream | None = None,
    kind: Annotated[Type | None, Query(alias="type")] = None,
    since: Annotated[DayOrInstant | None, Query(alias="from")] = None,
    until: Annotated[DayOrInstant | None, Query(alias="to")] = None,
) -> Response:
    if kind is not None and kind not in _TYPES:
        raise invalid("type", f"is none of {', '.join(sorted(_TYPES))}")
    only = Only(stream, kind, event_pages.since_of(since), event_pages.until_of(until))
    limits = services.limits
    if _wants_lines(request.headers.get("accept", "")):
        limit = event_pages.limited(limit, limits.stream_rows_max, limits.stream_rows_max)
        with services.pool.connection() as connection:
            head = feed.end(connection).position
        headers = {"Mawid-Position": str(head), "Vary": "Accept"}
        lines = _lines(services, after, head, limit, only)
        return StreamingResponse(lines, media_type=NDJSON, headers=headers)
    limit = event_pages.limited(limit, limits.page_rows_max, event_pages.LIMIT_USUAL)
    response = event_pages.page(services, after, limit, _shown, only)
    response.headers["Vary"] = "Accept"
    return response


async def _lines(services: Services, after: int, head: int, limit: int, only: Only) -> AsyncIterator[bytes]:
    """A page of the log after another, each on a connection that is given back before its lines are sent."""
    left = limit
    while left:
        at_once = min(left, _LINES_AT_ONCE)
        some = partial(_some, after=after, upto=head, limit=at_once, only=only)
        last, lines = await views.reading(services, some)
        if not lines:
            return
        yield b"".join(lines)
        after, left = last, left - len(lines)
        if len(lines) < at_once:
            return


def _some(connection: Connection[Any], *, after: int, upto: int, limit: int, only: Only) -> tuple[int, list[bytes]]:
    found = feed.events(connection, after=after, upto=upto, limit=limit, only=only)
    return (found[-1].position if found else upto), [event_pages.encode(_shown(each)) + b"\n" for each in found]


def _shown(event: StoredEvent) -> dict[str, Any]:
    return event_pages.identity(event) | {
        "recorded_at": views.office_time(event.recorded_at),
        "person": event.person,
        "booking": event.booking,
        "command_id": event_pages.command_id(event),
        "data": msgspec.Raw(event.state),
    }


def _wants_lines(accept: str) -> bool:
    """Only who names it: a browser's */* gets a page."""
    return NDJSON in (part.partition(";")[0].strip().lower() for part in accept.split(","))
