"""Reading the past: `at_position=` names a place of the log, `at=` an instant, which stands for a place of it.

The clock of such a reading is the instant itself, or the time that the fact at the position was decided for: by it
holds end, visits are over and days are today's. Who may read is decided as of now, and names are those known now.
"""

from datetime import datetime
from functools import partial
from typing import Annotated, Any, Final, NamedTuple

from fastapi import Query, params
from psycopg import Connection
from pydantic import BeforeValidator, WithJsonSchema

from api import views
from api.clock import parse_instant
from api.problems import Problem, invalid, retry_after
from api.routes import POSITION_MAX, TheServices, TheTime
from api.schemas import from_text
from projections import blocks, feed
from projections.projection import AsOf, snapshot

#: A sentence for the description of an endpoint that takes them.
DESCRIBED: Final = (
    " `at_position` or `at`: as of that place of the log; an instant stands for the last position decided for it or "
    "before. The clock is then the instant's, or that of the fact at the position. Who may read what, and which names "
    "are known, is as of now. Before the first fact everything is empty."
)

AtPosition = Annotated[int | None, Query(ge=0, le=POSITION_MAX, description="As of this position")]
At = Annotated[
    datetime | None,
    Query(description="As of this instant: the last position decided for it or before"),
    BeforeValidator(lambda told: None if told is None else from_text(parse_instant)(told)),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2011-04-01T00:00:00+03:00"]}),
]


class Moment(NamedTuple):
    """Of the past, that an answer is to be of."""

    place: AsOf
    now: datetime  # its clock

    @property
    def position(self) -> int:
        return self.place.position


def then(*names: str) -> params.Depends:
    """What `at=` or `at_position=` asks for, once the views have seen it; None: neither is there.

    `past: Annotated[Moment | None, then("bookings")]`.
    """

    async def moment(
        services: TheServices, now: TheTime, at: At = None, at_position: AtPosition = None
    ) -> Moment | None:
        if at is None and at_position is None:
            return None
        place = await views.reading(services, partial(_asked, at=at, at_position=at_position))
        if not await views.seen(services, names, place.position, services.limits.at_least_wait_s_max):
            raise Problem("view-behind", "that place of the log is not in the view yet", headers=[retry_after(1)])
        return Moment(place, at or place.at or now)

    return params.Depends(moment)


def asked(connection: Connection[Any], *, at: datetime | None, at_position: int | None) -> AsOf:
    """Which place of the log that is; the end of it without either. Within a snapshot."""
    if at is not None and at_position is not None:
        raise invalid("at", "stands beside `at_position`: ask for one of them")
    end = feed.end(connection)
    if at is not None:
        return blocks.last_at(connection, at, upto=end.position)
    if at_position is None:
        return end
    if at_position > end.position:
        raise invalid("at_position", f"is after the last position, {end.position}")
    return feed.at_position(connection, at_position)


def _asked(connection: Connection[Any], *, at: datetime | None, at_position: int | None) -> AsOf:
    with snapshot(connection):
        return asked(connection, at=at, at_position=at_position)
