"""Numbered plain SQL, applied once, in order. A file that was applied never changes: a change is the next file."""

import hashlib
import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple

import psycopg

FILE_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
LOCK = 0x4D41574944  # "MAWID", the advisory lock that one migrating process holds at a time
LOCK_WAIT = "60s"  # for that one, and for the tables a migration changes


class MigrationRefused(Exception):
    """`name` is the file's, without .sql. Nothing of it, and nothing after it, was applied."""

    def __init__(self, name: str, reason: str) -> None:
        self.name, self.reason = name, reason
        super().__init__(f"migration {name}: {reason}")


class _Migration(NamedTuple):
    name: str
    statements: str
    sha256: str


def migrate(dsn: str, folder: Traversable | None = None) -> list[str]:
    """Names of the migrations applied now, without .sql. `folder`: infra/migrations unless told otherwise."""
    migrations = _read(folder or files("infra") / "migrations")
    applied: list[str] = []
    with psycopg.connect(dsn, autocommit=True) as connection:
        while name := _apply_next(connection, migrations):
            applied.append(name)
    return applied


def pending(dsn: str) -> list[str]:
    """Names of those not applied yet."""
    migrations = _read(files("infra") / "migrations")
    with psycopg.connect(dsn) as connection:
        if connection.execute("SELECT to_regclass('migration')").fetchone() == (None,):
            return [migration.name for migration in migrations]
        applied = connection.execute("SELECT name, sha256 FROM migration ORDER BY name").fetchall()
    _refuse_other_history(applied, migrations)
    return [migration.name for migration in migrations[len(applied) :]]


def _read(folder: Traversable) -> list[_Migration]:
    migrations: list[_Migration] = []
    found = sorted((each for each in folder.iterdir() if each.name.endswith(".sql")), key=lambda each: each.name)
    for number, file in enumerate(found, start=1):
        name = file.name.removesuffix(".sql")
        match = FILE_NAME.fullmatch(file.name)
        if match is None or int(match[1]) != number:
            raise MigrationRefused(name, f"its file should be named {number:04}_and_what_it_does.sql")
        statements = file.read_text("utf-8")  # line ends as \n, so that a checkout on another system changes no sum
        migrations.append(_Migration(name, statements, hashlib.sha256(statements.encode()).hexdigest()))
    return migrations


def _apply_next(connection: psycopg.Connection, migrations: list[_Migration]) -> str | None:
    with connection.transaction():
        connection.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'")
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        connection.execute(
            "CREATE TABLE IF NOT EXISTS migration (name text PRIMARY KEY, sha256 text NOT NULL,"
            " applied_at timestamptz NOT NULL DEFAULT clock_timestamp())"
        )
        applied = connection.execute("SELECT name, sha256 FROM migration ORDER BY name").fetchall()
        _refuse_other_history(applied, migrations)
        if len(applied) == len(migrations):
            return None
        following = migrations[len(applied)]
        try:
            connection.execute(following.statements.encode())
        except psycopg.Error as error:
            raise MigrationRefused(following.name, str(error)) from error
        connection.execute("INSERT INTO migration (name, sha256) VALUES (%s, %s)", [following.name, following.sha256])
        return following.name


def _refuse_other_history(applied: list[tuple[str, str]], migrations: list[_Migration]) -> None:
    known = {migration.name: migration.sha256 for migration in migrations}
    for position, (name, sha256) in enumerate(applied):
        if name not in known:
            raise MigrationRefused(name, "the database has it and this version of mawid does not: use a newer version")
        if sha256 != known[name]:
            raise MigrationRefused(name, "its file has changed since it was applied: undo that, and add a new file")
        if name != migrations[position].name:
            raise MigrationRefused(migrations[position].name, "later ones are applied already: number it after them")
