"""Which channel may book what, from when, and how many of a start's places: where the policy says so at all."""

from collections.abc import Sequence
from datetime import datetime

from domain.calendar import RIYADH
from domain.errors import ServiceNotOffered, SlotFull
from domain.policy import Policy
from domain.slot import Slot
from domain.state import Needs, State


def widen(needs: Needs, state: State, channel: str, at: datetime) -> None:
    """Whose places a channel's share is counted by: only the bookings know over which channel they were made."""
    if not has_share(state.policy_at(at), channel):
        return
    for stream in needs.streams:
        slot = state.streams.get(stream)
        if isinstance(slot, Slot):
            needs.bookings |= slot.places
            needs.bookings.update(slot.claims)


def refuse_unless_offered(policy: Policy, office: str, service: str, channel: str, at: datetime) -> None:
    rule = policy.channels.get(channel)
    if rule is not None and rule.services is not None and service not in rule.services:
        raise ServiceNotOffered(office, service, channel)
    refuse_before_opening(policy, office, service, channel, at)


def refuse_before_opening(policy: Policy, office: str, service: str, channel: str, at: datetime) -> None:
    rule = policy.channels.get(channel)
    if rule is not None and rule.opens_at is not None and at < rule.opens_at:
        raise ServiceNotOffered(office, service, channel, rule.opens_at.astimezone(RIYADH).isoformat())


def refuse_beyond_share(
    policy: Policy, state: State, slots: Sequence[Slot], channel: str, *, booking: str, at: datetime
) -> None:
    """A booking that has a place at a start already takes no second there."""
    if not has_share(policy, channel):
        return
    for slot in slots:
        share = policy.channels[channel].places_of(slot.capacity)
        if booking not in slot.places and _taken_over(channel, state, slot, booking, at) >= share:
            raise SlotFull(slot.name, slot.capacity, channel, share)


def has_share(policy: Policy, channel: str) -> bool:
    rule = policy.channels.get(channel)
    return rule is not None and rule.has_share


def _taken_over(channel: str, state: State, slot: Slot, besides: str, at: datetime) -> int:
    """Places that bookings, holds and offers have by the channel."""
    kept = [claim for claim, until in slot.claims.items() if until > at and claim not in {besides, *slot.freed}]
    return sum(state.bookings[booking].channel == channel for booking in [*slot.places, *kept])
