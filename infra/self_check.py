"""The log against its own leaves, and every view against the log: by command, and once a night by `serve` itself.

What is found is kept in the table `self_check`, from where /metrics tells it; a problem is an error in the log lines.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time
from threading import Event
from typing import Any, Final, NamedTuple

import psycopg
import structlog
from psycopg import Connection

from domain.calendar import RIYADH
from infra.bootstrap import views_for
from infra.settings import Settings
from infra.wholeness import check_log
from projections.comparison import Difference
from projections.log import UnreadableLog
from projections.rebuild import self_check

LOG: Final = "log"
_LOOK_S: Final = 60
_KEPT_DAYS: Final = 400
_log = structlog.get_logger("self-check")


class Checked(NamedTuple):
    part: str  # LOG, or a view
    position: int
    problem: str | None  # None: nothing was found


def check_all(settings: Settings, dsn: str, told: Callable[[int], None] = lambda _events: None) -> Sequence[Checked]:
    """Every part, the log first. Bookings and views go on meanwhile; a view without a live one is left out."""
    whole = check_log(dsn, told)
    checked = [Checked(LOG, whole.position, str(whole.breach) if whole.breach is not None else None)]
    if whole.breach is None:  # what is folded from a broken log proves nothing
        views = self_check(dsn, views_for(settings, dsn))
        checked += [
            Checked(view.view, view.events, _sentence(view.difference)) for view in views if view.equal is not None
        ]
    _keep(dsn, checked)
    for each in checked:
        if each.problem is not None:
            _log.error("the self-check has found a problem", part=each.part, problem=each.problem)
    return checked


def _sentence(found: Difference | None) -> str | None:
    """The rows themselves are for `mawid rebuild --compare`, not for a table that is read by metrics."""
    if found is None:
        return None
    if found.live is None:
        return f"a row of {found.table} is missing"
    if found.rebuilt is None:
        return f"a row of {found.table} should not be there"
    return f"a row of {found.table} is not what the log says"


def _keep(dsn: str, checked: Sequence[Checked]) -> None:
    with psycopg.connect(dsn) as connection:
        connection.cursor().executemany(
            "INSERT INTO self_check (part, position, problem) VALUES (%s, %s, %s)", [tuple(each) for each in checked]
        )
        connection.execute("DELETE FROM self_check WHERE checked_at < now() - make_interval(days => %s)", (_KEPT_DAYS,))


class NightlyCheck:
    """Once a day from the time that is set, office time, by one of all processes that serve this database."""

    def __init__(self, settings: Settings, dsn: str) -> None:
        self._settings = settings
        self._dsn = dsn

    def run(self, stopping: Event) -> None:
        while not stopping.wait(_LOOK_S):
            try:
                self.once(datetime.now(UTC))
            except (psycopg.Error, UnreadableLog) as error:
                if stopping.is_set():
                    return
                _log.error("the self-check could not be made", exc_info=error)

    def once(self, now: datetime) -> Sequence[Checked] | None:
        """None: it is not time, or another process is at it."""
        today = now.astimezone(RIYADH)
        since = datetime.combine(today, time.fromisoformat(self._settings.views.self_check_at), RIYADH)
        if today < since:
            return None
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            if not _may_check(connection, since):
                return None
            return check_all(self._settings, self._dsn)  # the lock goes with the session


def _may_check(connection: Connection[Any], since: datetime) -> bool:
    row = connection.execute(
        """SELECT pg_try_advisory_lock(hashtextextended('mawid checks itself', 0))
              AND NOT EXISTS (SELECT FROM self_check WHERE part = %s AND checked_at >= %s)""",
        (LOG, since),
    ).fetchone()
    assert row is not None
    may_check: bool = row[0]
    return may_check
