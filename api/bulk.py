"""Many commands in one body, a JSON object a line: each stands alone, and is answered by one line, in order."""

import asyncio
from collections.abc import AsyncIterator, Iterator, MutableMapping, Sequence
from contextlib import ExitStack, closing
from datetime import datetime
from itertools import islice
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Final, NamedTuple

import msgspec
import structlog

from api import bodies, exchange, lines, problems, queries
from api.callers import Callers, headers_of
from api.clock import time_told
from api.policy_table import row_of
from api.problems import Answer, Headers, Problem
from api.runner import Asking, Runner
from api.services import Services
from domain.commands import Caller
from domain.ports import Receipt

PATH: Final = "/v1/commands"
NDJSON: Final = "application/x-ndjson"
_TYPES: Final = (NDJSON, "application/ndjson", "application/jsonl")
#: Lines asked for together, while the answers to as many before them are waited for.
_LINES_AT_ONCE: Final = 512
#: A larger body waits on disk: memory stays flat, and the limits are known to be kept before the first line is asked.
_IN_MEMORY_BYTES_MAX: Final = 1024 * 1024

_log = structlog.get_logger("bulk")
_encode = msgspec.json.Encoder().encode


class Stream(NamedTuple):
    status: int
    headers: Headers
    chunks: AsyncIterator[bytes]


class _Asked(NamedTuple):
    """A line that has been asked for; its receipt is still to come, unless it met a problem first."""

    number: int
    key: str | None
    status: int
    waiting: "asyncio.Future[Receipt] | Problem"


class Bulk:
    def __init__(self, services: Services, callers: Callers, runner: Runner) -> None:
        self._services = services
        self._callers = callers
        self._runner = runner

    async def answer(self, scope: MutableMapping[str, Any], receive: bodies.Receive) -> Answer | Stream:
        talk = exchange.of(scope)
        talk.route = PATH
        try:
            headers = headers_of(scope)
            caller = self._callers.admit(row_of("POST", PATH), headers, scope)
            assert caller is not None
            told = time_told(self._services, headers)
            queries.refuse_others(scope["query_string"], ())
            bodies.refuse_other_type(headers.get(b"content-type"), *_TYPES)
            body = await self._received(receive)
        except Problem as problem:
            talk.problem = problem.type.name
            return problem.answer()
        return Stream(200, [(b"content-type", NDJSON.encode())], self._answers(body, caller, told))

    async def _received(self, receive: bodies.Receive) -> IO[bytes]:
        limits = self._services.limits
        size = count = 0
        last = b"\n"
        with ExitStack() as unless_whole:
            body = unless_whole.enter_context(SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES_MAX))
            async for part in bodies.parts(receive):
                size += len(part)
                bodies.refuse_larger(size, limits.bulk_body_bytes_max)
                count += part.count(b"\n")
                last = part[-1:] or last
                bodies.refuse_larger(count + (last != b"\n"), limits.bulk_lines_max, "lines")
                body.write(part)
            unless_whole.pop_all()
        body.seek(0)
        return body

    async def _answers(self, body: IO[bytes], caller: Caller, told: datetime | None) -> AsyncIterator[bytes]:
        with closing(body):
            each = numbered(body, self._services.limits.bulk_line_bytes_max)
            before: list[_Asked] = []
            while some := list(islice(each, _LINES_AT_ONCE)):
                asked = await self._ask_all(some, caller, told)  # while those before are being committed
                if before:
                    yield await self._encoded(before, caller)
                before = asked
            if before:
                yield await self._encoded(before, caller)

    async def answers_of(
        self, some: Sequence[tuple[int, bytes | None]], caller: Caller, told: datetime | None
    ) -> list[dict[str, Any]]:
        """All are at the desk before the first is waited for. `told`: the time of lines that have none of their own."""
        return [await self._answer(each, caller) for each in await self._ask_all(some, caller, told)]

    async def _ask_all(
        self, some: Sequence[tuple[int, bytes | None]], caller: Caller, told: datetime | None
    ) -> list[_Asked]:
        return [await self._ask(number, line, caller, told) for number, line in some]

    async def _encoded(self, asked: Sequence[_Asked], caller: Caller) -> bytes:
        return b"".join([_encode(await self._answer(each, caller)) + b"\n" for each in asked])

    async def _ask(self, number: int, line: bytes | None, caller: Caller, told: datetime | None) -> _Asked:
        try:
            return await self._submitted(number, line, caller, told)
        except Exception as error:  # noqa: BLE001 - each line stands alone: its fault is its own
            key = lines.key_of(line) if line is not None else None
            return _Asked(number, key, 0, self._problem(number, error))

    async def _submitted(self, number: int, line: bytes | None, caller: Caller, told: datetime | None) -> "_Asked":
        if line is None:
            most = self._services.limits.bulk_line_bytes_max
            raise Problem("body-too-large", f"a line has at most {most} bytes", {"most": most, "unit": "bytes"})
        read = lines.read(line, lambda key: self._booking_under(caller, key))
        spec = read.spec
        if spec.row.roles is None or caller.role not in spec.row.roles:
            raise problems.forbidden(f"this is not for the role {caller.role}")
        at = self._time_of(read, caller, told)
        asking = Asking(caller, read.key, at, read.body, bodies.canonical(read.body, lines.OF_THE_LINE), read.booking)
        (command,) = await self._runner.prepare(spec, asking)
        return _Asked(number, read.key, spec.status, self._services.desk.submit_async(command))

    async def _answer(self, asked: _Asked, caller: Caller) -> dict[str, Any]:
        start: dict[str, Any] = {"line": asked.number, "key": asked.key}
        if isinstance(asked.waiting, Problem):
            return start | {"status": asked.waiting.status, "body": asked.waiting.members}
        try:
            receipt = await asked.waiting
            outcome = await self._runner.outcome(caller, receipt)
        except Exception as error:  # noqa: BLE001 - as above
            problem = self._problem(asked.number, error)
            return start | {"status": problem.status, "body": problem.members}
        replayed = {"replayed": True} if receipt.replayed else {}
        if isinstance(outcome, Problem):
            return start | {"status": outcome.status} | replayed | {"body": outcome.members}
        return start | {"status": asked.status} | replayed | {"body": outcome}

    def _time_of(self, read: lines.Read, caller: Caller, told: datetime | None) -> datetime:
        """A line's own time counts for an operator, and where the instance takes its time from requests."""
        services = self._services
        if read.at is not None and (services.clock == "request" or caller.role == "operator"):
            return read.at
        if told is not None:
            return told
        if services.clock == "request":
            raise problems.invalid("at", "this instance takes its time from requests", status=400)
        return services.now()

    def _booking_under(self, caller: Caller, key: str) -> str:
        return self._services.booking_id(self._services.command_id(caller.subject, key), 0)

    def _problem(self, number: int, error: Exception) -> Problem:
        problem = problems.of_error(error)
        if problem is None:
            _log.error("a line met a fault", line=number, exc_info=error)
            return problems.internal_error()
        return problem


def numbered(body: IO[bytes], bytes_max: int) -> Iterator[tuple[int, bytes | None]]:
    """Lines with their number from 1, blank ones left out; None in place of one that is too long."""
    number = 0
    while line := body.readline(bytes_max + 1):
        number += 1
        is_longer = len(line) > bytes_max and not line.endswith(b"\n")
        while is_longer and (rest := body.readline(bytes_max + 1)) and not rest.endswith(b"\n"):
            pass
        if is_longer:
            yield number, None
        elif line.strip():
            yield number, line
