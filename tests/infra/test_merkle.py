from dataclasses import dataclass, replace
from hashlib import sha256
from random import Random
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from infra.merkle import EMPTY_ROOT, Frontier, FrontierError, leaf_hash, node_hash, root_of

INTEGERS = st.integers(-(2**63), 2**63 - 1)
ABSENT = b"\xff\xff\xff\xff"


@dataclass(frozen=True)
class Row:
    position: int = 7
    stream: str = "slot/CA-TB-01@2011-02-05T09:00"
    version: int = 3
    type: str = "SlotBooked.v1"
    person: str | None = "p1"
    booking: str | None = "b1"
    command_id: bytes | None = b"c" * 16
    at_us: int = 1_296_889_200_000_000
    recorded_at_us: int = 1_296_889_200_000_123
    state: bytes = b'{"capacity":3}'

    def leaf(self) -> bytes:
        return leaf_hash(*(getattr(self, name) for name in self.__dataclass_fields__))


ROWS = st.builds(
    Row,
    position=INTEGERS,
    stream=st.text(),
    version=INTEGERS,
    type=st.text(),
    person=st.none() | st.text(),
    booking=st.none() | st.text(),
    command_id=st.none() | st.binary(),
    at_us=INTEGERS,
    recorded_at_us=INTEGERS,
    state=st.binary(),
)


def entry_by_the_docstring(row: Row) -> bytes:
    """The layout as an auditor would write it, field by field."""

    def field(value: int | str | bytes | None) -> bytes:
        match value:
            case None:
                return ABSENT
            case int():
                value = value.to_bytes(8, "big", signed=True)
            case str():
                value = value.encode("utf-8")
        return pack(">I", len(value)) + value

    return b"".join(field(getattr(row, name)) for name in row.__dataclass_fields__)


def root_by_the_rfc(entries: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, word for word."""
    if not entries:
        return sha256(b"").digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    k = 1
    while k * 2 < len(entries):
        k *= 2
    return sha256(b"\x01" + root_by_the_rfc(entries[:k]) + root_by_the_rfc(entries[k:])).digest()


def leaf_of(entry: bytes) -> bytes:
    return sha256(b"\x00" + entry).digest()


def numbered_leaves(count: int) -> list[bytes]:
    return [leaf_of(bytes([number % 256, number // 256])) for number in range(count)]


def test_a_leaf_has_the_documented_bytes():
    row = Row(1, "s", 2, "T", None, "", b"\x01", -1, 4, b"{}")

    entry = bytes.fromhex(
        "00000008" "0000000000000001"
        "00000001" "73"
        "00000008" "0000000000000002"
        "00000001" "54"
        "ffffffff"
        "00000000"
        "00000001" "01"
        "00000008" "ffffffffffffffff"
        "00000008" "0000000000000004"
        "00000002" "7b7d"
    )  # fmt: skip
    assert row.leaf() == sha256(b"\x00" + entry).digest()


def test_the_leaf_of_one_known_event_never_changes():
    assert Row().leaf().hex() == "b310a0cb82ec789aafc3abdbedec0970d11d40be60f4c283d7d348905cf4a48c"


@given(ROWS)
def test_a_leaf_is_its_fields_each_after_its_length(row):
    assert row.leaf() == leaf_of(entry_by_the_docstring(row))


@given(ROWS, ROWS)
def test_two_events_share_a_leaf_only_if_they_are_equal(one, other):
    assert (one.leaf() == other.leaf()) == (one == other)


@pytest.mark.parametrize(
    "moved",
    [
        replace(Row(), stream="slot/CA-TB-01@2011-02-05T09:00S", type="lotBooked.v1"),
        replace(Row(), person="b1", booking="p1"),
        replace(Row(), person=None, booking="p1b1"),
        replace(Row(), person=""),
        replace(Row(), person=None),
        replace(Row(), booking=None),
        replace(Row(), command_id=None),
        replace(Row(), command_id=b""),
        replace(Row(), position=3, version=7),
        replace(Row(), at_us=Row.recorded_at_us, recorded_at_us=Row.at_us),
    ],
)
def test_bytes_moved_between_fields_change_the_leaf(moved):
    assert moved.leaf() != Row().leaf()


def test_the_empty_tree_has_the_hash_of_nothing():
    assert Frontier().root() == root_of([]) == EMPTY_ROOT == sha256(b"").digest()


@given(st.lists(st.binary(max_size=8), max_size=64))
def test_the_root_is_the_one_of_the_rfc(entries):
    leaves = [leaf_of(entry) for entry in entries]
    frontier = Frontier()
    frontier.extend(leaves)

    assert root_of(leaves) == frontier.root() == root_by_the_rfc(entries)


def test_roots_agree_with_pymerkle_on_random_trees():
    chance = Random(6962)
    for _ in range(400):
        entries = [chance.randbytes(chance.randrange(40)) for _ in range(chance.randrange(65))]
        reference = InmemoryTree(algorithm="sha256")
        reference.append_entries(entries)
        frontier = Frontier()
        frontier.extend(map(leaf_of, entries))

        assert root_of([leaf_of(entry) for entry in entries]) == reference.get_root()
        assert frontier.root() == reference.get_root()


def test_pymerkle_hashes_leaves_and_nodes_with_the_same_prefixes():
    reference = InmemoryTree(algorithm="sha256")

    assert reference.hash_buff(b"entry") == leaf_of(b"entry")
    assert reference.hash_pair(b"l" * 32, b"r" * 32) == node_hash(b"l" * 32, b"r" * 32)


def test_the_frontier_of_every_size_has_the_root_of_its_leaves():
    leaves = numbered_leaves(300)
    grown = Frontier()
    for size in range(301):
        assert grown.root() == root_of(leaves[:size])
        assert grown.size == size
        assert len(grown.hashes) == size.bit_count()
        if size < 300:
            grown.append(leaves[size])


@given(st.lists(st.integers(0, 20), max_size=12))
def test_batches_of_any_size_grow_the_same_frontier(batches):
    leaves = numbered_leaves(sum(batches))
    one_by_one = Frontier()
    for leaf in leaves:
        one_by_one.append(leaf)
    batched = Frontier()
    start = 0
    for batch in batches:
        batched.extend(leaves[start : start + batch])
        start += batch

    assert batched == one_by_one


@given(st.integers(0, 600))
def test_a_stored_frontier_is_restored_and_grows_on(size):
    frontier = Frontier()
    frontier.extend(numbered_leaves(size))

    restored = Frontier.from_bytes(frontier.to_bytes())

    assert restored == frontier
    frontier.append(b"n" * 32)
    restored.append(b"n" * 32)
    assert restored.root() == frontier.root()


def test_a_batch_that_breaks_in_the_middle_leaves_the_frontier_as_it_was():
    frontier = Frontier()
    frontier.extend(numbered_leaves(3))
    before = frontier.to_bytes()

    with pytest.raises(FrontierError):
        frontier.extend([b"x" * 32, b"short", b"y" * 32])

    assert frontier.to_bytes() == before


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"\x00" * 7,
        pack(">Q", 1),
        pack(">Q", 0) + b"h" * 32,
        pack(">Q", 3) + b"h" * 32,
        pack(">Q", 1) + b"h" * 31,
        pack(">Q", 1) + b"h" * 33,
    ],
)
def test_bytes_that_are_no_frontier_are_refused(stored):
    with pytest.raises(FrontierError):
        Frontier.from_bytes(stored)


def test_a_frontier_of_short_hashes_is_refused():
    with pytest.raises(FrontierError):
        Frontier(1, [b"short"])
