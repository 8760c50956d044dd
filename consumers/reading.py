"""What has come on `mawid.facts.v1`, taken for a fact or not: anybody may have written it, and a newer Mawid too."""

from typing import Final, NamedTuple, Protocol
from uuid import UUID

import msgspec

from consumers.message import Envelope
from domain import wire
from domain.events import Event


class Record(Protocol):
    """A message where it lies."""

    @property
    def topic_id(self) -> UUID: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def value(self) -> bytes | None: ...


class Readable(NamedTuple):
    record: Record
    envelope: Envelope
    event: Event


class Unreadable(NamedTuple):
    record: Record
    why: str  # in a word


Read = Readable | Unreadable

_decode: Final = msgspec.json.Decoder(Envelope).decode
_POSITION_MAX: Final = 2**63 - 1


def read(record: Record, *, bytes_max: int) -> Read:
    value = record.value
    if value is None:
        return Unreadable(record, "empty")
    if len(value) > bytes_max:
        return Unreadable(record, "oversized")
    try:
        envelope = _decode(value)
    except msgspec.ValidationError:
        return Unreadable(record, "envelope")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Unreadable(record, "not-json")
    if not _is_whole(envelope):
        return Unreadable(record, "envelope")
    try:
        event = wire.decode(envelope.type, bytes(envelope.data))
    except wire.UnknownEvent:
        return Unreadable(record, "unknown-type")
    except (msgspec.DecodeError, ValueError, RecursionError):
        return Unreadable(record, "data")
    return Readable(record, envelope, event)


def _is_whole(told: Envelope) -> bool:
    """Also that a database can be asked about it."""
    numbers_fit = 1 <= told.position <= _POSITION_MAX and 1 <= told.stream_version <= _POSITION_MAX
    return numbers_fit and told.id == f"{told.stream}/{told.stream_version}" and "\0" not in told.stream
