"""What a measurement comes to: indicator values become scores, scores the index, two of them an improvement.

Everything is computed in fractions, so no digit depends on an order or a precision; `decimal` writes one down.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from typing import Final, NamedTuple

from domain.events import Fact, MeasurementCorrected, MeasurementMade
from domain.indicators import INDICATORS, PERSPECTIVES, Indicator, Perspective

#: Significant digits of a figure whose decimal expansion does not end before.
DIGITS: Final = 28
#: Of a value given from outside: each of its parts is exact in every reader's numbers, JavaScript's too.
_GIVEN_DIGITS_MAX: Final = 15
_GIVEN: Final = re.compile(r"([0-9]+)(?:/([0-9]+)|\.([0-9]+))?")


# -- values -----------------------------------------------------------------------------------------------------------


def parts_of(value: str) -> tuple[int, int]:
    """Numerator and denominator: of `77/171` as they stand, of a decimal in lowest terms."""
    numerator, slash, denominator = value.partition("/")
    if slash:
        return int(numerator), int(denominator)
    return Fraction(value).as_integer_ratio()


def fraction_of(value: str) -> Fraction:
    return Fraction(*parts_of(value))


def check_given(indicator: Indicator, value: str) -> str:
    """A value from outside, as it will be stored. ValueError says what is wrong with it."""
    if value.startswith("-"):
        raise ValueError("is negative")
    match = _GIVEN.fullmatch(value)
    if match is None or not value.isascii():
        raise ValueError("is neither a fraction such as 77/171 nor a decimal such as 0.45")
    whole, denominator, decimals = match.groups()
    if max(len(whole) + len(decimals or ""), len(denominator or "")) > _GIVEN_DIGITS_MAX:
        raise ValueError(f"has more than {_GIVEN_DIGITS_MAX} digits")
    if denominator is not None and int(denominator) == 0:
        raise ValueError("has the denominator 0")
    if indicator.unit == "share" and fraction_of(value) > 1:
        raise ValueError("is above 1, and this is a share")
    return value


# -- scores -----------------------------------------------------------------------------------------------------------


def missing(values: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(name for name in INDICATORS if name not in values)


def perspective_score(perspective: Perspective, values: Mapping[str, str]) -> Fraction | None:
    """None: one of its indicators has no data."""
    if any(each.name not in values for each in perspective.indicators):
        return None
    return sum(
        (each.weight * each.score(fraction_of(values[each.name])) for each in perspective.indicators), Fraction()
    )


def index(values: Mapping[str, str]) -> Fraction | None:
    """Between 0 and 1. None: one of the indicators has no data, which is not the same as 0."""
    total = Fraction()
    for perspective in PERSPECTIVES:
        score = perspective_score(perspective, values)
        if score is None:
            return None
        total += perspective.weight * score
    return total


class Improvement(NamedTuple):
    perspectives: dict[str, Fraction | None]  # relative to what it was; None where that was 0, or unknown
    overall: Fraction | None  # of the index, likewise
    points: Fraction | None  # percentage points between the two indices


def improvement(now: Mapping[str, str], before: Mapping[str, str]) -> Improvement:
    relative = {
        each.name: _relative(perspective_score(each, now), perspective_score(each, before)) for each in PERSPECTIVES
    }
    index_now, index_before = index(now), index(before)
    points = None if index_now is None or index_before is None else 100 * (index_now - index_before)
    return Improvement(relative, _relative(index_now, index_before), points)


def _relative(now: Fraction | None, before: Fraction | None) -> Fraction | None:
    return (now - before) / before if now is not None and before else None


# -- writing figures down ---------------------------------------------------------------------------------------------


def decimal(figure: Fraction) -> str:
    """The exact decimal where it ends within 28 significant digits; else its first 28, the last one rounded half-up.

    The same fraction always gives the same digits. The fraction itself follows from the indicators.
    """
    rounded = Context(prec=DIGITS, rounding=ROUND_HALF_UP).divide(
        Decimal(figure.numerator), Decimal(figure.denominator)
    )
    text = format(rounded, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


# -- measurements -----------------------------------------------------------------------------------------------------


class Measurement:
    """What was computed, which stays, and the figures published instead, of which the last one counts."""

    __slots__ = ("corrections", "made", "stream", "version")

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.version = 0
        self.made: MeasurementMade | None = None
        self.corrections: list[MeasurementCorrected] = []

    def evolve(self, fact: Fact) -> None:
        self.version = fact.originator_version
        match fact.event:
            case MeasurementMade() as event:
                self.made = event
            case MeasurementCorrected() as event:
                self.corrections.append(event)


class Period(NamedTuple):
    measurement: str
    period_from: date
    period_to: date
    position: int


def measured_before(periods: Iterable[Period], period_to: date) -> str | None:
    """With which of these an improvement is told: the latest period that ends earlier, and its latest measurement."""
    earlier = [each for each in periods if each.period_to < period_to]
    latest = max(earlier, key=lambda each: (each.period_to, each.period_from, each.position), default=None)
    return latest.measurement if latest is not None else None
