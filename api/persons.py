"""A person's own data, in one answer: what the vault holds of them, what the log tells, and who has looked."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse, Response

from api import guardians, person_schemas, queries, views
from api.bookings import fact_shown
from api.openapi import problem_responses
from api.policy_table import is_office_of
from api.problems import forbidden, not_found
from api.references import VIEW, References
from api.routes import GuardedRoute, TheCaller, TheReferences, TheServices, TheTime, at_least
from api.services import Services
from domain.answers import place
from domain.booking import Booking, Person
from domain.commands import Caller
from domain.ports import PersonFile
from projections import guardianships, history
from projections.history import Told
from projections.projection import position_of, snapshot

router = APIRouter(route_class=GuardedRoute, tags=["persons"])
#: Whether what happens at an office is the reader's to see.
Concerns = Callable[[str], bool]


@router.get(
    "/v1/persons/export",
    summary="A person's own data, with the log of who opened it",
    description="What the vault holds (number, name, mobile, language, the words of reasons) and what the log tells: "
    "bookings and waiting-list entries with their history, guardianships, corrections. Other persons appear by their "
    "id alone. Every opening of the vault is logged, this one included: `openings` says who (`person/<id>` is a "
    "citizen), why, and when by the system's clock. A citizen reads their own data and their dependants'. A desk reads "
    "that of whoever has or had a booking at its office, and of it what concerns the office; anybody else is "
    "not-found, known or not.",
    response_model=person_schemas.PersonExport,
    responses=problem_responses("invalid-number", "not-found", "view-behind"),
    dependencies=[at_least(VIEW, guardians.VIEW)],
)
def export(
    services: TheServices,
    caller: TheCaller,
    references: TheReferences,
    now: TheTime,
    number: Annotated[str, Query(max_length=64, description="A beneficiary number")],
) -> Response:
    lookup = services.lookup(queries.beneficiary_number(number))
    person = services.person_of(lookup)
    is_own = lookup == caller.lookup
    if caller.role == "citizen" and not is_own and not guardians.reads_for(caller, person, services, now):
        raise forbidden("a citizen reads the data of their own number, or of a dependant's")
    if person is None:
        raise not_found()
    with services.pool.connection() as connection, snapshot(connection):
        as_of = position_of(connection, VIEW)
        told = list(history.all_of_person(connection, person, upto=as_of.position))
        related = guardianships.of_person(connection, person)
    if caller.role != "citizen" and not _serves(caller, person, told, services):
        raise not_found()

    why = "export by a guardian" if caller.role == "citizen" and not is_own else "export"
    file = services.person_file(person, _who(caller, services), why)
    if file is None:
        raise not_found()

    def concerns(office: str) -> bool:
        return caller.role == "citizen" or is_office_of(caller, office, services.region_of)

    kept = {"number": file.number, "name": file.name, "mobile": file.mobile, "language": file.language}
    happened = _happened(told, concerns, references)
    happened["guardianships"] = [{**each._asdict(), "until": each.until.isoformat()} for each in related]
    seen = _seen(file, concerns, by=caller.by, about={each["booking"] for each in happened["bookings"]})
    return JSONResponse({"person": person} | kept | happened | seen | {"as_of": views.shown(as_of)})


# -- parts ------------------------------------------------------------------------------------------------------------


def _serves(caller: Caller, person: str, told: Sequence[Told], services: Services) -> bool:
    """As domain/persons.py has it for corrections: a booking of theirs stands, or once stood, at the caller's."""
    found = Person(person)
    for each in told:
        found.evolve(each.fact)
    return any(is_office_of(caller, office, services.region_of) for office in found.offices)


def _who(caller: Caller, services: Services) -> str:
    """How the log of openings names the caller: a desk by its place, a citizen by the id in the facts."""
    return caller.by if caller.lookup is None else f"person/{services.person_of(caller.lookup)}"


def _happened(told: Sequence[Told], concerns: Concerns, references: References) -> dict[str, list[dict[str, Any]]]:
    """Each fact once: with its booking, with its waiting-list entry, or among those about the person as such."""
    stories: dict[str | None, list[Told]] = {}
    for each in told:
        stories.setdefault(each.fact.booking, []).append(each)
    bookings, waiting, others = [], [], stories.pop(None, [])
    for name, story in stories.items():
        assert name is not None
        booking = Booking(name)
        for each in story:
            booking.evolve(each.fact)
        if booking.status is not None:
            if concerns(booking.office):
                bookings.append(_booking(booking, references) | {"history": _shown(story)})
        elif booking.joined is not None:
            if concerns(booking.joined.office):
                waiting.append(_entry(booking) | {"history": _shown(story)})
        else:
            others += [each for each in story if concerns(getattr(each.fact.event, "office", ""))]
    others.sort(key=lambda each: each.position)
    facts = [shown | {"booking": each.fact.booking} for each, shown in zip(others, _shown(others), strict=True)]
    return {"bookings": bookings, "waiting": waiting, "facts": facts}


def _shown(story: Sequence[Told]) -> list[dict[str, Any]]:
    return [fact_shown(each) for each in story]


def _booking(booking: Booking, references: References) -> dict[str, Any]:
    assert booking.status is not None
    state = place(booking.booking, booking.status, booking.office, booking.service, booking.starts_at, booking.minutes)
    told: dict[str, Any] = {"channel": booking.channel, "reschedules": booking.reschedules}
    if not booking.has_place:
        told["unplaced"] = True
    return {"booking": booking.booking, "reference": references.show(booking.booking), **state, **told}


def _entry(entry: Booking) -> dict[str, Any]:
    """Whether an offer still stands is a matter of its `expires_at`, which is in the history."""
    joined = entry.joined
    assert joined is not None
    return {
        "entry": entry.booking,
        "status": entry.left or ("offered" if entry.offer is not None else "waiting"),
        "office": joined.office,
        "service": joined.service,
        "from": joined.since.isoformat(),
        "to": joined.until.isoformat(),
    }


def _seen(file: PersonFile, concerns: Concerns, *, by: str, about: set[str]) -> dict[str, Any]:
    """Words about the bookings shown, and about the person as such; a desk is shown the openings of its own place."""
    notes = [
        {"about": subject, "words": words}
        for subject, words in file.notes.items()
        if subject in about or subject.startswith("person/")
    ]
    openings = [
        {"who": opening.who, "why": opening.why, "at": views.office_time(opening.at)}
        for opening in file.openings
        if opening.who == by or concerns(opening.who.partition("@")[2])
    ]
    return {"notes": notes, "openings": openings}
