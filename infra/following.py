"""The views kept up by a process of their own, on another core: desk and event loop never wait for a fold.

How far the views are, and whether anybody folds them, is told through the database, to whichever process asks.
"""

import gc
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection as Pipe
from multiprocessing.process import BaseProcess
from time import monotonic

import psycopg

from infra import logs
from infra.bootstrap import GC_THRESHOLDS, views_for
from infra.settings import Settings
from projections.follow import Follower
from projections.log import head
from projections.projection import wait_for

LOOK_S = 0.25
START_WAIT_S = 60.0
STOP_WAIT_S = 30.0


class FollowingStopped(Exception):
    """A view stands still, or its process has ended; one sentence."""


class Following:
    """The process, as the one that started it sees it."""

    def __init__(self, settings: Settings, dsn: str) -> None:
        self._settings = settings
        self._dsn = dsn
        self._views = [view.name for view in views_for(settings, dsn)]
        self._pipe, self._process = self._started()

    @property
    def pid(self) -> int | None:
        return self._process.pid

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

    def ensure_running(self) -> str | None:
        """Why it had ended, in which case it was started again. None: it has not."""
        if self._process.is_alive():
            return None
        ended = self._ended()
        self._pipe.close()
        self._pipe, self._process = self._started()
        return ended

    def close(self) -> None:
        with suppress(OSError):
            self._pipe.send("stop")
        self._process.join(STOP_WAIT_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._pipe.close()

    def _started(self) -> tuple[Pipe, BaseProcess]:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_follow, args=(self._settings, self._dsn, theirs, os.getpid()), name="mawid-follow", daemon=True
        )
        process.start()
        theirs.close()
        return ours, process

    def _said(self) -> str | None:
        """Why a view stands still. None: nothing is wrong, the tables are there."""
        try:
            said: str | None = self._pipe.recv()
        except EOFError:
            return self._ended()
        return said

    def _ended(self) -> str:
        self._process.join(LOOK_S)
        return f"the views' process has ended (exit code {self._process.exitcode})"


@contextmanager
def following(settings: Settings, dsn: str) -> Iterator[Following]:
    """The views' tables exist within. If another process follows already, this one's stands by."""
    views = Following(settings, dsn)
    try:
        views.await_tables()
        yield views
    finally:
        views.close()


def _follow(settings: Settings, dsn: str, pipe: Pipe, parent: int) -> None:
    """Until it is told to stop or the parent dies.

    The end of the pipe alone would not tell: the API workers are forked, and hold the parent's end of it too.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides when we stop
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    logs.configure(settings.instance.log_format)
    gc.set_threshold(*GC_THRESHOLDS)
    with Follower(dsn, views_for(settings, dsn), page_events_max=settings.views.follow_events_max) as follower:
        pipe.send(None)
        has_told = False
        while not pipe.poll(LOOK_S) and os.getppid() == parent:
            if follower.failure is not None and not has_told:
                pipe.send(str(follower.failure))
                has_told = True
            if follower.has_ended:
                sys.exit(1)
