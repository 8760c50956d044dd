"""Figures: totals by whatever they are asked by, the running count, the milestones."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from psycopg import Connection
from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints
from starlette.responses import JSONResponse, Response

from api import answers, as_of, views
from api.as_of import Moment
from api.catalogue import VIEW as CATALOGUE
from api.catalogue import SectorName, refuse_unknown
from api.openapi import problem_responses
from api.problems import invalid
from api.revalidation import revalidated
from api.routes import GuardedRoute, TheCaller, TheServices, TheTime, at_least
from api.schemas import Channel, Code, Day
from domain.calendar import hijri, local_date
from domain.policy import milestone_after
from projections import catalogue, milestones, totals
from projections.milestones import Milestone
from projections.projection import position_of, snapshot

VIEW: Final = "totals"
MILESTONES: Final = "milestones"
#: Dashboards are shown no smaller number than this, but for 0.
SHOWN_FROM: Final = 10
ROWS_MAX: Final = 100_000
GROUPINGS: Final = ("office", "service", "sector", "region", "channel", "date", "hour", "made_date")
_CELLS: Final = ("live", "made", "cancelled", "rescheduled", "served", "no_show")
_AS_OF: Final[dict[str, Any]] = {"position": 4711, "at": "2011-02-01T10:00:00+03:00"}

router = APIRouter(route_class=GuardedRoute, tags=["statistics"])
_problems = problem_responses("view-behind")
Past = Annotated[Moment | None, as_of.then(VIEW)]


def _askable(by: str) -> str:
    names = by.split(",") if by else []
    for name in names:
        if name not in GROUPINGS:
            raise ValueError(f"takes some of {', '.join(GROUPINGS)}, separated by commas")
        if names.count(name) > 1:
            raise ValueError(f"has {name} twice")
    if "made_date" in names and not {"date", "hour"}.isdisjoint(names):
        raise ValueError(
            "takes made_date, the day something was done, or date and hour, the visit's: ask for them apart"
        )
    return by


By = Annotated[str, StringConstraints(max_length=100), AfterValidator(_askable)]
Cell = int | str


class Row(BaseModel):
    live: Cell | None
    made: Cell
    cancelled: Cell
    rescheduled: Cell
    served: Cell
    no_show: Cell

    model_config = ConfigDict(extra="allow")  # what it was asked by


class TotalsAnswer(BaseModel):
    rows: list[Row]
    as_of: answers.AsOf

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "rows": [
                        {
                            "office": "CA-TB-01",
                            "date": "2011-02-05",
                            "live": 41,
                            "made": 55,
                            "cancelled": 11,
                            "rescheduled": 10,
                            "served": 0,
                            "no_show": 0,
                        }
                    ],
                    "as_of": _AS_OF,
                }
            ]
        }
    )


class RunningCount(BaseModel):
    count: int
    as_of: answers.AsOf

    model_config = ConfigDict(json_schema_extra={"examples": [{"count": 1_000_000, "as_of": _AS_OF}]})


class MilestoneListed(BaseModel):
    threshold: int
    booking: str
    position: int
    at: str
    hijri: str | None


class MilestonesAnswer(BaseModel):
    milestones: list[MilestoneListed]
    next: int
    as_of: answers.AsOf

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "milestones": [
                        {
                            "threshold": 1000,
                            "booking": "4z7ms8qk2v9tx0c1wjhe",
                            "position": 4701,
                            "at": "2011-02-01T09:58:00+03:00",
                            "hijri": "1432-02-28",
                        }
                    ],
                    "next": 10_000,
                    "as_of": _AS_OF,
                }
            ]
        }
    )


@router.get(
    "/v1/statistics/totals",
    summary="Counts of bookings, by whatever they are asked by",
    description="`by`: some of office, service, sector, region, channel, date, hour, separated by commas; none: one "
    "row over all. `date` and `hour` are the visit's start in office time; `made_date`, which stands without those "
    "two, is the day on which something was done. `from` and `to`, both included, are about the same day. `live`: "
    "confirmed, without outcome, not over yet (null by `made_date`: it is true of now, not of a day). A fact counts "
    f"where its booking stood: `rescheduled` where it went. To the role dashboard a number below {SHOWN_FROM} is shown "
    f"as `<{SHOWN_FROM}`, so that it points at nobody; 0 is shown as 0. At most {ROWS_MAX} rows: ask for less at a "
    "time beyond that." + as_of.DESCRIBED,
    response_model=TotalsAnswer,
    responses=_problems,
    dependencies=[at_least(VIEW, CATALOGUE)],
)
def totals_by(
    *,
    services: TheServices,
    caller: TheCaller,
    now: TheTime,
    by: By = "",
    since: Annotated[Day | None, Query(alias="from")] = None,
    until: Annotated[Day | None, Query(alias="to")] = None,
    office: Code | None = None,
    region: Code | None = None,
    service: Code | None = None,
    sector: SectorName | None = None,
    channel: Channel | None = None,
    past: Past,
) -> Response:
    if since is not None and until is not None and until < since:
        raise invalid("to", "is before `from`")
    asked = {"office": office, "region": region, "service": service, "sector": sector, "channel": channel}
    only = {name: [value] for name, value in asked.items() if value is not None}
    with services.pool.connection() as connection, snapshot(connection):
        _refuse_unknown(connection, now, asked)
        of = position_of(connection, VIEW) if past is None else past.place
        rows = totals.totals(
            connection,
            by.split(",") if by else (),
            now=now if past is None else past.now,
            date_from=since,
            date_to=until,
            upto=None if past is None else past.position,
            **only,
        )
    if len(rows) > ROWS_MAX:
        raise invalid("by", f"these are {len(rows)} rows, and at most {ROWS_MAX} are shown: narrow it")
    is_rough = caller.role == "dashboard"
    return JSONResponse({"rows": [_row(each, is_rough=is_rough) for each in rows], "as_of": views.shown(of)})


@router.get(
    "/v1/statistics/running-count",
    summary="First confirmations over electronic channels, ever",
    description="Over portal, kiosk and sms. Moves, walk-ins and displacements never count, and it never goes down."
    + as_of.DESCRIBED,
    response_model=RunningCount,
    responses=_problems,
    dependencies=[at_least(VIEW)],
)
def running_count(request: Request, services: TheServices, past: Past) -> Response:
    with services.pool.connection() as connection, snapshot(connection):
        of = position_of(connection, VIEW) if past is None else past.place
        count = totals.running_count(connection, upto=None if past is None else past.position)
    return revalidated(request, {"count": count, "as_of": views.shown(of)})


@router.get(
    "/v1/milestones",
    summary="The thresholds of the running count, and the booking that crossed each",
    description="Each is crossed once, for ever. `next` is the threshold that comes next." + as_of.DESCRIBED,
    response_model=MilestonesAnswer,
    responses=_problems,
    dependencies=[at_least(MILESTONES)],
)
def milestones_listed(
    request: Request, services: TheServices, past: Annotated[Moment | None, as_of.then(MILESTONES)]
) -> Response:
    with services.pool.connection() as connection, snapshot(connection):
        of = position_of(connection, MILESTONES) if past is None else past.place
        crossed = milestones.upto(connection, of.position)
    following = milestone_after(crossed[-1].threshold if crossed else 0)
    members = {
        "milestones": [milestone(each) for each in crossed],
        "next": following,
        "as_of": views.shown(of),
    }
    return revalidated(request, members)


def milestone(crossed: Milestone) -> dict[str, Any]:
    return {
        "threshold": crossed.threshold,
        "booking": crossed.booking,
        "position": crossed.position,
        "at": views.office_time(crossed.at),
        "hijri": hijri(local_date(crossed.at)),
    }


def _refuse_unknown(connection: Connection[Any], now: datetime, asked: Mapping[str, str | None]) -> None:
    """A name that is misspelt would be answered with zeros."""
    if not any(asked[name] is not None for name in ("office", "region", "service", "sector")):
        return
    offices, services = catalogue.offices(connection, now=now), catalogue.services(connection)
    known = {
        "office": {each.office for each in offices},
        "region": {each.region for each in offices} | {each.region for each in catalogue.regions(connection)},
        "service": {each.service for each in services},
        "sector": {each.sector for each in services},
    }
    for name, names in known.items():
        refuse_unknown(name, is_known=asked[name] is None or asked[name] in names)


def _row(total: totals.Total, *, is_rough: bool) -> dict[str, Any]:
    group = {name: value.isoformat() if isinstance(value, date) else value for name, value in total.group.items()}
    cells = {name: getattr(total, name) for name in _CELLS}
    return group | ({name: _rough(count) for name, count in cells.items()} if is_rough else cells)


def _rough(count: int | None) -> Cell | None:
    return f"<{SHOWN_FROM}" if count is not None and 0 < count < SHOWN_FROM else count
