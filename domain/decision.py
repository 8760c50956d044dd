"""A decision being made: the facts of one command, folded into the state as they are recorded."""

from datetime import datetime
from typing import Any, Protocol

import msgspec

from domain.commands import Beneficiary, Command
from domain.events import Event, Fact
from domain.state import State


class Versioned(Protocol):
    stream: str
    version: int


class Sealing(msgspec.Struct, frozen=True):
    """Personal data that goes to the vault in the same transaction as the facts that name the person."""

    person: str
    beneficiary: Beneficiary
    is_new: bool


class Renumbering(msgspec.Struct, frozen=True):
    """The vault knows the person under another number from here on."""

    person: str
    beneficiary: Beneficiary


class Note(msgspec.Struct, frozen=True):
    """Free words about a person: sealed in the vault under the person's key."""

    person: str
    about: str  # id of the booking, or of the fact: its stream and version
    text: str


class Decision:
    def __init__(self, command: Command, state: State) -> None:
        self.command = command
        self.state = state
        self.policy = state.policies.at(command.at)  # the one it is decided under
        self.facts: list[Fact] = []
        self.sealings: list[Sealing] = []
        self.renumberings: list[Renumbering] = []
        self.notes: list[Note] = []
        self.erased: list[str] = []  # persons whom the vault forgets
        self.said: dict[str, Any] = {}  # the answer of a command that left no fact

    def record(
        self,
        stream: Versioned,
        event: Event,
        *,
        person: str | None = None,
        booking: str | None = None,
        at: datetime | None = None,
    ) -> None:
        command, state = self.command, self.state
        state.position += 1
        fact = Fact(
            stream.stream,
            stream.version + 1,
            at or command.at,
            command.command_id,
            person,
            booking,
            event,
            state.position,
        )
        state.apply(fact)
        self.facts.append(fact)

    def person_id(self, beneficiary: Beneficiary) -> str:
        """The person's id, drawn now if no fact has named the number yet; what they told us goes to the vault."""
        person = self.state.people[beneficiary.lookup]
        is_new = person is None
        if person is None:
            person = self.state.meet(beneficiary.lookup)
        if is_new or beneficiary.has_contact:
            self.sealings.append(Sealing(person, beneficiary, is_new))
        return person

    def note(self, person: str, about: str, text: str) -> None:
        self.notes.append(Note(person, about, text))
