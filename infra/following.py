"""The views kept up by a process of their own: what is played in is decided in this one, on another core."""

import multiprocessing
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection as Pipe
from multiprocessing.process import BaseProcess
from time import monotonic

import psycopg

from infra import logs
from infra.bootstrap import views_for
from infra.settings import Settings
from projections.follow import Follower
from projections.log import head
from projections.projection import wait_for

LOOK_S = 0.25
STOP_WAIT_S = 30.0


class FollowingStopped(Exception):
    """A view stands still, or its process has ended; one sentence."""


class Following:
    def __init__(self, dsn: str, views: list[str], process: BaseProcess, pipe: Pipe) -> None:
        self._dsn = dsn
        self._views = views
        self._process = process
        self._pipe = pipe

    def catch_up(self, timeout_s: float = 600) -> None:
        """Return when every view has folded the head of the log seen now. FollowingStopped, TimeoutError otherwise."""
        until = monotonic() + timeout_s
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            target = head(connection)
            while not wait_for(connection, self._views, target, LOOK_S):
                if self._pipe.poll():
                    raise FollowingStopped(self._said())
                if monotonic() > until:
                    raise TimeoutError(f"the views are not at position {target} after {timeout_s:.0f} s")

    def _said(self) -> str:
        try:
            return str(self._pipe.recv())
        except EOFError:
            return f"the views' process has ended (exit code {self._process.exitcode})"


@contextmanager
def following(settings: Settings, dsn: str) -> Iterator[Following]:
    """If another process follows already, this one's stands by."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_follow, args=(settings, dsn, theirs), name="mawid-follow", daemon=True)
    process.start()
    theirs.close()
    try:
        yield Following(dsn, [view.name for view in views_for(settings, dsn)], process, ours)
    finally:
        ours.close()
        process.join(STOP_WAIT_S)
        if process.is_alive():
            process.kill()
            process.join()


def _follow(settings: Settings, dsn: str, pipe: Pipe) -> None:
    """Until the other end of the pipe is closed, by whoever started this or by their death."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides when we stop
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    logs.configure(settings.instance.log_format)
    with Follower(dsn, views_for(settings, dsn), page_events_max=settings.views.follow_events_max) as follower:
        while not pipe.poll(LOOK_S):
            if follower.failure is not None:
                pipe.send(str(follower.failure))
                return
