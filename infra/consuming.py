"""`mawid consume NAME`: a consumer of the facts' topic, its inbox in PostgreSQL, and what it does with a fact."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from threading import Event, Thread
from time import monotonic
from typing import Any, Final
from uuid import UUID

import msgspec
import psycopg
import structlog
from psycopg import Connection

from consumers.loop import EffectFailed, InboxAway, Loop
from consumers.reading import Read, Readable, Unreadable, read
from domain.events import Event as DomainEvent
from domain.ports import TopicUnavailable
from infra import inbox, parked
from infra.bootstrap import Instance
from infra.inbox import Told
from infra.kafka.reading import PolledRecord, ReadTopic
from infra.kafka.topic import WrittenTopic
from infra.message_channels import channel_names, open_channels
from infra.messaging import queue_message, run_messages
from infra.parked import PARKED, Parked
from infra.relay_position import FACTS
from infra.settings import Kafka, Settings

Effect = Callable[[Connection[Any], int, DomainEvent, datetime], object]
_PARKED_PAGE: Final = 100
_PARKED_REST_S: Final = 30.0
_CONNECT_S: Final = 5

_log = structlog.get_logger("consume")


class NoWayToSend(Exception):
    """The sentence itself."""


def notifications(settings: Settings) -> Effect:
    channels = channel_names(settings.messages, settings.instance.notify_urls)
    if not channels:
        raise NoWayToSend(
            "no way to send messages is set: MAWID_SMPP_SERVER, MAWID_SMTP_SERVER with MAWID_EMAIL_TO,"
            " or MAWID_NOTIFY_URLS"
        )

    def effect(connection: Connection[Any], position: int, event: DomainEvent, now: datetime) -> None:
        queue_message(connection, position, event, channels=channels, now=now)

    return effect


EFFECTS: Final[Mapping[str, Callable[[Settings], Effect]]] = {"notifications": notifications}


class PostgresInbox:
    def __init__(self, dsn: str, consumer: str, effect: Effect, settings: Kafka) -> None:
        self._dsn, self._consumer, self._effect, self._settings = dsn, consumer, effect, settings
        self._connection: Connection[Any] | None = None
        self._topic = WrittenTopic(settings, PARKED)
        self._parked_rest_until = 0.0
        self._may_have_unpublished = True

    def close(self) -> None:
        self._topic.close()
        if self._connection is not None:
            self._connection.close()

    def places(self, topic_id: UUID) -> dict[int, int]:
        with self._connected() as connection:
            return inbox.places(connection, self._consumer, topic_id)

    def take(self, batch: Sequence[Read]) -> None:
        now = datetime.now(UTC)
        with self._connected() as connection:
            try:
                with connection.transaction():
                    for one, why in self._take_facts(connection, batch, now):
                        self._park(connection, one, why, now)
                    self._save_places(connection, batch)
            except (psycopg.OperationalError, psycopg.InterfaceError):
                raise
            except Exception as error:
                raise EffectFailed(type(error).__name__) from error

    def park(self, one: Read, why: str) -> None:
        with self._connected() as connection, connection.transaction():
            self._park(connection, one, why, datetime.now(UTC))
            self._save_places(connection, [one])

    def publish_parked(self) -> None:
        """It waits for a while where it cannot: the facts go on."""
        if not self._may_have_unpublished or monotonic() < self._parked_rest_until:
            return
        with self._connected() as connection:
            page = parked.unpublished(connection, self._consumer, _PARKED_PAGE)
            self._may_have_unpublished = len(page) == _PARKED_PAGE
            if not page:
                return
            try:
                self._topic.publish([_told_of(each) for each in page])
            except TopicUnavailable as error:
                self._may_have_unpublished = True
                self._parked_rest_until = monotonic() + _PARKED_REST_S
                _log.warning(f"{PARKED} is behind", because=str(error))
            else:
                parked.note_published(connection, [each.id for each in page], datetime.now(UTC))

    def retry(self, id_: int) -> str | None:
        """Why it stays parked. None: it is taken, and parked no more. KeyError: there is no such."""
        now = datetime.now(UTC)
        with self._connected() as connection, connection.transaction():
            row = parked.taken_up(connection, id_)
            if row is None:
                raise KeyError(id_)
            if row.body is None:
                return f"{row.why}, and its body is not kept"
            record = PolledRecord(row.topic_id, row.partition, row.offset, row.body)
            try:
                with connection.transaction():
                    one = read(record, bytes_max=self._settings.consume_fact_bytes_max)
                    whys = [why for _, why in self._take_facts(connection, [one], now)]
            except (psycopg.OperationalError, psycopg.InterfaceError):
                raise
            except Exception as error:  # noqa: BLE001 - whatever an effect may fail with
                whys = [type(error).__name__]
            if whys:
                parked.give_new_reason(connection, id_, whys[0])
                return whys[0]
            parked.drop(connection, id_)
        return None

    def _take_facts(
        self, connection: Connection[Any], batch: Sequence[Read], now: datetime
    ) -> Iterator[tuple[Read, str]]:
        """What cannot be taken, and why."""
        facts = [each for each in batch if isinstance(each, Readable)]
        yield from ((each, each.why) for each in batch if isinstance(each, Unreadable))
        if not facts:
            return
        told = [Told(f.envelope.position, f.envelope.stream, f.envelope.stream_version, f.envelope.type,
                     bytes(f.envelope.data)) for f in facts]  # fmt: skip
        noted = inbox.note(connection, self._consumer, told)
        left = set(noted.new)
        for n, fact in enumerate(facts):
            position = fact.envelope.position
            if n not in noted.known:
                yield fact, "not-in-log"
            elif position in left:
                left.discard(position)
                self._effect(connection, position, fact.event, now)

    def _park(self, connection: Connection[Any], one: Read, why: str, now: datetime) -> None:
        record, body = one.record, one.record.value or b""
        self._may_have_unpublished = True
        parked.park(
            connection,
            consumer=self._consumer,
            topic=FACTS,
            topic_id=record.topic_id,
            partition=record.partition,
            offset=record.offset,
            why=why,
            size=len(body),
            body=body if len(body) <= self._settings.consume_fact_bytes_max else None,
            bodies_max=self._settings.parked_messages_max,
            now=now,
        )
        _log.warning("a message was parked", why=why, partition=record.partition, offset=record.offset)

    def _save_places(self, connection: Connection[Any], batch: Sequence[Read]) -> None:
        records = [each.record for each in batch]
        inbox.save_places(
            connection, self._consumer, {(each.topic_id, each.partition): each.offset + 1 for each in records}
        )

    @contextmanager
    def _connected(self) -> Iterator[Connection[Any]]:
        """In autocommit. InboxAway: the next time a new connection is tried."""
        try:
            if self._connection is None or self._connection.closed:
                self._connection = psycopg.connect(self._dsn, autocommit=True, connect_timeout=_CONNECT_S)
            yield self._connection
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            if self._connection is not None:
                self._connection.close()
            raise InboxAway(f"the database does not answer as it should ({type(error).__name__})") from error


def _told_of(row: Parked) -> tuple[bytes, bytes, list[tuple[str, bytes]]]:
    told = {
        "consumer": row.consumer, "topic": row.topic, "topic_id": str(row.topic_id), "partition": row.partition,
        "offset": row.offset, "why": row.why, "bytes": row.size, "parked_at": row.parked_at.isoformat(),
    }  # fmt: skip
    return row.consumer.encode(), msgspec.json.encode(told), [("why", row.why.encode())]


def retry_parked(settings: Settings, dsn: str, row: Parked) -> str | None:
    """Why it stays parked. None: it is taken, and parked no more."""
    with closing(PostgresInbox(dsn, row.consumer, EFFECTS[row.consumer](settings), settings.kafka)) as opened:
        return opened.retry(row.id)


def consume(name: str, effect: Effect, settings: Kafka, dsn: str, stopping: Event) -> None:
    """Until told to stop. Several of one name share the topic's partitions."""
    with (
        closing(PostgresInbox(dsn, name, effect, settings)) as opened,
        closing(ReadTopic(settings, FACTS, group=name, places=opened.places)) as topic,
    ):
        Loop(
            topic,
            opened,
            stopping,
            attempts_max=settings.consume_attempts_max,
            message_bytes_max=settings.consume_fact_bytes_max,
        ).run()


def consume_while(name: str, instance: Instance, goes_on: Callable[[], bool]) -> None:
    """Raises NoWayToSend, SettingsError.

    Beside the caller's thread, with the sending of messages in another; ends when any of the three does.
    """
    settings, stopping = instance.settings, Event()
    effect = EFFECTS[name](settings)
    for channel in open_channels(settings.messages, settings.instance.notify_urls, lambda _: None):
        channel.close()  # SettingsError now, and not in a thread
    threads = [
        Thread(
            target=consume, args=(name, effect, settings.kafka, instance.dsn, stopping), name="consume", daemon=True
        ),
        Thread(target=run_messages, args=(instance, stopping), name="messages", daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        while all(thread.is_alive() for thread in threads) and goes_on():
            pass
    finally:
        stopping.set()
        for thread in threads:
            thread.join()
