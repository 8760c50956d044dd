"""Refusals and errors as RFC 9457 problems: the name decides status and title, the evidence becomes fields."""

import math
import random
import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec
import psycopg

from domain.errors import NotFound, Refusal
from domain.ports import OutcomeUnknown, Overloaded

Headers = list[tuple[bytes, bytes]]

_encode = msgspec.json.Encoder().encode


class ProblemType(NamedTuple):
    name: str
    status: int
    title_en: str
    title_ar: str
    text_en: str
    text_ar: str


TYPES: Final = {
    name: ProblemType(name, **entry)
    for name, entry in tomllib.loads((files("api") / "problems.toml").read_text("utf-8")).items()
}
#: Evidence that would hide a member RFC 9457 has given a meaning.
_RENAMED: Final = {"status": "booking_status"}


class Answer(NamedTuple):
    """What goes back to the client, whichever door the request came through."""

    status: int
    headers: Headers
    body: bytes


class Problem(Exception):
    """`status` differs from the type's own only where the contract says so."""

    def __init__(
        self,
        name: str,
        detail: str,
        evidence: Mapping[str, object] = MappingProxyType({}),
        *,
        status: int | None = None,
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        self.type = TYPES[name]
        self.status = status or self.type.status
        self.detail = detail
        self.headers = headers
        self.evidence = evidence
        super().__init__(f"{name}: {detail}")

    @property
    def members(self) -> dict[str, Any]:
        start = {"type": f"/problems/{self.type.name}", "title": self.type.title_en, "status": self.status}
        return start | {"detail": self.detail} | dict(self.evidence)

    def answer(self) -> Answer:
        body = _encode(self.members)
        headers = [(b"content-type", b"application/problem+json"), (b"content-length", b"%d" % len(body))]
        return Answer(self.status, [*headers, *self.headers], body)


def of_refusal(refusal: Refusal, position: int, more: Mapping[str, object] = MappingProxyType({})) -> Problem:
    """Byte for byte the same for the same refusal: it is what a replay is answered with."""
    evidence = {_RENAMED.get(key, key): value for key, value in refusal.evidence.items()}
    return Problem(refusal.name, refusal.detail, {**evidence, **more, "position": position})


def invalid(field: str, problem: str, *, status: int | None = None) -> Problem:
    return Problem("invalid-request", f"{field}: {problem}", {"field": field, "problem": problem}, status=status)


def not_found() -> Problem:
    return Problem(NotFound.name, str(NotFound()))


def forbidden(detail: str) -> Problem:
    return Problem("forbidden", detail)


def overloaded(retry_after_s: float) -> Problem:
    return Problem("overloaded", "nothing was written; ask again later", headers=[retry_after(retry_after_s)])


def outcome_unknown() -> Problem:
    detail = "ask again with the same Idempotency-Key to learn what became of it"
    return Problem("outcome-unknown", detail, headers=[retry_after(1)])


def of_error(error: Exception) -> Problem | None:
    """What is no fault of the program; None: it is one."""
    match error:
        case Problem():
            return error
        case Overloaded(retry_after_s=seconds):
            return overloaded(seconds)
        case OutcomeUnknown():
            return outcome_unknown()
        case psycopg.OperationalError():  # the database is away, or no connection is free (PoolTimeout)
            return overloaded(1)
    return None


def internal_error() -> Problem:
    return Problem("internal-error", "the fault is logged under the id in X-Request-Id")


def retry_after(seconds: float) -> tuple[bytes, bytes]:
    """Whole seconds, at least one; jittered, so that those refused together do not come back together."""
    jittered = seconds * random.uniform(1, 1.5) + random.random()  # noqa: S311 - spread, not secrecy
    return (b"retry-after", b"%d" % max(1, math.ceil(jittered)))
