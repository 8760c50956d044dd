"""What the vault needs done beside the work: an erasure is in the ledger, and its dead rows are swept out of tables and
indexes; a rotation that was interrupted is finished; a key whose time is over is destroyed.
"""

from datetime import UTC, datetime, timedelta
from threading import Event

import psycopg
import structlog
from psycopg import Connection
from psycopg.rows import TupleRow

from infra.bootstrap import Instance
from infra.erasure_ledger import ErasureLedger, ErasureLedgerError
from infra.keys import KeyFileError
from infra.vault_rotation import RotationError, destroy_older, finish

#: Where an erasure leaves dead rows.
TABLES = ("vault.person", "vault.note", "public.command_outcome")
_LAST_ERASURE = "SELECT coalesce(max(position), 0) FROM log WHERE type = 'PersonErased.v1'"
_DEAD = "SELECT coalesce(sum(n_dead_tup), 0) FROM pg_stat_user_tables WHERE schemaname = 'vault'"

_log = structlog.get_logger("vault")


class VaultUpkeep:
    def __init__(self, instance: Instance, ledger: ErasureLedger) -> None:
        self._dsn, self._vault = instance.dsn, instance.vault
        self._limits = instance.settings.vault
        self._key_file = instance.settings.keys.vault_key_file
        self._ledger = ledger
        self._swept_upto = 0  # position: erasures up to here have left no dead row

    def run(self, stopping: Event) -> None:
        while not stopping.wait(self._limits.vault_upkeep_every_s):
            try:
                self.once()
                self.look_after_keys(datetime.now(UTC))
            except (psycopg.Error, ErasureLedgerError, KeyFileError, RotationError) as error:
                # A database away, a disk full, a rotation by somebody else: the next time.
                _log.warning("the vault was not looked after this time", error=str(error))

    def once(self) -> bool:
        """Whether dead rows had to be swept out, and are. Another's old snapshot may keep them for the next time."""
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            self._ledger.keep(connection)
            [last] = connection.execute(_LAST_ERASURE).fetchone() or (0,)
            if last <= self._swept_upto or not _sweep(connection):
                return False
            self._swept_upto = last
        return True

    def look_after_keys(self, now: datetime) -> None:
        """Only while the vault has several: one key needs no care."""
        self._vault.ring.look_again()
        if len(self._vault.ring.epochs) == 1:
            return
        if (rotated := finish(self._dsn, self._vault, rows_at_once=self._limits.vault_rotation_rows_max)) is not None:
            _log.info("the rotation of the vault's key is finished", rewrapped=rotated.rewrapped)
        keep = timedelta(days=self._limits.vault_key_keep_days)
        for kek_id in destroy_older(self._dsn, self._vault, self._key_file, now, keep=keep):
            _log.info("a key of the vault is destroyed", key=kek_id)


def _sweep(connection: Connection[TupleRow]) -> bool:
    for table in TABLES:
        # Few dead rows would otherwise leave their entries in the indexes.
        connection.execute(f"VACUUM (INDEX_CLEANUP ON) {table}")
    [dead] = connection.execute(_DEAD).fetchone() or (0,)
    return not dead
