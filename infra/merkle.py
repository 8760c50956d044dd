"""The log's Merkle tree: RFC 6962 (SHA-256) over the stored bytes of every event.

Tree hashes
    leaf   SHA-256(0x00 ‖ entry)
    node   SHA-256(0x01 ‖ left ‖ right)
    empty  SHA-256("")
    A tree of n > 1 leaves is split at the largest power of two smaller than n.

An entry is ten fields, in this order and without anything between them:

    position        integer
    stream          text
    version         integer  place of the event in its stream
    type            text
    person          text, or absent
    booking         text, or absent
    command_id      bytes, or absent
    at              integer  microseconds since 1970-01-01T00:00:00Z
    recorded_at     integer  microseconds since 1970-01-01T00:00:00Z
    state           bytes    exactly as stored, never serialised again

Each field is a 4-byte big-endian unsigned length and that many bytes: an integer as 8 bytes, big-endian two's
complement (so its length is 00000008); a text as UTF-8, not normalised; bytes as they are. An absent field is the
length FFFFFFFF and no bytes, which no present field can have; an empty text is the length 00000000.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from struct import Struct
from typing import Final, Self

EMPTY_ROOT: Final = sha256(b"").digest()
HASH_BYTES: Final = 32

_ABSENT: Final = b"\xff\xff\xff\xff"
_NODE: Final = b"\x01"
_LENGTH: Final = Struct(">I")
# The integers are packed together with the lengths beside them: three packs a leaf instead of eight.
_HEAD: Final = Struct(">BIqI")  # leaf prefix, position, length of the stream
_MIDDLE: Final = Struct(">IqI")  # version, length of the type
_TAIL: Final = Struct(">IqIqI")  # at, recorded_at, length of the state
_SIZE: Final = Struct(">Q")


def leaf_hash(  # noqa: PLR0917 - a row of the log, its columns in their order
    position: int,
    stream: str,
    version: int,
    type: str,  # noqa: A002 - the name of the column
    person: str | None,
    booking: str | None,
    command_id: bytes | None,
    at_us: int,
    recorded_at_us: int,
    state: bytes,
) -> bytes:
    """The 32-byte leaf of one stored event; the byte layout is the module's docstring."""
    return leaf_of_bytes(
        position,
        stream.encode(),
        version,
        type.encode(),
        None if person is None else person.encode(),
        None if booking is None else booking.encode(),
        command_id,
        at_us,
        recorded_at_us,
        state,
    )


def leaf_of_bytes(  # noqa: PLR0917 - as leaf_hash
    position: int,
    stream: bytes,
    version: int,
    type: bytes,  # noqa: A002 - as leaf_hash
    person: bytes | None,
    booking: bytes | None,
    command_id: bytes | None,
    at_us: int,
    recorded_at_us: int,
    state: bytes,
) -> bytes:
    """As leaf_hash, of texts that are UTF-8 already."""
    return sha256(
        b"".join(
            (
                _HEAD.pack(0, 8, position, len(stream)),
                stream,
                _MIDDLE.pack(8, version, len(type)),
                type,
                _ABSENT if person is None else _LENGTH.pack(len(person)) + person,
                _ABSENT if booking is None else _LENGTH.pack(len(booking)) + booking,
                _ABSENT if command_id is None else _LENGTH.pack(len(command_id)) + command_id,
                _TAIL.pack(8, at_us, 8, recorded_at_us, len(state)),
                state,
            )
        )
    ).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(_NODE + left + right).digest()


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Root over leaf hashes, level by level; an odd last node moves up unchanged, which is RFC 6962's split."""
    if not leaves:
        return EMPTY_ROOT
    level = list(leaves)
    while len(level) > 1:
        pairs = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = pairs + level[-1:] if len(level) % 2 else pairs
    return level[0]


class FrontierError(ValueError):
    """A size and hashes that no tree can have."""


@dataclass(slots=True)
class Frontier:
    """Right edge of a growing tree: the roots of its perfect subtrees, widest first, one per set bit of `size`.

    Enough to extend the tree and to know its root; at most 63 hashes however long the log.
    """

    size: int = 0
    hashes: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.hashes) != self.size.bit_count():
            raise FrontierError(f"a tree of {self.size} leaves does not have {len(self.hashes)} perfect subtrees")
        if any(len(each) != HASH_BYTES for each in self.hashes):
            raise FrontierError(f"a frontier hash is not {HASH_BYTES} bytes long")

    def append(self, leaf: bytes) -> None:
        self.extend((leaf,))

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaf hashes in log order: one node hash a leaf on average. All of them, or none if one is unusable."""
        size, hashes = self.size, self.hashes.copy()
        for leaf in leaves:
            if len(leaf) != HASH_BYTES:
                raise FrontierError(f"a leaf hash is {HASH_BYTES} bytes long, not {len(leaf)}")
            node, full = leaf, size
            while full & 1:  # a perfect subtree as wide as `node` stands to its left: they are one from now on
                node = sha256(_NODE + hashes.pop() + node).digest()
                full >>= 1
            hashes.append(node)
            size += 1
        self.size, self.hashes = size, hashes

    def root(self) -> bytes:
        if not self.hashes:
            return EMPTY_ROOT
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node_hash(left, root)
        return root

    def to_bytes(self) -> bytes:
        """Size as 8 bytes big-endian, then the hashes, widest subtree first."""
        return _SIZE.pack(self.size) + b"".join(self.hashes)

    @classmethod
    def from_bytes(cls, stored: bytes) -> Self:
        if len(stored) < _SIZE.size:
            raise FrontierError(f"{len(stored)} bytes are not a stored frontier")
        (size,) = _SIZE.unpack_from(stored)
        hashes = [stored[at : at + HASH_BYTES] for at in range(_SIZE.size, len(stored), HASH_BYTES)]
        return cls(size, hashes)
