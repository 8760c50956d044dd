"""Answers that everybody may read: kept by caches, which ask each time whether they have changed."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from api.problems import Answer

encode: Final = msgspec.json.Encoder().encode
_OK: Final = 200


def revalidated(request: Request, members: Mapping[str, Any]) -> Response:
    return unless_known(request, encode(members), "application/json")


def unless_known(request: Request, body: bytes, media_type: str) -> Response:
    """304 to a client that has these bytes already."""
    tag = _tag(body)
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    known = request.headers.get("if-none-match", "")
    if known == "*" or tag in (each.strip().removeprefix("W/") for each in known.split(",")):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)


def for_all(body: bytes) -> Answer:
    """JSON, as `unless_known` sends it to a client that has nothing yet."""
    headers = [
        (b"etag", _tag(body).encode()),
        (b"cache-control", b"no-cache"),
        (b"content-length", b"%d" % len(body)),
        (b"content-type", b"application/json"),
    ]
    return Answer(_OK, headers, body)


def _tag(body: bytes) -> str:
    return f'"{blake2b(body, digest_size=12).hexdigest()}"'
