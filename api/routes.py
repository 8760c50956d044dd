"""The frame that reading endpoints hang in. Declare them on `APIRouter(route_class=GuardedRoute)`, add a row to the
policy table and the router to api/app.py: the guard sees to token, role, rate, clock and unknown parameters.
"""

import re
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Header, params
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from api import exchange, problems, queries, views
from api.callers import Callers, headers_of
from api.clock import time_of_read, time_told
from api.policy_table import row_of
from api.problems import Problem, retry_after
from api.references import References
from api.services import Services
from domain.commands import Caller

POSITION_MAX = 2**63 - 1
AT_LEAST = b"mawid-at-least"
_POSITION = re.compile(r"[0-9]{1,19}")
_CALLER = "mawid.caller"


class GuardedRoute(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()
        declared = get_flat_params(self.dependant)
        parameters = [each.alias for each in declared if isinstance(each.field_info, params.Query)]

        async def guarded(request: Request) -> Response:
            scope = request.scope
            exchange.of(scope).route = self.path_format
            state = request.app.state
            services: Services = state.services
            callers: Callers = state.callers
            headers = headers_of(scope)
            scope[_CALLER] = callers.admit(row_of(request.method, self.path_format), headers, scope)
            time_told(services, headers)
            queries.refuse_others(scope["query_string"], parameters)
            return await handler(request)

        return guarded


class CommandRoute(APIRoute):
    """A command's, which api/runner.py guards: there the order of checks is the same for both doors."""


# Coroutines, though they wait for nothing: a plain function would go through a thread at each request.
async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


async def _references(request: Request) -> References:
    references: References = request.app.state.references
    return references


async def _caller(request: Request) -> Caller:
    """Whom the guard has let in; for routes whose row asks for a token."""
    caller: Caller = request.scope[_CALLER]
    return caller


async def _now(request: Request) -> datetime:
    return time_of_read(request.app.state.services, headers_of(request.scope))


_AtLeast = Annotated[str | None, Header(description="A position the answer has to know of: waits up to 2 s for it")]
TheServices = Annotated[Services, Depends(_services)]
TheReferences = Annotated[References, Depends(_references)]
TheCaller = Annotated[Caller, Depends(_caller)]
TheTime = Annotated[datetime, Depends(_now)]


def at_least(*names: str) -> params.Depends:
    """The views have seen the position in Mawid-At-Least: `dependencies=[at_least("bookings")]`."""

    async def wait(services: TheServices, mawid_at_least: _AtLeast = None) -> None:
        if mawid_at_least is None:
            return
        position = int(mawid_at_least) if _POSITION.fullmatch(mawid_at_least) else POSITION_MAX + 1
        if position > POSITION_MAX:
            raise problems.invalid("Mawid-At-Least", "is not a position of the log", status=400)
        if not await views.seen(services, names, position, services.limits.at_least_wait_s_max):
            detail = "the answer is not as recent as Mawid-At-Least asks for yet"
            raise Problem("view-behind", detail, headers=[retry_after(1)])

    return params.Depends(wait)
