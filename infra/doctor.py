"""What `mawid doctor` looks at: settings, keys, database, log, views; each finding is one line with a way out."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

from infra import keys_backup
from infra.keys import KeyFileError, KeyFiles, Keys
from infra.migrate import MigrationRefused, pending
from infra.policy_file import PolicyFileError, read_policies
from infra.postgres import DatabaseUnavailable, database
from infra.relay_position import relayed
from infra.settings import Settings, SettingsError

FREE_BYTES_MIN = 1 << 30
LAG_EVENTS_MAX = 10_000
_ARCHIVED = """
    SELECT current_setting('archive_mode'), last_archived_time AT TIME ZONE 'UTC',
           last_failed_time > coalesce(last_archived_time, '-infinity')
    FROM pg_stat_archiver
"""


@dataclass(frozen=True)
class Finding:
    what: str
    said: str
    is_wrong: bool = False
    is_warning: bool = False

    @property
    def mark(self) -> str:
        return "✗" if self.is_wrong else "!" if self.is_warning else "✓"


def examine() -> list[Finding]:
    try:
        settings = Settings.load()
    except SettingsError as error:
        return [Finding("settings", str(error), is_wrong=True)]
    fits = Finding("settings", "every MAWID_ variable is known and fits")
    return [fits, *_policy(settings), *_keys(settings), *_storage(settings)]


def _policy(settings: Settings) -> Iterator[Finding]:
    path = settings.instance.policy_file
    if path is None:
        return
    try:
        said = ", ".join(str(dated.since) for dated in read_policies(path)) or "no table"
    except PolicyFileError as error:
        yield Finding("policy file", str(error), is_wrong=True)
    else:
        yield Finding("policy file", f"can be adopted: {said}")


def _keys(settings: Settings) -> Iterator[Finding]:
    files = KeyFiles.named_in(settings)
    paths = [files.signing, files.token, files.vault, files.reference, files.command]
    if not any(path.exists() for path in paths):
        yield Finding("keys", "none yet: they are made by the first start")
        return
    try:
        Keys.open(files, create=False)
    except KeyFileError as error:
        yield Finding("keys", str(error), is_wrong=True)
        return
    yield Finding("keys", "all five can be read, by their owner only")
    within = settings.storage.data_dir.resolve() / "postgres"
    if any(path.resolve().is_relative_to(within) for path in paths):
        said = f"a key lies inside the database's folder {within}: whoever copies one has both; move it out"
        yield Finding("keys and database", said, is_wrong=True)
    yield _backup_of(files)


def _backup_of(files: KeyFiles) -> Finding:
    known, what = keys_backup.state(files), "backup of keys"
    if known is None:
        said = "none is known: run `mawid keys backup FILE` and keep it elsewhere; without the vault key names are lost"
        return Finding(what, said, is_warning=True)
    if known.not_in_it:
        said = f"{', '.join(known.not_in_it)} not in that of {known.made_at:%Y-%m-%d}: run `mawid keys backup FILE`"
        return Finding(what, said, is_warning=True)
    return Finding(what, f"that of {known.made_at:%Y-%m-%d} holds the present keys")


def _storage(settings: Settings) -> Iterator[Finding]:
    folder = settings.storage.data_dir
    free = shutil.disk_usage(folder if folder.exists() else ".").free
    said = f"{free / (1 << 30):.1f} GiB free"
    yield Finding("disk", said, is_warning=free < FREE_BYTES_MIN)
    try:
        with database(settings) as found:
            yield Finding("database", "answers" + (" (embedded)" if found.embedded else ""))
            missing = pending(found.dsn)
            if missing:
                yield Finding(
                    "migrations", f"to be applied: {', '.join(missing)}; run `mawid migrate`", is_warning=True
                )
                return
            yield Finding("migrations", "all applied")
            with psycopg.connect(found.dsn) as connection:
                yield from _archive(settings, connection)
                yield from _log(connection)
                yield from _relay(settings, connection)
    except (DatabaseUnavailable, MigrationRefused) as error:
        yield Finding("database", str(error), is_wrong=True)


def _archive(settings: Settings, connection: psycopg.Connection[tuple[Any, ...]]) -> Iterator[Finding]:
    """What the archiver cannot copy stays in the database's folder, until its disk is full."""
    if settings.backups.wal_archive_folder is None or settings.storage.database_url:
        return
    [mode, last, failed] = connection.execute(_ARCHIVED).fetchone() or ("off", None, False)
    if mode == "off":
        said = "the server was started without MAWID_WAL_ARCHIVE_FOLDER: stop every mawid on it, and start again"
    elif failed:
        said = f"WAL cannot be copied to {settings.backups.wal_archive_folder}: see {settings.storage.data_dir}"
    else:
        said = f"copied up to {last:%Y-%m-%dT%H:%M:%SZ}" if last is not None else "nothing to copy yet"
    yield Finding("archive", said, is_warning=mode == "off" or bool(failed))


def _log(connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        [value] = connection.execute(f"SHOW {setting}").fetchone() or ["?"]
        if value == "off":
            yield Finding(setting, "is off: what was acknowledged can be lost by a power cut", is_wrong=True)
    [head, rows] = connection.execute("SELECT position, (SELECT count(*) FROM log) FROM log_head").fetchone() or [0, 0]
    if head == rows:
        yield Finding("log", f"{head} events, positions without a gap")
    else:
        yield Finding("log", f"the head is at {head} and {rows} events are there: restore from a backup", is_wrong=True)
    yield from _checkpoints(connection, head)
    for name, position in connection.execute("SELECT name, position FROM view_position ORDER BY name"):
        behind = head - position
        yield Finding(f"view {name}", f"{behind} events behind", is_warning=behind > LAG_EVENTS_MAX)


def _relay(settings: Settings, connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    if not settings.kafka.kafka_bootstrap:
        return
    position, problem = relayed(connection)
    if problem is not None:
        yield Finding("relay", problem, is_wrong=True)
    else:
        yield Finding("relay", f"the facts are on Kafka up to position {position}")


def _checkpoints(connection: psycopg.Connection[Any], head: int) -> Iterator[Finding]:
    if (refused := connection.execute("SELECT said FROM checkpoint_refusal").fetchone()) is not None:
        said = f"nothing is signed any more: {refused[0]}; see docs/checkpoints.md before anything else is done"
        yield Finding("checkpoints", said, is_wrong=True)
        return
    [size] = connection.execute("SELECT coalesce(max(size), 0) FROM checkpoint").fetchone() or [0]
    behind = head - size
    yield Finding("checkpoints", f"{behind} events are not covered yet", is_warning=behind > LAG_EVENTS_MAX)
