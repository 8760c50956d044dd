"""An export that is being written: a draft beside its place, and how far it is, for the next run to go on from there.

The draft becomes the file in one rename. A run that was killed leaves a draft whose lines after the last mark are
dropped; one of another log, or of a log that has been changed since, is thrown away.
"""

import fcntl
import os
from base64 import b64decode, b64encode
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from infra.export.figures import Figures
from infra.export.stretches import Stretch
from infra.export.tiles import Tiles
from infra.merkle import HASH_BYTES, Frontier

_READ_BYTES: Final = 1 << 20


class ExportFailed(Exception):
    """The sentence itself."""


class Mark(msgspec.Struct):
    """How far a draft is, all that has been derived from its lines included."""

    bytes: int = 0
    position: int | None = None  # of the last line; None: no line yet
    leaf: str = ""  # of the last line, as stored
    frontier: str = b64encode(Frontier().to_bytes()).decode()
    figures: Figures = msgspec.field(default_factory=Figures)
    edges: list[str] = []  # of the tiles


class Draft:
    """Opened where it was left, or anew. One process at a time."""

    def __init__(self, path: Path, *, tiles_in: Path | None, header: bytes) -> None:
        self._path = path
        self._draft = path.with_name(f".{path.name}.part")
        self._mark = path.with_name(f".{path.name}.part.json")
        self._file = os.fdopen(os.open(self._draft, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise ExportFailed(
                f"another export is being written to {path}: wait for it, or name another file"
            ) from error
        self._tiles_in, self._header = tiles_in, header
        self._begin(self._marked())

    def _begin(self, mark: Mark) -> None:
        self.mark = mark
        self._digest = sha256()
        self.frontier = Frontier.from_bytes(b64decode(mark.frontier))
        self.figures = mark.figures
        if self._tiles_in is not None:
            self._tiles = Tiles(self._tiles_in, self.frontier.size, [b64decode(edge) for edge in mark.edges])
        self._file.seek(0)
        if not mark.bytes:
            self._file.truncate()
            self._file.write(self._header)
            return
        left = mark.bytes
        while left:
            chunk = self._file.read(min(_READ_BYTES, left))
            self._digest.update(chunk if left < mark.bytes else chunk[len(self._header) :])
            left -= len(chunk)
        self._file.truncate()

    def restart(self) -> None:
        self._begin(Mark())

    def _marked(self) -> Mark:
        try:
            mark = msgspec.json.decode(self._mark.read_bytes(), type=Mark)
            Frontier.from_bytes(b64decode(mark.frontier))
        except (OSError, msgspec.MsgspecError, ValueError):
            return Mark()
        is_whole = len(self._header) <= mark.bytes <= os.fstat(self._file.fileno()).st_size
        return mark if is_whole and self._file.read(len(self._header)) == self._header else Mark()

    @property
    def position(self) -> int | None:
        return self.mark.position

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def add(self, stretch: Stretch) -> None:
        self._file.write(stretch.lines)
        self._digest.update(stretch.lines)
        leaves = stretch.leaves
        self.frontier.extend([leaves[at : at + HASH_BYTES] for at in range(0, len(leaves), HASH_BYTES)])
        if self._tiles_in is not None:
            self._tiles.extend(leaves)
        self.figures.take(stretch.tally)
        self.mark.position, self.mark.leaf = stretch.position, stretch.stored_leaf

    def save(self) -> None:
        """Durable up to here: the lines first, then the mark that counts them."""
        self._flush()
        mark = self.mark
        mark.bytes = self._file.tell()
        mark.frontier, mark.figures = b64encode(self.frontier.to_bytes()).decode(), self.figures
        if self._tiles_in is not None:
            mark.edges = [b64encode(edge).decode() for edge in self._tiles.edges]
        fresh = self._mark.with_name(f"{self._mark.name}.new")
        fresh.write_bytes(msgspec.json.encode(mark))
        fresh.replace(self._mark)

    def finish(self, trailer: bytes) -> None:
        if self._tiles_in is not None:
            self._tiles.finish()
        self._file.write(trailer)
        self._flush()
        self._draft.replace(self._path)
        self._mark.unlink(missing_ok=True)

    def _flush(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with suppress(OSError):  # a full disk has been told already
            self._file.close()
