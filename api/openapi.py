"""The description of the API: commands from their table, problems from theirs, roles from the policy table."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api import answers, bulk, lines
from api.command_specs import Spec
from api.policy_table import TABLE, Row
from api.problems import TYPES

TITLE: Final = "Mawid"
_DESCRIPTION: Final = """
Reservations for public offices. All facts lie in one log; `position` is the place of a fact in it, 1, 2, 3 … without
a gap.

**Keys.** Every command carries `Idempotency-Key`. The same key with the same body gets the same status and body
again, with `Idempotency-Replayed: true`, on whichever worker and after a restart; with another body it is refused
(422). A twin in flight waits for the same answer. Refusals replay too, for 24 hours. Answers of 401, 403, 415, 429,
500 and 503, and what is refused for its form, are not kept: send the same key again. In NDJSON each line has its own
key.

**Positions.** A command's answer has `position` (and the header `Mawid-Position`): its last fact, or the head of the
log at which it was decided. A read has `as_of`. Send `Mawid-At-Least: <position>` with a read to read your own write:
it waits up to 2 s for it.

**Clock.** An instance with `MAWID_CLOCK=request` takes its time from `Mawid-Now` (RFC 3339 with offset), which every
command then needs; otherwise the header is refused.

**Times.** Offices live in Asia/Riyadh (UTC+3, no daylight saving). `starts_at` may be office wall time without an
offset.

**References.** `reference` is the customer's secret for a booking, `booking` its public id; paths take either.
Somebody else's booking is answered exactly as one that does not exist.

**Problems** are `application/problem+json` (RFC 9457); `type` resolves to a page in Arabic and English.
"""
BOOKING_NAMED: Final = "The booking's `reference`, in any spelling, or its `booking` id"
_TAGS: Final = (
    "bookings",
    "persons",
    "offices",
    "bulk",
    "catalogue",
    "statistics",
    "measurements",
    "audit",
    "instance",
)
_NAMED_IN_PATHS: Final = {
    "reference": BOOKING_NAMED,
    "hold": "The hold's id",
    "entry": "The entry's id",
    "office": "The office's id",
    "measurement": "The measurement's id",
    "request": "The id that the request for erasure was answered with",
}
_PROBLEM: Final = {"$ref": "#/components/schemas/ProblemAnswer"}
_GENERAL: Final = ("invalid-request", "too-many-requests", "overloaded", "internal-error")
_OF_COMMANDS: Final = (
    "idempotency-key-missing",
    "idempotency-key-reused",
    "body-too-large",
    "unsupported-media-type",
    "outcome-unknown",
)


def problem_responses(*names: str) -> dict[int | str, dict[str, Any]]:
    """For the `responses` of a route: what it answers with beyond what every route does."""
    responses: dict[int | str, dict[str, Any]] = {}
    for name in names:
        kind = TYPES[name]
        response = responses.setdefault(kind.status, {"description": "", "content": _content()})
        response["description"] = ", ".join(filter(None, [response["description"], name]))
        example = {"type": f"/problems/{name}", "title": kind.title_en, "status": kind.status, "detail": kind.text_en}
        response["content"]["application/problem+json"]["examples"][name] = {"value": example}
    return responses


def command_extra(spec: Spec) -> dict[str, Any]:
    """What FastAPI cannot know of a route that reads its own bytes."""
    named = [
        _parameter("path", name, text, required=True)
        for name, text in _NAMED_IN_PATHS.items()
        if f"{{{name}}}" in spec.path
    ]
    body = {"schema": {"$ref": f"#/components/schemas/{spec.body.__name__}"}}
    return {
        "parameters": [*named, _parameter("header", "Idempotency-Key", "Chosen once per command", required=True), _NOW],
        "requestBody": {"required": not spec.body_is_optional, "content": {"application/json": body}},
    }


def bulk_extra() -> dict[str, Any]:
    schema = {"oneOf": [{"$ref": f"#/components/schemas/{model.__name__}"} for model in lines.MODELS]}
    example = '{"command": "cancel", "key": "k-2", "booking_key": "k-1"}\n'
    return {
        "parameters": [_NOW],
        "requestBody": {"required": True, "content": {bulk.NDJSON: {"schema": schema, "example": example}}},
    }


def describe(app: FastAPI, specs: Sequence[Spec]) -> Callable[[], dict[str, Any]]:
    """To be put in place of `app.openapi`."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _described(app, specs)
        return app.openapi_schema

    return openapi


def _described(app: FastAPI, specs: Sequence[Spec]) -> dict[str, Any]:
    schema = get_openapi(
        title=TITLE,
        version=app.version,
        description=_DESCRIPTION + _table_of_problems(),
        routes=app.routes,
        tags=[{"name": name} for name in _TAGS],
    )
    models: list[type[BaseModel]] = [*dict.fromkeys(spec.body for spec in specs), *lines.MODELS]
    asked = [(model, "validation") for model in models]
    told = [(model, "serialization") for model in (answers.ProblemAnswer, answers.LineAnswer)]
    _, definitions = models_json_schema([*asked, *told], ref_template="#/components/schemas/{model}")  # type: ignore[list-item]
    components = schema.setdefault("components", {})
    components["schemas"] = definitions["$defs"] | components.get("schemas", {})
    components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            _complete(operation, TABLE[method.upper(), path], is_command=method != "get")
    return schema


def _complete(operation: dict[str, Any], row: Row, *, is_command: bool) -> None:
    names = [*_GENERAL, *(_OF_COMMANDS if is_command else ())]
    if row.roles is not None:
        operation["security"] = [{"bearer": []}]
        operation["x-roles"] = sorted(row.roles)
        names += ["unauthenticated", "forbidden"]
    if not is_command and row.roles is not None:
        operation.setdefault("parameters", []).append(_NOW)
    for status, response in problem_responses(*names).items():
        known = operation["responses"].get(str(status))
        if known is None or "application/problem+json" not in known.get("content", {}):
            operation["responses"][str(status)] = response
            continue
        new = response["content"]["application/problem+json"]["examples"]
        known["content"]["application/problem+json"]["examples"] |= new
        known["description"] = ", ".join(known["content"]["application/problem+json"]["examples"])


def _content() -> dict[str, Any]:
    return {"application/problem+json": {"schema": _PROBLEM, "examples": {}}}


def _parameter(place: str, name: str, text: str, *, required: bool = False) -> dict[str, Any]:
    return {"in": place, "name": name, "description": text, "required": required, "schema": {"type": "string"}}


_NOW: Final = _parameter("header", "Mawid-Now", "What time it is, where the instance takes it from requests")


def _table_of_problems() -> str:
    rows = [f"| [{kind.name}](/problems/{kind.name}) | {kind.status} | {kind.title_en} |" for kind in TYPES.values()]
    return "\n".join(["", "| problem | status | |", "|---|---|---|", *rows, ""])
