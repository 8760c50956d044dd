"""The log as a bundle that proves itself: its events as they are stored, figures derived from them, signed checkpoints.

One file (a header line, a line an event, a last line with the rest), or a folder (events.ndjson, manifest.json,
checkpoint, checkpoints.json, and the tree as tiles). Written twice at one head it is the same, byte for byte, however
often it was interrupted. It is a faithful copy: of a log that has been tampered with too, for whoever verifies it.
"""

import time
from base64 import b64encode
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import psycopg
from psycopg import sql

from infra.export.draft import Draft, ExportFailed
from infra.export.lines import COLUMNS, END, HEADER_BYTES, Row, RowError, row_of
from infra.export.signed import Signed, signed_now
from infra.merkle import Frontier
from infra.playing import OnProgress, Standing

__all__ = ["ExportFailed", "Exported", "Signed", "export_log", "signed_now"]

FORMAT: Final = 1
HEADER: Final = b'{"mawid_export":%d}\n' % FORMAT
PAGE_EVENTS: Final = 2_000
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
        with closing(_copied(connection, draft.position, upto)) as rows:  # whatever ends it, the COPY ends first
            for page in _pages(rows, draft, exported, upto, on_progress):
                draft.add(page)
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


def _copied(connection: psycopg.Connection[Any], after: int | None, upto: int) -> Generator[bytes]:
    query = sql.SQL(
        f"COPY (SELECT {COLUMNS} FROM log WHERE position <= {{}} {{}} ORDER BY position, stream_version)"
        " TO STDOUT (FORMAT binary)"
    ).format(
        sql.Literal(upto), sql.SQL("AND position > {}").format(sql.Literal(after)) if after is not None else sql.SQL("")
    )
    with connection.cursor().copy(query) as copy:
        is_first = True
        for block in copy:
            data = bytes(block)
            if is_first:
                data, is_first = data[HEADER_BYTES:], False
            if data and data != END:
                yield data


def _pages(
    rows: Iterable[bytes], draft: Draft, exported: Exported, upto: int, on_progress: OnProgress | None
) -> Iterator[list[Row]]:
    """Rows in handy portions; the draft is saved now and then, between two of them."""
    page: list[Row] = []
    saved, stored = draft.frontier.size, b""
    for data in rows:
        try:
            row = row_of(data)
        except RowError as error:
            raise ExportFailed(str(error)) from error
        if not row.is_leaf_stored and not exported.warnings:
            exported.warnings.append(f"event {row.position} is not what its leaf was hashed over")
        page.append(row)
        if len(page) == PAGE_EVENTS:
            yield page
            stored = row.line
            page = []
            if on_progress is not None:
                on_progress(Standing("events", draft.frontier.size, upto))
            if draft.frontier.size - saved >= SAVE_EVERY_EVENTS:
                draft.save(_stored_leaf(stored))
                saved = draft.frontier.size
    if page:
        yield page
    if on_progress is not None:
        on_progress(Standing("events", draft.frontier.size, upto))


def _stored_leaf(line: bytes) -> bytes:
    return bytes.fromhex(line.partition(b'"leaf":"')[2].partition(b'"')[0].decode())


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
