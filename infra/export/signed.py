"""What vouches for an export: the checkpoints that the signer has published, and the keys that check them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import psycopg

from infra.checkpoints import Signer, origin_of
from infra.kept_file import FileLocked
from infra.keys import KeyFileError
from infra.settings import Settings
from infra.signing import signing_files
from infra.signing_files import SigningFileError
from infra.wholeness import InconsistentLog


class Signed(NamedTuple):
    checkpoints: Sequence[tuple[int, str]]  # size, note; in ascending order
    keys: Sequence[str]  # verifier keys, the newest first
    warning: str | None = None  # why the newest does not vouch for the head


def signed_now(settings: Settings, dsn: str) -> Signed:
    """The head is signed first, if it can be. Where it is not what was signed before, the last one signed counts.

    Without the key, as on another machine, the checkpoints are those of the database.
    """
    files, warning = signing_files(settings), None
    with psycopg.connect(dsn, autocommit=True) as connection:
        try:
            Signer(files).sign(connection, datetime.now(UTC))
        except InconsistentLog as refused:
            warning = f"no checkpoint is signed any more: {refused}"
        except (FileLocked, SigningFileError, KeyFileError):
            pass  # what has been published vouches for the log up to there
        rows = connection.execute("SELECT size, note FROM checkpoint ORDER BY size").fetchall()
        origin = origin_of(connection)
    notes = {int(size): str(note) for size, note in rows}
    kept = files.kept() if files.checkpoint.exists() else None
    if warning is not None and kept is not None:  # what the database says of checkpoints may be as false as its log
        notes = {size: note for size, note in notes.items() if size < kept.checkpoint.size}
        notes[kept.checkpoint.size] = str(kept.note)
    keys = [str(key) for key in files.known(origin)] if files.key.exists() else []
    return Signed(sorted(notes.items()), keys, warning)
