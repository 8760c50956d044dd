"""The API as one ASGI app: Edge (limits, headers, log) around Door (the commands that come by the thousand) around
FastAPI (everything else, and the description of it all).
"""

from typing import Final

import psycopg
from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Match

from api import (
    answers,
    audit,
    audit_streams,
    availability,
    bookings,
    bulk,
    catalogue,
    documentation,
    exchange,
    feed,
    health,
    measurements,
    persons,
    policies,
    problem_pages,
    problems,
    proofs,
    queue,
    statistics,
    stream,
    waiting,
)
from api.bodies import of_errors
from api.bulk import Bulk, Stream
from api.callers import Callers
from api.claim_commands import CLAIM_COMMANDS
from api.command_specs import Spec
from api.commands import COMMANDS
from api.door import Door
from api.edge import Edge
from api.measurement_commands import MEASUREMENT_COMMANDS
from api.metrics import Metrics
from api.openapi import bulk_extra, command_extra, describe, problem_responses
from api.person_commands import PERSON_COMMANDS
from api.policy_commands import POLICY_COMMANDS
from api.policy_table import TABLE, RouteWithoutPolicy
from api.problems import Answer, Problem
from api.recent import Recent
from api.references import References
from api.routes import CommandRoute, GuardedRoute
from api.runner import Runner
from api.services import Services
from api.visit_commands import VISIT_COMMANDS
from api.web import home, rendering
from domain.ports import OutcomeUnknown, Overloaded

API_VERSION: Final = "1"
#: Where a module of commands is added.
EVERY_COMMAND: Final = (
    *COMMANDS,
    *CLAIM_COMMANDS,
    *VISIT_COMMANDS,
    *POLICY_COMMANDS,
    *PERSON_COMMANDS,
    *MEASUREMENT_COMMANDS,
)
#: Where a module of reading endpoints is added.
ROUTERS: Final[tuple[APIRouter, ...]] = (
    bookings.router,
    persons.router,
    waiting.router,
    catalogue.router,
    availability.router,
    policies.router,
    queue.router,
    statistics.router,
    stream.router,
    measurements.router,
    audit.router,
    proofs.router,
    audit_streams.router,
    feed.router,
    health.router,
    documentation.router,
    problem_pages.router,
    home.router,
    rendering.router,
)


def create_app(services: Services) -> Edge:
    """Raises RouteWithoutPolicy if the policy table says nothing about a route."""
    callers, references = Callers(services), References(services)
    metrics = Metrics(services.queue_depth, services.reached, services.checked, services.signing, services.relayed)
    runner = Runner(services, callers, references)
    of_many = Bulk(services, callers, runner)
    app = _routes(runner, of_many)
    app.state.services, app.state.callers = services, callers
    app.state.references, app.state.metrics = references, metrics
    recent = app.state.recent = Recent.within(services.limits)
    return Edge(Door(app, runner, of_many, recent), services.limits, metrics)


def _routes(runner: Runner, of_many: Bulk) -> FastAPI:
    app = FastAPI(version=API_VERSION, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    for spec in EVERY_COMMAND:
        _add_command(app.router, spec, runner)
    _add_bulk(app.router, of_many)
    for router in ROUTERS:
        app.router.routes.extend(router.routes)
    app.openapi = describe(app, EVERY_COMMAND)  # type: ignore[method-assign]
    for kind in (Problem, Overloaded, OutcomeUnknown, psycopg.OperationalError, Exception):
        app.add_exception_handler(kind, _error)
    app.add_exception_handler(HTTPException, _not_served)
    app.add_exception_handler(RequestValidationError, _invalid)
    refuse_unguarded(app)
    return app


def _add_command(router: APIRouter, spec: Spec, runner: Runner) -> None:
    async def command(request: Request) -> Response:
        return as_response(await runner.answer(spec, request.path_params, request.scope, request.receive))

    router.add_api_route(
        spec.path,
        command,
        methods=[spec.method],
        route_class_override=CommandRoute,
        operation_id=spec.name,
        summary=spec.summary,
        description=spec.description,
        status_code=spec.status,
        response_model=spec.answer,
        responses=problem_responses(*spec.refusals),
        tags=[spec.tag],
        openapi_extra=command_extra(spec),
    )


def _add_bulk(router: APIRouter, of_many: Bulk) -> None:
    async def commands(request: Request) -> Response:
        return as_response(await of_many.answer(request.scope, request.receive))

    answered = {"schema": {"$ref": f"#/components/schemas/{answers.LineAnswer.__name__}"}}
    router.add_api_route(
        bulk.PATH,
        commands,
        methods=["POST"],
        route_class_override=CommandRoute,
        operation_id="commands",
        summary="Many commands, one a line",
        description="NDJSON in and out: each line stands alone and is answered by one line, in order, with the status "
        "and body that its own call would have had. `key` is the line's Idempotency-Key. A booking is named by "
        "`reference`, `booking`, or `booking_key`, the key under which it was booked. A line's `at` counts for an "
        "operator, and where the instance takes its time from requests.",
        response_class=Response,
        responses={200: {"content": {bulk.NDJSON: answered}}},
        tags=["bulk"],
        openapi_extra=bulk_extra(),
    )


def refuse_unguarded(app: FastAPI) -> None:
    """Every route has a row in the policy table, and goes by it."""
    missing = []
    for route in app.routes:
        path = getattr(route, "path_format", repr(route))  # {stream}, though its pattern says {stream:path}
        is_guarded = isinstance(route, GuardedRoute | CommandRoute)
        methods = getattr(route, "methods", None) or {"*"}
        missing += [(method, path) for method in methods if not is_guarded or (method, path) not in TABLE]
    if missing:
        raise RouteWithoutPolicy(missing)


def as_response(answer: Answer | Stream) -> Response:
    """For FastAPI's door: the same bytes and headers as the other door sends."""
    response = (
        Response(answer.body, answer.status)
        if isinstance(answer, Answer)
        else StreamingResponse(answer.chunks, answer.status)
    )
    response.raw_headers = answer.headers
    return response


# -- errors -----------------------------------------------------------------------------------------------------------


async def _error(request: Request, error: Exception) -> Response:
    """A fault is logged at the edge, which it reaches too."""
    return _answered(request, problems.of_error(error) or problems.internal_error())


async def _not_served(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:  # noqa: PLR2004 - so Starlette says that the path is served and the method is not
        allowed = ", ".join(sorted(_methods_of(request)))
        detail = f"this address takes {allowed}"
        return _answered(request, Problem("method-not-allowed", detail, headers=[(b"allow", allowed.encode())]))
    return _answered(request, problems.not_found())


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _answered(request, of_errors((".".join(map(str, each["loc"][1:])), each["msg"]) for each in error.errors()))


def _answered(request: Request, problem: Problem) -> Response:
    exchange.of(request.scope).problem = problem.type.name
    return as_response(problem.answer())


def _methods_of(request: Request) -> set[str]:
    """Of all routes of the path: Starlette names those of the first alone."""
    routes = [route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE]
    return {method for route in routes for method in route.methods}
