"""However an instance is told to stop, and how often, it stops."""

import os
import signal
from contextlib import suppress

import psutil


def test_signals_that_come_while_one_is_handled_hold_nothing_up(serve):
    """A service manager tells the whole group, and the parent tells its workers again: one holds several at once."""
    served = serve()
    workers = [each for each in psutil.Process(served.process.pid).children() if each not in served.following()]

    served.process.terminate()
    for worker in workers * 300:
        with suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGTERM)

    assert served.process.wait(15) == 0
    assert "refused to gracefully stop" not in served.output()
