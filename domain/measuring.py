"""Measurements made and corrected: what is computed once stays in its fact, and what is published may change."""

from domain.calendar import local_date
from domain.commands import CorrectMeasurement, MakeMeasurement
from domain.decision import Decision
from domain.errors import InvalidRequest, NotFound
from domain.events import MeasurementCorrected, MeasurementMade
from domain.measurement import Measurement, decimal, index, missing
from domain.state import Needs, State


def needs_of_measurement(command: MakeMeasurement | CorrectMeasurement, _state: State) -> Needs:
    return Needs(streams={_stream(command.measurement)})


def make_measurement(command: MakeMeasurement, state: State, decision: Decision) -> None:
    """A period that is not over is measured as far as it has come; one that has not begun, not at all."""
    if command.period_to < command.period_from:
        raise InvalidRequest("period_to", "is before `period_from`")
    if command.period_from > local_date(command.at):
        raise InvalidRequest("period_from", "is in the future")
    if command.given and command.source is None:
        raise InvalidRequest("source", "says where the given indicators come from")
    overall = index(command.values)
    event = MeasurementMade(
        by=command.caller.by,
        measurement=command.measurement,
        period_from=command.period_from,
        period_to=command.period_to,
        as_of=command.as_of,
        values=command.values,
        given=command.given,
        source=command.source,
        missing=missing(command.values),
        overall_index=decimal(overall) if overall is not None else None,
        compared_with=command.compared_with,
    )
    decision.record(state.streams[_stream(command.measurement)], event)
    decision.said = {"id": command.measurement}


def correct_measurement(command: CorrectMeasurement, state: State, decision: Decision) -> None:
    """Also of an incomplete one: what was published elsewhere is then the only figure there is."""
    measurement = state.streams[_stream(command.measurement)]
    assert isinstance(measurement, Measurement)
    if measurement.made is None:
        raise NotFound
    event = MeasurementCorrected(
        by=command.caller.by,
        measurement=command.measurement,
        overall_index=command.overall_index,
        source=command.source,
    )
    decision.record(measurement, event)
    decision.said = {"id": command.measurement}


def _stream(measurement: str) -> str:
    return f"measurement/{measurement}"
