"""What a measurement is asked with."""

from collections.abc import Callable
from re import fullmatch
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, create_model

from api.schemas import Body, Day, Line
from domain.indicators import INDICATORS, Indicator
from domain.measurement import DIGITS, check_given


def _given(indicator: Indicator) -> Callable[[str], str]:
    def check(value: str) -> str:
        return check_given(indicator, value)

    return check


def _value(indicator: Indicator) -> Any:  # noqa: ANN401 - a field as pydantic takes it: its type, its default
    described = Field(description=f"{indicator.name_en}: a fraction or a decimal", examples=["77/171", "0.45"])
    return Annotated[str | None, AfterValidator(_given(indicator)), described], None


def _index(text: str) -> str:
    if not fullmatch(rf"0(\.[0-9]{{1,{DIGITS}}})?|1(\.0{{1,{DIGITS}}})?", text):
        raise ValueError(f"is no decimal from 0 to 1 with at most {DIGITS} decimals, such as 0.846")
    return text


if TYPE_CHECKING:

    class GivenIndicators(Body):
        """One field an indicator, so that a name that is none is refused, and all are in the description."""

else:
    GivenIndicators = create_model(
        "GivenIndicators", __base__=Body, **{name: _value(each) for name, each in INDICATORS.items()}
    )


class MeasurementIn(Body):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "period_from": "2011-01-01",
                    "period_to": "2011-03-31",
                    "indicators": {"C2": "9120/9600"},
                    "source": "SMS provider's report",
                }
            ]
        }
    )

    period_from: Day
    period_to: Day
    indicators: GivenIndicators | None = None
    source: Line | None = None


class MeasurementCorrectionIn(Body):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"overall_index": "0.846", "source": "Qiyas, fourth measurement"}]}
    )

    overall_index: Annotated[str, AfterValidator(_index)]
    source: Line
