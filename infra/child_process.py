"""A process beside the API's, as the one that started it sees it: told to stop by a pipe, begun again if it ends."""

import gc
import multiprocessing
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection as Pipe
from multiprocessing.process import BaseProcess

from infra import logs
from infra.bootstrap import GC_THRESHOLDS
from infra.settings import Settings

LOOK_S = 0.25
STOP_WAIT_S = 30.0

GoesOn = Callable[[], bool]  # waits a moment; False: told to stop, or the parent has died
Run = Callable[[Settings, str, Pipe, GoesOn], None]


class ChildProcess:
    def __init__(self, name: str, called: str, run: Run, settings: Settings, dsn: str) -> None:
        """`called`: how a sentence names it, `name` how the system does. `run`: a function of a module."""
        self._name, self._called, self._run = name, called, run
        self._settings, self._dsn = settings, dsn
        self._pipe, self._process = self._started()

    @property
    def pid(self) -> int | None:
        return self._process.pid

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
        told = self._run, self._settings, self._dsn, theirs, os.getpid()
        process = context.Process(target=_begin, args=told, name=self._name, daemon=True)
        process.start()
        theirs.close()
        return ours, process

    def _ended(self) -> str:
        self._process.join(LOOK_S)
        return f"{self._called} has ended (exit code {self._process.exitcode})"


def _begin(run: Run, settings: Settings, dsn: str, pipe: Pipe, parent: int) -> None:
    """The end of the pipe alone would not tell that the parent is gone: the API workers are forked, and hold it too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides when we stop
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    logs.configure(settings.instance.log_format)
    gc.set_threshold(*GC_THRESHOLDS)
    run(settings, dsn, pipe, lambda: not pipe.poll(LOOK_S) and os.getppid() == parent)
