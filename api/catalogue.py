"""The catalogue: sectors, services, regions, offices. Names in both languages, whole lists."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, StringConstraints
from starlette.responses import Response

from api import answers, views
from api.openapi import problem_responses
from api.problems import invalid
from api.revalidation import revalidated
from api.routes import GuardedRoute, TheServices, TheTime, at_least
from api.schemas import Code, Day
from domain.calendar import hijri, local_date
from projections import catalogue
from projections.catalogue import Coverage, Office
from projections.projection import position_of, snapshot

VIEW = "catalogue"
SectorName = Annotated[str, StringConstraints(pattern=r"^[a-z]+(_[a-z]+)*$", max_length=32)]

LiveOn = Annotated[Day | None, Query()]

router = APIRouter(route_class=GuardedRoute, tags=["catalogue"], dependencies=[at_least(VIEW)])
_problems = problem_responses("view-behind")


class _Named(BaseModel):
    name_ar: str
    name_en: str


class Sector(_Named):
    sector: str


class _Covered(BaseModel):
    offices: int  # of the region; that offer the service
    offices_live: int  # of those, on the day asked about


class Service(_Named, _Covered):
    service: str
    sector: str
    audience: str
    minutes: int
    electronic: bool
    needs_visit: bool
    border_number: bool
    documents: str


class Region(_Named, _Covered):
    region: str


class OfficeListed(_Named):
    office: str
    city_ar: str
    city_en: str
    region: str
    section: str
    sectors: list[str]
    counters: int
    latitude: float | None
    longitude: float | None
    live_from: str | None
    paused: bool
    hijri: str | None


class Sectors(BaseModel):
    sectors: list[Sector]
    as_of: answers.AsOf


class ServicesListed(BaseModel):
    services: list[Service]
    as_of: answers.AsOf


class Regions(BaseModel):
    regions: list[Region]
    as_of: answers.AsOf


class Offices(BaseModel):
    offices: list[OfficeListed]
    as_of: answers.AsOf

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "offices": [
                        {
                            "office": "CA-TB-01",
                            "name_ar": "مكتب تبوك",
                            "name_en": "Tabuk office",
                            "city_ar": "تبوك",
                            "city_en": "Tabuk",
                            "region": "TB",
                            "section": "mixed",
                            "sectors": ["civil_affairs"],
                            "counters": 6,
                            "latitude": 28.38,
                            "longitude": 36.57,
                            "live_from": "2010-11-27",
                            "paused": False,
                            "hijri": "1431-12-21",
                        }
                    ],
                    "as_of": {"position": 4711, "at": "2011-02-01T10:00:00+03:00"},
                }
            ]
        }
    )


@router.get("/v1/sectors", summary="The sectors", response_model=Sectors, responses=_problems)
def sectors(request: Request, services: TheServices) -> Response:
    with services.pool.connection() as connection:
        as_of = position_of(connection, VIEW)
    named = [dict(zip(("sector", "name_ar", "name_en"), each, strict=True)) for each in services.sectors]
    return revalidated(request, {"sectors": named, "as_of": views.shown(as_of)})


@router.get(
    "/v1/services",
    summary="The services, of one sector or all",
    description="`needs_visit: false`: there is nothing to book. `minutes`: 15, 30 or 45, which is 1, 2 or 3 slots. "
    "`offices`: those that offer it; `offices_live`: of those, the ones that are live on the day `live_on`, today "
    "unless told.",
    response_model=ServicesListed,
    responses=_problems,
)
def services_listed(
    *, request: Request, services: TheServices, now: TheTime, sector: SectorName | None = None, live_on: LiveOn = None
) -> Response:
    with services.pool.connection() as connection, snapshot(connection):
        found, as_of = catalogue.services(connection), position_of(connection, VIEW)
        covered = catalogue.coverage_of_services(connection, live_on or local_date(now))
    if sector is not None:
        found = [service for service in found if service.sector == sector]
        refuse_unknown("sector", is_known=bool(found))
    listed = [each._asdict() | _coverage(covered.get(each.service)) for each in found]
    return revalidated(request, {"services": listed, "as_of": views.shown(as_of)})


@router.get(
    "/v1/regions",
    summary="The regions",
    description="`offices`: those of the region; `offices_live`: of those, the ones that are live on the day "
    "`live_on`, today unless told.",
    response_model=Regions,
    responses=_problems,
)
def regions(*, request: Request, services: TheServices, now: TheTime, live_on: LiveOn = None) -> Response:
    with services.pool.connection() as connection, snapshot(connection):
        found, as_of = catalogue.regions(connection), position_of(connection, VIEW)
        covered = catalogue.coverage_of_regions(connection, live_on or local_date(now))
    listed = [each._asdict() | _coverage(covered.get(each.region)) for each in found]
    return revalidated(request, {"regions": listed, "as_of": views.shown(as_of)})


@router.get(
    "/v1/offices",
    summary="The offices",
    description="`counters` are those open now; `live_from` is the day from which bookings are taken (`hijri`: the "
    "same day), null while none is announced; a `paused` one takes none until it resumes. `service`: those that offer "
    "it; `live_on`: those live on that day.",
    response_model=Offices,
    responses=_problems,
)
def offices(
    *,
    request: Request,
    services: TheServices,
    now: TheTime,
    region: Code | None = None,
    service: Code | None = None,
    live_on: LiveOn = None,
) -> Response:
    with services.pool.connection() as connection, snapshot(connection):
        found = catalogue.offices(connection, now=now, region=region, service=service, live_on=live_on)
        if not found:  # nothing of what there is, or is there no such thing?
            known_regions = {each.region for each in catalogue.regions(connection)}
            known_regions |= {each.region for each in catalogue.offices(connection, now=now)}
            refuse_unknown("region", is_known=region is None or region in known_regions)
            known_services = {each.service for each in catalogue.services(connection)}
            refuse_unknown("service", is_known=service is None or service in known_services)
        as_of = position_of(connection, VIEW)
    return revalidated(request, {"offices": [_office(each) for each in found], "as_of": views.shown(as_of)})


def refuse_unknown(field: str, *, is_known: bool) -> None:
    if not is_known:
        raise invalid(field, "is not in the catalogue")


def _coverage(covered: Coverage | None) -> dict[str, int]:
    offices, live = covered or (0, 0)
    return {"offices": offices, "offices_live": live}


def _office(office: Office) -> dict[str, Any]:
    live_from = office.live_from
    return office._asdict() | {"hijri": hijri(live_from) if live_from is not None else None}
