"""What is free: days of an office, and the starts of one day, in places of the service asked for."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from psycopg import Connection
from pydantic import BaseModel, ConfigDict
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api import answers, as_of, clock, problems, views
from api.as_of import Moment
from api.callers import headers_of
from api.catalogue import VIEW as CATALOGUE
from api.catalogue import refuse_unknown
from api.openapi import problem_responses
from api.problems import invalid
from api.recent import Recent
from api.revalidation import encode, unless_known
from api.routes import AT_LEAST, GuardedRoute, TheServices, TheTime, at_least
from api.schemas import Code, Day
from api.services import Services
from api.web.language import ARABIC, ENGLISH
from domain.calendar import hijri
from domain.errors import ServiceNotOffered
from projections import availability, catalogue, office_day
from projections.projection import position_of, snapshot

VIEW: Final = "availability"
DAYS_MAX: Final = 62

router = APIRouter(route_class=GuardedRoute, tags=["catalogue"], dependencies=[at_least(VIEW, CATALOGUE)])
_problems = problem_responses("service-not-offered", "view-behind")
_JSON: Final = "application/json"
_RECENT: Final = (
    " Answers may be some tenths of a second old (setting `AVAILABILITY_KEPT_MS`): `as_of` says from when. With "
    "`Mawid-At-Least` or `Mawid-Now` they are read afresh."
)
_AS_OF: Final[dict[str, Any]] = {"position": 4711, "at": "2011-02-01T10:00:00+03:00"}
Since = Annotated[Day, Query(alias="from", description="The first day")]
#: Its facts are read from the log itself.
Past = Annotated[Moment | None, as_of.then(CATALOGUE)]
Until = Annotated[Day | None, Query(alias="to", description="The last day; without it, the first alone")]


class DayListed(BaseModel):
    date: str
    hijri: str | None
    open: bool
    reason: str | None = None  # of a closed day: weekend, holiday, closure or not-published
    reason_ar: str | None = None
    reason_en: str | None = None
    capacity: int
    free: int


class Days(BaseModel):
    days: list[DayListed]
    as_of: answers.AsOf

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "days": [
                        {
                            "date": "2011-02-04",
                            "hijri": "1432-03-01",
                            "open": False,
                            "reason": "weekend",
                            "reason_ar": "عطلة نهاية الأسبوع",
                            "reason_en": "Weekend",
                            "capacity": 0,
                            "free": 0,
                        },
                        {"date": "2011-02-05", "hijri": "1432-03-02", "open": True, "capacity": 72, "free": 41},
                    ],
                    "as_of": _AS_OF,
                }
            ]
        }
    )


class StartListed(BaseModel):
    starts_at: str
    free: int
    capacity: int


class Starts(BaseModel):
    slots: list[StartListed]
    as_of: answers.AsOf

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"slots": [{"starts_at": "2011-02-05T09:00:00+03:00", "free": 2, "capacity": 3}], "as_of": _AS_OF}
            ]
        }
    )


@router.get(
    "/v1/availability",
    summary="Free places of an office, day by day",
    description=f"Both ends included, at most {DAYS_MAX} days. In places of the service: a start of a longer one has "
    "as many as the least of its slots, and those of neighbouring starts overlap. A closed day has a `reason`: "
    "`weekend`, `holiday`, `closure` (in the words of its announcement) or `not-published`. A start that is past still "
    "shows its places: whether it can be booked is for the booking to say." + _RECENT + as_of.DESCRIBED,
    response_model=Days,
    response_model_exclude_none=True,
    responses=_problems,
)
async def days(
    *,
    request: Request,
    services: TheServices,
    now: TheTime,
    office: Code,
    service: Code,
    since: Since,
    until: Until = None,
    past: Past,
) -> Response:
    last = until or since
    if last < since:
        raise invalid("to", "is before `from`")
    if (last - since).days >= DAYS_MAX:
        raise invalid("to", f"at most {DAYS_MAX} days are shown at a time")

    def read(connection: Connection[Any]) -> dict[str, Any]:
        asked = connection, office, _minutes(connection, office, service), since, last
        if past is None:
            found, of = availability.days(*asked, now=now), position_of(connection, VIEW)
        else:
            found, of = office_day.days(*asked, upto=past.position, now=past.now), past.place
        return {"days": [_day(each) for each in found], "as_of": views.shown(of)}

    return await _answered(request, services, past, read)


@router.get(
    "/v1/availability/slots",
    summary="The starts of one day, with their free places",
    description="Those at which the service fits, in order; none on a closed day." + _RECENT + as_of.DESCRIBED,
    response_model=Starts,
    responses=_problems,
)
async def starts(
    *,
    request: Request,
    services: TheServices,
    now: TheTime,
    office: Code,
    service: Code,
    day: Annotated[Day, Query(alias="date")],
    past: Past,
) -> Response:
    def read(connection: Connection[Any]) -> dict[str, Any]:
        asked = connection, office, _minutes(connection, office, service), day
        if past is None:
            found, of = availability.starts(*asked, now=now), position_of(connection, VIEW)
        else:
            found, of = office_day.starts(*asked, upto=past.position, now=past.now), past.place
        return {"slots": [_start(each) for each in found], "as_of": views.shown(of)}

    return await _answered(request, services, past, read)


async def _answered(
    request: Request,
    services: Services,
    past: Moment | None,
    read: Callable[[Connection[Any]], dict[str, Any]],
) -> Response:
    headers = headers_of(request.scope)
    recent: Recent = request.app.state.recent
    work_out = partial(_read, services, read)
    if past is not None or AT_LEAST in headers or clock.HEADER in headers:
        body = await run_in_threadpool(work_out)
    else:
        body = (await recent.answer(request.scope, work_out)).body
    return unless_known(request, body, _JSON)


def _read(services: Services, read: Callable[[Connection[Any]], dict[str, Any]]) -> bytes:
    with services.pool.connection() as connection, snapshot(connection):
        return encode(read(connection))


def _minutes(connection: Connection[Any], office: str, service: str) -> int:
    """How long the service takes. Refuses what is not in the catalogue, and what is not booked at this office."""
    visit = catalogue.visit(connection, office, service)
    refuse_unknown("office", is_known=visit.office_is_known)
    refuse_unknown("service", is_known=visit.minutes is not None)
    assert visit.minutes is not None
    if not visit.is_offered:
        refusal = ServiceNotOffered(office, service)
        raise problems.Problem(refusal.name, str(refusal), refusal.evidence)
    return visit.minutes


def _start(start: availability.OpenStart) -> dict[str, Any]:
    return {"starts_at": views.office_time(start.starts_at), "free": start.free, "capacity": start.capacity}


def _day(day: availability.Day) -> dict[str, Any]:
    shown: dict[str, Any] = {"date": day.date, "hijri": hijri(day.date), "open": day.open}
    if day.reason is not None:
        shown |= {
            "reason": day.reason,
            "reason_ar": day.name_ar or ARABIC.reason(day.reason),
            "reason_en": day.name_en or ENGLISH.reason(day.reason),
        }
    return shown | {"capacity": day.capacity, "free": day.free}
