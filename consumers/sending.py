"""How a message leaves, whichever way it goes."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from consumers.composing import Message


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """A message on its way. The mobile came from the vault for this one sending: it is never logged, never kept."""

    message: Message
    mobile: str = field(repr=False)  # E.164
    id: str  # the same at each attempt
    at: datetime


class HandedOver(NamedTuple):
    """The next server has taken it over. `receipts`: ids by which it will tell what became of each part, if it does."""

    receipts: tuple[str, ...] = ()


class SendingFailed(Exception):
    """`why`: a word and a code; nothing of what was sent, nor to whom."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


class Refused(SendingFailed):
    """It would be refused again."""


class Unavailable(SendingFailed):
    """It may go later."""


class Away(Unavailable):
    """No message could go this way now: it is the server, not the message."""


class Channel(Protocol):
    @property
    def name(self) -> str: ...

    def send(self, envelope: Envelope) -> HandedOver:
        """Refused, Unavailable."""

    def close(self) -> None: ...
