"""The log passes the library's own contract for application recorders, and keeps what the contract does not ask for."""

from datetime import UTC, datetime
from itertools import count

import psycopg
import pytest
from eventsourcing.persistence import InfrastructureFactory, IntegrityError, StoredEvent
from eventsourcing.tests.persistence import ApplicationRecorderTestCase

from infra.merkle import Frontier, leaf_hash
from infra.packing import microseconds
from infra.recorder import Factory, LogRecorder


@pytest.fixture
def factory(database_url):
    made = InfrastructureFactory.construct(
        {"PERSISTENCE_MODULE": "infra.recorder:Factory", "DATABASE_URL": database_url}
    )
    yield made
    made.close()


@pytest.fixture
def recorder(factory) -> LogRecorder:
    return factory.application_recorder()


class TestContract(ApplicationRecorderTestCase):
    INITIAL_VERSION = 1
    _ids = count(1)

    @pytest.fixture(autouse=True)
    def _given(self, factory):
        self.factory = factory

    def create_recorder(self):
        return self.factory.application_recorder()

    def new_originator_id(self):
        return f"stream/{next(self._ids)}"

    def test_insert_subscribe(self):
        self.optional_test_insert_subscribe()


def event(stream: str, version: int = 1, state: bytes = b"{}") -> StoredEvent:
    return StoredEvent(stream, version, "Something.v1", state)


def test_the_factory_is_found_by_its_name(factory):
    assert isinstance(factory, Factory)


def test_a_failed_append_leaves_no_gap_in_the_positions(recorder):
    recorder.insert_events([event("a")])
    with pytest.raises(IntegrityError):
        recorder.insert_events([event("b"), event("a")])

    assert recorder.insert_events([event("c")]) == [2]


@pytest.mark.parametrize("statement", ["UPDATE log SET state = 'x'", "DELETE FROM log", "TRUNCATE log"])
def test_nobody_changes_or_removes_what_is_written(recorder, database_url, statement):
    recorder.insert_events([event("a")])

    with psycopg.connect(database_url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)

    assert recorder.max_notification_id() == 1


def test_the_head_is_the_root_over_the_leaves_of_what_is_stored(recorder, database_url):
    for n in range(1, 6):
        recorder.insert_events([event(f"stream/{n}", v, b'{"n":%d}' % n) for v in range(1, n + 1)])

    with psycopg.connect(database_url) as connection:
        cursor = connection.cursor(binary=True)
        rows = cursor.execute(
            "SELECT position, stream, stream_version, type, person, booking, command_id, at, recorded_at, state, leaf"
            " FROM log ORDER BY position"
        ).fetchall()
        frontier = cursor.execute("SELECT frontier FROM log_head").fetchone()

    leaves = [leaf_of(*row[:10]) for row in rows]
    expected = Frontier()
    expected.extend(leaves)
    assert [row[10] for row in rows] == leaves
    assert frontier == (expected.to_bytes(),)


def test_recorded_at_is_the_systems_clock(recorder, database_url):
    before = datetime.now(UTC)
    recorder.insert_events([event("a")])
    after = datetime.now(UTC)

    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT recorded_at FROM log").fetchall()
    assert before <= rows[0][0] <= after


def leaf_of(  # noqa: PLR0917 - the columns of a row, in order
    position, stream, version, topic, person, booking, command_id, at, recorded_at, state
):
    times = microseconds(at), microseconds(recorded_at)
    return leaf_hash(position, stream, version, topic, person, booking, command_id, *times, state)
