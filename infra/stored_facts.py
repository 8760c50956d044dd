"""A row of the log: as the library's stored event, and as a fact."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from eventsourcing.persistence import StoredEvent

from domain import wire
from domain.events import Fact

COLUMNS: Final = "position, stream, stream_version, type, state, person, booking, command_id, at"


@dataclass(frozen=True)
class StoredFact(StoredEvent):
    """A stored event with the tags that become columns of the log."""

    person: str | None
    booking: str | None
    command_id: bytes
    at: datetime

    def __init__(  # noqa: PLR0917 - the columns in their order
        self,
        originator_id: str,
        originator_version: int,
        topic: str,
        state: bytes,
        person: str | None,
        booking: str | None,
        command_id: bytes,
        at: datetime,
    ) -> None:
        # A frozen dataclass sets its fields one by one around its own guard: three times as long, for every event.
        vars(self).update(
            originator_id=originator_id,
            originator_version=originator_version,
            topic=topic,
            state=state,
            person=person,
            booking=booking,
            command_id=command_id,
            at=at,
        )


def fact_of(row: Sequence[Any]) -> Fact:
    """A row of COLUMNS as a fact."""
    position, stream, version, topic, state, person, booking, command_id, at = row
    return Fact(stream, version, at, command_id, person, booking, wire.decode(topic, state), position)
