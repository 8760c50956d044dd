"""Who asks for whom: a citizen for themselves, or as guardian for a dependant, up to the last day they may (POL-14)."""

from datetime import datetime

from domain.booking import Person
from domain.calendar import local_date
from domain.commands import Beneficiary, Caller
from domain.errors import NotTheirDependant
from domain.state import State


def lookups_of(caller: Caller, beneficiary: Beneficiary, booker: Beneficiary | None = None) -> set[bytes]:
    """Whose numbers a command for `beneficiary` has to know."""
    lookups = {beneficiary.lookup}
    if caller.lookup is not None:
        lookups.add(caller.lookup)
    if booker is not None:
        lookups.add(booker.lookup)
    return lookups


def guardian_asking(caller: Caller, beneficiary: Beneficiary, state: State, at: datetime) -> str | None:
    """The caller's person id, where they ask as guardian of the beneficiary; None where no guardian is needed."""
    if caller.lookup is None or caller.lookup == beneficiary.lookup:
        return None
    dependant = state.person_of(beneficiary.lookup)
    if not is_guardian(caller, dependant, state, at):
        guardian = state.people[caller.lookup]
        until = dependant.guardians.get(guardian) if guardian is not None else None
        raise NotTheirDependant(until.isoformat() if until is not None else None)
    return state.people[caller.lookup]


def is_guardian(caller: Caller, dependant: Person, state: State, at: datetime) -> bool:
    assert caller.lookup is not None
    guardian = state.people[caller.lookup]
    return guardian is not None and dependant.has_guardian(guardian, local_date(at))


def booker(caller: Caller, beneficiary: str, state: State) -> str | None:
    """Person id of a citizen who books for somebody else, and may."""
    person = state.people[caller.lookup] if caller.lookup is not None else None
    return person if person != beneficiary else None
