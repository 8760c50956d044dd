import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from infra.postgres import start_embedded
from tests.infra.postgres.servers import files_in, refusal, sockets_of


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


def test_a_folder_that_cannot_be_made_is_named():
    assert "/proc/nowhere" in refusal(Path("/proc/nowhere/data"))


def test_an_empty_folder_is_used(tmp_path):
    (tmp_path / "postgres").mkdir()

    start_embedded(tmp_path, durable=False).leave()

    assert (tmp_path / "postgres" / "PG_VERSION").exists()


def test_the_database_of_another_version_is_left_as_it_is(data_dir_to_break):
    (data_dir_to_break / "postgres" / "PG_VERSION").write_text("15\n")
    before = files_in(data_dir_to_break / "postgres")

    assert "PostgreSQL 15" in refusal(data_dir_to_break)
    assert files_in(data_dir_to_break / "postgres") == before


def test_a_lost_password_is_named(data_dir_to_break):
    (data_dir_to_break / "postgres.password").unlink()

    assert "postgres.password" in refusal(data_dir_to_break)


def test_a_wrong_password_is_named_and_nothing_keeps_running(data_dir_to_break):
    (data_dir_to_break / "postgres.password").write_text("s3cret\n")

    sentence = refusal(data_dir_to_break)

    assert "password" in sentence
    assert "s3cret" not in sentence


def test_a_socket_folder_open_to_others_is_not_used(data_dir):
    server = start_embedded(data_dir)
    sockets = sockets_of(server.dsn)
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
import contextlib, pathlib, subprocess, sys
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
with (disk / "fill").open("wb", buffering=0) as fill, contextlib.suppress(OSError):
    while True:
        fill.write(bytes(4096))
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


def test_a_long_log_is_put_aside_at_the_start(data_dir_to_break):
    with (data_dir_to_break / "postgres.log").open("wb") as log:
        log.truncate(10_000_001)

    start_embedded(data_dir_to_break).leave()

    assert (data_dir_to_break / "postgres.log").stat().st_size < 10_000
    assert (data_dir_to_break / "postgres.log.1").stat().st_size == 10_000_001
