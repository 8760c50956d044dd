"""The ground every variant stands on: one durable PostgreSQL of its own, and a fresh database for each trial."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg.conninfo import make_conninfo

from infra.migrate import migrate
from infra.postgres import EmbeddedDatabase, start_embedded

FSYNC_TRIAL_S = 0.3


@contextmanager
def durable_server() -> Iterator[tuple[EmbeddedDatabase, Path]]:
    """A server that keeps what it acknowledges (asserted), and a folder beside it; both are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="mawid-rush-") as folder:
        server = start_embedded(Path(folder) / "server")
        try:
            with psycopg.connect(server.dsn) as connection:
                for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                    if connection.execute(f"SHOW {setting}").fetchone() != ("on",):
                        raise RuntimeError(f"{setting} is off: figures of a server that forgets mean nothing")
            yield server, Path(folder)
        finally:
            server.leave()


@contextmanager
def fresh_database(server: EmbeddedDatabase, *, migrated: bool) -> Iterator[str]:
    name = f"rush_{uuid4().hex}"
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} STRATEGY file_copy")
    dsn = make_conninfo(server.dsn, dbname=name)
    if migrated:
        migrate(dsn)
    yield dsn
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def fdatasyncs_per_s(folder: Path) -> float:
    """Of 8 kB each: the floor under every commit."""
    path = folder / "fdatasync"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        done, until = 0, time.monotonic() + FSYNC_TRIAL_S
        while time.monotonic() < until:
            os.pwrite(descriptor, bytes(8192), 8192 * (done % 64))
            os.fdatasync(descriptor)
            done += 1
    finally:
        os.close(descriptor)
        path.unlink()
    return done / FSYNC_TRIAL_S
