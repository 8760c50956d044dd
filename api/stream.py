"""Figures as they change: the running count and what is live, and each milestone when it is crossed."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final, NamedTuple

import msgspec
from fastapi import APIRouter, Request
from psycopg import Connection
from starlette.datastructures import State
from starlette.responses import Response

from api import statistics, views
from api.event_pages import position_told
from api.routes import GuardedRoute, TheServices
from api.server_sent import EventStream, LastEventId, SharedLook, TheListeners, written
from api.services import Services
from projections import milestones, totals
from projections.milestones import Milestone
from projections.projection import AsOf, position_of, snapshot

#: Between two looks, of all listeners together.
_LOOK_S: Final = 1.0

router = APIRouter(route_class=GuardedRoute, tags=["statistics"])
_encode = msgspec.json.Encoder().encode


class Figures(NamedTuple):
    as_of: AsOf  # of the view that is behind
    running: int
    live: int | None
    milestones: list[Milestone]


@router.get(
    "/v1/statistics/stream",
    summary="The running count, live bookings and milestones, as they change",
    description="Server-sent events. `totals`: `{count, live, as_of}`, at first and whenever one of the two "
    "changes, at most once a second. `milestone`: a milestone as in /v1/milestones, when it is crossed. `id` is a "
    "position of the log: come back with `Last-Event-ID`, and the milestones crossed meanwhile come first.",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def statistics_stream(
    request: Request, services: TheServices, listeners: TheListeners, last_event_id: LastEventId = None
) -> Response:
    position = position_told(last_event_id, "Last-Event-ID")
    return EventStream(_changes(_figures(request.app.state, services), position), listeners)


async def _changes(look: SharedLook[Figures], position: int | None) -> AsyncIterator[bytes]:
    """`position`: up to where the listener has been told of milestones; None: from now on."""
    told: tuple[int, int | None] | None = None
    while True:
        figures = await look.recent()
        if position is None:
            position = figures.as_of.position
        for each in figures.milestones:
            if position < each.position <= figures.as_of.position:
                position = each.position
                yield written(_encode(statistics.milestone(each)), position=position, name="milestone")
        if told != (figures.running, figures.live):
            told = (figures.running, figures.live)
            position = max(position, figures.as_of.position)
            data = {"count": figures.running, "live": figures.live, "as_of": views.shown(figures.as_of)}
            yield written(_encode(data), position=position, name="totals")
        yield b""
        await asyncio.sleep(look.every_s)


def _figures(state: State, services: Services) -> SharedLook[Figures]:
    """Of one process, for all its listeners."""
    if not hasattr(state, "figures"):
        state.figures = SharedLook(
            lambda: views.reading(services, lambda connection: _looked_at(connection, services)), _LOOK_S
        )
    found: SharedLook[Figures] = state.figures
    return found


def _looked_at(connection: Connection[Any], services: Services) -> Figures:
    with snapshot(connection):
        (total,) = totals.totals(connection, (), now=services.now())
        ladder = milestones.ladder(connection)
        behind = min(position_of(connection, statistics.VIEW), position_of(connection, statistics.MILESTONES))
        return Figures(behind, totals.running_count(connection), total.live, list(ladder.milestones))
