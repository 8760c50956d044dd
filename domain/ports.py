"""What the inner rings need from outside, as small as their use."""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, Protocol

import msgspec

from domain.commands import Command
from domain.errors import Refusal
from domain.events import Fact


class Receipt(msgspec.Struct, frozen=True):
    """What a command came to. `position` is its last event's, or the head of the log at which it was decided."""

    position: int
    answer: dict[str, Any] | None  # None: refused
    refusal: Refusal | None
    replayed: bool = False


class Desk(Protocol):
    def submit(self, command: Command) -> "Future[Receipt]":
        """Raises Overloaded at once when the queue is full. The future never fails with a refusal: that is a Receipt."""
        ...


class Feed(Protocol):
    def after(self, position: int, limit: int) -> Sequence[tuple[int, Fact]]: ...


class Overloaded(Exception):  # noqa: N818
    """The queue is full, or the database is away: nothing was written; ask again after `retry_after_s`."""

    def __init__(self, retry_after_s: float) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(f"try again in {retry_after_s:.1f} s")


class OutcomeUnknown(Exception):  # noqa: N818
    """The answer of a COMMIT was lost and could not be read in time: ask again with the same key."""
