"""The sweep: it decides nothing, it has the clock's decisions about an office's day recorded."""

from domain.commands import SettleDay
from domain.decision import Decision
from domain.due import end_windows
from domain.identifiers import slot_stream
from domain.slot import Slot
from domain.state import Needs, State
from domain.waiting_list import waiting_stream


def needs_of_settling(command: SettleDay, state: State) -> Needs:
    needs = Needs(streams={f"office/{command.office}", waiting_stream(command.office)})
    office = state.office(command.office)
    for start in office.starts_ever(command.day, command.day) if office is not None else ():
        stream = slot_stream(command.office, start)
        needs.streams.add(stream)
        slot = state.streams.get(stream)
        if isinstance(slot, Slot):
            needs.bookings |= slot.places
    return needs


def settle_day(command: SettleDay, state: State, decision: Decision) -> None:
    """What was due is recorded by now, as before any decision; what is left are the windows that have ended."""
    end_windows(decision, state.waiting_list(command.office), command.office)
    decision.said = {"office": command.office, "day": command.day.isoformat()}
