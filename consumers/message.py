"""The envelope of a fact on `mawid.facts.v1`: the same, byte for byte, as /v1/feed tells."""

from datetime import datetime
from typing import NamedTuple, Protocol

import msgspec

from domain.calendar import RIYADH


class LogEntry(Protocol):
    """A fact as it is stored."""

    @property
    def position(self) -> int: ...
    @property
    def stream(self) -> str: ...
    @property
    def stream_version(self) -> int: ...
    @property
    def type(self) -> str: ...
    @property
    def command_id(self) -> bytes | None: ...
    @property
    def at(self) -> datetime: ...
    @property
    def state(self) -> bytes: ...


class Envelope(msgspec.Struct, frozen=True, gc=False):
    position: int  # in the log: 1, 2, 3 … without a gap
    id: str  # of the fact for ever, whatever log it is copied to: what comes twice is told by it
    type: str
    stream: str
    stream_version: int  # 1, 2, 3 … within the stream, which is the message's key
    at: str  # RFC 3339, office time
    command_id: str | None
    data: msgspec.Raw  # JSON as stored


class Message(NamedTuple):
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


_encode = msgspec.json.Encoder().encode


def message_of(entry: LogEntry) -> Message:
    stream, version = entry.stream, entry.stream_version
    envelope = Envelope(
        entry.position,
        f"{stream}/{version}",
        entry.type,
        stream,
        version,
        entry.at.astimezone(RIYADH).isoformat(),
        entry.command_id.hex() if entry.command_id is not None else None,
        msgspec.Raw(entry.state),
    )
    headers = [("type", entry.type.encode()), ("position", b"%d" % entry.position)]
    return Message(stream.encode(), _encode(envelope), headers)
