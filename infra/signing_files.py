"""What the signer keeps outside the database: the last checkpoint it signed, and the keys that check its signatures.

Beside the signing key unless told otherwise. Who can write both the database and these files can rewrite history unseen
by the signer, though never by an auditor or a witness who keeps a checkpoint of their own.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infra.kept_file import locked, write_whole
from infra.keys import read_key
from infra.merkle import Frontier, FrontierError
from infra.signed_note import Checkpoint, Note, NoteError, VerifierKey, verifier_key

_FILE_BYTES_MAX = 256 * 1024


class SigningFileError(Exception):
    """A file of the signer cannot be used; one sentence with the path and the way out."""


@dataclass(frozen=True)
class Kept:
    note: Note
    checkpoint: Checkpoint
    frontier: Frontier  # of the tree that the checkpoint is of


@dataclass(frozen=True)
class SigningFiles:
    key: Path
    folder: Path | None = None  # of the files beside the key

    def keys(self) -> list[Ed25519PrivateKey]:
        """The signing key and, while a rotation lasts, the one before it: each checkpoint is then signed by both."""
        previous = [self.previous_key] if self.previous_key.exists() else []
        secrets = dict.fromkeys(read_key("signing", path) for path in (self.key, *previous))
        return [Ed25519PrivateKey.from_private_bytes(secret) for secret in secrets]

    @property
    def previous_key(self) -> Path:
        return self.key.with_name(f"{self.key.stem}.previous{self.key.suffix}")

    @property
    def checkpoint(self) -> Path:
        return self._beside(".checkpoint")

    @property
    def verifiers(self) -> Path:
        return self._beside(".verifiers")

    @contextmanager
    def locked(self, wait_s: float) -> Iterator[None]:
        """One signer at a time on these files. Raises FileLocked."""
        path = self._beside(".lock")
        with ExitStack() as held:
            with _failing(path):
                held.enter_context(locked(path, wait_s))
            yield

    def kept(self) -> Kept | None:
        """None: there is no file, which is so before the first signature and after its loss."""
        path = self.checkpoint
        with _failing(path):
            if not path.exists():
                return None
            raw = path.read_bytes()[:_FILE_BYTES_MAX]
        try:
            stored: dict[str, Any] = msgspec.json.decode(raw, type=dict[str, Any])
            note = Note.parse(stored["note"])
            checkpoint = Checkpoint.of(note)
            frontier = Frontier.from_bytes(b64decode(stored["frontier"], validate=True))
            _refuse_other_tree(checkpoint, frontier)
            note.signed_by(*self.known(checkpoint.origin))
        except (msgspec.DecodeError, KeyError, TypeError, ValueError, FrontierError, NoteError) as error:
            raise SigningFileError(
                f"The last signed checkpoint in {path} cannot be used ({error}): put it back from a backup; "
                "without it the newest one in the database is taken, once the log has proved to agree with it."
            ) from error
        return Kept(note, checkpoint, frontier)

    def keep(self, note: Note, frontier: Frontier) -> None:
        """Durable before anybody sees the checkpoint."""
        stored = {"note": str(note), "frontier": b64encode(frontier.to_bytes()).decode()}
        with _failing(self.checkpoint):
            write_whole(self.checkpoint, msgspec.json.encode(stored) + b"\n")

    def origin(self) -> str | None:
        """The name of the log that was signed; None: none was yet."""
        listed = self._listed()
        return listed[0].name if listed else None

    def known(self, origin: str) -> list[VerifierKey]:
        """Every key that has signed this log, the newest first: the present ones, then those of the file."""
        present = [verifier_key(origin, key) for key in self.keys()]
        return list(dict.fromkeys(present + self._listed()))

    def remember_keys(self, origin: str) -> None:
        """So that what a key has signed can be checked after the key is gone."""
        known = self.known(origin)
        if known != self._listed():
            with _failing(self.verifiers):
                write_whole(self.verifiers, "".join(f"{key}\n" for key in known).encode())

    def _listed(self) -> list[VerifierKey]:
        path = self.verifiers
        with _failing(path):
            lines: Sequence[str] = path.read_text("utf-8").splitlines() if path.exists() else ()
        try:
            return [VerifierKey.parse(line) for line in lines if line.strip()]
        except NoteError as error:
            raise SigningFileError(
                f"The list of verifier keys in {path} cannot be read ({error}): put it back from a backup."
            ) from error

    def _beside(self, suffix: str) -> Path:
        return (self.folder or self.key.parent) / f"{self.key.stem}{suffix}"


def _refuse_other_tree(checkpoint: Checkpoint, frontier: Frontier) -> None:
    if (frontier.size, frontier.root()) != (checkpoint.size, checkpoint.root):
        raise FrontierError("its tree is not the one of its checkpoint")


@contextmanager
def _failing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SigningFileError(
            f"{path} cannot be read or written ({error.strerror}): make its folder this user's own, "
            "or name another one in MAWID_CHECKPOINT_FOLDER."
        ) from error
    except UnicodeError as error:
        raise SigningFileError(f"{path} is no text: put it back from a backup.") from error
