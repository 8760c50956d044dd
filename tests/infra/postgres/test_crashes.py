import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psycopg
import pytest

from infra.postgres import start_embedded
from tests.infra.postgres.servers import answer, refusal, running_in, until


@pytest.mark.faults
def test_after_the_postmaster_was_killed_it_starts_again_at_once(data_dir):
    server = start_embedded(data_dir)
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE written (number int)")
        for number in range(100):
            connection.execute("INSERT INTO written VALUES (%s)", [number])
        server.kill()
        again = start_embedded(data_dir)

    assert answer(again.dsn, "SELECT count(*) FROM written") == 100
    server.leave()
    again.leave()


@pytest.mark.faults
def test_a_start_waits_for_the_children_of_a_killed_postmaster(data_dir):
    server = start_embedded(data_dir)
    with ThreadPoolExecutor() as pool:
        counting = pool.submit(answer, server.dsn, "SELECT count(*) FROM generate_series(1, 5000000)")
        until(lambda: answer(server.dsn, "SELECT count(*) FROM pg_stat_activity WHERE query ~ 'series.1'") == 1)
        os.kill(
            int(answer(server.dsn, "SELECT split_part(pg_read_file('postmaster.pid'), chr(10), 1)")), signal.SIGKILL
        )

        again = start_embedded(data_dir)

        assert counting.result() == 5_000_000
    assert answer(again.dsn) == "mawid"
    server.leave()
    again.leave()


@pytest.mark.faults
@pytest.mark.parametrize("end", ["kill", "stop_immediately"])
def test_a_server_that_ended_is_started_again_by_a_user_that_stayed(data_dir, end):
    server, other = start_embedded(data_dir), start_embedded(data_dir)
    assert not server.ensure_running()

    getattr(server, end)()

    assert server.postmaster_pid is None
    assert other.ensure_running()
    assert not server.ensure_running()
    assert answer(server.dsn) == "mawid"
    server.leave()
    assert answer(other.dsn) == "mawid"
    other.leave()


@pytest.mark.faults
def test_what_was_acknowledged_outlives_the_kill_of_every_process(data_dir):
    server = start_embedded(data_dir)
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE outlived AS SELECT 1")
    for pid in running_in(data_dir / "postgres"):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    until(server.ensure_running)

    assert answer(server.dsn, "SELECT count(*) FROM outlived") == 1
    server.leave()


def test_a_pid_that_belongs_to_another_process_by_now_is_not_believed(data_dir):
    pid_file = data_dir / "postgres" / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{data_dir}/postgres\n1\n5432\n/tmp\n\n1 1\nready   \n")

    server = start_embedded(data_dir)

    assert server.postmaster_pid != os.getpid()
    server.leave()


def test_a_failed_start_says_why_and_leaves_no_process(data_dir_to_break):
    conf = data_dir_to_break / "postgres" / "postgresql.conf"
    whole = conf.read_text()
    conf.write_text(whole + "shared_buffers = plenty\n")

    assert "postgresql.conf" in refusal(data_dir_to_break)
    assert running_in(data_dir_to_break) == {}

    conf.write_text(whole)
    start_embedded(data_dir_to_break).leave()
