"""An API process watches itself, and leaves one fact of each hour: what indicators B1 to B3 are counted from.

It looks every ten seconds. A minute is watched when none of its six looks is missing, ready when all six found the
process ready, fresh when none found a view more than 5 s behind. The fact goes to the desk when the hour is over, and
when the process ends in order; one that is killed takes the hour with it, and its minutes count as not ready.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event, Thread
from typing import NamedTuple

import psycopg
import structlog

from domain.commands import Caller
from domain.operation import MINUTES, text_of
from domain.ports import Overloaded, Receipt

_log = structlog.get_logger("operation")

LOOK_S = 10
#: A view is fresh that lacks no fact older than this.
LAG_S_MAX = 5.0
_ALL_LOOKS = (1 << 60 // LOOK_S) - 1
SYSTEM = Caller(role="system", subject="operation")


class HourWatched(NamedTuple):
    """As RecordOperation takes it."""

    since: datetime
    minutes_watched: str
    minutes_ready: str
    minutes_fresh: str
    confirmations: int
    confirmations_prompt: int


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What is looked at; each of the first two may raise psycopg.OperationalError, which is neither ready nor fresh."""

    is_ready: Callable[[], bool]
    lag_s: Callable[[], float]  # age of the oldest fact that a view lacks
    confirmations: Callable[[], tuple[int, int]]  # since the process began; those of them that were prompt
    now: Callable[[], datetime]


class Hour:
    """The looks of one hour."""

    def __init__(self, since: datetime) -> None:
        self.since = since
        self._looks = [0] * MINUTES
        self._unready = 0
        self._stale = 0

    def look(self, at: datetime, *, is_ready: bool, is_fresh: bool) -> None:
        minute = at.minute
        self._looks[minute] |= 1 << at.second // LOOK_S
        self._unready |= (not is_ready) << minute
        self._stale |= (not is_fresh) << minute

    @property
    def watched(self) -> int:
        return sum(1 << minute for minute, looks in enumerate(self._looks) if looks == _ALL_LOOKS)

    def told(self, confirmations: int, prompt: int) -> HourWatched:
        watched = self.watched
        ready, fresh = watched & ~self._unready, watched & ~self._stale
        return HourWatched(self.since, text_of(watched), text_of(ready), text_of(fresh), confirmations, prompt)


class OperationWatch:
    def __init__(self, watched: Watched, record: Callable[[HourWatched], "Future[Receipt]"]) -> None:
        """`record`: the same hour recorded again becomes no second fact."""
        self._watched = watched
        self._record = record
        self._hour = Hour(_hour_of(watched.now()))
        self._told = (0, 0)
        self._unrecorded: list[HourWatched] = []
        self._asked: Future[Receipt] | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """It looks in a thread of its own."""
        closing = Event()
        thread = Thread(target=self._run, args=(closing,), name="operation-watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            closing.set()
            thread.join()
            self.end()

    def end(self) -> None:
        """What has been watched of the hour goes to the desk, which commits it before it closes."""
        self._end_hour()
        for hour in self._unrecorded:
            self._submit(hour)

    def look(self) -> None:
        at = self._watched.now()
        if _hour_of(at) != self._hour.since:
            self._end_hour()
            self._hour = Hour(_hour_of(at))
        try:
            is_ready, is_fresh = self._watched.is_ready(), self._watched.lag_s() <= LAG_S_MAX
        except psycopg.OperationalError:
            is_ready = is_fresh = False
        self._hour.look(at, is_ready=is_ready, is_fresh=is_fresh)
        self._record_first()

    def _run(self, closing: Event) -> None:
        while not closing.wait(_until_next_look(self._watched.now())):
            self.look()

    def _end_hour(self) -> None:
        """An hour in which no whole minute was watched leaves no fact."""
        now, before = self._watched.confirmations(), self._told
        if self._hour.watched:
            self._unrecorded.append(self._hour.told(now[0] - before[0], now[1] - before[1]))
            self._told = now

    def _record_first(self) -> None:
        """The next look sees what became of it: until it is in the log it is asked for again."""
        if self._asked is not None and self._asked.done():
            if self._asked.exception() is None:
                del self._unrecorded[0]
            self._asked = None
        if self._asked is None and self._unrecorded:
            self._asked = self._submit(self._unrecorded[0])

    def _submit(self, hour: HourWatched) -> "Future[Receipt] | None":
        try:
            return self._record(hour)
        except Overloaded:
            _log.warning("an hour of operation waits to be recorded", since=hour.since.isoformat())
            return None


def _hour_of(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def _until_next_look(at: datetime) -> float:
    """Seconds to the next look: they are taken at :00, :10 … of each minute, so that none is counted as another."""
    passed = timedelta(seconds=at.second % LOOK_S, microseconds=at.microsecond)
    return (timedelta(seconds=LOOK_S) - passed).total_seconds()
