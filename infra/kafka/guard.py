"""Runs a program and does not let it outlive whoever asked for it, even if that one is killed with -9.

Started as a program of its own, by path: `guard.py PARENT PROGRAM [ARGUMENT…]`. Says the program's pid on standard
output, hands SIGTERM on, and ends with the program's own exit code.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time

LOOK_S = 0.1
PATIENCE_S = 20
PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> int:
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=2, preexec_fn=_die_with_the_guard)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    sys.stdout.write(f"{process.pid}\n")
    sys.stdout.close()
    while process.poll() is None and os.getppid() == parent:
        time.sleep(LOOK_S)
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def _die_with_the_guard() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
