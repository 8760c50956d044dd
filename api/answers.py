"""What the API answers with, described: the answers themselves are made from receipts and rows as they are."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

_BOOKING: dict[str, Any] = {
    "booking": "4z7ms8qk2v9tx0c1wjhe",
    "reference": "7M4K-92QX-R3TB-H",
    "status": "confirmed",
    "office": "CA-TB-01",
    "service": "SV-CA-02",
    "starts_at": "2011-02-05T09:00:00+03:00",
    "ends_at": "2011-02-05T09:15:00+03:00",
    "hijri": "1432-03-02",
    "channel": "portal",
    "reschedules": 0,
}
_HASH = "NGY6h9QPWzqlG/GbTrwUxcg0nk4DkqBvTtYDxyGSYDw="
NOTE = (
    f"mawid/0f3a9c2b4d5e6f70\n4\n{_HASH}\n\n"
    "— mawid/0f3a9c2b4d5e6f70 "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
)
_RECEIPT: dict[str, Any] = {"position": 3, "size": 4, "leaf": _HASH, "proof": [_HASH, _HASH], "checkpoint": NOTE}
_AS_OF: dict[str, Any] = {"position": 4711, "at": "2011-02-01T10:00:00+03:00"}


def _example(example: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [example]})


class AsOf(BaseModel):
    position: int  # of the last fact the answer knows of
    at: str | None


class Booking(BaseModel):
    booking: str
    reference: str | None = None  # left out for those who may not see it
    status: Literal["confirmed", "checked_in", "served", "not_completed", "no_show", "cancelled"]
    office: str
    service: str
    starts_at: str
    ends_at: str
    hijri: str | None
    channel: str
    reschedules: int
    unplaced: bool | None = None  # true: a closure took its place, and no other start was free; else left out


class Receipt(BaseModel):
    """That a fact is in the log: leaf and proof give the root in the checkpoint (RFC 6962; all hashes in base64)."""

    position: int
    size: int  # of the log that the proof is about
    leaf: str
    proof: list[str]  # the leaf's sibling first
    checkpoint: str | None  # the signed note; null: none of this size is kept

    model_config = _example(_RECEIPT)


class Consistency(BaseModel):
    since: int = Field(alias="from")
    to: int
    proof: list[str]
    checkpoint: str | None

    model_config = _example({"from": 3, "to": 4, "proof": [_HASH, _HASH, _HASH], "checkpoint": NOTE})


class CheckpointShown(BaseModel):
    origin: str
    size: int
    root: str
    note: str

    model_config = _example({"origin": "mawid/0f3a9c2b4d5e6f70", "size": 4, "root": _HASH, "note": NOTE})


class BookingAnswer(Booking):
    position: int

    model_config = _example(_BOOKING | {"position": 4711})


class CancelledAnswer(BookingAnswer):
    late: bool

    model_config = _example(_BOOKING | {"status": "cancelled", "late": False, "position": 4712})


class GroupAnswer(BaseModel):
    bookings: list[Booking]
    position: int

    model_config = _example({"bookings": [_BOOKING], "position": 4711})


class BookingState(Booking):
    as_of: AsOf
    receipt: Receipt | None = None  # only where asked for; null: no checkpoint covers a fact of the booking yet

    model_config = _example(_BOOKING | {"as_of": _AS_OF})


class BookingsOfPerson(BaseModel):
    bookings: list[Booking]
    as_of: AsOf

    model_config = _example({"bookings": [_BOOKING], "as_of": _AS_OF})


class History(BaseModel):
    facts: list[dict[str, Any]]
    as_of: AsOf

    model_config = _example(
        {
            "facts": [
                {
                    "position": 4711,
                    "type": "SlotBooked.v1",
                    "at": "2011-02-01T10:00:00+03:00",
                    "by": "citizen",
                    "channel": "portal",
                    "policy": 1,
                    "office": "CA-TB-01",
                    "service": "SV-CA-02",
                    "starts_at": "2011-02-05T09:00:00+03:00",
                    "minutes": 15,
                }
            ],
            "as_of": _AS_OF,
        }
    )


class OfficeAnswer(BaseModel):
    office: str
    position: int

    model_config = _example({"office": "CA-TB-01", "position": 12})


class LiveAnswer(OfficeAnswer):
    live_from: str

    model_config = _example({"office": "CA-TB-01", "live_from": "2011-01-29", "position": 13})


class PublicationAnswer(BaseModel):
    units_published: int
    units_withdrawn: int
    days_open: int
    days_closed: int
    position: int

    model_config = _example(
        {"units_published": 480, "units_withdrawn": 0, "days_open": 5, "days_closed": 2, "position": 1249}
    )


class LineAnswer(BaseModel):
    line: int  # counted from 1
    key: str | None  # null: the line is too broken to have one
    status: int  # as the command's own call would have answered
    replayed: bool = False
    body: dict[str, Any]

    model_config = _example(
        {"line": 1, "key": "k-1", "status": 201, "body": _BOOKING | {"position": 4711}},
    )


class ProblemAnswer(BaseModel):
    """RFC 9457. A refusal carries its evidence as further fields."""

    type: str
    title: str
    status: int
    detail: str

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": "/problems/slot-full",
                    "title": "The slot is full",
                    "status": 409,
                    "detail": "CA-TB-01@2011-02-05T09:00 already holds its 3 bookings",
                    "slot": "CA-TB-01@2011-02-05T09:00",
                    "capacity": 3,
                    "position": 4711,
                }
            ]
        },
    )
