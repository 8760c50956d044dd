"""What a desk and a vault answer: the words between whoever asks and whoever commits or seals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from domain.errors import Refusal


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """What a command came to. `position` is its last event's, or the head of the log at which it was decided."""

    position: int
    answer: dict[str, Any] | None  # None: refused
    refusal: Refusal | None
    replayed: bool = False


class Opening(NamedTuple):
    """Somebody has looked into a person's data."""

    who: str  # role and place, such as staff@CA-TB-01; a citizen as person/<id>
    why: str
    at: datetime  # the system's clock


@dataclass(frozen=True, kw_only=True)
class PersonFile:
    """What the vault holds about a person, in clear: never logged, never kept."""

    number: str = field(repr=False)
    name: str | None = field(repr=False)
    mobile: str | None = field(repr=False)
    language: str | None = field(repr=False)
    notes: Mapping[str, str] = field(repr=False)  # about which booking or fact → the words
    openings: Sequence[Opening] = field(repr=False)


class PublishedCheckpoint(NamedTuple):
    """The log's head as it was signed: a C2SP checkpoint. Who checks believes the note, and none of the rest."""

    origin: str
    size: int
    root: bytes
    note: str


class Inclusion(NamedTuple):
    """That an event is in the log of `size` events: RFC 6962, the leaf's index is position - 1."""

    position: int
    size: int
    leaf: bytes
    proof: Sequence[bytes]


class Overloaded(Exception):
    """The queue is full, or the database is away: nothing was written; ask again after `retry_after_s`."""

    def __init__(self, retry_after_s: float) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(f"try again in {retry_after_s:.1f} s")


class OutcomeUnknown(Exception):
    """The answer of a COMMIT was lost and could not be read in time: ask again with the same key."""


class TopicUnavailable(Exception):
    """Nobody has said that the messages are on the topic: some may be. The sentence is for people, and no secret."""
