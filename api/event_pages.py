"""Pages of the log, for auditors and for systems that follow it."""

import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, Final

import msgspec
from fastapi import Query
from pydantic import BeforeValidator, WithJsonSchema
from starlette.responses import Response

from api import views
from api.clock import parse_instant
from api.problems import invalid
from api.routes import POSITION_MAX
from api.schemas import from_text, parse_date
from api.services import Services
from domain.calendar import RIYADH
from projections import feed
from projections.feed import Only, StoredEvent
from projections.projection import snapshot

LIMIT_USUAL: Final = 100
Shown = Callable[[StoredEvent], dict[str, Any]]

encode: Final = msgspec.json.Encoder().encode

After = Annotated[int, Query(ge=0, le=POSITION_MAX, description="The position after which to begin")]
_POSITION: Final = re.compile(r"[0-9]{1,19}")


def _day_or_instant(text: str) -> date | datetime:
    return parse_instant(text) if "T" in text.upper() else parse_date(text)


DayOrInstant = Annotated[
    date | datetime,
    BeforeValidator(from_text(_day_or_instant)),
    WithJsonSchema({"type": "string", "examples": ["2011-02-05", "2011-02-05T09:00:00+03:00"]}),
]


def since_of(told: date | datetime | None) -> datetime | None:
    return _midnight(told) if told is not None and not isinstance(told, datetime) else told


def until_of(told: date | datetime | None) -> datetime | None:
    """The end is included: a whole day, or the instant itself; times are kept to the microsecond."""
    if told is None or isinstance(told, datetime):
        return told and told + timedelta(microseconds=1)
    return _midnight(told + timedelta(days=1))


def limited(limit: int | None, most: int, usual: int) -> int:
    if limit is None:
        return min(usual, most)
    if not 1 <= limit <= most:
        raise invalid("limit", f"from 1 to {most}")
    return limit


def position_told(text: str | None, header: str) -> int | None:
    if text is None:
        return None
    if not _POSITION.fullmatch(text) or int(text) > POSITION_MAX:
        raise invalid(header, "is not a position of the log", status=400)
    return int(text)


def page(services: Services, after: int, limit: int, shown: Shown, only: Only = feed.EVERYTHING) -> Response:
    """`next` is where to go on, null at the end of the log as of now."""
    with services.pool.connection() as connection, snapshot(connection):
        end = feed.end(connection)
        found = feed.events(connection, after=after, upto=end.position, limit=limit, only=only)
    last = found[-1].position if len(found) == limit else end.position
    following = last if last < end.position else None
    members = {"events": [shown(each) for each in found], "next": following, "as_of": views.shown(end)}
    return Response(encode(members), media_type="application/json")


def identity(event: StoredEvent) -> dict[str, Any]:
    """The members that both readers are told first. `id` is the event's for ever, whatever log it is copied to."""
    return {
        "position": event.position,
        "id": f"{event.stream}/{event.stream_version}",
        "type": event.type,
        "stream": event.stream,
        "stream_version": event.stream_version,
        "at": views.office_time(event.at),
    }


def command_id(event: StoredEvent) -> str | None:
    return event.command_id.hex() if event.command_id is not None else None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), RIYADH)
