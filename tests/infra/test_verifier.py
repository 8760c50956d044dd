"""The verifier alone: what it takes, what it refuses, and that it finds what an insider has signed."""

import json
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest
from pymerkle import InmemoryTree

from domain.events import EVENTS
from infra import verifier
from infra.signed_note import verifier_key
from infra.verifier import Tree, UnusableError, verify
from tests.exam.tampering import FOREIGN, KEYS, ORIGIN, OURS, Log, signed_notes, written

pytestmark = pytest.mark.xdist_group("exam")
OUR_KEY = str(verifier_key(ORIGIN, OURS))


@pytest.fixture
def bundle(exam_log, tmp_path) -> Path:
    path = tmp_path / "bundle"
    path.write_bytes(exam_log.bundle())
    return path


def folder_of(bundle: Path, folder: Path) -> Path:
    _, *events, last = bundle.read_bytes().splitlines(keepends=True)
    told = json.loads(last)
    folder.mkdir()
    (folder / "events.ndjson").write_bytes(b"".join(events))
    (folder / "manifest.json").write_text(json.dumps(told["manifest"]))
    (folder / "checkpoint").write_text(told["checkpoint"])
    (folder / "checkpoints.json").write_text(json.dumps({name: told[name] for name in ("keys", "checkpoints")}))
    return folder


def with_last_line(bundle: Path, **changes) -> Path:
    *lines, last = bundle.read_bytes().splitlines(keepends=True)
    bundle.write_bytes(b"".join(lines) + json.dumps(json.loads(last) | changes).encode() + b"\n")
    return bundle


def signed_anew(log: Log, place: int, **changes) -> bytes:
    """An insider's: one event rewritten, and everything hashed and signed to fit."""
    lines = [*log.lines[: place - 1], log.lines[place - 1].but(hashed=True, **changes), *log.lines[place:]]
    leaves = [bytes.fromhex(line.parts[9].decode()) for line in lines]
    return written(lines, log, signed_notes(leaves, 500, OURS))


# -- alone ------------------------------------------------------------------------------------------------------------


def run_alone(folder: Path, *asked: str) -> subprocess.CompletedProcess:
    """The one file, copied away, by an interpreter that finds nothing of ours."""
    alone = folder / "verifier.py"
    shutil.copy(verifier.__file__, alone)
    command = [sys.executable, "-I", str(alone), *asked]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_it_runs_as_one_copied_file(bundle, exam_log, tmp_path):
    kept = tmp_path / "kept"
    kept.write_text(exam_log.notes[2500])

    run = run_alone(tmp_path, str(bundle), "--key", OUR_KEY, "--checkpoint", str(kept), "--json")

    assert (run.returncode, run.stderr) == (0, "")
    assert json.loads(run.stdout)["events"] == 5_000


def test_it_ends_with_1_and_the_place_of_what_was_tampered_with(bundle, exam_log, tmp_path):
    bundle.write_bytes(bundle.read_bytes().replace(exam_log.lines[3210].text, exam_log.lines[3210].text[:-3] + b" }}"))

    run = run_alone(tmp_path, str(bundle), "--json")

    assert run.returncode == 1
    assert json.loads(run.stdout)["first"] == json.loads(run.stdout)["last"] == 3211


def test_it_ends_with_2_and_one_sentence_on_what_it_cannot_judge(tmp_path):
    run = run_alone(tmp_path, str(tmp_path / "missing"))

    assert (run.returncode, run.stdout) == (2, "")
    assert len(run.stderr.splitlines()) == 1


def test_it_imports_nothing_of_ours():
    source = Path(verifier.__file__).read_text()

    assert not any(f"{word} {ring}" in source for word in ("import", "from") for ring in ("infra", "domain", "api"))


def test_a_folder_is_verified_as_a_file_is(bundle, tmp_path):
    assert verify(folder_of(bundle, tmp_path / "folder"), keys=KEYS).is_whole


def test_two_processes_come_to_the_same(bundle, exam_log, monkeypatch):
    monkeypatch.setattr(verifier, "ALONE_BYTES_MAX", 0)
    whole = verify(bundle, keys=KEYS)
    bundle.write_bytes(bundle.read_bytes().replace(exam_log.lines[3210].text, b"{}"))

    tampered = verify(bundle, keys=KEYS)

    assert whole.is_whole
    assert tampered.fault.covers(3_211)
    assert not tampered.fault.covers(3_000)


def test_progress_is_told_to_the_end(bundle):
    told = []

    verify(bundle, keys=KEYS, on_position=lambda position, size: told.append((position, size)))

    assert told[-1] == (5_000, 5_000)


# -- the tree, against another's --------------------------------------------------------------------------------------


def test_its_roots_are_those_of_an_independent_implementation():
    chance = Random(5)
    for _ in range(2_000):
        entries = [chance.randbytes(chance.randrange(40)) for _ in range(chance.randint(1, 64))]
        own, other = Tree(), InmemoryTree(algorithm="sha256")
        for entry in entries:
            own.append(sha256(b"\x00" + entry).digest())
            other.append_entry(entry)

        assert own.root() == other.get_root()


# -- what it cannot judge ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_an_export_cut_short_is_not_judged(seed, bundle):
    content = bundle.read_bytes()
    bundle.write_bytes(content[: Random(seed).randrange(len(content))])

    with pytest.raises(UnusableError):
        verify(bundle, keys=KEYS)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"{}\n{}\n",
        b'{"mawid_export":1}\n',
        b'{"mawid_export":1}\n{}\n',
        b'{"mawid_export":1}\n[1]\n',
        b'{"mawid_export":1}\n' + b"[" * 100_000 + b"\n",
        b'{"mawid_export":2}\n{}\n',
        b"\xff\xfe\x00" * 999,
        b"PK\x03\x04" + bytes(5_000),
        b'{"mawid_export":1}\n{"manifest":null,"keys":null,"checkpoint":null,"checkpoints":null}\n',
        b'{"mawid_export":1}\n{"manifest":{"format":1,"events":true},"keys":[1],"checkpoint":"","checkpoints":[]}\n',
    ],
)
def test_what_is_no_export_is_not_judged(content, tmp_path):
    (tmp_path / "bundle").write_bytes(content)

    with pytest.raises(UnusableError):
        verify(tmp_path / "bundle", keys=KEYS)


@pytest.mark.parametrize("name", ["events.ndjson", "manifest.json", "checkpoint", "checkpoints.json"])
def test_a_folder_that_lacks_a_file_is_not_judged(name, bundle, tmp_path):
    folder = folder_of(bundle, tmp_path / "folder")
    (folder / name).unlink()

    with pytest.raises(UnusableError):
        verify(folder, keys=KEYS)


@pytest.mark.parametrize("name", ["manifest.json", "checkpoint", "checkpoints.json"])
@pytest.mark.parametrize("content", [b"", b"\xff\xff", b"[]", b"{}", b'{"keys":[],"checkpoints":[3]}', b"a\nb\nc\n\n"])
def test_a_folder_with_a_damaged_file_is_not_judged(name, content, bundle, tmp_path):
    folder = folder_of(bundle, tmp_path / "folder")
    (folder / name).write_bytes(content)

    with pytest.raises(UnusableError):
        verify(folder, keys=KEYS)


def test_the_key_of_another_log_is_not_a_verdict(bundle):
    with pytest.raises(UnusableError):
        verify(bundle, keys=verifier.keys_of(str(verifier_key("mawid/other", FOREIGN))))


@pytest.mark.parametrize("key", ["", "a", "a+b+c", OUR_KEY[:-4], OUR_KEY.replace("exam", "exan"), "/dev/null", "/"])
def test_what_is_no_key_is_refused(key):
    with pytest.raises(UnusableError):
        verifier.keys_of(key)


def test_a_checkpoint_of_another_log_or_key_is_refused(bundle, exam_log):
    note = exam_log.notes[1000]
    other_log = verifier.Checkpoint.parse(note.replace("mawid/exam\n", "mawid/other\n", 1), "kept")
    other_key = verifier.Checkpoint.parse(note.replace(" mawid/exam ", " mawid/elsewhere "), "kept")

    for kept in (other_log, other_key):
        with pytest.raises(UnusableError):
            verify(bundle, keys=KEYS, kept=kept)


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"a\nb\nc\n", b"a\n1\nQUJD\n\nx\n", b"a\n01\n\n\n\xe2\x80\x94 a b\n"]
)
def test_what_is_no_checkpoint_is_refused(content, tmp_path):
    (tmp_path / "kept").write_bytes(content)

    with pytest.raises(UnusableError):
        verifier.kept_checkpoint(tmp_path / "kept")


def test_without_a_key_the_export_vouches_for_itself_and_says_so(bundle):
    verdict = verify(bundle)

    assert verdict.is_whole
    assert len(verdict.notes) == 1


def test_an_export_without_a_key_of_its_own_needs_one(bundle):
    with pytest.raises(UnusableError):
        verify(with_last_line(bundle, keys=[]))


def test_a_fact_of_a_later_version_is_not_judged(bundle, exam_log):
    last = exam_log.lines[-1]
    stream = {"stream": b"thing/1", "stream_version": b"1"}
    bundle.write_bytes(signed_anew(exam_log, len(exam_log.lines), type=b"ThingDone.v9", **stream))

    assert b"ThingDone.v9" not in last.text
    with pytest.raises(UnusableError):
        verify(bundle, keys=KEYS)


def test_it_knows_every_event_there_is(bundle):
    known = verifier.TOLD_ELSEWHERE | verifier.ReplayPass(verifier.Export.open(bundle))._folds.keys()

    assert known == {event.TOPIC.encode() for event in EVENTS}


# -- what it finds ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("junk", [b"x" * 3_000_000, b"\xff\xfe", b"", b"{}", b"null", b"\r"])
def test_junk_between_the_events_is_found(junk, bundle, exam_log):
    line = exam_log.lines[1999].text
    bundle.write_bytes(bundle.read_bytes().replace(line, line + b"\n" + junk))

    assert verify(bundle, keys=KEYS).fault.covers(2_001)


@pytest.mark.parametrize(
    ("name", "value"),
    [("events", 4_999), ("root", "AAAA"), ("sha256", "00"), ("figures", {}), ("figures", None)],
)
def test_a_manifest_that_does_not_fit_is_found(name, value, bundle, exam_log):
    manifest = json.loads(bundle.read_bytes().splitlines()[-1])["manifest"]

    verdict = verify(with_last_line(bundle, manifest=manifest | {name: value}), keys=KEYS)

    assert verdict.fault.first is None


@pytest.mark.parametrize("figure", ["running_count", "totals", "by_service", "by_office", "milestones"])
def test_a_published_figure_that_does_not_follow_is_found(figure, bundle, exam_log):
    manifest = json.loads(bundle.read_bytes().splitlines()[-1])["manifest"]
    manifest["figures"][figure] = 1

    assert not verify(with_last_line(bundle, manifest=manifest), keys=KEYS).is_whole


def test_events_that_no_checkpoint_vouches_for_are_found(bundle, exam_log):
    notes = {size: note for size, note in exam_log.notes.items() if size <= 4_000}
    bundle.write_bytes(written(exam_log.lines, exam_log, notes))

    assert verify(bundle, keys=KEYS).fault.first == 4_001


def test_a_damaged_line_is_not_called_the_first_where_a_forged_one_may_stand_before_it(bundle, exam_log):
    forged = exam_log.lines[1_699].but(hashed=True, at=b"2010-11-27T00:00:00.000001")
    damaged = exam_log.lines[1_749].but(hashed=False, at=b"2010-11-27T00:00:00.000001")
    lines = [*exam_log.lines[:1_699], forged, *exam_log.lines[1_700:1_749], damaged, *exam_log.lines[1_750:]]
    bundle.write_bytes(written(lines, exam_log, exam_log.notes))

    fault = verify(bundle, keys=KEYS).fault

    assert (fault.first, fault.last) == (1_501, 1_750)


def place_of(log: Log, topic: bytes, of: int = 0) -> int:
    return [n for n, line in enumerate(log.lines, 1) if line.parts[3] == topic][of]


@pytest.mark.parametrize(
    ("topic", "before", "after"),
    [
        (b"SlotBooked.v1", b'"minutes":15', b'"minutes":20'),
        (b"SlotBooked.v1", b'"office":"CA', b'"office":"XX'),
        (b"SlotBooked.v1", b'{"by"', b'{"by'),
        (b"SlotBooked.v1", b'"service"', b'"sorvice"'),
        (b"BookingCancelled.v1", b'"service":"SV-CA', b'"service":"SV-XX'),
        (b"BookingMovedOut.v1", b'"to_office":"CA', b'"to_office":"XX'),
        (b"OutcomeRecorded.v1", b'"outcome":"', b'"outcome":"un'),
        (b"SlotOpened.v1", b'"capacity":', b'"capacity":-'),
    ],
)
def test_a_fact_that_tells_what_cannot_be_is_found_though_it_is_signed(topic, before, after, bundle, exam_log):
    place = place_of(exam_log, topic, of=3)
    state = exam_log.lines[place - 1].parts[10].replace(before, after, 1)
    bundle.write_bytes(signed_anew(exam_log, place, state=state))

    assert state != exam_log.lines[place - 1].parts[10]
    assert not verify(bundle, keys=KEYS).is_whole


def test_a_cancellation_of_nothing_is_found_though_it_is_signed(bundle, exam_log):
    place = place_of(exam_log, b"BookingCancelled.v1", of=5)
    bundle.write_bytes(signed_anew(exam_log, place, booking=b'"00000000000000000000"'))

    assert verify(bundle, keys=KEYS).fault.first == place


def test_a_booking_made_twice_is_found_though_it_is_signed(bundle, exam_log):
    first, second = place_of(exam_log, b"SlotBooked.v1", of=3), place_of(exam_log, b"SlotBooked.v1", of=300)
    bundle.write_bytes(signed_anew(exam_log, second, booking=exam_log.lines[first - 1].parts[5]))

    assert verify(bundle, keys=KEYS).fault.first == second


def test_a_second_active_booking_is_found_though_it_is_signed(bundle, exam_log):
    made = [(n, line) for n, line in enumerate(exam_log.lines, 1) if line.parts[3] == b"SlotBooked.v1" and n < 4_000]
    n, line = made[-1]
    service = json.loads(line.parts[10])["service"]
    other = next(each for _, each in reversed(made[:-1]) if json.loads(each.parts[10])["service"] == service)
    bundle.write_bytes(signed_anew(exam_log, n, person=other.parts[4]))

    assert verify(bundle, keys=KEYS).fault.first == n


def test_a_full_slot_that_is_booked_is_found_though_it_is_signed(bundle, exam_log):
    booked = place_of(exam_log, b"SlotBooked.v1", of=900)
    stream = exam_log.lines[booked - 1].stream
    opened = next(
        n for n, line in enumerate(exam_log.lines, 1) if line.stream == stream and line.parts[3] == b"SlotOpened.v1"
    )
    state = json.loads(exam_log.lines[opened - 1].parts[10]) | {"capacity": 0}
    bundle.write_bytes(signed_anew(exam_log, opened, state=json.dumps(state).encode()))

    fault = verify(bundle, keys=KEYS).fault

    assert fault.last is None
    assert fault.first is not None
    assert opened < fault.first <= booked
