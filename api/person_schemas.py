"""What is asked and answered about persons as such."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.answers import AsOf, Booking
from api.schemas import BeneficiaryIn, Body, Day, Line, Mobile, Number

_PERSON, _OTHER = "1g60r30c1g60r30c1g60r30c1g", "1h64rk2c9h64rk2c9h64rk2c9h"


def _example(example: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [example]})


class PersonCorrectionIn(Body):
    model_config = _example({"number": "2000000014", "new_number": "1000000008", "reason": "naturalised"})

    number: Number
    new_number: Number | None = None
    name: Line | None = None
    mobile: Mobile | None = None
    reason: Line | None = None

    @model_validator(mode="after")
    def _corrects_something(self) -> "PersonCorrectionIn":
        if self.new_number is None and self.name is None and self.mobile is None:
            raise ValueError("needs one of new_number, name, mobile")
        return self


class GuardianshipIn(Body):
    model_config = _example(
        {"guardian": {"number": "1000000008"}, "dependant": {"number": "1000000016"}, "until": "2012-12-31"}
    )

    guardian: BeneficiaryIn
    dependant: BeneficiaryIn
    until: Day


class ErasureIn(Body):
    model_config = _example({"number": "1000000008"})

    number: Number


class ErasureRequestAnswer(BaseModel):
    request: str  # another operator approves it under this id
    position: int

    model_config = _example({"request": "4z7ms8qk2v9tx0c1wjhe", "position": 4711})


class ErasureAnswer(BaseModel):
    position: int  # of the fact that the person was erased

    model_config = _example({"position": 4712})


class PersonCorrectionAnswer(BaseModel):
    person: str  # id in the facts; never the number
    corrected: list[str]
    position: int

    model_config = _example({"person": _PERSON, "corrected": ["number"], "position": 4711})


class GuardianshipAnswer(BaseModel):
    guardian: str  # ids in the facts; never the numbers
    dependant: str
    until: str  # the last day
    position: int

    model_config = _example({"guardian": _PERSON, "dependant": _OTHER, "until": "2012-12-31", "position": 4711})


class BookingWithHistory(Booking):
    history: list[dict[str, Any]]


class EntryWithHistory(BaseModel):
    entry: str
    status: str  # waiting, offered, or why it left the list
    office: str
    service: str
    since: str = Field(alias="from")
    until: str = Field(alias="to")
    history: list[dict[str, Any]]


class Guardianship(BaseModel):
    guardian: str
    dependant: str
    until: str


class Words(BaseModel):
    about: str  # a booking, or a fact: its stream and version
    words: str


class OpeningShown(BaseModel):
    who: str
    why: str
    at: str


class PersonExport(BaseModel):
    person: str  # id in the facts
    number: str
    name: str | None
    mobile: str | None
    language: str | None
    bookings: list[BookingWithHistory]
    waiting: list[EntryWithHistory]
    facts: list[dict[str, Any]]  # about the person as such, and of holds that became no booking
    guardianships: list[Guardianship]
    notes: list[Words]
    openings: list[OpeningShown]
    as_of: AsOf

    model_config = _example(
        {
            "person": _PERSON,
            "number": "1000000008",
            "name": "سارة",
            "mobile": "+966500000001",
            "language": "ar",
            "bookings": [],
            "waiting": [],
            "facts": [],
            "guardianships": [{"guardian": _PERSON, "dependant": _OTHER, "until": "2012-12-31"}],
            "notes": [],
            "openings": [{"who": f"person/{_PERSON}", "why": "export", "at": "2011-02-01T10:00:00+03:00"}],
            "as_of": {"position": 4711, "at": "2011-02-01T10:00:00+03:00"},
        }
    )
