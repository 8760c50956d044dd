"""What a desk answers: the words between whoever asks and whoever commits."""

from typing import Any

import msgspec

from domain.errors import Refusal


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """What a command came to. `position` is its last event's, or the head of the log at which it was decided."""

    position: int
    answer: dict[str, Any] | None  # None: refused
    refusal: Refusal | None
    replayed: bool = False


class Overloaded(Exception):
    """The queue is full, or the database is away: nothing was written; ask again after `retry_after_s`."""

    def __init__(self, retry_after_s: float) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(f"try again in {retry_after_s:.1f} s")


class OutcomeUnknown(Exception):
    """The answer of a COMMIT was lost and could not be read in time: ask again with the same key."""
