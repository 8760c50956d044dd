"""What a command endpoint is made of: the table in api/commands.py feeds both doors, the bulk and the OpenAPI."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

from pydantic import BaseModel

from api.policy_table import Row, row_of
from api.schemas import Body
from api.services import Services
from domain.commands import Caller, Command
from domain.ports import Receipt

#: How a path names a booking, or what may become one: it has the same id.
NAMES_OF_BOOKING: Final = ("reference", "hold", "entry")
#: What a path under /v1 is about, where that is no booking.
_TAGS: Final = {"persons": "persons", "measurements": "measurements"} | dict.fromkeys(
    ("offices", "closures", "openings"), "offices"
)


class Asked(NamedTuple):
    """A command's request, checked, with all that makes the command whole."""

    services: Services
    caller: Caller
    at: datetime
    key: str  # the caller's Idempotency-Key
    command_id: bytes
    fingerprint: bytes
    body: Any  # an instance of the spec's body
    booking: str = ""  # id of the booking the path names
    office: str = ""  # the office the path names
    measurement: str = ""  # likewise
    request: str = ""  # likewise

    def stamp(self) -> dict[str, Any]:
        return {
            "command_id": self.command_id,
            "fingerprint": self.fingerprint,
            "caller": self.caller,
            "at": self.at,
        }


def the_only(receipts: Sequence[Receipt]) -> Receipt:
    (receipt,) = receipts
    return receipt


def no_offices(_body: object, _office: str) -> Iterable[str]:
    return ()


@dataclass(frozen=True, kw_only=True)
class Spec:
    name: str
    summary: str
    path: str  # a template: {reference} names a booking, {office} an office, and so on
    body: type[Body]
    body_is_optional: bool = False
    build: Callable[[Asked], Sequence[Command]]  # the first carries the command id; more only after it was accepted
    build_reads: bool = False  # the database, so not in the event loop
    combine: Callable[[Sequence[Receipt]], Receipt] = the_only
    offices: Callable[[Any, str], Iterable[str]] = no_offices  # body, office of the path → those the request is about
    tell: Callable[[Services, Receipt], Awaitable[dict[str, Any]]] | None = None  # instead of what the desk said
    creates: bool = False
    accepts: bool = False  # it is not done yet: somebody else has to agree
    answer: type[BaseModel]  # for the OpenAPI description only
    refusals: Sequence[str] = ()
    description: str = ""
    method: str = "POST"

    tag: str = field(init=False)  # under which the OpenAPI description lists it
    row: Row = field(init=False)
    status: int = field(init=False)

    def __post_init__(self) -> None:
        about = self.path.removeprefix("/v1/").partition("/")[0]
        object.__setattr__(self, "tag", _TAGS.get(about, "bookings"))
        object.__setattr__(self, "row", row_of(self.method, self.path))
        object.__setattr__(self, "status", 201 if self.creates else 202 if self.accepts else 200)
