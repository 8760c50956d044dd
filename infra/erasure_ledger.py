"""The erasure ledger: who was erased, by id, in a file outside the database. A backup of the database is older than the
last erasures; whoever restores it has them repeated from here before anything is served.

One erasure a line, as JSON, only ever appended, and on the disk before the erasure is told to be done. What a crash
left of a line is cut off: the log, where it comes from, has it still.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Any, Final

import msgspec
from psycopg import Connection

from domain import wire
from domain.events import PersonErased

_ERASED: Final = """
    SELECT position, person, at, state FROM log WHERE type = 'PersonErased.v1' AND position > %s ORDER BY position
"""
_TO_REPEAT: Final = """
    SELECT person FROM unnest(%s::text[]) AS person
    WHERE EXISTS (SELECT FROM vault.person AS kept WHERE kept.person = person.person)
       OR EXISTS (SELECT FROM vault.note WHERE note.person = person.person)
       OR (EXISTS (SELECT FROM log WHERE log.person = person.person)
           AND NOT EXISTS (SELECT FROM log WHERE log.person = person.person AND type = 'PersonErased.v1'))
"""


class ErasureLedgerError(Exception):
    """The ledger cannot be used; one sentence with the path and the way out."""


class Erasure(msgspec.Struct, frozen=True):
    person: str
    request: str
    at: datetime
    position: int  # in the log that it was first carried out in


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Erasure).decode


class ErasureLedger:
    def __init__(self, path: Path) -> None:
        self.path: Final = path
        self._kept_upto = 0  # position: what lies before is in the file
        self._keeping = Lock()

    def erasures(self) -> Sequence[Erasure]:
        """Each person once, in order. No file: none."""
        try:
            return self._parsed(self.path.read_bytes())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._unusable(error) from error

    def keep(self, connection: Connection[Any]) -> int:
        """Write down what the log has and the ledger lacks: how many there were. Returns when they are on the disk."""
        with self._keeping:
            rows = connection.execute(_ERASED, (self._kept_upto,)).fetchall()
            if not rows:
                return 0
            try:
                added = self._append([_erasure(*row) for row in rows])
            except OSError as error:
                raise self._unusable(error) from error
            self._kept_upto = rows[-1][0]
        return added

    def to_repeat(self, connection: Connection[Any]) -> Sequence[Erasure]:
        """Those that this database has forgotten, or whose persons it still has data of."""
        erasures = self.erasures()
        found = connection.execute(_TO_REPEAT, ([erasure.person for erasure in erasures],)).fetchall()
        persons = {person for (person,) in found}
        return [erasure for erasure in erasures if erasure.person in persons]

    def _append(self, erasures: Sequence[Erasure]) -> int:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(self.path) as file:
            content = _read(file)
            whole = content.rfind(b"\n") + 1
            if whole < len(content):
                os.ftruncate(file, whole)
            known = {erasure.person for erasure in self._parsed(content)}
            lacking = [erasure for erasure in erasures if erasure.person not in known]
            if lacking:
                os.write(file, b"".join(_encode(erasure) + b"\n" for erasure in lacking))
                os.fsync(file)
            if not content:
                _make_name_durable(self.path)
        return len(lacking)

    def _parsed(self, content: bytes) -> Sequence[Erasure]:
        lines = content.split(b"\n")[:-1]  # what follows the last line end is a line that a crash cut short
        found: dict[str, Erasure] = {}
        for number, line in enumerate(lines, start=1):
            try:
                erasure = _decode(line)
            except msgspec.MsgspecError as error:
                raise ErasureLedgerError(
                    f"Line {number} of the erasure ledger {self.path} is no erasure: put the ledger back from a copy."
                ) from error
            found.setdefault(erasure.person, erasure)
        return list(found.values())

    def _unusable(self, error: OSError) -> ErasureLedgerError:
        return ErasureLedgerError(
            f"The erasure ledger {self.path} cannot be used ({error.strerror}): make it readable and writable for this "
            "user, or name another file."
        )


def _erasure(position: int, person: str, at: datetime, state: bytes) -> Erasure:
    event = wire.decode(PersonErased.TOPIC, state)
    assert isinstance(event, PersonErased)
    return Erasure(person, event.request, at, position)


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Processes of one machine share the file."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
    finally:
        os.close(file)


def _read(file: int) -> bytes:
    os.lseek(file, 0, os.SEEK_SET)
    with os.fdopen(os.dup(file), "rb") as reading:
        return reading.read()


def _make_name_durable(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
