"""What the day of a visit is asked with, and answered with."""

from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue, RootModel

from api.answers import BookingAnswer
from api.schemas import BeneficiaryIn, Body, Code, Line, Outcome


def _examples(*examples: JsonValue) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": list(examples)})


class WalkInIn(Body):
    model_config = _examples(
        {
            "office": "CA-TB-01",
            "service": "SV-CA-02",
            "beneficiary": {"number": "1000000008", "sex": "male", "mobile": "0500000001", "language": "ar"},
        }
    )

    office: Code
    service: Code
    beneficiary: BeneficiaryIn


class CorrectionIn(Body):
    model_config = _examples({"outcome": "served", "reason": "سُجّل في سطر مراجع آخر"})

    outcome: Outcome
    reason: Line


_VISIT: dict[str, Any] = {
    "booking": "4z7ms8qk2v9tx0c1wjhe",
    "reference": "7M4K-92QX-R3TB-H",
    "status": "checked_in",
    "office": "CA-TB-01",
    "service": "SV-CA-02",
    "starts_at": "2011-02-05T09:00:00+03:00",
    "ends_at": "2011-02-05T09:15:00+03:00",
    "hijri": "1432-03-02",
    "channel": "portal",
    "reschedules": 0,
}


class Called(BookingAnswer):
    waited_s: int  # since the check-in, or the start where they came before it


class NobodyWaits(BaseModel):
    booking: None
    position: int


class CalledAnswer(RootModel[Called | NobodyWaits]):
    model_config = _examples(_VISIT | {"waited_s": 240, "position": 4720}, {"booking": None, "position": 4721})
