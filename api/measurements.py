"""Measurements read back: all of them, or one with everything it is made of; also as of an earlier place of the log."""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import JSONResponse, Response

from api import as_of, measurement_answers, views
from api.as_of import Moment
from api.measurement_answers import MeasurementsAnswer, MeasurementState
from api.measurement_commands import VIEW
from api.openapi import problem_responses
from api.problems import not_found
from api.routes import GuardedRoute, TheServices, at_least
from domain.identifiers import is_measurement_id
from projections import feed, indicator_values
from projections.projection import position_of, snapshot

router = APIRouter(route_class=GuardedRoute, tags=["measurements"])

Past = Annotated[Moment | None, as_of.then(VIEW)]


@router.get(
    "/v1/measurements",
    summary="Every measurement, in the order they were made",
    description="`published`: the figures that were published, of which the last one counts.",
    response_model=MeasurementsAnswer,
    responses=problem_responses("view-behind"),
    dependencies=[at_least(VIEW)],
)
def measurements(services: TheServices, past: Past) -> Response:
    with services.pool.connection() as connection, snapshot(connection):
        of = position_of(connection, VIEW) if past is None else past.place
        listed = [
            measurement_answers.read_listed(connection, each, of.position)
            for each in indicator_values.measurements(connection, of.position)
        ]
    return JSONResponse({"measurements": listed, "as_of": views.shown(of)})


@router.get(
    "/v1/measurements/{measurement}",
    summary="A measurement, down to the numerators and denominators of its indicators",
    description="As of before a correction it is what it was; as of before it was made it is not found.",
    response_model=MeasurementState,
    responses=problem_responses("not-found", "view-behind"),
    dependencies=[at_least(VIEW)],
)
def measurement(
    *,
    measurement: Annotated[str, Path(description="The measurement's id")],
    services: TheServices,
    past: Past,
) -> Response:
    if not is_measurement_id(measurement):
        raise not_found()
    with services.pool.connection() as connection, snapshot(connection):
        of = feed.end(connection) if past is None else past.place
        found = measurement_answers.read(connection, measurement, of.position)
    if found is None:
        raise not_found()
    return JSONResponse(found | {"as_of": views.shown(of)})
