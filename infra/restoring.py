"""A backup becomes a database again, and is held against all that is known of it before anybody serves from it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import psycopg

from infra.backup import Backup, BackupError
from infra.bootstrap import open_instance, views_for
from infra.erasure_replay import replay_erasures
from infra.keys import KeyFileError
from infra.merkle import Frontier
from infra.migrate import migrate
from infra.postgres import start_embedded
from infra.postgres.base_backup import BaseBackup
from infra.postgres.programs import account_for, find_programs
from infra.postgres.recovery import Recovery, Source, refuse_occupied
from infra.settings import Settings
from infra.signed_note import Checkpoint, Note, NoteError
from infra.signing import signing_files
from infra.signing_files import SigningFileError
from infra.vault_rotation import RotationError
from infra.wholeness import check_log
from projections.rebuild import self_check

_PAGE_EVENTS = 50_000


@dataclass(frozen=True)
class Finding:
    said: str
    is_wrong: bool = False


@dataclass(frozen=True)
class Restored:
    position: int
    last_at: datetime | None  # when its last event was recorded
    findings: list[Finding]


def restore(settings: Settings, backup: Backup, data_dir: Path, at: datetime | None) -> Restored:
    """`at`: as it was then; None: all that backup and archive hold. Raises DatabaseUnavailable, BackupError."""
    refuse_occupied(data_dir)
    archive = _archive(settings, backup)
    if at is not None and archive is None:
        raise BackupError("only an archive reaches another instant than the backup's own: set MAWID_WAL_ARCHIVE_FOLDER")
    if at is not None and at < backup.manifest.consistent_at:
        ended = backup.manifest.consistent_at.isoformat()
        raise BackupError(f"the backup was finished at {ended}: name a later instant, or take an older backup")
    programs = find_programs(settings.storage.pg_bin, account_for(data_dir / "postgres"))
    patience_s = settings.backups.backup_s_max
    BaseBackup(programs, patience_s).check(backup.database)
    source = Source(
        base=backup.database,
        superuser=backup.manifest.superuser,
        database=backup.manifest.database,
        of_embedded=backup.manifest.embedded,
        archive=archive,
    )
    Recovery(source, programs, patience_s).into(data_dir, at)
    server = start_embedded(data_dir, pg_bin=settings.storage.pg_bin)
    try:
        placed = replace(settings, storage=replace(settings.storage, data_dir=data_dir, database_url=""))
        return _examined(placed, server.dsn, backup, is_all=at is None)
    finally:
        server.leave()


def _archive(settings: Settings, backup: Backup) -> Path | None:
    """Without the setting a backup is restored as it is, to the moment it was finished."""
    folder, name = settings.backups.wal_archive_folder, backup.manifest.archive
    if folder is None or name is None:
        return None
    if not (folder / name).is_dir():
        raise BackupError(f"{folder} holds no {name}, which the backup goes on in: correct MAWID_WAL_ARCHIVE_FOLDER")
    return folder / name


def _examined(settings: Settings, dsn: str, backup: Backup, *, is_all: bool) -> Restored:
    with psycopg.connect(dsn) as connection:
        [head] = connection.execute("SELECT position FROM log_head").fetchone() or [0]
        [last_at] = connection.execute("SELECT max(recorded_at) FROM log WHERE position = %s", (head,)).fetchone() or [
            None
        ]
    findings = [*_of_the_log(dsn), *_of_checkpoints(settings, dsn, backup, head, is_all=is_all)]
    migrate(dsn)
    if not any(finding.is_wrong for finding in findings):
        findings += _of_views_and_erasures(settings, dsn)
    return Restored(head, last_at, findings)


def _of_the_log(dsn: str) -> Iterator[Finding]:
    whole = check_log(dsn)
    if whole.breach is None:
        yield Finding(f"the log is whole: {whole.position} events, and the tree of its head is theirs")
    else:
        yield Finding(f"the log is not whole: {whole.breach}", is_wrong=True)


def _of_checkpoints(settings: Settings, dsn: str, backup: Backup, head: int, *, is_all: bool) -> Iterator[Finding]:
    if backup.manifest.position > head:
        missing = (
            f"events {head + 1} to {backup.manifest.position}, which were there when the backup began, are missing"
        )
        yield Finding(missing, is_wrong=True)
    if backup.manifest.checkpoint is not None:
        try:
            noted = Checkpoint.of(Note.parse(backup.manifest.checkpoint))
        except NoteError as error:
            yield Finding(f"the checkpoint of the backup cannot be read ({error})", is_wrong=True)
        else:
            yield _against(noted, dsn, head, "the backup's", is_wrong=True)
    try:
        kept = signing_files(settings).kept()
    except (SigningFileError, KeyFileError) as error:
        yield Finding(str(error))
        return
    if kept is None:
        yield Finding("no checkpoint is kept beside the signing key here: compare with one that an auditor keeps")
    else:
        yield _against(kept.checkpoint, dsn, head, "the signer's", is_wrong=is_all)


def _against(checkpoint: Checkpoint, dsn: str, head: int, whose: str, *, is_wrong: bool) -> Finding:
    """Of a restore to an earlier moment it is asked that events are missing: that is told, and is nothing wrong."""
    if checkpoint.size > head:
        lost = f"events {head + 1} to {checkpoint.size}"
        return Finding(f"{lost} ARE MISSING: {whose} last checkpoint was signed over them", is_wrong=is_wrong)
    if _root_at(dsn, checkpoint.size) != checkpoint.root:
        said = f"the first {checkpoint.size} events are not those that {whose} last checkpoint was signed over"
        return Finding(said, is_wrong=True)
    return Finding(f"it continues {whose} last checkpoint, of {checkpoint.size} events")


def _root_at(dsn: str, size: int) -> bytes:
    tree = Frontier()
    query = "SELECT leaf FROM log WHERE position > %s AND position <= %s ORDER BY position LIMIT %s"
    with psycopg.connect(dsn) as connection, connection.cursor(binary=True) as cursor:
        while leaves := cursor.execute(query, (tree.size, size, _PAGE_EVENTS)).fetchall():
            tree.extend([leaf for (leaf,) in leaves])
    return tree.root()


def _of_views_and_erasures(settings: Settings, dsn: str) -> Iterator[Finding]:
    """Both need keys; without them the first start repeats the erasures before it serves anything."""
    try:
        with open_instance(settings, dsn) as instance:
            repeated = replay_erasures(instance, instance.erasures)
        views = self_check(dsn, views_for(settings, dsn))
    except (KeyFileError, RotationError) as error:
        yield Finding(f"views and erasures wait for the keys: {error}")
        return
    yield Finding(f"{repeated} erasures repeated that were later than this")
    for view in views:
        if view.equal is False:
            yield Finding(f"view {view.view} is not what the log says: `mawid rebuild {view.view}`", is_wrong=True)
    if equal := [view.view for view in views if view.equal]:
        yield Finding(f"{len(equal)} views are equal to ones folded anew from the log")
    if unmet := [view.view for view in views if view.equal is None]:
        yield Finding(f"not there yet, and folded by the first start: {', '.join(unmet)}")
