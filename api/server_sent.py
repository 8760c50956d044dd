"""Server-sent events: how they are written, how many may listen, and the one look at the database that all share."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Annotated, Any, Final, Generic, TypeVar

import psycopg
from fastapi import Depends, Header, Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from api import problems
from api.routes import TheServices

T = TypeVar("T")

#: So that neither side takes a quiet line for a dead one, and a client that is gone is noticed.
_HEARTBEAT: Final = b":\n\n"
HEARTBEAT_S: Final = 15.0
#: Then the client comes back, and its token is looked at again.
LASTS_S_MAX: Final = 3600.0
#: How long a client waits before it comes back.
_BEGINNING: Final = b"retry: 2000\n\n"


class Ending:
    """Set when this process is to stop: streams end, or it would wait for them, and they for it.

    Without a lock, which an Event has: a second signal may arrive while the handler of the first holds it.
    """

    __slots__ = ("has_come",)

    def __init__(self) -> None:
        self.has_come = False


ENDING: Final = Ending()

LastEventId = Annotated[str | None, Header(description="Where a stream broke off: what came after it follows")]


def written(data: bytes, *, position: int, name: str | None = None) -> bytes:
    """One event; `data` has no line breaks."""
    named = b"event: %s\n" % name.encode() if name is not None else b""
    return b"%sid: %d\ndata: %s\n\n" % (named, position, data)


class SharedLook(Generic[T]):
    """One look at something for all who want to see it, begun at most every `every_s` seconds."""

    def __init__(self, look: Callable[[], Coroutine[Any, Any, T]], every_s: float) -> None:
        self.every_s = every_s
        self._look = look
        self._begun = 0.0
        self._task: asyncio.Task[T] | None = None

    async def recent(self) -> T:
        """At most `every_s` old, but for the time the look takes."""
        if self._task is None or (self._task.done() and monotonic() - self._begun >= self.every_s):
            self._begun = monotonic()
            self._task = asyncio.create_task(self._look())
        return await asyncio.shield(self._task)  # who leaves early does not take it from the others


class Listeners:
    """How many streams are open in this process."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open = 0

    @contextmanager
    def one_more(self) -> Iterator[None]:
        if self._open >= self._most:
            raise problems.overloaded(5)
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1


def _listeners(request: Request, services: TheServices) -> Listeners:
    """Of the whole process."""
    state = request.app.state
    if not hasattr(state, "listeners"):
        state.listeners = Listeners(services.limits.streams_max)
    found: Listeners = state.listeners
    return found


TheListeners = Annotated[Listeners, Depends(_listeners)]


class EventStream(StreamingResponse):
    """`looks`: what each look has found, often nothing.

    Ends when its time is up, the process stops, or the database is away: the client comes back, and says where it was.
    """

    def __init__(self, looks: AsyncIterator[bytes], listeners: Listeners) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(_begun(looks), media_type="text/event-stream", headers=headers)
        self._listeners = listeners

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._listeners.one_more():
            await super().__call__(scope, receive, send)


async def _begun(looks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    until = monotonic() + LASTS_S_MAX
    spoke = monotonic()
    yield _BEGINNING
    try:
        async for news in looks:
            if news or monotonic() - spoke >= HEARTBEAT_S:
                spoke = monotonic()
                yield news or _HEARTBEAT
            if ENDING.has_come or monotonic() > until:
                return
    except psycopg.OperationalError:
        return
