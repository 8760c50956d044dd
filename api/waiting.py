"""Reading an entry of a waiting list: whether it waits, and what it was offered."""

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from api import answers, guardians, views
from api.openapi import problem_responses
from api.policy_table import is_office_of
from api.problems import not_found
from api.routes import GuardedRoute, TheCaller, TheServices, TheTime, at_least
from api.services import Services
from domain.commands import Caller
from projections import waiting
from projections.projection import position_of, snapshot

VIEW: Final = "waiting"
router = APIRouter(route_class=GuardedRoute, tags=["bookings"])


class Offer(BaseModel):
    starts_at: str
    expires_at: str


class Entry(BaseModel):
    entry: str
    status: str
    office: str
    service: str
    since: str = Field(alias="from")
    until: str = Field(alias="to")
    place: int | None = None  # in line, while it waits
    offer: Offer | None = None
    as_of: answers.AsOf

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "entry": "4z7ms8qk2v9tx0c1wjhe",
                    "status": "offered",
                    "office": "CA-TB-01",
                    "service": "SV-CA-02",
                    "from": "2011-02-05",
                    "to": "2011-02-09",
                    "offer": {"starts_at": "2011-02-05T09:00:00+03:00", "expires_at": "2011-02-01T12:00:00+03:00"},
                    "as_of": {"position": 4711, "at": "2011-02-01T10:00:00+03:00"},
                }
            ]
        }
    )


@router.get(
    "/v1/waiting-list/{entry}",
    summary="Where somebody stands in line, and what they are offered",
    description="`status`: `waiting`, `offered`, or how it ended: `booked`, `declined`, `lapsed`, `left`, "
    "`window_ended`, `withdrawn` (the offered start was closed), `erased` (the person was).",
    response_model=Entry,
    responses=problem_responses("not-found", "view-behind"),
    dependencies=[at_least(VIEW, guardians.VIEW)],
)
def entry(
    named: Annotated[str, Path(alias="entry", max_length=64)], services: TheServices, caller: TheCaller, now: TheTime
) -> Response:
    with services.pool.connection() as connection, snapshot(connection):
        row, as_of = waiting.by_id(connection, named), position_of(connection, VIEW)
    if row is None or not _is_theirs(row, caller, services, now):
        raise not_found()
    status = row.status_at(now)
    shown: dict[str, Any] = {"entry": row.entry, "status": status, "office": row.office, "service": row.service}
    shown |= {"from": row.since.isoformat(), "to": row.until.isoformat()}
    if status == "waiting":
        shown["place"] = row.place
    if status == "offered" and row.starts_at is not None and row.expires_at is not None:
        starts_at, expires_at = views.office_time(row.starts_at), views.office_time(row.expires_at)
        shown["offer"] = {"starts_at": starts_at, "expires_at": expires_at}
    return JSONResponse(shown | {"as_of": views.shown(as_of)})


def _is_theirs(row: waiting.EntryRow, caller: Caller, services: Services, now: datetime) -> bool:
    if caller.role == "citizen":
        return guardians.reads_for(caller, row.person, services, now)
    return is_office_of(caller, row.office, services.region_of)
