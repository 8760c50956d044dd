"""A backup is whole or absent and holds no key; what it becomes is the log that was, held against all that is known."""

import shutil
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from infra.backup import Backup, BackupError, back_up, prune_archive
from infra.bootstrap import VIEWS
from infra.checkpoints import Signer
from infra.migrate import migrate
from infra.postgres import DatabaseUnavailable, WalArchive, start_embedded
from infra.postgres.given import GivenDatabase
from infra.restoring import Finding, restore
from infra.signing import signing_files
from tests.infra.backups import ArchivedOffice
from tests.infra.test_erasing import approve, ask, person_of
from tests.offices import OfficeOnADatabase


@pytest.fixture
def archived(tmp_path):
    """Of the test's own: what it signs, erases or breaks is met by no other."""
    with ExitStack() as parts:
        yield ArchivedOffice.opened(tmp_path, parts)


@pytest.fixture
def backup(archived):
    return backup_between_bookings(archived)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with ExitStack() as parts:
        yield ArchivedOffice.opened(tmp_path_factory.mktemp("archived"), parts)


@pytest.fixture(scope="module")
def shared_backup(shared):
    return backup_between_bookings(shared)


def backup_between_bookings(archived):
    """With three bookings in it, and three more after it."""
    given_bookings(archived, 0, 3)
    archived.fold_the_views()
    backup = archived.backed_up()
    given_bookings(archived, 3, 6)
    return backup


def given_bookings(archived, first, end):
    for n in range(first, end):
        office = archived.office
        assert office.submit(office.booking(n, start=office.start_after(n))).refusal is None


def log_in(data_dir):
    server = start_embedded(data_dir)
    try:
        return log_at(server.dsn)
    finally:
        server.leave()


def log_at(dsn):
    with psycopg.connect(dsn) as connection:
        return connection.execute("SELECT position, leaf, state FROM log ORDER BY position").fetchall()


def wrong(findings: list[Finding]) -> list[str]:
    return [finding.said for finding in findings if finding.is_wrong]


def sign(archived):
    with psycopg.connect(archived.server.dsn, autocommit=True) as connection:
        return Signer(signing_files(archived.settings)).sign(connection, datetime.now(UTC))


def test_all_that_was_archived_is_restored_byte_for_byte(shared, shared_backup, tmp_path):
    shared.archive_all()
    (tmp_path / "new" / "keys").mkdir(parents=True)
    (tmp_path / "new" / "keys" / "vault.key").write_text("put there before, as a drill does")

    restored = shared.restored(shared_backup, tmp_path / "new")

    assert wrong(restored.findings) == []
    assert restored.position == shared.office.head()
    assert [each for each in restored.findings if f"{len(VIEWS)} views are equal" in each.said] != []
    assert [key.name for key in (tmp_path / "new" / "keys").iterdir()] == ["vault.key"]
    assert log_in(tmp_path / "new") == log_at(shared.server.dsn)


def test_without_an_archive_the_backup_is_restored_as_it_was_finished(shared, shared_backup, tmp_path):
    restored = shared.without_archive().restored(shared_backup, tmp_path / "new")

    assert wrong(restored.findings) == []
    assert restored.position == shared_backup.manifest.position < shared.office.head()


def test_a_moment_between_two_bookings_has_the_first_and_not_the_second(shared, shared_backup, tmp_path):
    before = shared.office.head()
    moment = datetime.now(UTC)
    given_bookings(shared, 6, 7)
    shared.archive_all()

    restored = shared.restored(shared_backup, tmp_path / "new", at=moment)

    assert wrong(restored.findings) == []
    assert restored.position == before
    assert restored.last_at is not None
    assert restored.last_at < moment


def test_the_wal_of_the_lost_database_gives_back_what_was_not_archived_yet(shared, shared_backup, tmp_path):
    given_bookings(shared, 9, 10)
    with psycopg.connect(shared.server.dsn) as connection:  # a server of tests writes its WAL some time after COMMIT
        connection.execute("SET LOCAL synchronous_commit = on")
        connection.execute("SELECT pg_logical_emit_message(true, 'test', '')")
    salvaged = tmp_path / "archive" / shared_backup.manifest.archive
    salvaged.mkdir(parents=True)
    for segment in (shared.folder / "data" / "postgres" / "pg_wal").glob("[0-9A-F]*"):
        shutil.copy2(segment, salvaged)
    # The server lives on here, and a segment may go to the archive meanwhile: so the archive is copied last.
    shutil.copytree(shared.folder / "archive", tmp_path / "archive", dirs_exist_ok=True)
    backups = replace(shared.settings.backups, wal_archive_folder=tmp_path / "archive")

    restored = restore(replace(shared.settings, backups=backups), shared_backup, tmp_path / "new", None)

    assert wrong(restored.findings) == []
    assert restored.position == shared.office.head()


def test_a_moment_the_archive_does_not_reach_is_refused_and_nothing_is_left(shared, shared_backup, tmp_path):
    shared.archive_all()

    with pytest.raises(DatabaseUnavailable):
        shared.restored(shared_backup, tmp_path / "new", at=datetime.now(UTC) + timedelta(hours=1))

    assert not (tmp_path / "new").exists()


def test_a_moment_before_the_backup_was_finished_is_refused(shared, shared_backup, tmp_path):
    with pytest.raises(BackupError):
        shared.restored(shared_backup, tmp_path / "new", at=shared_backup.manifest.consistent_at - timedelta(seconds=1))

    assert not (tmp_path / "new").exists()


def test_a_moment_cannot_be_asked_for_without_an_archive(shared, shared_backup, tmp_path):
    with pytest.raises(BackupError):
        shared.without_archive().restored(shared_backup, tmp_path / "new", at=datetime.now(UTC))


def test_nothing_is_written_over(shared, shared_backup):
    occupied = shared.folder / "occupied"
    occupied.mkdir()
    (occupied / "letter.txt").write_text("mine")

    with pytest.raises(DatabaseUnavailable):
        shared.restored(shared_backup, shared.folder / "occupied")
    with pytest.raises(BackupError):
        shared.backed_up("occupied")

    assert [file.read_text() for file in occupied.iterdir()] == ["mine"]


def test_a_backup_holds_no_key_and_no_password(shared, shared_backup):
    secrets = [(shared.folder / "data" / "postgres.password").read_bytes().strip()]
    secrets += [key.read_bytes().split(b"\n")[1] for key in (shared.folder / "data" / "keys").glob("*.key")]

    files = [file for file in shared_backup.folder.rglob("*") if file.is_file()]

    assert len(secrets) == 6
    assert [file for file in files for secret in secrets if secret in file.read_bytes()] == []


@pytest.mark.parametrize("name", ["backup.json", "database/PG_VERSION", "database/global/pg_control"])
def test_a_backup_that_was_changed_is_not_restored(shared, shared_backup, name, tmp_path):
    changed = tmp_path / "changed"
    shutil.copytree(shared_backup.folder, changed)
    content = (changed / name).read_bytes()
    (changed / name).write_bytes(bytes([content[0] ^ 1]) + content[1:])

    with pytest.raises((BackupError, DatabaseUnavailable)):
        shared.restored(Backup.read(changed), tmp_path / "new")

    assert not (tmp_path / "new").exists()


def test_a_folder_that_is_no_backup_is_said_to_be_none(tmp_path):
    with pytest.raises(BackupError):
        Backup.read(tmp_path)


def test_a_log_shorter_than_the_signers_last_checkpoint_is_wrong_and_says_what_is_missing(archived, backup, tmp_path):
    """The archive was lost with the disk: only the backup is left."""
    first = backup.manifest.position + 1
    signed = sign(archived)

    found = wrong(archived.without_archive().restored(backup, tmp_path / "new").findings)

    assert signed is not None
    assert len(found) == 1
    assert f"events {first} to {signed.checkpoint.size}" in found[0]


def test_events_missing_because_an_earlier_moment_was_asked_for_are_told_and_not_wrong(archived, backup, tmp_path):
    moment = datetime.now(UTC)
    first = archived.office.head() + 1
    given_bookings(archived, 6, 7)
    signed = sign(archived)
    archived.archive_all()

    restored = archived.restored(backup, tmp_path / "new", at=moment)

    assert signed is not None
    assert wrong(restored.findings) == []
    assert [each for each in restored.findings if f"events {first} to {signed.checkpoint.size}" in each.said] != []


def test_a_view_that_is_not_what_the_log_says_is_wrong(archived, backup, tmp_path):
    with psycopg.connect(archived.server.dsn) as connection:
        connection.execute("UPDATE view_availability.slot SET taken = taken + 1")
    archived.archive_all()

    [found] = wrong(archived.restored(backup, tmp_path / "new").findings)

    assert "view availability" in found


def test_another_log_than_was_signed_is_wrong(archived, backup, tmp_path):
    given_bookings(archived, 6, 7)
    with psycopg.connect(archived.server.dsn) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE log SET state = state || ' ' WHERE position = 7")
    archived.archive_all()

    assert wrong(archived.restored(backup, tmp_path / "new").findings) != []


def test_who_was_erased_after_the_backup_is_erased_in_what_is_restored(archived, backup, tmp_path):
    office = archived.office
    person = person_of(office, 1)
    office.submit(ask(office, 1, "r1"))
    office.submit(approve(office, "r1"))
    with psycopg.connect(archived.server.dsn) as connection:
        office.instance.erasures.keep(connection)

    archived.without_archive().restored(backup, tmp_path / "new")

    server = start_embedded(tmp_path / "new")
    with psycopg.connect(server.dsn) as connection:
        kept = connection.execute("SELECT FROM vault.person WHERE person = %s", (person,)).rowcount
        others = connection.execute("SELECT FROM vault.person").rowcount
    server.leave()
    assert person is not None
    assert (kept, others) == (0, 2)


def test_keys_that_are_not_there_are_asked_for(shared, shared_backup, tmp_path):
    for key in (shared.folder / "data" / "keys").glob("*.key"):
        key.rename(tmp_path / key.name)

    restored = shared.without_archive().restored(shared_backup, tmp_path / "new")

    assert wrong(restored.findings) == []
    assert [each for each in restored.findings if "wait for the keys" in each.said] != []


def test_a_restored_database_archives_beside_the_first_and_not_into_its_folder(shared, shared_backup, tmp_path):
    shared.archive_all()
    before = {file: file.read_bytes() for file in (shared.folder / "archive").rglob("*") if file.is_file()}
    shared.restored(shared_backup, tmp_path / "new")
    with ExitStack() as parts:
        settings = shared.settings

        server = start_embedded(tmp_path / "new", archive=archive_of(settings))
        parts.callback(server.leave)
        again = ArchivedOffice(shared.folder, server, settings, shared.office)
        again.archive_all()

    assert len(list((shared.folder / "archive").iterdir())) == 2
    assert {file: file.read_bytes() for file in before} == before


def archive_of(settings):
    return WalArchive(settings.backups.wal_archive_folder, every_s=3600)


def test_a_database_of_somebody_elses_is_backed_up_too_and_becomes_an_embedded_one(shared, tmp_path):
    with psycopg.connect(shared.server.dsn, autocommit=True) as connection:
        connection.execute("CREATE ROLE theirs SUPERUSER LOGIN PASSWORD 'a:b\\c'")
        connection.execute("CREATE DATABASE bookings")
    dsn = make_conninfo(shared.server.dsn, user="theirs", password="a:b\\c", dbname="bookings")
    migrate(dsn)
    with ExitStack() as parts:
        environ = {"MAWID_DATABASE_URL": dsn, "MAWID_DATA_DIR": str(tmp_path / "other")}
        settings = type(shared.settings).load(environ)
        office = OfficeOnADatabase(settings, parts)
        office.submit(office.booking(1))
        theirs = ArchivedOffice(tmp_path, shared.server, settings, office)
        made = back_up(settings, GivenDatabase(dsn), tmp_path / "backup")

        restored = theirs.restored(made, tmp_path / "new")

        assert wrong(restored.findings) == []
        assert [each for each in restored.findings if "views are equal" in each.said] == []  # none was ever folded
        assert log_in(tmp_path / "new") == log_at(dsn)


def test_a_backup_that_is_stopped_leaves_nothing(shared, tmp_path):
    command = [str(Path(sys.executable).with_name("mawid")), "backup", str(tmp_path / "stopped")]
    environ = [f"MAWID_DATA_DIR={shared.folder / 'data'}"]
    with psycopg.connect(shared.server.dsn, autocommit=True) as connection:
        process = subprocess.Popen(["env", *environ, *command], stderr=subprocess.PIPE)
        while not connection.execute("SELECT FROM pg_stat_progress_basebackup").rowcount:
            assert process.poll() is None
        process.terminate()

        assert process.wait(20) == 130

    assert [each for each in tmp_path.iterdir() if "stopped" in each.name] == []


def test_the_archive_is_pruned_to_what_the_newest_backup_needs(shared, tmp_path):
    given_bookings(shared, 7, 8)
    shared.archive_all()
    newest = back_up(shared.settings, shared.server, tmp_path / "newest")
    assert newest.manifest.archive is not None
    archive = shared.folder / "archive" / newest.manifest.archive
    given_bookings(shared, 8, 9)
    before = {file.name for file in archive.iterdir()}

    assert prune_archive(shared.settings, newest)

    left = {file.name for file in archive.iterdir()}
    shared.archive_all()
    restored = shared.restored(newest, tmp_path / "new")
    assert left < before
    assert wrong(restored.findings) == []
    assert restored.position == shared.office.head()
