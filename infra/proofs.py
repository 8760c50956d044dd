"""Inclusion and consistency proofs of RFC 6962 (9162): of which runs of leaves they are the roots, and their checking.

A proof is a list of tree hashes. Here it is made in two steps: what to hash, as runs of leaves, is arithmetic; the
hashes themselves come from wherever the tree is kept (infra/stored_tree.py).
"""

from collections.abc import Sequence
from typing import NamedTuple

from infra.merkle import EMPTY_ROOT, node_hash


class Run(NamedTuple):
    """Leaves first to last - 1, counted from 0: a subtree of the tree they are in."""

    first: int
    last: int


class Node(NamedTuple):
    """A perfect subtree: 2^height leaves, from number·2^height on."""

    height: int
    number: int


def inclusion_runs(index: int, size: int) -> list[Run]:
    """Proof that the leaf is in the tree, its sibling first. 0 <= index < size."""
    runs: list[Run] = []
    first, last = 0, size
    while last - first > 1:
        middle = first + _split(last - first)
        if index < middle:
            runs.append(Run(middle, last))
            last = middle
        else:
            runs.append(Run(first, middle))
            first = middle
    return runs[::-1]


def consistency_runs(old: int, size: int) -> list[Run]:
    """Proof that the tree of the first `old` leaves is how the one of `size` began. 0 <= old <= size."""
    if old in (0, size):
        return []
    runs: list[Run] = []
    first, last, is_whole = 0, size, True
    while last != old:
        middle = first + _split(last - first)
        if old <= middle:
            runs.append(Run(middle, last))
            last = middle
        else:
            runs.append(Run(first, middle))
            first, is_whole = middle, False
    if not is_whole:
        runs.append(Run(first, last))
    return runs[::-1]


def nodes_of(run: Run) -> list[Node]:
    """The perfect subtrees that a run is made of, widest first; its root folds them from the right."""
    nodes, first = [], run.first
    while first < run.last:
        height = (run.last - first).bit_length() - 1
        nodes.append(Node(height, first >> height))
        first += 1 << height
    return nodes


def folded(hashes: Sequence[bytes]) -> bytes:
    """Root over the roots of `nodes_of` a run."""
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = node_hash(left, root)
    return root


def includes(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    """RFC 9162, 2.1.3.2: whether the leaf is at this index (from 0) of the tree with this size and root."""
    if not 0 <= index < size:
        return False
    place, end, reached = index, size - 1, leaf
    for sibling in proof:
        if end == 0:
            return False
        if place & 1 or place == end:
            reached = node_hash(sibling, reached)
            while not place & 1 and place:
                place, end = place >> 1, end >> 1
        else:
            reached = node_hash(reached, sibling)
        place, end = place >> 1, end >> 1
    return end == 0 and reached == root


def continues(old: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> bool:
    """RFC 9162, 2.1.4.2: whether the tree of `size` leaves begins with the `old` ones of the old root."""
    if not 0 <= old <= size:
        return False
    if old in (0, size):
        return not proof and old_root == (EMPTY_ROOT if old == 0 else root)
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    if not path:
        return False
    place, end = old - 1, size - 1
    while place & 1:
        place, end = place >> 1, end >> 1
    before = after = path[0]
    for each in path[1:]:
        if end == 0:
            return False
        if place & 1 or place == end:
            before, after = node_hash(each, before), node_hash(each, after)
            while not place & 1 and place:
                place, end = place >> 1, end >> 1
        else:
            after = node_hash(after, each)
        place, end = place >> 1, end >> 1
    return end == 0 and before == old_root and after == root


def _split(leaves: int) -> int:
    """The largest power of two below."""
    return 1 << ((leaves - 1).bit_length() - 1)
