"""One batch at the desk: load what it needs, decide each command in turn, append, all within one turn at the log."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, TypedDict

import msgspec
from eventsourcing.persistence import EventStore
from psycopg import Connection
from psycopg.rows import TupleRow

from domain.answers import answer
from domain.commands import Beneficiary, Command
from domain.decision import Decision, Note, Sealing
from domain.decisions import decide, events_of, needs_of, settle
from domain.errors import KeyReused, Refusal, Refused
from domain.events import Fact
from domain.ports import Receipt
from domain.state import Needs, State
from infra.settings import Desk as Limits
from infra.turn import Asked, Outcome, Turn
from infra.vault import Erased, Vault

_encode = msgspec.json.Encoder().encode
_decode_refusal = msgspec.json.Decoder(Refusal).decode
_decode_answer = msgspec.json.Decoder(dict[str, Any]).decode

#: A process that is this far behind the log starts with empty caches instead of folding what it missed.
TAIL_EVENTS_MAX = 5_000


class CommandFailed(Exception):
    """One command met a fault of the code; the batch has to be decided again without it."""

    def __init__(self, index: int) -> None:
        self.index = index
        super().__init__(f"command {index} of the batch")


class Batch:
    """Decides in the order of the queue. Nothing it answers counts before the turn's COMMIT."""

    def __init__(self, state: State, events: "EventStore[str]", vault: Vault, limits: Limits) -> None:
        self._state = state
        self._events = events
        self._vault = vault
        self._events_max = limits.batch_events_max
        self._seconds_max = limits.batch_ms_max / 1000
        self._refusals_kept = timedelta(hours=limits.refusal_keep_h)

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
        needs = self._needs_of(commands)
        turn = self._take_turn(connection, commands, state.lacking(needs).lookups)
        known = turn.outcomes
        if turn.tail or known:
            needs = self._needs_of([command for command in commands if command.command_id not in known])
        self._load(turn, commands, needs)
        return turn, self._decide(turn, commands)

    def _take_turn(self, connection: Connection[TupleRow], commands: Sequence[Command], lookups: set[bytes]) -> Turn:
        """Hold the lock, knowing what these commands became before, who the numbers are, and what others appended."""
        state = self._state
        asked = Asked(
            after=state.position,
            facts_max=TAIL_EVENTS_MAX,
            command_ids=[command.command_id for command in commands],
            refused_after=datetime.now(UTC) - self._refusals_kept,
            lookups=list(lookups),
        )
        turn = Turn.take(connection, asked)
        if turn.head - state.position > TAIL_EVENTS_MAX:
            state.forget()
        else:
            for fact in turn.tail:
                state.apply(fact)
        state.position = turn.head
        state.introduce(asked.lookups, turn.people)
        return turn

    def _load(self, turn: Turn, commands: Sequence[Command], needs: Needs, made: Sequence[Fact] = ()) -> Needs:
        """Until nothing is lacking: a booking has to be read before the slots it stands in are known.

        `made`: the batch's own facts so far, which the log does not have yet. Returns all that is needed.
        """
        state = self._state
        while lacking := state.lacking(needs):
            if lacking.lookups:
                found = turn.people_of(lacking.lookups)
                state.introduce(lacking.lookups, found)
                lacking.persons |= {person for person in found.values() if person not in state.persons}
            state.load(lacking, [*turn.facts_for(lacking), *made])
            if state.tells_more(lacking):
                needs = self._needs_of([command for command in commands if command.command_id not in turn.outcomes])
        return needs

    def _needs_of(self, commands: Sequence[Command]) -> Needs:
        needs = Needs()
        for command in commands:
            one = needs_of(command, self._state)
            needs.streams |= one.streams
            needs.bookings |= one.bookings
            needs.persons |= one.persons
            needs.lookups |= one.lookups
        return needs

    # -- deciding -----------------------------------------------------------------------------------------------------

    def _decide(self, turn: Turn, commands: Sequence[Command]) -> list[Receipt]:
        state, known, until = self._state, turn.outcomes, monotonic() + self._seconds_max
        made = turn.facts_made()
        facts: list[Fact] = []
        sealings: list[Sealing] = []
        notes: list[Note] = []
        fresh: dict[bytes, tuple[Outcome, Receipt]] = {}
        receipts: list[Receipt] = []
        for index, command in enumerate(commands):
            command_id = command.command_id
            if command_id in fresh:  # a twin in the same batch
                receipts.append(_again(command, *fresh[command_id]))
                continue
            if command_id in known:
                before = known[command_id]
                receipts.append(_again(command, before, self._recall(command, before, made.get(command_id, ()))))
                continue
            if receipts and monotonic() > until:
                break
            position = turn.head + len(facts)
            # Asked again: what earlier commands of the batch did may tell more.
            needs = self._load(turn, [command], needs_of(command, state), facts)
            try:
                facts += settle(command, needs, state)
                position = turn.head + len(facts)
                decision = decide(command, state)
                outcome, receipt = _accepted(command, position, decision)
            except Refused as refused:
                outcome, receipt = _refused(command, position, refused)
            except Exception as error:
                raise CommandFailed(index) from error
            else:
                facts += decision.facts
                sealings += decision.sealings
                notes += decision.notes
            fresh[command_id] = outcome, receipt
            receipts.append(receipt)

        if facts:
            self._events.put(facts, turn=turn)
            self._seal(turn, sealings, notes)
        if fresh:
            turn.keep_outcomes([outcome for outcome, _ in fresh.values()])
        state.forget_strangers()
        state.position = turn.head
        return receipts

    # -- answering ----------------------------------------------------------------------------------------------------

    def _recall(self, command: Command, outcome: Outcome, facts: Sequence[Fact]) -> Receipt:
        if outcome.refused:
            assert outcome.said is not None
            return Receipt(outcome.last_position, None, _decode_refusal(outcome.said))
        if outcome.said is not None:
            return Receipt(outcome.last_position, _decode_answer(outcome.said), None)
        if command.fingerprint != outcome.fingerprint:
            return Receipt(outcome.last_position, {}, None)  # answered as a reused key: there is nothing to tell
        return Receipt(outcome.last_position, answer(command, facts), None)

    # -- sealing ------------------------------------------------------------------------------------------------------

    def _seal(self, turn: Turn, sealings: Sequence[Sealing], notes: Sequence[Note]) -> None:
        vault = self._vault
        new = [
            vault.new_person(s.person, s.beneficiary.number, **_contact(s.beneficiary)) for s in sealings if s.is_new
        ]
        if new:
            turn.seal_people(new)
        told = [s for s in sealings if not s.is_new]
        if not told and not notes:
            return
        keys = turn.wrapped_keys({s.person for s in told} | {note.person for note in notes})
        contacts = [
            vault.reseal(s.person, kek_id, wrapped_key, **_contact(s.beneficiary))
            for s in told
            if s.person in keys
            for kek_id, wrapped_key in [keys[s.person]]
        ]
        turn.seal_contacts([contact for contact in contacts if not isinstance(contact, Erased)])
        sealed = [(n, vault.seal_note(n.person, *keys[n.person], n.booking, n.text)) for n in notes if n.person in keys]
        turn.seal_notes([(n.person, n.booking, words) for n, words in sealed if not isinstance(words, Erased)])


class _Contact(TypedDict):
    name: str | None
    mobile: str | None
    language: str | None


def _contact(beneficiary: Beneficiary) -> _Contact:
    return _Contact(name=beneficiary.name, mobile=beneficiary.mobile, language=beneficiary.language)


def _accepted(command: Command, position: int, decision: Decision) -> tuple[Outcome, Receipt]:
    facts = decision.facts
    last = position + len(facts)
    said = _encode(decision.said) if decision.said else None
    first = position + 1 if facts else None
    told = decision.said or answer(command, facts)
    outcome = Outcome(command.command_id, command.fingerprint, first, last, refused=False, said=said)
    return outcome, Receipt(last, told, None)


def _refused(command: Command, position: int, refused: Refused) -> tuple[Outcome, Receipt]:
    refusal = Refusal.of(refused)
    outcome = Outcome(command.command_id, command.fingerprint, None, position, refused=True, said=_encode(refusal))
    return outcome, Receipt(position, None, refusal)


def _again(command: Command, outcome: Outcome, receipt: Receipt) -> Receipt:
    """The first answer once more; or a refusal, not stored, when the key came with another request."""
    if command.fingerprint != outcome.fingerprint:
        return Receipt(outcome.last_position, None, Refusal.of(KeyReused()))
    return Receipt(receipt.position, receipt.answer, receipt.refusal, replayed=True)
