"""A deadline for each request, at the cost of a dict entry: a timer for each would be the dearest part of the edge."""

import asyncio
from typing import Any


class Deadlines:
    """All last equally long, so they end in the order they began and one timer, for the first, is enough."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._running: dict[asyncio.Task[Any], float] = {}
        self._over: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def begin(self, task: "asyncio.Task[Any]") -> None:
        loop = task.get_loop()
        self._running[task] = loop.time() + self._seconds
        if self._timer is None or self._loop is not loop:
            self._loop = loop
            self._timer = loop.call_later(self._seconds, self._end_first, loop)

    def lift(self, task: "asyncio.Task[Any]") -> None:
        self._running.pop(task, None)

    def was_over(self, task: "asyncio.Task[Any]") -> bool:
        """Whether the cancellation that has reached the task came from here; it is then taken back."""
        if task not in self._over:
            return False
        self._over.remove(task)
        task.uncancel()
        return True

    def _end_first(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        while self._running:
            task, at = next(iter(self._running.items()))
            if at > now:
                self._timer = loop.call_at(at, self._end_first, loop)
                return
            del self._running[task]
            self._over.add(task)
            task.cancel()
        self._timer = None
