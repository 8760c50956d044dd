"""A topic that is read by a group, from places that are kept elsewhere: Kafka is told of none."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from time import monotonic
from typing import Any, Final, NamedTuple
from uuid import UUID

from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from domain.ports import TopicUnavailable
from infra.kafka.client import client_settings, sentence_about
from infra.kafka.unavailable import KafkaUnavailable
from infra.settings import Kafka

_POLL_MS: Final = 250
#: How often the brokers are asked where all is, and so how long a topic made anew or a broker away goes unnoticed.
_LOOK_MS: Final = 2_000
_CLOSE_MS: Final = 3_000


class PolledRecord(NamedTuple):
    topic_id: UUID
    partition: int
    offset: int
    value: bytes | None


class _Assignments(ConsumerRebalanceListener):  # type: ignore[misc] # kafka-python has no types
    """Called while Kafka is polled, maybe by another thread: it only notes what is to be done."""

    def __init__(self) -> None:
        self.unplaced: set[TopicPartition] = set()

    def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        self.unplaced.difference_update(revoked)

    def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        self.unplaced.update(assigned)


class ReadTopic:
    def __init__(self, settings: Kafka, name: str, *, group: str, places: Callable[[UUID], dict[int, int]]) -> None:
        """`places`: the next offset by partition of a topic, by its id; a partition without begins at its beginning."""
        self._settings, self._name, self._group, self._places = settings, name, group, places
        self._consumer: Any = None
        self._assignments = _Assignments()
        self._topic_id: UUID | None = None

    def poll(self) -> list[PolledRecord]:
        """Raises TopicUnavailable, and whatever `places` raises."""
        try:
            return self._polled()
        except KafkaError as error:
            self.close()
            raise TopicUnavailable(sentence_about(error, self._settings)) from error
        except KafkaUnavailable as error:
            raise TopicUnavailable(str(error)) from error

    def close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close(autocommit=False, timeout_ms=_CLOSE_MS)

    def _polled(self) -> list[PolledRecord]:
        if self._consumer is None:
            self._consumer = self._opened()
        polled = self._consumer.poll(timeout_ms=_POLL_MS)
        with ExitStack() as unless_handed_out:  # then what was polled is to come again
            unless_handed_out.callback(lambda: self._assignments.unplaced.update(self._consumer.assignment()))
            found = self._placed(polled)
            unless_handed_out.pop_all()
        return found

    def _placed(self, polled: dict[TopicPartition, list[Any]]) -> list[PolledRecord]:
        consumer = self._consumer
        if not polled:
            self._look()
        topic_id = consumer._cluster.topic_id(self._name)  # noqa: SLF001 - it has no other way to tell
        if topic_id is None:
            raise TopicUnavailable(
                f"{self._name} is not on the Kafka at {self._settings.kafka_bootstrap}: `mawid relay` makes it"
            )
        if topic_id != self._topic_id:  # the first, or made anew: what was polled may be of either
            self._topic_id = topic_id
            self._assignments.unplaced.update(consumer.assignment())
        fresh = set(self._assignments.unplaced)
        if fresh:
            self._place(topic_id)
        return [
            PolledRecord(topic_id, partition.partition, each.offset, each.value)
            for partition, records in polled.items()
            if partition not in fresh
            for each in records
        ]

    def _place(self, topic_id: UUID) -> None:
        """What was polled before is thrown away: the next poll brings what follows the place."""
        places = self._places(topic_id)
        for partition in self._assignments.unplaced & self._consumer.assignment():
            self._assignments.unplaced.discard(partition)
            try:
                if partition.partition in places:
                    self._consumer.seek(partition, places[partition.partition])
                else:
                    self._consumer.seek_to_beginning(partition)
            except (ValueError, AssertionError):  # taken away meanwhile; whoever brings it back says so
                continue

    def _look(self) -> None:
        """A client whose brokers are gone just polls nothing."""
        heard_ms = self._consumer._cluster._last_successful_refresh_ms  # noqa: SLF001 - as above
        heard_s = monotonic() - heard_ms / 1000
        if heard_s > _LOOK_MS / 1000 + self._settings.kafka_answer_s_max:
            raise TopicUnavailable(
                f"the Kafka at {self._settings.kafka_bootstrap} (MAWID_KAFKA_BOOTSTRAP) does not answer"
            )

    def _opened(self) -> Any:  # noqa: ANN401 - kafka-python has no types
        self._assignments, self._topic_id = _Assignments(), None
        limits = self._settings
        consumer = KafkaConsumer(
            **client_settings(limits),
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            allow_auto_create_topics=False,
            max_poll_records=limits.consume_page_events_max,
            max_partition_fetch_bytes=limits.kafka_message_bytes_max,
            fetch_max_wait_ms=_POLL_MS,
            session_timeout_ms=limits.consume_silence_s_max * 1000,
            heartbeat_interval_ms=limits.consume_silence_s_max * 1000 // 4,
            metadata_max_age_ms=_LOOK_MS,
        )
        consumer.subscribe([self._name], listener=self._assignments)
        return consumer
