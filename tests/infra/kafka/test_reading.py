"""A topic is read from the places that are told, of the topic that is there now."""

from contextlib import closing
from dataclasses import replace
from time import monotonic
from typing import Any

import pytest
from kafka import TopicPartition

from domain.ports import TopicUnavailable
from infra.kafka.reading import ReadTopic
from infra.kafka.topic import WrittenTopic
from infra.settings import Settings
from tests.topic import WAIT_S, deleted

pytestmark = pytest.mark.xdist_group("kafka")
NAME = "mawid.read.v1"


@pytest.fixture
def settings(kafka):
    deleted(kafka.bootstrap, NAME)
    yield Settings.load({"MAWID_KAFKA_BOOTSTRAP": kafka.bootstrap, "MAWID_KAFKA_TOPIC_PARTITIONS": "1"}).kafka
    deleted(kafka.bootstrap, NAME)


def write(settings, *values):
    with closing(WrittenTopic(settings, NAME)) as topic:
        topic.publish([(b"key", value, []) for value in values])


def poll_until(topic, is_enough):
    found: list[Any] = []
    until = monotonic() + WAIT_S
    while not is_enough(found):
        assert monotonic() < until, found
        try:
            found += topic.poll()
        except TopicUnavailable:
            continue
    return found


def test_a_partition_is_read_from_its_place(settings):
    write(settings, b"0", b"1", b"2")

    with closing(ReadTopic(settings, NAME, group="read", places=lambda _: {0: 1})) as topic:
        found = poll_until(topic, lambda found: len(found) >= 2)

    assert [(each.offset, each.value) for each in found] == [(1, b"1"), (2, b"2")]


def test_what_was_polled_while_the_place_of_a_new_partition_could_not_be_told_comes_again(settings):
    settings = replace(settings, kafka_topic_partitions=2)
    away: list[Any] = []

    def places(_):
        if away:
            away.pop()
            raise TopicUnavailable("as a database that is away")
        return {}

    write(settings, b"0")
    with closing(ReadTopic(settings, NAME, group="read", places=places)) as topic:
        [first] = poll_until(topic, bool)
        write(settings, b"1")
        topic._assignments.on_partitions_assigned([TopicPartition(NAME, 1 - first.partition)])
        away += range(3)

        found = poll_until(topic, lambda found: b"1" in [each.value for each in found])

    assert not away
    assert {each.value for each in found} <= {b"0", b"1"}


def test_a_topic_made_anew_between_two_polls_is_read_from_its_beginning(settings, kafka):
    write(settings, b"0", b"1")
    with closing(ReadTopic(settings, NAME, group="read", places=lambda _: {})) as topic:
        [first, *_] = poll_until(topic, lambda found: len(found) >= 2)
        deleted(kafka.bootstrap, NAME)
        write(settings, b"a", b"b", b"c", b"d")

        found = poll_until(topic, lambda found: b"a" in [each.value for each in found])

    assert {each.topic_id for each in found if each.value == b"a"} != {first.topic_id}


def test_a_topic_that_is_not_there_is_told_and_read_once_it_is(settings):
    with closing(ReadTopic(settings, NAME, group="read", places=lambda _: {})) as topic:
        with pytest.raises(TopicUnavailable):
            topic.poll()
        write(settings, b"0")

        found = poll_until(topic, bool)

    assert [each.value for each in found] == [b"0"]
