import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files

import psycopg
import pytest

from infra.migrate import MigrationRefused, migrate

FIRST = "CREATE TABLE slot (id text PRIMARY KEY);\nCREATE TABLE booking (id text PRIMARY KEY);\n"
SECOND = "INSERT INTO slot VALUES ('CA-TB-01%');\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "0001_slots.sql").write_text(FIRST)
    return tmp_path


def rows(dsn: str, query: str) -> list[tuple]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(query.encode()).fetchall()


def refusal(dsn, folder) -> MigrationRefused:
    with pytest.raises(MigrationRefused) as refused:
        migrate(dsn, folder)
    return refused.value


def test_every_file_is_applied_once_and_in_order(empty_database_url, folder):
    (folder / "0002_first_slot.sql").write_text(SECOND)

    assert migrate(empty_database_url, folder) == ["0001_slots", "0002_first_slot"]
    assert migrate(empty_database_url, folder) == []
    assert rows(empty_database_url, "SELECT id FROM slot") == [("CA-TB-01%",)]
    assert rows(
        empty_database_url, "SELECT name, length(sha256), applied_at <= now() FROM migration ORDER BY name"
    ) == [
        ("0001_slots", 64, True),
        ("0002_first_slot", 64, True),
    ]


def test_a_new_file_is_applied_after_the_old_ones(empty_database_url, folder):
    migrate(empty_database_url, folder)
    (folder / "0002_first_slot.sql").write_text(SECOND)

    assert migrate(empty_database_url, folder) == ["0002_first_slot"]


def test_a_file_with_an_error_leaves_nothing_of_itself(empty_database_url, folder):
    (folder / "0002_half.sql").write_text("CREATE TABLE half (id text);\nINSERT INTO nowhere VALUES (1);\n")
    (folder / "0003_after.sql").write_text("CREATE TABLE after (id text);\n")

    refused = refusal(empty_database_url, folder)

    assert refused.name == "0002_half"
    assert rows(empty_database_url, "SELECT name FROM migration") == [("0001_slots",)]
    assert rows(empty_database_url, "SELECT to_regclass('half'), to_regclass('after')") == [(None, None)]


def test_an_applied_file_that_changed_is_refused(empty_database_url, folder):
    migrate(empty_database_url, folder)
    (folder / "0001_slots.sql").write_text(FIRST + "-- a remark\n")
    (folder / "0002_first_slot.sql").write_text(SECOND)

    assert refusal(empty_database_url, folder).name == "0001_slots"
    assert rows(empty_database_url, "SELECT id FROM slot") == []


def test_other_line_ends_are_no_change(empty_database_url, folder):
    migrate(empty_database_url, folder)
    (folder / "0001_slots.sql").write_bytes(FIRST.replace("\n", "\r\n").encode())

    assert migrate(empty_database_url, folder) == []


def test_a_database_newer_than_the_code_is_refused(empty_database_url, folder):
    (folder / "0002_first_slot.sql").write_text(SECOND)
    migrate(empty_database_url, folder)
    (folder / "0002_first_slot.sql").unlink()

    assert refusal(empty_database_url, folder).name == "0002_first_slot"


def test_a_file_renamed_after_it_was_applied_is_refused(empty_database_url, folder):
    migrate(empty_database_url, folder)
    (folder / "0001_slots.sql").rename(folder / "0001_slot.sql")

    assert refusal(empty_database_url, folder).name == "0001_slots"


@pytest.mark.parametrize("name", ["0002.sql", "2_slots.sql", "0003_gap.sql", "0001_twice.sql", "0002_Slots.sql"])
def test_a_file_out_of_the_numbering_is_refused_before_anything_is_applied(empty_database_url, folder, name):
    (folder / name).write_text("SELECT 1;\n")

    refusal(empty_database_url, folder)

    assert rows(empty_database_url, "SELECT to_regclass('migration')") == [(None,)]


def test_other_files_of_the_folder_are_left_alone(empty_database_url, folder):
    (folder / "README.md").write_text("What lies here\n")

    assert migrate(empty_database_url, folder) == ["0001_slots"]


def test_processes_that_migrate_at_the_same_time_share_the_work(empty_database_url, folder):
    for number in range(2, 12):
        (folder / f"{number:04}_step.sql").write_text(f"CREATE TABLE step_{number} (id text);\n")
    together = threading.Barrier(4)

    def run(_: int) -> list[str]:
        together.wait()
        return migrate(empty_database_url, folder)

    with ThreadPoolExecutor(4) as pool:
        applied = [name for names in pool.map(run, range(4)) for name in names]

    assert sorted(applied) == ["0001_slots"] + [f"{number:04}_step" for number in range(2, 12)]


def test_the_migrations_of_this_version_make_the_database_of_the_tests(database_url):
    written = sorted(each.name.removesuffix(".sql") for each in (files("infra") / "migrations").iterdir())

    assert [name for (name,) in rows(database_url, "SELECT name FROM migration ORDER BY name")] == written
    assert migrate(database_url) == []
