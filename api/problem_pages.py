"""The page that a problem's `type` leads to, in both languages, Arabic first."""

from typing import Final

from fastapi import APIRouter
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from api.problems import TYPES, not_found
from api.routes import GuardedRoute

router = APIRouter(route_class=GuardedRoute, tags=["instance"])
_templates: Final = Environment(
    loader=PackageLoader("api", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@router.get("/problems/{name}", summary="What a problem means, and what to do about it", response_class=HTMLResponse)
async def problem_page(name: str) -> Response:
    kind = TYPES.get(name)
    if kind is None:
        raise not_found()
    return page("problem.html", kind=kind)


def page(template: str, **shown: object) -> Response:
    return HTMLResponse(_templates.get_template(template).render(**shown))
