"""Templates, and the files they need: each under a name that holds its hash, so that caches may keep it for ever."""

import re
from hashlib import blake2b
from importlib.resources import files
from typing import Final, NamedTuple

from fastapi import APIRouter
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import Response

from api.problems import not_found
from api.routes import GuardedRoute
from api.web.language import Language

_MEDIA_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_KEPT: Final = {"Cache-Control": "public, max-age=31536000, immutable"}

router = APIRouter(route_class=GuardedRoute)


class _File(NamedTuple):
    name: str  # with its hash
    body: bytes
    media_type: str


def _hashed(name: str, body: bytes) -> _File:
    stem, _, kind = name.rpartition(".")
    return _File(f"{stem}.{blake2b(body, digest_size=6).hexdigest()}.{kind}", body, _MEDIA_TYPES[kind])


_FILES: Final = {each.name: _hashed(each.name, each.read_bytes()) for each in (files("api.web") / "static").iterdir()}
_BY_HASHED_NAME: Final = {each.name: each for each in _FILES.values()}


def static(name: str) -> str:
    """The address of a file of static/."""
    return f"/static/{_FILES[name].name}"


_templates: Final = Environment(
    loader=PackageLoader("api.web", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.globals["static"] = static


def rendered(template: str, language: Language, **shown: object) -> bytes:
    page = _templates.get_template(template).render(language=language, words=language.words, **shown)
    return re.sub(r"\n\s*\n+", "\n", page).encode()


@router.get("/static/{name}", include_in_schema=False)
async def static_file(name: str) -> Response:
    found = _BY_HASHED_NAME.get(name)
    if found is None:
        raise not_found()
    return Response(found.body, media_type=found.media_type, headers=_KEPT)
