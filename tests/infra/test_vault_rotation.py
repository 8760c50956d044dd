"""Another key for the vault while bookings go on; killed anywhere it is finished; the old key then opens nothing."""

import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from domain.commands import Cancel, CorrectPerson
from infra import vault_rotation
from infra.keys import KeyFileError, vault_epochs
from infra.settings import Settings
from infra.vault import Erased, PersonData
from infra.vault_rotation import RotationError, destroy_older, finish, rotate
from infra.vault_upkeep import VaultUpkeep
from tests.conftest import temporary_database
from tests.infra.test_erasing import approve, ask, person_of, persons_of
from tests.offices import OfficeOnADatabase

MAWID = Path(sys.executable).with_name("mawid")
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
MONTH = timedelta(days=30)


def key_file(office):
    return office.instance.settings.keys.vault_key_file


def turned(office, *, now=NOW, rows_at_once=256):
    return rotate(office.instance.dsn, office.instance.vault, key_file(office), now, rows_at_once=rows_at_once)


def destroyed(office, *, now=NOW + MONTH, keep=MONTH):
    return destroy_older(office.instance.dsn, office.instance.vault, key_file(office), now, keep=keep)


def opened(office, person, vault=None):
    with psycopg.connect(office.instance.dsn) as connection:
        return (vault or office.instance.vault).open_person(connection, person, "t", "t")


def kek_ids(office):
    return {kek_id for (kek_id,) in office._rows("SELECT DISTINCT kek_id FROM vault.person")}


@pytest.fixture
def office(make_office):
    return make_office(counters=40)


@pytest.fixture
def persons(office):
    """Ids of twenty, by seed."""
    for seed in range(1, 21):
        office.submit(office.booking(seed, start=office.start_after(seed), name=f"سارة {seed}"))
    return {seed: person_of(office, seed) for seed in range(1, 21)}


def test_everybody_is_sealed_under_the_new_key_and_found_by_the_same_number(office, persons):
    before = kek_ids(office)

    rotated = turned(office, rows_at_once=7)

    assert (rotated.rewrapped, rotated.is_new, rotated.unreadable) == (20, True, 0)
    assert kek_ids(office) == {rotated.kek_id}
    assert before.isdisjoint(kek_ids(office))
    for seed, person in persons.items():
        assert person_of(office, seed) == person
        assert opened(office, person).name == f"سارة {seed}"


def test_a_stored_lookup_is_another_under_each_key_and_a_citizen_stays_the_same(office, persons):
    before = dict(office._rows("SELECT person, lookup FROM vault.person"))
    lookup = office.beneficiary(1).lookup

    turned(office)

    after = dict(office._rows("SELECT person, lookup FROM vault.person"))
    assert set(before.values()).isdisjoint(after.values())
    assert lookup not in {*before.values(), *after.values()}
    assert office.beneficiary(1).lookup == lookup


def test_another_process_learns_of_it_before_it_decides(office, persons):
    beside = office.beside()

    rotated = turned(office)
    known = beside.submit(beside.booking(1, start=beside.start_after(30)))
    new = beside.booking(99, start=beside.start_after(31), name="نورة")
    assert beside.submit(new).refusal is None

    assert known.refusal.name == "active-booking-exists"
    assert kek_ids(office) == {rotated.kek_id}
    assert opened(beside, person_of(office, 99)).name == "نورة"
    assert opened(beside, persons[1]).name == "سارة 1"


def test_a_process_without_the_new_key_refuses_and_makes_nobody_twice(office, persons, tmp_path):
    alone = OfficeOnADatabase(
        Settings.load(
            {
                "MAWID_DATABASE_URL": office.instance.dsn,
                "MAWID_DATA_DIR": str(tmp_path),
                "MAWID_VAULT_KEY_FILE": str(_copied(key_file(office), tmp_path / "elsewhere.key")),
            }
        ),
        office._parts,
        prepare=False,
    )
    turned(office)
    rows = office.count("vault.person")

    refused = alone.instance.desk.submit(alone.booking(1, start=alone.start_after(30))).exception(20)

    assert type(refused).__name__ == "Overloaded"
    assert office.count("vault.person") == rows
    with pytest.raises((RotationError, KeyFileError)):
        alone.beside()


def test_bookings_corrections_words_and_erasures_go_on_meanwhile(office, persons):
    """Two desks write while everything is wrapped anew, again and again: nobody is lost, found twice, or unreadable."""
    beside, failures = office.beside(), []

    def work(desk, seeds):
        try:
            for seed in seeds:
                command = desk.booking(seed, start=desk.start_after(seed % 40), name=f"نورة {seed}")
                assert desk.submit(command).refusal is None
                assert desk.submit(desk.command(Cancel, booking=command.booking, reason="ill")).refusal is None
                new = desk.beneficiary(seed + 1000)
                moved = desk.command(CorrectPerson, person=desk.beneficiary(seed), new_number=new)
                assert desk.submit(moved).refusal is None
                if seed % 3 == 0:
                    assert desk.submit(ask(desk, seed + 1000, f"r{seed}")).refusal is None
                    assert desk.submit(approve(desk, f"r{seed}")).refusal is None
        except Exception as error:  # noqa: BLE001 - told in the main thread
            failures.append(error)

    threads = [
        Thread(target=work, args=(desk, seeds))
        for desk, seeds in ((office, range(100, 140)), (beside, range(200, 240)))
    ]
    for thread in threads:
        thread.start()
    rounds = 0
    while any(thread.is_alive() for thread in threads):
        turned(office, now=NOW + timedelta(seconds=rounds), rows_at_once=3)
        destroyed(office, keep=timedelta())
        rounds += 1
    for thread in threads:
        thread.join()
    rotated = turned(office)

    assert failures == []
    assert rounds > 1
    assert kek_ids(office) == {rotated.kek_id}
    assert rotated.unreadable == 0
    for seed in (*range(100, 140), *range(200, 240)):
        assert person_of(office, seed) is None
        person = person_of(office, seed + 1000)
        if seed % 3 == 0:
            assert person is None
        else:
            assert opened(office, person).name == f"نورة {seed}"
    for seed, person in persons.items():
        assert person_of(office, seed) == person


@pytest.mark.parametrize("stage", ["file", "head", "rows"])
def test_a_rotation_cut_short_anywhere_is_finished_by_the_same_again(office, persons, stage, monkeypatch):
    """Cut short after the new key is in the file, after the head says so, and in the middle of the rows."""

    def kill(*_args, **_asked):
        raise Killed

    def kill_later(done):
        if stage == "rows" and done >= 6:
            raise Killed

    if stage == "file":
        monkeypatch.setattr(vault_rotation, "_finish", kill)
    if stage == "head":
        monkeypatch.setattr(vault_rotation, "_rewrap_some", kill)
    with pytest.raises(Killed):
        rotate(office.instance.dsn, office.instance.vault, key_file(office), NOW, rows_at_once=3, told=kill_later)
    monkeypatch.undo()
    epochs = vault_epochs(key_file(office)).epochs
    assert person_of(office, 1) == persons[1]
    assert office.submit(office.booking(50, start=office.start_after(45))).refusal is None

    again = turned(office)

    assert (again.is_new, len(epochs)) == (False, 2)
    assert vault_epochs(key_file(office)).epochs == epochs
    assert kek_ids(office) == {again.kek_id}
    assert all(isinstance(opened(office, person), PersonData) for person in persons.values())


def test_the_upkeep_finishes_what_was_interrupted_and_destroys_in_time(office, persons):
    upkeep = VaultUpkeep(office.instance, office.instance.erasures)
    turned(office)
    with psycopg.connect(office.instance.dsn) as connection:
        old = vault_epochs(key_file(office)).epochs[0]
        connection.execute("UPDATE log_head SET vault_kek = NULL")
    upkeep.look_after_keys(NOW + MONTH - timedelta(seconds=1))
    assert old in vault_epochs(key_file(office)).epochs

    upkeep.look_after_keys(NOW + MONTH)

    assert len(vault_epochs(key_file(office)).epochs) == 1
    assert old not in vault_epochs(key_file(office)).epochs
    assert all(isinstance(opened(office, person), PersonData) for person in persons.values())


def test_no_key_is_destroyed_while_a_row_needs_it(office, persons):
    turned(office)
    [first, _] = [key.id for key in (*office.instance.vault.ring.epochs.values(),)], None
    with psycopg.connect(office.instance.dsn) as connection:
        connection.execute("UPDATE vault.person SET kek_id = %s WHERE person = %s", (first[0], persons[1]))

    assert destroyed(office) == []


def test_a_second_rotation_at_the_same_time_is_refused(office, persons):
    with psycopg.connect(office.instance.dsn) as connection:
        connection.execute("SELECT pg_advisory_lock(hashtextextended('mawid rotates the key of the vault', 0))")

        with pytest.raises(RotationError):
            turned(office)

    assert len(vault_epochs(key_file(office)).epochs) == 1


def test_a_row_that_was_tampered_with_stays_as_it_is_and_holds_up_nobody_else(office, persons):
    with psycopg.connect(office.instance.dsn) as connection:
        connection.execute(
            "UPDATE vault.person SET wrapped_key = set_byte(wrapped_key, 20, 255 - get_byte(wrapped_key, 20))"
            " WHERE person = %s",
            (persons[1],),
        )

    rotated = turned(office)

    assert (rotated.rewrapped, rotated.unreadable) == (19, 1)
    assert destroyed(office) == []


def test_a_backup_from_before_opens_nothing_once_the_old_key_is_destroyed(office, persons, postgres_server, tmp_path):
    database, settings = office.instance.dsn, {"MAWID_DATA_DIR": str(tmp_path)}
    old = key_file(office).read_bytes()
    office.close()
    with ExitStack() as parts:
        before = parts.enter_context(temporary_database(postgres_server, str(conninfo_to_dict(database)["dbname"])))
        live = OfficeOnADatabase(Settings.load(settings | {"MAWID_DATABASE_URL": database}), parts, prepare=False)
        turned(live)
        opening = {**settings, "MAWID_DATABASE_URL": before}
        kept = OfficeOnADatabase(Settings.load(opening), parts, prepare=False)
        assert opened(kept, persons[1]).name == "سارة 1"  # its days are not over
        assert kept.submit(kept.booking(77, start=kept.start_after(47))).refusal is None
        kept.close()

        gone = destroyed(live)

        assert len(gone) == 1
        with psycopg.connect(before) as connection:
            rows = connection.execute("SELECT person, lookup FROM vault.person").fetchall()
            for person, lookup in rows:
                assert live.instance.vault.open_person(connection, person, "t", "t") == Erased(person, "no-key")
                numbers = [live.beneficiary(seed).lookup for seed in (*persons, 77)]
                assert lookup not in {*live.instance.vault.stored_lookups(numbers), *numbers}
        with pytest.raises(KeyFileError):
            OfficeOnADatabase(Settings.load(opening), parts, prepare=False)
    for secret in old.split()[-1:]:
        assert secret not in key_file(office).read_bytes()


def test_rows_from_before_there_were_rotations_are_found_anew_at_the_first_start(office, persons):
    """As an older build left them: `lookup` is the pseudonym itself, and the head names no key."""
    with psycopg.connect(office.instance.dsn) as connection:
        for seed, person in persons.items():
            told = office.beneficiary(seed).lookup
            connection.execute("UPDATE vault.person SET lookup = %s WHERE person = %s", (told, person))
        connection.execute("UPDATE log_head SET vault_kek = NULL")

    beside = office.beside()

    assert {seed: person_of(beside, seed) for seed in persons} == persons
    assert isinstance(opened(beside, persons[1]), PersonData)
    old = {office.beneficiary(seed).lookup for seed in persons}
    assert old.isdisjoint(lookup for (lookup,) in office._rows("SELECT lookup FROM vault.person"))


@pytest.mark.faults
def test_killed_in_the_middle_nobody_is_lost_and_the_command_finishes_it(office, persons, tmp_path):
    command = [
        *("env", f"MAWID_DATABASE_URL={office.instance.dsn}", f"MAWID_DATA_DIR={tmp_path}"),
        *("MAWID_VAULT_ROTATION_ROWS_MAX=1", str(MAWID), "keys", "rotate", "vault"),
    ]
    with psycopg.connect(office.instance.dsn) as blocking:
        blocking.execute("SELECT FROM vault.person WHERE person = %s FOR UPDATE", (max(persons.values()),))
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 30
        while len(kek_ids(office)) == 1 or len(office._rows("SELECT FROM vault.person p GROUP BY kek_id")) < 2:
            assert process.poll() is None
            assert time.monotonic() < until
        process.kill()  # it waits for the one row that is left
        process.wait()
    assert office.submit(office.booking(60, start=office.start_after(46))).refusal is None

    finished = subprocess.run(command, capture_output=True, text=True, check=False)

    assert finished.returncode == 0, finished.stderr
    assert "interrupted" in finished.stdout
    assert len(vault_epochs(key_file(office)).epochs) == 2
    assert len(kek_ids(office)) == 1
    assert all(isinstance(opened(office, person), PersonData) for person in persons.values())
    assert finish(office.instance.dsn, office.instance.vault, rows_at_once=10) is None


class Killed(Exception):
    pass


def _copied(path, to):
    to.write_bytes(path.read_bytes())
    to.chmod(0o600)
    return to


def test_a_booking_that_is_the_first_after_a_rotation_is_sealed_under_the_new_key(office, persons):
    """Its person was drawn, and sealed under the old key, before the process could know."""
    beside = office.beside()
    beside.submit(beside.booking(30, start=beside.start_after(30)))
    rotated = turned(office)

    command = beside.booking(31, start=beside.start_after(31))
    beside.submit(command)

    (person,) = persons_of(office, command)
    assert office._rows(f"SELECT kek_id FROM vault.person WHERE person = '{person}'") == [(rotated.kek_id,)]


def test_who_was_drawn_under_the_old_key_is_sealed_anew_though_another_thread_has_learnt_of_the_new_one(
    office, persons
):
    command, vault = office.booking(32, start=office.start_after(32)), office.instance.vault
    with psycopg.connect(office.instance.dsn) as holding:
        holding.execute("SELECT FROM log_head FOR UPDATE")
        future = office.instance.desk.submit(command)
        waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        until = time.monotonic() + 20
        while not office._rows(waiting):
            assert time.monotonic() < until
        vault_rotation._add_key(vault, key_file(office), NOW)
        holding.execute("UPDATE log_head SET vault_kek = %s", (vault.ring.newest,))
        vault.ring.seal_under(vault.ring.newest)

    assert future.result(20).refusal is None

    (person,) = persons_of(office, command)
    assert office._rows(f"SELECT kek_id FROM vault.person WHERE person = '{person}'") == [(vault.ring.newest,)]
