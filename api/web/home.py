"""The first page: how many bookings there are, and where one can be had."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple

from fastapi import APIRouter, Request
from psycopg import Connection
from starlette.datastructures import State
from starlette.responses import RedirectResponse, Response

from api import views
from api.clock import HEADER
from api.revalidation import unless_known
from api.routes import GuardedRoute, TheServices, TheTime
from api.server_sent import SharedLook
from api.services import Services
from api.web.language import ARABIC, ENGLISH, Language
from api.web.rendering import rendered
from domain.calendar import RIYADH, local_date
from projections import catalogue, milestones, overview
from projections.catalogue import Region
from projections.milestones import Ladder
from projections.overview import ClosedDay, Offices, Places
from projections.projection import AsOf, position_of, snapshot

DAYS: Final = 7
MILESTONES_MAX: Final = 8
VIEWS: Final = ("availability", "catalogue", "milestones")
#: However many look at the page, the database is asked once in this time.
_LOOK_S: Final = 1.0

router = APIRouter(route_class=GuardedRoute)


class Seen(NamedTuple):
    """What the page tells, in no language yet."""

    as_of: AsOf  # of the view that is behind
    today: date
    ladder: Ladder
    offices: Offices
    regions: Sequence[Region]
    places: Sequence[Places]
    closed: Sequence[ClosedDay]


class DayShown(NamedTuple):
    day: date
    places: Places | None
    reason: str  # why there are none


class RegionShown(NamedTuple):
    name: str
    places: Places


@router.get("/", include_in_schema=False)
async def arabic(request: Request, services: TheServices, now: TheTime) -> Response:
    return await _page(request, services, now, ARABIC)


@router.get("/en/", include_in_schema=False)
async def english(request: Request, services: TheServices, now: TheTime) -> Response:
    return await _page(request, services, now, ENGLISH)


@router.get("/en", include_in_schema=False)
async def english_without_its_slash() -> Response:
    return RedirectResponse("/en/", 308)


async def _page(request: Request, services: Services, now: datetime, language: Language) -> Response:
    if HEADER.decode() in request.headers:
        seen = await views.reading(services, lambda connection: _seen(connection, now))
    else:
        seen = await _look(request.app.state, services).recent()
    page = rendered("home.html", language, **_shown(seen, language))
    return unless_known(request, page, "text/html; charset=utf-8")


def _look(state: State, services: Services) -> SharedLook[Seen]:
    """Of one process, for all its visitors."""

    async def look() -> Seen:
        return await views.reading(services, lambda connection: _seen(connection, services.now()))

    if not hasattr(state, "home"):
        state.home = SharedLook(look, _LOOK_S)
    found: SharedLook[Seen] = state.home
    return found


def _seen(connection: Connection[Any], now: datetime) -> Seen:
    with snapshot(connection):
        return Seen(
            as_of=min((position_of(connection, view) for view in VIEWS), key=lambda as_of: as_of.position),
            today=local_date(now),
            ladder=milestones.ladder(connection),
            offices=overview.offices(connection, now),
            regions=catalogue.regions(connection),
            places=overview.places(connection, now, DAYS),
            closed=overview.closed_days(connection, now, DAYS),
        )


def _shown(seen: Seen, language: Language) -> dict[str, Any]:
    days = [_day(seen, seen.today + timedelta(days=ahead), language) for ahead in range(DAYS)]
    first = next((each for each in days if each.places is not None), None)
    names = {each.region: getattr(each, f"name_{language.code}") for each in seen.regions}
    regions = [
        RegionShown(names.get(each.region, each.region), each)
        for each in seen.places
        if first is not None and each.day == first.day and each.region is not None
    ]
    at = seen.as_of.at.astimezone(RIYADH) if seen.as_of.at is not None else None
    return {
        "as_of": seen.as_of.position,
        "as_of_at": at,
        "today": seen.today,
        "running": seen.ladder.running,
        "next_threshold": seen.ladder.next_threshold,
        "milestones": [(each, local_date(each.at)) for each in reversed(seen.ladder.milestones)][:MILESTONES_MAX],
        "offices": seen.offices,
        "days": days,
        "first": first,
        "regions": sorted(regions, key=lambda each: -each.places.capacity),
    }


def _day(seen: Seen, day: date, language: Language) -> DayShown:
    places = next((each for each in seen.places if each.day == day and each.region is None), None)
    closed = next((each for each in seen.closed if each.day == day), None)
    if places is not None or closed is None:
        is_over = places is None and day == seen.today
        return DayShown(day, places, language.words["home"]["over"] if is_over else language.reason("not-published"))
    name = closed.name_ar if language is ARABIC else closed.name_en
    return DayShown(day, None, name or language.reason(closed.reason))
