"""Fair release: a place given up in the last 24 hours before its start rests for a while that nobody can foresee, and
is never the same person's again. An office turns it on; those in line go before.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import blake2b

from domain import offers
from domain.commands import AssignFairRelease
from domain.decision import Decision
from domain.errors import InvalidRequest, OnlyTheirOwnFreed
from domain.events import FairReleaseAssigned, PlaceClaimed
from domain.identifiers import booking_id, slot_stream
from domain.slot import Slot
from domain.state import Needs, State

LAST = timedelta(hours=24)
REST_MIN_MAX = 30


def needs_of_assignment(command: AssignFairRelease, _state: State) -> Needs:
    return Needs(streams={f"office/{command.office}"})


def assign(command: AssignFairRelease, state: State, decision: Decision) -> None:
    office = state.office(command.office)
    if office is None:
        raise InvalidRequest("office", f"there is no office {command.office}")
    if office.releases_fairly != command.is_on:
        assigned = FairReleaseAssigned(
            by=command.caller.by, policy=decision.policy.version, office=command.office, is_on=command.is_on
        )
        decision.record(office, assigned)
    decision.said = {"office": command.office, "on": command.is_on}


def give_up(
    decision: Decision, office: str, starts: Sequence[datetime], *, booking: str, person: str | None, at: datetime
) -> None:
    """What becomes of the places at `starts` that the booking has just left."""
    state = decision.state
    found = state.office(office)
    if found is None or not found.releases_fairly:
        offers.offer_freed(decision, office, starts, at=at)
        return
    slots = {start: state.slot(slot_stream(office, start)) for start in starts}
    resting = [
        start
        for start, slot in slots.items()
        if at < start < at + LAST and booking not in slot.places and slot.is_open and slot.free(at)
    ]
    taken = {start: slots[start].taken(at) for start in resting}
    offers.offer_freed(decision, office, starts, at=at, besides=person if resting else None)
    for index, start in enumerate(resting):
        if slots[start].taken(at) == taken[start]:  # nobody in line wanted it
            claimed = PlaceClaimed(
                by="system",
                policy=decision.policy.version,
                office=office,
                starts_at=start,
                until=min(at + _rest(decision.command.command_id), start),
                rests=True,
            )
            claim = booking_id(decision.command.command_id, index, key=b"a place that rests")
            decision.record(slots[start], claimed, person=person, booking=claim)


def refuse_own(slot: Slot, person: str | None, booking: str, at: datetime) -> None:
    """Whoever gave up a place takes one there only if more are free than they gave up."""
    if not slot.has(booking) and not slot.free_for(person, at):
        raise OnlyTheirOwnFreed(slot.name, slot.capacity, slot.free(at))


def _rest(command_id: bytes) -> timedelta:
    """1 to 30 minutes. Command ids are hashed under the instance's own key: nobody can choose one to their liking."""
    drawn = blake2b(command_id, digest_size=8, person=b"fair release").digest()
    return timedelta(minutes=1 + int.from_bytes(drawn, "big") % REST_MIN_MAX)
