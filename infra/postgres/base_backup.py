"""A copy of a running database, by pg_basebackup: beside whatever else goes on, and checked before it is believed."""

import re
import secrets
import subprocess
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from infra.postgres.programs import Account, Programs
from infra.postgres.unavailable import DatabaseUnavailable

_SIGNS = {
    "no pg_hba.conf entry": "its pg_hba.conf admits no replication from here: add a line for database `replication`",
    "must be superuser or replication role": "its user may not copy it: ALTER ROLE … REPLICATION",
    "permission denied to start WAL sender": "its user may not copy it: ALTER ROLE … REPLICATION",
    "No space left on device": "the disk is full: free some space, or name a folder elsewhere",
    "incompatible server version": "it is newer than the programs here: name those of its version in MAWID_PG_BIN",
}


@dataclass(frozen=True)
class BaseBackup:
    programs: Programs
    patience_s: float

    def take(self, dsn: str, into: Path, beside: Path) -> None:
        """`into` is made; `beside`: a private folder for the password, which no command line may show."""
        password_file = beside / f"password-{secrets.token_hex(8)}"
        try:
            source = _without_password(dsn, password_file, self.programs.account)
            self._run(
                "pg_basebackup",
                *("-d", source, "--no-password", "-D", str(into), "--checkpoint=fast", "--label=mawid"),
                *("--wal-method=stream", "--manifest-checksums=SHA256"),
            )
        finally:
            password_file.unlink(missing_ok=True)

    def check(self, folder: Path) -> None:
        """Every byte, and that the WAL to make it consistent is there."""
        self._run("pg_verifybackup", "--quiet", str(folder))

    def prune(self, archive: Path, backup: Path) -> None:
        """Of the WAL in the archive only what this backup and later ones need is left."""
        label = (backup / "backup_label").read_text("utf-8")
        needed = re.search(r"\(file ([0-9A-F]{24})\)", label)
        assert needed is not None, label
        self._run("pg_archivecleanup", "--clean-backup-history", str(archive), needed[1])

    def _run(self, program: str, *arguments: str) -> None:
        if not (self.programs.folder / program).is_file():
            raise DatabaseUnavailable(f"{self.programs.folder} holds no {program}: correct MAWID_PG_BIN, or unset it")
        try:
            run = self.programs.run(program, *arguments, timeout_s=self.patience_s)
        except subprocess.TimeoutExpired:
            said = f"{program} has not ended after {self.patience_s:.0f} s"
            raise DatabaseUnavailable(f"{said}: raise MAWID_BACKUP_S_MAX") from None
        if run.returncode == 0:
            return
        for sign, said in _SIGNS.items():
            if sign in run.stdout:
                raise DatabaseUnavailable(f"the database cannot be copied, {said}")
        complaints = re.findall(r"error: +(.+)", run.stdout) or run.stdout.splitlines() or ["no reason is given"]
        if program == "pg_verifybackup":
            raise DatabaseUnavailable(f"the backup was changed or is not whole ({complaints[0]}): take another one")
        raise DatabaseUnavailable(f"the database cannot be copied: {complaints[0]}")


def _without_password(dsn: str, password_file: Path, account: Account) -> str:
    """The address to connect to; its password goes into the file, as libpq reads it."""
    parts = {name: str(value) for name, value in conninfo_to_dict(dsn).items()}
    if password := parts.pop("password", ""):
        password_file.touch(mode=0o600)
        escaped = re.sub(r"([:\\])", r"\\\1", password)
        password_file.write_text(f"*:*:*:*:{escaped}\n", "utf-8")
        account.give(password_file)
        parts["passfile"] = str(password_file)
    return make_conninfo("", **parts)
