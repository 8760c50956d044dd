"""What a manager announces of an office beside closures: more hours, daily pauses, and that it pauses and resumes."""

from datetime import date, datetime
from itertools import pairwise

from domain import claims, offers
from domain.calendar import local_date
from domain.commands import AnnounceOpening, AssignDailyPause, PauseOffice, ResumeOffice
from domain.decision import Decision
from domain.errors import InvalidRequest
from domain.events import DailyPauseAssigned, OfficePaused, OfficeResumed, OpeningAnnounced, SlotWithdrawn
from domain.identifiers import slot_stream
from domain.office import Office
from domain.opening_hours import SLOT_MINUTES, outside
from domain.publication import known_office, publish, refuse_unknown_offices, slots_of_day
from domain.slot import Slot
from domain.state import Needs, State
from domain.timetable import is_settled, minute_of, starts_within
from domain.waiting_list import waiting_stream

#: Starts one announcement may add, and days one pause may change; a longer range is asked for in parts.
STARTS_MAX = 1_000


# -- openings ---------------------------------------------------------------------------------------------------------


def needs_of_opening(command: AnnounceOpening, state: State) -> Needs:
    needs = Needs(streams={f"office/{office}" for office in (command.office, *command.among)})
    office = state.office(command.office)
    if office is None or _problem_of(command) is not None:
        return needs
    for day in _published_between(office, command.since, command.until):
        needs.streams |= slots_of_day(state, command.office, day, (_opening(command, 0),))
    needs.streams.add(waiting_stream(command.office))
    return needs


def announce_opening(command: AnnounceOpening, state: State, decision: Decision) -> None:
    """Days already published are published again at once, and who waits in line is offered the new places first; the
    others get these hours when they are published."""
    refuse_unknown_offices(state, command.among)
    office = known_office(state, command.office)
    if (problem := _problem_of(command)) is not None:
        raise InvalidRequest(*problem)
    opening = _opening(command, decision.policy.version)
    if not is_settled(office, opening):
        decision.record(office, opening)
    days = _published_between(office, command.since, command.until)
    published = [publish(decision, office, day) for day in days]
    opened = [start for each in published for start in each.starts]
    offers.offer_freed(decision, command.office, opened, at=command.at)
    units = sum(each.units_opened for each in published)
    to_publish = (command.until - command.since).days + 1 - len(days)
    decision.said = {"units_published": units, "days_published": len(days), "days_to_publish": to_publish}


def _opening(command: AnnounceOpening, policy: int) -> OpeningAnnounced:
    return OpeningAnnounced(
        by=command.caller.by,
        policy=policy,
        office=command.office,
        since=command.since,
        until=command.until,
        hours=command.hours,
    )


def _problem_of(command: AnnounceOpening) -> tuple[str, str] | None:
    """The field, and what is wrong with it."""
    if command.until < command.since:
        return "to", "is before `from`"
    if command.until < local_date(command.at):
        return "to", "is past"
    if (problem := _problem_of_times(command.hours)) is not None:
        return "hours", problem
    days = (command.until - command.since).days + 1
    if days * len(starts_within(command.hours)) > STARTS_MAX:
        return "to", f"the announcement adds more than {STARTS_MAX} starts"
    return None


def _problem_of_times(hours: tuple[tuple[str, str], ...]) -> str | None:
    """Of wall times from, to, in the order they are given."""
    minutes = [(minute_of(since), minute_of(until)) for since, until in hours]
    if any(minute % SLOT_MINUTES for pair in minutes for minute in pair):
        return "begins and ends at full quarters of an hour"
    if any(until <= since for since, until in minutes):
        return "ends after it begins, on the same day"
    if any(after[0] < before[1] for before, after in pairwise(minutes)):
        return "is given in order, without overlaps"
    return None


# -- daily pauses -----------------------------------------------------------------------------------------------------


def needs_of_daily_pause(command: AssignDailyPause, state: State) -> Needs:
    needs = Needs(streams={f"office/{command.office}"})
    office = state.office(command.office)
    if office is None:
        return needs
    needs.streams.add(waiting_stream(command.office))
    for day in _published_between(office, max(command.since, local_date(command.at)), date.max):
        needs.streams |= slots_of_day(state, command.office, day)
    slots = [slot for stream in needs.streams if isinstance(slot := state.streams.get(stream), Slot)]
    needs.bookings = {claim for slot in slots for claim in slot.claims}
    for slot in slots:
        for claim in slot.claims.keys() & state.bookings.keys():
            claims.widen(needs, state, slot, claim)
    return needs


def assign_daily_pause(command: AssignDailyPause, state: State, decision: Decision) -> None:
    """Who is booked in the pause keeps their time, and nobody else gets it: what is held or offered there ends."""
    office, by, policy = known_office(state, command.office), command.caller.by, decision.policy.version
    if (problem := _problem_of_times(command.pauses)) is not None:
        raise InvalidRequest("pauses", problem)
    assigned = DailyPauseAssigned(
        by=by, policy=policy, office=command.office, since=command.since, pauses=command.pauses
    )
    same = [each for each in office.daily_pauses if each.since == command.since]
    if not same or same[-1].pauses != command.pauses:
        decision.record(office, assigned)
    opened = withdrawn = 0
    ended: dict[str, Slot] = {}
    for day in _published_between(office, max(command.since, local_date(command.at)), date.max):
        published = publish(decision, office, day)
        opened, withdrawn = opened + published.units_opened, withdrawn + published.units_withdrawn
        for start in _paused(office, day):
            slot = state.slot(slot_stream(command.office, start))
            if slot.is_open and start > command.at:
                event = SlotWithdrawn(
                    by=by, policy=policy, office=command.office, starts_at=start, capacity=slot.capacity
                )
                decision.record(slot, event)
                withdrawn += event.capacity
                ended |= {claim: slot for claim, until in slot.claims.items() if until > command.at}
    for claim, slot in ended.items():
        claims.end_claim(decision, slot, claim)
    decision.said = {"office": command.office, "units_published": opened, "units_withdrawn": withdrawn}


def _paused(office: Office, day: date) -> list[datetime]:
    starts = list(office.starts_ever(day, day))
    walls = tuple(start.time() for start in starts)
    left = outside(office.pauses_on(day), walls)
    return [start for start, wall in zip(starts, walls, strict=True) if wall not in left]


def _published_between(office: Office, first: date, last: date) -> list[date]:
    return sorted(day for day in office.days if first <= day <= last)


# -- pausing and resuming ---------------------------------------------------------------------------------------------


def needs_of_pause(command: PauseOffice | ResumeOffice, _state: State) -> Needs:
    return Needs(streams={f"office/{command.office}"})


def pause_office(command: PauseOffice, state: State, decision: Decision) -> None:
    """No booking commands until it resumes. What is booked stands: cancelling and checking in go on."""
    office = known_office(state, command.office)
    if not office.is_paused:
        paused = OfficePaused(
            by=command.caller.by, policy=decision.policy.version, office=command.office, reason=command.reason
        )
        decision.record(office, paused)
    decision.said = {"office": command.office, "paused": True}


def resume_office(command: ResumeOffice, state: State, decision: Decision) -> None:
    office = known_office(state, command.office)
    if office.is_paused:
        resumed = OfficeResumed(by=command.caller.by, policy=decision.policy.version, office=command.office)
        decision.record(office, resumed)
    decision.said = {"office": command.office, "paused": False}
