from hashlib import sha256
from random import Random

import pytest
from pymerkle import InmemoryTree, verify_consistency

from infra.merkle import EMPTY_ROOT, root_of
from infra.proofs import consistency_runs, continues, folded, includes, inclusion_runs, nodes_of

LEAVES = [sha256(b"\0" + bytes([n])).digest() for n in range(64)]


def hashes_of(leaves, runs):
    """Each run's root both ways: over its leaves, and folded from its perfect subtrees."""
    for run in runs:
        perfect = [root_of(leaves[n << h : (n + 1) << h]) for h, n in nodes_of(run)]
        assert folded(perfect) == root_of(leaves[run.first : run.last])
    return [root_of(leaves[run.first : run.last]) for run in runs]


def inclusion(leaves, index):
    return hashes_of(leaves, inclusion_runs(index, len(leaves)))


def consistency(leaves, old):
    return hashes_of(leaves, consistency_runs(old, len(leaves)))


@pytest.mark.parametrize("size", range(1, 65))
def test_every_leaf_of_a_small_tree_is_proved_to_be_in_it_and_nowhere_else(size):
    leaves = LEAVES[:size]
    root = root_of(leaves)
    for index in range(size):
        proof = inclusion(leaves, index)

        accepted = [place for place in range(size + 1) if includes(place, size, leaves[index], proof, root)]

        assert accepted == [index]


@pytest.mark.parametrize("size", range(65))
def test_every_tree_is_proved_to_continue_each_of_its_beginnings(size):
    root = root_of(LEAVES[:size])
    for old in range(size + 1):
        proof = consistency(LEAVES[:size], old)

        assert continues(old, root_of(LEAVES[:old]), size, root, proof)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 21, 64])
def test_a_proof_with_anything_changed_is_refused(size):
    leaves, root, other = LEAVES[:size], root_of(LEAVES[:size]), bytes(32)
    for index in range(size):
        proof = inclusion(leaves, index)

        for spoiled in spoilt(proof):
            assert not includes(index, size, leaves[index], spoiled, root)
        assert not includes(index, size, other, proof, root)
        assert not includes(index, size, leaves[index], proof, other)
    for old in range(size + 1):
        proof, old_root = consistency(leaves, old), root_of(leaves[:old])

        for spoiled in spoilt(proof):
            assert not continues(old, old_root, size, root, spoiled)
        assert not continues(old, other, size, root, proof)
        assert old == 0 or not continues(old, old_root, size, other, proof)
        assert not continues(size, root, old, old_root, proof) or old == size


def spoilt(proof):
    """Each hash changed by a bit, left out, or another in its place; one too many at either end; two swapped."""
    for n, each in enumerate(proof):
        yield [*proof[:n], bytes([each[0] ^ 1]) + each[1:], *proof[n + 1 :]]
        yield proof[:n] + proof[n + 1 :]
    for n in range(len(proof) - 1):
        yield [*proof[:n], proof[n + 1], proof[n], *proof[n + 2 :]]
    yield [*proof, bytes(32)]
    yield [bytes(32), *proof]


@pytest.mark.parametrize(("old", "size"), [(-1, 3), (4, 3), (3, 0)])
def test_trees_that_shrink_continue_nothing(old, size):
    assert not continues(old, EMPTY_ROOT, size, EMPTY_ROOT, [])


def test_an_index_outside_the_tree_is_in_no_proof():
    assert not includes(-1, 1, LEAVES[0], [], LEAVES[0])
    assert not includes(1, 1, LEAVES[0], [], LEAVES[0])


@pytest.mark.parametrize("trees", [500, pytest.param(10_000, marks=pytest.mark.full)])
def test_roots_and_proofs_agree_with_an_independent_implementation(trees):
    """Inclusion proofs byte for byte; its consistency proofs are cut otherwise, so each side's holds for the roots."""
    chance = Random(trees)
    for _ in range(trees):
        entries = [chance.randbytes(chance.randint(0, 40)) for _ in range(chance.randint(1, 64))]
        theirs = InmemoryTree(algorithm="sha256")
        for entry in entries:
            theirs.append_entry(entry)
        leaves = [sha256(b"\0" + entry).digest() for entry in entries]
        size = len(leaves)
        index, old = chance.randrange(size), chance.randint(1, size)

        root, old_root = theirs.get_root(), theirs.get_root(old)
        assert (root_of(leaves), root_of(leaves[:old])) == (root, old_root)
        assert inclusion(leaves, index) == theirs.prove_inclusion(index + 1).path[1:]
        assert continues(old, old_root, size, root, consistency(leaves, old))
        verify_consistency(root_of(leaves[:old]), root_of(leaves), theirs.prove_consistency(old, size))
