"""An office on a server of its own that archives its WAL, for tests of backup and restore."""

from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import psycopg

from infra.backup import Backup, back_up
from infra.bootstrap import views_for
from infra.migrate import migrate
from infra.postgres import EmbeddedDatabase, WalArchive, start_embedded
from infra.restoring import Restored, restore
from infra.settings import Settings
from projections.follow import Follower
from tests.offices import OfficeOnADatabase


@dataclass(frozen=True)
class ArchivedOffice:
    folder: Path
    server: EmbeddedDatabase
    settings: Settings
    office: OfficeOnADatabase

    @classmethod
    def opened(cls, folder: Path, parts: ExitStack, *, counters: int = 2) -> "ArchivedOffice":
        archive = folder / "archive"
        server = start_embedded(folder / "data", durable=False, archive=WalArchive(archive, every_s=3600))
        parts.callback(server.leave)
        migrate(server.dsn)
        environ = {"MAWID_DATA_DIR": str(folder / "data"), "MAWID_WAL_ARCHIVE_FOLDER": str(archive)}
        settings = Settings.load(environ | {"MAWID_DATABASE_URL": server.dsn})
        return cls(folder, server, settings, OfficeOnADatabase(settings, parts, counters=counters))

    def backed_up(self, name: str = "backup") -> Backup:
        return back_up(self.settings, self.server, self.folder / name)

    def restored(self, backup: Backup, data_dir: Path, *, at: datetime | None = None) -> Restored:
        return restore(self.settings, backup, data_dir, at)

    def without_archive(self) -> "ArchivedOffice":
        backups = replace(self.settings.backups, wal_archive_folder=None)
        return replace(self, settings=replace(self.settings, backups=backups))

    def archive_all(self) -> None:
        """What was written up to now is in the archive."""
        with psycopg.connect(self.server.dsn, autocommit=True) as connection:
            connection.execute("SELECT pg_create_restore_point('a segment without a record is not archived')")
            last = connection.execute("SELECT pg_walfile_name(pg_current_wal_insert_lsn())").fetchone()
            connection.execute("SELECT pg_switch_wal()")
            query = "SELECT last_archived_wal >= %s FROM pg_stat_archiver"
            while connection.execute(query, last).fetchone() != (True,):
                connection.execute("SELECT pg_sleep(0.05)")

    def fold_the_views(self) -> None:
        with Follower(self.server.dsn, views_for(self.settings, self.server.dsn)) as follower:
            follower.catch_up()
