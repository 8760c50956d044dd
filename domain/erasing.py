"""A citizen is gone: one operator asks, another approves. What the log counts and proves stays as it is.

Bookings stand, and keep the person's id, which nothing leads to any more: a desk serves them by their reference. What
would have to reach the person ends: holds, and places in line. Guardianships end, as guardian and as dependant.
"""

from domain import holds, offers, reservations
from domain.commands import ApproveErasure, RepeatErasure, RequestErasure
from domain.decision import Decision
from domain.eligibility import wall
from domain.erasure import Erasure, erasure_stream
from domain.errors import ErasureLapsed, InvalidRequest, NotFound, SecondOperatorNeeded
from domain.events import ErasureRequested, PersonErased
from domain.state import Needs, State

# -- what each command reads ------------------------------------------------------------------------------------------


def needs_of_request(command: RequestErasure, _state: State) -> Needs:
    return Needs(streams={erasure_stream(command.request)}, lookups={command.person.lookup})


def needs_of_approval(command: ApproveErasure, state: State) -> Needs:
    needs = Needs(streams={erasure_stream(command.request)})
    asked = state.streams.get(erasure_stream(command.request))
    if isinstance(asked, Erasure) and asked.person is not None and not asked.is_done:
        _widen(needs, state, asked.person)
    return needs


def needs_of_repetition(command: RepeatErasure, state: State) -> Needs:
    needs = Needs(streams={erasure_stream(command.request)})
    _widen(needs, state, command.person)
    return needs


def _widen(needs: Needs, state: State, person: str) -> None:
    needs.persons.add(person)
    who = state.persons.get(person)
    if who is None:
        return
    for service in {joined.service for joined in who.waiting.values()}:
        reservations.line_of(needs, state, who, service)
    for hold, held in who.holds.items():
        needs.bookings.add(hold)
        holds.places_of(needs, state, held)


# -- what each command becomes ----------------------------------------------------------------------------------------


def request(command: RequestErasure, state: State, decision: Decision) -> None:
    """Asked for again while it can still be approved, the request is the one there is."""
    who = state.person_of(command.person.lookup)
    if who.person is None:
        raise NotFound
    pending = who.erasure
    if pending is not None and command.at < pending.lapses_at:
        decision.said = {"request": pending.request}
        return
    asked = ErasureRequested(
        by=command.caller.by,
        policy=decision.policy.version,
        request=command.request,
        operator=command.caller.signatory,
        lapses_at=command.lapses_at,
    )
    decision.record(state.streams[erasure_stream(command.request)], asked, person=who.person)
    decision.said = {"request": command.request}


def approve(command: ApproveErasure, state: State, decision: Decision) -> None:
    asked = _asked(command.request, state)
    if asked.requested is None or asked.person is None or asked.is_done or state.persons[asked.person].is_erased:
        raise NotFound
    if asked.requested.operator == command.caller.signatory:
        raise SecondOperatorNeeded(command.request)
    if command.at < asked.last_at:
        raise InvalidRequest("at", f"is earlier than the request, {wall(asked.last_at)}")
    if command.at >= asked.requested.lapses_at:
        raise ErasureLapsed(command.request, wall(asked.requested.lapses_at))
    _erase(decision, asked, asked.person, command.request, operator=command.caller.signatory)


def repeat(command: RepeatErasure, state: State, decision: Decision) -> None:
    """The database of before has forgotten the erasure, or knows of it and has the person's row all the same."""
    decision.said = {"person": command.person}
    if state.persons[command.person].is_erased:
        decision.erased.append(command.person)
        return
    _erase(decision, _asked(command.request, state), command.person, command.request, operator=None)


# -- parts ------------------------------------------------------------------------------------------------------------


def _asked(request: str, state: State) -> Erasure:
    asked = state.streams[erasure_stream(request)]
    assert isinstance(asked, Erasure)
    return asked


def _erase(decision: Decision, asked: Erasure, person: str, request: str, *, operator: str | None) -> None:
    command, state, who = decision.command, decision.state, decision.state.persons[person]
    by = command.caller.by
    for entry, joined in list(who.waiting.items()):  # before the holds, whose places they could be offered
        waiting, at = state.waiting_list(joined.office).entries[entry], max(command.at, state.bookings[entry].last_at)
        offers.leave(decision, joined.office, waiting, "erased", by=by, at=at)
    for hold, held in list(who.holds.items()):
        offers.end_hold(decision, hold, held, person, by=by, at=max(command.at, state.bookings[hold].last_at))
    erased = PersonErased(by=by, policy=decision.policy.version, request=request, operator=operator)
    decision.record(asked, erased, person=person)
    decision.erased.append(person)
    decision.said = {"request": request}
