"""The booking policy: numbers that are configuration, dated, under the ids of the contract."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from types import MappingProxyType

import msgspec

#: First confirmations over these channels make the running count (POL-20).
ELECTRONIC_CHANNELS = frozenset({"portal", "kiosk", "sms"})
BOOKING_CHANNELS = frozenset({"portal", "kiosk", "sms", "counter"})
REMOTE_CHANNELS = frozenset({"portal", "sms"})
NO_LEAD = timedelta()
#: The number kinds a service's audience admits (POL-15).
AUDIENCES = {"citizen": ("citizen",), "resident": ("resident",), "both": ("citizen", "resident")}
SECTION_OF = {"male": "men", "female": "women"}


class ChannelRule(msgspec.Struct, frozen=True, kw_only=True):
    """What may be booked over a channel; without one: every service, every place."""

    services: frozenset[str] | None = None  # None: all
    opens_at: datetime | None = None  # the first instant that bookings are taken over it
    share_percent: int = 100  # of a start's places, rounded down, and at least one

    @property
    def has_share(self) -> bool:
        return self.share_percent < 100  # noqa: PLR2004 - of a hundred

    def places_of(self, capacity: int) -> int:
        return max(1, capacity * self.share_percent // 100)


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The defaults are version 1. The name, unit and bounds of each number in POLICY_FILE: domain/policy_numbers.py."""

    version: int = 1
    since: date | None = None  # None: from the beginning
    active_per_person_max: int = 3  # POL-02
    horizon_days: int = 30  # POL-03
    hold_lives: timedelta = timedelta(minutes=10)  # POL-05
    remote_lead: timedelta = timedelta(minutes=60)  # POL-04: portal, sms
    reschedules_max: int = 2  # POL-06
    reschedule_lead: timedelta = timedelta(hours=24)  # POL-06
    late_cancel_lead: timedelta = timedelta(hours=24)  # POL-07
    no_show_after: timedelta = timedelta(minutes=15)  # POL-08
    ban_days: int = 15  # POL-09: of the service, from the day after the missed start
    ban_all_after: int = 3  # POL-10: this many no-shows
    ban_all_window: timedelta = timedelta(days=180)  # within this long
    ban_all_days: int = 30  # bar every service, from the day after the last of them
    offer_lives: timedelta = timedelta(hours=2)  # POL-11
    offer_lead: timedelta = timedelta(minutes=60)  # before the start an offer ends at the latest
    waiting_max: int = 1_000  # entries of one office's list
    channels: Mapping[str, ChannelRule] = MappingProxyType({})

    def lead(self, channel: str) -> timedelta:
        """How long before the start the last moment to book over `channel` is (POL-04)."""
        return self.remote_lead if channel in REMOTE_CHANNELS else NO_LEAD

    def for_booking_made_under(self, then: "Policy") -> "Policy":
        """These rules, save where those that a booking was made under are kinder to its customer."""
        if then is self:
            return self
        return msgspec.structs.replace(
            self,
            reschedules_max=max(self.reschedules_max, then.reschedules_max),
            reschedule_lead=min(self.reschedule_lead, then.reschedule_lead),
            late_cancel_lead=min(self.late_cancel_lead, then.late_cancel_lead),
            no_show_after=max(self.no_show_after, then.no_show_after),
        )


BUILT_IN = Policy()


def milestone_after(count: int) -> int:
    """Next threshold of the running count, in first confirmations: 1 … 1,000,000, and each further million."""
    for threshold in (1, 10, 100, 1_000, 10_000, 100_000, 250_000, 500_000, 1_000_000):
        if count < threshold:
            return threshold
    return (count // 1_000_000 + 1) * 1_000_000
