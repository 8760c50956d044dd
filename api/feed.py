"""The log for other systems: a page at a time, or pushed as it grows. The same envelope as on Kafka."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict
from starlette.datastructures import State
from starlette.responses import Response

from api import answers, event_pages, views
from api.event_pages import After
from api.routes import POSITION_MAX, GuardedRoute, TheServices
from api.server_sent import EventStream, LastEventId, SharedLook, TheListeners, written
from api.services import Services
from projections import feed, log
from projections.feed import StoredEvent

#: How long a fact may lie in the log before it is pushed, beside the time that takes.
_LOOK_S: Final = 0.2
_EVENTS_AT_ONCE: Final = 500

router = APIRouter(route_class=GuardedRoute, tags=["audit"])


class Envelope(BaseModel):
    position: int
    id: str
    type: str
    stream: str
    stream_version: int
    at: str
    command_id: str | None
    data: dict[str, Any]


class FeedPage(BaseModel):
    events: list[Envelope]
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
    "/v1/feed",
    summary="Facts of the log for other systems, a page at a time",
    description="For operators and auditors. `next` is null at the end of the log: begin there again later, `after` "
    "the last position you have. `id` is the event's for ever: what comes twice is told by it.",
    response_model=FeedPage,
)
def feed_page(services: TheServices, after: After = 0, limit: int | None = None) -> Response:
    limit = event_pages.limited(limit, services.limits.page_rows_max, event_pages.LIMIT_USUAL)
    return event_pages.page(services, after, limit, _shown)


@router.get(
    "/v1/feed/stream",
    summary="Facts of the log for other systems, as they come",
    description="Server-sent events, one a fact, `id` its position: come back with `Last-Event-ID`, and nothing is "
    "missed. `after` is where to begin the first time; without either, with the next fact.",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def feed_stream(
    *,
    request: Request,
    services: TheServices,
    listeners: TheListeners,
    after: Annotated[int | None, Query(ge=0, le=POSITION_MAX, description="The position after which to begin")] = None,
    last_event_id: LastEventId = None,
) -> Response:
    begin = event_pages.position_told(last_event_id, "Last-Event-ID")
    if begin is None:
        begin = after if after is not None else await views.reading(services, log.head)
    return EventStream(_facts(services, _heads(request.app.state, services), begin), listeners)


async def _facts(services: Services, heads: SharedLook[int], position: int) -> AsyncIterator[bytes]:
    while True:
        head = await heads.recent()
        while position < head:
            following = partial(feed.events, after=position, upto=head, limit=_EVENTS_AT_ONCE)
            found = await views.reading(services, following)
            position = found[-1].position
            yield b"".join(written(event_pages.encode(_shown(each)), position=each.position) for each in found)
        yield b""
        await asyncio.sleep(_LOOK_S)


def _heads(state: State, services: Services) -> SharedLook[int]:
    """Of one process, for all its listeners."""
    if not hasattr(state, "heads"):
        state.heads = SharedLook(lambda: views.reading(services, log.head), _LOOK_S)
    found: SharedLook[int] = state.heads
    return found


def _shown(event: StoredEvent) -> dict[str, Any]:
    return event_pages.identity(event) | {
        "command_id": event_pages.command_id(event),
        "data": msgspec.Raw(event.state),
    }
