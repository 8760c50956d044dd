"""The export: a faithful copy, the same byte for byte however often it is made or interrupted."""

import fcntl
import json
from base64 import b64decode
from itertools import pairwise

import psycopg
import pytest

import infra.export
from infra.export import ExportFailed, Signed, export_log, signed_now
from infra.export.tiles import tile_path
from infra.merkle import Frontier, root_of
from infra.verifier import LINE, UnusableError, verify

pytestmark = pytest.mark.xdist_group("exam")
UNSIGNED = Signed([], [])


class Interrupted(Exception):
    pass


@pytest.fixture
def saved_often(monkeypatch):
    """A draft is marked each 1,000 events, so that a story of some thousand is interrupted in the middle."""
    monkeypatch.setattr(infra.export, "SAVE_EVERY_EVENTS", 1_000)
    monkeypatch.setattr(infra.export.stretches, "STRETCH_EVENTS", 500)


def interrupt_after(events):
    def on_progress(standing):
        if standing.done >= events:
            raise Interrupted

    return on_progress


def files_in(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_made_twice_at_one_head_it_is_the_same(story_url, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"

    export_log(story_url, first, UNSIGNED)
    export_log(story_url, second, UNSIGNED)

    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("events", [500, 1_500, 3_700])
def test_an_interrupted_export_goes_on_and_ends_the_same(events, story_url, tmp_path, saved_often):
    whole, path = tmp_path / "whole", tmp_path / "path"
    export_log(story_url, whole, UNSIGNED)

    with pytest.raises(Interrupted):
        export_log(story_url, path, UNSIGNED, on_progress=interrupt_after(events))
    exported = export_log(story_url, path, UNSIGNED)

    assert path.read_bytes() == whole.read_bytes()
    assert exported.resumed_at == (events // 1_000 * 1_000 or None)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["path", "whole"]


def test_an_interrupted_folder_goes_on_and_ends_the_same(story_url, tmp_path, saved_often):
    whole, path = tmp_path / "whole", tmp_path / "path"
    export_log(story_url, whole, UNSIGNED, as_folder=True)

    with pytest.raises(Interrupted):
        export_log(story_url, path, UNSIGNED, as_folder=True, on_progress=interrupt_after(2_500))
    exported = export_log(story_url, path, UNSIGNED, as_folder=True)

    assert exported.resumed_at is not None
    assert files_in(path) == files_in(whole)


def test_by_processes_of_their_own_it_is_the_same(story_url, tmp_path, monkeypatch):
    alone, apart = tmp_path / "alone", tmp_path / "apart"
    export_log(story_url, alone, UNSIGNED)

    monkeypatch.setattr(infra.export, "ALONE_EVENTS_MAX", 0)
    exported = export_log(story_url, apart, UNSIGNED)

    assert exported.warnings == []
    assert apart.read_bytes() == alone.read_bytes()


def test_a_draft_of_another_log_is_not_gone_on_with(story_url, office, tmp_path, saved_often):
    path, whole = tmp_path / "path", tmp_path / "whole"
    for seed in range(3):
        office.submit(office.booking(seed))
    with pytest.raises(Interrupted):
        export_log(story_url, path, UNSIGNED, on_progress=interrupt_after(1_000))

    exported = export_log(office.instance.dsn, path, UNSIGNED)
    export_log(office.instance.dsn, whole, UNSIGNED)

    assert exported.resumed_at is None
    assert path.read_bytes() == whole.read_bytes()


def test_a_folder_tells_the_same_as_a_file(story_url, tmp_path):
    file, folder = tmp_path / "file", tmp_path / "folder"

    exported = export_log(story_url, file, UNSIGNED)
    export_log(story_url, folder, UNSIGNED, as_folder=True)

    header, *events, last = file.read_bytes().splitlines(keepends=True)
    assert json.loads(header) == {"mawid_export": 1}
    assert b"".join(events) == (folder / "events.ndjson").read_bytes()
    assert json.loads(last)["manifest"] == json.loads((folder / "manifest.json").read_bytes())
    assert len(events) == exported.events


def test_every_line_is_json_with_the_stored_bytes_in_it(story_url, tmp_path):
    export_log(story_url, tmp_path / "file", UNSIGNED)

    with psycopg.connect(story_url) as session:
        stored = session.execute("SELECT position, stream, booking, state FROM log ORDER BY position").fetchall()

    _, *lines, _ = (tmp_path / "file").read_bytes().splitlines()
    told = [json.loads(line) for line in lines]
    assert [(each["position"], each["stream"], each["booking"]) for each in told] == [row[:3] for row in stored]
    assert [LINE.fullmatch(line)[11] for line in lines] == [bytes(row[3]) for row in stored]


def test_the_tiles_are_the_tree(story_url, tmp_path):
    exported = export_log(story_url, tmp_path, UNSIGNED, as_folder=True)

    leaves = b""
    full, rest = divmod(exported.events, 256)
    for index in range(full):
        leaves += (tmp_path / tile_path(0, index)).read_bytes()
    leaves += (tmp_path / tile_path(0, full, rest)).read_bytes() if rest else b""
    hashes = [leaves[at : at + 32] for at in range(0, len(leaves), 32)]
    above = (tmp_path / tile_path(1, 0, full)).read_bytes()
    assert root_of(hashes) == b64decode(exported.root)
    assert [above[at : at + 32] for at in range(0, len(above), 32)] == [
        root_of(hashes[begin : begin + 256]) for begin in range(0, full * 256, 256)
    ]


def test_a_tile_is_named_as_others_name_it():
    assert tile_path(0, 5) == "tile/0/005"
    assert tile_path(1, 1_234_067) == "tile/1/x001/x234/067"
    assert tile_path(2, 3, 17) == "tile/2/003.p/17"


def test_an_instance_signs_the_head_and_exports_up_to_it(office, tmp_path):
    office.submit(office.booking(1))
    settings = office._settings

    exported = export_log(office.instance.dsn, tmp_path / "file", signed_now(settings, office.instance.dsn))

    assert exported.warnings == []
    assert verify(tmp_path / "file").is_whole
    assert exported.events == office.head()


@pytest.fixture
def forged(office):
    """An office whose last event has been rewritten, into what the log would never hold."""
    office.submit(office.booking(1))
    signed_now(office._settings, office.instance.dsn)
    place = office.head()
    with psycopg.connect(office.instance.dsn) as session:
        session.execute("SET session_replication_role = replica")
        session.execute("UPDATE log SET state = '\\x00ff', at = 'infinity' WHERE position = %s", (place,))
    return office, place


def test_a_tampered_log_is_exported_as_it_is_and_told_of(forged, tmp_path):
    office, place = forged
    office.submit(office.booking(2))

    exported = export_log(office.instance.dsn, tmp_path / "file", signed_now(office._settings, office.instance.dsn))

    assert exported.warnings != []
    assert exported.events == office.head()
    assert verify(tmp_path / "file").fault.first == place


def test_a_log_that_is_signed_no_more_is_exported_under_the_last_checkpoint_signed(forged, tmp_path):
    office, place = forged
    with psycopg.connect(office.instance.dsn) as session:
        session.execute("UPDATE log_head SET frontier = set_byte(frontier, 20, get_byte(frontier, 20) # 1)")
        session.execute("DELETE FROM checkpoint")

    signed = signed_now(office._settings, office.instance.dsn)
    exported = export_log(office.instance.dsn, tmp_path / "file", signed)

    assert signed.warning is not None
    assert [size for size, _ in signed.checkpoints] == [place]
    assert exported.events == place
    assert verify(tmp_path / "file").fault.first == place


def test_without_a_checkpoint_nothing_can_be_verified(story_url, tmp_path):
    export_log(story_url, tmp_path / "file", UNSIGNED)

    with pytest.raises(UnusableError):
        verify(tmp_path / "file")


def test_an_empty_log_is_an_export_without_events(database_url, tmp_path):
    exported = export_log(database_url, tmp_path / "file", UNSIGNED)

    assert exported.events == 0
    assert b64decode(exported.root) == Frontier().root()


def test_of_the_checkpoints_the_last_of_each_stretch_goes_along():
    sizes = [1, 9_999, 10_000, 10_001, 25_000, 29_999, 30_003]

    thinned = infra.export._thinned([(size, str(size)) for size in sizes])

    assert [size for size, _ in thinned] == [9_999, 10_001, 29_999, 30_003]
    assert all(before < after for (before, _), (after, _) in pairwise(thinned))


def test_two_exports_to_one_place_do_not_write_into_each_other(story_url, tmp_path):
    with (tmp_path / ".file.part").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        with pytest.raises(ExportFailed):
            export_log(story_url, tmp_path / "file", UNSIGNED)


def test_a_place_that_cannot_be_written_to_is_said(story_url, tmp_path):
    with pytest.raises(ExportFailed):
        export_log(story_url, tmp_path / "no-such-folder" / "file", UNSIGNED)
