"""A backup: a copy of the whole database, and what it says of itself. Whole under its name, or absent; never a key.

    FOLDER/backup.json    what it is: see `Manifest`
    FOLDER/database/      as pg_basebackup made and pg_verifybackup checked it

Facts and views are in it, and personal data as it is kept: sealed under keys that are not.
"""

import secrets
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import psycopg
from psycopg import Connection

from infra.kept_file import write_whole
from infra.postgres import Database
from infra.postgres.archive import archive_of
from infra.postgres.base_backup import BaseBackup
from infra.postgres.folder import DataDir, sync_names
from infra.postgres.programs import Programs, account_for, find_programs
from infra.settings import Settings

FORMAT: Final = 1
_MANIFEST: Final = "backup.json"
_DATABASE: Final = "database"
_MANIFEST_BYTES_MAX: Final = 64 * 1024


class BackupError(Exception):
    """One sentence: what is wrong with a backup or its folder, and a way out."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    format: int
    began_at: datetime
    consistent_at: datetime  # it can become the database of this instant, or of a later one with the archive
    position: int  # the head of the log when it began: at least so many events are in it
    checkpoint: str | None  # the last one signed when it began; None: none was yet
    superuser: str
    database: str
    embedded: bool
    archive: str | None  # folder below MAWID_WAL_ARCHIVE_FOLDER that goes on where it ends


@dataclass(frozen=True)
class Backup:
    folder: Path
    manifest: Manifest

    @property
    def database(self) -> Path:
        return self.folder / _DATABASE

    @classmethod
    def read(cls, folder: Path) -> "Backup":
        try:
            with (folder / _MANIFEST).open("rb") as file:
                stored = file.read(_MANIFEST_BYTES_MAX)
            manifest = msgspec.json.decode(stored, type=Manifest)
        except (FileNotFoundError, NotADirectoryError):
            raise BackupError(f"{folder} is not a backup: it holds no {_MANIFEST}") from None
        except (OSError, msgspec.MsgspecError) as error:
            raise BackupError(f"{folder / _MANIFEST} cannot be read ({error}): take another backup") from error
        if manifest.format != FORMAT:
            raise BackupError(f"{folder} was made by a newer mawid: restore it with that one")
        return cls(folder, manifest)


def back_up(settings: Settings, database: Database, folder: Path) -> Backup:
    """Beside whatever goes on in the database. BackupError, DatabaseUnavailable: nothing is left behind."""
    if folder.exists():
        raise BackupError(f"{folder} is there already, and was left as it is: name a new folder")
    draft = folder.absolute().with_name(f".{folder.name}.draft-{secrets.token_hex(4)}")
    try:
        draft.parent.mkdir(parents=True, exist_ok=True)
        account = account_for(draft)
        draft.mkdir(mode=0o700)
        account.give(draft)
        programs = find_programs(settings.storage.pg_bin, account)
        manifest = _copy(settings, database, draft, programs)
        write_whole(draft / _MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
        draft.rename(folder)
        sync_names(draft.parent)
    except OSError as error:
        raise BackupError(
            f"the backup cannot be written to {folder} ({error.strerror}): name another folder"
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Backup(folder, manifest)


def prune_archive(settings: Settings, backup: Backup) -> bool:
    """Older backups reach no later moment from here on. False: there is no archive to prune."""
    folder, name = settings.backups.wal_archive_folder, backup.manifest.archive
    if folder is None or name is None:
        return False
    programs = find_programs(settings.storage.pg_bin, account_for(folder / name))
    BaseBackup(programs, settings.backups.backup_s_max).prune(folder.resolve() / name, backup.database)
    return True


def _copy(settings: Settings, database: Database, draft: Path, programs: Programs) -> Manifest:
    began_at = datetime.now(UTC)
    with psycopg.connect(database.dsn) as connection:
        position, checkpoint = _head(connection)
        superuser = _superuser(connection)
        name = connection.info.dbname
        archive = _archive(settings, connection) if database.embedded else None
    copying = BaseBackup(programs, settings.backups.backup_s_max)
    copying.take(database.dsn, draft / _DATABASE, beside=draft)
    consistent_at = datetime.now(UTC)
    copying.check(draft / _DATABASE)
    return Manifest(
        format=FORMAT,
        began_at=began_at,
        consistent_at=consistent_at,
        position=position,
        checkpoint=checkpoint,
        superuser=superuser,
        database=name,
        embedded=database.embedded,
        archive=archive,
    )


def _head(connection: Connection[Any]) -> tuple[int, str | None]:
    try:
        [position] = connection.execute("SELECT position FROM log_head").fetchone() or [0]
        newest = connection.execute("SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1").fetchone()
    except psycopg.errors.UndefinedTable:
        raise BackupError("the database has no log, or an older one: run `mawid migrate` first") from None
    return position, newest[0] if newest is not None else None


def _archive(settings: Settings, connection: Connection[Any]) -> str | None:
    """Asked of the server: it may have been started before the setting was made."""
    is_on = connection.execute("SHOW archive_mode").fetchone() == ("on",)
    return archive_of(DataDir(settings.storage.data_dir.resolve())) if is_on else None


def _superuser(connection: Connection[Any]) -> str:
    """Who may do everything in the restored database, whoever takes the backup."""
    query = "SELECT rolname FROM pg_roles WHERE rolsuper AND rolcanlogin ORDER BY rolname <> current_user, oid LIMIT 1"
    [name] = connection.execute(query).fetchone() or ["postgres"]
    return str(name)
