"""A database from before an erasure forgets it again, from the ledger, before anything is served."""

from contextlib import ExitStack

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from infra.erasure_replay import replay_erasures
from infra.settings import Settings
from infra.vault import PersonData
from tests.conftest import temporary_database
from tests.infra.test_erasing import approve, ask, person_of, persons_of
from tests.offices import OfficeOnADatabase


@pytest.fixture
def restored(office, postgres_server, database_url, tmp_path):
    """The office on a copy of its database from before persons 1 and 2 were erased; 3 is nobody's business."""
    for seed in (1, 2, 3):
        office.submit(office.booking(seed, start=office.start_after(seed), name="سارة"))
    office.close()
    with ExitStack() as parts:
        before = parts.enter_context(temporary_database(postgres_server, str(conninfo_to_dict(database_url)["dbname"])))
        settings = {"MAWID_DATA_DIR": str(tmp_path)}
        live = OfficeOnADatabase(Settings.load(settings | {"MAWID_DATABASE_URL": database_url}), parts, prepare=False)
        for seed in (1, 2):
            assert live.submit(ask(live, seed, f"r{seed}")).refusal is None
            assert live.submit(approve(live, f"r{seed}")).refusal is None
        with psycopg.connect(database_url) as connection:
            live.instance.erasures.keep(connection)
        copy = OfficeOnADatabase(Settings.load(settings | {"MAWID_DATABASE_URL": before}), parts, prepare=False)
        yield copy


@pytest.fixture
def persons(restored):
    return [person_of(restored, seed) for seed in (1, 2, 3)]


def test_who_was_erased_after_the_backup_is_gone_again_and_nobody_else(restored, persons):
    assert replay_erasures(restored.instance, restored.instance.erasures) == 2

    assert [person_of(restored, seed) for seed in (1, 2)] == [None, None]
    with psycopg.connect(restored.instance.dsn) as connection:
        found = restored.instance.vault.open_person(connection, persons[2], "t", "t")
    assert isinstance(found, PersonData)
    assert found.name == "سارة"
    facts = restored._rows("SELECT person, stream, stream_version FROM log WHERE type = 'PersonErased.v1' ORDER BY 1")
    assert facts == sorted((persons[n], f"erasure/r{n + 1}", 1) for n in (0, 1))


def test_what_is_repeated_once_is_not_repeated_again(restored):
    replay_erasures(restored.instance, restored.instance.erasures)
    head = restored.head()

    assert replay_erasures(restored.instance, restored.instance.erasures) == 0

    assert restored.head() == head
    assert len(restored.instance.erasures.erasures()) == 2


def test_their_number_is_a_new_person_after_the_replay(restored, persons):
    replay_erasures(restored.instance, restored.instance.erasures)

    new = restored.booking(1, start=restored.start_after(9))

    assert restored.submit(new).refusal is None
    assert persons_of(restored, new).isdisjoint(persons)


def test_a_row_put_back_by_hand_is_deleted_without_another_fact(restored, persons):
    """As when only the vault's tables were restored."""
    [row] = restored._rows(f"SELECT * FROM vault.person WHERE person = '{persons[0]}'")
    replay_erasures(restored.instance, restored.instance.erasures)
    head = restored.head()
    with psycopg.connect(restored.instance.dsn) as connection:
        connection.execute("INSERT INTO vault.person VALUES (%s, %s, %s, %s, %s, %s, %s, %s)", row)

    assert replay_erasures(restored.instance, restored.instance.erasures) == 1

    assert person_of(restored, 1) is None
    assert restored.head() == head


def test_persons_whom_this_log_never_knew_are_none_of_its_business(restored, persons):
    path = restored.instance.erasures.path
    path.write_text(path.read_text().replace(persons[0], "somebody-elses"))

    assert replay_erasures(restored.instance, restored.instance.erasures) == 1
