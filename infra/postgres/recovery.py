"""A backup and the archive of its WAL become a database again, as it was at the end of the archive or at an instant.

It recovers in a folder beside, and is given its place when it has reached its end: a restore that fails leaves nothing.
Meanwhile it listens on a private socket only, whose folder nobody else can enter, and needs no password there; in the
end it gets a new one, for the old one is no part of a backup.
"""

import re
import secrets
import shlex
import shutil
import signal
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from subprocess import Popen

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from infra.postgres.embedded import ALWAYS, NAME
from infra.postgres.folder import FIRST_SETTINGS, SUPERUSER, UNFINISHED, DataDir, sentence_about, sync_names
from infra.postgres.programs import Programs
from infra.postgres.unavailable import DatabaseUnavailable

_STOP_S_MAX = 600
_LAST_COMMIT = re.compile(r"last completed transaction was at log time (\S+ [0-9:.]+)")
_PASSWORDS = "local all all scram-sha-256\nlocal replication all scram-sha-256\n"
KEYS = "keys"  # may lie in a DATA_DIR already that has no database yet


@dataclass(frozen=True, kw_only=True)
class Source:
    base: Path  # as pg_basebackup made it
    superuser: str
    database: str
    of_embedded: bool
    archive: Path | None = field(default=None)


def refuse_occupied(data_dir: Path) -> None:
    if data_dir.exists() and (not data_dir.is_dir() or any(each.name != KEYS for each in data_dir.iterdir())):
        raise DatabaseUnavailable(f"{data_dir} is not empty, and was left as it is: name a new folder")


@dataclass(frozen=True)
class Recovery:
    source: Source
    programs: Programs
    patience_s: float

    def into(self, data_dir: Path, at: datetime | None) -> datetime | None:
        """When the last transaction that is there was committed, if the WAL tells. `at`: not beyond this instant."""
        refuse_occupied(data_dir)
        was_there = data_dir.exists()
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        place = DataDir(data_dir.resolve())
        place.open_to(self.programs.account)
        draft = DataDir(Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=place.path)))
        try:
            self.programs.account.give(draft.path)
            self._copy(draft.cluster)
            reached = self._recover(draft, at)
            place.write_password(draft.password())
            draft.cluster.rename(place.cluster)
            sync_names(place.path)
        except (OSError, psycopg.Error) as error:
            raise DatabaseUnavailable(sentence_about(str(error), data_dir, "cannot be restored")) from error
        finally:
            shutil.rmtree(draft.path, ignore_errors=True)
            if not was_there:
                with suppress(OSError):  # it has become a database
                    place.path.rmdir()
        return reached

    def _copy(self, cluster: Path) -> None:
        shutil.copytree(self.source.base, cluster, symlinks=True)
        cluster.chmod(0o700)
        if not self.source.of_embedded:  # its files name certificates, libraries and folders of another machine
            conf = "".join(f"{name} = '{value}'\n" for name, value in FIRST_SETTINGS.items())
            (cluster / "postgresql.conf").write_text(conf, "utf-8")
            (cluster / "postgresql.auto.conf").write_text("", "utf-8")
            (cluster / "pg_hba.conf").write_text(_PASSWORDS, "utf-8")
            (cluster / "pg_ident.conf").touch()
        if self.source.archive is not None:
            (cluster / "recovery.signal").touch()
        for each in (cluster, *cluster.rglob("*")):
            self.programs.account.give(each)

    def _recover(self, draft: DataDir, at: datetime | None) -> datetime | None:
        sockets, trusting = draft.socket_folder(self.programs.account), draft.path / "trusting"
        trusting.write_text("local all all trust\n", "utf-8")
        self.programs.account.give(trusting)
        settings = ALWAYS | {
            "archive_mode": "off",
            "unix_socket_directories": str(sockets),
            "hba_file": str(trusting),
            "hot_standby": "off",  # nobody gets in before the end is reached
            **self._target(at),
        }
        log = draft.open_log()
        server = self.programs.start(
            "postgres",
            *("-D", str(draft.cluster)),
            *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
            output=log,
        )
        try:
            self._await(server, draft, sockets)
            self._make_it_ours(sockets, draft)
        finally:
            _stop(server)
            with suppress(OSError):
                sockets.rmdir()
        return _last_commit(_text_of(draft.log))

    def _target(self, at: datetime | None) -> dict[str, str]:
        if self.source.archive is None:
            return {}
        folder = shlex.quote(str(self.source.archive.resolve())).replace("%", "%%")
        target = {"restore_command": f'cp {folder}/%f "%p"', "recovery_target_action": "promote"}
        if at is not None:
            target["recovery_target_time"] = at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f+00")
        return target

    def _await(self, server: "Popen[str]", draft: DataDir, sockets: Path) -> None:
        until = time.monotonic() + self.patience_s
        while time.monotonic() < until:
            if server.poll() is not None:
                raise DatabaseUnavailable(_why(_text_of(draft.log), self.source.base))
            with suppress(psycopg.OperationalError):
                self._connect(sockets).close()
                return
            time.sleep(0.05)
        raise DatabaseUnavailable("the recovery takes too long: raise MAWID_BACKUP_S_MAX, or take a newer backup")

    def _connect(self, sockets: Path, user: str | None = None) -> psycopg.Connection:
        address = make_conninfo("", host=str(sockets), port=5432, user=user or self.source.superuser, dbname="postgres")
        return psycopg.connect(address, autocommit=True, connect_timeout=5)

    def _make_it_ours(self, sockets: Path, draft: DataDir) -> None:
        """User and database as the embedded server names them, and a password of its own."""
        password = secrets.token_urlsafe(24)
        draft.write_password(password)
        with self._connect(sockets) as connection:
            if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [SUPERUSER]).rowcount:
                connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(SUPERUSER)))
            connection.execute(
                sql.SQL("ALTER ROLE {} SUPERUSER LOGIN REPLICATION PASSWORD {}").format(
                    sql.Identifier(SUPERUSER), sql.Literal(password)
                )
            )
            if self.source.database != NAME:
                renamed = sql.SQL("ALTER DATABASE {} RENAME TO {}")
                if connection.execute("SELECT FROM pg_database WHERE datname = %s", [NAME]).rowcount:  # not ours
                    connection.execute(renamed.format(sql.Identifier(NAME), sql.Identifier(f"{NAME}_of_others")))
                connection.execute(renamed.format(sql.Identifier(self.source.database), sql.Identifier(NAME)))


def _stop(server: "Popen[str]") -> None:
    server.send_signal(signal.SIGINT)
    try:
        server.wait(_STOP_S_MAX)
    finally:
        if server.poll() is None:
            server.kill()
            server.wait()


def _text_of(log: Path) -> str:
    return log.read_text("utf-8", errors="replace")


def _last_commit(log: str) -> datetime | None:
    told = _LAST_COMMIT.findall(log)
    return datetime.fromisoformat(told[-1]).replace(tzinfo=UTC) if told else None


def _why(log: str, base: Path) -> str:
    if "recovery ended before configured recovery target was reached" in log:
        last = _last_commit(log)
        reaches = f"its last transaction is of {last.isoformat()}" if last else "it holds no later transaction"
        return f"the archive does not reach that instant, {reaches}: leave --at away to restore all there is"
    if "before consistent recovery point" in log:
        return "the backup was not finished at that instant: name a later one, or take an older backup"
    if "could not locate required checkpoint record" in log or "WAL ends before" in log:
        return f"{base} lacks WAL that it needs, and the archive does not hold it: take another backup"
    complaints = re.findall(r"(?:FATAL|PANIC): +(.+)", log) or log.splitlines()[-1:] or ["no reason is given"]
    return f"the backup in {base} cannot be recovered: {complaints[0]}"
