"""What lies in DATA_DIR: the database's folder, and beside it its password, log and locks."""

import fcntl
import hashlib
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.postgres.programs import Account, Programs
from infra.postgres.unavailable import DatabaseUnavailable

LOG_BYTES_MAX = 10_000_000
INITDB_S_MAX = 120
ALONE_S_MAX = 300  # another process may be making the database, or waiting for its recovery
SOCKET_PATH_BYTES_MAX = 100  # the kernel's limit is 103 (macOS) or 107
DISK_FULL = ("No space left on device", "wrote only", "Disk quota exceeded")
UNFINISHED = "postgres.new-"
OF_OTHERS = stat.S_IRWXG | stat.S_IRWXO
SUPERUSER = "mawid"
# Written into postgresql.conf, where an operator may change them: a demo or a small office on a small machine.
FIRST_SETTINGS = {
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "wal_compression": "on",
    "max_connections": "100",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@dataclass(frozen=True)
class DataDir:
    path: Path  # absolute, links resolved: two ways of writing it are one server

    @property
    def cluster(self) -> Path:
        return self.path / "postgres"

    @property
    def log(self) -> Path:
        return self.path / "postgres.log"

    @property
    def archive_name(self) -> Path:
        """Holds the name of this database's own folder in the archive of its WAL."""
        return self.path / "postgres.archive"

    @property
    def _password_file(self) -> Path:
        return self.path / "postgres.password"

    def lock_file(self, name: str) -> int:
        return os.open(self.path / f"postgres.{name}", os.O_RDWR | os.O_CREAT, 0o600)

    def open_to(self, account: Account) -> None:
        """Another user must get through to the database's folder; what else lies here stays closed."""
        if account.uid is not None and self.path.stat().st_uid != account.uid:
            self.path.chmod(self.path.stat().st_mode | stat.S_IXGRP | stat.S_IXOTH)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keeps other processes from starting or stopping the server meanwhile."""
        descriptor = self.lock_file("lock")
        try:
            until = time.monotonic() + ALONE_S_MAX
            while not take(descriptor, fcntl.LOCK_EX):
                if time.monotonic() > until:
                    raise DatabaseUnavailable(
                        f"another mawid has been busy with the database in {self.path} for minutes"
                    )
                time.sleep(0.02)
            yield
        finally:
            os.close(descriptor)

    def password(self) -> str:
        try:
            return self._password_file.read_text("ascii").strip()
        except FileNotFoundError:
            raise DatabaseUnavailable(
                f"{self._password_file} is missing, and without it the database in {self.cluster} is closed: "
                "put it back, or move that folder away to begin with an empty database"
            ) from None

    def refuse_foreign(self, programs: Programs) -> None:
        version = self.cluster / "PG_VERSION"
        if not self.cluster.exists() or (self.cluster.is_dir() and not any(self.cluster.iterdir())):
            return
        if not version.is_file():
            raise DatabaseUnavailable(
                f"{self.cluster} is not a database, and was left as it is: "
                "move it away, or set MAWID_DATA_DIR to another folder"
            )
        if (major := version.read_text("ascii").strip()) != str(programs.major):
            raise DatabaseUnavailable(
                f"{self.cluster} was made by PostgreSQL {major}, this is {programs.major}, and it was left as it is: "
                "name the programs of that version in MAWID_PG_BIN, or move its data with pg_dump or pg_upgrade"
            )

    def initialise(self, programs: Programs, *, durable: bool) -> None:
        """In a folder beside, renamed when whole: a kill in the middle leaves nothing that looks like a database.

        Its name is new each time: the initdb of a killed process may still be at work in the last one.
        """
        for left in self.path.glob(f"{UNFINISHED}*"):
            shutil.rmtree(left, ignore_errors=True)
        if (self.cluster / "PG_VERSION").exists():
            return
        unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=self.path))
        try:
            self._initdb(unfinished, programs, durable=durable).rename(self.cluster)
            sync_names(self.path)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def _initdb(self, unfinished: Path, programs: Programs, *, durable: bool) -> Path:
        password, copy = secrets.token_urlsafe(24), unfinished / "password"  # for the account, which may read no other
        self.write_password(password)
        copy.write_text(password, "ascii")
        programs.account.give(copy)
        programs.account.give(unfinished)
        initdb = programs.run(
            "initdb",
            *("-D", str(unfinished / "cluster"), "-U", SUPERUSER, "-A", "scram-sha-256", f"--pwfile={copy}"),
            *("-E", "UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
            *(f"--set={name}={value}" for name, value in FIRST_SETTINGS.items()),
            *("--no-instructions", *(() if durable else ("--no-sync",))),
            timeout_s=INITDB_S_MAX,
        )
        if initdb.returncode != 0:
            raise DatabaseUnavailable(sentence_about(initdb.stdout, self.path, "cannot be made"))
        return unfinished / "cluster"

    def write_password(self, password: str) -> None:
        descriptor = os.open(self._password_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(password + "\n")
            file.flush()
            os.fsync(descriptor)

    def socket_folder(self, account: Account) -> Path:
        """Short and private. Named by the inode too: a database made anew does not meet the sockets of the old one."""
        name = hashlib.sha256(f"{self.cluster}:{self.cluster.stat().st_ino}".encode()).hexdigest()[:12]
        folder = Path(tempfile.gettempdir(), f"mawid-{account.owner}-{name}")
        if len(os.fsencode(folder / ".s.PGSQL.5432")) > SOCKET_PATH_BYTES_MAX:
            raise DatabaseUnavailable(
                f"the path of {folder.parent} is too long for a socket: set TMPDIR to a shorter one"
            )
        if not os.path.lexists(folder):
            folder.mkdir(mode=0o700)
            account.give(folder)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != account.owner or found.st_mode & OF_OTHERS:
            raise DatabaseUnavailable(f"{folder} belongs to somebody else: remove it, or set TMPDIR to another folder")
        return folder

    def open_log(self) -> int:
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES_MAX:
            self.log.replace(self.log.with_suffix(".log.1"))
        return os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def sync_names(folder: Path) -> None:
    """A power cut must not take back the names in it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def take(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def sentence_about(output: str, data_dir: Path, what: str) -> str:
    if any(sign in output for sign in DISK_FULL):
        return f"the database in {data_dir} {what}, the disk is full: free some space, or set MAWID_DATA_DIR elsewhere"
    if "Permission denied" in output:
        return (
            f"the database in {data_dir} {what}, that folder or one above it is closed to the user that runs it: "
            "open it, or set MAWID_DATA_DIR to another folder"
        )
    complaints = re.findall(r"(?:FATAL|PANIC|error): +(.+)", output) or output.splitlines() or ["no reason is given"]
    return f"the database in {data_dir} {what}: {complaints[-1]}"
