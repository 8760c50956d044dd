"""Request bodies: read within their limit, then from bytes to a validated model or to the problem that says why not."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, MutableMapping
from collections.abc import Set as AbstractSet
from types import MappingProxyType
from typing import Any, Final, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from api.problems import Problem
from domain.identifiers import InvalidNumber
from domain.mobile import InvalidMobile

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Model = TypeVar("Model", bound=BaseModel)
Line = TypeVar("Line")

JSON: Final = "application/json"
_JSON: Final = JSON.encode()
BODY: Final = "body"  # the name of the field where no field can be named
_ERRORS_MAX: Final = 20
_NAME_CHARACTERS_MAX: Final = 64
#: Where the validator would show a regular expression.
_WORDS: Final = {"string_pattern_mismatch": "has characters that are not taken here"}


class ClientGone(Exception):
    """The client has left before its request was whole; nobody waits for an answer."""


class RepeatedName(Exception):
    """A JSON object names one member twice: readers differ in which one counts."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(name)


async def read(receive: Receive, bytes_max: int, length: bytes | None = None) -> bytes:
    """`length`: what Content-Length says. The server holds the client to it, so nothing comes behind as many bytes, and
    asking it once more costs another turn through its threads.
    """
    message = await receive()
    if message["type"] == "http.request":  # nearly always the whole body in one
        body: bytes = message.get("body", b"")
        if not message.get("more_body", False) or length == b"%d" % len(body):
            refuse_larger(len(body), bytes_max)
            return body
    taken: list[bytes] = []
    size = 0
    async for part in parts(receive, message):
        size += len(part)
        refuse_larger(size, bytes_max)
        taken.append(part)
    return b"".join(taken)


async def parts(receive: Receive, message: MutableMapping[str, Any] | None = None) -> AsyncIterator[bytes]:
    """The body as it comes in, beginning with `message` if one has been taken already."""
    message = message or await receive()
    while True:
        if message["type"] == "http.disconnect":
            raise ClientGone
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return
        message = await receive()


def refuse_larger(size: int, most: int, unit: str = "bytes") -> None:
    if size > most:
        raise Problem("body-too-large", f"at most {most} {unit} are taken", {"most": most, "unit": unit})


def refuse_other_type(content_type: bytes | None, *accepted: str) -> None:
    """Parameters, such as charset=utf-8, change nothing: JSON is UTF-8."""
    if content_type == _JSON and JSON in accepted:  # nearly always
        return
    if (content_type or b"").partition(b";")[0].strip().lower().decode("latin-1") not in accepted:
        raise Problem("unsupported-media-type", f"Content-Type: {accepted[0]} is needed", {"accepted": accepted[0]})


def validated(model: type[Model], body: bytes) -> tuple[Model, bytes]:
    """The body, and its canonical form."""
    try:
        found: Model = model.__pydantic_validator__.validate_json(body)
        form = canonical(found)
        # Every name and string of the canonical form stands in the body too: with as many quotes, and none of them
        # escaped, there is no room for a second name. This spares nearly all bodies the closer look.
        if body.count(b'"') != form.count(b'"') or b"\\" in body:
            _refuse_repeated_names(body)
    except (ValidationError, RepeatedName) as error:
        raise problem_of(error) from None
    return found, form


def canonical(body: BaseModel, leave_out: AbstractSet[str] = frozenset()) -> bytes:
    """What is asked for, as validated, whatever its spelling.

    What is absent or as if absent is left out, so that a field added later changes no canonical form of before.
    """
    exclude = set(leave_out) if leave_out else None
    return body.__pydantic_serializer__.to_json(body, exclude=exclude, exclude_defaults=True)


def validated_line(adapter: "TypeAdapter[Line]", line: bytes) -> Line:
    """As `validated`, for a union that tells its members by a tag; the tag is no part of a field's name."""
    try:
        found = adapter.validator.validate_json(line)
        _refuse_repeated_names(line)
    except (ValidationError, RepeatedName) as error:
        raise problem_of(error, tags=1) from None
    checked: Line = found
    return checked


def problem_of(error: ValidationError | RepeatedName, *, tags: int = 0) -> Problem:
    """The first error decides: the order of the fields is the order refusals are given in."""
    if isinstance(error, RepeatedName):
        return of_errors([(error.name, "comes twice")])
    details = error.errors(include_url=False, include_input=False)
    first, cause = details[0], details[0].get("ctx", {}).get("error")
    field = _field(first["loc"], tags)
    more = _index(field)
    if isinstance(cause, InvalidNumber):
        return invalid_number(field, cause, more)
    if isinstance(cause, InvalidMobile):
        return Problem("invalid-mobile", str(cause), {"field": field, "reason": cause.reason, **more})
    found = ((_field(each["loc"], tags), _WORDS.get(each["type"], each["msg"])) for each in details[:_ERRORS_MAX])
    return of_errors(found, more)


def invalid_number(field: str, cause: InvalidNumber, more: Mapping[str, object] = MappingProxyType({})) -> Problem:
    return Problem("invalid-number", str(cause), {"field": field, "reason": cause.reason, **more})


def of_errors(found: Iterable[tuple[str, str]], more: Mapping[str, object] = MappingProxyType({})) -> Problem:
    """Fields and what is wrong with each; the first names the problem, several are listed."""
    errors = [
        {"field": _printable(field), "problem": problem.removeprefix("Value error, ")} for field, problem in found
    ]
    first = errors[0]
    listed = {"errors": errors} if len(errors) > 1 else {}
    return Problem("invalid-request", f"{first['field']}: {first['problem']}", {**first, **listed, **more})


def _refuse_repeated_names(body: bytes) -> None:
    """The validator keeps the last of two members of one name. The body is well formed: it has passed it."""
    _NAMES.decode(body.decode())


def _distinct(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) != len(members):
        names = [name for name, _ in members]
        raise RepeatedName(next(name for name in names if names.count(name) > 1))
    return found


_NAMES: Final = json.JSONDecoder(object_pairs_hook=_distinct)


def _field(place: tuple[int | str, ...], tags: int) -> str:
    return ".".join(map(str, place[tags:])) or BODY


def _index(field: str) -> dict[str, int]:
    """Which booking of a group it is about."""
    parts = field.split(".")
    return {"index": int(parts[1])} if parts[0] == "bookings" and len(parts) > 1 and parts[1].isdecimal() else {}


def _printable(name: str) -> str:
    """A client chooses the names of unknown fields."""
    return "".join(char if char.isprintable() else "?" for char in name[:_NAME_CHARACTERS_MAX])
