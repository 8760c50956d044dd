"""How the service itself did, hour by hour: sets of minutes, the fact an API process leaves of each hour, and the one
that the reminders sent in it leave.

Minutes are told as sets, not as counts, so that the facts of several processes can be put together: two workers that
were both ready from 9:00 to 9:30 were ready for 30 minutes, one that was restarted in between for 60.
"""

from datetime import datetime

from domain.calendar import local_date
from domain.commands import RecordOperation, RecordReminders
from domain.decision import Decision
from domain.events import HourOperated, RemindersDelivered
from domain.state import Needs, State

#: Of an hour.
MINUTES = 60
ALL_MINUTES = (1 << MINUTES) - 1


def minutes_of(text: str) -> int:
    """`0-14,17-59` as a set: bit n is the n-th minute of the hour. The empty text is the empty set."""
    minutes = 0
    for run in text.split(",") if text else ():
        first, _, last = run.partition("-")
        minutes |= (1 << int(last or first) + 1) - (1 << int(first))
    return minutes


def text_of(minutes: int) -> str:
    runs: list[str] = []
    minute = 0
    while minutes >> minute:
        if not minutes >> minute & 1:
            minute += 1
            continue
        first = minute
        while minutes >> minute + 1 & 1:
            minute += 1
        runs.append(str(first) if first == minute else f"{first}-{minute}")
        minute += 1
    return ",".join(runs)


def needs_of_operation(command: RecordOperation | RecordReminders, _state: State) -> Needs:
    return Needs(streams={_stream(command.since)})


def record_operation(command: RecordOperation, state: State, decision: Decision) -> None:
    event = HourOperated(
        by=command.caller.by,
        since=command.since,
        process=command.process,
        minutes_watched=command.minutes_watched,
        minutes_ready=command.minutes_ready,
        minutes_fresh=command.minutes_fresh,
        confirmations=command.confirmations,
        confirmations_prompt=command.confirmations_prompt,
    )
    decision.record(state.streams[_stream(command.since)], event)
    decision.said = {"since": command.since.isoformat()}


def record_reminders(command: RecordReminders, state: State, decision: Decision) -> None:
    event = RemindersDelivered(
        by=command.caller.by, since=command.since, sent=command.sent, delivered=command.delivered
    )
    decision.record(state.streams[_stream(command.since)], event)
    decision.said = {"since": command.since.isoformat()}


def _stream(since: datetime) -> str:
    return f"operation/{local_date(since)}"
