"""The views kept up by a process of their own, on another core: desk and event loop never wait for a fold.

How far the views are, and whether anybody folds them, is told through the database, to whichever process asks.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection as Pipe
from time import monotonic

import psycopg

from infra.bootstrap import views_for
from infra.child_process import LOOK_S, ChildProcess, GoesOn
from infra.settings import Settings
from projections.follow import Follower
from projections.log import head
from projections.projection import wait_for

START_WAIT_S = 60.0


class FollowingStopped(Exception):
    """A view stands still, or its process has ended; one sentence."""


class Following(ChildProcess):
    def __init__(self, settings: Settings, dsn: str) -> None:
        super().__init__("mawid-follow", "the views' process", _follow, settings, dsn)
        self._views = [view.name for view in views_for(settings, dsn)]

    def await_tables(self) -> None:
        """Return when every view can be read, however far it is. Raises FollowingStopped."""
        until = monotonic() + START_WAIT_S
        while not self._pipe.poll(LOOK_S):
            if not self._process.is_alive():
                raise FollowingStopped(self._ended())
            if monotonic() > until:
                raise FollowingStopped(f"the views' process has not begun after {START_WAIT_S:.0f} s")
        if (failure := self._said()) is not None:
            raise FollowingStopped(failure)

    def catch_up(self, timeout_s: float = 600) -> None:
        """Return when every view has folded the head of the log seen now. FollowingStopped, TimeoutError otherwise."""
        until = monotonic() + timeout_s
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            target = head(connection)
            while not wait_for(connection, self._views, target, LOOK_S):
                if self._pipe.poll() and (failure := self._said()) is not None:
                    raise FollowingStopped(failure)
                if not self._process.is_alive():
                    raise FollowingStopped(self._ended())
                if monotonic() > until:
                    raise TimeoutError(f"the views are not at position {target} after {timeout_s:.0f} s")

    def _said(self) -> str | None:
        """Why a view stands still. None: nothing is wrong, the tables are there."""
        try:
            said: str | None = self._pipe.recv()
        except EOFError:
            return self._ended()
        return said


@contextmanager
def following(settings: Settings, dsn: str) -> Iterator[Following]:
    """The views' tables exist within. If another process follows already, this one's stands by."""
    views = Following(settings, dsn)
    try:
        views.await_tables()
        yield views
    finally:
        views.close()


def _follow(settings: Settings, dsn: str, pipe: Pipe, goes_on: GoesOn) -> None:
    with Follower(dsn, views_for(settings, dsn), page_events_max=settings.views.follow_events_max) as follower:
        pipe.send(None)
        has_told = False
        while goes_on():
            if follower.failure is not None and not has_told:
                pipe.send(str(follower.failure))
                has_told = True
            if follower.has_ended:
                sys.exit(1)
