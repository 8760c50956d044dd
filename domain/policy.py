"""The booking policy: numbers that are configuration, dated, under the ids of the contract."""

from datetime import timedelta

import msgspec

#: First confirmations over these channels make the running count (POL-20).
ELECTRONIC_CHANNELS = frozenset({"portal", "kiosk", "sms"})
BOOKING_CHANNELS = frozenset({"portal", "kiosk", "sms", "counter"})
REMOTE_CHANNELS = frozenset({"portal", "sms"})
NO_LEAD = timedelta()
#: The number kinds a service's audience admits (POL-15).
AUDIENCES = {"citizen": ("citizen",), "resident": ("resident",), "both": ("citizen", "resident")}
SECTION_OF = {"male": "men", "female": "women"}


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    version: int = 1
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

    def lead(self, channel: str) -> timedelta:
        """How long before the start the last moment to book over `channel` is (POL-04)."""
        return self.remote_lead if channel in REMOTE_CHANNELS else NO_LEAD


def milestone_after(count: int) -> int:
    """Next threshold of the running count, in first confirmations: 1 … 1,000,000, and each further million."""
    for threshold in (1, 10, 100, 1_000, 10_000, 100_000, 250_000, 500_000, 1_000_000):
        if count < threshold:
            return threshold
    return (count // 1_000_000 + 1) * 1_000_000
