"""What became of a command: what is kept of it, what it is answered, and what it is answered again."""

from collections.abc import Sequence
from typing import Any

import msgspec

from domain.answers import answer
from domain.commands import Command
from domain.decision import Decision
from domain.errors import KeyReused, Refusal, Refused
from domain.events import Fact
from domain.ports import Receipt

_encode = msgspec.json.Encoder().encode
_decode_refusal = msgspec.json.Decoder(Refusal).decode
_decode_answer = msgspec.json.Decoder(dict[str, Any]).decode


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What became of a command: a row of `command_outcome`."""

    command_id: bytes
    fingerprint: bytes  # empty: its person was erased, and which request it was is not known any more
    first_position: int | None
    last_position: int
    refused: bool
    said: bytes | None


def accepted(command: Command, position: int, decision: Decision) -> tuple[Outcome, Receipt]:
    facts = decision.facts
    last = position + len(facts)
    said = _encode(decision.said) if decision.said else None
    first = position + 1 if facts else None
    told = decision.said or answer(command, facts)
    outcome = Outcome(command.command_id, command.fingerprint, first, last, refused=False, said=said)
    return outcome, Receipt(last, told, None)


def refused(command: Command, position: int, refused: Refused) -> tuple[Outcome, Receipt]:
    refusal = Refusal.of(refused)
    outcome = Outcome(command.command_id, command.fingerprint, None, position, refused=True, said=_encode(refusal))
    return outcome, Receipt(position, None, refusal)


def again(command: Command, outcome: Outcome, receipt: Receipt) -> Receipt:
    """The first answer once more; or a refusal, not stored, when the key came with another request."""
    if _is_of_another_request(command, outcome):
        return Receipt(outcome.last_position, None, Refusal.of(KeyReused()))
    return Receipt(receipt.position, receipt.answer, receipt.refusal, replayed=True)


def recall(command: Command, outcome: Outcome, facts: Sequence[Fact]) -> Receipt:
    if outcome.refused:
        assert outcome.said is not None
        return Receipt(outcome.last_position, None, _decode_refusal(outcome.said))
    if outcome.said is not None:
        return Receipt(outcome.last_position, _decode_answer(outcome.said), None)
    if _is_of_another_request(command, outcome):
        return Receipt(outcome.last_position, {}, None)  # answered as a reused key: there is nothing to tell
    return Receipt(outcome.last_position, answer(command, facts), None)


def _is_of_another_request(command: Command, outcome: Outcome) -> bool:
    return outcome.fingerprint not in (command.fingerprint, b"")
