"""What announcements of an office are asked with and answered: closures, openings, pauses, counters."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

from api.answers import OfficeAnswer
from api.schemas import Body, Code, Day, DayOrStart, Line, shown

_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]"
_HOURS_MAX = 8
_OFFICES_MAX = 500


def _each_once(offices: list[str]) -> list[str]:
    if len(set(offices)) < len(offices):
        raise ValueError("names an office twice")
    return offices


def _as_list(hours: object) -> object:
    return [hours] if isinstance(hours, str) else hours


Span = Annotated[str, StringConstraints(pattern=f"^{_CLOCK}-{_CLOCK}$")]
_SPANS: dict[str, Any] = {"type": "array", "items": {"type": "string"}, "examples": [["16:00-18:00"]]}
Hours = Annotated[
    list[Span],
    Field(min_length=1, max_length=_HOURS_MAX),
    BeforeValidator(_as_list),
    WithJsonSchema({"anyOf": [{"type": "string"}, _SPANS], "examples": ["16:00-18:00"]}),
]
Offices = (
    Literal["all"] | Annotated[list[Code], Field(min_length=1, max_length=_OFFICES_MAX), AfterValidator(_each_once)]
)


class ClosureIn(Body):
    model_config = shown(offices=["CA-TB-01"], reason="انقطاع المياه", **{"from": "2011-02-05", "to": "2011-02-05"})

    offices: Offices
    since: Annotated[DayOrStart, Field(alias="from")]
    until: Annotated[DayOrStart, Field(alias="to")]
    reason: Line
    preview: bool = False


class OpeningIn(Body):
    model_config = shown(offices=["CA-TB-01"], hours="16:00-18:00", **{"from": "2011-02-05", "to": "2011-02-09"})

    offices: Offices
    since: Annotated[Day, Field(alias="from")]
    until: Annotated[Day, Field(alias="to")]
    hours: Hours


class PauseIn(Body):
    model_config = shown(reason="عطل في الشبكة")

    reason: Line | None = None


class DailyPausesIn(Body):
    model_config = shown(pauses=["12:00-12:30"], **{"from": "2011-02-05"})

    since: Annotated[Day, Field(alias="from")]
    pauses: Annotated[list[Span], Field(max_length=_HOURS_MAX)]


class CountersIn(Body):
    model_config = shown(counters=4, **{"from": "2011-02-05", "to": "2011-02-09"})

    since: Annotated[DayOrStart, Field(alias="from")]
    until: Annotated[DayOrStart, Field(alias="to")]
    counters: Annotated[int, Field(ge=0, le=1_000)]
    displace: bool = False


# -- answers ----------------------------------------------------------------------------------------------------------

_MOVE: dict[str, Any] = {
    "booking": "4z7ms8qk2v9tx0c1wjhe",
    "from": "2011-02-05T09:00:00+03:00",
    "to": "2011-02-06T08:15:00+03:00",
}
_FIGURES: dict[str, Any] = {
    "displaced": 2,
    "moved": [_MOVE],
    "unplaced": ["7q2v9tx0c1wjhe4z7ms8"],
    "units_withdrawn": 72,
    "notices": 2,
}


class Moved(BaseModel):
    booking: str
    left: Annotated[str, Field(alias="from")]
    to: str


class ClosureAnswer(BaseModel):
    displaced: int  # bookings whose place was closed
    moved: list[Moved]
    unplaced: list[str]  # bookings for which no start was free: they stay confirmed, without a place
    units_withdrawn: int
    notices: int  # customers who are owed one
    position: int

    model_config = ConfigDict(json_schema_extra={"examples": [_FIGURES | {"position": 1310}]})


class OpeningAnswer(BaseModel):
    units_published: int
    days_published: int  # had been published already: they have these hours from now on
    days_to_publish: int  # get them when they are published
    position: int

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"units_published": 120, "days_published": 5, "days_to_publish": 0, "position": 1310}]
        }
    )


class PauseAnswer(OfficeAnswer):
    paused: bool

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"office": "CA-TB-01", "paused": True, "position": 1310}]}
    )


class DailyPausesAnswer(OfficeAnswer):
    units_published: int
    units_withdrawn: int

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"office": "CA-TB-01", "units_published": 0, "units_withdrawn": 144, "position": 1310}]
        }
    )


class CountersAnswer(OfficeAnswer):
    counters: int
    slots: int  # published slots whose capacity changed
    displaced: int | None = None  # this and what follows: only with `displace`
    moved: list[Moved] | None = None
    unplaced: list[str] | None = None
    units_withdrawn: int | None = None
    notices: int | None = None

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"office": "CA-TB-01", "counters": 4, "slots": 24, "position": 1250}]}
    )
