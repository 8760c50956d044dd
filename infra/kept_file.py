"""Small files that must not be half written, nor written by two at a time."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

_LOOK_S = 0.02


class FileLocked(Exception):
    def __init__(self, path: Path) -> None:
        super().__init__(f"another process is at work with {path}: try again in a moment")


def write_whole(path: Path, content: bytes) -> None:
    """Whole and durable, or not at all; for its owner only."""
    with _draft(path, content) as draft:
        draft.replace(path)


def write_new(path: Path, content: bytes) -> None:
    """The same where no file is yet, else FileExistsError."""
    with _draft(path, content) as draft:
        os.link(draft, path)


@contextmanager
def _draft(path: Path, content: bytes) -> Iterator[Path]:
    """Durable under a name of its own, to be given the right one."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        yield draft
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def locked(path: Path, wait_s: float) -> Iterator[None]:
    """A killed process's lock ends with it. Raises FileLocked."""
    with path.open("a") as file:
        until = monotonic() + wait_s
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if monotonic() > until:
                    raise FileLocked(path) from None
                sleep(_LOOK_S)
        yield
