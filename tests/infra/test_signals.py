"""However often a worker is told to stop, being told holds it up nowhere."""

import signal
import subprocess
import sys

#: Says when it may be told, and ends when its standard input does.
WORKER = """
import sys
from api.server_sent import ENDING
from infra.processes import Worker

Worker._end_streams_on_signal()
print("ready", flush=True)
while sys.stdin.readline():
    pass
print(ENDING.has_come)
"""


def test_a_signal_that_comes_while_another_is_handled_does_not_wait_for_it():
    """A service manager tells the whole group, and the parent tells its workers again."""
    with subprocess.Popen(
        [sys.executable, "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
        for _ in range(50_000):
            worker.send_signal(signal.SIGTERM)

        try:
            told, _ = worker.communicate(timeout=20)
        finally:
            worker.kill()

    assert (worker.returncode, told) == (0, "True\n")
