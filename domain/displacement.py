"""Who has to leave when places are taken away, and where they go: to the earliest free start of the same office and
service, in (start, booking order) (POL-16). One plan for the preview and for the act, so that they agree.

One after another, as the log will tell it: who leaves gives up all their places, also those that stay open, and takes
the next before it is the next one's turn. What is held or offered is never free.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple

from domain import claims, offers
from domain.booking import Booking
from domain.calendar import local_date
from domain.decision import Decision
from domain.eligibility import wall
from domain.errors import InvalidRequest
from domain.events import BookingDisplacedIn, BookingDisplacedOut, SlotReleased
from domain.identifiers import slot_stream
from domain.office import Office
from domain.reservations import occupy
from domain.slot import SLOT, Slot, starts_of
from domain.state import Needs, State
from domain.waiting_list import waiting_stream

#: Places are looked for in so many published days at a time: most bookings find one in the first of them.
DAYS_AT_ONCE = 31

#: Start → the places it will have; 0: closed.
Capacities = Mapping[datetime, int]


class Leaving(NamedTuple):
    bookings: Sequence[Booking]  # in (start, booking order)
    claims: Mapping[str, Slot]  # what is held, offered or rests, and ends; a slot in which it was found
    stuck: Booking | None = None  # one that would have to leave, and cannot: nothing is to be done then


Choose = Callable[[State, Office, Capacities, datetime], Leaving]


class Move(NamedTuple):
    booking: Booking
    starts_at: datetime  # where it stands before
    to: datetime | None  # None: no start is free


class Plan(NamedTuple):
    moves: Sequence[Move]
    streams: set[str]  # of the slots it rests on: while one of them is not loaded, there are no moves


# -- who leaves -------------------------------------------------------------------------------------------------------


def in_order(bookings: Sequence[Booking]) -> list[Booking]:
    return sorted(bookings, key=lambda booking: (booking.starts_at, booking.order))


def may_be_displaced(booking: Booking, at: datetime) -> bool:
    """Who has come, or should have, stays: a place that has begun to be used is not taken away."""
    return booking.status == "confirmed" and booking.starts_at > at


def needs_of_change(state: State, office: Office, capacities: Capacities, choose: Choose, at: datetime) -> Needs:
    """Step by step, as each can be known only from what the one before has loaded: ask again while anything lacks."""
    assert office.registered is not None
    name = office.registered.office
    needs = Needs(streams={slot_stream(name, start) for start in capacities} | {waiting_stream(name)})
    if not needs.streams <= state.streams.keys():
        return needs
    slots = [state.slot(slot_stream(name, start)) for start in capacities]
    needs.bookings = {each for slot in slots for each in chain(slot.places, slot.claims)}
    if not needs.bookings <= state.bookings.keys():
        return needs
    leaving = choose(state, office, capacities, at)
    for booking in leaving.bookings:
        starts = starts_of(booking.starts_at, booking.minutes)
        needs.streams |= {slot_stream(name, start) for start in starts}
        offers.widen(needs, state, name, starts)
    for claim, slot in leaving.claims.items():
        claims.widen(needs, state, slot, claim)
    needs.streams |= plan(state, office, capacities, leaving.bookings, at).streams
    return needs


# -- where they go ----------------------------------------------------------------------------------------------------


def moves_of(state: State, office: Office, capacities: Capacities, leaving: Leaving, at: datetime) -> Sequence[Move]:
    """Of a state that has all that `needs_of_change` asks for. A booking's facts never step back in time."""
    planned = plan(state, office, capacities, leaving.bookings, at)
    assert planned.streams <= state.streams.keys()
    for move in planned.moves:
        if at < move.booking.last_at:
            told = f"is earlier than the last fact of {move.booking.booking}, {wall(move.booking.last_at)}"
            raise InvalidRequest("at", told)
    return planned.moves


def plan(state: State, office: Office, capacities: Capacities, leaving: Sequence[Booking], at: datetime) -> Plan:
    """Changes nothing."""
    assert office.registered is not None
    name, today = office.registered.office, local_date(at)
    days = sorted(day for day in office.days if day >= today) if leaving else []
    moves: list[Move] = [Move(booking, booking.starts_at, None) for booking in leaving]
    slots: dict[datetime, Slot] = {}
    for first in range(0, len(days), DAYS_AT_ONCE):
        some = days[first : first + DAYS_AT_ONCE]
        starts = [start for day in some for start in office.starts_on(day) if start > at]
        streams = {slot_stream(name, start) for start in starts}
        if not streams <= state.streams.keys():
            return Plan([], streams)
        slots |= {start: state.slot(slot_stream(name, start)) for start in starts}
        moves = _moves(_Places(slots, capacities, at), leaving)
        if all(move.to is not None for move in moves):
            break
    streams = {slot.stream for slot in slots.values()}
    return Plan([move for move in moves if move.to != move.starts_at], streams)


class _Places:
    """What is free at each start, as it becomes while one after another moves."""

    def __init__(self, slots: Mapping[datetime, Slot], capacities: Capacities, at: datetime) -> None:
        self._free = {
            start: capacities.get(start, slot.capacity) - slot.taken(at)
            for start, slot in slots.items()
            if slot.is_open
        }
        self._starts = list(self._free)
        self._index = {start: n for n, start in enumerate(self._starts)}
        self._earliest = {1: 0, 2: 0, 3: 0}  # slots of a visit → before this index nothing is free for one

    def give_up(self, start: datetime) -> None:
        if start in self._free:
            self._free[start] += 1
            for slots in self._earliest:
                self._earliest[slots] = min(self._earliest[slots], max(0, self._index[start] - slots + 1))

    def take(self, minutes: int) -> datetime | None:
        """The earliest start with a place in all the slots of such a visit."""
        free, offsets = self._free, [SLOT * n for n in range(minutes // 15)]
        for index in range(self._earliest[len(offsets)], len(self._starts)):
            first = self._starts[index]
            if all(free.get(first + offset, 0) > 0 for offset in offsets):
                self._earliest[len(offsets)] = index
                for offset in offsets:
                    free[first + offset] -= 1
                return first
        self._earliest[len(offsets)] = len(self._starts)
        return None


def _moves(places: _Places, leaving: Sequence[Booking]) -> list[Move]:
    moves = []
    for booking in leaving:
        for start in starts_of(booking.starts_at, booking.minutes):
            places.give_up(start)
        moves.append(Move(booking, booking.starts_at, places.take(booking.minutes)))
    return moves


# -- as facts, and as told --------------------------------------------------------------------------------------------


def displace(decision: Decision, move: Move, *, reason: str) -> None:
    """It keeps its reference, its channel and its count of reschedules. Without a free start it keeps no place."""
    state, booking, by = decision.state, move.booking, decision.command.caller.by
    policy, tag = decision.policy.version, booking.booking
    told: dict[str, Any] = {
        "by": by,
        "policy": policy,
        "office": booking.office,
        "service": booking.service,
        "minutes": booking.minutes,
        "channel": booking.channel,
        "reschedules": booking.reschedules,
        "reason": reason,
    }
    left = [state.slot(slot_stream(booking.office, start)) for start in starts_of(move.starts_at, booking.minutes)]
    out = BookingDisplacedOut(**told, starts_at=move.starts_at, to_starts_at=move.to)
    decision.record(left[0], out, person=booking.person, booking=tag)
    for n, slot in enumerate(left[1:], start=1):
        released = SlotReleased(by=by, policy=policy, office=booking.office, starts_at=move.starts_at + SLOT * n)
        decision.record(slot, released, booking=tag)
    if move.to is None:
        return
    slots = [state.slot(slot_stream(booking.office, start)) for start in starts_of(move.to, booking.minutes)]
    displaced_in = BookingDisplacedIn(**told, starts_at=move.to, from_starts_at=move.starts_at)
    decision.record(slots[0], displaced_in, person=booking.person, booking=tag)
    occupy(decision, slots[1:], by=by, office=booking.office, starts_at=move.to, booking=tag)


def hand_on(decision: Decision, office: str, leaving: Leaving, moves: Sequence[Move]) -> None:
    """Once the places are taken away: claims to them end, and what was given up elsewhere goes to the first in line."""
    for claim, slot in leaving.claims.items():
        claims.end_claim(decision, slot, claim)
    given_up = {start for move in moves for start in starts_of(move.starts_at, move.booking.minutes)}
    offers.offer_freed(decision, office, given_up, at=decision.command.at)


def figures(moves: Sequence[Move], units_withdrawn: int) -> dict[str, Any]:
    """What domain/answers.py tells of the facts that the moves become."""
    return {
        "displaced": len(moves),
        "moved": [
            {"booking": move.booking.booking, "from": wall(move.starts_at), "to": wall(move.to)}
            for move in moves
            if move.to is not None
        ],
        "unplaced": [move.booking.booking for move in moves if move.to is None],
        "units_withdrawn": units_withdrawn,
        "notices": len(moves),
    }
