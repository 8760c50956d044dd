"""One view being followed: its session, the lock by which one process of several folds it, its position."""

from collections.abc import Collection
from time import monotonic

import structlog
from psycopg import Connection
from psycopg.rows import TupleRow

from projections.log import Page
from projections.projection import Projection
from projections.storage import AWAY, PositionMoved, advance, as_of, begin, connect, ensure, live_schema

_log = structlog.get_logger("follow")

#: How often a process that stands by asks for a view's lock: the other's end is noticed within this time.
STANDBY_S = 0.25


#: Held by the session that folds the view `name`, for as long as it does.
_LOCK = "hashtextextended('mawid follows ' || name, 0)"


def followed(connection: Connection[TupleRow], views: Collection[str]) -> set[str]:
    """Those of the views that a session of some living process folds. On the primary: a replica sees no locks."""
    query = f"""
        SELECT name FROM unnest(%s::text[]) AS name
        WHERE EXISTS (SELECT FROM pg_locks
                      WHERE locktype = 'advisory' AND granted AND objsubid = 1
                        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                        AND (classid::bigint << 32 | objid::bigint) = {_LOCK})
    """
    return {name for (name,) in connection.execute(query, (list(views),))}


class FoldFailed(Exception):
    """The view stands still: every fact before `position` is folded, that one cannot be, and none is skipped."""

    def __init__(self, view: str, position: int, cause: Exception) -> None:
        self.view, self.position, self.cause = view, position, cause
        super().__init__(f"{view} stands still before position {position}: {type(cause).__name__}: {cause}")


class Lane:
    def __init__(self, dsn: str, view: Projection) -> None:
        self.view = view
        self.position = 0  # meaningful while the lock is held
        self.is_held = False
        self.failure: FoldFailed | None = None
        self._asked_at = -STANDBY_S
        self._connection = connect(dsn)
        self._cursor = self._connection.cursor()

    def close(self) -> None:
        """The lock goes with the session."""
        self._connection.close()

    def take(self) -> bool:
        """Whether this process folds the view; asks for the lock if it is time to."""
        if self.is_held or monotonic() - self._asked_at < STANDBY_S:
            return self.is_held
        self._asked_at = monotonic()
        query = f"SELECT pg_try_advisory_lock({_LOCK}) FROM (SELECT %s::text AS name) AS view"
        row = self._cursor.execute(query, (self.view.name,)).fetchone()
        if row is not None and row[0]:
            self._begin()
        return self.is_held

    def fold(self, page: Page) -> None:
        """The facts of the page that the view lacks, and its position, in one transaction. Raises FoldFailed."""
        lacking = page[self.position + 1 - page[0][0] :]
        try:
            self._commit(lacking)
        except FoldFailed as failed:
            if len(lacking) == 1:
                raise
            # Once more, fact by fact: the view comes as far as it can, and the position told is the bad fact's own.
            _log.warning("a page could not be folded whole", view=failed.view, position=failed.position)
            for one in lacking:
                self._commit([one])

    def doubt(self) -> None:
        """Somebody else has moved the position: `take` reads it anew."""
        self.is_held, self._asked_at = False, -STANDBY_S

    def _begin(self) -> None:
        try:
            self.position = ensure(self._connection, self.view)
        except AWAY:
            raise
        except Exception as error:
            raise FoldFailed(self.view.name, 0, error) from error
        self.is_held = True
        _log.info("following", view=self.view.name, position=self.position)

    def _commit(self, page: Page) -> None:
        last = as_of(page)
        try:
            begin(self._connection, live_schema(self.view))
            advance(self._cursor, self.view, self.position, last)
            self.view.fold(page, self._cursor)
            self._connection.execute("COMMIT")
        except (*AWAY, PositionMoved):
            self._roll_back()
            raise
        except Exception as error:
            self._roll_back()
            raise FoldFailed(self.view.name, page[0][0], error) from error
        self.position = last.position

    def _roll_back(self) -> None:
        if not self._connection.closed:
            self._connection.execute("ROLLBACK")
