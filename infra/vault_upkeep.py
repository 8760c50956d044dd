"""What follows an erasure: it is in the ledger, and its dead rows are swept out of the vault's tables and indexes."""

from threading import Event

import psycopg
import structlog
from psycopg import Connection
from psycopg.rows import TupleRow

from infra.bootstrap import Instance
from infra.erasure_ledger import ErasureLedger, ErasureLedgerError

#: Where an erasure leaves dead rows.
TABLES = ("vault.person", "vault.note", "public.command_outcome")
_LAST_ERASURE = "SELECT coalesce(max(position), 0) FROM log WHERE type = 'PersonErased.v1'"
_DEAD = "SELECT coalesce(sum(n_dead_tup), 0) FROM pg_stat_user_tables WHERE schemaname = 'vault'"

_log = structlog.get_logger("vault")


class VaultUpkeep:
    def __init__(self, instance: Instance, ledger: ErasureLedger) -> None:
        self._dsn = instance.dsn
        self._every_s = instance.settings.vault.vault_upkeep_every_s
        self._ledger = ledger
        self._swept_upto = 0  # position: erasures up to here have left no dead row

    def run(self, stopping: Event) -> None:
        while not stopping.wait(self._every_s):
            try:
                self.once()
            except (psycopg.Error, ErasureLedgerError) as error:  # a database away, a disk full: the next time
                _log.warning("the vault was not swept this time", error=str(error))

    def once(self) -> bool:
        """Whether dead rows had to be swept out, and are. Another's old snapshot may keep them for the next time."""
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            self._ledger.keep(connection)
            [last] = connection.execute(_LAST_ERASURE).fetchone() or (0,)
            if last <= self._swept_upto or not _sweep(connection):
                return False
            self._swept_upto = last
        return True


def _sweep(connection: Connection[TupleRow]) -> bool:
    for table in TABLES:
        # Few dead rows would otherwise leave their entries in the indexes.
        connection.execute(f"VACUUM (INDEX_CLEANUP ON) {table}")
    [dead] = connection.execute(_DEAD).fetchone() or (0,)
    return not dead
