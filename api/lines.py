"""The lines of a bulk: a command with its key, in the fields that its own call over HTTP would take."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Final, Literal, NamedTuple, get_args

from pydantic import BeforeValidator, Field, TypeAdapter, model_validator

from api import bodies, commands, schemas, visit_commands, visit_schemas
from api.clock import parse_instant
from api.command_specs import Spec
from api.schemas import Key

_NAMES_OF_BOOKING: Final = ("reference", "booking", "booking_key")
#: What belongs to the line and not to what it asks for: the same command over HTTP has the same fingerprint.
OF_THE_LINE: Final = frozenset({"command", "key", "at", *_NAMES_OF_BOOKING})

Instant = Annotated[datetime, BeforeValidator(schemas.from_text(parse_instant))]
Name = Annotated[str, Field(min_length=1, max_length=64)]


class _Line(schemas.Body):
    key: Key
    at: Instant | None = None


class _OfBooking(_Line):
    """Names its booking in one of three ways."""

    reference: Name | None = None
    booking: Name | None = None
    booking_key: Key | None = None  # under which the same caller booked it

    @model_validator(mode="after")
    def _names_one_booking(self) -> "_OfBooking":
        if [getattr(self, name) is not None for name in _NAMES_OF_BOOKING].count(True) != 1:
            raise ValueError(f"needs one of {', '.join(_NAMES_OF_BOOKING)}")
        return self


class BookLine(schemas.BookIn, _Line):
    command: Literal["book"]


class CancelLine(schemas.CancelIn, _OfBooking):
    command: Literal["cancel"]


class RescheduleLine(schemas.RescheduleIn, _OfBooking):
    command: Literal["reschedule"]


class CheckInLine(schemas.NothingIn, _OfBooking):
    command: Literal["check-in"]


class WalkInLine(visit_schemas.WalkInIn, _Line):
    command: Literal["walk-in"]


class OutcomeLine(schemas.OutcomeIn, _OfBooking):
    command: Literal["outcome"]


class CorrectionLine(visit_schemas.CorrectionIn, _OfBooking):
    command: Literal["correction"]


_Any = BookLine | CancelLine | RescheduleLine | CheckInLine | WalkInLine | OutcomeLine | CorrectionLine
MODELS: Final = get_args(_Any)
ADAPTER: Final[TypeAdapter[Any]] = TypeAdapter(Annotated[_Any, Field(discriminator="command")])
_SPECS: Final[dict[type[Any], Spec]] = {
    BookLine: commands.BOOK,
    CancelLine: commands.CANCEL,
    RescheduleLine: commands.RESCHEDULE,
    CheckInLine: visit_commands.CHECK_IN,
    WalkInLine: visit_commands.WALK_IN,
    OutcomeLine: visit_commands.OUTCOME,
    CorrectionLine: visit_commands.CORRECTION,
}


class Read(NamedTuple):
    spec: Spec
    key: str
    at: datetime | None
    body: schemas.Body
    booking: str  # as the line names it; of a booking_key: the id it led to; empty: the line names none


def read(line: bytes, booking_under: Callable[[str], str]) -> Read:
    """Raises Problem. `booking_under`: the id of the booking that the caller made under a key."""
    found = bodies.validated_line(ADAPTER, line)
    booking = ""
    if isinstance(found, _OfBooking):
        booking = found.reference or found.booking or booking_under(found.booking_key or "")
    return Read(_SPECS[type(found)], found.key, found.at, found, booking)


def key_of(line: bytes) -> str | None:
    """The key of a line that is not whole, if that much can be read."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    key = found.get("key") if isinstance(found, dict) else None
    return key if isinstance(key, str) and key.isascii() and key.isprintable() and 0 < len(key) <= 255 else None  # noqa: PLR2004
