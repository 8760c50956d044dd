"""The policies that were adopted, one after the other: which of them holds at an instant. Version 1 is built in."""

from datetime import date, datetime, time

from domain.calendar import RIYADH
from domain.events import Fact, PolicyAdopted
from domain.policy import BUILT_IN, Policy
from domain.policy_numbers import policy_of

POLICY_STREAM = "policy"


class Policies:
    __slots__ = ("_adopted", "limit_shares", "stream", "version")

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.version = 0
        self.limit_shares = False  # whether any gives a channel a share of a start's places
        self._adopted: list[tuple[datetime, Policy]] = []  # from when it holds; in the order of adoption

    def at(self, at: datetime) -> Policy:
        """Of those that hold from `at` or earlier, the one adopted last."""
        if not self._adopted:
            return BUILT_IN
        for holds_from, policy in reversed(self._adopted):
            if holds_from <= at:
                return policy
        return BUILT_IN

    def on(self, day: date) -> Policy:
        """From 00:00 of `day` on the offices' clock."""
        return self.at(_midnight(day))

    def of_version(self, version: int) -> Policy:
        return self._adopted[version - 2][1] if version > 1 else BUILT_IN

    def evolve(self, fact: Fact) -> None:
        self.version = fact.originator_version
        match fact.event:
            case PolicyAdopted(version=version, since=since, rules=rules):
                policy = policy_of(rules, version=version, since=since)
                self.limit_shares |= any(channel.has_share for channel in policy.channels.values())
                self._adopted.append((_midnight(since), policy))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), RIYADH)
