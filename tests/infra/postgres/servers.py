"""What the tests of the launcher do and ask, again and again."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from infra.postgres import DatabaseUnavailable, start_embedded

END_S_MAX = 20
USE = """
import signal, sys
from infra.postgres import database
from infra.settings import Settings

signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run in the background has it ignored
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
try:
    with database(Settings.load()) as server:
        print(server.dsn, flush=True)
        sys.stdin.read()
except KeyboardInterrupt:
    sys.exit(130)
"""


class User:
    """A process that uses the embedded database of a folder until it is told to end."""

    def __init__(self, root: Path, data_dir: Path, prefix: tuple[str, ...], script: str) -> None:
        self._process = subprocess.Popen(
            [*prefix, "env", f"MAWID_DATA_DIR={data_dir}", sys.executable, "-c", script],
            cwd=root,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def dsn(self) -> str:
        """Waits until it has the database."""
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        line = self._process.stdout.readline()
        assert line, self._process.stderr.read()
        return line.strip()

    def end(self) -> int:
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self._process.wait(END_S_MAX)

    def send(self, number: signal.Signals) -> None:
        """As the terminal does: to every process of the group."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def end_by(self, number: signal.Signals) -> int:
        self.send(number)
        return self._process.wait(END_S_MAX)

    def close(self) -> None:
        self.end_by(signal.SIGKILL)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()


def answer(dsn: str, query: str = "SELECT current_user") -> Any:
    with psycopg.connect(dsn) as connection:
        (value,) = connection.execute(query.encode()).fetchone() or (None,)
        return value


def password_of(dsn: str) -> str:
    return str(conninfo_to_dict(dsn)["password"])


def sockets_of(dsn: str) -> Path:
    return Path(str(conninfo_to_dict(dsn)["host"]))


def running_in(folder: Path) -> dict[int, str]:
    """Command lines of the processes that work in the folder or name it."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if str(folder) in command or (process / "cwd").readlink().is_relative_to(folder):
                found[int(process.name)] = command
    return found


def files_in(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + END_S_MAX
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def refusal(data_dir: Path, *, pg_bin: Path | None = None) -> str:
    with pytest.raises(DatabaseUnavailable) as refused:
        start_embedded(data_dir, pg_bin=pg_bin)
    sentence = str(refused.value)
    assert "\n" not in sentence
    return sentence
