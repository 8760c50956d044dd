import socket

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from infra.postgres import DatabaseUnavailable, database
from infra.settings import Settings
from tests.infra.postgres.servers import answer, password_of


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
        assert password_of(given.dsn) not in repr(given)

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
        "postgresql://clerk:s3cret@db.invalid/mawid?connect_timeout=soon",
        "postgresql://clerk:s3cret@" + "x" * 64 + ".invalid/mawid",
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


def test_a_standby_is_refused(data_dir_to_break, started_by_hand):
    (data_dir_to_break / "postgres" / "standby.signal").touch()
    _, dsn = started_by_hand(data_dir_to_break)

    assert "standby" in sentence_about(dsn)
