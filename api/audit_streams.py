"""A slot, an office, a booking, a person … as of any place of the log: its state then, and the facts that made it."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path
from psycopg import Connection
from pydantic import BaseModel, ConfigDict, StringConstraints
from starlette.responses import JSONResponse, Response

from api import answers, as_of, event_pages, stream_states, views
from api.as_of import Moment
from api.bookings import fact_shown
from api.event_pages import After
from api.openapi import problem_responses
from api.problems import invalid, not_found
from api.routes import GuardedRoute, TheServices, TheTime, at_least
from domain.calendar import hijri, local_date
from domain.identifiers import InvalidSlotId, parse_slot_id
from projections import feed, streams
from projections.history import Told
from projections.projection import AsOf, snapshot
from projections.streams import StreamThen, TooLong

router = APIRouter(route_class=GuardedRoute, tags=["audit"])

StreamName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]+$"),
    Path(description="`slot/<office>@<start>`, `office/<id>`, `booking/<id>`, `person/<id>`, `policy` …"),
]


class StreamFact(BaseModel):
    position: int
    type: str
    at: str
    hijri: str | None
    recorded_at: str
    by: str
    channel: str | None = None
    policy: int  # version of the policy it was decided under
    stream: str
    stream_version: int
    person: str | None
    booking: str | None
    command_id: str

    model_config = ConfigDict(extra="allow")  # what happened


class StreamState(BaseModel):
    stream: str
    state: dict[str, Any]
    events: int
    facts: list[StreamFact]
    next: int | None
    as_of: answers.AsOf
    checkpoint: str | None  # the latest one signed when this was read; null: nothing is signed yet

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "stream": "slot/CA-TB-01@2011-02-05T09:00",
                    "state": {
                        "office": "CA-TB-01",
                        "starts_at": "2011-02-05T09:00:00+03:00",
                        "hijri": "1432-03-02",
                        "status": "open",
                        "reason": None,
                        "capacity": 3,
                        "taken": 1,
                        "free": 2,
                        "bookings": ["4z7ms8qk2v9tx0c1wjhe"],
                        "claims": [],
                    },
                    "events": 2,
                    "facts": [
                        {
                            "position": 4711,
                            "type": "SlotBooked.v1",
                            "at": "2011-02-01T10:00:00+03:00",
                            "hijri": "1432-02-28",
                            "recorded_at": "2011-02-01T10:00:00.012000+03:00",
                            "by": "citizen",
                            "channel": "portal",
                            "policy": 1,
                            "stream": "slot/CA-TB-01@2011-02-05T09:00",
                            "stream_version": 2,
                            "person": "p5v3qy0m8h1d2rk7",
                            "booking": "4z7ms8qk2v9tx0c1wjhe",
                            "command_id": "9f86d081884c7d659a2feaa0c55ad015",
                            "service": "SV-CA-02",
                            "minutes": 15,
                        }
                    ],
                    "next": None,
                    "as_of": {"position": 4711, "at": "2011-02-01T10:00:00+03:00"},
                    "checkpoint": answers.NOTE,
                }
            ]
        }
    )


@router.get(
    "/v1/audit/streams/{stream:path}",
    summary="The state of a stream, and the facts that made it",
    description="The facts in the order of the log: at most 1,000, 100 unless told otherwise; ask again with `after` = "
    "`next` until it is null. `state` is what all `events` facts up to the place make, whichever page is asked for. A "
    "booking and a person are told by all facts that carry their id, in whatever stream they lie. A slash of the name "
    "stands as it is or as %2F. `checkpoint` is the signed head of the log it was read under. Without a time it is "
    "told as of the last fact of the log." + as_of.DESCRIBED,
    response_model=StreamState,
    response_model_exclude_none=False,
    responses=problem_responses("not-found"),
    dependencies=[at_least()],
)
def audit_stream(
    *,
    stream: StreamName,
    services: TheServices,
    now: TheTime,
    after: After = 0,
    limit: int | None = None,
    past: Annotated[Moment | None, as_of.then()],
) -> Response:
    limits = services.limits
    limit = event_pages.limited(limit, limits.page_rows_max, event_pages.LIMIT_USUAL)
    with services.pool.connection() as connection, snapshot(connection):
        of = feed.end(connection) if past is None else past.place
        found = read(connection, stream, of, after=after, limit=limit, folded_max=limits.stream_folded_events_max)
        signed = services.checkpoints.latest(connection)
    told = shown(stream, found, of, now if past is None else past.now)
    return JSONResponse(told | {"checkpoint": signed and signed.note})


# -- for the terminal too ---------------------------------------------------------------------------------------------


def read(connection: Connection[Any], stream: str, of: AsOf, *, after: int, limit: int, folded_max: int) -> StreamThen:
    """Raises Problem: not-found, or invalid-request for a stream that is too long."""
    if not _is_a_name(stream):
        raise not_found()
    try:
        found = streams.read(connection, stream, upto=of.position, after=after, limit=limit, folded_max=folded_max)
    except TooLong:
        detail = f"has more than {folded_max} facts: read them as /v1/audit/events?stream="
        raise invalid("stream", detail) from None
    if found is None:
        raise not_found()
    return found


def shown(stream: str, found: StreamThen, of: AsOf, now: datetime) -> dict[str, Any]:
    return {
        "stream": stream,
        "state": stream_states.shown(found.state, now),
        "events": found.events,
        "facts": [_fact(told) for told in found.facts],
        "next": found.next,
        "as_of": views.shown(of),
    }


def _fact(told: Told) -> dict[str, Any]:
    fact = told.fact
    return fact_shown(told) | {
        "hijri": hijri(local_date(told.at)),
        "recorded_at": views.office_time(told.recorded_at),
        "stream": fact.originator_id,
        "stream_version": fact.originator_version,
        "person": fact.person,
        "booking": fact.booking,
        "command_id": fact.command_id.hex(),
    }


def _is_a_name(stream: str) -> bool:
    """Whether a slot is spelt in its one way: a fold of nothing has its office and start from there."""
    kind, _, rest = stream.partition("/")
    if kind != "slot":
        return True
    try:
        parse_slot_id(rest)
    except InvalidSlotId:
        return False
    return True
