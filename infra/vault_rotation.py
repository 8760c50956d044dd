"""Another key-encryption key for the vault, while bookings go on, and the end of the one before.

In this order, each step durable before the next: the new key is in the file beside the old one; the log's head says
that the vault seals under it, which every process reads with the append lock; each row's data key is wrapped anew;
when none is left under the old key, and the time is over for which backups are to open, the old key is destroyed.
Killed at any point, the same again goes on from there.
"""

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import psycopg
import structlog
from psycopg import Connection
from psycopg.rows import args_row

from infra.key_epochs import EPOCHS_MAX, SECRET_BYTES, Epoch
from infra.keys import epoch_key, replace_vault_epochs, vault_epochs
from infra.vault import Erased, SealedPerson, Vault, VaultError

_COLUMNS: Final = "person, lookup, kek_id, wrapped_key, number, name, mobile, language"
_ALONE: Final = "SELECT pg_try_advisory_lock(hashtextextended('mawid rotates the key of the vault', 0))"
_ALONE_NO_MORE: Final = "SELECT pg_advisory_unlock(hashtextextended('mawid rotates the key of the vault', 0))"
_OLDER: Final = f"""
    SELECT {_COLUMNS} FROM vault.person WHERE person > %s AND kek_id <> %s ORDER BY person LIMIT %s FOR UPDATE
"""
_REWRAP: Final = """
    UPDATE vault.person SET (lookup, kek_id, wrapped_key) = (new.lookup, new.kek_id, new.wrapped_key)
    FROM unnest(%s::text[], %s::bytea[], %s::text[], %s::bytea[]) AS new (person, lookup, kek_id, wrapped_key)
    WHERE vault.person.person = new.person
"""
_ROWS_AT_ONCE: Final = 5_000

_log = structlog.get_logger("vault")


class RotationError(Exception):
    """One sentence with the way out."""


@dataclass(frozen=True)
class Rotated:
    kek_id: str  # under which the vault seals now
    rewrapped: int
    is_new: bool  # False: a rotation that had been interrupted was finished
    unreadable: int  # rows that did not open: they are left as they are, and their key with them


def join_epoch(dsn: str, vault: Vault) -> None:
    """Seal as the log's head says. Rows from before there were rotations are found by number as they now are, once."""
    with psycopg.connect(dsn) as connection:
        if (kek_id := _sealing_now(connection)) is None:
            connection.execute("SELECT FROM log_head FOR UPDATE")
            if (kek_id := _sealing_now(connection)) is None:
                kek_id = vault.ring.sealing.id
                _find_anew(connection, vault)
                connection.execute("UPDATE log_head SET vault_kek = %s", (kek_id,))
    if not vault.ring.seal_under(kek_id):
        raise RotationError(
            f"The vault of this database is sealed under key {kek_id}, which the vault's key file has not: put the "
            "file with that key there, from the machine that rotated it or from the backup of the keys."
        )


def rotate(
    dsn: str,
    vault: Vault,
    path: Path,
    now: datetime,
    *,
    rows_at_once: int,
    told: Callable[[int], None] = lambda _: None,
) -> Rotated:
    """Begin a rotation, or finish one that was interrupted. `told`: rows done so far."""
    with _alone(dsn) as connection:
        vault = vault.apart()  # as the key file is now that nobody else rotates
        is_new = not _is_under_way(connection, vault)
        if is_new:
            _add_key(vault, path, now)
        return _finish(connection, vault, rows_at_once, is_new=is_new, told=told)


def finish(dsn: str, vault: Vault, *, rows_at_once: int) -> Rotated | None:
    """What an interrupted rotation, or a restored backup, has left under an older key. None: nothing."""
    with _alone(dsn) as connection:
        vault = vault.apart()  # as the key file is now that nobody else rotates
        if not _is_under_way(connection, vault):
            return None
        return _finish(connection, vault, rows_at_once, is_new=False)


def destroy_older(dsn: str, vault: Vault, path: Path, now: datetime, *, keep: timedelta) -> list[str]:
    """Ids of the keys that are gone for good: rotated away at least so long ago, and no row needs them."""
    with _alone(dsn) as connection:
        kept = vault_epochs(path)
        needed = {_sealing_now(connection)}
        going: list[Epoch] = []
        for epoch, following in zip(kept.epochs[:-1], kept.epochs[1:], strict=True):
            kek_id = epoch_key(epoch).id
            is_over = following.since is not None and following.since + keep <= now
            if is_over and kek_id not in needed and not _has_rows(connection, kek_id):
                going.append(epoch)
        if going:
            replace_vault_epochs(path, kept._replace(epochs=[each for each in kept.epochs if each not in going]))
            vault.ring.look_again()
    return [epoch_key(epoch).id for epoch in going]


# -- parts ------------------------------------------------------------------------------------------------------------


@contextmanager
def _alone(dsn: str) -> Iterator[Connection[Any]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        if connection.execute(_ALONE).fetchone() != (True,):
            raise RotationError("The vault's key is being rotated by another process already: wait until it is done.")
        yield connection
        connection.execute(_ALONE_NO_MORE)  # a session that has ended may keep it for a moment after


def _sealing_now(connection: Connection[Any]) -> str | None:
    [kek_id] = connection.execute("SELECT vault_kek FROM log_head").fetchone() or (None,)
    found: str | None = kek_id
    return found


def _has_rows(connection: Connection[Any], kek_id: str) -> bool:
    return connection.execute("SELECT FROM vault.person WHERE kek_id = %s LIMIT 1", (kek_id,)).rowcount > 0


def _is_under_way(connection: Connection[Any], vault: Vault) -> bool:
    newest, known = vault.ring.newest, list(vault.ring.epochs)
    if _sealing_now(connection) != newest:
        return True
    older = "SELECT FROM vault.person WHERE kek_id <> %s AND kek_id = ANY(%s) LIMIT 1"
    return connection.execute(older, (newest, known)).rowcount > 0


def _add_key(vault: Vault, path: Path, now: datetime) -> None:
    kept = vault_epochs(path)
    if len(kept.epochs) >= EPOCHS_MAX:
        raise RotationError(
            f"The vault's key file holds {EPOCHS_MAX} keys already: destroy the older ones first "
            "(`mawid keys rotate vault --destroy-old`, or a shorter MAWID_VAULT_KEY_KEEP_DAYS)."
        )
    new = Epoch(now, secrets.token_bytes(SECRET_BYTES))
    replace_vault_epochs(path, kept._replace(epochs=[*kept.epochs, new]))
    vault.ring.look_again()


def _finish(
    connection: Connection[Any],
    vault: Vault,
    rows_at_once: int,
    *,
    is_new: bool,
    told: Callable[[int], None] = lambda _: None,
) -> Rotated:
    newest = vault.ring.newest
    connection.execute("UPDATE log_head SET vault_kek = %s", (newest,))  # waits for the append lock
    vault.ring.seal_under(newest)
    done, unreadable = 0, 0
    # Rows that the desk is writing to are left for a second round, which takes and waits for one row at a time: so
    # neither ever waits for the other while it keeps what the other waits for.
    for query, limit in ((_OLDER + " SKIP LOCKED", rows_at_once), (_OLDER, 1)):
        unreadable, last = 0, ""
        while rows := _rewrap_some(connection, vault, query, last, limit):
            last = rows[-1].person
            rewrapped = sum(row.kek_id == newest for row in rows)
            done, unreadable = done + rewrapped, unreadable + len(rows) - rewrapped
            told(done)
    connection.execute("VACUUM vault.person")
    return Rotated(newest, done, is_new, unreadable)


def _rewrap_some(connection: Connection[Any], vault: Vault, query: str, last: str, limit: int) -> list[SealedPerson]:
    """The rows that were found, each as it is now."""
    with connection.transaction(), connection.cursor(row_factory=args_row(SealedPerson)) as cursor:
        rows = cursor.execute(query, (last, vault.ring.sealing.id, limit)).fetchall()
        rewrapped = _rewrap(connection, vault, rows)
    return [rewrapped.get(row.person, row) for row in rows]


def _rewrap(connection: Connection[Any], vault: Vault, rows: Sequence[SealedPerson]) -> dict[str, SealedPerson]:
    """Those that could be opened."""
    rewrapped = {row.person: new for row in rows if (new := _rewrapped(vault, row)) is not None}
    if rewrapped:
        columns = zip(*[new[:4] for new in rewrapped.values()], strict=True)
        connection.execute(_REWRAP, [list(column) for column in columns])
    return rewrapped


def _rewrapped(vault: Vault, row: SealedPerson) -> SealedPerson | None:
    try:
        new = vault.rewrap(row)
    except VaultError as error:
        _log.error("a row of the vault keeps its key", error=str(error))
        return None
    return None if isinstance(new, Erased) else new


def _find_anew(connection: Connection[Any], vault: Vault) -> None:
    """All at once, in the transaction that has the append lock: nobody meets half of the rows found the old way."""
    with connection.cursor("people", row_factory=args_row(SealedPerson)) as people:
        people.itersize = _ROWS_AT_ONCE
        people.execute(f"SELECT {_COLUMNS} FROM vault.person")
        while rows := people.fetchmany(_ROWS_AT_ONCE):
            _rewrap(connection, vault, rows)
