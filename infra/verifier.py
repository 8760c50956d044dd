"""Verifies an export of Mawid's log, alone: this one file, Python 3.11 and the `cryptography` package.

    python verifier.py EXPORT [--key KEY] [--checkpoint KEPT] [--json]

EXPORT is the file or folder that `mawid audit export` wrote; KEY a verifier key (`mawid audit key`), or a file of them;
KEPT a checkpoint that was kept from an earlier time. Needs no database, no network and nothing else of Mawid's: it was
written from the format alone, so that it does not repeat the mistakes of the program that it checks.

Ends with 0: whole. 1: tampered with, and where first. 2: cannot be judged, in one sentence.
"""

import argparse
import json
import os
import re
import sys
import time
from array import array
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection
from pathlib import Path
from struct import Struct
from typing import Any, BinaryIO, Final, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FORMAT: Final = 1
CHUNK_BYTES: Final = 1 << 19
LINE_BYTES_MAX: Final = 1 << 20
SMALL_FILE_BYTES_MAX: Final = 64 << 20  # a sealed note or a figure; not the events
ALONE_BYTES_MAX: Final = 16 << 20  # below that, a second process takes longer to start than it helps
PROGRESS_EVERY_S: Final = 0.2


class UnusableError(Exception):
    """Cannot be judged: the sentence says why."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Tampering. The first bad position is `first`, or lies between it and `last`; neither: no event's place."""

    why: str
    first: int | None = None
    last: int | None = None

    def covers(self, position: int) -> bool:
        return self.first is not None and self.first <= position <= (self.last or self.first)


@dataclass(slots=True)
class Verdict:
    events: int
    root: str
    fault: Fault | None = None
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def is_whole(self) -> bool:
        return self.fault is None


# -- RFC 6962 ---------------------------------------------------------------------------------------------------------

_LENGTH: Final = Struct(">I")
_HEAD: Final = Struct(">BIqI")
_MIDDLE: Final = Struct(">IqI")
_TAIL: Final = Struct(">IqIqI")
_ABSENT: Final = b"\xff\xff\xff\xff"
_INT64_MAX: Final = 2**63 - 1


class Tree:
    """A growing tree, as the roots of its perfect subtrees: widest first, one per set bit of its size."""

    def __init__(self) -> None:
        self.size = 0
        self.roots: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        full, roots = self.size, self.roots
        while full & 1:
            leaf = sha256(b"\x01" + roots.pop() + leaf).digest()
            full >>= 1
        roots.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        if not self.roots:
            return sha256(b"").digest()
        root = self.roots[-1]
        for left in reversed(self.roots[:-1]):
            root = sha256(b"\x01" + left + root).digest()
        return root


# -- C2SP signed notes ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Key:
    name: str
    id: bytes
    public: bytes

    @classmethod
    def parse(cls, text: str) -> "Key":
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        material = _base64(encoded)
        if not name or len(material) != 33 or material[0] != 1:  # noqa: PLR2004 - Ed25519 is 1, and 32 bytes
            raise UnusableError(
                f"{text.strip()[:80]!r} is no verifier key: it is written <name>+<8 hex digits>+<base64>"
            )
        own = sha256(name.encode() + b"\n" + material).digest()[:4]
        if own.hex() != key_id:
            raise UnusableError(
                f"the verifier key of {name} does not have the id it is written with: a character is off"
            )
        return cls(name, own, material[1:])


@dataclass(frozen=True, slots=True)
class Checkpoint:
    origin: str
    size: int
    root: bytes
    text: str
    signatures: tuple[tuple[str, bytes, bytes], ...]  # name, key id, signature

    @classmethod
    def parse(cls, note: str, what: str) -> "Checkpoint":
        text, blank, lines = note.rpartition("\n\n")
        parts = text.split("\n")
        if not blank or len(parts) != 3 or not parts[0] or not re.fullmatch(r"0|[1-9][0-9]{0,18}", parts[1]):  # noqa: PLR2004
            raise UnusableError(f"{what} is no checkpoint: origin, size and root, an empty line, signatures")
        root = _base64(parts[2])
        signatures = []
        for line in lines.rstrip("\n").split("\n"):
            dash, _, rest = line.partition(" ")
            name, _, encoded = rest.partition(" ")
            raw = _base64(encoded)
            if dash != "—" or not name or len(raw) < 5:  # noqa: PLR2004 - an id of 4 bytes, and something signed
                raise UnusableError(f"{what} has a signature line that is none")
            signatures.append((name, raw[:4], raw[4:]))
        if len(root) != 32:  # noqa: PLR2004 - SHA-256
            raise UnusableError(f"{what} has a root that is none")
        return cls(parts[0], int(parts[1]), root, text + "\n", tuple(signatures))

    def is_signed_by(self, keys: Sequence[Key]) -> bool | None:
        """None: no line claims to be by any of them. False: one does, and is not."""
        claimed = None
        for key in keys:
            for name, key_id, signature in self.signatures:
                if (name, key_id) == (key.name, key.id):
                    try:
                        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, self.text.encode())
                    except InvalidSignature:
                        return False
                    claimed = True
        return claimed


def _base64(encoded: str) -> bytes:
    try:
        return b64decode(encoded, validate=True)
    except (Base64Error, ValueError):
        return b""


# -- the export -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Export:
    events: Path
    begin: int  # bytes
    end: int
    manifest: dict[str, Any]
    keys: list[Key]
    checkpoint: Checkpoint
    earlier: list[Checkpoint]

    @classmethod
    def open(cls, path: Path) -> "Export":
        try:
            return cls._of_folder(path) if path.is_dir() else cls._of_file(path)
        except OSError as error:
            raise UnusableError(f"{error.filename or path} cannot be read: {error.strerror or error}") from error

    @classmethod
    def _of_file(cls, path: Path) -> "Export":
        with path.open("rb") as file:
            if not path.is_file():
                raise UnusableError(f"{path} is neither a file nor a folder")
            header = file.readline(200)
            size = file.seek(0, os.SEEK_END)
            if not size:
                raise UnusableError(f"{path} is empty")
            if header != b'{"mawid_export":%d}\n' % FORMAT:
                raise UnusableError(f"{path} is no export of Mawid's log, or of a form this verifier does not know")
            begin = _begin_of_last_line(file, size)
            if begin < len(header):
                raise UnusableError(f"{path} is cut short: its last line, with the manifest, is missing")
            file.seek(begin)
            last = _json_object(file.read(), f"the last line of {path}", "it is cut short, or no export")
        told = {name: last.get(name) for name in ("manifest", "keys", "checkpoint", "checkpoints")}
        return cls._of(path, len(header), begin, told, last.keys() != told.keys())

    @classmethod
    def _of_folder(cls, path: Path) -> "Export":
        events = path / "events.ndjson"
        manifest, notes = path / "manifest.json", path / "checkpoints.json"
        for file in (events, manifest, notes, path / "checkpoint"):
            if not file.is_file():
                raise UnusableError(f"{path} is no export of Mawid's log: it holds no {file.name}")
        told = _json_object(_small(notes), str(notes), "it has been damaged")
        told["manifest"] = _json_object(_small(manifest), str(manifest), "it has been damaged")
        try:
            told["checkpoint"] = _small(path / "checkpoint").decode()
        except UnicodeDecodeError:
            raise UnusableError(f"{path / 'checkpoint'} is no checkpoint: it is not UTF-8") from None
        return cls._of(
            events, 0, events.stat().st_size, told, told.keys() != {"manifest", "keys", "checkpoint", "checkpoints"}
        )

    @classmethod
    def _of(cls, events: Path, begin: int, end: int, told: dict[str, Any], is_odd: bool) -> "Export":
        manifest, keys, newest, earlier = map(told.get, ("manifest", "keys", "checkpoint", "checkpoints"))
        if (
            is_odd
            or not isinstance(manifest, dict)
            or type(manifest.get("events")) is not int
            or manifest.get("format") != FORMAT
            or not _are_texts(keys)
            or not _are_texts(earlier)
        ):
            raise UnusableError(f"the manifest of {events} is not of the form of an export: it has been damaged")
        if not isinstance(newest, str) or not newest:
            raise UnusableError("the export holds no signed checkpoint: nothing vouches for its events")
        return cls(
            events,
            begin,
            end,
            manifest,
            [Key.parse(key) for key in keys or ()],
            Checkpoint.parse(newest, "the export's checkpoint"),
            [Checkpoint.parse(note, "an earlier checkpoint of the export") for note in earlier or ()],
        )

    def chunks(self) -> Iterator[bytes]:
        """Whole lines, some at a time; what follows the last newline is the last."""
        left, rest = self.end - self.begin, b""
        with self.events.open("rb") as file:
            file.seek(self.begin)
            while left:
                read = file.read(min(CHUNK_BYTES, left))
                if not read:
                    raise UnusableError(f"{self.events} became shorter while it was read")
                left -= len(read)
                cut = read.rfind(b"\n") + 1
                if cut:
                    yield rest + read[:cut]
                    rest = read[cut:]
                else:
                    rest += read
                    if len(rest) > LINE_BYTES_MAX:
                        break
        if rest:
            yield rest


def _begin_of_last_line(file: BinaryIO, size: int) -> int:
    """0: there is but one, or the last is not ended."""
    at, tail = size, b""
    while at and len(tail) <= SMALL_FILE_BYTES_MAX:
        step = min(CHUNK_BYTES, at)
        at -= step
        file.seek(at)
        tail = file.read(step) + tail
        if not tail.endswith(b"\n"):
            return 0
        cut = tail.rfind(b"\n", 0, len(tail) - 1)
        if cut >= 0:
            return at + cut + 1
    return 0


def _small(path: Path) -> bytes:
    if path.stat().st_size > SMALL_FILE_BYTES_MAX:
        raise UnusableError(f"{path} is too large to be what its name says")
    return path.read_bytes()


def _json_object(content: bytes, what: str, else_: str) -> dict[str, Any]:
    try:
        told = json.loads(content)
    except (ValueError, RecursionError):
        raise UnusableError(f"{what} is not JSON: {else_}") from None
    if not isinstance(told, dict):
        raise UnusableError(f"{what} is not a JSON object: {else_}")
    return told


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


# -- lines ------------------------------------------------------------------------------------------------------------

_CONTENT: Final = rb'[^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+'
_TEXT: Final = rb'"(' + _CONTENT + rb')"'
_TEXT_OR_NULL: Final = rb'(null|"' + _CONTENT + rb'")'
_INSTANT: Final = rb'"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6})Z"'
LINE: Final = re.compile(
    rb'^\{"position":([1-9]\d{0,18}),"stream":' + _TEXT + rb',"stream_version":([1-9]\d{0,18}),"type":' + _TEXT
    + rb',"person":' + _TEXT_OR_NULL + rb',"booking":' + _TEXT_OR_NULL
    + rb',"command_id":(null|"(?:[0-9a-f]{2})*+"),"at":' + _INSTANT + rb',"recorded_at":' + _INSTANT
    + rb',"leaf":"([0-9a-f]{64})","state":(\{[^\n]*\})\}$',
    re.MULTILINE,
)  # fmt: skip

_STATED_LEAF: Final = re.compile(rb"(?=([0-9a-f]{64}))")
_LEAF: Final = re.compile(rb'"leaf":"[^"]*"')
_EPOCH_DAY: Final = datetime(1970, 1, 1).toordinal()  # noqa: DTZ001 - a day, not an instant
_days: dict[bytes, int] = {}


def microseconds(instant: bytes) -> int:
    """Of `2011-01-01T06:00:00.000000`, since 1970. ValueError: there is no such instant."""
    day = _days.get(instant[:10])
    if day is None:
        if len(_days) > 100_000:  # noqa: PLR2004 - a bound, no more
            _days.clear()
        date = datetime.strptime(instant[:10].decode(), "%Y-%m-%d")  # noqa: DTZ007 - as above
        day = _days[instant[:10]] = (date.toordinal() - _EPOCH_DAY) * 86_400
    hour, minute, second = int(instant[11:13]), int(instant[14:16]), int(instant[17:19])
    if hour > 23 or minute > 59 or second > 59:  # noqa: PLR2004
        raise ValueError(instant)
    return (day + hour * 3600 + minute * 60 + second) * 1_000_000 + int(instant[20:])


def _plain(quoted: bytes) -> bytes:
    """Between the quotes, as UTF-8. ValueError: no text, or not as an export writes it."""
    if b"\\" not in quoted:
        return quoted
    text = json.loads(b'"%b"' % quoted)
    if json.dumps(text, ensure_ascii=False)[1:-1].encode() != quoted:
        raise ValueError(quoted)
    return bytes(text.encode())


# -- first pass: what was hashed and signed ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Voucher:
    """A root that a trusted key has signed; `is_kept`: it came from elsewhere than the export."""

    root: bytes
    what: str
    is_kept: bool = False


@dataclass(slots=True)
class Hashed:
    events: int
    root: bytes
    sha256: str
    fault: Fault | None


class HashPass:
    """Positions, leaves, and the root at each size that a signed checkpoint tells of.

    A line may fail alone, and forged lines may stand unseen before it. So the pass goes on to the next checkpoint with
    the leaf that stands in the line: if the tree is the signed one then, all others are as they were, and that line is
    the first.
    """

    def __init__(self, export: Export, vouchers: dict[int, list[Voucher]]) -> None:
        self._export, self._vouchers = export, vouchers
        self._tree, self._digest = Tree(), sha256()
        self._sound = 0  # the size up to which a signed checkpoint has agreed
        self._sizes = sorted(size for size in vouchers if size)
        self._last_recorded = b"", 0
        self._suspect: Fault | None = None
        self._disputed: Fault | None = None  # the kept checkpoint is unlike the events; is the next one, too?
        self._otherwise: list[Tree] = []  # as the tree would be with what the suspect line may have been

    def run(self, on_position: Callable[[int], None]) -> Hashed:
        fault = self._run(on_position)
        if self._disputed is not None and (fault is None or fault.first != 1):
            fault = self._disputed
        tree = self._tree
        return Hashed(tree.size, tree.root(), self._digest.hexdigest(), fault)

    def _run(self, on_position: Callable[[int], None]) -> Fault | None:
        for chunk in self._export.chunks():
            self._digest.update(chunk)
            rows: Sequence[tuple[bytes, ...] | None] = LINE.findall(chunk)
            odd: dict[int, bytes] = {}
            if len(rows) != chunk.count(b"\n") or not chunk.endswith(b"\n"):
                rows, odd = _with_odd_ones(chunk)
            fault = self._follow(rows) if self._suspect is not None else self._leaves(rows, odd)
            if fault is not None:
                return fault
            on_position(self._tree.size)
        if self._suspect is not None:
            return self._unproved()
        if self._sizes:
            what, end = self._vouchers[self._sizes[-1]][-1].what, self._tree.size
            first = self._sound + 1
            return Fault(f"events are missing at the end: {what} was signed, and {end} are there", first, end + 1)
        return None

    def _leaves(self, rows: Sequence[tuple[bytes, ...] | None], odd: dict[int, bytes]) -> Fault | None:
        tree, append = self._tree, self._tree.append
        next_size = self._sizes[0] if self._sizes else 0
        for n, row in enumerate(rows):
            expected = tree.size + 1
            if row is None:
                self._suspect_line("the line is not of the form of an export", _leaves_of_odd(odd[n], self, expected))
                return self._follow(rows[n + 1 :])
            if int(row[0]) != expected:
                return self._out_of_order(int(row[0]), expected)
            leaf = self._leaf_or_none(expected, row)
            if leaf is None or leaf.hex().encode() != row[9]:
                why = "the event is not what its leaf was hashed over"
                self._suspect_line(why, [bytes.fromhex(row[9].decode()), *([leaf] if leaf is not None else [])])
                return self._follow(rows[n + 1 :])
            append(leaf)
            if expected == next_size:
                fault = self._compare(expected)
                if fault is not None:
                    return fault
                next_size = self._sizes[0] if self._sizes else 0
        return None

    def _compare(self, size: int) -> Fault | None:
        root, vouchers = self._tree.root(), self._vouchers[self._sizes.pop(0)]
        wrong = [voucher for voucher in vouchers if voucher.root != root]
        agrees = any(voucher.root == root and not voucher.is_kept for voucher in vouchers)
        if self._disputed is not None:
            return _two_histories(self._disputed) if agrees else self._disputed
        if not wrong:
            self._sound = size
            return None
        fault = Fault(
            f"the events up to {size} are not those that {wrong[-1].what} was signed over", self._sound + 1, size
        )
        if not all(voucher.is_kept for voucher in wrong):
            return fault
        if agrees:
            return _two_histories(fault)
        self._disputed = fault
        return None

    def _out_of_order(self, position: int, expected: int) -> Fault:
        if position > expected:
            return Fault(f"event {expected} is missing: {position} stands in its place", expected)
        return Fault(f"event {position} stands where {expected} belongs", self._sound + 1, expected)

    def _suspect_line(self, why: str, leaves: Sequence[bytes]) -> None:
        self._suspect = Fault(why, self._tree.size + 1)
        for leaf in leaves:
            tree = Tree()
            tree.size, tree.roots = self._tree.size, self._tree.roots.copy()
            tree.append(leaf)
            self._otherwise.append(tree)

    def _follow(self, rows: Sequence[tuple[bytes, ...] | None]) -> Fault | None:
        """To the next checkpoint, by the leaves that the lines state."""
        trees = self._otherwise
        if not trees or not self._sizes:
            return self._unproved()
        for n in range(-1, len(rows)):
            if n >= 0:
                row = rows[n]
                if row is None or int(row[0]) != trees[0].size + 1:
                    return self._unproved()
                for tree in trees:
                    tree.append(bytes.fromhex(row[9].decode()))
            if trees[0].size == self._sizes[0]:
                is_proved = any(
                    tree.root() == voucher.root for tree in trees for voucher in self._vouchers[self._sizes[0]]
                )
                return self._suspect if is_proved else self._unproved()
        return None

    def _unproved(self) -> Fault:
        assert self._suspect is not None
        return Fault(self._suspect.why, self._sound + 1, self._suspect.first)

    def _leaf_or_none(self, position: int, row: tuple[bytes, ...]) -> bytes | None:
        """None: the line has the form, and does not hold what it should."""
        try:
            return self._leaf(position, row)
        except ValueError:
            return None

    def _leaf(self, position: int, row: tuple[bytes, ...]) -> bytes:
        _, stream, version, topic, person, booking, command, at, recorded, _, state = row
        if b"\\" in stream or b"\\" in topic:
            stream, topic = _plain(stream), _plain(topic)
        if recorded == self._last_recorded[0]:
            recorded_us = self._last_recorded[1]
        else:
            recorded_us = microseconds(recorded)
            self._last_recorded = recorded, recorded_us
        version_number = int(version)
        if version_number > _INT64_MAX:
            raise ValueError(version)
        return sha256(
            b"".join(
                (
                    _HEAD.pack(0, 8, position, len(stream)),
                    stream,
                    _MIDDLE.pack(8, version_number, len(topic)),
                    topic,
                    _ABSENT if person == b"null" else _field(_plain(person[1:-1])),
                    _ABSENT if booking == b"null" else _field(_plain(booking[1:-1])),
                    _ABSENT if command == b"null" else _field(bytes.fromhex(command[1:-1].decode())),
                    _TAIL.pack(8, microseconds(at), 8, recorded_us, len(state)),
                    state,
                )
            )
        ).digest()


def _two_histories(fault: Fault) -> Fault:
    """Of one log, under the same key: what the export's own checkpoints agree with is then no evidence."""
    return Fault(f"{fault.why}; the same key has signed both", 1, fault.last)


def _field(content: bytes) -> bytes:
    return _LENGTH.pack(len(content)) + content


def _with_odd_ones(chunk: bytes) -> tuple[list[tuple[bytes, ...] | None], dict[int, bytes]]:
    """None for each line that is none, and those lines by their place."""
    rows: list[tuple[bytes, ...] | None] = []
    odd: dict[int, bytes] = {}
    *lines, rest = chunk.split(b"\n")
    for line in [*lines, rest] if rest else lines:  # what no newline ends is no line
        match = LINE.fullmatch(line) if line is not rest else None
        rows.append(match.groups() if match is not None else None)
        if match is None:
            odd[len(rows) - 1] = line
    return rows, odd


def _leaves_of_odd(line: bytes, hashing: HashPass, position: int) -> list[bytes]:
    """What the leaf of a damaged line may have been: as it states, and as it would be but for what it states."""
    stated = _STATED_LEAF.findall(line)[:4]  # a digit more or less beside it is damage, too
    leaves = [bytes.fromhex(each.decode()) for each in stated]
    match = LINE.fullmatch(_LEAF.sub(b'"leaf":"' + b"0" * 64 + b'"', line, count=1))
    leaf = hashing._leaf_or_none(position, match.groups()) if match is not None else None  # noqa: SLF001
    return leaves if leaf is None else [*leaves, leaf]


# -- second pass: what the facts tell, by rules that they alone decide ------------------------------------------------

SLOT_US: Final = 15 * 60 * 1_000_000
OFFICE_US: Final = 3 * 3600 * 1_000_000  # office time is UTC+3, without daylight saving
ELECTRONIC: Final = frozenset({"portal", "kiosk", "sms"})
COUNTERS: Final = ("made", "cancelled", "rescheduled", "served", "not_completed", "no_show")
OUTCOMES: Final = ("served", "not_completed", "no_show")
CONFIRMED, CHECKED_IN, CANCELLED, SERVED, NOT_COMPLETED, NO_SHOW = range(6)
FORGET_EVERY_EVENTS: Final = 100_000
#: A visit that was over so long before what is booked now is kept as a fingerprint alone.
FORGET_AFTER_US: Final = 7 * 86_400 * 1_000_000
_CLOSED: Final = -1

#: Types that this verifier only counts the versions of.
TOLD_ELSEWHERE: Final = frozenset(
    f"{name}.v1".encode()
    for name in (
        "RegionRegistered", "ServiceRegistered", "OfficeRegistered", "LiveDateAnnounced", "CountersAssigned",
        "DayPublished", "OfficePaused", "OfficeResumed", "ClosureAnnounced", "OpeningAnnounced", "DailyPauseAssigned",
        "FairReleaseAssigned", "WaitingListJoined", "PlaceOffered", "WaitingListLeft", "PersonCorrected",
        "GuardianAppointed", "PolicyAdopted", "HourOperated", "MeasurementMade", "MeasurementCorrected",
        "ErasureRequested", "PersonErased", "RemindersDelivered",
    )
)  # fmt: skip


_scan: Final[Callable[[str, int], tuple[Any, int]]] = json.JSONDecoder().scan_once  # type: ignore[attr-defined]


def object_of(state: bytes) -> dict[str, Any]:
    """As json.loads, which looks at the encoding and at white space first. ValueError, StopIteration: no JSON."""
    text = state.decode()
    told, end = _scan(text, 0)
    if end != len(text):
        raise ValueError(text)
    return told  # type: ignore[no-any-return] # it begins with a brace


class IllegalError(Exception):
    """A fact that those before it do not allow."""


class Booking:
    """Where it stands. `places`: one bit for each of its slots in which it has a place."""

    __slots__ = ("moving_to", "name", "office", "person", "places", "service", "slots", "starts_us", "status")

    def __init__(self, name: bytes, told: dict[str, Any], starts_us: int, person: bytes) -> None:
        self.name, self.person = name, person
        self.status = CONFIRMED
        self.office: str = sys.intern(told["office"])  # of so many bookings, some hundred offices
        self.service: str = sys.intern(told["service"])
        self.slots: int = told["minutes"] // 15
        self.starts_us = starts_us
        self.places = 0
        self.moving_to: tuple[str, int] | None = None

    @property
    def ends_us(self) -> int:
        return self.starts_us + self.slots * SLOT_US

    @property
    def everywhere(self) -> int:
        return (1 << self.slots) - 1


class Ended:
    """Bookings that are over, as fingerprints of 61 bits with three bits of status: eight bytes each."""

    def __init__(self) -> None:
        self._sorted = array("q")
        self._fresh: dict[int, int] = {}

    def add(self, name: bytes, status: int) -> None:
        self._fresh[hash(name) & ~7] = status

    def status(self, name: bytes) -> int | None:
        fingerprint = hash(name) & ~7
        status = self._fresh.get(fingerprint)
        if status is not None:
            return status
        found = self._sorted
        at = bisect_left(found, fingerprint)
        if at < len(found) and found[at] & ~7 == fingerprint:
            return found[at] & 7
        return None

    def settle(self) -> None:
        fresh = self._fresh
        kept = [each for each in self._sorted if each & ~7 not in fresh]
        kept += [fingerprint | status for fingerprint, status in fresh.items()]
        kept.sort()
        self._sorted, self._fresh = array("q", kept), {}


@dataclass(slots=True)
class Replayed:
    events: int
    figures: dict[str, Any]
    unknown: list[str]
    fault: Fault | None


class ReplayPass:
    """Folds the facts: contiguous streams, capacity, one active booking, whole moves, nothing ended that is not."""

    def __init__(self, export: Export) -> None:
        self._export = export
        self._index: dict[bytes, int] = {}  # stream → its place in the arrays
        self._versions, self._capacity, self._taken = array("q"), array("i"), array("i")
        self._claims: dict[int, dict[bytes, int]] = {}  # place in the arrays → claim → until
        self._bookings: dict[bytes, Booking] = {}
        self._ended = Ended()
        self._active: dict[tuple[bytes, str], Booking] = {}  # person, service → the last booking
        self._starts: dict[str | bytes, int] = {}
        self._floor_us = _INT64_MAX  # earliest start of what was booked since the last forgetting
        self._counts: dict[tuple[str, str], list[int]] = {}
        self._running, self._next = 0, 1
        self._milestones: list[dict[str, Any]] = []
        self._unknown: set[bytes] = set()
        self._position = 0
        self._folds: dict[bytes, Callable[[int, bytes, bytes, bytes, bytes, bytes], None]] = {
            b"SlotBooked.v1": self._booked,
            b"WalkedIn.v1": self._walked_in,
            b"SlotOccupied.v1": self._occupied,
            b"SlotReleased.v1": self._released,
            b"BookingMovedOut.v1": self._moved_out,
            b"BookingMovedIn.v1": self._moved_in,
            b"BookingDisplacedOut.v1": self._displaced_out,
            b"BookingDisplacedIn.v1": self._displaced_in,
            b"BookingCancelled.v1": self._cancelled,
            b"CheckedIn.v1": self._checked_in,
            b"CustomerCalled.v1": self._called,
            b"OutcomeRecorded.v1": self._outcome,
            b"OutcomeCorrected.v1": self._corrected,
            b"SlotOpened.v1": self._opened,
            b"SlotResized.v1": self._resized,
            b"SlotWithdrawn.v1": self._withdrawn,
            b"PlaceHeld.v1": self._held,
            b"PlaceClaimed.v1": self._claimed,
            b"PlaceReturned.v1": self._unclaimed,
            b"HoldReleased.v1": self._unclaimed,
            b"HoldExpired.v1": self._unclaimed,
        }

    def run(self, on_position: Callable[[int], None], upto: int = _INT64_MAX) -> Replayed:
        """Stops quietly where the first pass finds what is no line or out of order, and after `upto`."""
        fault = None
        try:
            self._run(on_position, upto)
        except IllegalError as error:
            fault = Fault(str(error), self._position)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError, StopIteration):
            fault = Fault("the fact does not hold what its type says", self._position)
        return Replayed(self._position, self._figures(), sorted(each.decode() for each in self._unknown), fault)

    def _run(self, on_position: Callable[[int], None], upto: int) -> None:
        index, versions, folds = self._index, self._versions, self._folds
        position = 0
        for chunk in self._export.chunks():
            for row in LINE.findall(chunk):
                number, stream, version, topic, person, booking, _, at, _, _, state = row
                position += 1
                if int(number) != position or position > upto:
                    return
                self._position = position
                place = index.get(stream)
                if place is None:
                    place = index[stream] = len(versions)
                    versions.append(0)
                    self._capacity.append(_CLOSED)
                    self._taken.append(0)
                versions[place] += 1
                if versions[place] != int(version):
                    raise IllegalError(
                        f"version {int(version)} of {stream.decode()} stands where {versions[place]} belongs"
                    )
                fold = folds.get(topic)
                if fold is not None:
                    fold(place, stream, person, booking, at, state)
                else:
                    object_of(state)
                    if topic not in TOLD_ELSEWHERE:
                        self._unknown.add(topic)
                if not position % FORGET_EVERY_EVENTS:
                    self._forget()
            on_position(position)

    # -- bookings -----------------------------------------------------------------------------------------------------

    def _booked(self, place: int, stream: bytes, person: bytes, name: bytes, at: bytes, state: bytes) -> None:
        told = self._made(place, stream, person, name, at, state)
        if told["channel"] in ELECTRONIC:
            self._running += 1
            if self._running == self._next:
                crossed = {"threshold": self._next, "booking": name[1:-1].decode(), "position": self._position}
                self._milestones.append(crossed | {"at": f"{at.decode()}Z"})
                self._next = milestone_after(self._next)

    def _walked_in(self, place: int, stream: bytes, person: bytes, name: bytes, at: bytes, state: bytes) -> None:
        self._made(place, stream, person, name, at, state)
        self._bookings[name].status = CHECKED_IN

    def _made(self, place: int, stream: bytes, person: bytes, name: bytes, at: bytes, state: bytes) -> dict[str, Any]:
        told = object_of(state)
        starts_us = self._start(stream, told)
        if name in self._bookings or self._ended.status(name) is not None:
            raise IllegalError(f"the booking {_shown(name)} is made a second time")
        if person == b"null" or name == b"null" or told["minutes"] not in (15, 30, 45):
            raise IllegalError("a booking is made of nothing that can be one")
        whose = person, sys.intern(told["service"])
        other = self._active.get(whose)
        # Of an imported history only the dates were judged: it says so itself.
        if other is not None and told.get("judged_by") != "dates" and other.ends_us > microseconds(at):
            raise IllegalError(f"its person had an active booking of {told['service']} already, {_shown(other.name)}")
        booking = self._bookings[name] = Booking(name, told, starts_us, person)
        self._active[whose] = booking
        self._take(place, name, at)
        booking.places = 1
        self._floor_us = min(self._floor_us, starts_us)
        self._count(told, 0)
        return told

    def _occupied(self, place: int, stream: bytes, _person: bytes, name: bytes, at: bytes, _state: bytes) -> None:
        booking = self._known(name)
        bit = self._bit(booking, stream)
        if booking.places & bit or not booking.places & 1:
            raise IllegalError(f"{_shown(name)} takes a place that it does not need")
        self._take(place, name, at)
        booking.places |= bit

    def _released(self, place: int, stream: bytes, _person: bytes, name: bytes, _at: bytes, _state: bytes) -> None:
        booking = self._known(name)
        bit = self._bit(booking, stream)
        if not booking.places & bit or (booking.places & 1):
            raise IllegalError(f"{_shown(name)} gives up a place that it has not, or needs")
        booking.places &= ~bit
        self._taken[place] -= 1
        if booking.status == CANCELLED and not booking.places:
            self._end(booking)

    def _moved_out(self, place: int, stream: bytes, _person: bytes, name: bytes, _at: bytes, state: bytes) -> None:
        told = object_of(state)
        booking = self._standing(stream, name, told, (CONFIRMED,))
        self._leave(place, booking, unplaced=told.get("unplaced", False))
        booking.moving_to = told["to_office"], self._instant(told["to_starts_at"])

    def _moved_in(self, place: int, stream: bytes, _person: bytes, name: bytes, at: bytes, state: bytes) -> None:
        told = object_of(state)
        self._arrive(place, stream, name, at, told, told["from_office"])
        self._count(told, 2)

    def _displaced_out(self, place: int, stream: bytes, _person: bytes, name: bytes, _at: bytes, state: bytes) -> None:
        told = object_of(state)
        booking = self._standing(stream, name, told, (CONFIRMED,))
        self._leave(place, booking, unplaced=False)
        to = told.get("to_starts_at")
        booking.moving_to = None if to is None else (told["office"], self._instant(to))

    def _displaced_in(self, place: int, stream: bytes, _person: bytes, name: bytes, at: bytes, state: bytes) -> None:
        told = object_of(state)
        self._arrive(place, stream, name, at, told, told["office"])

    def _cancelled(self, place: int, stream: bytes, _person: bytes, name: bytes, _at: bytes, state: bytes) -> None:
        told = object_of(state)
        booking = self._standing(stream, name, told, (CONFIRMED,))
        self._leave(place, booking, unplaced=told.get("unplaced", False))
        booking.status = CANCELLED
        self._count(told, 1)
        if not booking.places:
            self._end(booking)

    def _checked_in(self, _place: int, stream: bytes, _person: bytes, name: bytes, _at: bytes, state: bytes) -> None:
        booking = self._standing(stream, name, object_of(state), (CONFIRMED,))
        self._refuse_without_place(booking)
        booking.status = CHECKED_IN

    def _called(self, _place: int, stream: bytes, _person: bytes, name: bytes, _at: bytes, state: bytes) -> None:
        self._standing(stream, name, object_of(state), (CHECKED_IN,))

    def _outcome(self, _place: int, stream: bytes, _person: bytes, name: bytes, _at: bytes, state: bytes) -> None:
        told = object_of(state)
        outcome = OUTCOMES.index(told["outcome"])
        allowed = (CONFIRMED,) if told["outcome"] == "no_show" else (CONFIRMED, CHECKED_IN)
        booking = self._standing(stream, name, told, allowed)
        self._refuse_without_place(booking)
        booking.status = SERVED + outcome
        self._count(told, 3 + outcome)
        self._end(booking)

    def _corrected(self, _place: int, stream: bytes, _person: bytes, name: bytes, _at: bytes, state: bytes) -> None:
        told = object_of(state)
        self._start(stream, told)
        before, after = OUTCOMES.index(told["corrected"]), OUTCOMES.index(told["outcome"])
        if self._ended.status(name) != SERVED + before or before == after:
            raise IllegalError(f"{told['corrected']} is corrected, which is not the outcome of {_shown(name)}")
        self._ended.add(name, SERVED + after)
        self._count(told, 3 + before, -1)
        self._count(told, 3 + after)

    # -- slots and claims ---------------------------------------------------------------------------------------------

    def _opened(self, place: int, stream: bytes, _person: bytes, _name: bytes, _at: bytes, state: bytes) -> None:
        told = object_of(state)
        self._start(stream, told)
        if self._capacity[place] != _CLOSED:
            raise IllegalError("a slot is opened that is open")
        self._resize(place, told["capacity"])

    def _resized(self, place: int, stream: bytes, _person: bytes, _name: bytes, _at: bytes, state: bytes) -> None:
        told = object_of(state)
        self._start(stream, told)
        if self._capacity[place] == _CLOSED:
            raise IllegalError("a slot is resized that is not open")
        self._resize(place, told["capacity"])

    def _withdrawn(self, place: int, stream: bytes, _person: bytes, _name: bytes, _at: bytes, state: bytes) -> None:
        told = object_of(state)
        self._start(stream, told)
        if self._capacity[place] == _CLOSED or (self._taken[place] and told.get("reason") is None):
            raise IllegalError("a slot is withdrawn that is not open, or that is booked")
        self._capacity[place] = _CLOSED

    def _held(self, place: int, stream: bytes, _person: bytes, name: bytes, at: bytes, state: bytes) -> None:
        told = object_of(state)
        self._start(stream, told)
        self._claim(place, name, at, told["expires_at"])

    def _claimed(self, place: int, stream: bytes, _person: bytes, name: bytes, at: bytes, state: bytes) -> None:
        told = object_of(state)
        self._start(stream, told)
        self._claim(place, name, at, told["until"])

    def _unclaimed(self, place: int, stream: bytes, _person: bytes, name: bytes, _at: bytes, state: bytes) -> None:
        self._start(stream, object_of(state))
        self._claims.get(place, {}).pop(name, None)

    # -- parts --------------------------------------------------------------------------------------------------------

    def _known(self, name: bytes) -> Booking:
        booking = self._bookings.get(name)
        if booking is None:
            raise IllegalError(f"there is no booking {_shown(name)} at this point, or it has ended")
        return booking

    def _standing(self, stream: bytes, name: bytes, told: dict[str, Any], statuses: Sequence[int]) -> Booking:
        """The booking, which is where the fact says, and in one of the statuses."""
        starts_us = self._start(stream, told)
        booking = self._bookings.get(name)
        if booking is None:
            status = self._ended.status(name)
            if status not in (CONFIRMED, CHECKED_IN):
                raise IllegalError(f"there is no booking {_shown(name)} at this point, or it has ended")
            booking = self._bookings[name] = Booking(name, told, starts_us, b"")  # was forgotten, and had its places
            booking.status, booking.places = status, booking.everywhere
        if booking.status not in statuses or booking.moving_to is not None:
            raise IllegalError(f"what is told of {_shown(name)} cannot follow on what was")
        if (booking.office, booking.starts_us, booking.service) != (told["office"], starts_us, told["service"]):
            raise IllegalError(f"{_shown(name)} does not stand where the fact says")
        if booking.places not in (0, booking.everywhere):
            raise IllegalError(f"{_shown(name)} has places in some of its slots, and in others none")
        return booking

    def _refuse_without_place(self, booking: Booking) -> None:
        if not booking.places:
            raise IllegalError(f"{_shown(booking.name)} has no place to be visited")

    def _leave(self, place: int, booking: Booking, *, unplaced: bool) -> None:
        if bool(booking.places) == unplaced:
            raise IllegalError(f"{_shown(booking.name)} gives up a place that it has not, or keeps one")
        if not unplaced:
            booking.places &= ~1
            self._taken[place] -= 1

    def _arrive(
        self, place: int, stream: bytes, name: bytes, at: bytes, told: dict[str, Any], from_office: str
    ) -> None:
        booking, starts_us = self._known(name), self._start(stream, told)
        if (
            booking.places
            or booking.moving_to != (told["office"], starts_us)
            or (booking.office, booking.starts_us) != (from_office, self._instant(told["from_starts_at"]))
        ):
            raise IllegalError(f"the move of {_shown(name)} does not arrive where and whence it left")
        self._take(place, name, at)
        booking.office, booking.starts_us, booking.moving_to, booking.places = told["office"], starts_us, None, 1
        self._active[booking.person, booking.service] = booking

    def _take(self, place: int, name: bytes, at: bytes) -> None:
        claims = self._claims.get(place)
        taken = self._taken[place] = self._taken[place] + 1
        if claims:
            claims.pop(name, None)
            at_us = microseconds(at)
            taken += sum(until > at_us for until in claims.values())
        if taken > self._capacity[place]:
            raise IllegalError(_too_many(taken, self._capacity[place]))

    def _claim(self, place: int, name: bytes, at: bytes, until: str) -> None:
        at_us, claims = microseconds(at), self._claims.setdefault(place, {})
        claims[name] = self._instant(until)
        taken = self._taken[place] + sum(each > at_us for each in claims.values())
        if taken > self._capacity[place]:
            raise IllegalError(_too_many(taken, self._capacity[place]))

    def _resize(self, place: int, capacity: int) -> None:
        if capacity < self._taken[place]:
            raise IllegalError(_too_many(self._taken[place], capacity))
        self._capacity[place] = capacity

    def _bit(self, booking: Booking, stream: bytes) -> int:
        n, rest = divmod(self._start_of(stream) - booking.starts_us, SLOT_US)
        if rest or not 0 < n < booking.slots or stream[5:-17].decode() != booking.office:
            raise IllegalError(f"the slot is none of those of {_shown(booking.name)}")
        return 1 << n

    def _end(self, booking: Booking) -> None:
        self._ended.add(booking.name, booking.status)
        del self._bookings[booking.name]
        whose = booking.person, booking.service
        if self._active.get(whose) is booking:
            del self._active[whose]

    def _start(self, stream: bytes, told: dict[str, Any]) -> int:
        """Of the slot, which the fact must name as its stream does."""
        starts_at = told["starts_at"]
        if f"slot/{told['office']}@{starts_at[:16]}".encode() == stream and starts_at[16:] == ":00+03:00":
            return self._start_of(stream)
        starts_us = self._start_of(stream)
        if stream[5:-17].decode() != told["office"] or self._instant(starts_at) != starts_us:
            raise IllegalError("the fact tells of another slot than the one in whose stream it stands")
        return starts_us

    def _start_of(self, stream: bytes) -> int:
        starts_us = self._starts.get(stream[-16:])
        if starts_us is None:
            starts_us = self._starts[stream[-16:]] = microseconds(stream[-16:] + b":00.000000") - OFFICE_US
        if stream[:5] != b"slot/":
            raise IllegalError("the fact stands in a stream that is no slot's")
        return starts_us

    def _instant(self, text: str) -> int:
        instant_us = self._starts.get(text)
        if instant_us is None:
            if len(self._starts) > 1_000_000:  # noqa: PLR2004 - a bound, no more
                self._starts.clear()
            instant_us = self._starts[text] = round(datetime.fromisoformat(text).timestamp() * 1_000_000)
        return instant_us

    def _forget(self) -> None:
        """Visits long over become fingerprints; what is told of one later is believed where it cannot be judged."""
        floor_us = self._floor_us - FORGET_AFTER_US
        for booking in [each for each in self._bookings.values() if each.ends_us < floor_us]:
            if booking.places == booking.everywhere:
                self._end(booking)
        self._ended.settle()
        for place, claims in list(self._claims.items()):
            if not claims or max(claims.values()) < floor_us:
                del self._claims[place]
        self._floor_us = _INT64_MAX

    # -- figures ------------------------------------------------------------------------------------------------------

    def _count(self, told: dict[str, Any], counter: int, by: int = 1) -> None:
        key = told["office"], told["service"]
        counts = self._counts.get(key)
        if counts is None:
            counts = self._counts[key] = [0] * len(COUNTERS)
        counts[counter] += by

    def _figures(self) -> dict[str, Any]:
        def summed(group: Callable[[tuple[str, str]], str]) -> dict[str, dict[str, int]]:
            sums: dict[str, list[int]] = {}
            for key, counts in self._counts.items():
                total = sums.setdefault(group(key), [0] * len(COUNTERS))
                total[:] = map(int.__add__, total, counts)
            return {name: dict(zip(COUNTERS, sums[name], strict=True)) for name in sums}

        return {
            "running_count": self._running,
            "totals": summed(lambda _: "").get("", dict.fromkeys(COUNTERS, 0)),
            "by_service": summed(lambda key: key[1]),
            "by_office": summed(lambda key: key[0]),
            "milestones": self._milestones,
        }


def milestone_after(count: int) -> int:
    """1, 10, 100 … 100,000, 250,000, 500,000, and each million."""
    for threshold in (1, 10, 100, 1_000, 10_000, 100_000, 250_000, 500_000):
        if count < threshold:
            return threshold
    return (count // 1_000_000 + 1) * 1_000_000


def _too_many(taken: int, capacity: int) -> str:
    return (
        f"{taken} have a place in a slot of {capacity}"
        if capacity >= 0
        else "a place is taken in a slot that is not open"
    )


def _shown(name: bytes) -> str:
    return name.decode().strip('"')


# -- both, and what they come to --------------------------------------------------------------------------------------


def verify(
    path: Path,
    *,
    keys: Sequence[Key] = (),
    kept: Checkpoint | None = None,
    on_position: Callable[[int, int], None] | None = None,
) -> Verdict:
    """UnusableError: it cannot be judged."""
    started = time.monotonic()
    export = Export.open(path)
    trusted, notes = (list(keys), []) if keys else _own_keys(export)
    fault, vouchers = _vouchers(export, trusted, kept)
    size = export.manifest["events"]
    shown = (lambda position: on_position(position, size)) if on_position is not None else (lambda _: None)
    hashed, replayed = _both_passes(export, HashPass(export, vouchers), shown)
    fault = _first([fault, hashed.fault, replayed.fault]) or _beyond(export, hashed)
    if fault is None and replayed.unknown:
        unknown = ", ".join(replayed.unknown)
        raise UnusableError(f"the log holds facts that this verifier does not know ({unknown}): take a newer one")
    fault = fault or _against_manifest(export, hashed, replayed)
    if kept is not None:
        notes.append(f"The kept checkpoint of {kept.size} events was compared with.")
    return Verdict(hashed.events, b64encode(hashed.root).decode(), fault, notes, time.monotonic() - started)


def _own_keys(export: Export) -> tuple[list[Key], list[str]]:
    if not export.keys:
        raise UnusableError("the export holds no key: name the log's own with --key")
    return export.keys, [
        "The key came with the export itself: this proves that it is whole, not whose it is. Name the log's with --key."
    ]


def _vouchers(
    export: Export, keys: Sequence[Key], kept: Checkpoint | None
) -> tuple[Fault | None, dict[int, list[Voucher]]]:
    """By size. A note that none of the keys has signed is no evidence of anything."""
    vouchers: dict[int, list[Voucher]] = {}
    fault = None
    for note in export.earlier:
        if note.origin == export.checkpoint.origin and note.is_signed_by(keys):
            vouchers.setdefault(note.size, []).append(Voucher(note.root, f"the checkpoint of {note.size} events"))
    newest = export.checkpoint
    signed = newest.is_signed_by(keys)
    if signed:
        newest_one = Voucher(newest.root, f"the newest checkpoint, of {newest.size} events,")
        vouchers.setdefault(newest.size, []).append(newest_one)
    elif signed is False:
        fault = Fault("the newest checkpoint is not what its key has signed")
    elif vouchers or newest.origin in {key.name for key in keys}:
        fault = Fault("the newest checkpoint is in the name of this log, and its key has not signed it")
    else:
        names = ", ".join(key.name for key in keys)
        raise UnusableError(f"the export is of the log {newest.origin}, and the key that of {names}")
    if kept is not None:
        if kept.origin != newest.origin:
            raise UnusableError(f"the kept checkpoint is of the log {kept.origin}, the export of {newest.origin}")
        if not kept.is_signed_by(keys):
            raise UnusableError("the kept checkpoint is not signed by the key: it proves nothing about this log")
        kept_one = Voucher(kept.root, f"the kept checkpoint, of {kept.size} events,", is_kept=True)
        vouchers.setdefault(kept.size, []).append(kept_one)
    return fault, vouchers


def _both_passes(export: Export, hashing: HashPass, on_position: Callable[[int], None]) -> tuple[Hashed, Replayed]:
    """Side by side in two processes, where it is worth while."""
    if export.end - export.begin < ALONE_BYTES_MAX:
        hashed = hashing.run(on_position)
        return hashed, ReplayPass(export).run(on_position, _last_worth(hashed.fault))
    mine, theirs = Pipe(duplex=False)
    process = Process(target=_replay, args=(export, theirs), daemon=True)
    process.start()
    theirs.close()
    behind, results = 0, list[Replayed | UnusableError]()

    def receive() -> None:
        nonlocal behind
        told = mine.recv()
        if isinstance(told, int):
            behind = told
        else:
            results.append(told)

    def both(position: int) -> None:
        while not results and mine.poll():
            receive()
        on_position(min(position, behind))

    try:
        hashed = hashing.run(both)
        last = _last_worth(hashed.fault)
        while not results and behind < last:
            receive()
            on_position(min(behind, hashed.events))
    except EOFError:
        raise UnusableError("the second process ended before its work did: there may be too little memory") from None
    finally:
        process.terminate()
        process.join()
    replayed = results[0] if results else Replayed(behind, {}, [], None)
    if isinstance(replayed, UnusableError):
        raise replayed
    return hashed, replayed


def _replay(export: Export, results: Connection) -> None:
    try:
        results.send(ReplayPass(export).run(results.send))
    except UnusableError as error:
        results.send(error)


def _last_worth(fault: Fault | None) -> int:
    """How far a second opinion can lie before what is known to be bad."""
    if fault is None or fault.first is None:
        return _INT64_MAX
    return fault.last or fault.first


def _first(faults: Sequence[Fault | None]) -> Fault | None:
    """The earliest; of a rewrite that lies between two checkpoints, the part before what else has been found."""
    found = [fault for fault in faults if fault is not None]
    placed = [fault for fault in found if fault.first is not None]
    if not placed:
        return found[0] if found else None
    first = min(placed, key=lambda fault: (fault.last or fault.first or 0, fault.first or 0))
    for fault in placed:
        if fault.last is not None and fault is not first and (fault.first or 0) <= (first.first or 0):
            return Fault(f"{first.why}; {fault.why}", fault.first, first.last or first.first)
    return first


def _beyond(export: Export, hashed: Hashed) -> Fault | None:
    newest = export.checkpoint.size
    if hashed.events > newest:
        return Fault(f"events follow that no checkpoint vouches for: the newest is of {newest}", newest + 1)
    return None


def _against_manifest(export: Export, hashed: Hashed, replayed: Replayed) -> Fault | None:
    manifest = export.manifest
    told = {name: manifest.get(name) for name in ("events", "root", "sha256")}
    if told != {"events": hashed.events, "root": b64encode(hashed.root).decode(), "sha256": hashed.sha256}:
        return Fault("the manifest tells of other events than those that are there")
    figures = manifest.get("figures")
    for name, derived in replayed.figures.items():
        if not isinstance(figures, dict) or figures.get(name) != derived:
            return Fault(f"the manifest's {name.replace('_', ' ')} is not what follows from the events")
    return None


# -- command line -----------------------------------------------------------------------------------------------------


def keys_of(text: str) -> list[Key]:
    """A verifier key, or the path of a file with one a line."""
    if "+" in text and not Path(text).exists():
        return [Key.parse(text)]
    try:
        lines = [line for line in _small(Path(text)).decode().splitlines() if line.strip() and not line.startswith("#")]
    except (OSError, UnicodeDecodeError) as error:
        raise UnusableError(f"the key {text} cannot be read: it is no verifier key, nor a file of them") from error
    if not lines:
        raise UnusableError(f"{text} holds no key")
    return [Key.parse(line) for line in lines]


def kept_checkpoint(path: Path) -> Checkpoint:
    try:
        return Checkpoint.parse(_small(path).decode(), f"{path}")
    except OSError as error:
        raise UnusableError(f"the kept checkpoint {path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError:
        raise UnusableError(f"{path} is no checkpoint: it is not UTF-8") from None


def told_of(verdict: Verdict) -> list[str]:
    rate = verdict.events / max(verdict.seconds, 1e-9)
    lines = list(verdict.notes)
    if verdict.fault is None:
        lines.append(f"Whole: {verdict.events} events, root {verdict.root}.")
    else:
        first, last = verdict.fault.first, verdict.fault.last
        where = (
            ""
            if first is None
            else f", first at position {first}"
            if last is None or first == last
            else (f", first at a position between {first} and {last}")
        )
        lines.append(f"TAMPERED WITH{where}: {verdict.fault.why}.")
    return [*lines, f"{verdict.events} events in {verdict.seconds:.1f} s, {rate:,.0f} a second."]


def as_json(verdict: Verdict) -> str:
    fault = verdict.fault
    told: dict[str, Any] = {
        "verdict": "whole" if fault is None else "tampered",
        "events": verdict.events,
        "root": verdict.root,
    }
    if fault is not None:
        told |= {"first": fault.first, "last": fault.last or fault.first, "why": fault.why}
    return json.dumps(told | {"notes": verdict.notes, "seconds": round(verdict.seconds, 3)}, ensure_ascii=False)


class Progress:
    """A bar on a terminal, nothing elsewhere."""

    def __init__(self) -> None:
        self._shown_at = 0.0
        self._is_on = sys.stderr.isatty()

    def __call__(self, position: int, size: int) -> None:
        now = time.monotonic()
        if self._is_on and size > 0 and (now - self._shown_at > PROGRESS_EVERY_S or position >= size):
            self._shown_at = now
            done = min(40, 40 * position // size)
            end = "\n" if position >= size else ""
            sys.stderr.write(f"\r{'█' * done}{'·' * (40 - done)} {position:,} of {size:,}{end}")
            sys.stderr.flush()


def run(export: Path, keys: Sequence[Key], kept: Path | None, *, in_json: bool) -> int:
    try:
        checkpoint = kept_checkpoint(kept) if kept is not None else None
        verdict = verify(export, keys=keys, kept=checkpoint, on_position=Progress())
    except UnusableError as error:
        return unusable(str(error), in_json=in_json)
    print(as_json(verdict) if in_json else "\n".join(told_of(verdict)))  # noqa: T201 - this is what it is for
    return 0 if verdict.is_whole else 1


def unusable(why: str, *, in_json: bool) -> int:
    if in_json:
        print(json.dumps({"verdict": "unusable", "why": why}, ensure_ascii=False))  # noqa: T201
    else:
        sys.stderr.write(f"verify: {why}\n")
    return 2


def main() -> NoReturn:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("export", type=Path, help="the file or folder of an export")
    parser.add_argument("--key", action="append", default=[], help="a verifier key, or a file of them")
    parser.add_argument("--checkpoint", type=Path, help="a checkpoint that was kept from an earlier time")
    parser.add_argument("--json", action="store_true", help="the verdict as JSON")
    asked = parser.parse_args()
    try:
        keys = [key for text in asked.key for key in keys_of(text)]
    except UnusableError as error:
        sys.exit(unusable(str(error), in_json=asked.json))
    sys.exit(run(asked.export, keys, asked.checkpoint, in_json=asked.json))


if __name__ == "__main__":
    main()
