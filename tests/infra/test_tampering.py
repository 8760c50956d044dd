"""Eleven kinds of tampering, in exported files and as a superuser in the database: each is found, and where."""

from base64 import b64decode
from pathlib import Path
from random import Random

import psycopg
import pytest

from infra import verifier
from infra.export import Signed, export_log
from infra.merkle import Frontier, leaf_hash
from infra.packing import microseconds
from infra.signed_note import Checkpoint, signed, verifier_key
from tests.conftest import temporary_database
from tests.exam.tampering import FOREIGN, KEYS, KINDS, ORIGIN, OURS, controls, examine

pytestmark = pytest.mark.xdist_group("exam")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_tampering_with_a_file_is_found_where_it_begins(kind, exam_log, tmp_path):
    marks = examine(exam_log, kind, 20, Random(kind.__name__), tmp_path / "bundle")

    assert marks.wrong == []
    assert marks.found == marks.tried == 20


def test_untouched_files_are_whole(exam_log, tmp_path):
    assert controls(exam_log, 10, Random(7), tmp_path / "bundle") == {"whole": 10}


# -- as a superuser in the database -----------------------------------------------------------------------------------


@pytest.fixture
def forged(postgres_server, story_url):
    """A copy of the story, with what its signer has signed, and a session that no trigger stops."""
    name = psycopg.conninfo.conninfo_to_dict(story_url)["dbname"]
    with temporary_database(postgres_server, str(name)) as url, psycopg.connect(url, autocommit=True) as session:
        session.execute("SET session_replication_role = replica")
        session.execute("ALTER TABLE log DROP CONSTRAINT log_pkey, DROP CONSTRAINT log_stream_stream_version_key")
        session.execute("CREATE INDEX ON log (position)")
        yield Forged(url, session)


class Forged:
    def __init__(self, url: str, session: psycopg.Connection) -> None:
        self.url, self._session = url, session
        self.notes = self._notes(OURS)
        self.size = max(self.notes)

    def execute(self, statement: str, **values) -> None:
        self._session.execute(statement, values)

    def copy_of(self, position: int, **changes) -> None:
        columns = "stream, stream_version, type, person, booking, command_id, at, recorded_at, state, leaf"
        self.execute(
            f"INSERT INTO log (position, {columns}) SELECT %(to)s, {columns} FROM log WHERE position = %(position)s",
            position=position,
            **changes,
        )

    def rehash(self) -> None:
        """The leaves, and the edge of the tree in the head: as if what is there had always been there."""
        rows = self._rows()
        tree = Frontier()
        with self._session.cursor() as cursor:
            leaves = [_leaf(row) for row in rows]
            tree.extend(leaves)
            cursor.executemany(
                "UPDATE log SET leaf = %s WHERE position = %s AND leaf <> %s",
                [(leaf, row[0], leaf) for leaf, row in zip(leaves, rows, strict=True)],
            )
        self.execute(
            "UPDATE log_head SET position = %(size)s, frontier = %(edge)s", size=tree.size, edge=tree.to_bytes()
        )

    def resign(self, key) -> None:
        self.notes = self._notes(key)

    def _rows(self):
        return self._session.execute(
            "SELECT position, stream, stream_version, type, person, booking, command_id, at, recorded_at, state"
            " FROM log ORDER BY position, stream_version"
        ).fetchall()

    def _notes(self, key) -> dict[int, str]:
        tree, notes = Frontier(), {}
        leaves = [_leaf(row) for row in self._rows()]
        for begin in range(0, len(leaves), 500):
            tree.extend(leaves[begin : begin + 500])
            checkpoint = Checkpoint(ORIGIN, tree.size, tree.root())
            notes[tree.size] = str(signed(checkpoint.text, ORIGIN, [key]))
        return notes

    def verdict(self, path: Path, kept: str | None = None) -> verifier.Verdict:
        signed_ = Signed(sorted(self.notes.items()), [str(verifier_key(ORIGIN, OURS))])
        self.exported = export_log(self.url, path, signed_)
        checkpoint = verifier.Checkpoint.parse(kept, "kept") if kept is not None else None
        return verifier.verify(path, keys=KEYS, kept=checkpoint)


def _leaf(row) -> bytes:
    position, stream, version, topic, person, booking, command, at, recorded, state = row
    times = microseconds(at), microseconds(recorded)
    return leaf_hash(position, stream, version, topic, person, booking, command, *times, state)


RENUMBER = "UPDATE log SET position = position {} WHERE position > %(p)s"


def bit_flip(forged, place):
    forged.execute("UPDATE log SET state = set_bit(state, 77, 1 - get_bit(state, 77)) WHERE position = %(p)s", p=place)


def timestamp(forged, place):
    forged.execute("UPDATE log SET at = at + interval '1 microsecond' WHERE position = %(p)s", p=place)


def delete(forged, place):
    forged.execute("DELETE FROM log WHERE position = %(p)s", p=place)


def delete_and_renumber(forged, place):
    delete(forged, place)
    forged.execute(RENUMBER.format("- 1"), p=place)
    forged.execute("UPDATE log_head SET position = position - 1")


def insert(forged, place):
    forged.execute(RENUMBER.format("+ 1"), p=place - 1)
    forged.copy_of(place + 7, to=place)
    forged.execute("UPDATE log_head SET position = position + 1")


def swap(forged, place):
    forged.execute(
        "UPDATE log SET position = CASE position WHEN %(p)s THEN %(p)s + 1 ELSE %(p)s END"
        " WHERE position IN (%(p)s, %(p)s + 1)",
        p=place,
    )


def cut_the_tail(forged, place):
    forged.execute("DELETE FROM log WHERE position >= %(p)s", p=place)
    forged.execute("UPDATE log_head SET position = %(p)s - 1", p=place)


def drop_a_stream(forged, place):
    forged.execute("DELETE FROM log WHERE stream = (SELECT stream FROM log WHERE position = %(p)s)", p=place)


def copy_from_another_stream(forged, place):
    forged.execute(
        "UPDATE log SET state = other.state, type = other.type, person = other.person, booking = other.booking"
        " FROM log AS other WHERE log.position = %(p)s AND other.position = %(p)s - 40",
        p=place,
    )


IN_THE_DATABASE = (
    bit_flip,
    timestamp,
    delete,
    delete_and_renumber,
    insert,
    swap,
    cut_the_tail,
    drop_a_stream,
    copy_from_another_stream,
)


@pytest.mark.parametrize("forge", IN_THE_DATABASE, ids=lambda forge: forge.__name__)
@pytest.mark.parametrize("place", [1234, 2900])
def test_a_superuser_is_found_out(forge, place, forged, tmp_path):
    with psycopg.connect(forged.url) as session:
        query = "SELECT min(position) FROM log WHERE stream = (SELECT stream FROM log WHERE position = %s)"
        [(first_of_stream,)] = session.execute(query, (place,)).fetchall()
    forge(forged, place)

    verdict = forged.verdict(tmp_path / "bundle")

    assert verdict.fault.covers(first_of_stream if forge is drop_a_stream else place)
    assert forged.exported.warnings != []


@pytest.mark.parametrize(
    "forge", [each for each in IN_THE_DATABASE if each is not delete and each is not drop_a_stream]
)
def test_a_superuser_who_hashes_anew_is_found_out(forge, forged, tmp_path):
    forge(forged, 2345)
    forged.rehash()

    verdict = forged.verdict(tmp_path / "bundle")

    assert verdict.fault.covers(2345)


@pytest.mark.parametrize("place", [600, 2222])
def test_a_rewrite_signed_with_another_key_is_found_out(place, forged, tmp_path):
    kept = forged.notes[forged.size]
    timestamp(forged, place)
    forged.rehash()
    forged.resign(FOREIGN)

    alone, with_kept = forged.verdict(tmp_path / "bundle"), forged.verdict(tmp_path / "bundle", kept)

    assert alone.fault is not None
    assert with_kept.fault.covers(place)


@pytest.mark.parametrize("place", [600, 2222])
def test_a_rewrite_signed_with_the_real_key_is_found_out_by_a_kept_checkpoint_alone(place, forged, tmp_path):
    kept = forged.notes[2500]
    timestamp(forged, place)
    forged.rehash()
    forged.resign(OURS)

    alone, with_kept = forged.verdict(tmp_path / "bundle"), forged.verdict(tmp_path / "bundle", kept)

    assert alone.is_whole
    assert (with_kept.fault.first, with_kept.fault.last) == (1, 2500)


def test_an_untouched_copy_is_whole(forged, tmp_path):
    verdict = forged.verdict(tmp_path / "bundle", forged.notes[1500])

    assert verdict.is_whole
    assert forged.exported.warnings == []
    assert b64decode(verdict.root) == verifier.Checkpoint.parse(forged.notes[forged.size], "newest").root


def test_a_row_beyond_the_head_is_found(forged, tmp_path):
    forged.copy_of(2000, to=forged.size + 1)

    verdict = forged.verdict(tmp_path / "bundle")

    assert verdict.fault.first == forged.size + 1
