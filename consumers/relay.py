"""The log put on the topic, in its order, at least once: a page is acknowledged first, then its position is saved.

Nothing here is told how far it has come but by the saved position, which may be moved at any time to publish anew.
"""

from collections.abc import Sequence
from threading import Event
from typing import Final, Protocol

import structlog

from consumers.message import LogEntry, Message, message_of
from domain.ports import TopicUnavailable

_log = structlog.get_logger("relay")

_PAUSE_S_MIN: Final = 0.1
_PAUSE_S_MAX: Final = 5.0


class Log(Protocol):
    def after(self, position: int, limit: int) -> Sequence[LogEntry]:
        """The next facts, in order of position."""

    def wait(self) -> None:
        """Until there may be more, or for a moment."""


class Topic(Protocol):
    def open(self) -> None:
        """Makes it where it is absent. Raises TopicUnavailable."""

    def publish(self, messages: Sequence[Message]) -> None:
        """Returns when every one is acknowledged, in this order per key; TopicUnavailable otherwise."""


class Place(Protocol):
    def position(self) -> int:
        """Of the last fact that is known to be on the topic; 0: none."""

    def save(self, before: int, now: int) -> None:
        """Unless somebody has moved it from where it was before."""

    def report(self, problem: str | None) -> None:
        """What keeps the relay from going on, in a sentence; None: nothing does."""


class GapInLog(Exception):
    def __init__(self, position: int) -> None:
        self.position = position
        super().__init__(f"position {position} is not in the log, though later ones are: nothing is relayed past it")


class Relay:
    def __init__(self, log: Log, topic: Topic, place: Place, *, page_events_max: int) -> None:
        self._feed, self._topic, self._place = log, topic, place
        self._page_events_max = page_events_max
        self._problem: str | None = ""  # none was reported yet, nor that there is none

    def run(self, stopping: Event) -> None:
        """Until told to stop: a broker that is away is waited for, and what it lacks is sent when it is back."""
        pause_s = _PAUSE_S_MIN
        while not stopping.is_set():
            try:
                if not self.step():
                    self._feed.wait()
                self._report(None)
                pause_s = _PAUSE_S_MIN
            except (TopicUnavailable, GapInLog) as error:
                self._report(str(error))
                stopping.wait(pause_s)
                pause_s = min(2 * pause_s, _PAUSE_S_MAX)

    def step(self) -> int:
        """Publishes the next page. Returns how many facts it has. Raises TopicUnavailable, GapInLog."""
        self._topic.open()
        position = self._place.position()
        page = self._feed.after(position, self._page_events_max)
        if not page:
            return 0
        whole = [entry for following, entry in enumerate(page, start=position + 1) if entry.position == following]
        if not whole:
            raise GapInLog(position + 1)
        self._topic.publish([message_of(entry) for entry in whole])
        self._place.save(position, whole[-1].position)
        return len(whole)

    def _report(self, problem: str | None) -> None:
        """Once, and not at every try."""
        if problem == self._problem:
            return
        if problem is not None:
            _log.warning("facts are not relayed", because=problem)
        elif self._problem:
            _log.info("facts are relayed again")
        self._place.report(problem)
        self._problem = problem
