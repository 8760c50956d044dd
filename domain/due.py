"""What the clock decides between commands: a hold ends, an offer lapses to the next in line, a visit was missed.

Before each decision, everything it will read is brought up to the command's time: acts that have fallen due are
recorded in the order they fell due, each dated at its due time. A sweep records those that no command touches. They
stand on their own: a command that is refused afterwards takes none of them back.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from hashlib import blake2b
from typing import NamedTuple

from domain import offers
from domain.booking import Booking, Person
from domain.calendar import local_date
from domain.commands import Caller, DueAct
from domain.decision import Decision
from domain.events import Fact
from domain.identifiers import slot_stream
from domain.outcomes import add_outcome
from domain.slot import Slot, starts_of
from domain.state import Needs, State
from domain.waiting_list import WaitingList, waiting_stream

SYSTEM = Caller(role="system", subject="system")


class Due(NamedTuple):
    """Sorted by time; at one time holds end before offers lapse, and both before visits are missed."""

    at: datetime
    kind: str
    about: str  # the hold, the entry, the booking, the place that rests
    act: Callable[[Decision], None]


def is_quiet(needs: Needs, state: State, at: datetime) -> bool:
    """Whether nothing the command reads can have anything due: the usual case, told quickly."""
    if needs.bookings or needs.persons:
        return False
    for stream in needs.streams:
        entry = state.streams.get(stream)
        if isinstance(entry, Slot) and entry.claims and entry.due(at):
            return False
    for lookup in needs.lookups:
        who = state.persons.get(state.people.get(lookup) or "")
        if who is not None and (who.holds or who.waiting or who.overdue(at)):
            return False
    return True


# -- what due acts read -----------------------------------------------------------------------------------------------


def widen(needs: Needs, state: State, at: datetime) -> None:
    """Add what the acts that are due around `needs` will read, as far as the state can tell."""
    for stream in tuple(needs.streams):
        slot = state.streams.get(stream)
        if isinstance(slot, Slot) and slot.claims and (due := slot.due(at)):
            offers.widen(needs, state, slot.office, [slot.starts_at])
            needs.bookings.update(due)
    for who in _persons(needs, state):
        needs.bookings.update(who.overdue(at))
        needs.bookings.update(hold for hold, held in who.holds.items() if held.expires_at <= at)
        for entry, joined in who.waiting.items():
            needs.bookings.add(entry)
            needs.streams.add(waiting_stream(joined.office))
    for tag in tuple(needs.bookings):
        booking = state.bookings.get(tag)
        if booking is not None:
            _widen_around(needs, state, booking, at)


def _widen_around(needs: Needs, state: State, booking: Booking, at: datetime) -> None:
    if booking.status is None and (claim := booking.claimed_until) is not None and claim <= at:
        starts = starts_of(booking.starts_at, booking.minutes)
        needs.streams.update(slot_stream(booking.office, start) for start in starts)
        offers.widen(needs, state, booking.office, starts)
    elif booking.status == "confirmed" and booking.has_place and booking.ends_at <= at:
        needs.streams.add(f"office/{booking.office}")
        needs.streams.add(slot_stream(booking.office, booking.starts_at))


def _persons(needs: Needs, state: State) -> Iterator[Person]:
    known = {person for lookup in needs.lookups if (person := state.people.get(lookup)) is not None}
    for person in known | needs.persons:
        if (who := state.persons.get(person)) is not None:
            yield who


# -- what is due ------------------------------------------------------------------------------------------------------


def settle(needs: Needs, state: State, at: datetime) -> list[Fact]:
    """The facts of all that is due by `at` around `needs`, folded into the state. One may bring the next."""
    facts: list[Fact] = []
    while (due := min(_due(needs, state, at), key=lambda due: due[:3], default=None)) is not None:
        command = DueAct(command_id=_command_id(due), fingerprint=b"", caller=SYSTEM, at=due.at)
        decision = Decision(command, state)
        due.act(decision)
        facts += decision.facts
    return facts


def _due(needs: Needs, state: State, at: datetime) -> Iterator[Due]:
    for stream in needs.streams:
        slot = state.streams.get(stream)
        if isinstance(slot, Slot) and slot.claims:
            for claim in slot.due(at):
                yield _end_of_claim(state, slot, claim)
    tags = needs.bookings.union(*(who.overdue(at) for who in _persons(needs, state)))
    for tag in tags:
        booking = state.bookings.get(tag)
        if booking is not None and booking.status == "confirmed" and booking.has_place and booking.ends_at <= at:
            office = state.office(booking.office)
            if office is not None and (closed_at := office.closes_at(booking.starts_at)) <= at:
                yield Due(closed_at, "no-show", tag, _miss(booking, closed_at))


def _end_of_claim(state: State, slot: Slot, claim: str) -> Due:
    until, waiting = slot.claims[claim], state.waiting_list(slot.office)
    if (entry := waiting.entries.get(claim)) is not None:

        def lapse(decision: Decision) -> None:
            offers.leave(decision, slot.office, entry, "lapsed", by=SYSTEM.by, at=until)

        return Due(until, "lapse", claim, lapse)
    booking = state.bookings.get(claim)
    if booking is not None and (held := booking.hold) is not None and booking.status is None:

        def expire(decision: Decision) -> None:
            offers.end_hold(decision, claim, held, booking.person, by=SYSTEM.by, at=until)

        return Due(until, "expire", claim, expire)

    def rest(decision: Decision) -> None:
        offers.return_places(decision, claim, slot.office, [slot.starts_at], by=SYSTEM.by, at=until)
        offers.offer_freed(decision, slot.office, [slot.starts_at], at=until)

    return Due(until, "rest", claim, rest)


def _miss(booking: Booking, closed_at: datetime) -> Callable[[Decision], None]:
    def miss(decision: Decision) -> None:
        add_outcome(decision, booking, "no_show", SYSTEM.by, closed_at)

    return miss


def end_windows(decision: Decision, waiting: WaitingList, office: str) -> None:
    """The sweep's: entries whose last day is past, and who were offered nothing."""
    today = local_date(decision.command.at)
    for entry in waiting.ended_before(today):
        offers.leave(decision, office, entry, "window_ended", by=SYSTEM.by, at=decision.command.at)


def _command_id(due: Due) -> bytes:
    """Its own, and always the same: not that of the command it was recorded before."""
    return blake2b(f"{due.kind} {due.about} {due.at.isoformat()}".encode(), digest_size=16).digest()
