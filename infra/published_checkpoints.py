"""What readers get: the checkpoints published in the database, and proofs of the tree they are of."""

from typing import Any

from psycopg import Connection

from domain.ports import Inclusion, PublishedCheckpoint
from infra.proofs import consistency_runs, inclusion_runs
from infra.signed_note import Checkpoint, Note
from infra.stored_tree import ROW, StoredTree, leaf_of


class PublishedCheckpoints:
    """Whoever checks does so by a key and a checkpoint of their own; nothing here is taken for true by being here."""

    def latest(self, connection: Connection[Any]) -> PublishedCheckpoint | None:
        """None: nothing is signed yet."""
        return _published(connection, "ORDER BY size DESC LIMIT 1", ())

    def of_size(self, connection: Connection[Any], size: int) -> PublishedCheckpoint | None:
        """None: none of exactly this size was signed, or it is not kept any more."""
        return _published(connection, "WHERE size = %s", (size,))

    def inclusion(self, connection: Connection[Any], position: int, size: int) -> Inclusion:
        """That the event at the position is in the log of this size. 1 <= position <= size <= a published one's."""
        row = connection.execute(f"SELECT {ROW} FROM log WHERE position = %s", (position,)).fetchone()
        leaf = leaf_of(row) if row is not None else b""  # removed by hand: a leaf that no proof fits
        return Inclusion(position, size, leaf, StoredTree(connection).roots(inclusion_runs(position - 1, size)))

    def consistency(self, connection: Connection[Any], old: int, size: int) -> list[bytes]:
        """That the log of `size` events begins with the one of `old`. 0 <= old <= size <= a published one's."""
        return StoredTree(connection).roots(consistency_runs(old, size))


def _published(connection: Connection[Any], which: str, asked: tuple[int, ...]) -> PublishedCheckpoint | None:
    row = connection.execute(f"SELECT note FROM checkpoint {which}", asked).fetchone()
    if row is None:
        return None
    checkpoint = Checkpoint.of(Note.parse(row[0]))
    return PublishedCheckpoint(checkpoint.origin, checkpoint.size, checkpoint.root, row[0])
