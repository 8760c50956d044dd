"""How people book: shares fitted from open data, in the shape a simulator draws from."""

import json
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from domain.opening_hours import FRIDAY_SATURDAY_SINCE

_SATURDAY, _SUNDAY = 5, 6


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadModel:
    """Shares of one tuple sum to 1 within rounding: weights for a draw."""

    hour_share: tuple[float, ...]  # of bookings made in hour 0 … 23, office time
    weekday_share: tuple[float, ...]  # of bookings made on the five working days in order, then the two of the weekend
    lead_day_share: tuple[float, ...]  # of bookings made 0 … 34 days before the visit; cut it at the policy's horizon
    channel_share: tuple[tuple[str, float], ...]
    cancel_share_by_lead: tuple[tuple[int, float], ...]  # longest lead in days → share cancelled; ascending
    no_show_share_by_lead: tuple[tuple[int, float], ...]  # longest lead in days → share missed; ascending
    lead_left_at_cancel: tuple[tuple[float, float], ...]  # quantile → fraction of the lead still to come; ascending
    reschedule_share: float  # of bookings with at least one change
    reschedules_mean: float  # changes a booking
    bookings_per_person_share: tuple[float, ...]  # of persons with 1, 2, 3, 4 and 5 or more bookings

    def share_of_weekday(self, day: date) -> float:
        """The working week began on Saturday, and begins on Sunday since the weekend changed."""
        first = _SATURDAY if day < FRIDAY_SATURDAY_SINCE else _SUNDAY
        return self.weekday_share[(day.weekday() - first) % 7]

    def cancel_share(self, lead: timedelta) -> float:
        return _share_of(self.cancel_share_by_lead, lead.days)

    def no_show_share(self, lead_days: int) -> float:
        return _share_of(self.no_show_share_by_lead, lead_days)


def parse_load_model(text: str) -> LoadModel:
    """From the text of load-params.json."""
    params: dict[str, Any] = json.loads(text)
    channels: dict[str, float] = params["channel_mix_I"]
    return LoadModel(
        hour_share=tuple(params["booking_hour_share_G"]),
        weekday_share=tuple(params["booking_dow_share_G"].values()),
        lead_day_share=_lead_day_share(params["lead_days_civic_G"]),
        channel_share=(
            ("portal", channels["portal"]),
            ("kiosk", channels["kiosk"]),
            ("sms", channels["sms"]),
            ("counter", channels["counter_walk_in"]),
        ),
        cancel_share_by_lead=_by_longest_lead(params["cancel"]["by_lead_H"]),
        no_show_share_by_lead=_by_longest_lead(params["no_show_N"]["by_lead"]),
        lead_left_at_cancel=tuple(
            (int(quantile.removeprefix("p")) / 100, left)
            for quantile, left in params["cancel"]["remaining_lead_fraction_at_cancel_H"].items()
        ),
        reschedule_share=params["reschedule_H"]["at_least_one_change"],
        reschedules_mean=params["reschedule_H"]["mean_changes"],
        bookings_per_person_share=tuple(params["repeat_persons_N"].values()),
    )


def _by_longest_lead(by_lead: dict[str, float]) -> tuple[tuple[int, float], ...]:
    """From classes such as 0, 2-3 and 61+; the last is left out, since no booking is made so far ahead."""
    return tuple((int(days.rpartition("-")[2]), share) for days, share in by_lead.items() if not days.endswith("+"))


def _share_of(by_longest_lead: tuple[tuple[int, float], ...], days: int) -> float:
    """Leads past the last class are as those of the last class."""
    return next((share for longest, share in by_longest_lead if days <= longest), by_longest_lead[-1][1])


def _lead_day_share(civic: dict[str, Any]) -> tuple[float, ...]:
    """Leads of 0 to 4 days as measured; the rest from the shares by calendar week.

    A visit in the k-th week after the booking's, on any weekday, lies 7k ± 6 days ahead, 7k being the likeliest.
    Leads past the fourth week ("later") are left out, and the others scaled to 1.
    """
    weeks = [civic["same_calendar_week"], *(civic[f"week+{k}"] for k in range(1, 5))]
    by_week = [0.0] * 35
    for k, share in enumerate(weeks):
        weight = {lead: 7 - abs(lead - 7 * k) for lead in range(max(0, 7 * k - 6), 7 * k + 7)}
        for lead, of_week in weight.items():
            by_week[lead] += share * of_week / sum(weight.values())
    measured = [civic["same_day"], *(civic[f"d{lead}"] for lead in range(1, 5))]
    within = sum(weeks)
    scale = (within - sum(measured)) / sum(by_week[5:])
    return tuple(share / within for share in [*measured, *(share * scale for share in by_week[5:])])
