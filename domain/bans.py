"""Bans: what no-shows bar a person from; derived for each decision, so that a correction lifts them by itself."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from domain.booking import Person
from domain.calendar import local_date
from domain.errors import Banned
from domain.policy import Policy


def refuse_if_banned(policy: Policy, who: Person, service: str, at: datetime) -> None:
    """POL-09, POL-10, judged at the command's time. A ban's first day is the one after the missed start's."""
    if not who.no_shows:
        return
    today = local_date(at)
    missed = {booking: (barred, start) for booking, (barred, start) in who.no_shows.items() if start <= at}

    recent = {booking: start for booking, (_, start) in missed.items() if start > at - policy.ban_all_window}
    if len(recent) >= policy.ban_all_after:
        third_and_later = sorted(recent.values())[policy.ban_all_after - 1 :]  # those before them barred from nothing
        last_day = _last_day(third_and_later, policy.ban_all_days, today)
        if last_day is not None:
            raise Banned(None, last_day.isoformat(), sorted(recent))

    of_service = {booking: start for booking, (barred, start) in missed.items() if barred == service}
    last_day = _last_day(of_service.values(), policy.ban_days, today)
    if last_day is not None:
        raise Banned(service, last_day.isoformat(), sorted(of_service))


def _last_day(starts: Iterable[datetime], days: int, today: date) -> date | None:
    """Of the ban that the latest of these no-shows brought; None: today is not within one."""
    last_days = [day + timedelta(days) for day in map(local_date, starts) if day < today <= day + timedelta(days)]
    return max(last_days, default=None)
