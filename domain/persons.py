"""A person as such: a number, name or mobile put right, and who may act for whom. The data itself is in the vault."""

from domain.booking import Person
from domain.calendar import local_date
from domain.commands import AppointGuardian, Caller, CorrectPerson
from domain.decision import Decision, Renumbering, Sealing
from domain.errors import InvalidRequest, NotFound
from domain.events import GuardianAppointed, PersonCorrected
from domain.state import Needs, State


def person_stream(person: str) -> str:
    return f"person/{person}"


# -- what each command reads ------------------------------------------------------------------------------------------


def needs_of_correction(command: CorrectPerson, state: State) -> Needs:
    needs = Needs(lookups={command.person.lookup})
    if command.new_number is not None:
        needs.lookups.add(command.new_number.lookup)
    person = state.people.get(command.person.lookup)
    if person is not None:
        needs.streams.add(person_stream(person))
        if command.caller.region is not None and person in state.persons:
            needs.streams |= {f"office/{office}" for office in state.persons[person].offices}
    return needs


def needs_of_guardianship(command: AppointGuardian, state: State) -> Needs:
    needs = Needs(lookups={command.guardian.lookup, command.dependant.lookup})
    dependant = state.people.get(command.dependant.lookup)
    if dependant is not None:
        needs.streams.add(person_stream(dependant))
    return needs


# -- what each command becomes ----------------------------------------------------------------------------------------


def correct(command: CorrectPerson, state: State, decision: Decision) -> None:
    person = state.person_of(command.person.lookup)
    if person.person is None or not serves(command.caller, person, state):
        raise NotFound
    new, told = command.new_number, command.person
    if new is not None:
        known = state.people[new.lookup]
        if known == person.person:
            raise InvalidRequest("new_number", "is their number already")
        if known is not None:
            problem = "belongs to another person; two are never made one: book anew under it, and cancel under the old"
            raise InvalidRequest("new_number", problem)

    parts = {"number": new, "name": told.name, "mobile": told.mobile}
    corrected = PersonCorrected(
        by=command.caller.by,
        policy=decision.policy.version,
        corrected=tuple(part for part, value in parts.items() if value is not None),
        kind=new.kind if new is not None else None,
        reason_given=command.reason is not None,
    )
    stream = state.streams[person_stream(person.person)]
    decision.record(stream, corrected, person=person.person)
    if told.has_contact:
        decision.sealings.append(Sealing(person.person, told, is_new=False))
    if new is not None:
        decision.renumberings.append(Renumbering(person.person, new))
    if command.reason is not None:
        decision.note(person.person, f"{stream.stream}/{stream.version}", command.reason)
    decision.said = {"person": person.person, "corrected": list(corrected.corrected)}


def appoint_guardian(command: AppointGuardian, state: State, decision: Decision) -> None:
    """Both may be new: the number of either is sealed with this fact."""
    if command.guardian.lookup == command.dependant.lookup:
        raise InvalidRequest("guardian", "is the dependant")
    known, until_now = state.people[command.guardian.lookup], None
    if known is not None:
        until_now = state.person_of(command.dependant.lookup).guardians.get(known)
    today = local_date(command.at)
    if command.until < today and (until_now is None or until_now < today):
        raise InvalidRequest("until", "is past, and there is no guardianship to end")

    is_new = state.people[command.dependant.lookup] is None
    guardian, dependant = decision.person_id(command.guardian), decision.person_id(command.dependant)
    if is_new:
        state.admit(Needs(streams={person_stream(dependant)}))
    if command.until != until_now:
        appointed = GuardianAppointed(
            by=command.caller.by, policy=decision.policy.version, guardian=guardian, until=command.until
        )
        decision.record(state.streams[person_stream(dependant)], appointed, person=dependant)
    decision.said = {"guardian": guardian, "dependant": dependant, "until": command.until.isoformat()}


# -- parts ------------------------------------------------------------------------------------------------------------


def serves(caller: Caller, person: Person, state: State) -> bool:
    """A desk serves whoever has, or had, a booking at its office; a region's manager at one of the region's."""
    if caller.role == "operator":
        return True
    if caller.region is not None:
        registered = [office.registered for name in person.offices if (office := state.office(name)) is not None]
        return any(office is not None and office.region == caller.region for office in registered)
    return caller.role in ("staff", "manager") and caller.office in person.offices
