"""The archive of an embedded database's WAL: what a backup lacks to become any later moment.

PostgreSQL's own `basic_archive` copies each finished segment: draft, fsync, rename, and never over a different file; it
starts no process, and tries again for as long as the folder fails. A database archives into a folder of its own below
the one that is set, whose name lies in DATA_DIR: one restored for a drill must not write between the segments of the
one that goes on serving, for both would call the next segment the same.
"""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from infra.postgres.folder import DataDir, sync_names
from infra.postgres.programs import Account


@dataclass(frozen=True)
class WalArchive:
    folder: Path  # of all databases that archive here
    every_s: int  # a segment that is not full is archived after so long

    def settings(self, data_dir: DataDir, account: Account) -> dict[str, str]:
        """Of the server, which only takes them when it starts."""
        own = self.folder.resolve() / _own_name(data_dir)
        if not own.is_dir():
            own.mkdir(mode=0o700, parents=True)
            account.give(own)
        return {
            "archive_mode": "on",
            "archive_library": "basic_archive",
            "archive_command": "",
            "basic_archive.archive_directory": str(own),
            "archive_timeout": f"{self.every_s}s",
        }


def _own_name(data_dir: DataDir) -> str:
    if (name := archive_of(data_dir)) is not None:
        return name
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
    draft = data_dir.archive_name.with_suffix(".archive.new")
    draft.write_text(f"{name}\n", "ascii")
    draft.replace(data_dir.archive_name)
    sync_names(data_dir.path)
    return name


def archive_of(data_dir: DataDir) -> str | None:
    """None: this database has never archived."""
    path = data_dir.archive_name
    return (path.read_text("ascii").strip() or None) if path.exists() else None
