"""The queue of an office: its day as those at the desks see it. Nobody is named here."""

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict
from starlette.responses import JSONResponse, Response

from api import answers, as_of, views
from api.as_of import Moment
from api.catalogue import VIEW as CATALOGUE
from api.catalogue import refuse_unknown
from api.openapi import problem_responses
from api.policy_table import is_office_of
from api.problems import forbidden
from api.references import VIEW as BOOKINGS
from api.routes import GuardedRoute, TheCaller, TheServices, TheTime, at_least
from api.schemas import Code, Day
from domain.calendar import hijri, local_date
from projections import catalogue, office_day, queue
from projections.projection import position_of, snapshot
from projections.queue import Visit

VIEW: Final = "queue"

router = APIRouter(route_class=GuardedRoute, tags=["offices"])


class VisitListed(BaseModel):
    booking: str
    service: str
    starts_at: str
    status: str
    walk_in: bool
    checked_in_at: str | None
    called_at: str | None
    waited_s: int | None  # of who was called; of who still waits today: so far


class QueueOfDay(BaseModel):
    office: str
    date: str
    hijri: str | None
    expected: int  # booked, and neither come nor missed yet
    checked_in: int  # waiting or called
    waiting: int
    called: int  # and not done yet
    served: int
    not_completed: int
    no_show: int
    median_waited_s: float | None  # of all who were called that day
    longest_waited_s: int | None
    bookings: list[VisitListed]
    as_of: answers.AsOf

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "office": "CA-TB-01",
                    "date": "2011-02-05",
                    "hijri": "1432-03-02",
                    "expected": 41,
                    "checked_in": 1,
                    "waiting": 1,
                    "called": 0,
                    "served": 12,
                    "not_completed": 0,
                    "no_show": 2,
                    "median_waited_s": 240,
                    "longest_waited_s": 900,
                    "bookings": [
                        {
                            "booking": "4z7ms8qk2v9tx0c1wjhe",
                            "service": "SV-CA-02",
                            "starts_at": "2011-02-05T09:00:00+03:00",
                            "status": "checked_in",
                            "walk_in": False,
                            "checked_in_at": "2011-02-05T08:52:10+03:00",
                            "called_at": None,
                            "waited_s": 60,
                        }
                    ],
                    "as_of": {"position": 4711, "at": "2011-02-05T09:01:00+03:00"},
                }
            ]
        }
    )


@router.get(
    "/v1/offices/{office}/queue",
    summary="The day of an office: who is expected, who waits, who was served",
    description="Today's, or that of `date`. Bookings are in the order in which those who wait are called: by start, "
    "the booked before the walk-in, then by check-in. Waits are whole seconds since the check-in, or since the start "
    "where the customer came before it." + as_of.DESCRIBED,
    response_model=QueueOfDay,
    responses=problem_responses("view-behind"),
    dependencies=[at_least(VIEW, BOOKINGS, CATALOGUE)],
)
def queue_of_day(
    *,
    office: Annotated[Code, Path(description="The office's id")],
    services: TheServices,
    caller: TheCaller,
    now: TheTime,
    day: Annotated[Day | None, Query(alias="date")] = None,
    past: Annotated[Moment | None, as_of.then(CATALOGUE)],
) -> Response:
    if not is_office_of(caller, office, services.region_of):
        raise forbidden("this office is not yours")
    then = now if past is None else past.now
    today = local_date(then)
    asked = day or today
    with services.pool.connection() as connection, snapshot(connection):
        refuse_unknown("office", is_known=bool(catalogue.offices(connection, now=now, office=office)))
        if past is None:
            visits = queue.of_day(connection, office, asked)
            of = min(position_of(connection, VIEW), position_of(connection, BOOKINGS), key=lambda each: each.position)
        else:
            visits, of = office_day.visits(connection, office, asked, upto=past.position), past.place
    shown = {"office": office, "date": asked.isoformat(), "hijri": hijri(asked), **queue.figures(visits)._asdict()}
    shown["bookings"] = [_shown(visit, then if asked == today else None) for visit in visits]
    return JSONResponse(shown | {"as_of": views.shown(of)})


def _shown(visit: Visit, now: datetime | None) -> dict[str, Any]:
    waited_s = visit.waited_until(now) if visit.waits and now is not None else visit.waited_s
    return {
        "booking": visit.booking,
        "service": visit.service,
        "starts_at": views.office_time(visit.starts_at),
        "status": visit.status,
        "walk_in": visit.is_walk_in,
        "checked_in_at": views.office_time(visit.checked_in_at) if visit.checked_in_at is not None else None,
        "called_at": views.office_time(visit.called_at) if visit.called_at is not None else None,
        "waited_s": waited_s,
    }
