"""The commands by which an office is closed and opened, paused and resumed, and given counters."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Final

from api import announcement_schemas as schemas
from api.command_specs import Asked, Spec
from api.idempotency import part_key
from api.problems import forbidden, invalid
from api.schemas import NothingIn
from domain.calendar import RIYADH
from domain.commands import (
    AnnounceOpening,
    AssignCounters,
    AssignDailyPause,
    CloseOffice,
    Command,
    PauseOffice,
    ResumeOffice,
)
from domain.ports import Receipt

# -- to one office or several -----------------------------------------------------------------------------------------


def _offices_named(body: schemas.ClosureIn | schemas.OpeningIn, _office: str) -> Iterable[str]:
    return () if body.offices == "all" else body.offices


def _office_of_path(_body: object, office: str) -> Iterable[str]:
    return (office,)


def _to_each(asked: Asked, kind: Callable[..., Command], **told: object) -> Sequence[Command]:
    """A command for each office, so that a large announcement holds up nobody. The first carries the key itself and
    knows of all the others: what is wrong with the announcement is refused there, before any office has heard it."""
    services, offices = asked.services, asked.body.offices
    if offices == "all":
        if asked.caller.role != "operator":
            raise forbidden("only an operator speaks for all offices")
        offices = services.offices()
        if not offices:
            raise invalid("offices", "there is no office yet")
    stamp, principal = asked.stamp(), asked.caller.subject
    commands = [kind(**stamp, **told, office=offices[0], among=tuple(offices))]
    for office in offices[1:]:
        stamp["command_id"] = services.command_id(principal, part_key(asked.key, office))
        commands.append(kind(**stamp, **told, office=office))
    return commands


def _together(receipts: Sequence[Receipt]) -> Receipt:
    """Their figures added, and what they list in a row."""
    refused = next((receipt for receipt in receipts if receipt.answer is None), None)
    if refused is not None:
        return refused
    answers = [receipt.answer for receipt in receipts if receipt.answer is not None]
    said = dict(answers[0])
    for answer in answers[1:]:
        said = {name: said[name] + answer[name] for name in said}
    position, is_replayed = max(each.position for each in receipts), all(each.replayed for each in receipts)
    return Receipt(position, said, None, is_replayed)


def close_offices(asked: Asked) -> Sequence[Command]:
    body: schemas.ClosureIn = asked.body
    since, until = start_of(body.since), start_of(body.until, after_days=1)
    return _to_each(asked, CloseOffice, since=since, until=until, reason=body.reason, preview=body.preview)


def announce_openings(asked: Asked) -> Sequence[Command]:
    body: schemas.OpeningIn = asked.body
    return _to_each(asked, AnnounceOpening, since=body.since, until=body.until, hours=_spans(body.hours))


# -- to the office of the path ----------------------------------------------------------------------------------------


def pause(asked: Asked) -> Sequence[PauseOffice]:
    return (PauseOffice(**asked.stamp(), office=asked.office, reason=asked.body.reason),)


def resume(asked: Asked) -> Sequence[ResumeOffice]:
    return (ResumeOffice(**asked.stamp(), office=asked.office),)


def assign_daily_pauses(asked: Asked) -> Sequence[AssignDailyPause]:
    body: schemas.DailyPausesIn = asked.body
    return (AssignDailyPause(**asked.stamp(), office=asked.office, since=body.since, pauses=_spans(body.pauses)),)


def assign_counters(asked: Asked) -> Sequence[AssignCounters]:
    body: schemas.CountersIn = asked.body
    return (
        AssignCounters(
            **asked.stamp(),
            office=asked.office,
            since=start_of(body.since),
            until=start_of(body.until, after_days=1),
            counters=body.counters,
            displace=body.displace,
        ),
    )


def start_of(told: date, *, after_days: int = 0) -> datetime:
    """Whole days include both ends; a wall time is the first start that `to` no longer holds for."""
    if isinstance(told, datetime):
        return told
    return datetime.combine(told + timedelta(days=after_days), time(), RIYADH)


def _spans(told: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return tuple((since, until) for since, _, until in (each.partition("-") for each in told))


CLOSE_OFFICES: Final = Spec(
    name="close_offices",
    summary="Close offices for some days or hours",
    description="Dates are whole days, both ends included; wall times end before the start at `to`. Closes every "
    "start of which any minute is closed, from the one that is going on, and moves the bookings that have a place "
    "there: one after another, by start and then by who booked first, each to the earliest free start of the same "
    "office and service. None is cancelled and no count of reschedules grows. Who finds no start stays confirmed, "
    "`unplaced`, and may be rescheduled without limit or notice, or cancelled. Who has checked in, or whose start has "
    "passed, stays. Holds and offers end. `preview`: only says what would happen. Days not yet published are published "
    "as closed. Announced again, nothing changes; the last announcement about a start counts. `all`: every office, for "
    "operators.",
    path="/v1/closures",
    body=schemas.ClosureIn,
    build=close_offices,
    build_reads=True,
    combine=_together,
    offices=_offices_named,
    answer=schemas.ClosureAnswer,
)
ANNOUNCE_OPENINGS: Final = Spec(
    name="announce_openings",
    summary="Open offices in more hours than usual",
    description="Adds starts to each of the days, also to closed ones and to those of an earlier closure. Both ends "
    "included. `hours` are wall times in full quarters, one span or a list. Days already published have these starts "
    "at once; the others get them when they are published. Daily pauses hold here too.",
    path="/v1/openings",
    body=schemas.OpeningIn,
    build=announce_openings,
    build_reads=True,
    combine=_together,
    offices=_offices_named,
    answer=schemas.OpeningAnswer,
)
PAUSE: Final = Spec(
    name="pause_office",
    summary="Let an office take no bookings until it resumes",
    description="Booking commands are refused as `office-not-live`, with `paused`. What is booked stands; cancelling "
    "and checking in go on.",
    path="/v1/offices/{office}/pause",
    body=schemas.PauseIn,
    body_is_optional=True,
    build=pause,
    offices=_office_of_path,
    answer=schemas.PauseAnswer,
)
RESUME: Final = Spec(
    name="resume_office",
    summary="Let a paused office take bookings again",
    path="/v1/offices/{office}/resume",
    body=NothingIn,
    body_is_optional=True,
    build=resume,
    offices=_office_of_path,
    answer=schemas.PauseAnswer,
)
ASSIGN_DAILY_PAUSES: Final = Spec(
    name="assign_daily_pauses",
    summary="Set the daily pauses of an office from a day on",
    description="Such as a prayer or lunch, in full quarters of an hour; an empty list ends them. They hold until the "
    "date of the next setting. No booking of several slots spans a pause. Days already published change at once: who "
    "is booked in the pause keeps their time, and nobody else gets it.",
    path="/v1/offices/{office}/daily-pauses",
    body=schemas.DailyPausesIn,
    build=assign_daily_pauses,
    offices=_office_of_path,
    answer=schemas.DailyPausesAnswer,
)
ASSIGN_COUNTERS: Final = Spec(
    name="assign_counters",
    summary="Open or close counters for a time",
    description="Dates are whole days, both ends included; wall times end before the start at `to`. Starts that are "
    "over stay as they were. A cut never drops a booking: below what is booked it is refused whole, or with `displace` "
    "moves the last in booking order until the rest fits, as a closure moves them.",
    path="/v1/offices/{office}/counters",
    body=schemas.CountersIn,
    build=assign_counters,
    offices=_office_of_path,
    answer=schemas.CountersAnswer,
    refusals=("slot-full", "not-displaceable"),
)

COMMANDS: Final = (CLOSE_OFFICES, ANNOUNCE_OPENINGS, PAUSE, RESUME, ASSIGN_DAILY_PAUSES, ASSIGN_COUNTERS)
