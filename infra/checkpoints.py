"""The signer of the log's checkpoints. It signs the head only if that continues the last checkpoint it signed.

It keeps the right edge of the tree it has signed, hashes the new events from their stored bytes, and compares what
comes out with the edge in log_head: so it vouches for what is stored, not for what a column says about it. What it
reads is committed, for it reads in a session of its own. Its file is written before the database: nothing is published
that it would not remember; what the database lacks after a kill in between, the next signing adds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from infra.merkle import Frontier, root_of
from infra.signed_note import Checkpoint, Note, NoteError, VerifierKey, signed, verifier_key
from infra.signing_files import Kept, SigningFiles
from infra.stored_tree import FAN_OUT, MissingSubtree, store_subtrees
from infra.wholeness import InconsistentLog, leaves_anew

#: Of the checkpoints in the database that are newer than the file, so many are compared on the way.
MARKS_MAX: Final = 1_000
#: After their time one checkpoint per so many events is kept in the database.
THINNED_EVENTS: Final = 10_000
LOCK_WAIT_S: Final = 30.0


@dataclass(frozen=True)
class Signed:
    checkpoint: Checkpoint
    note: Note
    edge: bytes  # of its tree, as log_head has it


@dataclass(frozen=True)
class Signer:
    files: SigningFiles
    keep_h: int = 24  # how long every checkpoint stays in the database

    def sign(self, connection: Connection[Any], now: datetime, *, wait_s: float = LOCK_WAIT_S) -> Signed | None:
        """The head's checkpoint; None: the log is empty. Connection in autocommit.

        Raises InconsistentLog, SigningFileError, FileLocked (after `wait_s`).
        """
        with self.files.locked(wait_s):
            origin = origin_of(connection)
            kept = self.files.kept()
            if kept is not None and kept.checkpoint.origin != origin:
                raise InconsistentLog(
                    0, f"this is the log {origin}, and the last checkpoint was signed for {kept.checkpoint.origin}"
                )
            head, edge = _head(connection)
            if head == 0 and kept is None:
                return None
            known = self.files.known(origin)
            tree = _continued(connection, kept, known, head, edge)
            note = self._note(Checkpoint(origin, head, tree.root()), kept)
            if kept is None or note != kept.note:
                self.files.remember_keys(origin)
                self.files.keep(note, tree)
            self._publish(connection, note, now)
        return Signed(Checkpoint.of(note), note, edge)

    def _note(self, checkpoint: Checkpoint, kept: Kept | None) -> Note:
        """The one kept, if it says the same and no key has come since: a head is signed once."""
        keys = self.files.keys()
        if kept is not None and kept.checkpoint == checkpoint:
            missing = [
                key
                for key in keys
                if not any(line.is_by(verifier_key(checkpoint.origin, key)) for line in kept.note.signatures)
            ]
            return kept.note.with_signatures(signed(checkpoint.text, checkpoint.origin, missing).signatures)
        return signed(checkpoint.text, checkpoint.origin, keys)

    def _publish(self, connection: Connection[Any], note: Note, now: datetime) -> None:
        checkpoint = Checkpoint.of(note)
        with connection.transaction():
            try:
                store_subtrees(connection, checkpoint.size)
            except MissingSubtree as missing:  # an event is gone that was signed long ago
                raise InconsistentLog(missing.after + 1, str(missing)) from missing
            connection.execute(
                "INSERT INTO checkpoint (size, root, note, signed_at) VALUES (%(size)s, %(root)s, %(note)s, %(now)s)"
                " ON CONFLICT (size) DO UPDATE SET root = excluded.root, note = excluded.note"
                " WHERE checkpoint.note <> excluded.note",
                {"size": checkpoint.size, "root": checkpoint.root, "note": str(note), "now": now},
            )
            connection.execute("DELETE FROM checkpoint_refusal")

    def thin(self, connection: Connection[Any], now: datetime) -> int:
        """Forget checkpoints that have had their time, but for the last in each 10,000 events. How many."""
        thinned = connection.execute(
            "DELETE FROM checkpoint AS older WHERE signed_at < %s - make_interval(hours => %s) AND EXISTS ("
            "SELECT FROM checkpoint WHERE size > older.size AND size / %s = older.size / %s)",
            (now, self.keep_h, THINNED_EVENTS, THINNED_EVENTS),
        )
        return thinned.rowcount


def origin_of(connection: Connection[Any]) -> str:
    """The log's name in its checkpoints."""
    [origin] = connection.execute("SELECT origin FROM log_origin").fetchone() or [""]
    return str(origin)


def record_refusal(connection: Connection[Any], refused: InconsistentLog, now: datetime) -> None:
    """For /metrics and doctor, until a checkpoint is signed again."""
    connection.execute(
        "INSERT INTO checkpoint_refusal (said, refused_at) VALUES (%s, %s)"
        " ON CONFLICT (only_row) DO UPDATE SET said = excluded.said",
        (str(refused), now),
    )


# -- whether the log continues what was signed ------------------------------------------------------------------------


def _head(connection: Connection[Any]) -> tuple[int, bytes]:
    [head, edge] = connection.execute("SELECT position, frontier FROM log_head").fetchone() or [0, b""]
    return int(head), bytes(edge)


def _continued(
    connection: Connection[Any], kept: Kept | None, known: Sequence[VerifierKey], head: int, edge: bytes
) -> Frontier:
    """The tree of the head, from the kept one (or from nothing) and the bytes of the events after it."""
    signed_size = kept.checkpoint.size if kept is not None else 0
    if head < signed_size:
        raise InconsistentLog(head + 1, f"a checkpoint of {signed_size} events was signed, and the log ends at {head}")
    tree = Frontier(signed_size, list(kept.frontier.hashes)) if kept is not None else Frontier()
    for size, root in [*_marks(connection, known, signed_size, head), (head, None)]:
        for leaves in leaves_anew(connection, tree.size, size):
            tree.extend(leaves)
        if root is not None and tree.root() != root:
            raise InconsistentLog(
                signed_size + 1, f"the first {size} events are not those whose checkpoint was signed: one was changed"
            )
    if tree.to_bytes() != edge:
        raise _difference(connection, kept, tree)
    return tree


def _marks(
    connection: Connection[Any], known: Sequence[VerifierKey], after: int, head: int
) -> list[tuple[int, bytes | None]]:
    """Checkpoints that were signed beyond the kept one: by another instance, or before the kept one was lost."""
    rows = connection.execute(
        "SELECT note FROM checkpoint WHERE size > %s ORDER BY size DESC LIMIT %s", (after, MARKS_MAX)
    ).fetchall()
    marks: list[tuple[int, bytes | None]] = []
    for (written,) in reversed(rows):
        try:
            note = Note.parse(written)
            note.signed_by(*known)
            checkpoint = Checkpoint.of(note)
        except NoteError:  # nobody's signature of ours: it vouches for nothing
            continue
        if checkpoint.size > head:
            raise InconsistentLog(
                head + 1, f"a checkpoint of {checkpoint.size} events was signed, and the log ends at {head}"
            )
        marks.append((checkpoint.size, checkpoint.root))
    return marks


def _difference(connection: Connection[Any], kept: Kept | None, tree: Frontier) -> InconsistentLog:
    """Where the log departs from the tree that its own events make: looked for among those that were signed."""
    again = Frontier()
    try:
        for leaves in leaves_anew(connection, 0, kept.checkpoint.size if kept is not None else 0):
            again.extend(leaves)
    except InconsistentLog as found:
        return found
    if kept is not None and again.root() != kept.checkpoint.root:
        return _rewritten(connection, again.size)
    return InconsistentLog(tree.size, f"the tree in log_head at {tree.size} is not the one of the events up to there")


def _rewritten(connection: Connection[Any], size: int) -> InconsistentLog:
    for number, root in connection.execute("SELECT number, root FROM subtree WHERE level = 1 ORDER BY number"):
        first, last = number * FAN_OUT, (number + 1) * FAN_OUT
        if last <= size and root != root_of([leaf for page in leaves_anew(connection, first, last) for leaf in page]):
            return InconsistentLog(first + 1, f"an event between {first + 1} and {last} was rewritten with its leaf")
    first = size // FAN_OUT * FAN_OUT + 1
    return InconsistentLog(first, f"an event up to {size}, likely after {first - 1}, was rewritten with its leaf")
