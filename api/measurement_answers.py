"""A measurement as it is answered: everything follows from its facts, so that each reading gives the same digits."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Final, Literal

from psycopg import Connection
from pydantic import BaseModel, ConfigDict

from api import answers
from domain.calendar import hijri
from domain.events import MeasurementCorrected, MeasurementMade
from domain.indicators import PERSPECTIVES, Indicator, Perspective
from domain.measurement import Measurement, decimal, fraction_of, improvement, index, parts_of, perspective_score
from projections import history
from projections.history import Told

_ARABIC: Final = str.maketrans("0123456789.%", "٠١٢٣٤٥٦٧٨٩٫٪")
#: Where a value or a figure comes from that nobody gave.
COMPUTED: Final = "computed"
_LOG: Final = "log"
_SHOWN: Final[dict[str, Any]] = {"ar": "٨٤٫٦٠٪", "en": "84.60%"}


class Shown(BaseModel):
    """In percent, rounded half-up to two decimals: for people, never to go on computing with."""

    ar: str
    en: str


class IndicatorAnswer(BaseModel):
    name_en: str
    name_ar: str
    unit: Literal["share", "days", "minutes"]
    value: str | None  # decimal; null: no data
    numerator: int | None
    denominator: int | None
    source: str | None  # `log`, or that of the given ones
    floor: str
    target: str
    weight: str
    score: str | None


class PerspectiveAnswer(BaseModel):
    name_en: str
    name_ar: str
    weight: str
    score: str | None
    shown: Shown | None
    indicators: dict[str, IndicatorAnswer]


class ImprovementAnswer(BaseModel):
    compared_with: str
    period_from: str
    period_to: str
    perspectives: dict[str, str | None]
    index: str | None
    points: str | None


class PublishedFigure(BaseModel):
    overall_index: str
    source: str
    position: int


class MeasurementListed(BaseModel):
    id: str
    status: Literal["complete", "incomplete"]
    period_from: str
    period_to: str
    hijri_from: str | None
    hijri_to: str | None
    missing: list[str]
    overall_index: str | None
    shown: Shown | None
    published: list[PublishedFigure]


class MeasurementAnswer(MeasurementListed):
    measured_as_of: int  # position at which the log was read for it
    perspectives: dict[str, PerspectiveAnswer]
    improvement: ImprovementAnswer | None
    position: int

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "4z7ms8qk2v9t",
                    "status": "complete",
                    "period_from": "2011-01-01",
                    "period_to": "2011-03-31",
                    "hijri_from": "1432-01-26",
                    "hijri_to": "1432-04-26",
                    "missing": [],
                    "overall_index": "0.8459623870194723451826003517",
                    "shown": _SHOWN,
                    "published": [
                        {"overall_index": "0.8459623870194723451826003517", "source": "computed", "position": 4711}
                    ],
                    "measured_as_of": 4710,
                    "perspectives": {},
                    "improvement": None,
                    "position": 4711,
                }
            ]
        }
    )


class MeasurementState(MeasurementAnswer):
    as_of: answers.AsOf


class MeasurementsAnswer(BaseModel):
    measurements: list[MeasurementListed]
    as_of: answers.AsOf


def read(connection: Connection[Any], measurement: str, upto: int) -> dict[str, Any] | None:
    """As of the position `upto`; None: it had not been made by then."""
    facts = history.of_stream(connection, f"measurement/{measurement}", upto=upto)
    state = _folded(facts)
    if state.made is None:
        return None
    made = state.made
    return _listed(made, facts) | {
        "measured_as_of": made.as_of,
        "perspectives": {each.name: _perspective(each, made) for each in PERSPECTIVES},
        "improvement": _improvement(connection, made),
        "position": facts[-1].position,
    }


def read_listed(connection: Connection[Any], measurement: str, upto: int) -> dict[str, Any]:
    facts = history.of_stream(connection, f"measurement/{measurement}", upto=upto)
    made = _folded(facts).made
    assert made is not None
    return _listed(made, facts)


def percent(share: Fraction) -> dict[str, str]:
    hundredths = int(share * 10_000 + Fraction(1, 2))
    english = f"{hundredths // 100}.{hundredths % 100:02}%"
    return {"ar": english.translate(_ARABIC), "en": english}


def _folded(facts: Sequence[Told]) -> Measurement:
    state = Measurement("")
    for each in facts:
        state.evolve(each.fact)
    return state


def _listed(made: MeasurementMade, facts: Sequence[Told]) -> dict[str, Any]:
    overall = index(made.values)
    return {
        "id": made.measurement,
        "status": "complete" if overall is not None else "incomplete",
        "period_from": made.period_from.isoformat(),
        "period_to": made.period_to.isoformat(),
        "hijri_from": hijri(made.period_from),
        "hijri_to": hijri(made.period_to),
        "missing": list(made.missing),
        "overall_index": made.overall_index,
        "shown": _shown(overall),
        "published": [published for each in facts if (published := _published(each)) is not None],
    }


def _published(told: Told) -> dict[str, Any] | None:
    match told.fact.event:
        case MeasurementMade(overall_index=str(figure)):
            return {"overall_index": figure, "source": COMPUTED, "position": told.position}
        case MeasurementCorrected(overall_index=figure, source=source):
            return {"overall_index": figure, "source": source, "position": told.position}
    return None


def _perspective(perspective: Perspective, made: MeasurementMade) -> dict[str, Any]:
    score = perspective_score(perspective, made.values)
    return {
        "name_en": perspective.name_en,
        "name_ar": perspective.name_ar,
        "weight": decimal(perspective.weight),
        "score": _decimal(score),
        "shown": _shown(score),
        "indicators": {each.name: _indicator(each, made) for each in perspective.indicators},
    }


def _indicator(indicator: Indicator, made: MeasurementMade) -> dict[str, Any]:
    value = made.values.get(indicator.name)
    numerator, denominator = parts_of(value) if value is not None else (None, None)
    is_given = indicator.name in made.given
    return {
        "name_en": indicator.name_en,
        "name_ar": indicator.name_ar,
        "unit": indicator.unit,
        "value": decimal(fraction_of(value)) if value is not None else None,
        "numerator": numerator,
        "denominator": denominator,
        "source": None if value is None else made.source if is_given else _LOG,
        "floor": decimal(indicator.floor),
        "target": decimal(indicator.target),
        "weight": decimal(indicator.weight),
        "score": decimal(indicator.score(fraction_of(value))) if value is not None else None,
    }


def _improvement(connection: Connection[Any], made: MeasurementMade) -> dict[str, Any] | None:
    if made.compared_with is None:
        return None
    before = _folded(history.of_stream(connection, f"measurement/{made.compared_with}")).made
    assert before is not None
    gained = improvement(made.values, before.values)
    return {
        "compared_with": made.compared_with,
        "period_from": before.period_from.isoformat(),
        "period_to": before.period_to.isoformat(),
        "perspectives": {name: _decimal(relative) for name, relative in gained.perspectives.items()},
        "index": _decimal(gained.overall),
        "points": _decimal(gained.points),
    }


def _decimal(figure: Fraction | None) -> str | None:
    return decimal(figure) if figure is not None else None


def _shown(figure: Fraction | None) -> dict[str, str] | None:
    return percent(figure) if figure is not None else None
