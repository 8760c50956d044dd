"""What HTTP alone costs: a FastAPI POST that checks its body and does nothing, under the same server and settings."""

from fastapi import FastAPI
from granian import Granian
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from pydantic import BaseModel

from api.schemas import BookIn
from infra.settings import Http

app = FastAPI(openapi_url=None)


class Done(BaseModel):
    office: str
    status: str


@app.post("/v1/bookings", status_code=201)
async def book(body: BookIn) -> Done:
    return Done(office=body.office, status="confirmed")


def serve(port: int) -> None:
    Granian(
        "infra.bench.noop:app",
        interface=Interfaces.ASGI,
        port=port,
        workers=1,
        http1_settings=HTTP1Settings(header_read_timeout=Http.header_read_s_max * 1000),
        websockets=False,
        log_level=LogLevels.warning,
    ).serve()
