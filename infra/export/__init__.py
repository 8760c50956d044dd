"""The log as a bundle that proves itself: its events as they are stored, figures derived from them, signed checkpoints.

One file (a header line, a line an event, a last line with the rest), or a folder (events.ndjson, manifest.json,
checkpoint, checkpoints.json, and the tree as tiles). Written twice at one head it is the same, byte for byte, however
often it was interrupted. It is a faithful copy: of a log that has been tampered with too, for whoever verifies it.
"""

import time
from base64 import b64encode
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import psycopg

from infra.export.draft import Draft, ExportFailed
from infra.export.lines import RowError
from infra.export.signed import Signed, signed_now
from infra.export.stretches import ALONE_EVENTS_MAX, Stretch, stretches_apart, stretches_here
from infra.merkle import Frontier
from infra.playing import OnProgress, Standing

__all__ = ["ExportFailed", "Exported", "Signed", "export_log", "signed_now"]

FORMAT: Final = 1
HEADER: Final = b'{"mawid_export":%d}\n' % FORMAT
SAVE_EVERY_EVENTS: Final = 200_000
#: Of the earlier checkpoints about one per so many events goes along: each narrows down where a rewrite begins.
CHECKPOINT_EVERY_EVENTS: Final = 10_000  # as the signer thins them out: so an export stays the same
CHECKPOINTS_MAX: Final = 4_096


@dataclass
class Exported:
    events: int = 0
    root: str = ""  # of the Merkle tree over the exported events, base64
    seconds: float = 0.0
    resumed_at: int | None = None  # position after which an earlier run had stopped
    warnings: list[str] = field(default_factory=list)  # what an untouched log does not have


def export_log(
    dsn: str, path: Path, signed: Signed, *, as_folder: bool = False, on_progress: OnProgress | None = None
) -> Exported:
    """Every event up to the newest checkpoint; to the end, where the log is not what was signed. ExportFailed."""
    try:
        return _export_log(dsn, path, signed, as_folder=as_folder, on_progress=on_progress)
    except OSError as error:
        problem = (
            f"the export cannot be written to {path} ({error.strerror or error}): make room, or name another place"
        )
        raise ExportFailed(problem) from error


def _export_log(dsn: str, path: Path, signed: Signed, *, as_folder: bool, on_progress: OnProgress | None) -> Exported:
    started = time.monotonic()
    exported = Exported(warnings=[signed.warning] if signed.warning else [])
    if as_folder:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    events = path / "events.ndjson" if as_folder else path
    with (
        _snapshot(dsn) as connection,
        Draft(events, tiles_in=path if as_folder else None, header=b"" if as_folder else HEADER) as draft,
    ):
        upto = _upto(connection, signed, exported)
        if not _continues(connection, draft, upto):
            draft.restart()
        exported.resumed_at = draft.position
        with closing(_stretches(connection, dsn, draft.position, upto)) as stretches:
            _write_events(stretches, draft, exported, upto, on_progress)
        exported.events, exported.root = draft.frontier.size, b64encode(draft.frontier.root()).decode()
        _compare_with_head(connection, draft.frontier, upto, exported)
        manifest = {
            "format": FORMAT,
            "events": exported.events,
            "root": exported.root,
            "sha256": draft.sha256,  # of the lines of the events
            "figures": draft.figures.as_told(),
        }
        notes = [note for _, note in _thinned(signed.checkpoints)]
        keys, newest, earlier = list(signed.keys), notes[-1] if notes else None, notes[:-1]
        if as_folder:
            _write(path / "manifest.json", msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
            _write(path / "checkpoint", (newest or "").encode())
            _write(path / "checkpoints.json", msgspec.json.encode({"keys": keys, "checkpoints": earlier}) + b"\n")
            draft.finish(b"")
        else:
            last = {"manifest": manifest, "keys": keys, "checkpoint": newest, "checkpoints": earlier}
            draft.finish(msgspec.json.encode(last) + b"\n")
    exported.seconds = time.monotonic() - started
    return exported


@contextmanager
def _snapshot(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(dsn) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield connection


def _head(connection: psycopg.Connection[Any]) -> tuple[int, bytes]:
    row = connection.execute("SELECT position, frontier FROM log_head").fetchone()
    return (int(row[0]), bytes(row[1])) if row is not None else (0, b"")


def _upto(connection: psycopg.Connection[Any], signed: Signed, exported: Exported) -> int:
    """Up to the newest checkpoint. Where something is wrong: all there is, for a verifier to see."""
    head, _ = _head(connection)
    row = connection.execute("SELECT coalesce(max(position), 0) FROM log").fetchone()
    last = int(row[0]) if row is not None else 0
    size = signed.checkpoints[-1][0] if signed.checkpoints else last
    if last != head:
        exported.warnings.append(f"the head of the log says {head} events, and the last in it is {last}")
    return size if last == head and size <= head and signed.warning is None else last


def _continues(connection: psycopg.Connection[Any], draft: Draft, upto: int) -> bool:
    """Whether the draft's last line is an event of this log, as it is now."""
    if draft.position is None:
        return True
    row = connection.execute("SELECT leaf FROM log WHERE position = %s", (draft.position,)).fetchone()
    return draft.position <= upto and row is not None and bytes(row[0]).hex() == draft.mark.leaf


def _stretches(connection: psycopg.Connection[Any], dsn: str, after: int | None, upto: int) -> Generator[Stretch]:
    head, _ = _head(connection)
    if upto > head or upto - (after or 0) < ALONE_EVENTS_MAX:  # beyond the head positions may be whatever they like
        return stretches_here(connection, after, upto)
    return stretches_apart(connection, dsn, after or 0, upto)


def _write_events(
    stretches: Iterable[Stretch], draft: Draft, exported: Exported, upto: int, on_progress: OnProgress | None
) -> None:
    """The draft is saved now and then, between two stretches."""
    saved = draft.frontier.size
    try:
        for stretch in stretches:
            draft.add(stretch)
            if stretch.first_unfit is not None and not exported.warnings:
                exported.warnings.append(f"event {stretch.first_unfit} is not what its leaf was hashed over")
            if on_progress is not None:
                on_progress(Standing("events", draft.frontier.size, upto))
            if draft.frontier.size - saved >= SAVE_EVERY_EVENTS:
                draft.save()
                saved = draft.frontier.size
    except RowError as error:
        raise ExportFailed(str(error)) from error
    except BrokenProcessPool as error:
        raise ExportFailed("a process that reads the log has ended: run the same again, and it goes on") from error


def _compare_with_head(connection: psycopg.Connection[Any], own: Frontier, upto: int, exported: Exported) -> None:
    head, frontier = _head(connection)
    if own.size != upto:
        exported.warnings.append(f"of {upto} events {own.size} are there")
    elif upto == head and own.to_bytes() != frontier:
        exported.warnings.append("the events do not make the Merkle tree that the head of the log tells of")


def _thinned(checkpoints: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    """The last of each stretch of events; the newest is one of them."""
    if not checkpoints:
        return []
    step = CHECKPOINT_EVERY_EVENTS * (1 + checkpoints[-1][0] // (CHECKPOINT_EVERY_EVENTS * CHECKPOINTS_MAX))
    return list({size // step: (size, note) for size, note in checkpoints}.values())


def _write(path: Path, content: bytes) -> None:
    fresh = path.with_name(f".{path.name}.part")
    fresh.write_bytes(content)
    fresh.chmod(0o600)
    fresh.replace(path)
