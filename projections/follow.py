"""Views kept up with the log: a page is read once and folded into every view that lacks it, each in its transaction.

NOTIFY wakes the follower; it looks anyway every quarter of a second. Of several processes one folds each view, the
others stand by.
"""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from threading import Event, Thread
from types import TracebackType
from typing import Self

import psycopg
import structlog

from projections.lane import STANDBY_S, FoldFailed, Lane
from projections.log import Pages, UnreadableLog, head
from projections.projection import Projection, wait_for
from projections.storage import AWAY, PositionMoved

_log = structlog.get_logger("follow")

_AWAY_S_MIN, _AWAY_S_MAX = 0.05, 1.0
_LOOK_S = 0.25
#: Under a steady load a few facts would be folded at a time, at five transactions each: let some more come together.
_PACE_S = 0.01
_SMALL_PAGE_EVENTS = 500


class Follower:
    """Follows in a thread of its own. Once it is made the views' tables exist, unless the database is away."""

    def __init__(self, dsn: str, views: Sequence[Projection], *, page_events_max: int = 5_000) -> None:
        self._dsn = dsn
        self._views = list(views)
        self._page_events_max = page_events_max
        self._failures: dict[str, FoldFailed] = {}
        self._closing = Event()
        self._failed = Event()
        self._begun = Event()
        self._thread = Thread(target=self._run, name="follower", daemon=True)
        self._thread.start()
        self._begun.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def failure(self) -> FoldFailed | None:
        """The first view that stands still, if one does: the others go on, but this process is not ready any more."""
        return next(iter(self._failures.values()), None)

    @property
    def has_ended(self) -> bool:
        """Closed, or by a fault of ours: nothing is folded here any more."""
        return not self._thread.is_alive()

    def wait(self, timeout_s: float) -> bool:
        """Until a view stands still or the follower is closed."""
        return self._failed.wait(timeout_s)

    def catch_up(self, timeout_s: float = 600) -> None:
        """Return when every view has folded the head of the log seen now, here or in another process.

        Raises FoldFailed, TimeoutError, or what psycopg says when the database is away.
        """
        names = [view.name for view in self._views]
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            target = head(connection)
            for _ in range(max(1, round(timeout_s / _LOOK_S))):
                if wait_for(connection, names, target, _LOOK_S):
                    return
                if self.failure is not None:
                    raise self.failure
        raise TimeoutError(f"the views are not at position {target} after {timeout_s:.0f} s")

    def close(self) -> None:
        """Finish the page under way, and let others take over."""
        self._closing.set()
        self._thread.join()

    # -- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._follow()
        except Exception as error:
            self._failures["every view"] = FoldFailed("every view", 0, error)  # a fault of ours, not of one fact
            raise
        finally:
            self._begun.set()
            self._failed.set()

    def _follow(self) -> None:
        pause_s = _AWAY_S_MIN
        while not self._closing.is_set():
            try:
                with ExitStack() as session:
                    following = _Session(self._dsn, self._views, self._page_events_max, self._failures, session)
                    while not self._closing.is_set():
                        was_folding = following.folded > 0
                        has_folded = following.step()
                        if was_folding and 0 < following.folded < _SMALL_PAGE_EVENTS:
                            self._closing.wait(_PACE_S)
                        pause_s = _AWAY_S_MIN
                        self._begun.set()
                        if self._failures:
                            self._failed.set()
                        if not has_folded:
                            following.rest(self._closing)
            except AWAY as error:
                _log.warning("the database is away", error=type(error).__name__)
                self._begun.set()
                self._closing.wait(pause_s)
                pause_s = min(2 * pause_s, _AWAY_S_MAX)


class _Session:
    """The connections of one run, until one of them breaks."""

    def __init__(
        self,
        dsn: str,
        views: Sequence[Projection],
        page_events_max: int,
        failures: dict[str, FoldFailed],
        session: ExitStack,
    ) -> None:
        self._failures = failures
        self._reader = session.enter_context(psycopg.connect(dsn, autocommit=True, connect_timeout=5))
        self._reader.execute("LISTEN mawid_log")
        self._pages = Pages(self._reader, page_events_max)
        self._lanes = [Lane(dsn, view) for view in views if view.name not in failures]
        for lane in self._lanes:
            session.callback(lane.close)
        self._folding = session.enter_context(ThreadPoolExecutor(max(1, len(self._lanes)), "fold"))
        self.folded = 0  # facts of the last step

    def step(self) -> bool:
        """Fold one page into the views that lack it. False: there is none."""
        self.folded = 0
        held = [lane for lane in self._lanes if self._take(lane)]
        if not held:
            return False
        behind = min(lane.position for lane in held)
        try:
            page = self._pages.after(behind)
        except UnreadableLog as error:
            for lane in held:
                if lane.position == behind:
                    self._stand_still(lane, FoldFailed(lane.view.name, error.position, error))
            return True
        if not page:
            return False
        self.folded = len(page)
        folds = [(lane, self._folding.submit(lane.fold, page)) for lane in held if lane.position < page[-1][0]]
        try:
            self._pages.read_ahead(page)
        finally:
            self._settle(folds)
        return True

    def rest(self, closing: Event) -> None:
        if any(lane.is_held for lane in self._lanes):
            for _ in self._reader.notifies(timeout=_LOOK_S, stop_after=1):
                pass
        else:
            closing.wait(STANDBY_S)

    def _take(self, lane: Lane) -> bool:
        if lane.failure is not None:
            return False
        try:
            return lane.take()
        except FoldFailed as failure:
            self._stand_still(lane, failure)
            return False

    def _settle(self, folds: Sequence[tuple[Lane, "Future[None]"]]) -> None:
        for lane, fold in folds:
            try:
                fold.result()
            except PositionMoved:
                lane.doubt()
            except FoldFailed as failure:
                self._stand_still(lane, failure)

    def _stand_still(self, lane: Lane, failure: FoldFailed) -> None:
        """Its lock goes too: another process, perhaps of a newer version, may get further."""
        lane.failure = self._failures[lane.view.name] = failure
        lane.close()
        _log.error("a view stands still", view=failure.view, position=failure.position, exc_info=failure)
