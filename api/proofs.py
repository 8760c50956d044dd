"""What lets an auditor do without trust: the signed head of the log, and proofs of what is in it and before it."""

from base64 import b64encode
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from psycopg import Connection
from starlette.responses import JSONResponse, PlainTextResponse, Response

from api import answers, views
from api.openapi import problem_responses
from api.problems import Problem, invalid, retry_after
from api.routes import POSITION_MAX, GuardedRoute, TheServices
from api.services import Services
from domain.ports import Inclusion, PublishedCheckpoint
from projections import feed, history
from projections.projection import snapshot

JSON: Final = "application/json"
TEXT: Final = "text/plain"

router = APIRouter(route_class=GuardedRoute, tags=["audit"])
_problems = problem_responses("invalid-request", "view-behind")

Position = Annotated[int, Query(ge=1, le=POSITION_MAX, description="Of the event")]
Size = Annotated[
    int | None, Query(ge=1, le=POSITION_MAX, description="Of the log: that of a checkpoint you keep; else the latest's")
]


@router.get(
    "/v1/audit/checkpoint",
    summary="The head of the log, signed",
    description="A C2SP tlog-checkpoint: origin, size and root of the log's RFC 6962 tree (SHA-256), signed with the "
    "Ed25519 key that `mawid audit key` prints. As text the note itself; with `Accept: application/json` its members "
    "too. A second, or 1,000 events, behind the log at most. Keep it: whoever changes the past cannot make it fit.",
    response_class=PlainTextResponse,
    responses=problem_responses("view-behind")
    | {
        200: {
            "content": {
                TEXT: {"schema": {"type": "string"}, "example": answers.NOTE},
                JSON: {"schema": answers.CheckpointShown.model_json_schema()},
            }
        }
    },
)
async def checkpoint(request: Request, services: TheServices) -> Response:
    latest = await _covering(services, 1)
    headers = {"Vary": "Accept"}
    if _wants_json(request.headers.get("accept", "")):
        return JSONResponse(_shown(latest), headers=headers)
    return PlainTextResponse(latest.note, headers=headers)


@router.get(
    "/v1/audit/inclusion",
    summary="Proof that an event is in the log",
    description="RFC 6962, 2.1.1, in base64, the leaf's sibling first: with it `leaf` gives the checkpoint's root. "
    "The leaf is the hash of the event's stored bytes; its index in the tree is `position` - 1. An event is covered a "
    "second after it was written at the latest: the answer waits for it. `checkpoint` is the one of that size; null "
    "if none was signed at exactly the `size` you ask for, or it is no longer kept.",
    response_model=answers.Receipt,
    responses=_problems,
)
async def inclusion(services: TheServices, position: Position, size: Size = None) -> Response:
    if size is not None and position > size:
        raise invalid("position", f"is after the size asked for, {size}")
    latest = await _covering(services, size or position, field="position" if size is None else "size")
    found = await views.reading(services, partial(_inclusion, services, position, size or latest.size))
    return JSONResponse(found)


@router.get(
    "/v1/audit/consistency",
    summary="Proof that the log only grew",
    description="RFC 6962, 2.1.2, in base64: that the log of `to` events begins with the `from` events it had before. "
    "`to` is the latest checkpoint's size unless told otherwise. `checkpoint` as with inclusion proofs.",
    response_model=answers.Consistency,
    responses=_problems,
)
async def consistency(
    services: TheServices,
    old: Annotated[int, Query(alias="from", ge=0, le=POSITION_MAX, description="Size of the checkpoint you keep")],
    size: Annotated[int | None, Query(alias="to", ge=0, le=POSITION_MAX, description="Size of the newer one")] = None,
) -> Response:
    if size is not None and old > size:
        raise invalid("from", f"is after `to`, {size}")
    latest = await _covering(services, old if size is None else size, field="from" if size is None else "to")
    found = await views.reading(services, partial(_consistency, services, old, latest.size if size is None else size))
    return JSONResponse(found)


def receipt(services: Services, connection: Connection[Any], booking: str, upto: int) -> dict[str, Any] | None:
    """Of the booking's latest fact, up to a position, that a checkpoint covers; None: none is covered yet."""
    latest = services.checkpoints.latest(connection)
    if latest is None:
        return None
    position = history.last_position_of_booking(connection, booking, upto=min(latest.size, upto))
    if position is None:
        return None
    return _receipt(services.checkpoints.inclusion(connection, position, latest.size), latest)


# -- parts ------------------------------------------------------------------------------------------------------------


async def _covering(services: Services, size: int, *, field: str = "size") -> PublishedCheckpoint:
    """The latest checkpoint, which covers `size` events: waits for it if the log has as many."""
    end = await views.reading(services, feed.end)
    if size > max(end.position, 1):
        raise invalid(field, f"is after the last position, {end.position}")

    def latest(connection: Connection[Any]) -> PublishedCheckpoint | None:
        found = services.checkpoints.latest(connection)
        return found if found is not None and found.size >= size else None

    found = await views.awaited(services, latest, services.limits.at_least_wait_s_max)
    if found is None:
        raise Problem("view-behind", "no checkpoint of so many events is signed yet", headers=[retry_after(1)])
    return found


def _inclusion(services: Services, position: int, size: int, connection: Connection[Any]) -> dict[str, Any]:
    with snapshot(connection):
        proved = services.checkpoints.inclusion(connection, position, size)
        return _receipt(proved, services.checkpoints.of_size(connection, size))


def _consistency(services: Services, old: int, size: int, connection: Connection[Any]) -> dict[str, Any]:
    with snapshot(connection):
        proof = services.checkpoints.consistency(connection, old, size)
        signed = services.checkpoints.of_size(connection, size)
    return {"from": old, "to": size, "proof": _base64(proof), "checkpoint": signed and signed.note}


def _receipt(proved: Inclusion, signed: PublishedCheckpoint | None) -> dict[str, Any]:
    return {
        "position": proved.position,
        "size": proved.size,
        "leaf": b64encode(proved.leaf).decode(),
        "proof": _base64(proved.proof),
        "checkpoint": signed and signed.note,
    }


def _base64(hashes: Sequence[bytes]) -> list[str]:
    return [b64encode(each).decode() for each in hashes]


def _shown(signed: PublishedCheckpoint) -> dict[str, Any]:
    return signed._asdict() | {"root": b64encode(signed.root).decode()}


def _wants_json(accept: str) -> bool:
    """Only who names it, and not the text as well: a browser's */* gets the note."""
    named = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    return JSON in named and TEXT not in named
