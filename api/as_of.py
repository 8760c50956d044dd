"""Reading the past: `at_position=` names a place of the log, `at=` an instant, which stands for a place of it."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from psycopg import Connection
from pydantic import BeforeValidator, WithJsonSchema

from api.clock import parse_instant
from api.problems import invalid
from api.routes import POSITION_MAX
from api.schemas import from_text
from projections import blocks, feed
from projections.projection import AsOf

AtPosition = Annotated[int | None, Query(ge=0, le=POSITION_MAX, description="As of this position")]
At = Annotated[
    datetime | None,
    Query(description="As of this instant: the last position decided for it or before"),
    BeforeValidator(lambda told: None if told is None else from_text(parse_instant)(told)),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2011-04-01T00:00:00+03:00"]}),
]


def asked(connection: Connection[Any], end: AsOf, at: datetime | None, at_position: int | None) -> AsOf:
    """Of which place of the log the answer has to be; `end`: the last one it can be of."""
    if at is not None and at_position is not None:
        raise invalid("at", "stands beside `at_position`: ask for one of them")
    if at is not None:
        return blocks.last_at(connection, at, upto=end.position)
    if at_position is None:
        return end
    if at_position > end.position:
        raise invalid("at_position", f"is after the last position, {end.position}")
    return feed.at_position(connection, at_position)
