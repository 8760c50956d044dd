"""A topic as its readers see it."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from time import monotonic, sleep
from typing import NamedTuple

import msgspec
import psycopg
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import UnknownTopicOrPartitionError

from infra.relay_position import FACTS, relayed
from infra.relaying import relay
from infra.settings import Settings
from projections.log import head

WAIT_S = 60


class Received(NamedTuple):
    partition: int
    key: str
    value: bytes
    headers: dict[str, bytes]

    @property
    def position(self) -> int:
        return msgspec.json.decode(self.value)["position"]


def received(bootstrap: str, topic: str = FACTS) -> list[Received]:
    """All that is on the topic now, in its order within each partition."""
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap.split(","), auto_offset_reset="earliest", enable_auto_commit=False
    )
    try:
        partitions = [TopicPartition(topic, each) for each in sorted(consumer.partitions_for_topic(topic) or ())]
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        found: list[Received] = []
        while any(consumer.position(each) < ends[each] for each in partitions):
            for records in consumer.poll(timeout_ms=500).values():
                found += [
                    Received(each.partition, each.key.decode(), each.value, dict(each.headers)) for each in records
                ]
        return found
    finally:
        consumer.close()


def deleted(bootstrap: str, topic: str = FACTS) -> None:
    """Returns when it is gone."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap.split(","))
    try:
        if topic in admin.list_topics():
            admin.delete_topics([topic])
        until = monotonic() + WAIT_S
        while topic in admin.list_topics():
            assert monotonic() < until
            sleep(0.05)
    except UnknownTopicOrPartitionError:
        pass
    finally:
        admin.close()


def firsts_by_key(messages: list[Received]) -> dict[str, list[int]]:
    """The positions under each key, as a reader meets them who drops what it has seen."""
    by_key: dict[str, dict[int, None]] = {}
    for each in messages:
        by_key.setdefault(each.key, {}).setdefault(each.position)
    return {key: list(positions) for key, positions in by_key.items()}


def positions_by_stream(dsn: str) -> dict[str, list[int]]:
    with psycopg.connect(dsn) as connection:
        return dict(connection.execute("SELECT stream, array_agg(position ORDER BY position) FROM log GROUP BY stream"))


@contextmanager
def relayed_by_a_thread(settings: Settings, dsn: str) -> Iterator[None]:
    stopping = Event()
    thread = Thread(target=relay, args=(settings, dsn, stopping))
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def await_relayed(dsn: str, position: int | None = None) -> None:
    """Until the log as it is now is on the topic, or what is before a position and that."""
    until = monotonic() + WAIT_S
    with psycopg.connect(dsn, autocommit=True) as connection:
        wanted = head(connection) if position is None else position
        while relayed(connection).position < wanted:
            assert monotonic() < until, relayed(connection)
            sleep(0.02)


def await_problem(dsn: str) -> str:
    until = monotonic() + WAIT_S
    with psycopg.connect(dsn, autocommit=True) as connection:
        while (problem := relayed(connection).problem) is None:
            assert monotonic() < until
            sleep(0.02)
    return problem
