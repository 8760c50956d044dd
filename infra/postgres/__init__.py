"""The database: somebody else's, named by MAWID_DATABASE_URL, or an embedded one in MAWID_DATA_DIR."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from infra.postgres.archive import WalArchive
from infra.postgres.embedded import EmbeddedDatabase
from infra.postgres.folder import DataDir, sentence_about
from infra.postgres.given import GivenDatabase, check
from infra.postgres.programs import account_for, find_programs
from infra.postgres.unavailable import DatabaseUnavailable
from infra.settings import Settings

__all__ = ["Database", "DatabaseUnavailable", "EmbeddedDatabase", "WalArchive", "database", "start_embedded"]


class Database(Protocol):
    @property
    def dsn(self) -> str:
        """A psycopg conninfo; it holds the password."""

    @property
    def embedded(self) -> bool: ...

    def ensure_running(self) -> bool:
        """True if it was ours, had ended without being told to, and was started again."""


@contextmanager
def database(settings: Settings) -> Iterator[Database]:
    storage = settings.storage
    if storage.database_url:
        check(storage.database_url)
        yield GivenDatabase(storage.database_url)
        return
    backups = settings.backups
    folder = backups.wal_archive_folder
    archive = WalArchive(folder, backups.wal_archive_every_s) if folder is not None else None
    server = start_embedded(storage.data_dir, pg_bin=storage.pg_bin, archive=archive)
    try:
        yield server
    finally:
        server.leave()


def start_embedded(
    data_dir: Path, *, durable: bool = True, pg_bin: Path | None = None, archive: WalArchive | None = None
) -> EmbeddedDatabase:
    """Joins the server of this folder, starting it if nobody has. Without `durable` a power cut loses it all."""
    try:
        if data_dir.exists() and not data_dir.is_dir():
            raise DatabaseUnavailable(f"{data_dir} is a file: set MAWID_DATA_DIR to a folder")
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = DataDir(data_dir.resolve())
        account = account_for(folder.cluster)
        folder.open_to(account)
        return EmbeddedDatabase(folder, find_programs(pg_bin, account), durable=durable, archive=archive)
    except OSError as error:
        raise DatabaseUnavailable(sentence_about(str(error), data_dir, "cannot be used")) from error
