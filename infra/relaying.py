"""The relay in a process of its own, so that neither desk nor event loop ever waits for Kafka; of several processes on
one database one relays, the others stand by.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection as Pipe
from threading import Event, Thread
from time import sleep
from typing import Any

import psycopg
import structlog
from psycopg import Connection

from consumers.relay import Relay
from domain.ports import TopicUnavailable
from infra.child_process import LOOK_S, ChildProcess, GoesOn
from infra.kafka.topic import WrittenTopic
from infra.postgres import Database
from infra.relay_position import FACTS, RelayPosition, relayed
from infra.settings import Settings
from projections import feed
from projections.feed import StoredEvent
from projections.log import head

_END_LOOK_S = 0.05
_POSITION_MAX = 2**63 - 1
_LOCK = "SELECT pg_try_advisory_lock(hashtextextended('mawid relays', 0))"

_log = structlog.get_logger("relay")


class _Log:
    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection
        connection.execute("LISTEN mawid_log")

    def after(self, position: int, limit: int) -> Sequence[StoredEvent]:
        return feed.events(self._connection, after=position, upto=_POSITION_MAX, limit=limit)

    def wait(self) -> None:
        for _ in self._connection.notifies(timeout=LOOK_S, stop_after=1):
            pass


def relay(settings: Settings, dsn: str, stopping: Event) -> None:
    """Until told to stop. A database or a broker that is away is waited for."""
    topic = _facts_topic(settings, dsn)
    try:
        while not stopping.is_set():
            with suppress(psycopg.OperationalError, psycopg.InterfaceError):  # the database: who keeps it up says so
                _relay_in_turn(settings, dsn, topic, stopping)
            stopping.wait(LOOK_S)
    finally:
        topic.close()


def _relay_in_turn(settings: Settings, dsn: str, topic: WrittenTopic, stopping: Event) -> None:
    with psycopg.connect(dsn, autocommit=True, connect_timeout=5) as connection:
        while connection.execute(_LOCK).fetchone() != (True,):
            if stopping.wait(LOOK_S):
                return
        place = RelayPosition(connection)  # the lock goes with the session
        Relay(_Log(connection), topic, place, page_events_max=settings.kafka.relay_page_events_max).run(stopping)


def _facts_topic(settings: Settings, dsn: str) -> WrittenTopic:
    return WrittenTopic(settings.kafka, FACTS, on_made=lambda: _tell_what_is_missing(dsn))


def _tell_what_is_missing(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True, connect_timeout=5) as connection:
        position = relayed(connection).position
    if position:
        _log.error(f"{FACTS} was made anew and lacks what was on it: `mawid relay --from 1`", upto=position)


def relay_to_the_end(settings: Settings, database: Database) -> int:
    """Returns the position of the log's end as it is now, when the topic has it. TopicUnavailable if it cannot."""
    topic = _facts_topic(settings, database.dsn)
    topic.open()  # also where there is nothing to send
    topic.close()
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        end = head(connection)

        def goes_on() -> bool:
            sleep(_END_LOOK_S)
            database.ensure_running()
            position, problem = relayed(connection)
            if problem is not None:
                raise TopicUnavailable(problem)
            return position < end

        RelayPosition(connection).report(None)  # what was in the way before may be no more
        relay_while(settings, database.dsn, goes_on)
    return end


@contextmanager
def relaying(settings: Settings, dsn: str) -> Iterator[ChildProcess]:
    process = ChildProcess("mawid-relay", "the relay's process", _relay, settings, dsn)
    try:
        yield process
    finally:
        process.close()


def _relay(settings: Settings, dsn: str, _pipe: Pipe, goes_on: GoesOn) -> None:
    relay_while(settings, dsn, goes_on)


def relay_while(settings: Settings, dsn: str, goes_on: GoesOn) -> None:
    """In a thread beside the caller's: what is under way is acknowledged and its position saved before the end."""
    stopping = Event()
    thread = Thread(target=relay, args=(settings, dsn, stopping), name="relay", daemon=True)
    thread.start()
    try:
        while thread.is_alive() and goes_on():
            pass
    finally:
        stopping.set()
        thread.join()
