"""The log's tree as it is stored: leaves beside the events, roots of full subtrees in tiles of 256 above them.

A proof over millions of events needs the tiles on one path and on the tree's right edge: a handful of short reads.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from psycopg import Connection

from infra.merkle import leaf_hash, root_of
from infra.packing import microseconds
from infra.proofs import Run, folded, nodes_of

FAN_OUT: Final = 256
_HEIGHT: Final = 8  # of a tile
_LEVELS: Final = 7  # 256^8 leaves are more than a position can number
_BLOCKS: Final = 64  # tiles summed up together

#: What a leaf is hashed over, in this order.
ROW: Final = "position, stream, stream_version, type, person, booking, command_id, at, recorded_at, state"


class MissingSubtree(Exception):
    """The tables do not hold the whole tree: the log has a gap, or its subtrees were removed by hand.

    `after`: so many leaves are there, counted from the first.
    """

    def __init__(self, level: int, first: int, found: int) -> None:
        self.after = (first + found) << (_HEIGHT * level)
        super().__init__(f"level {level} of the tree ends after {first + found}: an event or a subtree is missing")


class StoredTree:
    """One request's look at the tree; tiles read once are kept for its other proofs."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection
        self._tiles: dict[tuple[int, int], list[bytes]] = {}

    def roots(self, runs: Sequence[Run]) -> list[bytes]:
        return [folded([self._node(*node) for node in nodes_of(run)]) for run in runs]

    def _node(self, height: int, number: int) -> bytes:
        level, above = divmod(height, _HEIGHT)
        first = number << above
        tile = self._tile(level, first // FAN_OUT)
        hashes = tile[first % FAN_OUT : first % FAN_OUT + (1 << above)]
        if len(hashes) != 1 << above:
            raise MissingSubtree(level, first, len(hashes))
        return root_of(hashes)

    def _tile(self, level: int, number: int) -> list[bytes]:
        if (tile := self._tiles.get((level, number))) is None:
            first = number * FAN_OUT
            tile = _run(_hashes(self._connection, level, first, first + FAN_OUT), first)
            self._tiles[level, number] = tile
        return tile


def leaf_of(row: Sequence[Any]) -> bytes:
    """Of the columns in ROW, from the bytes that are stored."""
    position, stream, version, topic, person, booking, command_id, at, recorded_at, state = row
    times = microseconds(at), microseconds(recorded_at)
    return leaf_hash(position, stream, version, topic, person, booking, command_id, *times, state)


def store_subtrees(connection: Connection[Any], size: int) -> None:
    """Those of the first `size` leaves that are full and not stored yet, level by level."""
    for level in range(1, _LEVELS + 1):
        full = size // FAN_OUT**level
        if not full:
            return
        [stored] = connection.execute("SELECT max(number) FROM subtree WHERE level = %s", (level,)).fetchone() or [None]
        first = 0 if stored is None else stored + 1
        for numbers, roots in _sums(connection, level, first, full):
            connection.execute(
                "INSERT INTO subtree (level, number, root) SELECT %s, * FROM unnest(%s::bigint[], %s::bytea[])"
                " ON CONFLICT DO NOTHING",
                (level, numbers, roots),
            )


def _sums(connection: Connection[Any], level: int, first: int, full: int) -> Iterator[tuple[list[int], list[bytes]]]:
    for start in range(first, full, _BLOCKS):
        numbers = list(range(start, min(start + _BLOCKS, full)))
        below = _run(_hashes(connection, level - 1, start * FAN_OUT, (numbers[-1] + 1) * FAN_OUT), start * FAN_OUT)
        if len(below) != len(numbers) * FAN_OUT:
            raise MissingSubtree(level - 1, start * FAN_OUT, len(below))
        yield numbers, [root_of(below[at : at + FAN_OUT]) for at in range(0, len(below), FAN_OUT)]


def _run(numbered: Sequence[tuple[int, bytes]], first: int) -> list[bytes]:
    """Those from `first` on up to the first that is missing."""
    return [each for place, (number, each) in enumerate(numbered, first) if number == place]


def _hashes(connection: Connection[Any], level: int, first: int, last: int) -> list[tuple[int, bytes]]:
    """Numbers and hashes of first to last - 1, in order."""
    if level == 0:  # positions count from 1
        query = "SELECT position - 1, leaf FROM log WHERE position > %s AND position <= %s ORDER BY position"
        asked: tuple[int, ...] = (first, last)
    else:
        query = "SELECT number, root FROM subtree WHERE level = %s AND number >= %s AND number < %s ORDER BY number"
        asked = (level, first, last)
    with connection.cursor(binary=True) as cursor:
        return cursor.execute(query, asked).fetchall()
