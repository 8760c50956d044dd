"""The description of the API: for machines, and as a page that needs nothing from elsewhere."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from api.problem_pages import page
from api.problems import TYPES
from api.routes import GuardedRoute

router = APIRouter(route_class=GuardedRoute, tags=["instance"])


@router.get("/openapi.json", include_in_schema=False)
async def openapi(request: Request) -> Response:
    return JSONResponse(request.app.openapi())


@router.get("/docs", summary="This description as a page", response_class=HTMLResponse)
async def description(request: Request) -> Response:
    schema: dict[str, Any] = request.app.openapi()
    operations = [
        (method.upper(), path, operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]
    return page("docs.html", info=schema["info"], operations=operations, kinds=TYPES.values())
