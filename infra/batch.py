"""One batch at the desk: load what it needs, decide each command in turn, append, all within one turn at the log."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TypedDict

import structlog
from eventsourcing.persistence import EventStore
from psycopg import Connection
from psycopg.rows import TupleRow

from domain.commands import Beneficiary, Book, Command
from domain.decision import Note, Renumbering, Sealing
from domain.decisions import STEP_BY_STEP, decide, events_of, needs_no_more, needs_of, settle
from domain.errors import Refused
from domain.events import Fact
from domain.ports import Overloaded, Receipt
from domain.state import Needs, State
from infra.receipts import Outcome, accepted, again, recall, refused
from infra.settings import Desk as Limits
from infra.strangers import Strangers
from infra.turn import Asked, Turn
from infra.vault import Erased, Vault, VaultError

_log = structlog.get_logger("desk")

#: A process that is this far behind the log starts with empty caches instead of folding what it missed.
TAIL_EVENTS_MAX = 5_000


#: A batch is written in so many portions, each of at least so many commands: a smaller one costs more than it saves.
PORTIONS = 2
PORTION_COMMANDS_MIN = 8


class CommandFailed(Exception):
    """One command met a fault of the code; the batch has to be decided again without it."""

    def __init__(self, index: int) -> None:
        self.index = index
        super().__init__(f"command {index} of the batch")


@dataclass(slots=True)
class Portion:
    """Of a batch: what was decided and is not yet written."""

    facts: list[Fact] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    met: list[Sealing] = field(default_factory=list)  # persons new to the vault


class Batch:
    """Decides in the order of the queue. Nothing it answers counts before the turn's COMMIT."""

    def __init__(
        self, state: State, events: "EventStore[str]", vault: Vault, strangers: Strangers, limits: Limits
    ) -> None:
        self._state = state
        self._events = events
        self._vault = vault
        self._strangers = strangers
        self._events_max = limits.batch_events_max
        self._seconds_max = limits.batch_ms_max / 1000
        self._refusals_kept = timedelta(hours=limits.refusal_keep_h)
        self._only_bookings = False
        self._asked: dict[bytes, Needs] = {}  # by command id: what each of the batch needed when last asked

    def fitting(self, commands: Sequence[Command]) -> Sequence[Command]:
        """As many of the first as one transaction has room for: a day's publication is some thirty events."""
        room = self._events_max
        for index, command in enumerate(commands):
            room -= events_of(command)
            if room < 0 and index:
                return commands[:index]
        return commands

    def run(self, connection: Connection[TupleRow], commands: Sequence[Command]) -> tuple[Turn, list[Receipt]]:
        """A turn ready to be committed, and the receipts of the first commands: fewer than given when time was up."""
        state = self._state
        self._asked.clear()
        self._only_bookings = all(type(command) is Book for command in commands)
        needs = self._needs_of(commands)
        turn = self._take_turn(connection, commands, state.lacking(needs).lookups)
        known = turn.outcomes
        if turn.tail or known:
            needs = self._needs_of([command for command in commands if command.command_id not in known])
        self._load(turn, commands, needs)
        return turn, self._decide(turn, commands)

    def _take_turn(self, connection: Connection[TupleRow], commands: Sequence[Command], lookups: set[bytes]) -> Turn:
        """Hold the lock, knowing what these commands became before, who the numbers are, and what others appended."""
        drawn_under = self._vault.ring.sealing.id
        state, stored = self._state, self._vault.stored_lookups(lookups)
        asked = Asked(
            after=state.position,
            facts_max=TAIL_EVENTS_MAX,
            command_ids=[command.command_id for command in commands],
            refused_after=datetime.now(UTC) - self._refusals_kept,
            lookups=list(stored),
        )
        turn = Turn.begin(connection, asked)
        self._expect(commands, lookups)
        turn.hold()
        people = turn.people
        if turn.vault_kek not in (None, drawn_under):
            stored, people = self._follow_rotation(turn, lookups)
            self._expect(commands, lookups)
        if turn.head - state.position > TAIL_EVENTS_MAX:
            state.forget()
        else:
            for fact in turn.tail:
                state.apply(fact)
        state.position = turn.head
        state.introduce(lookups, {stored[found]: person for found, person in people.items()})
        return turn

    def _expect(self, commands: Sequence[Command], lookups: set[bytes]) -> None:
        self._strangers.expect(told for told in map(_beneficiary_of, commands) if told and told.lookup in lookups)

    def _follow_rotation(self, turn: Turn, lookups: set[bytes]) -> tuple[dict[bytes, bytes], dict[bytes, str]]:
        """The vault seals under another key from here on, and some rows may be found by that one alone."""
        assert turn.vault_kek is not None
        if not self._vault.ring.seal_under(turn.vault_kek):
            _log.error("the vault's key file lacks the key that the log seals under", key=turn.vault_kek)
            raise Overloaded(1.0)
        stored = self._vault.stored_lookups(lookups)
        return stored, turn.people_of(stored) if stored else {}

    def _load(self, turn: Turn, commands: Sequence[Command], needs: Needs, made: Sequence[Fact] = ()) -> Needs:
        """Until nothing is lacking: a booking has to be read before the slots it stands in are known.

        `made`: facts of the batch that are not yet written. Returns all that is needed.
        """
        state = self._state
        while lacking := state.lacking(needs):
            if lacking.lookups:
                stored = self._vault.stored_lookups(lacking.lookups)
                found = {stored[lookup]: person for lookup, person in turn.people_of(stored).items()}
                state.introduce(lacking.lookups, found)
                lacking.persons |= {person for person in found.values() if person not in state.persons}
            state.load(lacking, [*turn.facts_for(lacking), *made])
            if state.tells_more(lacking) or any(type(command) in STEP_BY_STEP for command in commands):
                needs = self._needs_of([command for command in commands if command.command_id not in turn.outcomes])
        return needs

    def _needs_of(self, commands: Sequence[Command]) -> Needs:
        needs = Needs()
        for command in commands:
            one = self._asked[command.command_id] = needs_of(command, self._state)
            needs.streams |= one.streams
            needs.bookings |= one.bookings
            needs.persons |= one.persons
            needs.lookups |= one.lookups
        return needs

    # -- deciding -----------------------------------------------------------------------------------------------------

    def _decide(self, turn: Turn, commands: Sequence[Command]) -> list[Receipt]:
        """PostgreSQL writes one portion while the next is decided."""
        state, known, until = self._state, turn.outcomes, monotonic() + self._seconds_max
        made = turn.facts_made()
        portion, portion_size = Portion(), max(PORTION_COMMANDS_MIN, -(-len(commands) // PORTIONS))
        told: list[Sealing] = []
        notes: list[Note] = []
        renumberings: list[Renumbering] = []
        erased: list[str] = []
        fresh: dict[bytes, tuple[Outcome, Receipt]] = {}
        receipts: list[Receipt] = []
        for index, command in enumerate(commands):
            command_id = command.command_id
            if command_id in fresh:  # a twin in the same batch
                receipts.append(again(command, *fresh[command_id]))
                continue
            if command_id in known:
                before = known[command_id]
                receipts.append(again(command, before, recall(command, before, made.get(command_id, ()))))
                continue
            if receipts and monotonic() > until:
                break
            self._settle(turn, command, index, portion.facts)
            position = turn.head + len(portion.facts)
            try:
                decision = decide(command, state)
                outcome, receipt = accepted(command, position, decision)
            except Refused as reason:
                outcome, receipt = refused(command, position, reason)
            except Exception as error:
                raise CommandFailed(index) from error
            else:
                portion.facts += decision.facts
                for sealing in decision.sealings:
                    (portion.met if sealing.is_new else told).append(sealing)
                notes += decision.notes
                renumberings += decision.renumberings
                erased += decision.erased
            portion.outcomes.append(outcome)
            fresh[command_id] = outcome, receipt
            receipts.append(receipt)
            if renumberings or erased:
                break  # whose the numbers are now, the next batch reads in the vault
            if len(portion.outcomes) >= portion_size:
                self._write(turn, portion)
                portion = Portion()

        self._write(turn, portion)
        self._seal_more(turn, told, notes, renumberings)
        for person in erased:
            turn.erase(person)
        state.forget_strangers()
        state.position = turn.head
        return receipts

    def _settle(self, turn: Turn, command: Command, index: int, facts: list[Fact]) -> None:
        """Load what the command needs now, with what the clock has decided about it recorded.

        Asked again, as earlier commands of the batch, and the clock, may have made more of it; but not for a booking
        around which everything is quiet.
        """
        if self._only_bookings and needs_no_more(command, self._asked[command.command_id], self._state):
            return
        while True:
            needs = self._load(turn, [command], needs_of(command, self._state), facts)
            try:
                due = settle(command, needs, self._state)
            except Exception as error:
                raise CommandFailed(index) from error
            if not due:
                return
            facts += due

    def _write(self, turn: Turn, portion: Portion) -> None:
        if portion.facts:
            self._events.put(portion.facts, turn=turn)
        if portion.met:
            turn.seal_people([self._strangers.sealed(met.person, met.beneficiary) for met in portion.met])
        if portion.outcomes:
            turn.keep_outcomes(portion.outcomes)
            turn.push()

    # -- sealing ------------------------------------------------------------------------------------------------------

    def _seal_more(
        self, turn: Turn, told: Sequence[Sealing], notes: Sequence[Note], renumberings: Sequence[Renumbering]
    ) -> None:
        """Under the keys of rows that are there by now."""
        if not told and not notes and not renumberings:
            return
        vault = self._vault
        persons = {s.person for s in told} | {note.person for note in notes} | {r.person for r in renumberings}
        keys = turn.wrapped_keys(persons)
        contacts = [
            vault.reseal(s.person, kek_id, wrapped_key, **_contact(s.beneficiary))
            for s in told
            if s.person in keys
            for kek_id, wrapped_key in [keys[s.person]]
        ]
        turn.seal_contacts([contact for contact in contacts if not isinstance(contact, Erased)])
        sealed = [(n, vault.seal_note(n.person, *keys[n.person], n.about, n.text)) for n in notes if n.person in keys]
        turn.seal_notes([(n.person, n.about, words) for n, words in sealed if not isinstance(words, Erased)])
        for r in renumberings:
            number = vault.renumber(r.person, *keys[r.person], r.beneficiary.number)
            if isinstance(number, Erased):
                raise VaultError(f"the key of person {r.person} is gone: no number can be sealed under it")
            turn.seal_number(number)


class _Contact(TypedDict):
    name: str | None
    mobile: str | None
    language: str | None


def _contact(beneficiary: Beneficiary) -> _Contact:
    return _Contact(name=beneficiary.name, mobile=beneficiary.mobile, language=beneficiary.language)


def _beneficiary_of(command: Command) -> Beneficiary | None:
    return getattr(command, "beneficiary", None)
