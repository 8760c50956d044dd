"""The exam of the verifier: eleven kinds of tampering in exported files, at places drawn by chance, and controls.

    python -m tests.exam.tampering [KIND …] [--places 200] [--controls 200] [--events 100000] [--seed 1]

A `plain` forger changes lines and leaves everything else; a `thorough` one also hashes the leaves anew and writes the
manifest to fit. Neither has the log's key, but where the kind says so.
"""

import argparse
import json
import sys
import tempfile
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date
from hashlib import sha256
from pathlib import Path
from random import Random

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infra import verifier
from infra.bootstrap import open_instance
from infra.export import HEADER, Signed, export_log
from infra.merkle import Frontier, leaf_of_bytes
from infra.postgres import start_embedded
from infra.settings import Settings
from infra.signed_note import Checkpoint, signed, verifier_key
from infra.simulate import simulate

ORIGIN = "mawid/exam"
OURS = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
FOREIGN = Ed25519PrivateKey.from_private_bytes(b"\x02" * 32)
KEYS = verifier.keys_of(str(verifier_key(ORIGIN, OURS)))


@dataclass(frozen=True)
class Line:
    """One event of an export, in its parts: as the pattern of the verifier takes it apart."""

    parts: tuple[bytes, ...]
    text: bytes  # without the newline

    @property
    def stream(self) -> bytes:
        return self.parts[1]

    def leaf(self) -> bytes:
        position, stream, version, topic, person, booking, command, at, recorded, _, state = self.parts
        return leaf_of_bytes(
            int(position),
            stream,
            int(version),
            topic,
            None if person == b"null" else person[1:-1],
            None if booking == b"null" else booking[1:-1],
            None if command == b"null" else bytes.fromhex(command[1:-1].decode()),
            verifier.microseconds(at),
            verifier.microseconds(recorded),
            state,
        )

    def but(self, *, hashed: bool, **changes: bytes) -> "Line":
        """With other parts, and a leaf that fits them or the one before."""
        line = _line(tuple(changes.get(name, part) for name, part in zip(PARTS, self.parts, strict=True)))
        return _line((*line.parts[:9], line.leaf().hex().encode(), line.parts[10])) if hashed else line


PARTS = (
    "position",
    "stream",
    "stream_version",
    "type",
    "person",
    "booking",
    "command_id",
    "at",
    "recorded_at",
    "leaf",
    "state",
)


def _line(parts: tuple[bytes, ...]) -> Line:
    text = (
        b'{"position":%b,"stream":"%b","stream_version":%b,"type":"%b","person":%b,"booking":%b,"command_id":%b,'
        b'"at":"%bZ","recorded_at":"%bZ","leaf":"%b","state":%b}' % parts
    )
    return Line(parts, text)


@dataclass(frozen=True)
class Log:
    """An exported log with what vouches for it."""

    lines: list[Line]
    figures: dict
    checkpoint_every: int
    notes: dict[int, str] = field(default_factory=dict)  # size → what our key signed

    def bundle(self) -> bytes:
        return written(self.lines, self, self.notes)

    def kept(self, size: int) -> verifier.Checkpoint:
        return verifier.Checkpoint.parse(self.notes[size], "kept")


def signed_notes(leaves: Sequence[bytes], every: int, key: Ed25519PrivateKey) -> dict[int, str]:
    tree, notes = Frontier(), {}
    for begin in range(0, len(leaves), every):
        tree.extend(leaves[begin : begin + every])
        checkpoint = Checkpoint(ORIGIN, tree.size, tree.root())
        notes[tree.size] = str(signed(checkpoint.text, ORIGIN, [key]))
    return notes


def written(lines: Sequence[Line], log: Log, notes: dict[int, str], *, fits: bool = True) -> bytes:
    """A bundle of these lines; `fits`: its manifest tells of them, else of the log's own."""
    events = b"".join([line.text + b"\n" for line in lines])
    told = lines if fits else log.lines
    tree = Frontier()
    tree.extend([bytes.fromhex(line.parts[9].decode()) for line in told])
    manifest = {
        "format": 1,
        "events": len(told),
        "root": b64encode(tree.root()).decode(),
        "sha256": sha256(events if fits else b"").hexdigest(),
        "figures": log.figures,
    }
    *earlier, newest = [notes[size] for size in sorted(notes)]
    last = {
        "manifest": manifest,
        "keys": [str(verifier_key(ORIGIN, OURS))],
        "checkpoint": newest,
        "checkpoints": earlier,
    }
    return HEADER + events + json.dumps(last, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def log_of(bundle: bytes, events: int, checkpoint_every: int) -> Log:
    """The first events of an exported bundle, under checkpoints of the exam's own key."""
    rows = verifier.LINE.findall(bundle)[:events]
    lines = [_line(row) for row in rows]
    notes = signed_notes([bytes.fromhex(line.parts[9].decode()) for line in lines], checkpoint_every, OURS)
    log = Log(lines, {}, checkpoint_every, notes)
    with tempfile.TemporaryDirectory() as folder:  # the figures of so many events
        path = Path(folder, "bundle")
        path.write_bytes(log.bundle())
        replayed = verifier.ReplayPass(verifier.Export.open(path)).run(lambda _: None)
    assert replayed.fault is None
    return replace(log, figures=replayed.figures)


def story(dsn_settings: Settings, bookings: int) -> None:
    with open_instance(dsn_settings, dsn_settings.storage.database_url) as instance:
        simulate(instance, since=date(2010, 11, 27), bookings=bookings)


# -- the kinds --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tampered:
    bundle: bytes
    place: int  # the first bad position
    is_exact: bool  # whether it can be known: no forger has made the lines before and after fit
    kept: verifier.Checkpoint | None = None


Kind = Callable[[Log, Random, bool], Tampered]


def _place(log: Log, chance: Random, *, besides_last: int = 0) -> int:
    return chance.randint(1, len(log.lines) - besides_last)


def _renumbered(lines: Sequence[Line], begin: int, *, hashed: bool) -> list[Line]:
    """Lines from index `begin` on numbered as they stand."""
    return [
        *lines[:begin],
        *(line.but(hashed=hashed, position=b"%d" % n) for n, line in enumerate(lines[begin:], begin + 1)),
    ]


def bit_flip(log: Log, chance: Random, thorough: bool) -> Tampered:
    place = _place(log, chance)
    line = log.lines[place - 1]
    if thorough:  # in the bytes of the event, which stay what they seem to be
        state = line.parts[10].replace(b'"by":"', b'"by":"' + bytes([chance.choice(b"abcdefgh")]), 1)
        lines = [*log.lines[: place - 1], line.but(hashed=True, state=state), *log.lines[place:]]
        return Tampered(written(lines, log, log.notes), place, is_exact=False)
    bundle = bytearray(log.bundle())
    begin = len(HEADER) + sum(len(each.text) + 1 for each in log.lines[: place - 1])
    while True:
        at, bit = begin + chance.randrange(len(line.text)), 1 << chance.randrange(8)
        if bundle[at] ^ bit != ord("\n"):  # two lines of one: the next does not follow then
            bundle[at] ^= bit
            return Tampered(bytes(bundle), place, is_exact=True)


def timestamp(log: Log, chance: Random, thorough: bool) -> Tampered:
    place = _place(log, chance)
    line = log.lines[place - 1]
    name, part = chance.choice([("at", line.parts[7]), ("recorded_at", line.parts[8])])
    other = part[:-1] + (b"1" if part[-1:] != b"1" else b"2")
    lines = [*log.lines[: place - 1], line.but(hashed=thorough, **{name: other}), *log.lines[place:]]
    return Tampered(written(lines, log, log.notes, fits=thorough), place, is_exact=not thorough)


def delete(log: Log, chance: Random, thorough: bool) -> Tampered:
    place = _place(log, chance)
    lines = [*log.lines[: place - 1], *log.lines[place:]]
    return Tampered(written(lines, log, log.notes, fits=thorough), place, is_exact=True)


def delete_and_renumber(log: Log, chance: Random, thorough: bool) -> Tampered:
    place = _place(log, chance)
    lines = _renumbered([*log.lines[: place - 1], *log.lines[place:]], place - 1, hashed=thorough)
    return Tampered(written(lines, log, log.notes, fits=thorough), place, is_exact=False)


def insert(log: Log, chance: Random, thorough: bool) -> Tampered:
    place = _place(log, chance)
    added = chance.choice(log.lines).but(hashed=True, position=b"%d" % place)
    lines = [*log.lines[: place - 1], added, *log.lines[place - 1 :]]
    if thorough:
        lines = _renumbered(lines, place, hashed=True)
    return Tampered(written(lines, log, log.notes, fits=thorough), place, is_exact=False)


def swap(log: Log, chance: Random, thorough: bool) -> Tampered:
    place = _place(log, chance, besides_last=1)
    other = chance.randint(place + 1, min(len(log.lines), place + 50))
    lines = list(log.lines)
    lines[place - 1], lines[other - 1] = lines[other - 1], lines[place - 1]
    if thorough:
        for at in (place, other):
            lines[at - 1] = lines[at - 1].but(hashed=True, position=b"%d" % at)
    return Tampered(written(lines, log, log.notes, fits=thorough), place, is_exact=not thorough)


def cut_the_tail(log: Log, chance: Random, thorough: bool) -> Tampered:
    """The thorough one shows the checkpoint that was signed where the cut is: only a kept one tells."""
    if not thorough:
        place = _place(log, chance)
        return Tampered(written(log.lines[: place - 1], log, log.notes), place, is_exact=place - 1 in log.notes)
    size = chance.choice(sorted(log.notes)[:-1])
    notes = {each: note for each, note in log.notes.items() if each <= size}
    kept = log.kept(chance.choice([each for each in log.notes if each > size]))
    return Tampered(written(log.lines[:size], log, notes), size + 1, is_exact=True, kept=kept)


def drop_a_stream(log: Log, chance: Random, thorough: bool) -> Tampered:
    stream = chance.choice(log.lines).stream
    lines = [line for line in log.lines if line.stream != stream]
    place = next(n for n, line in enumerate(log.lines, 1) if line.stream == stream)
    if thorough:
        lines = _renumbered(lines, place - 1, hashed=True)
    return Tampered(written(lines, log, log.notes, fits=thorough), place, is_exact=not thorough)


def copy_from_another_stream(log: Log, chance: Random, thorough: bool) -> Tampered:
    place = _place(log, chance)
    line = log.lines[place - 1]
    while (other := chance.choice(log.lines)).stream == line.stream:
        pass
    names = ("type", "person", "booking", "command_id", "state")
    copied = dict(zip(PARTS, other.parts, strict=True))
    lines = [
        *log.lines[: place - 1],
        line.but(hashed=thorough, **{name: copied[name] for name in names}),
        *log.lines[place:],
    ]
    return Tampered(written(lines, log, log.notes, fits=thorough), place, is_exact=not thorough)


def _rewritten(log: Log, chance: Random, place: int) -> list[Line]:
    line = log.lines[place - 1]
    state = line.parts[10].replace(b'"by":"', b'"by":"' + bytes([chance.choice(b"abcdefgh")]), 1)
    return [*log.lines[: place - 1], line.but(hashed=True, state=state), *log.lines[place:]]


def resign_with_another_key(log: Log, chance: Random, thorough: bool) -> Tampered:
    """In the log's own name. The thorough forger lets the earlier checkpoints stand that the rewrite leaves true."""
    place = _place(log, chance)
    lines = _rewritten(log, chance, place)
    leaves = [bytes.fromhex(line.parts[9].decode()) for line in lines]
    notes = signed_notes(leaves, log.checkpoint_every, FOREIGN)
    if thorough:
        notes |= {size: note for size, note in log.notes.items() if size < place}
    kept = log.kept(chance.choice([size for size in log.notes if size >= place])) if chance.random() < 0.5 else None
    return Tampered(written(lines, log, notes), place, is_exact=False, kept=kept)


def resign_with_the_real_key(log: Log, chance: Random, thorough: bool) -> Tampered:
    """Only a checkpoint that was kept elsewhere can tell; the thorough forger has signed all earlier ones anew too."""
    place = _place(log, chance)
    lines = _rewritten(log, chance, place)
    leaves = [bytes.fromhex(line.parts[9].decode()) for line in lines]
    notes = signed_notes(leaves, log.checkpoint_every if thorough else len(leaves), OURS)
    kept = log.kept(chance.choice([size for size in log.notes if size >= place]))
    return Tampered(written(lines, log, notes), place, is_exact=False, kept=kept)


KINDS: tuple[Kind, ...] = (
    bit_flip,
    timestamp,
    delete,
    delete_and_renumber,
    insert,
    swap,
    cut_the_tail,
    drop_a_stream,
    copy_from_another_stream,
    resign_with_another_key,
    resign_with_the_real_key,
)


# -- the exam ---------------------------------------------------------------------------------------------------------


@dataclass
class Marks:
    tried: int = 0
    found: int = 0
    exact: int = 0  # the very position told, and nothing else
    within: int = 0  # told to lie between two positions, and it does
    unplaced: int = 0  # found by a signature alone
    wrong: list[str] = field(default_factory=list)  # missed, or a place told that is not the first

    def mark(self, tampered: Tampered, verdict: verifier.Verdict, what: str) -> None:
        self.tried += 1
        fault = verdict.fault
        if fault is None:
            self.wrong.append(f"{what}: not found at {tampered.place}")
            return
        self.found += 1
        first, last = fault.first, fault.last or fault.first
        if first is None or last is None:
            self.unplaced += 1
        elif first == last == tampered.place:
            self.exact += 1
        elif fault.covers(tampered.place) and not tampered.is_exact:
            self.within += 1
        else:
            self.wrong.append(f"{what}: {tampered.place} is the first, told was {first} to {last}: {fault.why}")


def judged(tampered: Tampered, path: Path) -> verifier.Verdict:
    path.write_bytes(tampered.bundle)
    return verifier.verify(path, keys=KEYS, kept=tampered.kept)


def examine(log: Log, kind: Kind, places: int, chance: Random, path: Path) -> Marks:
    """Half of the places by a plain forger, half by a thorough one."""
    marks = Marks()
    for n in range(places):
        tampered = kind(log, chance, bool(n % 2))
        marks.mark(tampered, judged(tampered, path), f"{kind.__name__} {n}")
    return marks


def controls(log: Log, count: int, chance: Random, path: Path) -> Counter[str]:
    """Untouched, each against a checkpoint that may have been kept."""
    verdicts: Counter[str] = Counter()
    for _ in range(count):
        tampered = Tampered(log.bundle(), 0, is_exact=False, kept=log.kept(chance.choice(sorted(log.notes))))
        fault = judged(tampered, path).fault
        verdicts["whole" if fault is None else str(fault)] += 1
    return verdicts


def made_log(folder: Path, events: int, checkpoint_every: int) -> Log:
    server = start_embedded(folder / "postgres", durable=False)
    with ExitStack() as parts:
        parts.callback(server.leave)
        environ = {"MAWID_DATABASE_URL": server.dsn, "MAWID_DATA_DIR": str(folder)}
        from infra.migrate import migrate  # noqa: PLC0415

        migrate(server.dsn)
        story(Settings.load(environ), bookings=events * 45 // 100)
        path = folder / "story"
        export_log(server.dsn, path, Signed([], []))
    return log_of(path.read_bytes(), events, checkpoint_every)


def main() -> int:
    asked = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    asked.add_argument("kinds", nargs="*", metavar="KIND", help="of tampering; default: all eleven")
    asked.add_argument("--places", type=int, default=200)
    asked.add_argument("--controls", type=int, default=200)
    asked.add_argument("--events", type=int, default=100_000)
    asked.add_argument("--checkpoint-every", type=int, default=1_000)
    asked.add_argument("--seed", type=int, default=1)
    options = asked.parse_args()
    chance, wrong = Random(options.seed), 0
    with tempfile.TemporaryDirectory() as folder:
        log, path = made_log(Path(folder), options.events, options.checkpoint_every), Path(folder, "bundle")
        print(f"{len(log.lines)} events, a checkpoint each {options.checkpoint_every}, seed {options.seed}", flush=True)
        for kind in [kind for kind in KINDS if not options.kinds or kind.__name__ in options.kinds]:
            started = time.monotonic()
            marks = examine(log, kind, options.places, chance, path)
            wrong += len(marks.wrong)
            print(
                f"{kind.__name__}: {marks.found} of {marks.tried} found, {marks.exact} to the position, {marks.within}"
                f" within a range, {marks.unplaced} by a signature alone; {len(marks.wrong)} wrong"
                f" ({time.monotonic() - started:.0f} s)",
                flush=True,
            )
            for each in marks.wrong[:10]:
                print(f"  {each}", flush=True)
        verdicts = controls(log, options.controls, chance, path)
        wrong += options.controls - verdicts["whole"]
        print(f"controls: {dict(verdicts)}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
