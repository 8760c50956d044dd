"""Poll, take, park: what has come is taken in one transaction with its effects, and what cannot be is put aside.

Nothing here remembers how far it has come: a place is saved with the effects, and whoever comes next goes on there.
"""

from collections.abc import Callable, Sequence
from threading import Event
from typing import Final, Protocol

import structlog

from consumers.reading import Read, Record, read
from domain.ports import TopicUnavailable

_log = structlog.get_logger("consume")

_PAUSE_S_MIN: Final = 0.1
_PAUSE_S_MAX: Final = 5.0


class Source(Protocol):
    def poll(self) -> Sequence[Record]:
        """What has come, or nothing after a moment. Raises TopicUnavailable, InboxAway."""


class Inbox(Protocol):
    def take(self, batch: Sequence[Read]) -> None:
        """All effects and places in one transaction; those of before have none. Raises InboxAway, EffectFailed."""

    def park(self, one: Read, why: str) -> None:
        """It and its place, in one transaction. Raises InboxAway."""

    def publish_parked(self) -> None:
        """What was parked is told on a topic too. Raises InboxAway, TopicUnavailable."""


class InboxAway(Exception):
    """The database does not answer, or wants the same again."""


class EffectFailed(Exception):
    """It would fail again, as far as anybody can tell. `why`: a word; nothing of what has come."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


class _Stopped(Exception):
    """In the middle of a wait: what was polled comes again."""


class Loop:
    def __init__(
        self, source: Source, inbox: Inbox, stopping: Event, *, attempts_max: int, message_bytes_max: int
    ) -> None:
        self._source, self._inbox, self._stopping = source, inbox, stopping
        self._attempts_max, self._bytes_max = attempts_max, message_bytes_max
        self._problem: str | None = None

    def run(self) -> None:
        """Until told to stop. Brokers and a database that are away are waited for."""
        pause_s = _PAUSE_S_MIN
        while not self._stopping.is_set():
            try:
                self.step()
                pause_s = _PAUSE_S_MIN
            except _Stopped:
                return
            except (TopicUnavailable, InboxAway) as error:
                self._report(str(error))
                self._stopping.wait(pause_s)
                pause_s = min(2 * pause_s, _PAUSE_S_MAX)
            else:
                self._report(None)

    def step(self) -> int:
        """Takes what has come. Returns how much that was."""
        records = self._source.poll()
        batch = [read(record, bytes_max=self._bytes_max) for record in records]
        if batch:
            self._take(batch)
        self._inbox.publish_parked()
        return len(batch)

    def _take(self, batch: Sequence[Read]) -> None:
        try:
            self._persist(lambda: self._inbox.take(batch))
        except EffectFailed:
            for each in batch:
                self._take_alone(each)

    def _take_alone(self, one: Read) -> None:
        """One that fails holds nobody up for longer than its attempts."""
        pause_s, why = _PAUSE_S_MIN, ""
        for attempt in range(self._attempts_max):
            if attempt:
                if self._stopping.wait(pause_s):
                    raise _Stopped
                pause_s = min(2 * pause_s, _PAUSE_S_MAX)
            try:
                self._persist(lambda: self._inbox.take([one]))
            except EffectFailed as failure:
                why = failure.why
            else:
                return
        self._persist(lambda: self._inbox.park(one, why))

    def _persist(self, act: Callable[[], None]) -> None:
        pause_s = _PAUSE_S_MIN
        while True:
            try:
                act()
            except InboxAway as error:
                self._report(str(error))
            else:
                return
            if self._stopping.wait(pause_s):
                raise _Stopped
            pause_s = min(2 * pause_s, _PAUSE_S_MAX)

    def _report(self, problem: str | None) -> None:
        """Once, and not at every try."""
        if problem == self._problem:
            return
        if problem is not None:
            _log.warning("facts are not consumed", because=problem)
        else:
            _log.info("facts are consumed again")
        self._problem = problem
