"""The desk's connection to the database, and what happens when it is lost."""

import time
from threading import Event, Thread
from typing import Final

import psycopg
import structlog
from psycopg import Connection
from psycopg.rows import TupleRow

from infra.pipeline import roll_back
from infra.turn import prepare_for_turns

_log = structlog.get_logger("desk")

_SETTINGS: Final = (
    # A writer that stalls while it holds the lock loses its session, not everybody else's time.
    "SET idle_in_transaction_session_timeout = 2000",
    # Every read here is by key. Plans made while a table was still small would go on scanning it whole.
    "SET enable_seqscan = off",
    # And no array is worth a plan of its own: planning anew took a tenth of what a batch costs PostgreSQL.
    "SET plan_cache_mode = force_generic_plan",
)


class WriterSession:
    def __init__(self, dsn: str, lock_wait_ms_max: int, is_closing: Event) -> None:
        self._dsn = dsn
        self._lock_wait_ms_max = lock_wait_ms_max
        self._connection: Connection[TupleRow] | None = None
        self._is_away = Event()  # set while the database does not answer
        self._is_closing = is_closing

    @property
    def is_away(self) -> bool:
        return self._is_away.is_set()

    @property
    def is_broken(self) -> bool:
        """The connection is gone; otherwise the database has answered, if only with an error."""
        return self._connection is None or self._connection.closed

    def connected(self) -> Connection[TupleRow]:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self._dsn, autocommit=True, connect_timeout=2)
            self._connection.execute(f"SET lock_timeout = {self._lock_wait_ms_max}")
            for setting in _SETTINGS:
                self._connection.execute(setting)
            prepare_for_turns(self._connection)
        return self._connection

    def rolled_back(self) -> bool:
        """Where the server answers, the transaction is gone; where it does not, so is the connection."""
        connection = self._connection
        if connection is None:
            return False
        try:
            roll_back(connection)
        except psycopg.Error:
            connection.close()
            return False
        return True

    def committed(self) -> None:
        """The database answers."""
        self._is_away.clear()

    def lost(self, error: Exception) -> None:
        self.close()
        if not self._is_away.is_set():
            _log.warning("the database is away", error=type(error).__name__)
            self._is_away.set()
            Thread(target=self._watch, name="desk-watch", daemon=True).start()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _watch(self) -> None:
        """Ask until the database answers again: callers are refused at once meanwhile."""
        while self._is_away.is_set() and not self._is_closing.is_set():
            try:
                psycopg.connect(self._dsn, connect_timeout=2).close()
            except psycopg.OperationalError:
                time.sleep(0.1)
            else:
                self._is_away.clear()
