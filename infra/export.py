"""The log as NDJSON, byte for byte the same whenever it is written up to the same position."""

import os
import time
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from infra.merkle import Frontier, leaf_hash
from infra.packing import microseconds

PAGE_EVENTS = 5_000
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Exported:
    events: int
    root: str  # of the Merkle tree over the exported events, base64
    seconds: float


def export_log(dsn: str, path: Path) -> Exported:
    """Streams every event up to the head seen at start; the file appears whole or not at all (RuntimeError)."""
    started = time.monotonic()
    frontier, digest = Frontier(), sha256()
    draft = path.with_name(f".{path.name}.part")
    try:
        with psycopg.connect(dsn) as connection, draft.open("wb") as file:
            os.fchmod(file.fileno(), 0o600)
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            head = _head(connection)
            while frontier.size < head:
                rows = _page(connection, frontier.size, head)
                lines = b"".join([_encode(_line(row)) + b"\n" for row in rows])
                frontier.extend([_leaf(row) for row in rows])
                digest.update(lines)
                file.write(lines)
            if frontier.to_bytes() != _frontier(connection):
                raise RuntimeError("the log does not match the Merkle tree of its head: it has been tampered with")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    root = b64encode(frontier.root()).decode()
    manifest = {"events": head, "root": root, "sha256": digest.hexdigest()}
    path.with_name(f"{path.name}.manifest.json").write_bytes(msgspec.json.format(_encode(manifest), indent=2) + b"\n")
    return Exported(head, root, time.monotonic() - started)


def _head(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute("SELECT position FROM log_head").fetchone()
    assert row is not None
    return int(row[0])


def _frontier(connection: psycopg.Connection[Any]) -> bytes:
    row = connection.execute("SELECT frontier FROM log_head").fetchone()
    assert row is not None
    return bytes(row[0])


def _page(connection: psycopg.Connection[Any], after: int, head: int) -> list[tuple[Any, ...]]:
    query = """
        SELECT position, stream, stream_version, type, person, booking, command_id, at, recorded_at, state
        FROM log WHERE position > %s AND position <= %s ORDER BY position LIMIT %s
    """
    return connection.cursor(binary=True).execute(query, (after, head, PAGE_EVENTS)).fetchall()


def _leaf(row: tuple[Any, ...]) -> bytes:
    position, stream, version, topic, person, booking, command_id, at, recorded_at, state = row
    times = microseconds(at), microseconds(recorded_at)
    return leaf_hash(position, stream, version, topic, person, booking, command_id, *times, state)


def _line(row: tuple[Any, ...]) -> dict[str, Any]:
    """Everything the leaf is hashed over; `state` is the stored text itself, to be hashed as UTF-8."""
    position, stream, version, topic, person, booking, command_id, at, recorded_at, state = row
    return {
        "position": position,
        "stream": stream,
        "stream_version": version,
        "type": topic,
        "person": person,
        "booking": booking,
        "command_id": command_id.hex() if command_id is not None else None,
        "at": _utc(at),
        "recorded_at": _utc(recorded_at),
        "state": state.decode(),
    }


def _utc(instant: datetime) -> str:
    """RFC 3339 with all six digits of the microseconds, for the leaf needs them."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
