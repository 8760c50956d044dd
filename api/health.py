"""Whether this process lives, whether it may be sent requests, and its figures."""

from fastapi import APIRouter, Request
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import JSONResponse, Response

from api.problems import retry_after
from api.routes import GuardedRoute, TheServices

router = APIRouter(route_class=GuardedRoute, tags=["instance"])


@router.get("/health/live", summary="The process answers")
async def live() -> dict[str, str]:
    return {"status": "live"}


@router.get(
    "/health/ready",
    summary="The views have reached the head seen at start, and are followed",
    responses={
        503: {
            "description": "not yet: `lagging` says which views have not reached that head, and by how many events; "
            "`stopped` which ones are followed by no process, and where they stand"
        }
    },
)
def ready(services: TheServices) -> Response:
    lagging, stopped = dict(services.lagging()), dict(services.stopped())
    if not lagging and not stopped:
        return JSONResponse({"status": "ready"})
    name, value = retry_after(1)
    headers = {name.decode(): value.decode()}
    said = {"status": "stopped" if stopped else "catching up", "lagging": lagging, "stopped": stopped}
    return JSONResponse(said, status_code=503, headers=headers)


@router.get("/metrics", summary="Figures for Prometheus", response_class=Response)
def metrics(request: Request) -> Response:
    figures = generate_latest(request.app.state.metrics.registry)
    return Response(figures, media_type=CONTENT_TYPE_LATEST)
