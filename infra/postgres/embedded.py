"""PostgreSQL from the wheel's programs, in DATA_DIR, shared by the mawid processes of this machine.

Who uses it holds a shared lock on one file: the first starts it, the last stops it, and a killed one lets go by itself.
The server's processes hold another, by a descriptor they inherit: so even those that outlive a killed postmaster are
known, and a pid in a file, which may be dead or somebody else's by now, is never taken as proof of anything.
"""

import contextlib
import fcntl
import os
import signal
import threading
import time
from pathlib import Path
from subprocess import Popen
from typing import NamedTuple

import psycopg
from psycopg.conninfo import make_conninfo

from infra.postgres.archive import WalArchive
from infra.postgres.folder import SUPERUSER, DataDir, sentence_about, take
from infra.postgres.programs import Programs
from infra.postgres.unavailable import DatabaseUnavailable

NAME = "mawid"  # of the database
SOCKETS_LINE, STATUS_LINE = 4, 7  # in postmaster.pid, counted from 0
START_S_MAX = 120  # most of it for the recovery after a crash
ALWAYS = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    # Personal data must not reach the log: no statements, no parameters, and of errors, whose text may quote a value
    # and whose detail a row, only those that end a session or the server. The caller is told of every error anyway.
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}


class _Postmaster(NamedTuple):
    """What the server's own pid file says."""

    pid: int
    sockets: str
    ready: bool


class EmbeddedDatabase:
    """Joined when made, left by `leave`."""

    embedded = True

    def __init__(
        self, data_dir: DataDir, programs: Programs, *, durable: bool, archive: WalArchive | None = None
    ) -> None:
        self._data_dir, self._programs, self._durable, self._archive = data_dir, programs, durable, archive
        self._process: Popen[str] | None = None  # the postmaster, if this process has started it
        self._sockets = ""
        self._log_begins_at = 0
        with data_dir.alone():
            self._users: int | None = data_dir.lock_file("users")
            with contextlib.ExitStack() as undo:
                undo.callback(self._let_go)
                take(self._users, fcntl.LOCK_SH)
                data_dir.refuse_foreign(programs)
                data_dir.initialise(programs, durable=durable)
                self._start()
                undo.pop_all()

    @property
    def postmaster_pid(self) -> int | None:
        postmaster = self._postmaster()
        return postmaster.pid if postmaster and not self._gone() else None

    def ensure_running(self) -> bool:
        """True if the server had ended without being told to, and was started again."""
        if not self._gone():
            return False
        with self._data_dir.alone():
            return self._start()

    def stop_immediately(self) -> None:
        """Without a checkpoint, for tests of recovery: its users keep their claim on it."""
        self._end(signal.SIGQUIT)

    def kill(self) -> None:
        """The postmaster alone, for tests of recovery; returns when its orphans have ended too."""
        self._end(signal.SIGKILL)

    def leave(self) -> None:
        with contextlib.suppress(FileNotFoundError), self._data_dir.alone():  # removed: the server ends by itself
            self._let_go()

    def _end(self, number: signal.Signals) -> None:
        with self._data_dir.alone():
            self._stop(number)

    def _let_go(self) -> None:
        if self._users is None:
            return
        if take(self._users, fcntl.LOCK_EX):  # nobody else holds it
            self._stop(signal.SIGINT)
        os.close(self._users)
        self._users = None

    def _start(self) -> bool:
        """Adopts a server that runs, or starts one: True."""
        started = False
        until = time.monotonic() + START_S_MAX
        while not self._answers():
            if not started:
                started = self._launch_unless_running()
            elif self._process is None or self._process.poll() is not None:
                said = sentence_about(self._log(), self._data_dir.path, "does not start")
                raise DatabaseUnavailable(f"{said} ({self._data_dir.log} says more)")
            if time.monotonic() > until:
                raise DatabaseUnavailable(
                    f"the database in {self._data_dir.path} neither answers nor ends: see {self._data_dir.log}"
                )
            time.sleep(0.02)
        self._create_database()
        self.dsn = self._dsn(NAME, self._sockets)
        return started

    def _answers(self) -> bool:
        postmaster = self._postmaster()
        if self._gone() or postmaster is None or not postmaster.ready:
            return False
        try:
            psycopg.connect(self._dsn("postgres", postmaster.sockets), connect_timeout=5).close()
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise DatabaseUnavailable(
                    f"the database in {self._data_dir.path} refuses the password kept beside it: put the right one back"
                ) from None
            return False
        self._sockets = postmaster.sockets  # of another folder, if another process with another TMPDIR has started it
        return True

    def _create_database(self) -> None:
        try:
            with psycopg.connect(self._dsn("postgres", self._sockets), autocommit=True) as connection:
                if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [NAME]).rowcount:
                    connection.execute(f"CREATE DATABASE {NAME} STRATEGY file_copy")
        except psycopg.OperationalError as error:
            raise DatabaseUnavailable(sentence_about(str(error), self._data_dir.path, "cannot be made")) from None

    def _launch_unless_running(self) -> bool:
        running, log = self._data_dir.lock_file("running"), self._data_dir.open_log()
        try:
            if not take(running, fcntl.LOCK_EX):
                return False
            self._sockets = str(self._data_dir.socket_folder(self._programs.account))
            self._clear_what_a_crash_left()
            self._log_begins_at = os.fstat(log).st_size
            durable = "on" if self._durable else "off"
            archiving = self._archive.settings(self._data_dir, self._programs.account) if self._archive else {}
            settings = (
                ALWAYS
                | archiving
                | {
                    "unix_socket_directories": self._sockets,
                    "fsync": durable,
                    "synchronous_commit": durable,
                    "full_page_writes": durable,
                }
            )
            self._process = self._programs.start(
                "postgres",
                *("-D", str(self._data_dir.cluster)),
                *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
                output=log,
                pass_fds=(running,),
            )
        finally:
            os.close(running)
            os.close(log)
        threading.Thread(target=self._process.wait, daemon=True).start()  # whenever it ends, no zombie remains
        return True

    def _clear_what_a_crash_left(self) -> None:
        """PostgreSQL would take a reused pid, or a zombie's, for a server that runs."""
        if postmaster := self._postmaster():
            raise DatabaseUnavailable(
                f"{self._data_dir.cluster} is in use by process {postmaster.pid}, which mawid did not start: stop it"
            )
        self._pid_file.unlink(missing_ok=True)
        for left in Path(self._sockets).glob(".s.PGSQL.*"):
            left.unlink()

    def _stop(self, first: signal.Signals) -> None:
        for number, patience_s in ((first, 60), (signal.SIGQUIT, 10), (signal.SIGKILL, 10)):
            until, signalled = time.monotonic() + patience_s, False
            while not self._gone() and time.monotonic() < until:
                signalled = signalled or self._signal(number)
                time.sleep(0.01)
        if self._sockets:
            with contextlib.suppress(OSError):
                Path(self._sockets).rmdir()

    def _signal(self, number: signal.Signals) -> bool:
        """False if the postmaster is dead, or so young that it has no pid file yet."""
        if postmaster := self._postmaster():
            with contextlib.suppress(ProcessLookupError):
                os.kill(postmaster.pid, number)
        return postmaster is not None

    def _gone(self) -> bool:
        running = self._data_dir.lock_file("running")
        try:
            return take(running, fcntl.LOCK_SH)
        finally:
            os.close(running)

    @property
    def _pid_file(self) -> Path:
        return self._data_dir.cluster / "postmaster.pid"

    def _postmaster(self) -> _Postmaster | None:
        """None too if the process of the pid file is dead, a zombie, or somebody else's by now."""
        try:
            lines = self._pid_file.read_text("utf-8").splitlines()
            pid = int(lines[0])
            if not Path("/proc/self").exists():  # not Linux: whether it lives is all there is to know
                os.kill(pid, 0)
            elif not Path(f"/proc/{pid}/cwd").samefile(self._data_dir.cluster):
                return None
        except (OSError, ValueError, IndexError):
            return None
        ready = len(lines) > STATUS_LINE and lines[STATUS_LINE].strip() == "ready"
        return _Postmaster(pid, lines[SOCKETS_LINE] if ready else "", ready)

    def _dsn(self, name: str, sockets: str) -> str:
        return make_conninfo(
            "", host=sockets, port=5432, user=SUPERUSER, password=self._data_dir.password(), dbname=name
        )

    def _log(self) -> str:
        with self._data_dir.log.open(encoding="utf-8", errors="replace") as log:
            log.seek(self._log_begins_at)
            return log.read()
