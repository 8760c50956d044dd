"""Reading views: waiting until they have seen a position, and saying from which place of the log an answer is."""

import asyncio
from collections.abc import Callable, Collection
from datetime import datetime
from time import monotonic
from typing import Any, Final, TypeVar

from psycopg import Connection
from starlette.concurrency import run_in_threadpool

from api.services import Services
from domain.calendar import RIYADH
from projections.projection import AsOf, wait_for

T = TypeVar("T")
#: Between two looks; a view is a few milliseconds behind the log.
_LOOK_S_MIN: Final = 0.002
_LOOK_S_MAX: Final = 0.050


async def reading(services: Services, query: Callable[[Connection[Any]], T]) -> T:
    """A query from a coroutine, on a thread and a connection of its own."""

    def read() -> T:
        with services.pool.connection() as connection:
            return query(connection)

    return await run_in_threadpool(read)


async def seen(services: Services, views: Collection[str], position: int, wait_s: float) -> bool:
    """Whether the views have folded the fact at `position` in time."""
    found = await awaited(services, lambda connection: wait_for(connection, views, position, 0) or None, wait_s)
    return found is not None


async def awaited(services: Services, query: Callable[[Connection[Any]], T | None], wait_s: float) -> T | None:
    """What the query finds, asked again until it finds something. Who waits holds neither thread nor connection."""
    until, pause_s = monotonic() + wait_s, _LOOK_S_MIN
    while (found := await reading(services, query)) is None:
        left_s = until - monotonic()
        if left_s <= 0:
            return None
        await asyncio.sleep(min(pause_s, left_s))
        pause_s = min(2 * pause_s, _LOOK_S_MAX)
    return found


def shown(as_of: AsOf) -> dict[str, Any]:
    return {"position": as_of.position, "at": office_time(as_of.at) if as_of.at is not None else None}


def office_time(instant: datetime) -> str:
    """How every instant is shown: RFC 3339, at the offices' offset."""
    return instant.astimezone(RIYADH).isoformat()
