"""The log as a recorder of the eventsourcing library: chosen by PERSISTENCE_MODULE=infra.recorder:Factory.

Positions are assigned by the writer under the lock of `log_head`, so the sequence has no gap and none can be skipped:
the library's own PostgreSQL recorder numbers from a sequence, whose holes nobody can tell from deleted events.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from threading import Thread
from typing import Any

from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    InfrastructureFactory,
    IntegrityError,
    ListenNotifySubscription,
    Mapper,
    Notification,
    ProcessRecorder,
    StoredEvent,
    Subscription,
    TrackingRecorder,
)
from psycopg import Connection, Cursor, errors
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from domain import wire
from domain.events import Fact
from infra.stored_facts import COLUMNS, StoredFact, fact_of
from infra.turn import Turn, prepare_for_turns


class FactMapper(Mapper[str]):
    """Fact ⇄ stored event: the envelope becomes columns, the event inside it the state."""

    def __init__(self) -> None:
        pass  # no transcoder, cipher or compressor: the wire format is the domain's own

    def to_stored_event(self, domain_event: Any) -> StoredFact:
        fact: Fact = domain_event
        return StoredFact(
            fact.originator_id,
            fact.originator_version,
            fact.event.TOPIC,
            wire.encode(fact.event),
            fact.person,
            fact.booking,
            fact.command_id,
            fact.at,
        )

    def to_domain_event(self, stored_event: StoredEvent) -> Fact:
        assert isinstance(stored_event, StoredFact)
        event = wire.decode(stored_event.topic, stored_event.state)
        return Fact(
            str(stored_event.originator_id),
            stored_event.originator_version,
            stored_event.at,
            stored_event.command_id,
            stored_event.person,
            stored_event.booking,
            event,
        )


class LogRecorder(ApplicationRecorder):
    def __init__(self, pool: "ConnectionPool[Connection[TupleRow]]") -> None:
        self._pool = pool

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        """Append under the lock of the `turn` given; without one, in a transaction of its own."""
        turn: Turn | None = kwargs.get("turn")
        if turn is not None:
            turn.append(stored_events)
            return None
        try:
            with self._pool.connection() as connection:
                turn = Turn.begin(connection)
                turn.hold()
                turn.append(stored_events)
                turn.commit()
        except errors.UniqueViolation as error:
            raise IntegrityError(error) from error
        return list(range(turn.head - len(stored_events) + 1, turn.head + 1))

    def first_of_booking(self, booking: str, topics: Sequence[str]) -> tuple[str, bytes] | None:
        """Topic and state of its first fact of one of the topics."""
        query = "SELECT type, state FROM log WHERE booking = %s AND type = ANY(%s) ORDER BY position LIMIT 1"
        with self._pool.connection() as connection:
            row: tuple[str, bytes] | None = connection.execute(query, (booking, list(topics))).fetchone()
            return row

    def select_events(
        self,
        originator_id: Any,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        order = "DESC" if desc else "ASC"
        query = f"""
            SELECT {COLUMNS} FROM log
            WHERE stream = %s AND stream_version > COALESCE(%s, -1) AND stream_version <= COALESCE(%s, {2**62})
            ORDER BY stream_version {order} LIMIT %s
        """
        with self._reading() as cursor:
            cursor.execute(query, (str(originator_id), gt, lte, limit))
            return [StoredFact(*row[1:]) for row in cursor]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        first = 1 if start is None else start if inclusive_of_start else start + 1
        query = """
            SELECT stream, stream_version, type, state, position FROM log
            WHERE position >= %s AND position <= COALESCE(%s, 9223372036854775807)
              AND (%s OR type = ANY(%s))
            ORDER BY position LIMIT %s
        """
        with self._reading() as cursor:
            cursor.execute(query, (first, stop, not topics, list(topics), limit))
            return [Notification(*row) for row in cursor]

    def max_notification_id(self) -> int | None:
        with self._reading() as cursor:
            row = cursor.execute("SELECT position FROM log_head").fetchone()
        return row[0] if row and row[0] else None

    def facts_after(self, position: int, limit: int, upto: int | None = None) -> list[tuple[int, Fact]]:
        """A page of the log in order, for followers: (position, fact)."""
        query = f"""
            SELECT {COLUMNS} FROM log WHERE position > %s AND position <= COALESCE(%s, 9223372036854775807)
            ORDER BY position LIMIT %s
        """
        with self._reading() as cursor:
            return [(row[0], fact_of(row)) for row in cursor.execute(query, (position, upto, limit))]

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> "Subscription[ApplicationRecorder]":
        return LogSubscription(self, gt, topics)

    def connection(self) -> AbstractContextManager[Connection[TupleRow]]:
        return self._pool.connection()

    @contextmanager
    def _reading(self) -> Iterator[Cursor[TupleRow]]:
        with self._pool.connection() as connection, connection.cursor(binary=True) as cursor:
            yield cursor


class LogSubscription(ListenNotifySubscription["LogRecorder"]):
    """The log from a position on, as it grows: woken by NOTIFY."""

    def __init__(self, recorder: LogRecorder, gt: int | None, topics: Sequence[str]) -> None:
        self._listening = Thread(target=self._listen, name="log-subscription", daemon=True)
        super().__init__(recorder=recorder, gt=gt, topics=topics)
        self._listening.start()

    def __exit__(self, *args: object, **kwargs: Any) -> None:
        super().__exit__(*args, **kwargs)
        self._listening.join()

    def _listen(self) -> None:
        try:
            with self._recorder.connection() as connection:
                connection.execute("LISTEN mawid_log")
                self._has_been_notified.set()  # for what was appended before the LISTEN
                while not self._has_been_stopped:
                    for _ in connection.notifies(timeout=0.1, stop_after=1):
                        self._has_been_notified.set()
                connection.execute("UNLISTEN mawid_log")
        except BaseException as error:
            self._thread_error = error
            self.stop()
            raise


class Factory(InfrastructureFactory[TrackingRecorder]):
    """Builds the recorder from DATABASE_URL (a psycopg connection string)."""

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        self._pool: ConnectionPool[Connection[TupleRow]] = ConnectionPool(
            self.env["DATABASE_URL"],
            min_size=1,
            max_size=int(self.env.get("POOL_CONNECTIONS_MAX") or 8),
            timeout=10,
            check=ConnectionPool.check_connection,  # the server may have been restarted since
            configure=prepare_for_turns,
            kwargs={"autocommit": True},
            open=True,
        )

    def mapper(self, *_: Any, **__: Any) -> FactMapper:  # type: ignore[override]
        return FactMapper()

    def aggregate_recorder(self, purpose: str = "events") -> AggregateRecorder:
        return LogRecorder(self._pool)

    def application_recorder(self) -> LogRecorder:
        return LogRecorder(self._pool)

    def tracking_recorder(self, tracking_recorder_class: Any = None) -> Any:
        raise NotImplementedError("views keep their position beside their rows: projections/follow.py")

    def process_recorder(self) -> ProcessRecorder:
        raise NotImplementedError("views keep their position beside their rows: projections/follow.py")

    def close(self) -> None:
        self._pool.close()
