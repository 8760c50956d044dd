"""One function carries out a command from the bytes of its request, whichever door they came through: who asks, what
they may, which key, what time; then the body, the command, the desk, and the answer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any, NamedTuple

import msgspec
import psycopg
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from api import bodies, exchange, idempotency, problems, queries, views
from api.callers import Callers, headers_of
from api.clock import time_of_command
from api.command_specs import NAMES_OF_BOOKING, Asked, Spec
from api.policy_table import Scope, is_office_of
from api.problems import Answer, Headers, Problem
from api.references import References, canonical_form
from api.schemas import is_code
from api.services import Services
from domain.booking import Booking
from domain.commands import Caller, Command
from domain.errors import ActiveBookingExists
from domain.ports import OutcomeUnknown, Receipt
from projections import history

_encode = msgspec.json.Encoder().encode
_REPLAYED = (b"idempotency-replayed", b"true")


class Asking(NamedTuple):
    """Who asks for what, before anything of it is looked up."""

    caller: Caller
    key: str
    at: Any  # datetime
    body: BaseModel
    canonical: bytes  # of the body
    booking: str = ""  # as the request names it: an id, or a reference in any spelling
    office: str = ""
    measurement: str = ""
    request: str = ""


class Runner:
    def __init__(self, services: Services, callers: Callers, references: References) -> None:
        self._services = services
        self._callers = callers
        self._references = references

    async def answer(
        self, spec: Spec, named: Mapping[str, str], scope: MutableMapping[str, Any], receive: bodies.Receive
    ) -> Answer:
        """`named`: what the path names, under the names of the spec's template."""
        talk = exchange.of(scope)
        talk.route = spec.path
        try:
            asking = await self._asking(spec, named, scope, receive)
            commands = await self.prepare(spec, asking)
            talk.is_submitted = True
            receipt = await self.submit(spec, commands)
            outcome = await self.outcome(asking.caller, receipt)
            if spec.tell is not None and receipt.refusal is None:
                outcome = await self._told(spec.tell, receipt)
        except Exception as error:
            problem = problems.of_error(error)
            if problem is None:
                raise
            talk.problem = problem.type.name
            return problem.answer()
        if isinstance(outcome, Problem):
            talk.problem = outcome.type.name
            answer = outcome.answer()
            return Answer(answer.status, answer.headers + _about(receipt), answer.body)
        body = _encode(outcome)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *_about(receipt)]
        return Answer(spec.status, headers, body)

    async def _asking(
        self, spec: Spec, named: Mapping[str, str], scope: MutableMapping[str, Any], receive: bodies.Receive
    ) -> Asking:
        services = self._services
        headers = headers_of(scope)
        caller = self._callers.admit(spec.row, headers, scope)
        assert caller is not None  # no command is for everybody: tests/api/test_policy_table.py
        key = idempotency.key_of(headers)
        at = time_of_command(services, headers)
        queries.refuse_others(scope["query_string"], ())
        content = await bodies.read(receive, services.limits.body_bytes_max, headers.get(b"content-length"))
        if spec.body_is_optional and not content:
            content = b"{}"
        else:
            bodies.refuse_other_type(headers.get(b"content-type"), bodies.JSON)
        body, canonical = bodies.validated(spec.body, content)
        booking = next((named[name] for name in NAMES_OF_BOOKING if name in named), "")
        others = {name: named[name] for name in ("office", "measurement", "request") if name in named}
        return Asking(caller, key, at, body, canonical, booking, **others)

    async def prepare(self, spec: Spec, asking: Asking) -> Sequence[Command]:
        services, caller, key = self._services, asking.caller, asking.key
        if asking.office and not is_code(asking.office):
            raise problems.invalid("office", "is not the id of an office")
        if spec.row.scope is not Scope.ANY and (caller.office is not None or caller.region is not None):
            for office in spec.offices(asking.body, asking.office):
                await self._refuse_other_office(caller, office)
        booking, target = "", asking.office or asking.measurement or asking.request
        if asking.booking:
            booking = await self._references.booking_named(asking.booking)
            target = canonical_form(asking.booking) or asking.booking
        fingerprint = idempotency.fingerprint(services.fingerprint, spec.path, target, asking.canonical)
        command_id = services.command_id(caller.subject, key)
        asked = Asked(
            services,
            caller,
            asking.at,
            key,
            command_id,
            fingerprint,
            asking.body,
            booking,
            asking.office,
            asking.measurement,
            asking.request,
        )
        return await run_in_threadpool(spec.build, asked) if spec.build_reads else spec.build(asked)

    async def _refuse_other_office(self, caller: Caller, office: str) -> None:
        region_of = self._services.region_of
        if caller.region is None:
            is_theirs = is_office_of(caller, office, region_of)
        else:
            is_theirs = await run_in_threadpool(is_office_of, caller, office, region_of)
        if not is_theirs:
            raise problems.forbidden("this office is not yours")

    async def submit(self, spec: Spec, commands: Sequence[Command]) -> Receipt:
        """A command made of several is decided by its first; the others follow together."""
        submit = self._services.desk.submit_async
        first = await submit(commands[0])
        if len(commands) == 1 or first.refusal is not None:
            return first
        return spec.combine([first, *await asyncio.gather(*[submit(command) for command in commands[1:]])])

    async def _told(
        self, tell: Callable[[Services, Receipt], Awaitable[dict[str, Any]]], receipt: Receipt
    ) -> dict[str, Any]:
        """The command is in the log: should reading it back fail, nobody may be told that nothing was written."""
        try:
            return await tell(self._services, receipt)
        except psycopg.OperationalError as error:
            raise OutcomeUnknown from error

    async def outcome(self, caller: Caller, receipt: Receipt) -> dict[str, Any] | Problem:
        """What is told of a receipt: the same members in the same order, however often it is asked for."""
        refusal, said = receipt.refusal, receipt.answer
        if refusal is not None:
            if refusal.name == ActiveBookingExists.name:
                booking = refusal.evidence["booking"]
                if await self._may_see(caller, booking, receipt.position):
                    told = {"reference": await self._references.told(booking)}
                    return problems.of_refusal(refusal, receipt.position, told)
            return problems.of_refusal(refusal, receipt.position)
        assert said is not None
        if said.get("booking") is not None:
            return await self._with_reference(said) | {"position": receipt.position}
        if "bookings" in said:
            several = [await self._with_reference(one) for one in said["bookings"]]
            return {"bookings": several, "position": receipt.position}
        return said | {"position": receipt.position}

    async def _with_reference(self, booking: dict[str, Any]) -> dict[str, Any]:
        """Whoever could ask for the command may see it."""
        return {"booking": booking["booking"], "reference": await self._references.told(booking["booking"]), **booking}

    async def _may_see(self, caller: Caller, booking: str, position: int) -> bool:
        """As of the refusal, so that it is told the same way again after the booking has moved."""
        if caller.role in ("citizen", "operator"):
            return True
        told = await views.reading(
            self._services, lambda connection: history.of_booking(connection, booking, upto=position)
        )
        state = Booking(booking)
        for each in told:
            state.evolve(each.fact)
        return state.status is not None and is_office_of(caller, state.office, self._services.region_of)


def _about(receipt: Receipt) -> Headers:
    position = (b"mawid-position", b"%d" % receipt.position)
    return [position, _REPLAYED] if receipt.replayed else [position]
