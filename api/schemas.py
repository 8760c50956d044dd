"""What commands are asked with: the public JSON. Unknown fields are refused, and so is any other type of a value."""

from collections.abc import Callable
from datetime import date, datetime
from re import ASCII, fullmatch
from re import compile as pattern
from typing import Annotated, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    WithJsonSchema,
)

from domain.identifiers import BOOKABLE_YEARS, parse_number, parse_start
from domain.mobile import parse_mobile

T = TypeVar("T")

#: Ids of offices, services and regions.
_CODE = r"[A-Z0-9]+(-[A-Z0-9]+)*"
_CODE_CHARACTERS_MAX = 32
_DATE = pattern(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
#: Controls, line separators, and the marks that turn the direction of what follows them on a screen or a paper.
_UNPRINTABLE = r"\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069"


def is_code(text: str) -> bool:
    return len(text) <= _CODE_CHARACTERS_MAX and fullmatch(_CODE, text, ASCII) is not None


def parse_date(text: str) -> date:
    if not _DATE.fullmatch(text):
        raise ValueError("not a date such as 2011-02-05")
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ValueError("not a date of the calendar") from None
    if day.year not in BOOKABLE_YEARS:
        raise ValueError("outside the years 2000 to 2099")
    return day


def parse_day_or_start(text: str) -> date | datetime:
    """A whole day, or the start of a slot."""
    return parse_start(text) if "T" in text.upper() else parse_date(text)


def from_text(parse: Callable[[str], T]) -> Callable[[object], T]:
    def read(value: object) -> T:
        if not isinstance(value, str):
            raise ValueError("a string is needed")  # noqa: TRY004 - pydantic takes a ValueError for a refusal
        return parse(value)

    return read


def _example(kind: str, example: str, description: str = "") -> WithJsonSchema:
    schema = {"type": "string", "format": kind, "examples": [example]}
    return WithJsonSchema(schema | ({"description": description} if description else {}))


def _number(text: str) -> str:
    return parse_number(text).digits


Code = Annotated[str, StringConstraints(pattern=f"^{_CODE}$", max_length=_CODE_CHARACTERS_MAX)]
Line = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=f"^[^{_UNPRINTABLE}]+$")
]
Start = Annotated[
    datetime,
    BeforeValidator(from_text(parse_start)),
    _example("slot-start", "2011-02-05T09:00", "RFC 3339, or office wall time (Asia/Riyadh) without an offset"),
]
Day = Annotated[date, BeforeValidator(from_text(parse_date)), _example("date", "2011-02-05")]
DayOrStart = Annotated[
    date | datetime,
    BeforeValidator(from_text(parse_day_or_start)),
    _example("date", "2011-02-05", "A whole day, both ends included; or office wall time, the end not included"),
]
Number = Annotated[
    str,
    AfterValidator(_number),
    _example("beneficiary-number", "1000000008", "National id, iqama or border number; other digits are accepted"),
]
Mobile = Annotated[str, AfterValidator(parse_mobile), _example("mobile", "0500000001", "Any usual Saudi spelling")]
#: A hold's id is the one its booking will have.
HeldId = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Key = Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e]+$", min_length=1, max_length=255)]
Channel = Literal["portal", "kiosk", "sms", "counter"]
Outcome = Literal["served", "not_completed", "no_show"]


class Body(BaseModel):
    """Inputs are left out of errors: they are personal data, and what is answered is also logged."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


def shown(**example: JsonValue) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [example]})


_BOOKING: dict[str, JsonValue] = {
    "office": "CA-TB-01",
    "service": "SV-CA-02",
    "starts_at": "2011-02-05T09:00",
    "beneficiary": {"number": "1000000008", "mobile": "0500000001", "language": "ar"},
    "channel": "portal",
}


class BeneficiaryIn(Body):
    number: Number
    sex: Literal["male", "female"] | None = None
    name: Line | None = None
    mobile: Mobile | None = None
    language: Literal["ar", "en"] | None = None


class BookIn(Body):
    model_config = shown(**_BOOKING)

    office: Code
    service: Code
    starts_at: Start
    beneficiary: BeneficiaryIn
    booker: BeneficiaryIn | None = None
    channel: Channel
    hold: HeldId | None = None


class HoldIn(Body):
    model_config = shown(**_BOOKING)

    office: Code
    service: Code
    starts_at: Start
    beneficiary: BeneficiaryIn
    channel: Channel


class WaitIn(Body):
    model_config = shown(
        office="CA-TB-01",
        service="SV-CA-02",
        beneficiary={"number": "1000000008", "mobile": "0500000001"},
        channel="portal",
        **{"from": "2011-02-05", "to": "2011-02-09"},
    )

    office: Code
    service: Code
    since: Annotated[Day, Field(alias="from")]
    until: Annotated[Day, Field(alias="to")]
    beneficiary: BeneficiaryIn
    channel: Channel


class NothingIn(Body):
    """Of a command that says everything by its address."""

    model_config = shown()


class BookGroupIn(Body):
    model_config = shown(bookings=[_BOOKING])

    bookings: Annotated[list[BookIn], Field(min_length=1)]


class RescheduleIn(Body):
    model_config = shown(starts_at="2011-02-06T10:15")

    starts_at: Start
    office: Code | None = None


class CancelIn(Body):
    model_config = shown(reason="سفر")

    reason: Line | None = None


class OutcomeIn(Body):
    model_config = shown(outcome="served")

    outcome: Outcome


class OfficeIn(Body):
    model_config = shown(
        office="CA-TB-01",
        name_ar="إدارة الأحوال المدنية بتبوك",
        name_en="Tabuk Civil Affairs",
        city_ar="تبوك",
        city_en="Tabuk",
        region="TB",
        section="mixed",
        counters=6,
    )

    office: Code
    name_ar: Line
    name_en: Line
    city_ar: Line
    city_en: Line
    region: Code
    section: Literal["men", "women", "mixed"]
    counters: Annotated[int, Field(ge=1, le=1_000)]
    sectors: Annotated[
        list[Literal["civil_affairs", "passports", "traffic", "police"]], Field(min_length=1, max_length=4)
    ] = ["civil_affairs"]


class LiveIn(Body):
    model_config = shown(**{"from": "2011-01-29"})

    since: Annotated[Day, Field(alias="from")]


class PublicationIn(Body):
    model_config = shown(**{"from": "2011-02-05", "to": "2011-03-04"})

    since: Annotated[Day, Field(alias="from")]
    until: Annotated[Day, Field(alias="to")]
