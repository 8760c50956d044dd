"""The log on the topic of a real broker: whole, in order, and whole again whatever was killed in between."""

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from typing import Any

import msgspec
import psutil
import psycopg
import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType

from api import event_pages, feed
from consumers.schema import facts_schema
from domain.events import SlotBooked
from infra.relay_position import FACTS, begin_again, relayed
from infra.relaying import relaying
from infra.settings import Settings
from projections import feed as stored
from tests.topic import (
    WAIT_S,
    await_problem,
    await_relayed,
    firsts_by_key,
    positions_by_stream,
    received,
    relayed_by_a_thread,
)

pytestmark = pytest.mark.xdist_group("kafka")


@pytest.fixture
def settings_for(kafka_without_facts, tmp_path):
    def settings(dsn: str, **kafka: Any) -> Settings:
        settings = Settings.load(
            {
                "MAWID_DATABASE_URL": dsn,
                "MAWID_DATA_DIR": str(tmp_path),
                "MAWID_KAFKA_BOOTSTRAP": kafka_without_facts.bootstrap,
            }
        )
        return replace(settings, kafka=replace(settings.kafka, **kafka))

    return settings


@pytest.fixture
def story(story_url):
    """Some thousand facts, none of them on the topic."""
    with psycopg.connect(story_url, autocommit=True) as connection:
        begin_again(connection, 1)
    return story_url


def test_every_fact_is_on_the_topic_once_in_the_logs_order_under_each_key(story, settings_for, kafka):
    with relayed_by_a_thread(settings_for(story, relay_page_events_max=700), story):
        await_relayed(story)

    messages = received(kafka.bootstrap)

    assert sorted(each.position for each in messages) == list(range(1, len(messages) + 1))
    by_key = firsts_by_key(messages)
    assert sum(map(len, by_key.values())) == len(messages) > 5_000
    assert by_key == positions_by_stream(story)
    assert len({each.partition for each in messages}) == 4
    assert all(len({each.partition for each in messages if each.key == key}) == 1 for key in list(by_key)[:20])


def test_a_message_is_what_the_feed_tells_and_what_the_schema_says(story, settings_for, kafka):
    with relayed_by_a_thread(settings_for(story), story):
        await_relayed(story)
    with psycopg.connect(story, autocommit=True) as connection:
        told = {each.position: each for each in stored.events(connection, after=0, upto=10**6, limit=10**6)}
    schema = facts_schema()

    for each in received(kafka.bootstrap):
        event = told[each.position]
        assert each.value == event_pages.encode(feed._shown(event))
        assert each.headers == {"type": event.type.encode(), "position": b"%d" % event.position}
        envelope = msgspec.json.decode(each.value)
        assert envelope.keys() == set(schema["required"])
        data = schema["$defs"][envelope["type"]]
        assert set(data["required"]) <= envelope["data"].keys() <= data["properties"].keys()
    assert SlotBooked.TOPIC in {event.type for event in told.values()}


def test_a_message_lies_where_any_client_would_put_it(office, database_url, settings_for, kafka):
    with relayed_by_a_thread(settings_for(database_url), database_url):
        await_relayed(database_url)
    partition_of = {each.key: each.partition for each in received(kafka.bootstrap)}
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap)

    theirs = {key: producer.send(FACTS, b"", key.encode()).get(WAIT_S).partition for key in partition_of}

    producer.close()
    assert theirs == partition_of
    assert len(set(theirs.values())) > 1


def test_a_topic_made_here_keeps_everything_for_ever(story, settings_for, kafka):
    with relayed_by_a_thread(settings_for(story, kafka_topic_partitions=2), story):
        await_relayed(story)

    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    told = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, FACTS)])["topic"][FACTS]
    admin.close()
    assert [told[name]["value"] for name in ("retention.ms", "retention.bytes", "cleanup.policy")] == [
        "-1",
        "-1",
        "delete",
    ]
    assert {each.partition for each in received(kafka.bootstrap)} == {0, 1}


@pytest.mark.faults
def test_a_relay_killed_after_sending_and_before_saving_doubles_and_misses_nothing(story, settings_for, kafka, root):
    script = """
import os, signal, sys, threading
from infra import relaying
from infra.relay_position import RelayPosition
from infra.settings import Settings

class KilledBeforeSaving(RelayPosition):
    def save(self, before, now):
        if before >= 1400:
            os.kill(os.getpid(), signal.SIGKILL)
        super().save(before, now)

relaying.RelayPosition = KilledBeforeSaving
relaying.relay(Settings.load(), sys.argv[1], threading.Event())
"""
    settings = settings_for(story, relay_page_events_max=700)
    told = {
        "PYTHONPATH": str(root),
        "MAWID_KAFKA_BOOTSTRAP": settings.kafka.kafka_bootstrap,
        "MAWID_RELAY_PAGE_EVENTS_MAX": "700",
    }
    command = ["env", *(f"{name}={value}" for name, value in told.items()), sys.executable, "-c", script, story]

    killed = subprocess.run(command, capture_output=True, timeout=WAIT_S, check=False)
    assert killed.returncode == -9, killed.stderr
    with relayed_by_a_thread(settings, story):
        await_relayed(story)

    messages = received(kafka.bootstrap)
    times = Counter(each.position for each in messages)
    assert sorted(position for position in times if times[position] > 1) == list(range(1401, 2101))
    assert firsts_by_key(messages) == positions_by_stream(story)


@pytest.mark.faults
def test_a_broker_that_dies_is_caught_up_with_when_it_is_back_and_bookings_go_on_meanwhile(
    make_office, database_url, settings_for, kafka
):
    office, settings = make_office(counters=40), settings_for(database_url, relay_delivery_s_max=2)

    with relayed_by_a_thread(settings, database_url):
        await_relayed(database_url)
        kafka.nodes[0].kill()
        try:
            receipts = [office.submit(office.booking(n)) for n in range(1, 6)]
            problem = await_problem(database_url)
            receipts += [office.submit(office.booking(n)) for n in range(6, 11)]
        finally:
            kafka.nodes[0].start()
            kafka.await_ready()
        await_relayed(database_url)

    assert [receipt.refusal for receipt in receipts] == [None] * 10
    assert kafka.bootstrap in problem
    assert firsts_by_key(received(kafka.bootstrap)) == positions_by_stream(database_url)
    with psycopg.connect(database_url) as connection:
        assert relayed(connection).problem is None


@pytest.mark.faults
def test_one_of_two_relays_stands_by_and_takes_over(story, settings_for, kafka):
    settings = settings_for(story, relay_page_events_max=500)

    with relaying(settings, story) as first, relaying(settings, story):
        await_relayed(story, 1_000)
        psutil.Process(first.pid).kill()
        await_relayed(story)

    messages = received(kafka.bootstrap)
    assert firsts_by_key(messages) == positions_by_stream(story)
    assert len(messages) <= max(each.position for each in messages) + 500  # the page that was under way


def test_a_relay_that_runs_goes_on_from_where_its_position_is_moved(story, settings_for, kafka):
    with relayed_by_a_thread(settings_for(story), story), psycopg.connect(story, autocommit=True) as connection:
        await_relayed(story)
        end = relayed(connection).position

        begin_again(connection, end - 9)
        await_relayed(story)

    positions = [each.position for each in received(kafka.bootstrap)]
    assert sorted(positions)[-20:] == sorted(2 * list(range(end - 9, end + 1)))


def test_nothing_is_relayed_past_a_gap_in_the_log(office, database_url, settings_for, kafka):
    with psycopg.connect(database_url) as connection:
        connection.execute("SET session_replication_role = replica")  # past the trigger that forbids it
        connection.execute("DELETE FROM log WHERE position = 5")

    with relayed_by_a_thread(settings_for(database_url), database_url):
        problem = await_problem(database_url)

    assert "position 5" in problem
    assert sorted(each.position for each in received(kafka.bootstrap)) == [1, 2, 3, 4]


def test_a_fact_is_on_the_topic_soon_after_its_commit(make_office, database_url, settings_for, kafka):
    office = make_office()
    with relayed_by_a_thread(settings_for(database_url), database_url):
        await_relayed(database_url)
        receipt = office.submit(office.booking(1))
        await_relayed(database_url, receipt.position)

    assert receipt.position in [each.position for each in received(kafka.bootstrap)]
