"""The application: what a command needs to see, and which facts it becomes. Pure: time and chance come from outside."""

from collections.abc import Callable
from typing import Any

from domain import (
    adoption,
    announcements,
    changes,
    channels,
    closures,
    counters,
    due,
    erasing,
    fair_release,
    history_import,
    holds,
    measuring,
    operation,
    persons,
    publication,
    reservations,
    sweep,
    visits,
    waiting,
)
from domain.commands import (
    AcceptOffer,
    AdoptPolicy,
    AnnounceLiveDate,
    AnnounceOpening,
    AppointGuardian,
    ApproveErasure,
    AssignCounters,
    AssignDailyPause,
    AssignFairRelease,
    Book,
    BookGroup,
    CallNext,
    Cancel,
    CheckIn,
    CloseOffice,
    Command,
    CorrectMeasurement,
    CorrectOutcome,
    CorrectPerson,
    ImportVisit,
    JoinWaitingList,
    LeaveWaitingList,
    MakeMeasurement,
    PauseOffice,
    PlaceHold,
    PublishDay,
    RecordOperation,
    RecordOutcome,
    RecordReminders,
    RegisterOffice,
    RegisterRegion,
    RegisterService,
    ReleaseHold,
    RepeatErasure,
    RequestErasure,
    Reschedule,
    ResumeOffice,
    SettleDay,
    WalkIn,
)
from domain.decision import Decision
from domain.events import Fact
from domain.state import Needs, State

_RULES: dict[type[Command], tuple[Callable[[Any, State], Needs], Callable[[Any, State, Decision], None]]] = {
    Book: (reservations.needs_of_book, reservations.book),
    BookGroup: (reservations.needs_of_group, reservations.book_group),
    Reschedule: (changes.needs_of_move, changes.reschedule),
    PlaceHold: (holds.needs_of_place, holds.place),
    ReleaseHold: (holds.needs_of_release, holds.release),
    JoinWaitingList: (waiting.needs_of_join, waiting.join),
    AcceptOffer: (waiting.needs_of_entry, waiting.accept),
    LeaveWaitingList: (waiting.needs_of_entry, waiting.leave),
    SettleDay: (sweep.needs_of_settling, sweep.settle_day),
    Cancel: (changes.needs_of_booking, changes.cancel),
    WalkIn: (visits.needs_of_walk_in, visits.walk_in),
    CheckIn: (visits.needs_of_visit, visits.check_in),
    CallNext: (visits.needs_of_call, visits.call_next),
    RecordOutcome: (visits.needs_of_visit, visits.record_outcome),
    CorrectOutcome: (visits.needs_of_visit, visits.correct_outcome),
    ImportVisit: (history_import.needs_of_visit, history_import.import_visit),
    RegisterRegion: (publication.needs_of_region, publication.register_region),
    RegisterService: (publication.needs_of_service, publication.register_service),
    RegisterOffice: (publication.needs_of_office, publication.register_office),
    AnnounceLiveDate: (publication.needs_of_office, publication.announce_live_date),
    PublishDay: (publication.needs_of_day, publication.publish_day),
    AssignCounters: (counters.needs_of_counters, counters.assign_counters),
    CloseOffice: (closures.needs_of_closure, closures.close_office),
    AnnounceOpening: (announcements.needs_of_opening, announcements.announce_opening),
    AssignDailyPause: (announcements.needs_of_daily_pause, announcements.assign_daily_pause),
    PauseOffice: (announcements.needs_of_pause, announcements.pause_office),
    ResumeOffice: (announcements.needs_of_pause, announcements.resume_office),
    AssignFairRelease: (fair_release.needs_of_assignment, fair_release.assign),
    AdoptPolicy: (adoption.needs_of_adoption, adoption.adopt),
    CorrectPerson: (persons.needs_of_correction, persons.correct),
    AppointGuardian: (persons.needs_of_guardianship, persons.appoint_guardian),
    RequestErasure: (erasing.needs_of_request, erasing.request),
    ApproveErasure: (erasing.needs_of_approval, erasing.approve),
    RepeatErasure: (erasing.needs_of_repetition, erasing.repeat),
    RecordOperation: (operation.needs_of_operation, operation.record_operation),
    RecordReminders: (operation.needs_of_operation, operation.record_reminders),
    MakeMeasurement: (measuring.needs_of_measurement, measuring.make_measurement),
    CorrectMeasurement: (measuring.needs_of_measurement, measuring.correct_measurement),
}


#: Commands whose needs grow with what an office's slots hold.
STEP_BY_STEP = (PublishDay, AssignCounters, CloseOffice, AnnounceOpening, AssignDailyPause)
#: Events that displacing everybody of a large office's day becomes: two for each of its 336 bookings, and its slots.
FULL_DAY = 700


def needs_of(command: Command, state: State) -> Needs:
    """What the decision will read, as far as the state can tell: ask again once that is loaded, until none lacks."""
    needs = _RULES[type(command)][0](command, state)
    if not due.is_quiet(needs, state, command.at):
        due.widen(needs, state, command.at)
    return needs


def needs_no_more(book: Command, asked: Needs, state: State) -> bool:
    """Whether a booking still needs what it did when asked, with nothing due around it: the usual case, told quickly.

    Of a booking among bookings alone: any other command may change what it needs.
    """
    assert isinstance(book, Book)
    is_counted = state.policies.limit_shares and channels.has_share(state.policy_at(book.at), book.channel)
    return not is_counted and due.is_quiet(asked, state, book.at)


def settle(command: Command, needs: Needs, state: State) -> list[Fact]:
    """What the clock has decided by the command's time about all that the command needs, folded into `state`."""
    return [] if due.is_quiet(needs, state, command.at) else due.settle(needs, state, command.at)


def events_of(command: Command) -> int:
    """About how many events it becomes: what a batch is measured by."""
    match command:
        case PublishDay():
            return 30
        case AssignCounters(displace=True):
            return FULL_DAY
        case AssignCounters() | AssignDailyPause() | AnnounceOpening() | SettleDay():
            return 100
        case CloseOffice(preview=False, since=since, until=until):
            return FULL_DAY * max(1, (until - since).days)
        case BookGroup(bookings=bookings):
            return 2 * len(bookings)
    return 1


def decide(command: Command, state: State) -> Decision:
    """The facts of `command`, already folded into `state`.

    Raises Refused, with the state as it was. Any other exception is a fault of the code: the caller then has to drop
    what the half-made decision touched.
    """
    decision = Decision(command, state)
    _RULES[type(command)][1](command, state, decision)
    return decision
