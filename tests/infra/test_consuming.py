"""From the topic of a real broker to an effect: each fact's once, whatever is killed or doubled; garbage aside."""

import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Event, Thread
from time import monotonic, sleep

import msgspec
import psycopg
import pytest
from kafka import KafkaProducer

from infra.bootstrap import views_for
from infra.consuming import consume, consume_while
from infra.parked import PARKED
from infra.relay_position import FACTS, begin_again
from projections.follow import Follower
from tests.consumers.peers import Mailbox, smtp_server
from tests.infra.test_messages_running import coming_start
from tests.journeys.conftest import MAWID
from tests.topic import WAIT_S, await_relayed, deleted, received, relayed_by_a_thread

pytestmark = pytest.mark.xdist_group("kafka")

NOBODY = "127.0.0.1:1"
#: Not told apart by any key: a second effect of a fact is a second row.
EFFECT = "INSERT INTO effect SELECT %s"


def mawid(*arguments, **environ):
    return ["env", *(f"{name}={value}" for name, value in environ.items()), MAWID, *arguments]


def count_in(connection, position, event, now):
    connection.execute(EFFECT, (position,))


class Consumed:
    """An office whose facts go to the topic, and from there into the table `effect`."""

    def __init__(self, office, kafka, dsn):
        self.office, self.kafka, self.dsn = office, kafka, dsn
        self.settings = office.instance.settings
        self.connection = psycopg.connect(dsn, autocommit=True)
        self.connection.execute("CREATE TABLE effect (position bigint)")

    def book(self, *seeds):
        for seed in seeds:
            self.office.submit(self.office.booking(seed, start=self.office.start_after(seed % 48)))

    def relayed(self, begin=None):
        with relayed_by_a_thread(self.settings, self.dsn):
            if begin is not None:
                begin_again(self.connection, begin)
            await_relayed(self.dsn)

    def put(self, *values):
        producer = KafkaProducer(bootstrap_servers=self.kafka.bootstrap, max_request_size=8 * 1024 * 1024)
        for value in values:
            producer.send(FACTS, value, b"garbage").get(WAIT_S)
        producer.close()

    @contextmanager
    def consuming(self, name="effects", effect=count_in):
        stopping = Event()
        thread = Thread(target=consume, args=(name, effect, self.settings.kafka, self.dsn, stopping))
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join()

    def await_all(self, name="effects"):
        """Until the places are the ends of the topic as it is now."""
        until, wanted = monotonic() + WAIT_S, len(received(self.kafka.bootstrap))
        query = """SELECT coalesce(sum(next_offset), 0) FROM consumer_place WHERE consumer = %s
            AND topic_id = (SELECT topic_id FROM consumer_place WHERE consumer = %s ORDER BY saved_at DESC LIMIT 1)"""
        while (found := self.connection.execute(query, (name, name)).fetchone()[0]) != wanted:
            assert monotonic() < until, (found, wanted)
            sleep(0.05)

    def await_row(self, query):
        until = monotonic() + WAIT_S
        while (row := self.connection.execute(query).fetchone()) is None:
            assert monotonic() < until, query
            sleep(0.05)
        return row

    def effects(self):
        return Counter(position for (position,) in self.connection.execute("SELECT position FROM effect"))

    def once(self):
        return Counter(self.office.positions())

    def parked(self):
        rows = self.connection.execute("SELECT why, body IS NOT NULL, published_at IS NOT NULL FROM parked ORDER BY id")
        return rows.fetchall()

    def cli(self, *arguments):
        told = {"MAWID_NOTIFY_URLS": "json://127.0.0.1:1/", "MAWID_KAFKA_BOOTSTRAP": self.kafka.bootstrap}
        told |= {"MAWID_DATABASE_URL": self.dsn, "MAWID_DATA_DIR": str(self.settings.storage.data_dir)}
        return subprocess.run(mawid(*arguments, **told), capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def consumed(make_office, kafka_without_facts, database_url):
    deleted(kafka_without_facts.bootstrap, PARKED)
    office = make_office(
        counters=4,
        MAWID_KAFKA_BOOTSTRAP=kafka_without_facts.bootstrap,
        MAWID_CONSUME_PAGE_EVENTS_MAX="10",
        MAWID_CONSUME_SILENCE_S_MAX="6",
    )
    found = Consumed(office, kafka_without_facts, database_url)
    yield found
    found.connection.close()


def test_each_fact_has_its_effect_once_though_it_is_published_twice_and_on_a_topic_made_anew(consumed):
    consumed.book(*range(40))
    consumed.relayed()
    with consumed.consuming():
        consumed.await_all()
        first = consumed.effects()

        consumed.relayed(begin=1)
        consumed.await_all()
        twice = consumed.effects()

    deleted(consumed.kafka.bootstrap)
    consumed.book(*range(40, 80))  # the new topic grows beyond where the old one ended
    consumed.book(*range(80, 160))
    consumed.relayed(begin=1)
    with consumed.consuming():
        consumed.await_all()

    assert first == twice
    assert consumed.effects() == consumed.once()


def test_a_topic_made_anew_beside_a_running_consumer_is_read_from_its_beginning(consumed):
    consumed.book(*range(20))
    consumed.relayed()
    with consumed.consuming():
        consumed.await_all()

        consumed.book(*range(20, 90))
        deleted(consumed.kafka.bootstrap)
        consumed.relayed(begin=1)
        consumed.await_all()

    assert consumed.effects() == consumed.once()


@pytest.mark.faults
@pytest.mark.parametrize("moment", ["within", "before", "after"])
def test_a_consumer_killed_around_its_commit_doubles_and_misses_nothing(consumed, moment, root):
    script = """
import os, signal, sys, threading
from infra import consuming
from infra.settings import Settings

moment, dsn = sys.argv[1:]
calls = {"within": 0, "before": 0, "after": 0}

def kill(now, call):
    calls[now] += 1
    if now == moment and calls[now] == call:
        os.kill(os.getpid(), signal.SIGKILL)

class Killed(consuming.PostgresInbox):
    def _save_places(self, connection, batch):
        super()._save_places(connection, batch)
        kill("before", 3)
    def take(self, batch):
        super().take(batch)
        kill("after", 3)

def effect(connection, position, event, now):
    connection.execute("INSERT INTO effect SELECT %s", (position,))
    kill("within", 25)

consuming.PostgresInbox = Killed
consuming.consume("effects", effect, Settings.load().kafka, dsn, threading.Event())
"""
    consumed.book(*range(60))
    consumed.relayed()
    told = {
        "PYTHONPATH": str(root),
        "MAWID_KAFKA_BOOTSTRAP": consumed.kafka.bootstrap,
        "MAWID_CONSUME_PAGE_EVENTS_MAX": "10",
        "MAWID_CONSUME_SILENCE_S_MAX": "6",
    }
    command = ["env", *(f"{name}={value}" for name, value in told.items()), sys.executable, "-c", script]

    for _ in range(2):
        killed = subprocess.run([*command, moment, consumed.dsn], capture_output=True, timeout=WAIT_S, check=False)
        assert killed.returncode == -9, killed.stderr
    some = consumed.effects()
    with consumed.consuming():
        consumed.await_all()

    assert 0 < len(some) < len(consumed.once())
    assert consumed.effects() == consumed.once()


def test_consumers_of_one_name_share_the_partitions_and_one_goes_on_alone(consumed):
    consumed.book(*range(20))
    consumed.relayed()
    with consumed.consuming():
        with consumed.consuming():
            consumed.book(*range(20, 60))
            consumed.relayed()
            consumed.await_all()
        consumed.book(*range(60, 90))
        consumed.relayed()
        consumed.await_all()

    assert consumed.effects() == consumed.once()


def test_garbage_is_parked_with_its_reason_and_the_next_fact_arrives(consumed):
    consumed.relayed()
    fact = next(each.value for each in received(consumed.kafka.bootstrap) if each.position == 2)
    later = fact.replace(b".v1", b".v9")
    nowhere = fact.replace(b'"position":2,', b'"position":2000,')
    large = b"x" * (consumed.settings.kafka.consume_fact_bytes_max + 1)
    consumed.put(b"\xff", b"{}", later, nowhere, large)
    consumed.book(1)
    consumed.relayed()

    with consumed.consuming():
        consumed.await_all()
        consumed.await_row("SELECT 1 WHERE NOT EXISTS (SELECT FROM parked WHERE published_at IS NULL)")

    assert consumed.effects() == consumed.once()
    whys = [("not-json", True), ("envelope", True), ("unknown-type", True), ("oversized", False), ("not-in-log", True)]
    assert sorted(consumed.parked()) == sorted((*each, True) for each in whys)
    told = [msgspec.json.decode(each.value) for each in received(consumed.kafka.bootstrap, PARKED)]
    assert sorted(each["why"] for each in told) == sorted(why for why, _ in whys)
    assert {each["topic"] for each in told} == {FACTS}


def test_an_effect_that_fails_parks_its_fact_and_a_retry_has_the_effect_once(consumed):
    consumed.book(1, 2, 3)
    consumed.relayed()
    last = consumed.office.head()

    def fails(connection, position, event, now):
        if position == last:
            raise LookupError
        count_in(connection, position, event, now)

    with consumed.consuming("notifications", fails):
        consumed.await_all("notifications")

    assert consumed.effects() == Counter(position for position in consumed.once() if position != last)
    assert [why for why, *_ in consumed.parked()] == ["LookupError"]
    assert consumed.cli("parked", "list").stdout.split()[-1] == "LookupError"
    again = consumed.cli("parked", "retry", "--all")
    assert (again.returncode, again.stdout.split()[-1]) == (0, "taken"), again.stderr
    assert consumed.connection.execute("SELECT position FROM message").fetchall() == [(last,)]
    assert consumed.parked() == []


def test_what_stays_unreadable_stays_parked_until_it_is_dropped(consumed):
    consumed.relayed()
    consumed.put(b"{")
    with consumed.consuming("notifications"):
        consumed.await_all("notifications")
    [(found,)] = consumed.connection.execute("SELECT id FROM parked").fetchall()

    again = consumed.cli("parked", "retry", str(found))
    dropped = consumed.cli("parked", "drop", str(found))
    gone = consumed.cli("parked", "drop", str(found))

    assert (again.returncode, dropped.returncode, gone.returncode) == (1, 0, 1)
    assert gone.stderr.count("\n") == 1
    assert consumed.parked() == []


@pytest.mark.faults
def test_brokers_that_die_are_waited_for(consumed):
    consumed.book(1)
    consumed.relayed()
    with consumed.consuming():
        consumed.await_all()
        consumed.kafka.nodes[0].kill()
        try:
            consumed.book(2)
        finally:
            consumed.kafka.nodes[0].start()
            consumed.kafka.await_ready()
        consumed.relayed()
        consumed.await_all()

    assert consumed.effects() == consumed.once()


@pytest.mark.faults
def test_a_database_whose_connections_are_cut_is_waited_for(consumed):
    consumed.book(*range(40))
    consumed.relayed()
    cuts = iter(range(3))

    def cut(connection, position, event, now):
        count_in(connection, position, event, now)
        if position % 10 == 5 and next(cuts, None) is not None:
            with psycopg.connect(consumed.dsn, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))

    with consumed.consuming(effect=cut):
        consumed.await_all()

    assert next(cuts, None) is None
    assert consumed.effects() == consumed.once()
    assert consumed.parked() == []


def test_a_booking_reaches_its_letter_over_the_topic(make_office, kafka_without_facts, database_url):
    mailbox = Mailbox()
    with smtp_server(mailbox) as port:
        office = make_office(
            MAWID_KAFKA_BOOTSTRAP=kafka_without_facts.bootstrap,
            MAWID_SMTP_SERVER=f"127.0.0.1:{port}",
            MAWID_SMTP_SECURITY="none",
            MAWID_EMAIL_TO="{mobile}@sms.example",
        )
        until = monotonic() + WAIT_S
        start = coming_start(office)
        office.submit(office.booking(1, start=start, at=datetime.now(UTC), mobile="+966500000001"))

        follower = Follower(database_url, views_for(office.instance.settings, database_url), page_events_max=1_000)
        follower.catch_up()
        follower.close()

        def goes_on():
            sleep(0.05)
            return not mailbox.letters and monotonic() < until

        with relayed_by_a_thread(office.instance.settings, database_url):
            consume_while("notifications", office.instance, goes_on)

    (letter,) = mailbox.letters
    assert letter.rcpt_tos == ["966500000001@sms.example"]


@pytest.mark.parametrize("environ", [{}, {"MAWID_KAFKA_BOOTSTRAP": NOBODY}])
def test_what_a_consumer_lacks_is_one_sentence(environ, database_url, tmp_path):
    command = mawid(
        "consume", "notifications", MAWID_DATABASE_URL=database_url, MAWID_DATA_DIR=tmp_path, **environ
    )  # fmt: skip

    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert run.returncode == 1
    assert run.stderr.startswith("mawid: ")
    assert run.stderr.count("\n") == 1


def test_brokers_that_are_away_are_told_of_in_one_sentence_and_waited_for(database_url, tmp_path):
    command = mawid(
        "consume",
        "notifications",
        MAWID_DATABASE_URL=database_url,
        MAWID_DATA_DIR=tmp_path,
        MAWID_KAFKA_BOOTSTRAP=NOBODY,
        MAWID_KAFKA_ANSWER_S_MAX="1",
        MAWID_NOTIFY_URLS="json://127.0.0.1:1/",
    )
    output, until = tmp_path / "output.txt", monotonic() + WAIT_S

    with output.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file)
    while "not consumed" not in output.read_text():
        assert process.poll() is None, output.read_text()
        assert monotonic() < until, output.read_text()
        sleep(0.05)
    process.terminate()

    assert process.wait(20) == 130
    [sentence] = [line for line in output.read_text().splitlines() if "not consumed" in line]
    assert NOBODY in sentence
    assert "Traceback" not in output.read_text()
