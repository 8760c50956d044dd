"""The signer at work beside a log that grows."""

from contextlib import contextmanager
from threading import Event, Thread
from time import monotonic, sleep

import psycopg
import pytest

from infra.settings import Settings
from infra.signing import Signing

WAIT_S = 20


@pytest.fixture
def signing(database_url, tmp_path):
    @contextmanager
    def run(**environ):
        settings = Settings.load({"MAWID_DATABASE_URL": database_url, "MAWID_DATA_DIR": str(tmp_path)} | environ)
        stopping = Event()
        thread = Thread(target=Signing(settings, database_url).run, args=(stopping,), daemon=True)
        thread.start()
        yield
        stopping.set()
        thread.join(WAIT_S)
        assert not thread.is_alive()

    return run


@pytest.fixture
def awaited(database_url):
    """The rows of a query, once there are any."""
    with psycopg.connect(database_url, autocommit=True) as connection:

        def look(query):
            until = monotonic() + WAIT_S
            while not (rows := connection.execute(query).fetchall()):
                assert monotonic() < until
                sleep(0.01)
            return rows

        yield look


def test_a_log_that_grows_is_signed_within_its_time(office, signing, awaited):
    head = office.head()
    with signing(MAWID_CHECKPOINT_EVERY_MS="50"):
        awaited(f"SELECT FROM checkpoint WHERE size = {head}")
        position = office.submit(office.booking(1)).position

        awaited(f"SELECT FROM checkpoint WHERE size = {position}")


def test_many_events_are_signed_before_their_time(office, signing, awaited):
    with signing(MAWID_CHECKPOINT_EVERY_MS="3600000", MAWID_CHECKPOINT_EVENTS_MAX="5"):
        awaited(f"SELECT FROM checkpoint WHERE size = {office.head()}")
        booked = [office.submit(office.booking(n, start=office.start_after(n))).position for n in range(5)]

        awaited(f"SELECT FROM checkpoint WHERE size = {booked[-1]}")


def test_a_refusal_is_recorded_and_bookings_go_on(office, signing, awaited, database_url):
    with signing(MAWID_CHECKPOINT_EVERY_MS="50"):
        head = office.head()
        awaited(f"SELECT FROM checkpoint WHERE size = {head}")
        office.submit(office.booking(1))
        awaited(f"SELECT FROM checkpoint WHERE size > {head}")
        with psycopg.connect(database_url) as superuser:
            superuser.execute("SET session_replication_role = replica")
            superuser.execute("UPDATE log_head SET frontier = set_byte(frontier, 8, get_byte(frontier, 8) # 1)")
        [(before,)] = awaited("SELECT max(size) FROM checkpoint")

        booked = office.submit(office.booking(2))

        [(said,)] = awaited("SELECT said FROM checkpoint_refusal")
        assert said
        assert booked.position > before
        assert awaited("SELECT max(size) FROM checkpoint") == [(before,)]


def test_the_signer_comes_back_when_its_session_is_ended(office, signing, awaited):
    ended = """
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND query LIKE 'SELECT position, frontier FROM log_head'
    """
    with signing(MAWID_CHECKPOINT_EVERY_MS="50"):
        awaited(f"SELECT FROM checkpoint WHERE size = {office.head()}")
        awaited(ended)
        position = office.submit(office.booking(1)).position

        awaited(f"SELECT FROM checkpoint WHERE size = {position}")
