from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infra import checkpoints
from infra.checkpoints import Signer
from infra.kept_file import FileLocked
from infra.keys import read_or_make_key
from infra.merkle import Frontier, root_of
from infra.proofs import consistency_runs, continues, includes, inclusion_runs
from infra.signed_note import verifier_key
from infra.signing_files import SigningFileError, SigningFiles
from infra.stored_tree import ROW, MissingSubtree, StoredTree, leaf_of, store_subtrees
from infra.wholeness import InconsistentLog

NOW = datetime(2026, 1, 1, tzinfo=UTC)

#: Events as the writer stores them, made in the database: some with person, booking and command id, some without.
GROW = """
    INSERT INTO log (position, stream, stream_version, type, person, booking, command_id, at, recorded_at, state, leaf)
    SELECT n, 'slot/' || n %% 7, n, 'SlotBooked.v1',
           CASE WHEN n %% 2 = 0 THEN 'p' || n END, CASE WHEN n %% 3 = 0 THEN 'b' || n END,
           CASE WHEN n %% 5 > 0 THEN decode(lpad(to_hex(n), 32, '0'), 'hex') END,
           '2011-01-01Z'::timestamptz + n * interval '1.000001 s', '2026-01-01Z'::timestamptz + n * interval '7 us',
           convert_to('{"n":' || n || '}', 'UTF8'), ''
    FROM generate_series(%s::bigint, %s::bigint) AS n
"""


class Log:
    """A log and the signer of its checkpoints; whoever owns the database can do with it what they like."""

    def __init__(self, connection, files):
        self.connection = connection
        self.signer = Signer(files)
        self.files = files

    def grow(self, events):
        [head] = self.one("SELECT position FROM log_head")
        self.connection.execute(GROW, (head + 1, head + events))
        self.superuser_hashes_again(head + 1)

    def superuser_hashes_again(self, first=1):
        """Leaves and head are those of the rows, whatever has become of them."""
        with self.connection.transaction():
            self.connection.execute("SET LOCAL session_replication_role = replica")
            tree, changed = Frontier(), []
            for row in self.connection.execute(f"SELECT {ROW}, leaf FROM log ORDER BY position").fetchall():
                leaf = row[-1]
                if row[0] >= first:
                    leaf = leaf_of(row[:-1])
                    changed.append((leaf, row[0]))
                tree.append(leaf)
            self.connection.cursor().executemany("UPDATE log SET leaf = %s WHERE position = %s", changed)
            self.connection.execute("UPDATE log_head SET position = %s, frontier = %s", (tree.size, tree.to_bytes()))

    def superuser(self, statement):
        with self.connection.transaction():
            self.connection.execute("SET LOCAL session_replication_role = replica")
            self.connection.execute(statement)

    def sign(self, now=NOW):
        return self.signer.sign(self.connection, now, wait_s=0)

    def one(self, query):
        return self.connection.execute(query).fetchone()

    def notes(self):
        return dict(self.connection.execute("SELECT size, note FROM checkpoint ORDER BY size").fetchall())

    def leaves(self):
        return [leaf for (leaf,) in self.connection.execute("SELECT leaf FROM log ORDER BY position")]


@pytest.fixture
def files(tmp_path):
    key = tmp_path / "keys" / "signing.key"
    read_or_make_key("signing", key)
    return SigningFiles(key)


@pytest.fixture
def log(database_url, files):
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield Log(connection, files)


def test_an_empty_log_is_not_signed(log):
    assert log.sign() is None
    assert log.notes() == {}


def test_a_growing_log_is_signed_at_each_head(log):
    for events in (1, 2, 300, 1, 700):
        log.grow(events)

        signed = log.sign()

        leaves = log.leaves()
        [key] = log.files.known(signed.checkpoint.origin)
        assert signed.note.signed_by(key) == [key]
        assert (signed.checkpoint.size, signed.checkpoint.root) == (len(leaves), root_of(leaves))
        assert log.notes()[len(leaves)] == str(signed.note)
        assert log.files.kept().checkpoint == signed.checkpoint
    assert list(log.notes()) == [1, 3, 303, 304, 1004]
    assert log.files.checkpoint.stat().st_mode & 0o777 == 0o600


def test_a_head_that_stays_is_signed_once(log):
    log.grow(3)
    first = log.sign()

    again = log.sign(NOW + timedelta(hours=1))

    assert again == first
    assert log.one("SELECT count(*), min(signed_at) FROM checkpoint") == (1, NOW)


def test_each_log_has_a_name_of_its_own(log):
    [origin] = log.one("SELECT origin FROM log_origin")

    assert origin.startswith("mawid/")
    assert len(origin) == len("mawid/") + 16


@pytest.mark.parametrize(
    ("tamper", "first_bad"),
    [
        ("UPDATE log SET state = '{\"n\":0}' WHERE position = 15", 15),
        ("UPDATE log SET recorded_at = recorded_at + interval '1 us' WHERE position = 11", 11),
        ("DELETE FROM log WHERE position = 13", 13),
        ("DELETE FROM log WHERE position = 20", 20),
        ("UPDATE log SET person = NULL WHERE position = 12", 12),
        ("UPDATE log_head SET frontier = decode('000000000000000a', 'hex') || substr(frontier, 9)", 20),
        ("UPDATE log_head SET position = 8", 9),
        ("UPDATE log SET leaf = sha256('x') WHERE position = 18", 18),
    ],
)
def test_a_tail_that_is_not_as_it_was_written_is_never_signed(log, tamper, first_bad):
    log.grow(10)
    before = log.sign()
    log.grow(10)
    log.superuser(tamper)

    with pytest.raises(InconsistentLog) as refused:
        log.sign()

    assert refused.value.position == first_bad
    assert list(log.notes()) == [10]
    assert log.files.kept().checkpoint == before.checkpoint


def test_a_changed_row_that_was_signed_is_found_when_the_head_was_hashed_anew(log):
    log.grow(600)
    log.sign()
    log.superuser("UPDATE log SET state = '{}' WHERE position = 300")
    log.superuser_hashes_again()
    log.grow(1)

    with pytest.raises(InconsistentLog) as refused:
        log.sign()

    assert refused.value.position == 257
    assert list(log.notes()) == [600]


def test_a_log_cut_and_grown_again_beyond_the_checkpoint_is_refused(log):
    log.grow(20)
    log.sign()
    log.superuser("DELETE FROM log WHERE position > 15")
    log.superuser_hashes_again()
    log.superuser("UPDATE log SET booking = 'other' WHERE position = 15")
    log.superuser_hashes_again()

    with pytest.raises(InconsistentLog) as cut:
        log.sign()
    log.grow(10)
    with pytest.raises(InconsistentLog) as grown:
        log.sign()

    assert (cut.value.position, grown.value.position) == (16, 1)


def test_after_a_refusal_nothing_is_signed_until_the_log_is_as_it_was(log):
    log.grow(5)
    log.sign()
    log.grow(5)
    log.superuser("UPDATE log SET booking = 'b9x' WHERE position = 9")
    with pytest.raises(InconsistentLog) as refused:
        log.sign()
    checkpoints.record_refusal(log.connection, refused.value, NOW)
    assert log.one("SELECT count(*) FROM checkpoint_refusal") == (1,)

    log.superuser("UPDATE log SET booking = 'b9' WHERE position = 9")

    assert log.sign().checkpoint.size == 10
    assert log.one("SELECT count(*) FROM checkpoint_refusal") == (0,)


def test_another_log_is_not_signed_with_this_ones_checkpoint_kept(log):
    log.grow(5)
    log.sign()
    log.superuser("UPDATE log_origin SET origin = 'mawid/other'")

    with pytest.raises(InconsistentLog):
        log.sign()


def test_a_kill_between_file_and_database_heals(log):
    log.grow(300)
    log.sign()
    log.grow(300)
    log.sign()
    log.connection.execute("DELETE FROM checkpoint WHERE size = 600; DELETE FROM subtree WHERE number = 1")

    signed = log.sign()

    assert log.notes()[600] == str(signed.note)
    assert log.one("SELECT count(*) FROM subtree") == (2,)


def test_a_file_older_than_the_database_is_caught_up(log):
    log.grow(5)
    log.sign()
    old = log.files.checkpoint.read_bytes()
    log.grow(5)
    log.sign()
    log.files.checkpoint.write_bytes(old)
    log.grow(5)

    assert log.sign().checkpoint.size == 15
    assert list(log.notes()) == [5, 10, 15]


@pytest.mark.parametrize("has_older_file", [True, False])
def test_what_the_database_says_was_signed_counts_where_the_file_is_lost_or_old(log, has_older_file):
    log.grow(5)
    log.sign()
    old = log.files.checkpoint.read_bytes()
    log.grow(5)
    log.sign()
    if has_older_file:
        log.files.checkpoint.write_bytes(old)
    else:
        log.files.checkpoint.unlink()
    log.superuser("UPDATE log SET booking = 'other' WHERE position = 8")
    log.superuser_hashes_again()
    log.grow(1)

    with pytest.raises(InconsistentLog):
        log.sign()


def test_a_lost_file_is_made_again_from_a_log_that_agrees_with_its_newest_checkpoint(log):
    log.grow(300)
    log.sign()
    log.files.checkpoint.unlink()
    log.grow(1)

    assert log.sign().checkpoint.size == 301
    assert log.files.kept().checkpoint.size == 301


def test_a_checkpoint_in_the_database_that_nobody_signed_stops_nothing(log):
    log.grow(5)
    signed = log.sign()
    forged = str(signed.note).replace("\n5\n", "\n9\n")
    log.connection.execute("INSERT INTO checkpoint VALUES (9, %s, %s, now())", (bytes(32), forged))
    log.grow(3)

    assert log.sign().checkpoint.size == 8


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"note": "x", "frontier": ""}', b"\xff", None])
def test_a_kept_file_that_cannot_be_used_is_refused_and_not_replaced(log, content):
    log.grow(5)
    log.sign()
    kept = log.files.checkpoint.read_bytes()
    spoiled = kept.replace(b"mawid/", b"other/") if content is None else content
    log.files.checkpoint.write_bytes(spoiled)
    log.grow(5)

    with pytest.raises(SigningFileError):
        log.sign()

    assert log.files.checkpoint.read_bytes() == spoiled
    assert list(log.notes()) == [5]


def test_a_kept_checkpoint_with_another_trees_edge_is_refused(log):
    log.grow(5)
    note = log.sign().note
    log.files.keep(note, Frontier(5, [bytes(32), bytes(32)]))

    with pytest.raises(SigningFileError):
        log.sign()


def test_a_cut_is_found_by_the_databases_newest_checkpoint_where_the_file_is_lost(log):
    log.grow(10)
    log.sign()
    log.files.checkpoint.unlink()
    log.superuser("DELETE FROM log WHERE position > 7")
    log.superuser_hashes_again()

    with pytest.raises(InconsistentLog) as refused:
        log.sign()

    assert refused.value.position == 8


def test_one_signs_at_a_time(log):
    log.grow(5)

    with log.files.locked(0), pytest.raises(FileLocked):
        log.sign()

    assert log.sign().checkpoint.size == 5


def test_a_new_key_signs_beside_the_old_one_and_the_old_one_stays_known(log):
    log.grow(5)
    origin = log.sign().checkpoint.origin
    [old] = log.files.known(origin)
    log.files.key.rename(log.files.previous_key)
    new = verifier_key(origin, Ed25519PrivateKey.from_private_bytes(read_or_make_key("signing", log.files.key)))

    both = log.sign()
    log.files.previous_key.unlink()
    log.grow(1)
    after = log.sign()

    assert both.checkpoint.size == 5
    assert set(both.note.signed_by(new, old)) == {old, new}
    assert log.notes()[5] == str(both.note)
    assert after.note.signed_by(old, new) == [new]
    assert log.files.known(origin) == [new, old]


def test_the_signer_runs_on_where_the_old_key_is_gone_and_known(log):
    log.grow(5)
    origin = log.sign().checkpoint.origin
    log.files.key.unlink()
    read_or_make_key("signing", log.files.key)
    log.grow(5)

    assert log.sign().checkpoint.size == 10
    assert len(log.files.known(origin)) == 2


def test_old_checkpoints_are_thinned_to_one_in_ten_thousand_events(log):
    for size, hours in [(5, 30), (9_000, 29), (10_001, 28), (10_002, 27), (20_000, 1), (20_001, 0)]:
        log.connection.execute("INSERT INTO checkpoint VALUES (%s, '', '', %s)", (size, NOW - timedelta(hours=hours)))

    assert log.signer.thin(log.connection, NOW) == 2
    assert list(log.notes()) == [9_000, 10_002, 20_000, 20_001]


def test_proofs_come_from_the_stored_tree_for_every_size_that_it_has(log):
    log.grow(1_100)
    log.sign()
    leaves, tree = log.leaves(), StoredTree(log.connection)
    for size in (1, 2, 255, 256, 257, 511, 512, 513, 700, 1_023, 1_024, 1_099, 1_100):
        root = root_of(leaves[:size])
        for index in {0, 1, 254, 255, 256, 257, 511, 512, size // 2, size - 1} & set(range(size)):
            proof = tree.roots(inclusion_runs(index, size))
            assert includes(index, size, leaves[index], proof, root)
        for old in {0, 1, 100, 255, 256, 257, 512, 600, size - 1, size} & set(range(size + 1)):
            proof = tree.roots(consistency_runs(old, size))
            assert continues(old, root_of(leaves[:old]), size, root, proof)


def test_subtrees_of_the_second_level_are_stored_and_used(log):
    """As many leaves as 256 tiles have, planted: their sums are what is asked for."""
    level_1 = [bytes([n % 256, n // 256]) * 16 for n in range(256)]
    log.connection.execute(
        "INSERT INTO subtree SELECT 1, * FROM unnest(%s::bigint[], %s::bytea[])", (list(range(256)), level_1)
    )

    store_subtrees(log.connection, 256**2)

    assert log.one("SELECT number, root FROM subtree WHERE level = 2") == (0, root_of(level_1))
    assert StoredTree(log.connection).roots(inclusion_runs(2 * 65_536 - 1, 2 * 65_536)[-1:]) == [root_of(level_1)]


def test_a_tree_with_a_hole_proves_nothing(log):
    log.grow(600)
    log.sign()
    log.connection.execute("DELETE FROM subtree WHERE number = 1")

    with pytest.raises(MissingSubtree):
        StoredTree(log.connection).roots(inclusion_runs(0, 600))
