"""What every request passes first and last, whichever door it takes: limits, deadline, headers, log line, figures."""

import asyncio
import itertools
import logging
import secrets
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from time import perf_counter
from typing import Any, Final

import structlog

from api import bodies, bulk, problems
from api.admission import Buckets, too_many_requests
from api.deadlines import Deadlines
from api.exchange import KEY, Exchange
from api.metrics import Metrics
from api.problems import Headers, Problem
from api.services import Limits

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, bodies.Receive, Send], Coroutine[Any, Any, None]]

_SLOW_S: Final = 1.0
_ALWAYS: Final = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))
_NO_STORE: Final = (b"cache-control", b"no-store")
_POLICY: Final = (
    b"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; font-src 'self'; "
    b"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_PAGES: Final = (b"content-security-policy", _POLICY)
_LENGTH_DIGITS_MAX: Final = 15

_log = structlog.get_logger("access")
_level = logging.getLogger("access")


class Edge:
    def __init__(self, inner: App, limits: Limits, metrics: Metrics) -> None:
        self._inner = inner
        self._limits = limits
        self._metrics = metrics
        self._deadlines = Deadlines(limits.request_s_max)
        self._addresses = Buckets(limits.address_requests_per_s, depth_s=limits.bucket_depth_s)
        self._log_lines = Buckets(limits.access_log_lines_per_s)
        self._unlogged = 0
        self._ids = map(f"{secrets.token_hex(4)}-{{:x}}".format, itertools.count(1))

    @property
    def metrics(self) -> Metrics:
        return self._metrics

    async def __call__(self, scope: Scope, receive: bodies.Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        started = perf_counter()
        exchange = scope[KEY] = Exchange(next(self._ids))
        task = asyncio.current_task()
        assert task is not None
        reply = _Reply(send, exchange.request_id, lambda: self._deadlines.lift(task))
        self._deadlines.begin(task)
        try:
            self._refuse_early(scope)
            await self._inner(scope, receive, reply.send)
        except bodies.ClientGone:
            reply.status = reply.status or 499  # as proxies log it; nobody receives it
        except asyncio.CancelledError:
            if not self._deadlines.was_over(task):
                raise  # by the server
            await reply.problem(
                problems.outcome_unknown() if exchange.is_submitted else problems.overloaded(1), exchange
            )
        except Exception as error:
            problem = self._problem(error, exchange)
            if reply.status and not reply.is_whole:
                raise  # half an answer cannot be taken back: let the server break the connection off
            if not reply.status:
                await reply.problem(problem, exchange)
        finally:
            self._deadlines.lift(task)
            seconds = perf_counter() - started
            self._metrics.observe(scope["method"], exchange.route, reply.status, exchange.problem, seconds)
            self._log_line(scope["method"], exchange, reply.status, seconds)

    def _refuse_early(self, scope: Scope) -> None:
        """Before anything of the body is read."""
        client = scope.get("client")
        if client is not None:
            wait_s = self._addresses.wait_s(client[0])
            if wait_s:
                raise too_many_requests("this address", wait_s)
        for name, value in scope["headers"]:
            if name == b"content-length":
                is_bulk = scope["path"] == bulk.PATH
                most = self._limits.bulk_body_bytes_max if is_bulk else self._limits.body_bytes_max
                if not value.isdigit():
                    raise problems.invalid("Content-Length", "is not a number", status=400)
                length = int(value) if len(value) <= _LENGTH_DIGITS_MAX else most + 1
                bodies.refuse_larger(length, most)

    def _problem(self, error: Exception, exchange: Exchange) -> Problem:
        problem = problems.of_error(error)
        if problem is None:
            _log.error("a request met a fault", request=exchange.request_id, route=exchange.route, exc_info=error)
            return problems.internal_error()
        return problem

    def _log_line(self, method: str, exchange: Exchange, status: int, seconds: float) -> None:
        """A line costs as much as the rest of a request, so beyond a rate they are only counted.

        The template of the route stands for the path, which may hold a reference; a query may hold a number.
        """
        if not _level.isEnabledFor(logging.INFO):
            return
        if self._log_lines.wait_s("") and seconds < _SLOW_S:
            self._unlogged += 1
            return
        unlogged, self._unlogged = self._unlogged, 0
        more = {"unlogged": unlogged} if unlogged else {}
        _log.info(
            "request",
            request=exchange.request_id,
            method=method,
            route=exchange.route,
            status=status,
            ms=round(seconds * 1000, 1),
            role=exchange.role,
            problem=exchange.problem,
            **more,
        )


class _Reply:
    """The way back: adds the headers that every answer has, and remembers what was sent."""

    __slots__ = ("_lift_deadline", "_request_id", "_send", "is_whole", "status")

    def __init__(self, send: Send, request_id: str, lift_deadline: Callable[[], None]) -> None:
        self._send = send
        self._request_id = request_id
        self._lift_deadline = lift_deadline
        self.status = 0  # until the answer begins
        self.is_whole = False

    def send(self, message: MutableMapping[str, Any]) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = _completed(message["headers"], self._request_id)
        elif not message.get("more_body", False):
            self.is_whole = True
        else:
            self._lift_deadline()  # a stream lasts as long as it does, once it has begun in time
        return self._send(message)

    async def problem(self, problem: Problem, exchange: Exchange) -> None:
        exchange.problem = problem.type.name
        answer = problem.answer()
        await self.send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await self._send({"type": "http.response.body", "body": answer.body})


def _completed(headers: Headers, request_id: str) -> Headers:
    completed = [*headers, *_ALWAYS, (b"x-request-id", request_id.encode())]
    is_page = has_own_rule = False
    for name, value in headers:
        if name == b"cache-control":
            has_own_rule = True
        elif name == b"content-type" and value.startswith(b"text/html"):
            is_page = True
    if not has_own_rule:
        completed.append(_NO_STORE)
    if is_page:
        completed.append(_PAGES)
    return completed
