"""A topic that is written to: made where it is absent, its producer replaced whenever it has failed."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any, Final

from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic
from kafka.errors import KafkaError, KafkaTimeoutError, TopicAlreadyExistsError
from kafka.partitioner.default import murmur2

from domain.ports import TopicUnavailable
from infra.kafka.client import client_settings, sentence_about
from infra.kafka.unavailable import KafkaUnavailable
from infra.settings import Kafka

#: Records wait so long for company: the producer's own rate rises by an eighth with it.
_LINGER_MS: Final = 5
_BATCH_BYTES: Final = 64 * 1024
_KEYS_REMEMBERED: Final = 100_000
_KEPT_FOR_EVER: Final = {"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete"}


@lru_cache(_KEYS_REMEMBERED)
def _hash(key: bytes) -> int:
    """As any client's own: a key's messages lie where everybody would put them. In Python it is a fifth of a send."""
    hashed: int = murmur2(key) & 0x7FFFFFFF
    return hashed


class WrittenTopic:
    """Opened by the first message, and not before: opening waits for the brokers, and nobody else has to."""

    def __init__(self, settings: Kafka, name: str, *, on_made: Callable[[], None] = lambda: None) -> None:
        self._settings, self._name, self._on_made = settings, name, on_made
        self._producer: Any = None

    def open(self) -> None:
        """Raises TopicUnavailable. Again: nothing is done."""
        if self._producer is None:
            with self._told():
                self._producer = self._opened()

    def publish(self, messages: Iterable[tuple[bytes, bytes, list[tuple[str, bytes]]]]) -> None:
        """Returns when all are acknowledged by every copy in sync, in their order per key. Raises TopicUnavailable.

        After a failure some may be there, even without those before them: the same again brings them in order.
        """
        self.open()
        with self._told():
            send, name, partitions = self._producer.send, self._name, self._partitions()
            sent = [send(name, value, key, headers, _hash(key) % partitions) for key, value, headers in messages]
            self._producer.flush(self._settings.relay_delivery_s_max + 1)
            for each in sent:
                each.get(0)

    def close(self) -> None:
        self._throw_away()

    def _partitions(self) -> int:
        return len(self._producer.partitions_for(self._name))

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except KafkaError as error:
            self._throw_away()
            raise TopicUnavailable(sentence_about(error, self._settings)) from error
        except KafkaUnavailable as error:
            raise TopicUnavailable(str(error)) from error

    def _opened(self) -> Any:  # noqa: ANN401 - kafka-python has no types
        told = client_settings(self._settings)
        self._make(told)
        return KafkaProducer(
            **told,
            acks="all",
            enable_idempotence=True,
            linger_ms=_LINGER_MS,
            batch_size=_BATCH_BYTES,
            max_request_size=self._settings.kafka_message_bytes_max,
            max_block_ms=self._settings.kafka_answer_s_max * 1000,
            request_timeout_ms=self._settings.relay_delivery_s_max * 1000 // 3,
            delivery_timeout_ms=self._settings.relay_delivery_s_max * 1000,
            allow_auto_create_topics=False,
        )

    def _make(self, told: dict[str, Any]) -> None:
        admin = KafkaAdminClient(**told, request_timeout_ms=self._settings.kafka_answer_s_max * 1000)
        try:
            if self._name in admin.list_topics():
                return
            admin.create_topics(
                [
                    NewTopic(
                        self._name,
                        num_partitions=self._settings.kafka_topic_partitions,
                        replication_factor=self._settings.kafka_topic_copies or -1,
                        topic_configs=_KEPT_FOR_EVER
                        | {"max.message.bytes": str(self._settings.kafka_message_bytes_max)},
                    )
                ]
            )
        except TopicAlreadyExistsError:
            return
        finally:
            admin.close()
        self._on_made()

    def _throw_away(self) -> None:
        """Of a producer whose batch has expired nothing is sent any more, whatever the brokers do; and it must not
        come to life again beside the next one."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        with suppress(KafkaTimeoutError):  # what it holds is sent again from the log
            producer.close(timeout=0)
        producer._sender.force_close()  # noqa: SLF001 - close() raises before it gets so far
        producer._sender.join(self._settings.kafka_answer_s_max)  # noqa: SLF001
