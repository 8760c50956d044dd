"""The commands of the national measurement: one is made from the views and what is given, and a figure is corrected."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from api import measurement_answers, problems, views
from api.command_specs import Asked, Spec
from api.measurement_answers import MeasurementAnswer
from api.measurement_schemas import MeasurementCorrectionIn, MeasurementIn
from api.problems import not_found
from api.services import Services
from domain.commands import CorrectMeasurement, MakeMeasurement
from domain.identifiers import is_measurement_id, measurement_id
from domain.measurement import measured_before
from domain.ports import Receipt
from projections import indicator_values, log
from projections.projection import position_of, snapshot, wait_for

VIEW: Final = "measurement_inputs"


def make_measurement(asked: Asked) -> Sequence[MakeMeasurement]:
    """From a view that knows of everything that was in the log when the measurement was asked for."""
    body: MeasurementIn = asked.body
    of = indicator_values.Asked(body.period_from, body.period_to, asked.at)
    with asked.services.pool.connection() as connection:
        if not wait_for(connection, [VIEW], log.head(connection), asked.services.limits.at_least_wait_s_max):
            raise problems.overloaded(1)
        with snapshot(connection):
            position = position_of(connection, VIEW).position
            values, periods = indicator_values.values(connection, of), indicator_values.periods(connection)
    given = body.indicators.model_dump(exclude_none=True) if body.indicators is not None else {}
    command = MakeMeasurement(
        **asked.stamp(),
        measurement=measurement_id(asked.command_id),
        period_from=body.period_from,
        period_to=body.period_to,
        as_of=position,
        values=dict(sorted((values | given).items())),
        given=tuple(given),
        source=body.source,
        compared_with=measured_before(periods, body.period_to),
    )
    return (command,)


def correct_measurement(asked: Asked) -> Sequence[CorrectMeasurement]:
    if not is_measurement_id(asked.measurement):
        raise not_found()
    body: MeasurementCorrectionIn = asked.body
    command = CorrectMeasurement(
        **asked.stamp(), measurement=asked.measurement, overall_index=body.overall_index, source=body.source
    )
    return (command,)


async def tell(services: Services, receipt: Receipt) -> dict[str, Any]:
    """As of the command's own fact: so it is told again, whatever was corrected since."""
    assert receipt.answer is not None
    read = partial(measurement_answers.read, measurement=receipt.answer["id"], upto=receipt.position)
    told = await views.reading(services, read)
    assert told is not None
    return told


MAKE_MEASUREMENT: Final = Spec(
    name="make_measurement",
    summary="Measure a period",
    description="Four perspectives of a quarter each, fifteen indicators: "
    "score = clamp((value - floor) / (target - floor), 0, 1), the index is the weighted mean of the scores. Values "
    "are counted from the log; what `indicators` gives, as a fraction or a decimal, stands in their place, with its "
    "`source`. An indicator without data makes the measurement `incomplete` and is named in `missing`: it is never 0. "
    "A period that is not over is measured as far as it has come.\n\n"
    "`overall_index` and every other figure is the exact decimal where it ends within 28 significant digits, else "
    "the first 28 of them, the last one rounded half-up; everything is computed in fractions before. `shown` is for "
    "people: percent, half-up, two decimals. `improvement` is told against the complete measurement whose period "
    "ended last before this one's end (the latest, where a period was measured twice): relative for each perspective "
    "and for the index, and in percentage points; by the computed figures.\n\n" + indicator_values.TABLE,
    path="/v1/measurements",
    body=MeasurementIn,
    build=make_measurement,
    build_reads=True,
    tell=tell,
    creates=True,
    answer=MeasurementAnswer,
)
CORRECT_MEASUREMENT: Final = Spec(
    name="correct_measurement",
    summary="Correct a published figure",
    description="With the source of the new one. What was computed stays; `published` lists every figure that was "
    "published, the last of which counts. Readings as of before the correction stay as they were.",
    path="/v1/measurements/{measurement}/correction",
    body=MeasurementCorrectionIn,
    build=correct_measurement,
    tell=tell,
    answer=MeasurementAnswer,
    refusals=("not-found",),
)
MEASUREMENT_COMMANDS: Final = (MAKE_MEASUREMENT, CORRECT_MEASUREMENT)
